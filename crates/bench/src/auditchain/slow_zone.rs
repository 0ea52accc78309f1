//! A zone on a slower disk than the one at hand.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use strongroom_auditchain::store::{Claimed, Frames, Zone, ZoneRead};

/// A zone each of whose frames takes so much longer to be on disk.
pub(super) struct SlowZone {
    pub(super) zone: Arc<dyn Zone>,
    pub(super) longer: Duration,
}

struct SlowFrames {
    frames: Box<dyn Frames>,
    longer: Duration,
}

impl Frames for SlowFrames {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.append(bytes)?;
        thread::sleep(self.longer);
        Ok(())
    }
}

impl ZoneRead for SlowZone {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.zone.read(path, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.zone.list(folder)
    }
}

impl Zone for SlowZone {
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
        Ok(Box::new(SlowFrames {
            frames: self.zone.begin(path)?,
            longer: self.longer,
        }))
    }
}
