//! Zones that do not agree: nothing is signed, and no zone's damage goes into another.

use strongroom_auditchain::store::{AppendError, Store, StoredLog, log_folder};
use strongroom_auditchain::{Event, Frontier, Hash, Leaf};

use crate::events::{calm, create, event, keys, leaf, open, origin};
use crate::faulty::Platter;

fn three(entries: u64, signed: &std::path::Path) -> (Vec<Platter>, Store) {
    let platters: Vec<Platter> = (0..3).map(|_| Platter::default()).collect();
    create(&platters, 2);
    let store = open(&platters, signed);
    for number in 0..entries {
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
    }
    store.checkpoint().unwrap();
    (platters, store)
}

fn in_log(path: &str) -> String {
    format!("{}/{path}", log_folder(&origin("a")))
}

fn lost(store: &Store) -> Vec<usize> {
    store
        .lost_zones()
        .into_iter()
        .map(|(zone, _)| zone)
        .collect()
}

/// A head as it is on disk, of whatever frontier.
fn head_of(frontier: &Frontier, last: &[u8]) -> Vec<u8> {
    let mut rest = frontier.size().to_be_bytes().to_vec();
    rest.push(u8::try_from(frontier.parts().len()).unwrap());
    rest.extend(frontier.parts().iter().flat_map(|hash| *hash.as_bytes()));
    rest.extend_from_slice(last);
    let crc = crc32fast::hash(&rest).to_be_bytes();
    [b"SRH1", &crc[..], &rest].concat()
}

#[test]
fn a_head_that_is_not_its_tiles_is_neither_grown_nor_signed() {
    let folder = tempfile::tempdir().unwrap();
    let platters = [Platter::default()];
    create(&platters, 1);
    let store = open(&platters, folder.path());
    for number in 0..11 {
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
    }
    store.integrate().unwrap();
    drop(store);
    let mut frontier = Frontier::new();
    for other in 0..11_u8 {
        frontier.push(Hash::of_leaf(&[other]));
    }
    let path = in_log("head/11");
    let right = platters[0].all()[&path].clone();
    let other = head_of(&frontier, right.split_last_chunk::<16>().unwrap().1);
    let zone = platters[0].zone(0, &calm());
    zone.replace(&path, &other).unwrap();
    // Nothing was signed at this size but the line of a batch, and that is not looked at first.
    let store = open(&platters, &folder.path().join("another"));
    let done = store.checkpoint().unwrap();
    assert!(
        done.signed.is_empty() && done.refused.len() == 1,
        "{done:?}"
    );
    let appended = store.append(&origin("a"), leaf(50), Vec::new());
    assert!(matches!(appended, Err(AppendError::Inconsistent(_))));
    drop(store);
    zone.replace(&path, &right).unwrap();
    let store = open(&platters, &folder.path().join("another"));
    assert_eq!(store.checkpoint().unwrap().signed.len(), 1);
}

#[test]
fn a_zone_with_a_damaged_entry_is_lost_and_its_damage_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (platters, store) = three(10, folder.path());
    assert!(platters[0].flip(&in_log("tile/entries/000.p/10"), 100));
    store.append(&origin("a"), leaf(10), Vec::new()).unwrap();
    let done = store.checkpoint().unwrap();
    assert_eq!(done.signed[0].size, 11);
    assert_eq!(lost(&store), [0]);
    drop(store);
    let mended = open(&platters, folder.path());
    assert!(mended.lost_zones().is_empty());
    drop(mended);
    for (number, platter) in (0..).zip(&platters) {
        let zone = platter.zone(number, &calm());
        let log = StoredLog::open(zone.as_ref(), &origin("a")).unwrap();
        for index in 0..11 {
            let entry = log.entry(index).unwrap();
            assert_eq!(
                entry,
                leaf(index).as_bytes(),
                "zone {number}, entry {index}"
            );
        }
    }
}

#[test]
fn a_zone_whose_tile_or_head_is_damaged_or_gone_does_not_stop_the_others() {
    for what in ["tile/0/000.p/10", "head/10"] {
        for is_gone in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (platters, store) = three(10, folder.path());
            drop(store);
            if is_gone {
                let zone = platters[0].zone(0, &calm());
                zone.remove(&in_log(what)).unwrap();
                zone.settle().unwrap();
            } else {
                assert!(platters[0].flip(&in_log(what), 20));
            }
            // First the log is loaded from what is there, then what was in frames goes on from it.
            for round in 0..2 {
                let store = open(&platters, folder.path());
                let appended = store.append(&origin("a"), leaf(10 + round), Vec::new());
                let receipt = appended.unwrap().receipt;
                let index = receipt.verify(keys().verifier_key()).unwrap().index();
                assert_eq!(index, 10 + round, "{what}, gone: {is_gone}");
                if round == 0 {
                    assert_eq!(lost(&store), [0], "{what}, gone: {is_gone}");
                }
                assert_eq!(store.checkpoint().unwrap().signed.len(), 1);
            }
        }
    }
}

