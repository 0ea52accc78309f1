//! A zone's hand: a thread that does whatever is asked of the zone in turn, so that zones work side
//! by side and one that hangs holds up nobody.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::claim::Claimed;
use super::zone::{Frames, Zone, ZoneRead};

/// What is done in a zone.
pub(super) type Act = dyn Fn(&dyn Zone) -> io::Result<()> + Send + Sync;

/// How an act ended, and where.
pub(super) type Done = (usize, io::Result<()>);

pub(super) struct Hand {
    pub(super) zone: Arc<dyn Zone>,
    acts: Option<Sender<(Arc<Act>, Sender<Done>)>>,
    thread: Option<JoinHandle<()>>,
    calls: Arc<AtomicU64>,
    abandoned: AtomicBool,
}

impl Hand {
    pub(super) fn start(number: usize, zone: Arc<dyn Zone>) -> io::Result<Self> {
        let (acts, asked) = channel::<(Arc<Act>, Sender<Done>)>();
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            zone: Arc::clone(&zone),
            calls: Arc::clone(&calls),
        };
        let thread = std::thread::Builder::new()
            .name(format!("audit-hand-{number}"))
            .spawn(move || {
                while let Ok((act, done)) = asked.recv() {
                    let result = act(&counted);
                    drop(act);
                    let _ = done.send((number, result));
                }
            })?;
        Ok(Self {
            zone,
            acts: Some(acts),
            thread: Some(thread),
            calls,
            abandoned: AtomicBool::new(false),
        })
    }

    /// Asks for an act; whoever waits for `done` is told how it ended.
    pub(super) fn ask(&self, act: &Arc<Act>, done: &Sender<Done>) {
        if let Some(acts) = &self.acts {
            let _ = acts.send((Arc::clone(act), done.clone()));
        }
    }

    /// How many calls of the zone have returned: as long as it grows, the zone does not hang.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Lets it end by itself: it may hang in a call that never returns.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.acts = None;
        if let Some(thread) = self.thread.take()
            && !self.abandoned.load(Ordering::Relaxed)
        {
            let _ = thread.join();
        }
    }
}

/// A zone whose calls are counted as they return.
struct Counted {
    zone: Arc<dyn Zone>,
    calls: Arc<AtomicU64>,
}

impl Counted {
    fn count<T>(&self, result: T) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        result
    }
}

impl ZoneRead for Counted {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.count(self.zone.read(path, most))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.count(self.zone.list(folder))
    }
}

impl Zone for Counted {
    fn claim(&self) -> io::Result<Claimed> {
        self.zone.claim()
    }

    fn create_new(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.count(self.zone.create_new(path, bytes))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.count(self.zone.put(path, bytes))
    }

    fn settle(&self) -> io::Result<()> {
        self.count(self.zone.settle())
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.count(self.zone.replace(path, bytes))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.count(self.zone.remove(path))
    }

    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>> {
        self.count(self.zone.begin(path))
    }
}
