//! What a store does when nothing fails, in real directories.

use std::sync::Arc;

use strongroom_auditchain::store::{
    AppendError, Directory, OpenError, ReadOnlyDirectory, Store, StoreConfig, StoredLog, Zone,
};
use strongroom_auditchain::{Checkpoint, Hash, TileTree};

use crate::events::{config, keys, leaf, origin};

fn directories(root: &std::path::Path, count: usize) -> Vec<Arc<dyn Zone>> {
    let open = |n| Directory::open(root.join(format!("zone-{n}"))).unwrap();
    (0..count)
        .map(|n| Arc::new(open(n)) as Arc<dyn Zone>)
        .collect()
}

fn opened(root: &std::path::Path, count: usize) -> Store {
    let zones = directories(root, count).into_iter().map(Some).collect();
    Store::open(config(zones, &root.join("signed"))).unwrap().0
}

#[test]
fn entries_of_many_logs_are_receipted_integrated_and_published() {
    let root = tempfile::tempdir().unwrap();
    Store::create(&directories(root.path(), 3), 2).unwrap();
    let keys = keys();
    let store = opened(root.path(), 3);
    let names: Vec<_> = ["a", "b", "c"].map(origin).into();
    let mut receipts = Vec::new();
    // Over three bundles of the first log, and across a restart in the middle.
    for number in 0..700 {
        let log = if number % 7 == 0 {
            &names[1 + number % 2]
        } else {
            &names[0]
        };
        receipts.push((
            number,
            log,
            store.submit(log, leaf(number as u64), vec![7; 10]).unwrap(),
        ));
    }
    let receipts: Vec<_> = receipts
        .into_iter()
        .map(|(number, log, ticket)| (number, log, ticket.wait().unwrap()))
        .collect();
    let done = store.checkpoint().unwrap();
    assert_eq!(done.signed.len(), 3);
    assert!(done.refused.is_empty(), "{:?}", done.refused);
    // Nothing grew: nothing is signed.
    assert!(store.checkpoint().unwrap().signed.is_empty());
    drop(store);

    let store = opened(root.path(), 3);
    for number in 700..710 {
        store.append(&names[0], leaf(number), Vec::new()).unwrap();
    }
    assert_eq!(store.checkpoint().unwrap().signed.len(), 1);
    drop(store);

    for zone in 0..3 {
        let zone = ReadOnlyDirectory::new(root.path().join(format!("zone-{zone}")));
        for (number, log, appended) in &receipts {
            let verified = appended.receipt.verify(keys.verifier_key()).unwrap();
            assert_eq!((appended.zones, verified.zones()), (2, 2));
            assert_eq!(verified.origin(), *log);
            let stored = StoredLog::open(&zone, log).unwrap();
            let entry = stored.entry(verified.index()).unwrap();
            assert_eq!(entry, leaf(*number as u64).as_bytes());
            assert_eq!(Hash::of_leaf(&entry), *verified.leaf());
            assert_eq!(stored.payload(verified.index()).unwrap(), Some(vec![7; 10]));
            let root = stored
                .tree()
                .unwrap()
                .root_at(verified.checkpoint().size)
                .unwrap();
            assert_eq!(root, verified.checkpoint().root);
        }
        for log in &names {
            let stored = StoredLog::open(&zone, log).unwrap();
            let key = keys.with_name(log.as_str()).unwrap();
            let checkpoints = stored.checkpoints().unwrap();
            assert_eq!(checkpoints.len(), if *log == names[0] { 2 } else { 1 });
            for (size, note) in checkpoints {
                let signed = Checkpoint::verify(&note, key.verifier_key(), log).unwrap();
                assert_eq!(signed.size, size);
                assert_eq!(stored.tree().unwrap().root_at(size).unwrap(), signed.root);
            }
        }
    }
    // Nothing is left in frames but what opened and closed; in a zone that was late, what the next
    // opening drops.
    let files = |zone: &usize| {
        let frames = root.path().join(format!("zone-{zone}/wal"));
        std::fs::read_dir(frames).unwrap().count()
    };
    let emptied = (0..3).filter(|zone| files(zone) == 1).count();
    assert!(emptied >= 2, "{emptied}");
}

