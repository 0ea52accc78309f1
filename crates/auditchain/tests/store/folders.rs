//! A zone in a directory: links, stray names, what a crash left, and who has it open.

use std::path::Path;
use std::sync::Arc;

use strongroom_auditchain::store::{
    CheckpointStore, Directory, OpenError, Recovery, Store, Zone, ZoneRead as _, log_folder,
};

use crate::events::{config, keys, leaf, origin};

fn zones(root: &Path, count: usize) -> Vec<Arc<dyn Zone>> {
    let zone = |number| Directory::open(root.join(format!("zone-{number}"))).unwrap();
    (0..count)
        .map(|number| Arc::new(zone(number)) as _)
        .collect()
}

/// Opens the store of three zones in a folder, but for one that is away.
fn opened(root: &Path, away: Option<usize>) -> (Store, Recovery) {
    let zones = zones(root, 3).into_iter().enumerate();
    let zones = zones.map(|(number, zone)| (Some(number) != away).then_some(zone));
    Store::open(config(zones.collect(), &root.join("signed"))).unwrap()
}

#[test]
fn zones_that_were_away_in_turn_are_made_equal() {
    let root = tempfile::tempdir().unwrap();
    Store::create(&zones(root.path(), 3), 2).unwrap();
    let mut next = 0;
    let mut live = |away: Option<usize>, count: u64| {
        let (store, recovery) = opened(root.path(), away);
        for _ in 0..count {
            store.append(&origin("a"), leaf(next), Vec::new()).unwrap();
            next += 1;
            if next % 100 == 0 {
                store.checkpoint().unwrap();
            }
        }
        store.checkpoint().unwrap();
        recovery
    };
    live(None, 10);
    // A bundle fills up while a zone is away: the folder of its partial files is nowhere else.
    live(Some(2), 600);
    live(None, 5);
    live(Some(0), 5);
    let back = live(None, 5);
    assert!(back.unusable.is_empty() && back.lost.is_empty(), "{back:?}");
    assert_eq!(back.equalised, [0]);
}

#[test]
fn folders_of_partial_files_go_with_the_last_of_them() {
    let root = tempfile::tempdir().unwrap();
    Store::create(&zones(root.path(), 3), 2).unwrap();
    let (store, _) = opened(root.path(), None);
    for number in 0..600 {
        store
            .append(&origin("a"), leaf(number), vec![1; 3])
            .unwrap();
        if number % 50 == 0 {
            store.integrate().unwrap();
        }
    }
    store.checkpoint().unwrap();
    drop(store);
    for zone in 0..3 {
        let log = root
            .path()
            .join(format!("zone-{zone}"))
            .join(log_folder(&origin("a")));
        let mut folders = vec![log];
        while let Some(folder) = folders.pop() {
            let entries: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
            assert!(!entries.is_empty(), "{}", folder.display());
            let paths = entries.into_iter().map(|entry| entry.unwrap().path());
            folders.extend(paths.filter(|path| path.is_dir()));
        }
    }
}

#[test]
fn what_has_no_name_yet_does_not_outlive_the_next_opening() {
    let root = tempfile::tempdir().unwrap();
    let zone = root.path().join("zone");
    drop(Directory::open(&zone).unwrap());
    // A crash before the rename leaves a payload that is to be erased one day.
    std::fs::write(zone.join("tmp/17"), b"<secret>").unwrap();
    let directory = Directory::open(&zone).unwrap();
    let left = || std::fs::read_dir(zone.join("tmp")).unwrap().count();
    assert_eq!(left(), 0);
    // Nor does an error leave one.
    directory.put("log/a/b", b"in the way").unwrap();
    assert!(directory.put("log/a", b"<secret>").is_err());
    assert!(directory.replace("log/a", b"<secret>").is_err());
    assert!(directory.create_new("log/a/b", b"<secret>").is_err());
    assert!(directory.begin("log/a/b/c").is_err());
    assert_eq!(left(), 0);
    assert_eq!(
        directory.read("log/a/b", 99).unwrap().unwrap(),
        b"in the way"
    );
}

