//! A zone in a directory.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::zone::{Frames, Zone, ZoneRead};

/// The most folders that are remembered.
const KNOWN_FOLDERS: usize = 4096;

/// What temporary files are called.
const TEMPORARY: &str = "tmp";

/// A [`Zone`] in a directory of a file system, for one process at a time.
pub struct Directory {
    root: PathBuf,
    /// Held for as long as this lives; the lock goes with it.
    _lock: File,
    /// Some of the folders that this process has seen or made.
    folders: Mutex<BTreeSet<PathBuf>>,
    /// What was put or removed since the last flush, where the whole cannot be flushed at once.
    unsettled: Mutex<BTreeSet<PathBuf>>,
}

/// The files of a directory that another process may have open, or an export.
pub struct ReadOnlyDirectory(PathBuf);

impl ReadOnlyDirectory {
    /// Reads from a directory, which is neither made nor locked.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }
}

impl Directory {
    /// Opens a directory, which is made if it is not there, and locks it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it open; else what went wrong.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        if !root.try_exists()? {
            create_private(&root)?;
            sync_folder(parent(&root))?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))?;
        lock.try_lock()?;
        Ok(Self {
            root,
            _lock: lock,
            folders: Mutex::default(),
            unsettled: Mutex::default(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Makes the folder of a file and the folders above it, each on disk before its contents.
    fn folder(&self, path: &Path) -> io::Result<()> {
        let folder = parent(path);
        let mut known = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(folder) {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut above = folder;
        while !above.try_exists()? {
            missing.push(above);
            above = parent(above);
        }
        for made in missing.iter().rev() {
            create_private(made)?;
            sync_folder(parent(made))?;
        }
        // A log has several folders, and there may be very many logs.
        if known.len() == KNOWN_FOLDERS {
            known.clear();
        }
        known.insert(folder.to_owned());
        Ok(())
    }

    fn write(&self, path: &str, bytes: &[u8], now: bool) -> io::Result<()> {
        let path = at(&self.root, path)?;
        self.folder(&path)?;
        let temporary = path.with_added_extension(TEMPORARY);
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if now {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&temporary, &path)?;
        if now {
            return sync_folder(parent(&path));
        }
        self.remember(path);
        Ok(())
    }

    fn remember(&self, path: PathBuf) {
        if !FLUSHES_WHOLE {
            let mut unsettled = self
                .unsettled
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unsettled.insert(path);
        }
    }
}

impl ZoneRead for Directory {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        read_file(&at(&self.root, path)?, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        list_folder(&at(&self.root, folder)?)
    }
}

impl ZoneRead for ReadOnlyDirectory {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        read_file(&at(&self.0, path)?, most)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        list_folder(&at(&self.0, folder)?)
    }
}

impl Zone for Directory {
    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, false)
    }

    fn settle(&self) -> io::Result<()> {
        if FLUSHES_WHOLE {
            return flush_whole(&self.root);
        }
        let mut unsettled = self
            .unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut folders = BTreeSet::new();
        for path in &*unsettled {
            if let Ok(file) = File::open(path) {
                file.sync_all()?;
            }
            folders.insert(parent(path));
        }
        for folder in folders {
            sync_folder(folder)?;
        }
        unsettled.clear();
        Ok(())
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, true)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = at(&self.root, path)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.remember(path);
                Ok(())
            }
        }
    }

    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>> {
        let path = at(&self.root, path)?;
        self.folder(&path)?;
        let file = private().create(true).truncate(true).open(&path)?;
        file.sync_all()?;
        sync_folder(parent(&path))?;
        Ok(Box::new(FrameFile(file)))
    }
}

/// The path of a file below a root, which no path leaves.
fn at(root: &Path, path: &str) -> io::Result<PathBuf> {
    let plain = |part: &str| {
        let safe =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(safe)
    };
    if path.split('/').all(plain) {
        Ok(root.join(path))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "malformed path",
        ))
    }
}

struct FrameFile(File);

impl Frames for FrameFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.sync_data()
    }
}

/// Reads a file of at most so many bytes; none if there is no such file.
fn read_file(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        Ok(Some(bytes))
    } else {
        Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "longer than it can be",
        ))
    }
}

fn list_folder(path: &Path) -> io::Result<Vec<(String, Option<u64>)>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name
            .rsplit_once('.')
            .is_some_and(|(_, ending)| ending == TEMPORARY)
        {
            continue;
        }
        let about = entry.metadata()?;
        names.push((name, about.is_file().then_some(about.len())));
    }
    names.sort();
    Ok(names)
}

/// A file's parent; the root's and the working directory's are themselves.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.recursive(true).create(path)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a folder is no file, and its list is on disk when its files are.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a whole file system is flushed with one call.
const FLUSHES_WHOLE: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
fn flush_whole(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

#[cfg(not(target_os = "linux"))]
fn flush_whole(_: &Path) -> io::Result<()> {
    Ok(())
}
