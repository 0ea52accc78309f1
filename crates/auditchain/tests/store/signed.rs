//! The checkpoint store: what was signed, apart from the zones.

use std::path::Path;
use std::time::{Duration, Instant};

use strongroom_auditchain::Origin;
use strongroom_auditchain::store::{
    AppendError, CheckpointError, CheckpointStore, OpenError, Store, Swap, SwapError, log_folder,
};

use crate::events::{calm, config, create, keys, leaf, open, origin};
use crate::faulty::Platter;

fn opened(root: &Path) -> CheckpointStore {
    CheckpointStore::open(root, keys().verifier_key()).unwrap()
}

fn path(origin: &Origin) -> String {
    log_folder(origin).replace("log/", "checkpoints/")
}

fn swap(name: &str, before: Option<&str>, note: &str) -> Swap {
    Swap {
        origin: origin(name),
        before: before.map(str::to_owned),
        note: note.to_owned(),
    }
}

#[test]
fn a_swap_from_another_checkpoint_changes_none() {
    let root = tempfile::tempdir().unwrap();
    let store = opened(root.path());
    store
        .swap(&[swap("a", None, "a1"), swap("b", None, "b1")])
        .unwrap();
    let both = [swap("a", Some("a1"), "a2"), swap("b", Some("b0"), "b2")];
    assert!(matches!(store.swap(&both), Err(SwapError::Changed(of)) if of == origin("b")));
    assert_eq!(store.newest(&origin("a")).unwrap().unwrap(), "a1");
    store.swap(&[swap("b", Some("b1"), "b2")]).unwrap();
    drop(store);
    let store = opened(root.path());
    let notes = ["a", "b"].map(|name| store.newest(&origin(name)).unwrap().unwrap());
    assert_eq!(notes, ["a1", "b2"]);
}

/// More than a process may have files open, as it is by default.
#[test]
fn very_many_checkpoints_are_swapped_at_once() {
    let root = tempfile::tempdir().unwrap();
    let store = opened(root.path());
    let names: Vec<String> = (0..2500).map(|number| format!("log-{number}")).collect();
    let swaps: Vec<Swap> = names.iter().map(|name| swap(name, None, name)).collect();
    store.swap(&swaps).unwrap();
    for name in &names {
        assert_eq!(store.newest(&origin(name)).unwrap().as_ref(), Some(name));
    }
}

#[test]
fn after_an_error_each_checkpoint_is_whole_and_nothing_more_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let store = opened(root.path());
    store.swap(&[swap("a", None, "a1")]).unwrap();
    let others = [swap("a", Some("a1"), "a2"), swap("c", None, "c1")];
    let unread = root.path().join(path(&origin("b")));
    std::fs::create_dir_all(&unread).unwrap();
    assert!(store.newest(&origin("b")).is_err());
    assert!(store.failure().is_none(), "nothing was written");
    std::fs::rename(root.path().join("tmp"), root.path().join("gone")).unwrap();
    assert!(matches!(store.swap(&others), Err(SwapError::Io(_))));
    std::fs::rename(root.path().join("gone"), root.path().join("tmp")).unwrap();
    // It works again, and is not believed.
    assert!(store.failure().is_some());
    assert!(matches!(store.swap(&others), Err(SwapError::Io(_))));
    assert!(store.newest(&origin("a")).is_err());
    assert!(store.drop_batches(1, |_, _| true).is_err());
    drop(store);
    let store = opened(root.path());
    assert_eq!(store.newest(&origin("a")).unwrap().unwrap(), "a1");
    assert_eq!(store.newest(&origin("c")).unwrap(), None);
    store.swap(&others).unwrap();
}

#[test]
fn once_what_is_signed_cannot_be_kept_nothing_more_is() {
    let root = tempfile::tempdir().unwrap();
    let platters = [Platter::default()];
    create(&platters, 1);
    let signed = root.path().join("signed");
    let store = open(&platters, &signed);
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    std::fs::rename(signed.join("tmp"), signed.join("gone")).unwrap();
    // Once a second a batch is kept there too: if that fails first, nothing is appended any more.
    let of_keeper = |why: &str| why.starts_with("checkpoint store: ");
    let mut number = 1;
    match store.append(&origin("a"), leaf(number), Vec::new()) {
        Ok(_) => number += 1,
        Err(AppendError::Poisoned(why)) if of_keeper(&why) => {}
        Err(error) => panic!("{error}"),
    }
    match store.checkpoint() {
        Err(CheckpointError::Keep(_)) => {}
        Err(CheckpointError::Append(AppendError::Poisoned(why))) if of_keeper(&why) => {}
        other => panic!("{other:?}"),
    }
    std::fs::rename(signed.join("gone"), signed.join("tmp")).unwrap();
    assert!(!store.checkpoint().is_ok_and(|done| !done.signed.is_empty()));
    let began = Instant::now();
    let why = loop {
        match store.append(&origin("a"), leaf(number), Vec::new()) {
            Err(AppendError::Poisoned(why)) => break why,
            other => assert!(other.is_ok() && began.elapsed() < Duration::from_secs(60)),
        }
        number += 1;
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(of_keeper(&why), "{why}");
    drop(store);
    let store = open(&platters, &signed);
    store
        .append(&origin("a"), leaf(number), Vec::new())
        .unwrap();
    assert_eq!(store.checkpoint().unwrap().signed[0].size, number + 1);
}

#[test]
fn batches_are_numbered_on_over_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let platters = [Platter::default()];
    create(&platters, 1);
    let signed = root.path().join("signed");
    let mut seen = Vec::new();
    for number in 0..4 {
        let store = open(&platters, &signed);
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
        drop(store);
        let names = std::fs::read_dir(signed.join("batches")).unwrap();
        let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
        seen.push(names.max().unwrap().parse::<u64>().unwrap());
        // What checkpoints cover is dropped.
        let store = open(&platters, &signed);
        store.checkpoint().unwrap();
        drop(store);
        assert_eq!(
            std::fs::read_dir(signed.join("batches")).unwrap().count(),
            1
        );
    }
    assert_eq!(seen, [1, 2, 3, 4]);
}

#[test]
fn what_another_store_signed_is_not_taken_for_ones_own() {
    let root = tempfile::tempdir().unwrap();
    let stores = [[Platter::default()], [Platter::default()]];
    stores.iter().for_each(|platters| create(platters, 1));
    let signed = root.path().join("signed");
    let store = open(&stores[0], &signed);
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    drop(store);
    let open = |platter: &Platter| {
        let zone = platter.zone(0, &calm());
        Store::open(config(vec![Some(zone)], &signed)).map(|(store, _)| store)
    };
    let before = stores[1][0].all();
    let refused = open(&stores[1][0]).err().unwrap();
    assert!(matches!(refused, OpenError::Checkpoints(_)));
    assert_eq!(
        refused.to_string(),
        "store: its checkpoint store: it is of another store"
    );
    // Nothing was begun.
    assert_eq!(stores[1][0].all(), before);
    drop(open(&stores[0][0]).unwrap());
    // Nor is one that holds something and is nobody's.
    std::fs::remove_file(signed.join("bound")).unwrap();
    let refused = open(&stores[0][0]).err().unwrap();
    assert!(matches!(refused, OpenError::Checkpoints(_)), "{refused}");
}
