//! A zone's base: what it says counts only as it was written, and beside the frames that follow it.

use std::time::{Duration, Instant};

use strongroom_auditchain::store::{OpenError, Recovery, Store, StoredLog};

use crate::events::{calm, config, create, leaf, open, origin};
use crate::faulty::Platter;

/// Twenty entries in tiles and four in frames.
fn filled(count: usize, quorum: usize, signed: &std::path::Path) -> Vec<Platter> {
    let platters: Vec<Platter> = (0..count).map(|_| Platter::default()).collect();
    create(&platters, quorum);
    let store = open(&platters, signed);
    for number in 0..24 {
        if number == 20 {
            // A zone that has not begun the next file by then keeps the older ones until the next
            // time.
            let until = Instant::now() + Duration::from_secs(60);
            store.checkpoint().unwrap();
            while !all_have_the_newest_frames_alone(&platters) {
                assert!(Instant::now() < until, "frames that are in tiles stay");
                store.checkpoint().unwrap();
            }
        }
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
    }
    drop(store);
    platters
}

/// Whether every zone has one file of frames, the same, which is not the first that was begun. A
/// quorum has the newest.
fn all_have_the_newest_frames_alone(platters: &[Platter]) -> bool {
    let newest = platters[0].paths("wal/");
    let is_cut = newest.len() == 1 && !newest[0].ends_with("0001");
    is_cut && platters.iter().all(|zone| zone.paths("wal/") == newest)
}

fn try_open(
    platters: &[Platter],
    signed: &std::path::Path,
) -> Result<(Store, Recovery), OpenError> {
    let plan = calm();
    let zones = platters.iter().zip(0..);
    let zones = zones.map(|(platter, number)| Some(platter.zone(number, &plan)));
    Store::open(config(zones.collect(), signed))
}

fn size(platter: &Platter) -> u64 {
    let zone = platter.zone(0, &calm());
    StoredLog::open(zone.as_ref(), &origin("a")).unwrap().size()
}

/// A text with its check sum, as anybody can make one.
fn summed(text: &str) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    format!("{text}crc {:08x}\n", !crc).into_bytes()
}

#[test]
fn a_flipped_bit_of_one_zones_base_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let platters = filled(3, 2, &folder.path().join("signed"));
    let base = platters[1].all()["base"].clone();
    for place in 0..8 * base.len() {
        let (byte, bit) = (place / 8, place % 8);
        let damaged: Vec<Platter> = platters.iter().map(Platter::copy).collect();
        let mut changed = base.clone();
        changed[byte] ^= 1 << bit;
        let zone = damaged[1].zone(1, &calm());
        zone.replace("base", &changed).unwrap();
        let signed = folder.path().join(format!("signed-{place}"));
        let opened = try_open(&damaged, &signed);
        let (_, recovery) = opened.unwrap_or_else(|error| panic!("{byte}.{bit}: {error}"));
        let why = "its base is malformed".to_owned();
        assert_eq!(recovery.unusable, [(1, why)], "{byte}.{bit}");
        for platter in &damaged {
            assert_eq!(size(platter), 24, "{byte}.{bit}");
        }
    }
}

#[test]
fn a_zone_whose_frames_are_gone_does_not_speak_for_its_base() {
    let folder = tempfile::tempdir().unwrap();
    let platters = filled(3, 2, &folder.path().join("signed"));
    let [frames] = platters[1].paths("wal/").try_into().unwrap();
    for lost in [&[1][..], &[0, 1]] {
        let damaged: Vec<Platter> = platters.iter().map(Platter::copy).collect();
        for zone in lost {
            let of = damaged[*zone].zone(*zone, &calm());
            of.remove(&frames).unwrap();
            of.settle().unwrap();
        }
        let signed = folder.path().join(format!("signed-{}", lost.len()));
        match try_open(&damaged, &signed) {
            Ok(store) => {
                drop(store);
                assert_eq!(lost.len(), 1);
                assert!(damaged.iter().all(|platter| size(platter) == 24));
            }
            Err(OpenError::TooFewZones { reasons, .. }) => {
                assert_eq!(lost.len(), 2);
                assert!(reasons.contains("is missing with its file"), "{reasons}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn numbers_that_no_store_gives_are_refused() {
    for numbers in [
        "epoch 18446744073709551615\nsequence 5\n",
        "epoch 1\nsequence 18446744073709551615\n",
        "epoch 1\nsequence 9223372036854775807\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let platters = [Platter::default()];
        create(&platters, 1);
        let zone = platters[0].zone(0, &calm());
        let text = format!("strongroom.dev/audit-base/v1\n{numbers}");
        zone.replace("base", &summed(&text)).unwrap();
        for first in ["00000000000000000006", "09223372036854775808"] {
            zone.replace(&format!("wal/{first}"), b"").unwrap();
        }
        let Err(OpenError::TooFewZones { reasons, .. }) = try_open(&platters, folder.path()) else {
            panic!("{numbers}");
        };
        assert!(reasons.contains("greater than any"), "{reasons}");
    }
}