#[test]
fn an_event_that_comes_again_is_there_once() {
    let root = tempfile::tempdir().unwrap();
    Store::create(&directories(root.path(), 1), 1).unwrap();
    let (keys, log) = (keys(), origin("a"));
    let store = opened(root.path(), 1);
    let index = |store: &Store, number| {
        let appended = store.append(&log, leaf(number), Vec::new()).unwrap();
        let verified = appended.receipt.verify(keys.verifier_key()).unwrap();
        assert_eq!(*verified.leaf(), leaf(number).hash());
        verified.index()
    };
    // Out of order, as they come from several machines.
    let order = |at: u64| (at * 7919) % 1000;
    for at in 0..1000 {
        assert_eq!(index(&store, order(at)), at);
        match at {
            300 | 900 => drop(store.checkpoint().unwrap()),
            600 => store.integrate().unwrap(),
            _ => {}
        }
    }
    // In the tail, in the partial bundle, in bundles; the same batch, and after a restart.
    for at in (0..1000).step_by(37) {
        assert_eq!(index(&store, order(at)), at, "{at}");
    }
    let tickets = [5000, 5000, order(3), order(999), 5001, 5000]
        .map(|number| store.submit(&log, leaf(number), Vec::new()).unwrap());
    let indices = tickets.map(|ticket| {
        let receipt = ticket.wait().unwrap().receipt;
        receipt.verify(keys.verifier_key()).unwrap().index()
    });
    assert_eq!(indices, [1000, 1000, 3, 999, 1001, 1000]);
    drop(store);
    let store = opened(root.path(), 1);
    for at in (0..1000).step_by(41) {
        assert_eq!(index(&store, order(at)), at, "{at}");
    }
    assert_eq!(index(&store, 5002), 1002);
    // The same event id in another log is another entry.
    let other = store.append(&origin("b"), leaf(5002), Vec::new()).unwrap();
    assert_eq!(
        other.receipt.verify(keys.verifier_key()).unwrap().index(),
        0
    );
}

#[test]
fn what_does_not_belong_together_is_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let zones = directories(path, 3);
    assert!(matches!(Store::create(&zones, 0), Err(OpenError::Quorum)));
    assert!(matches!(Store::create(&zones, 4), Err(OpenError::Quorum)));
    assert!(matches!(Store::create(&[], 0), Err(OpenError::Quorum)));
    let open = |zones: Vec<Option<Arc<dyn Zone>>>| -> Result<(), OpenError> {
        let config: StoreConfig = config(zones, &path.join("signed"));
        Store::open(config).map(|_| ())
    };
    let some = |which: &[usize]| which.iter().map(|n| Some(Arc::clone(&zones[*n]))).collect();
    assert!(matches!(open(some(&[0, 1, 2])), Err(OpenError::NoStore)));
    Store::create(&zones, 2).unwrap();
    assert!(matches!(
        Store::create(&zones, 2),
        Err(OpenError::NotEmpty(0))
    ));
    assert!(matches!(
        open(some(&[0, 2, 1])),
        Err(OpenError::ForeignZone(1))
    ));
    assert!(matches!(
        open(some(&[0, 1])),
        Err(OpenError::ForeignZone(0))
    ));
    let too_few = open(vec![Some(Arc::clone(&zones[0])), None, None]);
    assert!(matches!(
        too_few,
        Err(OpenError::TooFewZones {
            usable: 1,
            needed: 2,
            ..
        })
    ));
    assert!(
        open(vec![
            None,
            Some(Arc::clone(&zones[1])),
            Some(Arc::clone(&zones[2]))
        ])
        .is_ok()
    );
    // Another store's zone.
    let elsewhere = tempfile::tempdir().unwrap();
    let others = directories(elsewhere.path(), 3);
    Store::create(&others, 2).unwrap();
    let mixed = vec![
        Some(Arc::clone(&zones[0])),
        Some(Arc::clone(&others[1])),
        None,
    ];
    assert!(matches!(open(mixed), Err(OpenError::ForeignZone(1))));
    // One process at a time.
    assert!(Directory::open(path.join("zone-0")).is_err());
}