/// No hash vouches for a payload: two of three zones do.
#[test]
fn a_damaged_payload_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let platters: Vec<Platter> = (0..3).map(|_| Platter::default()).collect();
    create(&platters, 2);
    let store = open(&platters, folder.path());
    let payload = |number: u64| format!("<payload of {number}>").into_bytes();
    for number in 0..10 {
        let appended = store.append(&origin("a"), leaf(number), payload(number));
        appended.unwrap();
    }
    store.integrate().unwrap();
    // Within the first payload: its length is as it was.
    assert!(platters[0].flip(&in_log("payload/000.p/10"), 8));
    let appended = store.append(&origin("a"), leaf(10), payload(10));
    appended.unwrap();
    store.integrate().unwrap();
    assert_eq!(lost(&store), [0]);
    drop(store);
    drop(open(&platters, folder.path()));
    for (number, platter) in (0..).zip(&platters) {
        let bundle = &platter.all()[&in_log("payload/000.p/11")];
        for index in 0..11 {
            let (there, payload) = (bundle, payload(index));
            let is_there = there.windows(payload.len()).any(|part| part == payload);
            assert!(is_there, "zone {number}, payload {index}");
        }
    }
}

/// A log that one zone has lost would begin anew there; of this one nothing was signed.
#[test]
fn a_zone_without_a_log_that_others_have_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let platters: Vec<Platter> = (0..3).map(|_| Platter::default()).collect();
    create(&platters, 2);
    let store = open(&platters, &folder.path().join("one"));
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    store.integrate().unwrap();
    drop(store);
    // A zone that is late keeps its base, and whatever it lacks is given to it by the next opening.
    let base = |platter: &Platter| platter.all().remove("base");
    while platters.iter().any(|it| base(it) != base(&platters[0])) {
        drop(open(&platters, &folder.path().join("one")));
    }
    let zone = platters[0].zone(0, &calm());
    zone.remove(&in_log("head/1")).unwrap();
    zone.settle().unwrap();
    let store = open(&platters, &folder.path().join("another"));
    let receipt = store
        .append(&origin("a"), leaf(1), Vec::new())
        .unwrap()
        .receipt;
    let index = receipt.verify(keys().verifier_key()).unwrap().index();
    assert_eq!((index, lost(&store)), (1, vec![0]));
}

/// With too few zones that agree nobody knows which is right, and none is given up.
#[test]
fn two_zones_of_two_that_differ_are_both_kept() {
    let folder = tempfile::tempdir().unwrap();
    let platters: Vec<Platter> = (0..2).map(|_| Platter::default()).collect();
    create(&platters, 2);
    let store = open(&platters, folder.path());
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    assert!(platters[0].flip(&in_log("head/1"), 20));
    let store = open(&platters, folder.path());
    let appended = store.append(&origin("a"), leaf(1), Vec::new());
    assert!(matches!(appended, Err(AppendError::Inconsistent(_))));
    assert_eq!(lost(&store), [0; 0]);
    store.append(&origin("b"), leaf(2), Vec::new()).unwrap();
}

#[test]
fn another_event_under_a_known_id_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let (platters, store) = three(300, folder.path());
    let other = |number| {
        Leaf::encode(&Event {
            kind: "key.destroyed".parse().unwrap(),
            ..event(number)
        })
    };
    for number in [0, 299, 300] {
        if number == 300 {
            // One that is not in tiles yet.
            let appended = store.append(&origin("a"), leaf(number), Vec::new());
            appended.unwrap();
        }
        let appended = store.append(&origin("a"), other(number).unwrap(), Vec::new());
        match appended {
            Err(AppendError::Conflict { index }) => assert_eq!(index, number),
            other => panic!("{number}: {:?}", other.err()),
        }
        // The same event, as it is, and with its time looked at again.
        let later = Event {
            time_us: event(number).time_us + 1,
            ..event(number)
        };
        for again in [leaf(number), Leaf::encode(&later).unwrap()] {
            let appended = store.append(&origin("a"), again, Vec::new()).unwrap();
            let verified = appended.receipt.verify(keys().verifier_key()).unwrap();
            assert_eq!(*verified.leaf(), leaf(number).hash());
        }
    }
    drop((platters, store));
}
