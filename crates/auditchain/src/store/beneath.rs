//! A folder whose contents are somebody else's: nothing in it leads out of it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::zone::ZoneRead;

/// A log's or a store's files in a folder that nobody here wrote: an export that was handed over,
/// or a zone that may have been tampered with.
///
/// # Security
/// On Linux from 5.6 on no symbolic link inside the folder is followed, and nothing but plain files
/// is read. Elsewhere a link of a file's own name is refused, and one of a folder's name is not.
pub struct Beneath {
    root: PathBuf,
    #[cfg(target_os = "linux")]
    folder: File,
}

impl Beneath {
    /// Opens a folder; itself it may be a link.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        if !fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            #[cfg(target_os = "linux")]
            folder: File::open(&root)?,
            root,
        })
    }

    #[cfg(target_os = "linux")]
    fn file(&self, path: &str) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        // A pipe must not keep anybody waiting.
        let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&self.folder, path, how, Mode::empty(), within) {
            // Before Linux 5.6, and in some sandboxes.
            Err(rustix::io::Errno::NOSYS) => self.by_name(path),
            opened => Ok(opened?.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn file(&self, path: &str) -> io::Result<File> {
        self.by_name(path)
    }

    fn by_name(&self, path: &str) -> io::Result<File> {
        let path = self.root.join(path);
        if fs::symlink_metadata(&path)?.is_symlink() {
            return Err(io::Error::other("a symbolic link"));
        }
        File::open(path)
    }
}

impl ZoneRead for Beneath {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        plain(path)?;
        let file = match self.file(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(path, &error)),
        };
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(named(path, &io::Error::other("no plain file")));
        }
        // What the file says of its length is only where to begin.
        let begin = usize::try_from(about.len().min(most).min(1024 * 1024)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(begin + 1);
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{path}: longer than it can be"),
            ));
        }
        Ok(Some(bytes))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        plain(folder)?;
        let mut path = self.root.clone();
        for part in folder.split('/') {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(about) if about.is_dir() => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => return Ok(Vec::new()),
            }
        }
        names(&path)
    }
}

fn names(folder: &Path) -> io::Result<Vec<(String, Option<u64>)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, about.is_file().then_some(about.len())));
        }
    }
    names.sort();
    Ok(names)
}

/// Paths are those of [`ZoneRead`], and none goes up.
fn plain(path: &str) -> io::Result<()> {
    let part = |part: &str| {
        let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(safe)
    };
    if path.split('/').all(part) {
        Ok(())
    } else {
        Err(named(path, &io::ErrorKind::InvalidInput.into()))
    }
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}