#[test]
fn a_folder_that_holds_something_stays() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::open(root.path()).unwrap();
    directory.put("log/a/000.p/7", b"7").unwrap();
    directory.put("log/a/000.p/8", b"8").unwrap();
    directory.remove("log/a/000.p").unwrap();
    directory.remove("log/a/000.p/7").unwrap();
    directory.remove("log/a/000.p/7").unwrap();
    assert_eq!(
        directory.list("log/a/000.p").unwrap(),
        [("8".to_owned(), Some(1))]
    );
    directory.remove("log/a/000.p/8").unwrap();
    assert_eq!(directory.list("log/a").unwrap(), []);
    // What is remembered of folders is as they are.
    directory.put("log/a/000.p/9", b"9").unwrap();
    directory.settle().unwrap();
    assert_eq!(
        directory.list("log/a/000.p").unwrap(),
        [("9".to_owned(), Some(1))]
    );
}

/// Its contents may be anybody's: nothing outside is read, written or removed.
#[cfg(unix)]
#[test]
fn a_link_does_not_lead_out_of_a_zone() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    Store::create(&zones(root.path(), 3), 2).unwrap();
    let outside = root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), b"x").unwrap();
    let (store, _) = opened(root.path(), Some(2));
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let zone = root.path().join("zone-2");
    std::fs::create_dir_all(zone.join("log")).unwrap();
    symlink(&outside, zone.join("log/evil")).unwrap();
    let (store, recovery) = opened(root.path(), None);
    drop(store);
    assert_eq!(recovery.lost, [2]);
    let why = "log/evil: no plain file".to_owned();
    assert_eq!(recovery.unusable, [(2, why)]);
    assert!(zone.join("log/evil").is_symlink());

    let directory = Directory::open(&zone).unwrap();
    assert!(directory.read("log/evil/precious", 9).is_err());
    assert!(directory.list("log/evil").is_err());
    assert!(directory.put("log/evil/precious", b"y").is_err());
    assert!(directory.put("log/evil/more/of", b"it").is_err());
    let names = std::fs::read_dir(&outside).unwrap().count();
    assert_eq!(
        (names, std::fs::read(outside.join("precious")).unwrap()),
        (1, b"x".into())
    );
}

#[test]
fn stray_names_are_told_and_left_there() {
    let root = tempfile::tempdir().unwrap();
    Store::create(&zones(root.path(), 3), 2).unwrap();
    let (store, _) = opened(root.path(), Some(1));
    store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let zone = root.path().join("zone-1");
    std::fs::create_dir_all(zone.join("wal")).unwrap();
    std::fs::create_dir_all(zone.join("log/notes")).unwrap();
    let strays = [
        "wal/.nfs00001",
        "wal/a~",
        "wal/notes.txt",
        "wal/7",
        "log/notes/mine",
    ];
    for stray in strays {
        std::fs::write(zone.join(stray), b"mine").unwrap();
    }
    let (store, recovery) = opened(root.path(), None);
    drop(store);
    assert_eq!((recovery.lost, recovery.equalised), (vec![], vec![1]));
    let told = ["log/notes", "wal/7", "wal/notes.txt"];
    assert_eq!(recovery.strays, told.map(|path| (1, path.to_owned())));
    for stray in strays {
        assert_eq!(std::fs::read(zone.join(stray)).unwrap(), b"mine", "{stray}");
    }
}

/// Found by chance: it is the end of a name that a store gives, and was read as one.
#[test]
fn a_number_without_its_zeros_names_no_frames() {
    let root = tempfile::tempdir().unwrap();
    Store::create(&zones(root.path(), 3), 2).unwrap();
    for number in 0..3 {
        let (store, recovery) = opened(root.path(), None);
        assert!(recovery.lost.is_empty(), "opening {number}");
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
        drop(store);
        for zone in 0..3 {
            let path = root.path().join(format!("zone-{zone}/wal/196"));
            std::fs::write(path, b"mine").unwrap();
        }
    }
    let (_, recovery) = opened(root.path(), None);
    let told = [0, 1, 2].map(|zone| (zone, "wal/196".to_owned()));
    assert_eq!(recovery.strays, told);
}

