//! A zone in a directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::beneath::{self, Beneath, Found};
use super::claim::{Claim, Claimed};
use super::folders::{Folders, Lasting, create_durably, parent, sync_folder};
use super::locked;
use super::temporary::{Temporary, private};
use super::zone::{Frames, Zone, ZoneRead};

/// The folder of files that have no name of their own yet.
const TEMPORARY: &str = "tmp";

/// A [`Zone`] in a directory of one file system, for one process at a time.
///
/// # Security
/// No symbolic link within it is followed. It stays the directory that was opened: once another is
/// mounted or moved to its path, every writing call fails.
pub struct Directory {
    root: PathBuf,
    within: Beneath,
    /// Held for as long as this lives.
    lock: File,
    claim: Claim,
    /// Which temporary file is next.
    next: AtomicU64,
    folders: Folders,
    /// What was put or removed since the last flush, where the whole cannot be flushed at once.
    unsettled: Mutex<BTreeSet<PathBuf>>,
}

impl Directory {
    /// Opens a directory, which is made if it is not there, and locks it. What a crash left without
    /// a name is removed.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it open; else what went wrong.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        create_durably(&root)?;
        let mut options = private();
        let lock = options.create(true).open(root.join("lock"))?;
        lock.try_lock()?;
        let directory = Self {
            within: Beneath::open(&root)?,
            folders: Folders::new(root.clone()),
            root,
            lock,
            claim: Claim::default(),
            next: AtomicU64::new(0),
            unsettled: Mutex::default(),
        };
        directory.empty_temporary()?;
        // What a process that was killed has made may not be on disk, and is built upon.
        directory.flush_whole()?;
        Ok(directory)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Puts files in place, each whole or not at all, and all of them on disk before this returns.
    /// None has its name before all are on disk: of those that a crash or an error leaves there, each
    /// is whole.
    pub(super) fn replace_all(&self, files: &[(String, &[u8])]) -> io::Result<()> {
        let at_once = FLUSHES_WHOLE && files.len() > 1;
        let mut written = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            let path = self.at(path)?;
            let (name, file) = self.temporary(bytes)?;
            if !at_once {
                file.sync_all()?;
            }
            written.push((name, path));
        }
        if at_once {
            self.flush_whole()?;
        }
        let mut folders = BTreeSet::new();
        for (name, path) in written {
            folders.insert(parent(&path).to_owned());
            self.folders
                .within(&path, Lasting::AtOnce, || name.rename(&path))?;
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }

    fn at(&self, path: &str) -> io::Result<PathBuf> {
        beneath::plain(path)?;
        Ok(self.root.join(path))
    }

    /// Writes a file that has no name of its own yet.
    fn temporary(&self, bytes: &[u8]) -> io::Result<(Temporary, File)> {
        self.stays()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(TEMPORARY).join(number.to_string());
        Temporary::write(path, bytes)
    }

    /// What a crash left there has no name, and nobody to erase it.
    fn empty_temporary(&self) -> io::Result<()> {
        let folder = self.root.join(TEMPORARY);
        self.folders.within(&folder.join("0"), Lasting::AtOnce, || {
            let mut entries = fs::read_dir(&folder)?;
            entries.try_for_each(|entry| fs::remove_file(entry?.path()))
        })
    }

    fn remember(&self, path: PathBuf) {
        if !FLUSHES_WHOLE {
            locked(&self.unsettled).insert(path);
        }
    }

    /// The directory at the path is still the one that was opened, with the lock that was taken.
    #[cfg(unix)]
    fn stays(&self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let opened = self.lock.metadata()?;
        match fs::symlink_metadata(self.root.join("lock")) {
            Ok(now) if (now.dev(), now.ino()) == (opened.dev(), opened.ino()) => Ok(()),
            _ => {
                let path = self.root.display();
                let why = format!("{path}: is not the directory any more that was opened");
                Err(io::Error::other(why))
            }
        }
    }

