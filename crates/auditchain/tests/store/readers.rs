//! Readers beside a writer: whatever they find is a log as it was, whole.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strongroom_auditchain::store::{
    Directory, EntryForm, ExportOptions, PayloadForm, ReadOnlyDirectory, Scrub, Store, StoredLog,
    StoredLogError, Zone, ZoneRead, export, scrub,
};
use strongroom_auditchain::{Classes, Hash, Leaf, root};

use crate::events::{calm, config, create, keys, open, origin};
use crate::faulty::Platter;
use crate::shelf::with_payload;

/// What an entry has beside it.
fn beside(number: u64) -> (Leaf, Vec<u8>) {
    let (event, payload) = with_payload(number, &number.to_be_bytes());
    (Leaf::encode(&event).unwrap(), payload)
}

/// Has readers at work while a log grows by an entry at a time and is taken into tiles each time.
fn beside_a_writer(entries: u64, sign: bool, read: impl Fn(&ReadOnlyDirectory) + Sync) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zone");
    let zone: Arc<dyn Zone> = Arc::new(Directory::open(&path).unwrap());
    Store::create(&[Arc::clone(&zone)], 1).unwrap();
    let config = config(vec![Some(zone)], &folder.path().join("signed"));
    let (store, _) = Store::open(config).unwrap();
    let append = |number| {
        let (leaf, payload) = beside(number);
        store.append(&origin("a"), leaf, payload).unwrap();
        if sign {
            store.checkpoint().unwrap();
        } else {
            store.integrate().unwrap();
        }
    };
    append(0);
    let (read, append, ended) = (&read, &append, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let zone = ReadOnlyDirectory::new(&path);
            scope.spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    read(&zone);
                }
            });
        }
        let written = scope.spawn(move || (1..entries).for_each(append)).join();
        ended.store(true, Ordering::SeqCst);
        written.unwrap();
    });
}

/// A zone whose writer takes a step between any two looks at it, while it is at work.
struct Moving<'a> {
    steps: &'a [Arc<dyn Zone>],
    at: AtomicUsize,
    works: AtomicBool,
}

impl Moving<'_> {
    fn step(&self) -> &dyn Zone {
        let more = usize::from(self.works.load(Ordering::SeqCst));
        let at = self.at.fetch_add(more, Ordering::SeqCst);
        self.steps[at.min(self.steps.len() - 1)].as_ref()
    }
}

impl ZoneRead for Moving<'_> {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.step().read(path, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.step().list(folder)
    }
}

#[test]
fn whatever_is_superseded_between_two_looks_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let platters = [Platter::default()];
    create(&platters, 1);
    let store = open(&platters, &folder.path().join("signed"));
    let mut steps = Vec::new();
    for number in 0..20 {
        let (leaf, payload) = beside(number);
        store.append(&origin("a"), leaf, payload).unwrap();
        store.integrate().unwrap();
        steps.push(platters[0].copy().zone(0, &calm()));
    }
    for begin in 0..20 {
        let zone = Moving {
            steps: &steps,
            at: AtomicUsize::new(begin),
            works: AtomicBool::new(true),
        };
        let go_back = |works| {
            // What the log was found by is superseded when it is first read.
            zone.at.store(begin + usize::from(works), Ordering::SeqCst);
            zone.works.store(works, Ordering::SeqCst);
        };
        let found = StoredLog::open(&zone, &origin("a")).unwrap();
        assert!(found.size() > begin as u64);
        go_back(false);
        let log = StoredLog::open(&zone, &origin("a")).unwrap();
        assert_eq!(log.size(), begin as u64 + 1);
        for number in 0..log.size() {
            let (leaf, payload) = beside(number);
            go_back(true);
            assert_eq!(log.entry(number).unwrap(), leaf.as_bytes());
            go_back(true);
            assert_eq!(log.payload(number).unwrap(), Some(payload));
            go_back(true);
            assert_eq!(log.tree().unwrap().leaf(number).unwrap(), leaf.hash());
        }
    }
}

#[test]
fn a_log_is_read_as_it_was_when_it_was_opened() {
    beside_a_writer(300, false, |zone| {
        let log = StoredLog::open(zone, &origin("a")).unwrap();
        let last = log.size() - 1;
        for number in [0, last / 2, last] {
            let (leaf, payload) = beside(number);
            assert_eq!(log.entry(number).unwrap(), leaf.as_bytes());
            assert_eq!(
                log.payload(number).unwrap(),
                Some(payload),
                "{number} of {last}"
            );
        }
        let hashes: Vec<Hash> = (0..log.size())
            .map(|number| beside(number).0.hash())
            .collect();
        let found = log.tree().unwrap().root_at(log.size());
        assert_eq!(found.unwrap(), root(&hashes));
    });
}

#[test]
fn an_export_is_of_the_newest_checkpoint_and_whole() {
    let key = keys().with_name(origin("a").as_str()).unwrap();
    let options = ExportOptions {
        entries: EntryForm::Events,
        with_payloads: true,
        agents: &["chat.".to_owned()],
        log_key: key.verifier_key(),
        batch_key: None,
    };
    beside_a_writer(120, true, |zone| {
        let mut payloads = 0;
        let count = |path: &str, _: &[u8]| {
            payloads += usize::from(path.starts_with("payload/"));
            Ok(())
        };
        let manifest = export(zone, &origin("a"), &options, count).unwrap();
        assert_eq!(payloads as u64, manifest.size.div_ceil(256));
    });
}

#[test]
fn a_pass_finds_nothing_wrong() {
    let key = keys().with_name(origin("a").as_str()).unwrap();
    beside_a_writer(120, true, |zone| {
        let found = scrub(&Scrub {
            zone,
            origin: &origin("a"),
            key: key.verifier_key(),
            entries: EntryForm::Events,
            payloads: PayloadForm::AsWritten,
            classes: &Classes::new(["chat."]).unwrap(),
            kept: &[],
            platform: None,
            cadence: None,
            cursor: None,
            threads: NonZeroUsize::new(1).unwrap(),
            progress: &|_, _| {},
        });
        let found = found.unwrap();
        assert!(found.report.findings.is_empty(), "{:?}", found.report);
    });
}

#[test]
fn what_is_not_there_is_not_looked_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("nowhere")] {
        let zone = ReadOnlyDirectory::new(path);
        let log = StoredLog::open(&zone, &origin("a"));
        assert!(matches!(log, Err(StoredLogError::NoLog)));
    }
}
