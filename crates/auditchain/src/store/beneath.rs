//! A folder whose contents are somebody else's: nothing in it leads out of it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::zone::ZoneRead;

/// A log's or a store's files in a folder that nobody here wrote: an export that was handed over,
/// or a zone that may have been tampered with.
///
/// # Security
/// No symbolic link inside the folder is followed, and nothing but plain files is read. On Linux
/// from 5.6 on that is so even while somebody changes the folder.
pub struct Beneath {
    root: PathBuf,
    #[cfg(target_os = "linux")]
    folder: File,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// A plain file, of so many bytes.
    File(u64),
    Folder,
    /// A link, a pipe, a device.
    Other,
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

    /// The folder, held since it was opened: whatever is mounted over its path since.
    #[cfg(target_os = "linux")]
    pub(super) const fn held(&self) -> &File {
        &self.folder
    }

    /// What is in a folder, by name; nothing if there is no such folder. Names that are no text are
    /// left out.
    pub(super) fn found(&self, folder: &str) -> io::Result<Vec<(String, Found)>> {
        plain(folder)?;
        let mut path = self.root.clone();
        for part in folder.split('/') {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(about) if about.is_dir() => {}
                Ok(_) => return Err(named(folder, &no_folder())),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) => return Ok(Vec::new()),
            }
        }
        names(&path)
    }

    #[cfg(target_os = "linux")]
    fn file(&self, path: &str) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        // A pipe must not keep anybody waiting.
        let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&self.folder, path, how, Mode::empty(), within) {
            // Before Linux 5.6, and in some sandboxes.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => self.by_name(path),
            Err(rustix::io::Errno::LOOP) => Err(no_plain_file()),
            opened => Ok(opened?.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn file(&self, path: &str) -> io::Result<File> {
        self.by_name(path)
    }

    fn by_name(&self, path: &str) -> io::Result<File> {
        let mut at = self.root.clone();
        for part in path.split('/') {
            at.push(part);
            if fs::symlink_metadata(&at)?.is_symlink() {
                return Err(no_plain_file());
            }
        }
        File::open(at)
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
            return Err(named(path, &no_plain_file()));
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
        let found = match self.found(folder) {
            // A file or a link, or below one: nothing in it can be read either.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
            found => found?,
        };
        let length = |found| match found {
            Found::File(length) => Some(length),
            Found::Folder | Found::Other => None,
        };
        let names = found.into_iter().map(|(name, it)| (name, length(it)));
        Ok(names.collect())
    }
}

/// How often a folder is listed again that changed meanwhile.
const ROUNDS: usize = 16;

fn names(folder: &Path) -> io::Result<Vec<(String, Found)>> {
    for _ in 1..ROUNDS {
        let (names, is_whole) = names_now(folder)?;
        if is_whole {
            return Ok(names);
        }
    }
    names_now(folder).map(|(names, _)| names)
}

/// What is in a folder, and whether all of it was still there when it was looked at: if something
/// was not, what has taken its place is not listed either.
fn names_now(folder: &Path) -> io::Result<(Vec<(String, Found)>, bool)> {
    let (mut names, mut is_whole) = (Vec::new(), true);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((names, is_whole)),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let about = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                is_whole = false;
                continue;
            }
            about => about?,
        };
        let found = if about.is_file() {
            Found::File(about.len())
        } else if about.is_dir() {
            Found::Folder
        } else {
            Found::Other
        };
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, found));
        }
    }
    names.sort();
    Ok((names, is_whole))
}

/// Whether a name is one of those that paths are made of.
pub(super) fn is_plain(name: &str) -> bool {
    let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(safe)
}

/// Paths are those of [`ZoneRead`], and none goes up.
pub(super) fn plain(path: &str) -> io::Result<()> {
    if path.split('/').all(is_plain) {
        Ok(())
    } else {
        Err(named(path, &io::ErrorKind::InvalidInput.into()))
    }
}

pub(super) fn no_plain_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no plain file")
}

pub(super) fn no_folder() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no folder")
}

pub(super) fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}
