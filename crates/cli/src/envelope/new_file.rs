//! A file that has its name only once it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file that is written beside the place where it will be, readable by its owner alone, and
/// removed unless it is kept: also when a signal ends the program.
pub(super) struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file. One of that name is left alone, and is better met before the work than after.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        Self::instead_of(path)
    }

    /// Begins a file that will take the place of the one of that name.
    pub(super) fn instead_of(path: &Path) -> Result<Self, Failure> {
        let begun = Signals::new().and_then(|signals| {
            let file = tempfile::Builder::new()
                .prefix(".strongroom-")
                .suffix(".unfinished")
                .tempfile_in(directory(path))?;
            signals.remove(file.path().to_owned())?;
            Ok(file)
        });
        let file = begun.map_err(|error| failure(path, &error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Gives the file its name, unless another has taken it.
    pub(super) fn keep(self) -> Result<(), Failure> {
        self.sync()?;
        let kept = self.file.persist_noclobber(&self.path);
        kept.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => failure(&self.path, &error.error),
        })?;
        sync_directory(&self.path)
    }

    /// Puts the file in the place of the one that has its name, with its owner and permissions:
    /// after a crash it is one or the other.
    pub(super) fn replace(self, old: &fs::Metadata) -> Result<(), Failure> {
        let permitted = belong_to_owner(self.file.as_file(), old)
            .and_then(|()| self.file.as_file().set_permissions(old.permissions()));
        permitted.map_err(|error| failure(&self.path, &error))?;
        self.sync()?;
        let kept = self.file.persist(&self.path);
        kept.map_err(|error| failure(&self.path, &error.error))?;
        sync_directory(&self.path)
    }

    fn sync(&self) -> Result<(), Failure> {
        let synced = self.file.as_file().sync_all();
        synced.map_err(|error| failure(&self.path, &error))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A name is as durable as its directory.
pub(super) fn sync_directory(path: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        let synced = File::open(directory(path)).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failure(path, &error))?;
    }
    Ok(())
}

/// What root has changed for somebody must stay theirs.
#[cfg(unix)]
pub(crate) fn belong_to_owner(new: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let made = new.metadata()?;
    if (made.uid(), made.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
pub(crate) fn belong_to_owner(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

pub(crate) fn directory(path: &Path) -> &Path {
    let parent = path.parent();
    parent
        .filter(|parent| *parent != Path::new(""))
        .unwrap_or_else(|| Path::new("."))
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::unusable(format!("{}: {error}", path.display()))
}

fn exists(path: &Path) -> Failure {
    Failure::unusable(format!(
        "{}: a file of that name is there already, and is not written over",
        path.display()
    ))
}

/// The signals that end the program. Whoever sends one must not find half a secret in a file whose
/// name they do not know.
struct Signals {
    #[cfg(unix)]
    caught: signal_hook::iterator::Signals,
}

#[cfg(unix)]
impl Signals {
    /// Catches them from now on.
    fn new() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let caught = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        Ok(Self { caught })
    }

    /// Removes a file when one comes, and then ends as it asks. A file that has its name by then
    /// is not there under the old one.
    fn remove(mut self, path: PathBuf) -> io::Result<()> {
        let wait = move || {
            if let Some(signal) = self.caught.forever().next() {
                let _ = fs::remove_file(path);
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        };
        std::thread::Builder::new().spawn(wait).map(|_| ())
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    fn remove(self, _: PathBuf) -> io::Result<()> {
        Ok(())
    }
}
