//! Erasure: what an entry says is gone is on no disk any more, and the log is what it was.

use std::time::{Duration, Instant};

use strongroom_auditchain::Hash;
use strongroom_auditchain::store::{Store, StoredLog};
use strongroom_auditchain::{ERASED_KIND, Erasure, Event, Leaf, Origin, RetentionClass, root};

use crate::events::{calm, config, create, event, leaf, open, origin};
use crate::faulty::{Platter, Random};

/// The payload of a number, which stands nowhere else.
fn payload(number: u64) -> Vec<u8> {
    format!("<payload of {number}>").into_bytes()
}

fn append(store: &Store, log: &Origin, number: u64, kind: &str) {
    let event = Event {
        kind: kind.parse().unwrap(),
        ..event(number)
    };
    store
        .append(log, Leaf::encode(&event).unwrap(), payload(number))
        .unwrap();
}

fn erase(store: &Store, log: &Origin, number: u64, erasure: &Erasure) {
    let event = Event {
        kind: ERASED_KIND.parse().unwrap(),
        resource: Some(erasure.resource()),
        ..event(number)
    };
    store
        .append(log, Leaf::encode(&event).unwrap(), Vec::new())
        .unwrap();
}

fn is_anywhere(platter: &Platter, bytes: &[u8]) -> bool {
    platter
        .all()
        .values()
        .any(|file| file.windows(bytes.len()).any(|part| part == bytes))
}

/// Its files of frames.
fn frames(platter: &Platter) -> Vec<String> {
    let paths = platter.all().into_keys();
    paths.filter(|path| path.starts_with("wal/")).collect()
}

#[test]
fn what_was_erased_is_on_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters: Vec<Platter> = (0..3).map(|_| Platter::default()).collect();
    create(&platters, 2);
    let log = origin("a");
    let store = open(&platters, &signed);
    // In a full bundle, in the partial one, and in frames.
    for number in 0..300 {
        let kind = if u64::is_multiple_of(number, 2) {
            "chat.completed"
        } else {
            "key.rotated"
        };
        append(&store, &log, number, kind);
    }
    store.checkpoint().unwrap();
    for number in 300..310 {
        append(&store, &log, number, "chat.completed");
    }
    // What a quorum has may come to this zone a moment later.
    let until = Instant::now() + Duration::from_secs(60);
    for number in [10, 11, 270, 305] {
        while !is_anywhere(&platters[0], &payload(number)) {
            assert!(Instant::now() < until, "{number}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let agent = Some(RetentionClass::Agent);
    erase(&store, &log, 1000, &Erasure::new(5, 20, agent).unwrap());
    erase(&store, &log, 1001, &Erasure::new(260, 310, agent).unwrap());
    erase(&store, &log, 1002, &Erasure::new(100, 110, None).unwrap());
    // Not of what is still to come.
    erase(&store, &log, 1003, &Erasure::new(0, 10_000, None).unwrap());
    // A zone that has not begun the newest file of frames by then keeps the older ones until the
    // next time. A quorum has the newest.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        store.integrate().unwrap();
        let newest = frames(&platters[0]);
        if newest.len() == 1 && platters.iter().all(|it| frames(it) == newest) {
            break;
        }
        assert!(Instant::now() < until, "frames that are in tiles stay");
    }
    let gone = |number: u64| {
        let agent = number.is_multiple_of(2) || number >= 300;
        (agent && ((5..20).contains(&number) || (260..310).contains(&number)))
            || (100..110).contains(&number)
    };
    for platter in &platters {
        let plan = calm();
        let zone = platter.zone(0, &plan);
        let stored = StoredLog::open(zone.as_ref(), &log).unwrap();
        assert_eq!(stored.size(), 314);
        for number in 0..310 {
            let kept = (!gone(number)).then(|| payload(number));
            assert_eq!(stored.payload(number).unwrap(), kept, "{number}");
            assert_eq!(
                is_anywhere(platter, &payload(number)),
                !gone(number),
                "{number}"
            );
        }
        let entries: Vec<_> = (0..2)
            .flat_map(|bundle| stored.bundle(bundle).unwrap())
            .collect();
        let hashes: Vec<Hash> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
        assert_eq!(stored.tree().unwrap().root_at(314).unwrap(), root(&hashes));
    }
    drop(store);
    // And it is not there again after an opening.
    let store = open(&platters, &signed);
    store.append(&log, leaf(2000), payload(2000)).unwrap();
    store.checkpoint().unwrap();
    for number in 0..310 {
        assert_eq!(
            is_anywhere(&platters[0], &payload(number)),
            !gone(number),
            "{number}"
        );
    }
}

#[test]
fn an_erasure_that_was_cut_off_is_carried_out_at_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let signed = folder.path().join("signed");
    let platters = [Platter::default()];
    create(&platters, 1);
    let log = origin("a");
    let store = open(&platters, &signed);
    for number in 0..600 {
        append(&store, &log, number, "chat.completed");
    }
    store.checkpoint().unwrap();
    erase(&store, &log, 1000, &Erasure::new(0, 520, None).unwrap());
    // Nothing was integrated: the frames say what is to be done.
    drop(store);
    assert!(is_anywhere(&platters[0], &payload(3)));
    drop(open(&platters, &signed));
    for number in 0..600 {
        assert_eq!(
            is_anywhere(&platters[0], &payload(number)),
            number >= 520,
            "{number}"
        );
    }
}

/// Some zones have lost what was erased and others not, when the machine stops.
#[test]
fn an_erasure_that_was_cut_off_between_zones_is_carried_out_in_all() {
    for calls in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let signed = folder.path();
        let log = origin("a");
        let platters: Vec<Platter> = (0..3).map(|_| Platter::default()).collect();
        create(&platters, 2);
        let store = open(&platters, signed);
        for number in 0..300 {
            append(&store, &log, number, "chat.completed");
        }
        store.checkpoint().unwrap();
        drop(store);
        let plan = calm();
        let zones = platters.iter().zip(0..);
        let zones = zones.map(|(it, number)| Some(it.zone(number, &plan)));
        let (store, _) = Store::open(config(zones.collect(), signed)).unwrap();
        erase(&store, &log, 1000, &Erasure::new(5, 6, None).unwrap());
        plan.lock().unwrap().calls_left = calls;
        let _ = store.integrate();
        drop(store);
        let crashed = std::mem::replace(&mut plan.lock().unwrap().stopped, true);
        for platter in &platters {
            platter.reboot(&mut Random(calls + 3));
        }
        let store = open(&platters, signed);
        store.checkpoint().unwrap();
        drop(store);
        drop(open(&platters, signed));
        for (zone, platter) in platters.iter().enumerate() {
            let found = is_anywhere(platter, &payload(5));
            assert!(!found, "zone {zone}, stopped after {calls} calls");
        }
        if !crashed {
            return;
        }
    }
    panic!("an integration of one entry takes more than 60 calls");
}
