//! Bits that change on a disk: found, and mended from another zone, never passed over.

use strongroom_auditchain::store::{OpenError, Store, StoredLog};

use crate::events::{calm, config, create, leaf, open, origin};
use crate::faulty::Platter;

/// Entries of two logs in frames alone, as after a store was closed without a checkpoint.
fn filled(count: usize, quorum: usize, signed: &std::path::Path) -> Vec<Platter> {
    let platters: Vec<Platter> = (0..count).map(|_| Platter::default()).collect();
    create(&platters, quorum);
    let store = open(&platters, signed);
    for number in 0..12 {
        let log = origin(if number % 3 == 0 { "b" } else { "a" });
        store.append(&log, leaf(number), vec![9; 20]).unwrap();
    }
    drop(store);
    platters
}

fn try_open(platters: &[Platter], signed: &std::path::Path) -> Result<Store, OpenError> {
    let plan = calm();
    let zones = platters.iter().zip(0..);
    let zones = zones.map(|(platter, number)| Some(platter.zone(number, &plan)));
    Store::open(config(zones.collect(), signed)).map(|(store, _)| store)
}

/// Both logs, whole.
fn is_whole(platter: &Platter) -> bool {
    let plan = calm();
    let zone = platter.zone(0, &plan);
    [("a", 8), ("b", 4)].into_iter().all(|(log, size)| {
        StoredLog::open(zone.as_ref(), &origin(log)).is_ok_and(|log| log.size() == size)
    })
}

#[test]
fn a_damaged_frame_of_the_only_zone_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let platters = filled(1, 1, &folder.path().join("signed"));
    let [frames] = platters[0].paths("wal/").try_into().unwrap();
    let length = platters[0].length(&frames);
    let (mut refused, mut whole) = (0, 0);
    for byte in (0..length).step_by(5) {
        let damaged = [platters[0].copy()];
        assert!(damaged[0].flip(&frames, byte));
        // Beside a memory of its own: nothing but the frames can tell.
        let signed = folder.path().join(format!("signed-{byte}"));
        match try_open(&damaged, &signed) {
            Err(OpenError::TooFewZones { reasons, .. }) => {
                let named = reasons.contains("damaged") || reasons.contains("another store");
                assert!(named, "byte {byte}: {reasons}");
                refused += 1;
            }
            Err(error) => panic!("byte {byte}: {error}"),
            // The last frame says that the store was closed, and nothing else.
            Ok(store) => {
                drop(store);
                assert!(is_whole(&damaged[0]), "byte {byte}");
                whole += 1;
            }
        }
    }
    assert!(refused > 200 && whole > 3, "{refused} {whole}");
}

#[test]
fn a_damaged_zone_is_mended_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let platters = filled(3, 2, &folder.path().join("signed"));
    let frames = platters[1].paths("wal/");
    let length = platters[1].length(&frames[0]);
    for byte in (0..length).step_by(41) {
        let damaged: Vec<Platter> = platters.iter().map(Platter::copy).collect();
        assert!(damaged[1].flip(&frames[0], byte));
        let signed = folder.path().join(format!("signed-{byte}"));
        drop(try_open(&damaged, &signed).unwrap());
        for platter in &damaged {
            assert!(is_whole(platter), "byte {byte}");
            assert_eq!(platter.files(), damaged[0].files(), "byte {byte}");
        }
    }
}

#[test]
fn one_good_zone_of_three_does_not_speak_for_a_quorum_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters = filled(3, 2, &signed);
    let [frames] = platters[0].paths("wal/").try_into().unwrap();
    for zone in [0, 1] {
        assert!(platters[zone].flip(&frames, 100));
    }
    let before = platters[1].all();
    match try_open(&platters, &signed) {
        Err(OpenError::TooFewZones {
            usable: 1,
            zones: 3,
            needed: 2,
            ..
        }) => {}
        other => panic!("{:?}", other.err()),
    }
    // Nothing was changed: one that is mended by hand is enough.
    assert_eq!(platters[1].all(), before);
    assert!(platters[0].flip(&frames, 100));
    drop(try_open(&platters, &signed).unwrap());
    assert!(platters.iter().all(is_whole));
}

#[test]
fn a_disk_that_was_replaced_is_filled_when_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters = filled(3, 3, &signed);
    drop(open(&platters, &signed));
    platters[2].wipe();
    // It may be a disk that is not mounted: it is not filled unless that is said.
    match try_open(&platters, &signed) {
        Err(OpenError::TooFewZones { reasons, .. }) => assert_eq!(reasons, "zone 2: it is empty"),
        other => panic!("{:?}", other.err()),
    }
    assert!(platters[2].all().is_empty());
    let plan = calm();
    let zones = platters
        .iter()
        .zip(0..)
        .map(|(it, n)| Some(it.zone(n, &plan)));
    let mut config = config(zones.collect(), &signed);
    config.adopt_empty_zones = true;
    let (store, recovery) = Store::open(config).unwrap();
    assert_eq!(recovery.equalised, [2]);
    assert_eq!(recovery.unusable, [(2, "it is empty".to_owned())]);
    drop(store);
    assert!(is_whole(&platters[2]));
    assert_eq!(platters[2].files(), platters[0].files());
    drop(open(&platters, &signed));
}

#[test]
fn a_zone_that_comes_back_takes_over_what_it_missed_and_gives_up_what_nobody_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters = filled(3, 2, &signed);
    // Zone 2 goes its own way: what it has alone was acknowledged by nobody.
    let apart = platters[2].copy();
    let plan = calm();
    let zones = platters
        .iter()
        .zip(0..)
        .map(|(it, n)| (n < 2).then(|| it.zone(n, &plan)));
    let (store, recovery) = Store::open(config(zones.collect(), &signed)).unwrap();
    assert_eq!(recovery.lost, [2]);
    assert_eq!(store.lost_zones().len(), 1);
    for number in 100..400 {
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
    }
    store.checkpoint().unwrap();
    drop(store);
    let together = [platters[0].clone(), platters[1].clone(), apart];
    drop(open(&together, &signed));
    assert_eq!(together[2].files(), together[0].files());
    let zone = together[2].zone(2, &plan);
    assert_eq!(
        StoredLog::open(zone.as_ref(), &origin("a")).unwrap().size(),
        308
    );
}
