//! The claim on a zone: one store at a time has it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::zone::{Frames, Zone, ZoneRead};

/// Whether a zone is in use by a store of this process; what keeps other processes away is the
/// zone's own.
#[derive(Debug, Default)]
pub struct Claim(Arc<AtomicBool>);

/// A zone is in use for as long as this is there.
#[derive(Debug)]
pub struct Claimed(Arc<AtomicBool>);

/// A zone in use. Whoever has hold of it, a writer that hangs too, keeps other stores away.
pub(super) struct InUse {
    zone: Arc<dyn Zone>,
    _claimed: Claimed,
}

impl Claim {
    /// Takes it, until what this answers is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it is taken.
    pub fn take(&self) -> io::Result<Claimed> {
        if self.0.swap(true, Ordering::AcqRel) {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "a store has it open",
            ));
        }
        Ok(Claimed(Arc::clone(&self.0)))
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl InUse {
    pub(super) fn of(zone: &Arc<dyn Zone>) -> io::Result<Arc<dyn Zone>> {
        Ok(Arc::new(Self {
            _claimed: zone.claim()?,
            zone: Arc::clone(zone),
        }))
    }
}

impl ZoneRead for InUse {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.zone.read(path, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.zone.list(folder)
    }
}

impl Zone for InUse {
    fn claim(&self) -> io::Result<Claimed> {
        self.zone.claim()
    }

    fn create_new(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.zone.create_new(path, bytes)
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.zone.put(path, bytes)
    }

    fn settle(&self) -> io::Result<()> {
        self.zone.settle()
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.zone.replace(path, bytes)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.zone.remove(path)
    }

    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>> {
        self.zone.begin(path)
    }
}