#[test]
fn too_much_at_once_is_told_to_come_back() {
    let root = tempfile::tempdir().unwrap();
    let zones = directories(root.path(), 1);
    Store::create(&zones, 1).unwrap();
    let zones = zones.into_iter().map(Some).collect();
    let mut config = config(zones, &root.path().join("signed"));
    config.limits.queue_bytes = 10_000;
    let store = Store::open(config).unwrap().0;
    let log = origin("a");
    let long = vec![0; 1024 * 1024 + 1];
    assert!(matches!(
        store.append(&log, leaf(0), long.clone()),
        Err(AppendError::PayloadTooLong)
    ));
    // One that is longer than all that may wait is taken by itself.
    assert!(store.append(&log, leaf(0), long[1..].to_vec()).is_ok());
    let mut refused = 0;
    let mut tickets = Vec::new();
    for number in 1..200 {
        match store.submit(&log, leaf(number), vec![0; 5000]) {
            Ok(ticket) => tickets.push(ticket),
            Err(AppendError::Busy(after)) => {
                assert!(!after.is_zero());
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0);
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    // And then it is taken again.
    store.append(&log, leaf(500), vec![0; 5000]).unwrap();
}

#[test]
fn a_log_that_was_set_back_is_not_signed() {
    let root = tempfile::tempdir().unwrap();
    let platters = [crate::faulty::Platter::default()];
    crate::events::create(&platters, 1);
    let (log, other) = (origin("a"), origin("b"));
    let signed = root.path().join("signed");
    let store = crate::events::open(&platters, &signed);
    for number in 0..10 {
        store.append(&log, leaf(number), Vec::new()).unwrap();
    }
    store.checkpoint().unwrap();
    drop(store);
    let backup = [platters[0].copy()];
    let store = crate::events::open(&platters, &signed);
    store.append(&log, leaf(10), Vec::new()).unwrap();
    // No checkpoint: the batch's line alone knows of it.
    drop(store);

    let store = crate::events::open(&backup, &signed);
    let refused = store.append(&log, leaf(11), Vec::new());
    let error = refused.unwrap_err();
    assert!(matches!(&error, AppendError::Inconsistent(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "log audit.example.com/t/a: 10 entries of 11 that were signed"
    );
    // The other tenants' logs go on.
    store.append(&other, leaf(0), Vec::new()).unwrap();
    assert_eq!(store.checkpoint().unwrap().signed.len(), 1);
    drop(store);
    // The store that was not set back goes on too.
    let store = crate::events::open(&platters, &signed);
    store.append(&log, leaf(11), Vec::new()).unwrap();
    assert_eq!(store.checkpoint().unwrap().signed[0].size, 12);
}

#[test]
fn another_history_of_the_same_length_is_not_signed() {
    let root = tempfile::tempdir().unwrap();
    let platters = [crate::faulty::Platter::default()];
    crate::events::create(&platters, 1);
    let log = origin("a");
    let signed = root.path().join("signed");
    let store = crate::events::open(&platters, &signed);
    store.append(&log, leaf(0), Vec::new()).unwrap();
    drop(store);
    let twin = [platters[0].copy()];
    // The twin is opened beside another memory of what was signed.
    let store = crate::events::open(&twin, &root.path().join("elsewhere"));
    store.append(&log, leaf(1), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let store = crate::events::open(&platters, &signed);
    store.append(&log, leaf(2), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let store = crate::events::open(&twin, &signed);
    let error = store.append(&log, leaf(3), Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "log audit.example.com/t/a: another root than was signed at size 2"
    );
}

#[test]
fn a_log_takes_little_memory_and_few_bytes_of_hashes() {
    let root = tempfile::tempdir().unwrap();
    let zones = directories(root.path(), 1);
    Store::create(&zones, 1).unwrap();
    let store = {
        let zones = zones.into_iter().map(Some).collect();
        Store::open(config(zones, &root.path().join("signed")))
            .unwrap()
            .0
    };
    let log = origin("a");
    let mut tickets = Vec::new();
    for number in 0..66_000 {
        loop {
            match store.submit(&log, leaf(number), Vec::new()) {
                Ok(ticket) => break tickets.push(ticket),
                Err(AppendError::Busy(after)) => std::thread::sleep(after),
                Err(error) => panic!("{error}"),
            }
        }
    }
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    store.checkpoint().unwrap();
    drop(store);
    let zone = ReadOnlyDirectory::new(root.path().join("zone-0"));
    let stored = StoredLog::open(&zone, &log).unwrap();
    assert_eq!(stored.size(), 66_000);
    let tiles = root
        .path()
        .join("zone-0")
        .join(strongroom_auditchain::store::log_folder(&log));
    let bytes = bytes_in(&tiles.join("tile"), "entries");
    assert!(bytes <= 33 * 66_000, "{bytes} bytes of hashes");
    let _: &TileTree<_> = &stored.tree().unwrap();
}

/// The bytes of all files below a folder, but for those in folders of this name.
fn bytes_in(folder: &std::path::Path, but: &str) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == but {
            continue;
        }
        let about = entry.metadata().unwrap();
        sum += if about.is_dir() {
            bytes_in(&entry.path(), but)
        } else {
            about.len()
        };
    }
    sum
}
