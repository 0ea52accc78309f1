//! Durable appends with receipts, beside the disk alone: wall clock, runs in turn.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::fs::statfs;
use strongroom_auditchain::store::{
    AppendError, CheckpointStore, Directory, Store, StoreConfig, Ticket, Zone,
};
use strongroom_auditchain::{Classes, Leaf, Origin};
use tempfile::TempDir;

use super::ceiling::{self, Ceiling};
use super::entries::{keys, leaf, origin};
use super::slow_zone::SlowZone;
use crate::case::Goal;
use crate::report::{Rates, Report};

/// Measured runs of each side.
const RUNS: usize = 7;

/// What a flush takes longer on the slower disk: no cache of its own survives a loss of power.
const SLOW: Duration = Duration::from_millis(2);

/// How long a run lasts, about.
const RUN: Duration = Duration::from_secs(2);

/// Entries of the first run, which is not counted and tells how many a run takes.
const FIRST: usize = 50_000;

/// The most entries of a run: they are made before it.
const MOST: f64 = 400_000.0;

/// Threads that keep appends in flight.
const THREADS: usize = 2;

/// A file system in memory; what is flushed there is flushed nowhere.
const TMPFS: i64 = 0x0102_1994;

/// What is appended, and where.
#[derive(Clone, Copy)]
struct Load {
    /// Appends in flight.
    writers: usize,
    /// Whether each has a thread of its own.
    threads: bool,
    logs: usize,
    zones: usize,
    /// What each flush takes beyond what it takes here.
    longer: Duration,
    goal: Option<f64>,
}

/// A store in folders of its own, which are gone after it.
pub struct OpenStore {
    pub store: Store,
    /// The zones' folders.
    pub zones: Vec<PathBuf>,
    folder: TempDir,
}

/// Measures one zone and three, few writers and many, one log and many.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    for (zones, goal) in [(1, 0.8), (3, 0.6)] {
        for writers in [256, 1024] {
            for logs in [1, 1000] {
                let load = Load {
                    writers,
                    threads: false,
                    logs,
                    zones,
                    longer: Duration::ZERO,
                    goal: Some(goal),
                };
                load.report(report)?;
            }
        }
    }
    for writers in [256, 1024] {
        let load = Load {
            writers,
            threads: false,
            logs: 1,
            zones: 1,
            longer: Duration::ZERO,
            goal: None,
        };
        Load {
            threads: true,
            ..load
        }
        .report(report)?;
        let longer = SLOW;
        Load { longer, ..load }.report(report)?;
    }
    Ok(())
}

impl Load {
    fn name(&self) -> String {
        let kind = if self.threads { "threads" } else { "writers" };
        let zones = if self.zones == 1 { "zone" } else { "zones" };
        let logs = if self.logs == 1 { "log" } else { "logs" };
        let longer = match self.longer.as_millis() {
            0 => String::new(),
            longer => format!(", flushes {longer} ms longer"),
        };
        format!(
            "durable, {} {zones}, {} {kind}, {} {logs}{longer}",
            self.zones, self.writers, self.logs,
        )
    }

    fn report(&self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        if report.wants(&self.name()) {
            report.rates(&self.measure()?);
        }
        Ok(())
    }

    fn measure(&self) -> Result<Rates, Box<dyn Error>> {
        let open = OpenStore::slow(self.zones, self.longer)?;
        let mut numbers = 0;
        let origins: Vec<Origin> = (0..self.logs).map(origin).collect::<Result<_, _>>()?;
        let mut ours = |count| self.run(&open.store, &origins, &mut numbers, count);
        let bytes = leaf(0)?.as_bytes().len();
        let raw = || -> io::Result<f64> {
            match open.zones.as_slice() {
                [one] => ceiling::alone(one, self.writers, bytes, RUN, self.longer),
                several => Ceiling::new(several)?.run(self.writers, bytes, RUN),
            }
        };
        let first = ours(FIRST)?;
        let count = (first * RUN.as_secs_f64()).clamp(FIRST as f64, MOST) as usize;
        raw()?;
        let mut rates = Rates {
            name: self.name(),
            peer_name: "the same batches to files, fdatasync",
            goal: self.goal.map(Goal::of),
            ours: Vec::new(),
            peer: Vec::new(),
        };
        for number in 0..RUNS {
            if number % 2 == 0 {
                rates.ours.push(ours(count)?);
                rates.peer.push(raw()?);
            } else {
                rates.peer.push(raw()?);
                rates.ours.push(ours(count)?);
            }
        }
        Ok(rates)
    }

