//! What the checkpoint store remembers.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strongroom_auditchain::store::AppendError;

use crate::events::{create, leaf, open, origin};
use crate::faulty::Platter;

fn batches(signed: &Path) -> BTreeSet<u64> {
    // There is no such folder before the first.
    let Ok(names) = std::fs::read_dir(signed.join("batches")) else {
        return BTreeSet::new();
    };
    let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_log_that_was_set_back_is_remembered_while_others_are_signed() {
    let root = tempfile::tempdir().unwrap();
    let signed = root.path().join("signed");
    let platters = [Platter::default()];
    create(&platters, 1);
    let store = open(&platters, &signed);
    for number in 0..10 {
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
    }
    store.checkpoint().unwrap();
    drop(store);
    let backup = [platters[0].copy()];
    let store = open(&platters, &signed);
    store.append(&origin("a"), leaf(10), Vec::new()).unwrap();
    drop(store);
    // It is set back. Others' logs grow and are signed, and nobody touches this one.
    for round in 0..3 {
        let store = open(&backup, &signed);
        store.append(&origin("b"), leaf(round), Vec::new()).unwrap();
        store.checkpoint().unwrap();
    }
    let store = open(&backup, &signed);
    let appended = store.append(&origin("a"), leaf(99), Vec::new());
    assert!(matches!(appended, Err(AppendError::Inconsistent(_))));
}

#[test]
fn batches_that_checkpoints_cover_are_dropped_and_numbers_ascend() {
    let root = tempfile::tempdir().unwrap();
    let signed = root.path().join("signed");
    let platters = [Platter::default()];
    create(&platters, 1);
    let mut newest = 0;
    for number in 0..4 {
        let store = open(&platters, &signed);
        // One log's newest line is in an older batch than the other's.
        let log = origin(["a", "b"][number as usize % 2]);
        store.append(&log, leaf(number), Vec::new()).unwrap();
        drop(store);
        let kept = batches(&signed);
        assert!(
            *kept.last().unwrap() > newest && kept.len() <= 2,
            "{kept:?}"
        );
        newest = *kept.last().unwrap();
        let store = open(&platters, &signed);
        store.checkpoint().unwrap();
        assert_eq!(batches(&signed), BTreeSet::from([newest]));
    }
}

#[test]
fn however_many_append_a_batch_is_kept_about_once_a_second() {
    let root = tempfile::tempdir().unwrap();
    let signed = root.path().join("signed");
    let platters = [Platter::default()];
    create(&platters, 1);
    // Before the store is there to keep anything: each batch is at least 900 ms after the one
    // before, and the first as long after this.
    let began = Instant::now();
    let until = began + Duration::from_secs(60);
    let store = open(&platters, &signed);
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut least = Duration::MAX;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && Instant::now() < until {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let appended = store.append(&origin("a"), leaf(number), Vec::new());
                    appended.unwrap();
                }
            });
        }
        // A busy machine draws out a gap now and then, and not each one.
        let (mut count, mut last) = (0, began);
        while Instant::now() < until {
            if batches(&signed).len() > count {
                let gap = last.elapsed();
                (count, last) = (count + 1, Instant::now());
                least = least.min(gap);
                if count > 1 && least < Duration::from_millis(1500) {
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    // In this order, so that none is counted that came after the time was taken.
    let kept = batches(&signed).len();
    let elapsed = began.elapsed();
    assert!(least < Duration::from_millis(1500), "{least:?}");
    assert!(
        kept >= 2 && kept as u128 <= elapsed.as_millis() / 900,
        "{kept} batches in {elapsed:?}"
    );
}