    #[cfg(not(unix))]
    fn stays(&self) -> io::Result<()> {
        Ok(())
    }

    /// By the descriptor that is held: it alone is told of all that failed to be written since.
    #[cfg(target_os = "linux")]
    fn flush_whole(&self) -> io::Result<()> {
        self.stays()?;
        Ok(rustix::fs::syncfs(self.within.held())?)
    }

    #[cfg(not(target_os = "linux"))]
    fn flush_whole(&self) -> io::Result<()> {
        self.stays()
    }
}

/// Given up by name: a process that was forked in between may still have the file for a moment.
impl Drop for Directory {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl ZoneRead for Directory {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.within.read(path, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        let found = self.within.found(folder)?.into_iter();
        let known = found.filter(|(name, _)| beneath::is_plain(name));
        known
            .map(|(name, found)| match found {
                Found::File(length) => Ok((name, Some(length))),
                Found::Folder => Ok((name, None)),
                Found::Other => {
                    let path = format!("{folder}/{name}");
                    Err(beneath::named(&path, &beneath::no_plain_file()))
                }
            })
            .collect()
    }
}

impl Zone for Directory {
    fn claim(&self) -> io::Result<Claimed> {
        self.claim.take()
    }

    fn create_new(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.at(path)?;
        let (name, file) = self.temporary(bytes)?;
        file.sync_all()?;
        self.folders
            .within(&path, Lasting::AtOnce, || name.link(&path))?;
        sync_folder(parent(&path))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.at(path)?;
        let (name, _) = self.temporary(bytes)?;
        let lasting = if FLUSHES_WHOLE {
            Lasting::Settled
        } else {
            Lasting::AtOnce
        };
        self.folders.within(&path, lasting, || name.rename(&path))?;
        self.remember(path);
        Ok(())
    }

    fn settle(&self) -> io::Result<()> {
        let made = self.folders.made();
        self.flush_whole()?;
        if FLUSHES_WHOLE {
            self.folders.settled(made);
        }
        let mut unsettled = locked(&self.unsettled);
        let mut folders = BTreeSet::new();
        for path in &*unsettled {
            if let Ok(file) = File::open(path) {
                file.sync_all()?;
            }
            // A folder may have gone with its last file.
            let mut folder = parent(path);
            while !folder.try_exists()? {
                folder = parent(folder);
            }
            folders.insert(folder.to_owned());
        }
        for folder in folders {
            sync_folder(&folder)?;
        }
        unsettled.clear();
        Ok(())
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_all(&[(path.to_owned(), bytes)])
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.stays()?;
        let path = self.at(path)?;
        self.folders.remove(&path)?;
        self.remember(path);
        Ok(())
    }

    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>> {
        let path = self.at(path)?;
        let (name, file) = self.temporary(&[])?;
        file.sync_all()?;
        self.folders
            .within(&path, Lasting::AtOnce, || name.rename(&path))?;
        sync_folder(parent(&path))?;
        Ok(Box::new(FrameFile(file)))
    }
}

struct FrameFile(File);

impl Frames for FrameFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.sync_data()
    }
}

/// Whether a whole file system is flushed with one call.
const FLUSHES_WHOLE: bool = cfg!(target_os = "linux");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_up_although_a_forked_process_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let forked = directory.lock.try_clone().unwrap();
        let again = Directory::open(folder.path());
        assert_eq!(again.err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(directory);
        drop(Directory::open(folder.path()).unwrap());
        drop(forked);
    }

    #[test]
    fn none_has_its_name_before_all_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let files = ["a", "b", "No Such Name"].map(|name| (name.to_owned(), &b"1"[..]));
        assert!(directory.replace_all(&files).is_err());
        assert_eq!(directory.read("a", 9).unwrap(), None);
        let [a, b, _] = files;
        directory.replace_all(&[a, b]).unwrap();
        let read = |name| directory.read(name, 9).unwrap().unwrap();
        assert_eq!([read("a"), read("b")], [b"1", b"1"]);
    }
}
