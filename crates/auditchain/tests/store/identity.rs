//! A zone that says not which store it is of: the others go on, and it is not written over unasked.

use strongroom_auditchain::store::{OpenError, Recovery, Store, StoreConfig};

use crate::events::{calm, config, create, leaf, open, origin};
use crate::faulty::{Platter, Random};

fn filled(signed: &std::path::Path) -> Vec<Platter> {
    let platters: Vec<Platter> = (0..3).map(|_| Platter::default()).collect();
    create(&platters, 2);
    let store = open(&platters, signed);
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    platters
}

fn try_open(
    platters: &[Platter],
    signed: &std::path::Path,
    adopt: bool,
) -> Result<Recovery, OpenError> {
    let plan = calm();
    let zones = platters.iter().zip(0..);
    let zones = zones.map(|(platter, number)| Some(platter.zone(number, &plan)));
    let config = StoreConfig {
        adopt_empty_zones: adopt,
        ..config(zones.collect(), signed)
    };
    Store::open(config).map(|(_, recovery)| recovery)
}

#[test]
fn a_flipped_bit_of_one_zones_identity_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let platters = filled(&folder.path().join("signed"));
    let identity = platters[1].all()["store"].clone();
    for place in 0..8 * identity.len() {
        let damaged: Vec<Platter> = platters.iter().map(Platter::copy).collect();
        let mut changed = identity.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let zone = damaged[1].zone(1, &calm());
        zone.replace("store", &changed).unwrap();
        let signed = folder.path().join(format!("signed-{place}"));
        let recovery = try_open(&damaged, &signed, false);
        let recovery = recovery.unwrap_or_else(|error| panic!("{place}: {error}"));
        let why = "its identity is malformed".to_owned();
        assert_eq!(recovery.unusable, [(1, why)]);
        assert_eq!(recovery.equalised, [1]);
        assert_eq!(damaged[1].all()["store"], identity);
    }
}

#[test]
fn a_zone_that_is_not_mounted_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters = filled(&signed);
    platters[1].wipe();
    let recovery = try_open(&platters, &signed, false).unwrap();
    assert_eq!(recovery.unusable, [(1, "it is empty".to_owned())]);
    assert_eq!(recovery.lost, [1]);
    assert!(platters[1].all().is_empty());
    let recovery = try_open(&platters, &signed, true).unwrap();
    assert_eq!((recovery.lost, recovery.equalised), (vec![], vec![1]));
    assert_eq!(platters[1].files(), platters[0].files());
}

#[test]
fn a_zone_that_holds_something_is_not_taken_for_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters = filled(&signed);
    let zone = platters[1].zone(1, &calm());
    zone.remove("store").unwrap();
    zone.settle().unwrap();
    let before = platters[1].all();
    for adopt in [false, true] {
        let recovery = try_open(&platters, &signed, adopt).unwrap();
        let why = "it says not which store it is of".to_owned();
        assert_eq!(recovery.unusable, [(1, why)]);
        assert_eq!(recovery.lost, [1]);
        assert_eq!(platters[1].all(), before);
    }
    // One whose filling was cut off is filled to its end.
    zone.replace("filling", b"whatever").unwrap();
    let recovery = try_open(&platters, &signed, true).unwrap();
    assert_eq!(recovery.equalised, [1]);
    assert_eq!(platters[1].files(), platters[0].files());
}

#[test]
fn a_crash_at_any_moment_of_a_filling_leaves_a_zone_that_can_be_filled() {
    let folder = tempfile::tempdir().unwrap();
    let platters = filled(&folder.path().join("signed"));
    platters[1].wipe();
    for calls in 0..60 {
        let copies: Vec<Platter> = platters.iter().map(Platter::copy).collect();
        let signed = folder.path().join(format!("signed-{calls}"));
        let plan = calm();
        plan.lock().unwrap().calls_left = calls;
        let zones = copies.iter().zip(0..);
        let zones = zones.map(|(platter, number)| Some(platter.zone(number, &plan)));
        let mut config = config(zones.collect(), &signed);
        config.adopt_empty_zones = true;
        drop(Store::open(config));
        for platter in &copies {
            platter.reboot(&mut Random(calls + 1));
        }
        let recovery = try_open(&copies, &signed, true);
        let recovery = recovery.unwrap_or_else(|error| panic!("{calls}: {error}"));
        assert!(recovery.lost.is_empty(), "{calls}: {recovery:?}");
    }
}
