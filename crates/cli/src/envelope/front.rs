//! The front of a record in a file, replaced so that no crash loses the record.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use strongroom::envelope::{Inspection, inspect};

use super::inspect::MAX_FRONT;
use super::new_file::{NewFile, sync_directory};
use super::record::write_failure;
use crate::failure::Failure;

/// So much of a body tells it from every other: its salt is among it.
const BODY_START: usize = 64;

/// A record's file, which no other rewrap changes meanwhile.
pub(super) struct RecordFile {
    path: PathBuf,
    file: File,
}

/// The beginning of a record.
pub(super) struct Front {
    pub(super) inspection: Inspection,
    /// What stands before the body.
    pub(super) bytes: Vec<u8>,
    /// The body's first bytes.
    body_start: Vec<u8>,
}

impl RecordFile {
    /// Opens a record's file, and first brings to its end what a crash interrupted.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::unusable(format!("{}: {error}", path.display()));
        // A link stays one: what is replaced is the file that it leads to.
        let target = fs::canonicalize(path).map_err(failed)?;
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .open(&target)
            .map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::unusable(format!(
                "{}: another process is changing it",
                path.display()
            )),
            TryLockError::Error(error) => failed(error),
        })?;
        let mut record = Self { path: target, file };
        record.recover()?;
        Ok(record)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the front.
    pub(super) fn front(&mut self) -> Result<Front, Failure> {
        let read = self.file.rewind().and_then(|()| read_start(&self.file));
        let bytes = read.map_err(|error| self.failure(&error))?;
        Front::parse(bytes)
    }

    /// Puts another front before the body, which is moved only if the fronts' lengths differ.
    pub(super) fn replace_front(&mut self, old: &Front, new: &[u8]) -> Result<(), Failure> {
        if new.len() == old.bytes.len() {
            // Half a front is no front, and the old one is gone: so the new one is kept aside.
            let aside = unfinished(&self.path);
            let mut kept = NewFile::create(&aside)?;
            let written = kept.write_all(new);
            let written = written.and_then(|()| kept.write_all(&old.body_start));
            written.map_err(write_failure)?;
            kept.keep()?;
            self.overwrite(new)
        } else {
            let mut moved = NewFile::instead_of(&self.path)?;
            moved.write_all(new).map_err(write_failure)?;
            let body = SeekFrom::Start(old.bytes.len() as u64);
            self.file.seek(body).map_err(|error| self.failure(&error))?;
            io::copy(&mut self.file, &mut moved).map_err(write_failure)?;
            self.replace(moved)
        }
    }

    /// Puts a new file in this one's place, with its owner and permissions.
    pub(super) fn replace(&self, new: NewFile) -> Result<(), Failure> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| self.failure(&error))?;
        new.replace(&metadata)
    }

    fn overwrite(&mut self, front: &[u8]) -> Result<(), Failure> {
        let written = self.file.rewind();
        let written = written.and_then(|()| self.file.write_all(front));
        let written = written.and_then(|()| self.file.sync_all());
        let done = written.and_then(|()| fs::remove_file(unfinished(&self.path)));
        done.map_err(|error| self.failure(&error))?;
        sync_directory(&self.path)
    }

    /// Writes the front that a crash kept from being written, or from being written whole.
    fn recover(&mut self) -> Result<(), Failure> {
        let aside = unfinished(&self.path);
        let kept = match File::open(&aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.and_then(read_start),
        };
        let kept = kept.map_err(|error| self.failure(&error))?;
        let front = Front::parse(kept).ok();
        let front = front.filter(|front| self.has_body(front).unwrap_or(false));
        let front = front.ok_or_else(|| {
            Failure::unusable(format!(
                "{}: what an interrupted rewrap of another record left here: remove it when you \
                 know that no record needs it",
                aside.display()
            ))
        })?;
        self.overwrite(&front.bytes)
    }

    /// Whether the body in the file is the one that this front was made for.
    fn has_body(&self, front: &Front) -> io::Result<bool> {
        let mut start = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(front.bytes.len() as u64))?;
        file.take(front.body_start.len() as u64)
            .read_to_end(&mut start)?;
        Ok(!start.is_empty() && start == front.body_start)
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::unusable(format!("{}: {error}", self.path.display()))
    }
}

impl Front {
    /// The front and the body's first bytes, behind each other.
    pub(super) fn with_body_start(&self) -> Vec<u8> {
        [self.bytes.as_slice(), &self.body_start].concat()
    }

    fn parse(mut bytes: Vec<u8>) -> Result<Self, Failure> {
        let inspection = inspect(&bytes).map_err(Failure::refused)?;
        let mut body_start = bytes.split_off(inspection.front_bytes);
        body_start.truncate(BODY_START);
        Ok(Self {
            inspection,
            bytes,
            body_start,
        })
    }
}

/// So much of a record as its front can take, and its body's start.
fn read_start(file: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take((MAX_FRONT + BODY_START) as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where a front is kept while it is written over the old one.
pub(super) fn unfinished(record: &Path) -> PathBuf {
    let mut name = record.as_os_str().to_owned();
    name.push(".rewrap");
    name.into()
}