/// As when a disk is unmounted, and its mount point is there.
#[cfg(unix)]
#[test]
fn another_directory_in_its_place_is_not_written_to() {
    let root = tempfile::tempdir().unwrap();
    let (path, away) = (root.path().join("zone"), root.path().join("away"));
    let directory = Directory::open(&path).unwrap();
    directory.put("log/a", b"1").unwrap();
    std::fs::rename(&path, &away).unwrap();
    for there in [false, true] {
        if there {
            std::fs::create_dir_all(path.join("tmp")).unwrap();
            std::fs::write(path.join("lock"), b"").unwrap();
        }
        assert!(directory.settle().is_err());
        assert!(directory.put("log/b", b"2").is_err());
        assert!(directory.replace("log/b", b"2").is_err());
        assert!(directory.create_new("log/b", b"2").is_err());
        assert!(directory.begin("log/b").is_err());
        assert!(directory.remove("log/a").is_err());
    }
    assert!(!path.join("log").exists());
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::rename(&away, &path).unwrap();
    directory.settle().unwrap();
    assert_eq!(directory.list("log").unwrap(), [("a".to_owned(), Some(1))]);
}

#[test]
fn one_store_at_a_time_has_a_zone() {
    let root = tempfile::tempdir().unwrap();
    let zones = zones(root.path(), 3);
    Store::create(&zones, 2).unwrap();
    let key = keys();
    let signed = CheckpointStore::open(root.path().join("signed"), key.verifier_key()).unwrap();
    let signed = Arc::new(signed);
    let open = |which: [Option<usize>; 3]| {
        let zones = which.map(|which| Some(Arc::clone(&zones[which?])));
        let own = root.path().join(format!("own-{}", rand(which)));
        let mut config = config(zones.into(), &own);
        config.checkpoints = Arc::clone(&signed);
        Store::open(config).map(|(store, _)| store)
    };
    let first = open([Some(0), Some(1), None]).unwrap();
    // Of the same zones, of some of them, in another order, one of them twice; whoever asks.
    for (which, claimed) in [
        ([Some(0), Some(1), Some(2)], 0),
        ([None, Some(1), Some(2)], 1),
        ([Some(2), Some(0), None], 1),
    ] {
        let refused = std::thread::scope(|scope| scope.spawn(|| open(which).err()).join());
        let Some(OpenError::InUse(zone)) = refused.unwrap() else {
            panic!("{which:?}");
        };
        assert_eq!(zone, claimed);
    }
    let again = Store::create(&zones[1..2], 1);
    assert!(matches!(again, Err(OpenError::InUse(0))));
    first.append(&origin("a"), leaf(0), Vec::new()).unwrap();
    drop(first);
    assert!(matches!(
        open([Some(0), Some(0), None]),
        Err(OpenError::InUse(1))
    ));
    drop(open([Some(0), Some(1), Some(2)]).unwrap());
}

fn rand(which: [Option<usize>; 3]) -> String {
    which
        .map(|it| it.map_or("-".to_owned(), |it| it.to_string()))
        .concat()
}

#[test]
fn of_two_that_begin_a_store_at_once_one_does() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let zones = zones(&root.path().join(round.to_string()), 3);
        let made: usize = std::thread::scope(|scope| {
            let begin = |_| scope.spawn(|| usize::from(Store::create(&zones, 2).is_ok()));
            let both: Vec<_> = (0..2).map(begin).collect();
            both.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(made, 1);
    }
    // Whatever else keeps them apart or not.
    let directory = Directory::open(root.path().join("zone")).unwrap();
    directory.create_new("store", b"first").unwrap();
    let second = directory.create_new("store", b"second").unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(directory.read("store", 9).unwrap().unwrap(), b"first");
}
