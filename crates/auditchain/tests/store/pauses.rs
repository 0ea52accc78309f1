//! Zones that are slow, or never answer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use strongroom_auditchain::store::{
    AppendError, Claimed, Directory, Frames, OpenError, Store, StoreConfig, Zone, ZoneRead,
};

use crate::events::{calm, config, leaf, origin};
use crate::faulty::Platter;

/// A zone whose flushes can be held up.
struct Slow {
    inner: Arc<dyn Zone>,
    settle_blocks: Arc<AtomicBool>,
    /// How long the next write of a frame takes, in milliseconds.
    append_takes: Arc<AtomicU64>,
}

struct SlowFrames(Box<dyn Frames>, Arc<AtomicU64>);

impl Frames for SlowFrames {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let pause = self.1.swap(0, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(pause));
        self.0.append(bytes)
    }
}

impl ZoneRead for Slow {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.inner.read(path, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.inner.list(folder)
    }
}

impl Zone for Slow {
    fn claim(&self) -> io::Result<Claimed> {
        self.inner.claim()
    }

    fn create_new(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.create_new(path, bytes)
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.put(path, bytes)
    }

    fn settle(&self) -> io::Result<()> {
        while self.settle_blocks.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.inner.settle()
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.replace(path, bytes)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>> {
        let frames = self.inner.begin(path)?;
        Ok(Box::new(SlowFrames(frames, Arc::clone(&self.append_takes))))
    }
}

impl Slow {
    fn new(inner: Arc<dyn Zone>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            settle_blocks: Arc::default(),
            append_takes: Arc::default(),
        })
    }
}

fn slow(root: &Path, count: usize) -> Vec<Arc<Slow>> {
    let zone = |number| {
        let directory = Directory::open(root.join(format!("zone-{number}"))).unwrap();
        Slow::new(Arc::new(directory))
    };
    (0..count).map(zone).collect()
}

/// Zones in memory: where little patience is wanted, no disk may be slow by itself.
fn slow_in_memory(count: usize) -> Vec<Arc<Slow>> {
    let zone = |number| Slow::new(Platter::default().zone(number, &calm()));
    (0..count).map(zone).collect()
}

/// Holds up a zone's flushes, to the end of a test that fails too.
struct Held(Arc<AtomicBool>);

