//! Files that appear under their names only once they are whole, many of them in one run.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::envelope::new_file::{belong_to_owner, directory};

/// What lies beside the files that it will replace, to be removed when a signal ends the program.
/// One thread waits for that, however many files there are.
pub(super) struct Unfinished(Arc<Mutex<BTreeSet<PathBuf>>>);

/// A file that is being written beside the place where it will be.
pub(super) struct Replacement<'u> {
    file: NamedTempFile,
    beside: PathBuf,
    path: PathBuf,
    unfinished: &'u Unfinished,
}

impl Unfinished {
    pub(super) fn new() -> io::Result<Self> {
        let unfinished = Self(Arc::default());
        #[cfg(unix)]
        unfinished.remove_on_signals()?;
        Ok(unfinished)
    }

    /// Begins a file, readable by its owner alone until it is whole.
    pub(super) fn begin(&self, path: &Path) -> io::Result<Replacement<'_>> {
        // Held meanwhile, so that no signal comes between the file and its being known.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = tempfile::Builder::new()
            .prefix(".strongroom-")
            .suffix(".unfinished")
            .tempfile_in(directory(path))?;
        let beside = file.path().to_owned();
        known.insert(beside.clone());
        Ok(Replacement {
            file,
            beside,
            path: path.to_owned(),
            unfinished: self,
        })
    }

    #[cfg(unix)]
    fn remove_on_signals(&self) -> io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

        let mut caught = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let known = Arc::clone(&self.0);
        let wait = move || {
            if let Some(signal) = caught.forever().next() {
                // Never given back: nothing is begun any more.
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                for path in known.iter() {
                    let _ = std::fs::remove_file(path);
                }
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        };
        std::thread::Builder::new().spawn(wait).map(|_| ())
    }
}

impl Replacement<'_> {
    /// Puts the file in the place of an old one, with its owner and permissions: after a crash it
    /// is one or the other.
    pub(super) fn replace(self, old: &Metadata) -> io::Result<()> {
        belong_to_owner(self.file.as_file(), old)?;
        self.finish(old, |file, path| {
            file.persist(path).map(drop).map_err(|error| error.error)
        })
    }

    /// Gives the file its name, unless there is one of that name, and another's permissions.
    pub(super) fn keep(self, like: &Metadata) -> io::Result<()> {
        self.finish(like, |file, path| {
            let kept = file.persist_noclobber(path);
            kept.map(drop).map_err(|error| error.error)
        })
    }

    fn finish(
        self,
        like: &Metadata,
        name: impl FnOnce(NamedTempFile, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        self.file.as_file().set_permissions(like.permissions())?;
        self.file.as_file().sync_all()?;
        let named = name(self.file, &self.path);
        let mut known = self
            .unfinished
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.remove(&self.beside);
        drop(known);
        named?;
        // A name is as durable as its directory.
        #[cfg(unix)]
        std::fs::File::open(directory(&self.path))?.sync_all()?;
        Ok(())
    }
}

impl Write for Replacement<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_dropped_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        fs::write(&path, "before").unwrap();
        let unfinished = Unfinished::new().unwrap();
        let mut dropped = unfinished.begin(&path).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);

        let old = fs::metadata(&path).unwrap();
        let mut kept = unfinished.begin(&path).unwrap();
        kept.write_all(b"after").unwrap();
        assert!(kept.keep(&old).is_err());
        let mut replaced = unfinished.begin(&path).unwrap();
        replaced.write_all(b"after").unwrap();
        replaced.replace(&old).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