    /// Appends so many entries; answers how many a second were acknowledged.
    fn run(
        &self,
        store: &Store,
        origins: &[Origin],
        numbers: &mut u64,
        count: usize,
    ) -> Result<f64, Box<dyn Error>> {
        let entries = origins.iter().cycle().take(count);
        let entries = entries.map(|origin| {
            *numbers += 1;
            Ok((origin.clone(), leaf(*numbers)?))
        });
        let entries: Vec<(Origin, Leaf)> = entries.collect::<Result<_, Box<dyn Error>>>()?;
        let stock = Mutex::new(entries.into_iter());
        let next = || stock.lock().unwrap_or_else(PoisonError::into_inner).next();
        let begun = Instant::now();
        let threads = if self.threads { self.writers } else { THREADS };
        let in_flight = self.writers / threads;
        thread::scope(|scope| {
            let work = || keep_in_flight(store, in_flight, &next);
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| {
                let ended = thread.join().map_err(|_| AppendError::Closed);
                ended.and_then(|done| done)
            })
        })?;
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Keeps so many appends in flight until there are no more entries, and waits for them all.
fn keep_in_flight(
    store: &Store,
    in_flight: usize,
    next: &impl Fn() -> Option<(Origin, Leaf)>,
) -> Result<(), AppendError> {
    let mut tickets = std::collections::VecDeque::<Ticket>::with_capacity(in_flight);
    while let Some((origin, leaf)) = next() {
        if tickets.len() == in_flight
            && let Some(oldest) = tickets.pop_front()
        {
            oldest.wait()?;
        }
        loop {
            match store.submit(&origin, leaf.clone(), Vec::new()) {
                Ok(ticket) => break tickets.push_back(ticket),
                // What is durable waits to be taken into tiles: as every caller, it comes back.
                Err(AppendError::Busy(after)) => match tickets.pop_front() {
                    Some(oldest) => drop(oldest.wait()?),
                    None => thread::sleep(after),
                },
                Err(error) => return Err(error),
            }
        }
    }
    tickets
        .into_iter()
        .try_for_each(|ticket| ticket.wait().map(drop))
}

impl OpenStore {
    /// Makes a store in so many new folders on a disk, with all of them as its quorum.
    pub fn new(zones: usize) -> Result<Self, Box<dyn Error>> {
        Self::slow(zones, Duration::ZERO)
    }

    /// The same on disks whose flushes take so much longer.
    fn slow(zones: usize, longer: Duration) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        on_disk(folder.path())?;
        let zones = (0..zones).map(|zone| folder.path().join(format!("zone-{zone}")));
        let zones: Vec<PathBuf> = zones.collect();
        let mut directories = open_zones(&zones)?;
        if !longer.is_zero() {
            let slow = |zone| -> Arc<dyn Zone> { Arc::new(SlowZone { zone, longer }) };
            directories = directories.into_iter().map(slow).collect();
        }
        Store::create(&directories, zones.len())?;
        Ok(Self {
            store: open(&directories, &folder.path().join("signed"))?,
            zones,
            folder,
        })
    }
}

impl OpenStore {
    /// Closes the store; answers its folder.
    pub fn close(self) -> TempDir {
        self.folder
    }
}

/// Opens zones.
pub fn open_zones(folders: &[PathBuf]) -> Result<Vec<Arc<dyn Zone>>, Box<dyn Error>> {
    let zone = |folder: &PathBuf| -> Result<Arc<dyn Zone>, Box<dyn Error>> {
        Ok(Arc::new(Directory::open(folder)?))
    };
    folders.iter().map(zone).collect()
}

/// Opens a store that is there.
pub fn open(zones: &[Arc<dyn Zone>], signed: &Path) -> Result<Store, Box<dyn Error>> {
    let keys = keys()?;
    let checkpoints = CheckpointStore::open(signed, keys.verifier_key())?;
    let (store, _) = Store::open(StoreConfig {
        zones: zones.iter().cloned().map(Some).collect(),
        checkpoints: Arc::new(checkpoints),
        keys: Arc::new(keys),
        classes: Classes::new(["chat."])?,
        limits: Default::default(),
        adopt_empty_zones: false,
    })?;
    Ok(store)
}

fn on_disk(folder: &Path) -> Result<(), Box<dyn Error>> {
    if statfs(folder)?.f_type == TMPFS {
        return Err("temporary files are in memory; set TMPDIR to a folder on a disk".into());
    }
    Ok(())
}

/// The bytes of the files below a folder.
pub fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_below(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}
