//! A zone in memory that fails as disks do: writes that are cut off, torn or reordered, flushes that
//! fail, a disk that is full, and a crash after which only what was flushed is certain.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use strongroom_auditchain::store::{Claim, Claimed, Frames, Zone, ZoneRead};

/// A disk writes so many bytes at once.
const SECTOR: usize = 512;

/// A small generator of numbers, so that every failure can be repeated by its seed.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// How a zone fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The whole machine stops: every zone that shares the plan.
    Crash,
    /// A write or flush of this zone fails, and nobody knows what is on disk; the machine goes on.
    Failed,
    /// The disk is full: a part is written.
    Full,
    /// The flush fails; the pages stay in the cache and are clean (Linux): no later flush writes them.
    Lied,
}

/// After how many writing calls what happens to the zones that share it.
#[derive(Debug)]
pub struct Plan {
    pub calls_left: u64,
    pub fault: Fault,
    /// The zone that it happens to; a crash happens to all.
    pub zone: usize,
    pub random: Random,
    pub stopped: bool,
    /// Whether it has happened.
    pub fired: bool,
}

#[derive(Default)]
struct Disk {
    /// What is certain to be there.
    flushed: BTreeMap<String, Vec<u8>>,
    /// What is seen.
    seen: BTreeMap<String, Vec<u8>>,
    /// Files whose last flush failed: no later one writes what is seen of them.
    lies: BTreeSet<String>,
}

/// One zone in memory.
pub struct Faulty {
    number: usize,
    claim: Claim,
    disk: Arc<Mutex<Disk>>,
    plan: Arc<Mutex<Plan>>,
}

/// What survives of a zone between two openings.
#[derive(Clone, Default)]
pub struct Platter(Arc<Mutex<Disk>>);

impl Platter {
    /// The zone, working until the plan says otherwise.
    pub fn zone(&self, number: usize, plan: &Arc<Mutex<Plan>>) -> Arc<dyn Zone> {
        Arc::new(Faulty {
            number,
            claim: Claim::default(),
            disk: Arc::clone(&self.0),
            plan: Arc::clone(plan),
        })
    }

    /// The machine comes up again: of what was not flushed any part may be there.
    pub fn reboot(&self, random: &mut Random) {
        let mut disk = self.0.lock().unwrap();
        let paths: Vec<String> = disk
            .seen
            .keys()
            .chain(disk.flushed.keys())
            .cloned()
            .collect();
        for path in paths {
            let (old, new) = (
                disk.flushed.get(&path).cloned(),
                disk.seen.get(&path).cloned(),
            );
            if old == new {
                continue;
            }
            // What was flushed of a file that only grows stays.
            let from = match &old {
                Some(old) if path.starts_with("wal/") => old.len(),
                _ => 0,
            };
            let kept = match random.below(4) {
                0 => old,
                1 => new,
                2 => new.map(|bytes| torn(&bytes, from.min(bytes.len()), random)),
                // The name is there, and nothing that was not flushed in it.
                _ => new.map(|bytes| bytes[..from.min(bytes.len())].to_vec()),
            };
            match kept {
                Some(bytes) => disk.flushed.insert(path, bytes),
                None => disk.flushed.remove(&path),
            };
        }
        disk.seen = disk.flushed.clone();
    }

    /// Everything is gone, as after the disk was replaced.
    pub fn wipe(&self) {
        *self.0.lock().unwrap() = Disk::default();
    }

    /// The files as they are, frames and identity left out.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let disk = self.0.lock().unwrap();
        let all = disk.flushed.clone();
        all.into_iter()
            .filter(|(path, _)| path.starts_with("log/"))
            .collect()
    }

    /// Changes one bit of a file. Whether there is such a file.
    pub fn flip(&self, path: &str, byte: usize) -> bool {
        let mut disk = self.0.lock().unwrap();
        let disk = &mut *disk;
        for files in [&mut disk.flushed, &mut disk.seen] {
            match files.get_mut(path).and_then(|file| file.get_mut(byte)) {
                Some(byte) => *byte ^= 1,
                None => return false,
            }
        }
        true
    }

    /// A file's length in bytes.
    pub fn length(&self, path: &str) -> usize {
        self.0.lock().unwrap().flushed[path].len()
    }

    /// All files, as they are seen.
    pub fn all(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.lock().unwrap().seen.clone()
    }

    /// The paths of the files in a folder.
    pub fn paths(&self, folder: &str) -> Vec<String> {
        let disk = self.0.lock().unwrap();
        let paths = disk.flushed.keys();
        paths
            .filter(|path| path.starts_with(folder))
            .cloned()
            .collect()
    }

    /// A copy, as of a backup.
    pub fn copy(&self) -> Self {
        let disk = self.0.lock().unwrap();
        Self(Arc::new(Mutex::new(Disk {
            flushed: disk.flushed.clone(),
            seen: disk.flushed.clone(),
            lies: BTreeSet::new(),
        })))
    }
}

