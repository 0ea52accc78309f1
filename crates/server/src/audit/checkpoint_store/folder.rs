//! The directory itself: whole files, durable when a write returns, changed under one lock.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use super::StoreError;
use crate::files;

const LOCK: &str = "lock";

/// What temporary files end in.
const TEMPORARY: &str = "new";

/// Beyond so many files the file system is flushed as a whole.
const FLUSHED_EACH: usize = 8;

/// The folders in it.
const FOLDERS: [&str; 3] = ["checkpoints", "cosigned", "lines"];

pub(super) struct Folder {
    root: PathBuf,
    /// Set by a write whose outcome nobody knows.
    poisoned: AtomicBool,
}

/// The folder, for as long as nobody else writes to it.
pub(super) struct Locked<'a> {
    folder: &'a Folder,
    /// Closed, it is unlocked; so it is when the process is killed.
    _lock: File,
}

impl Folder {
    /// Takes a directory, which is made if it is not there.
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            root: root.to_owned(),
            poisoned: AtomicBool::new(false),
        };
        for each in std::iter::once(root.to_owned()).chain(FOLDERS.map(|name| root.join(name))) {
            let failed = |error| StoreError::Io(each.clone(), error);
            if !each.try_exists().map_err(failed)? {
                files::make_private_dir(&each).map_err(failed)?;
                files::sync_dir(each.parent().unwrap_or(root)).map_err(failed)?;
            }
        }
        Ok(folder)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until nobody else writes.
    pub(super) fn lock(&self) -> Result<Locked<'_>, StoreError> {
        let path = self.root.join(LOCK);
        let failed = |error| StoreError::Io(path.clone(), error);
        let lock = files::append(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Locked {
            folder: self,
            _lock: lock,
        })
    }

    /// Reads a file of at most so many bytes; none if it is not there.
    pub(super) fn read(&self, path: &str, most: u64) -> Result<Option<String>, StoreError> {
        let at = self.root.join(path);
        let failed = |error| StoreError::Io(at.clone(), error);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(&at);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
        if read.map_err(failed)? as u64 > most {
            return Err(self.malformed(path, "it is longer than it can be"));
        }
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| self.malformed(path, "it is no text"))
    }

    /// The plain names in one of the folders.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let at = self.root.join(name);
        let failed = |error| StoreError::Io(at.clone(), error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&at).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.into_string().ok();
            names.extend(name.filter(|name| !name.contains('.')));
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn malformed(&self, path: &str, reason: &'static str) -> StoreError {
        StoreError::Malformed(self.root.join(path), reason)
    }
}

impl Locked<'_> {
    /// Writes files, each whole or not at all. They are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]. After a failed flush nothing more is written: what the disk then holds is
    /// not what the file system shows.
    pub(super) fn write(&self, files: &[(String, String)]) -> Result<(), StoreError> {
        let folder = self.folder;
        if folder.poisoned.load(Ordering::SeqCst) {
            return Err(StoreError::Poisoned);
        }
        let mut folders = BTreeSet::new();
        let mut written = Vec::with_capacity(files.len());
        for (path, text) in files {
            let path = folder.root.join(path);
            let temporary = path.with_added_extension(TEMPORARY);
            let failed = |error| StoreError::Io(path.clone(), error);
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&temporary)
                .map_err(failed)?;
            file.write_all(text.as_bytes()).map_err(failed)?;
            if files.len() <= FLUSHED_EACH {
                let flushed = file.sync_all();
                flushed.map_err(|error| folder.poisoned_by(&path, error))?;
            }
            folders.extend(path.parent().map(Path::to_owned));
            written.push((temporary, path));
        }
        if files.len() > FLUSHED_EACH {
            let flushed = File::open(&folder.root).and_then(|root| Ok(rustix::fs::syncfs(root)?));
            flushed.map_err(|error| folder.poisoned_by(&folder.root, error))?;
        }
        for (temporary, path) in &written {
            fs::rename(temporary, path).map_err(|error| StoreError::Io(path.clone(), error))?;
        }
        for path in &folders {
            files::sync_dir(path).map_err(|error| folder.poisoned_by(path, error))?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), StoreError> {
        let path = self.folder.root.join(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Io(path, error))
            }
            _ => Ok(()),
        }
    }
}

impl Folder {
    fn poisoned_by(&self, path: &Path, error: io::Error) -> StoreError {
        self.poisoned.store(true, Ordering::SeqCst);
        StoreError::Io(path.to_owned(), error)
    }
}