impl Held {
    fn new(zone: &Slow) -> Self {
        zone.settle_blocks.store(true, Ordering::SeqCst);
        Self(Arc::clone(&zone.settle_blocks))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Long enough that no other zone is lost on a busy machine; it is waited out where one hangs.
const PATIENCE: Duration = Duration::from_secs(5);

fn of(zones: &[Arc<Slow>], root: &Path) -> StoreConfig {
    let zones = zones.iter().map(|it| Some(Arc::clone(it) as Arc<dyn Zone>));
    config(zones.collect(), &root.join("signed"))
}

fn create(zones: &[Arc<Slow>], quorum: usize) {
    let zones = zones.iter().map(|it| Arc::clone(it) as Arc<dyn Zone>);
    let zones: Vec<_> = zones.collect();
    Store::create(&zones, quorum).unwrap();
}

#[test]
fn a_zone_that_pauses_is_not_lost_and_catches_up() {
    let root = tempfile::tempdir().unwrap();
    let zones = slow(root.path(), 3);
    create(&zones, 2);
    let (store, _) = Store::open(of(&zones, root.path())).unwrap();
    zones[2].append_takes.store(400, Ordering::SeqCst);
    for number in 0..400 {
        store
            .append(&origin("a"), leaf(number), Vec::new())
            .unwrap();
    }
    assert_eq!(store.lost_zones(), []);
    drop(store);
    let wal = |number: usize| zones[number].list("wal").unwrap();
    assert_eq!(wal(2), wal(0));
}

#[test]
fn a_zone_that_hangs_is_given_up_and_the_others_go_on() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    let (tell, told) = std::sync::mpsc::channel();
    let work = std::thread::spawn(move || {
        let zones = slow_in_memory(3);
        create(&zones, 2);
        let mut config = of(&zones, &path);
        config.limits.patience = PATIENCE;
        let (store, _) = Store::open(config).unwrap();
        store.append(&origin("a"), leaf(0), Vec::new()).unwrap();
        zones[2].settle_blocks.store(true, Ordering::SeqCst);
        let done = store.checkpoint().unwrap();
        assert_eq!(done.signed.len(), 1);
        store.append(&origin("a"), leaf(1), Vec::new()).unwrap();
        let lost = store.lost_zones();
        assert_eq!(lost.iter().map(|(zone, _)| *zone).collect::<Vec<_>>(), [2]);
        drop(store);
        zones[2].settle_blocks.store(false, Ordering::SeqCst);
        tell.send(()).unwrap();
    });
    // If it waits for the zone it does so for ever.
    told.recv_timeout(Duration::from_secs(120)).unwrap();
    work.join().unwrap();
}

#[test]
fn two_zones_that_hang_are_an_error_and_closing_does_not_wait_for_them() {
    let root = tempfile::tempdir().unwrap();
    let zones = slow_in_memory(3);
    create(&zones, 2);
    let mut config = of(&zones, root.path());
    config.limits.patience = PATIENCE;
    let (store, _) = Store::open(config).unwrap();
    for zone in &zones[1..] {
        zone.append_takes.store(60_000, Ordering::SeqCst);
    }
    let appended = store.append(&origin("a"), leaf(0), Vec::new());
    assert!(matches!(appended, Err(AppendError::Unknown(_))));
    let appended = store.append(&origin("a"), leaf(0), Vec::new());
    assert!(matches!(appended, Err(AppendError::Poisoned(_))));
    drop(store);
    // They still hang.
    assert!(Arc::strong_count(&zones[1]) > 1);
}

/// However long integration takes: what is acknowledged is bounded, and can be opened again.
#[test]
fn what_integration_is_behind_with_is_bounded_and_in_files_that_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    let zones = slow(root.path(), 1);
    create(&zones, 1);
    let mut config = of(&zones, root.path());
    config.limits.behind_bytes = 144 << 20;
    // The flush hangs for as long as all this takes to be written, and is not to be given up.
    config.limits.patience = Duration::from_secs(600);
    let (store, _) = Store::open(config).unwrap();
    let _held = Held::new(&zones[0]);
    let payload = vec![5; 1024 * 1024];
    let mut acknowledged = 0;
    loop {
        match store.append(&origin("a"), leaf(acknowledged), payload.clone()) {
            Ok(_) => acknowledged += 1,
            Err(AppendError::Busy(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(acknowledged, 144);
    let files = zones[0].list("wal").unwrap();
    let longest = files.iter().filter_map(|(_, length)| *length).max();
    assert!(longest.unwrap() < 66 << 20, "{files:?}");
    // As after a kill at that moment.
    let copied = root.path().join("copied");
    std::fs::create_dir_all(copied.join("zone-0/wal")).unwrap();
    let from = root.path().join("zone-0");
    std::fs::copy(from.join("store"), copied.join("zone-0/store")).unwrap();
    for (name, _) in &files {
        let name = format!("wal/{name}");
        std::fs::copy(from.join(&name), copied.join("zone-0").join(&name)).unwrap();
    }
    let mut config = of(&slow(&copied, 1), &copied);
    config.limits.patience = Duration::from_secs(600);
    let (again, _) = Store::open(config).unwrap();
    let last = again.append(&origin("a"), leaf(acknowledged), Vec::new());
    let verified = crate::events::keys();
    let verified = last
        .unwrap()
        .receipt
        .verify(verified.verifier_key())
        .map(|it| it.index());
    assert_eq!(verified.unwrap(), acknowledged);
}

type Change = fn(&mut StoreConfig);

#[test]
fn limits_outside_what_they_may_be_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let zones = slow(root.path(), 1);
    create(&zones, 1);
    let cases: [(&str, Change); 10] = [
        ("batch_entries", |it| it.limits.batch_entries = 0),
        ("batch_entries", |it| it.limits.batch_entries = 8193),
        ("batch_bytes", |it| it.limits.batch_bytes = 0),
        ("batch_bytes", |it| it.limits.batch_bytes = (8 << 20) + 1),
        ("queue_entries", |it| it.limits.queue_entries = 0),
        ("queue_entries", |it| it.limits.queue_entries = usize::MAX),
        ("queue_bytes", |it| it.limits.queue_bytes = 0),
        ("behind_bytes", |it| it.limits.behind_bytes = 1),
        ("patience", |it| it.limits.patience = Duration::ZERO),
        ("patience", |it| it.limits.patience = Duration::MAX),
    ];
    for (field, change) in cases {
        let mut config = of(&zones, root.path());
        change(&mut config);
        match Store::open(config) {
            Err(OpenError::Limits(named)) => assert_eq!(named, field),
            other => panic!("{field}: {:?}", other.err()),
        }
    }
    // The least of all are enough.
    let mut config = of(&zones, root.path());
    config.limits.batch_entries = 1;
    config.limits.batch_bytes = 1;
    config.limits.queue_entries = 1;
    config.limits.queue_bytes = 1;
    let (store, _) = Store::open(config).unwrap();
    store.append(&origin("a"), leaf(0), vec![1; 100]).unwrap();
    drop(store);
    // The most fit into a frame.
    let mut config = of(&zones, root.path());
    config.limits.batch_entries = 8192;
    config.limits.batch_bytes = 8 << 20;
    let (store, _) = Store::open(config).unwrap();
    zones[0].append_takes.store(1000, Ordering::SeqCst);
    let tickets: Vec<_> = (1..40)
        .map(|number| {
            let payload = vec![1; 1024 * 1024];
            store.submit(&origin("a"), leaf(number), payload).unwrap()
        })
        .collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    drop(store);
    drop(Store::open(of(&zones, root.path())).unwrap());
}