/// Of bytes that were being written from `from` on, some sectors are there, in any order.
fn torn(bytes: &[u8], from: usize, random: &mut Random) -> Vec<u8> {
    let keep = from + usize::try_from(random.below((bytes.len() - from) as u64 + 1)).unwrap();
    let mut bytes = bytes[..keep].to_vec();
    let mut at = from;
    while at < bytes.len() {
        let end = ((at / SECTOR + 1) * SECTOR).min(bytes.len());
        if random.below(3) == 0 {
            bytes[at..end].fill(0);
        }
        at = end;
    }
    bytes
}

impl Faulty {
    /// Counts a writing call; what is to be done to it.
    fn count(&self) -> Result<Option<(Fault, Random)>, io::Error> {
        let mut plan = self.plan.lock().unwrap();
        if plan.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        if plan.calls_left > 0 {
            plan.calls_left -= 1;
            return Ok(None);
        }
        if plan.fault == Fault::Crash {
            plan.stopped = true;
        } else if plan.zone != self.number {
            return Ok(None);
        }
        plan.random.next();
        plan.fired = true;
        Ok(Some((plan.fault, plan.random.clone())))
    }

    /// A write of `new` over what is there from `from` on, flushed if `flush`.
    fn write(&self, path: &str, new: Option<Vec<u8>>, from: usize, flush: bool) -> io::Result<()> {
        let fault = self.count()?;
        let mut disk = self.disk.lock().unwrap();
        let Some((fault, mut random)) = fault else {
            if from == 0 {
                disk.lies.remove(path);
            }
            match new {
                Some(bytes) => {
                    if flush {
                        disk.flushed.insert(path.to_owned(), bytes.clone());
                    }
                    disk.seen.insert(path.to_owned(), bytes);
                }
                None => {
                    disk.seen.remove(path);
                }
            }
            return Ok(());
        };
        if fault == Fault::Lied && flush && from > 0 {
            disk.lies.insert(path.to_owned());
            disk.seen.insert(path.to_owned(), new.unwrap());
            return Err(io::Error::other("EIO"));
        }
        // A file that is replaced is whole or the old one; one that is appended to is torn.
        let old = disk.seen.get(path).cloned();
        let left = match new {
            Some(bytes) if from > 0 => Some(torn(&bytes, from, &mut random)),
            Some(bytes) if random.below(2) == 0 => Some(bytes),
            _ => old,
        };
        if let Some(left) = left {
            if flush {
                disk.flushed.insert(path.to_owned(), left.clone());
            }
            disk.seen.insert(path.to_owned(), left);
        }
        Err(io::Error::other(format!("{fault:?}")))
    }
}

impl ZoneRead for Faulty {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let disk = self.disk.lock().unwrap();
        let file = disk.seen.get(path).cloned();
        if file.as_ref().is_some_and(|file| file.len() as u64 > most) {
            return Err(io::Error::other("longer than it can be"));
        }
        Ok(file)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        let disk = self.disk.lock().unwrap();
        let mut names = BTreeMap::new();
        for (path, file) in &disk.seen {
            let Some(rest) = path
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            match rest.split_once('/') {
                Some((name, _)) => names.insert(name.to_owned(), None),
                None => names.insert(rest.to_owned(), Some(file.len() as u64)),
            };
        }
        Ok(names.into_iter().collect())
    }
}

impl Zone for Faulty {
    fn claim(&self) -> io::Result<Claimed> {
        self.claim.take()
    }

    fn create_new(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if self.disk.lock().unwrap().seen.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.replace(path, bytes)
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(path, Some(bytes.to_vec()), 0, false)
    }

    fn settle(&self) -> io::Result<()> {
        if let Some((fault, _)) = self.count()? {
            return Err(io::Error::other(format!("{fault:?}")));
        }
        let mut disk = self.disk.lock().unwrap();
        let disk = &mut *disk;
        let old = std::mem::replace(&mut disk.flushed, disk.seen.clone());
        for path in &disk.lies {
            match old.get(path) {
                Some(bytes) if disk.seen.contains_key(path) => {
                    disk.flushed.insert(path.clone(), bytes.clone())
                }
                _ => disk.flushed.remove(path),
            };
        }
        Ok(())
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(path, Some(bytes.to_vec()), 0, true)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.write(path, None, 0, false)
    }

    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>> {
        self.write(path, Some(Vec::new()), 0, true)?;
        Ok(Box::new(Appending {
            zone: Self {
                number: self.number,
                claim: Claim::default(),
                disk: Arc::clone(&self.disk),
                plan: Arc::clone(&self.plan),
            },
            path: path.to_owned(),
            written: Vec::new(),
        }))
    }
}

struct Appending {
    zone: Faulty,
    path: String,
    written: Vec<u8>,
}

impl Frames for Appending {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.written.len();
        self.written.extend_from_slice(bytes);
        if before == 0 {
            // The first frame is torn as any other.
            let fault = self.zone.count()?;
            let mut disk = self.zone.disk.lock().unwrap();
            let left = match &fault {
                None => self.written.clone(),
                Some((_, random)) => torn(&self.written, 0, &mut random.clone()),
            };
            disk.flushed.insert(self.path.clone(), left.clone());
            disk.seen.insert(self.path.clone(), left);
            return match fault {
                None => Ok(()),
                Some((fault, _)) => Err(io::Error::other(format!("{fault:?}"))),
            };
        }
        self.zone
            .write(&self.path, Some(self.written.clone()), before, true)
    }
}
