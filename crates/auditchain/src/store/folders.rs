//! The folders of a directory: made before their files, and on disk before what must be at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::beneath;
use super::locked;

/// The most folders that are remembered of either kind.
const KNOWN: usize = 4096;

/// The folders below a root.
pub(super) struct Folders {
    root: PathBuf,
    seen: Mutex<Seen>,
}

/// The folders that this process has seen or made.
#[derive(Default)]
struct Seen {
    known: BTreeSet<PathBuf>,
    /// Those that may not be on disk, each with its number among all that were made.
    loose: BTreeMap<PathBuf, u64>,
    made: u64,
}

/// When a folder that is made must be on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Before anything is put into it.
    AtOnce,
    /// Once everything is flushed, as what is put into it.
    Settled,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        let seen = Mutex::default();
        Self { root, seen }
    }

    /// Makes the folder of a file, then has the file put into it: nobody removes it in between.
    pub(super) fn within(
        &self,
        file: &Path,
        lasting: Lasting,
        put: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut seen = locked(&self.seen);
        if lasting == Lasting::AtOnce {
            seen.fasten(parent(file))?;
        }
        self.make(&mut seen, parent(file), lasting)?;
        put()
    }

    /// How many were made so far.
    pub(super) fn made(&self) -> u64 {
        locked(&self.seen).made
    }

    /// Everything was flushed since so many were made.
    pub(super) fn settled(&self, made: u64) {
        let mut seen = locked(&self.seen);
        seen.loose.retain(|_, number| *number > made);
    }

    /// Makes a folder and those above it.
    fn make(&self, seen: &mut Seen, folder: &Path, lasting: Lasting) -> io::Result<()> {
        if seen.known.contains(folder) {
            return Ok(());
        }
        let mut at = self.root.clone();
        for part in folder.strip_prefix(&self.root).unwrap_or(folder) {
            let above = at.clone();
            at.push(part);
            match fs::symlink_metadata(&at) {
                Ok(about) if about.is_dir() => {}
                Ok(_) => {
                    let path = at.to_string_lossy();
                    return Err(beneath::named(&path, &beneath::no_folder()));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) => {
                    create_private(&at)?;
                    if lasting == Lasting::AtOnce || seen.loose.len() == KNOWN {
                        sync_folder(&above)?;
                    } else {
                        seen.made += 1;
                        let number = seen.made;
                        seen.loose.insert(at.clone(), number);
                    }
                }
            }
        }
        // A log has several folders, and there may be very many logs.
        if seen.known.len() == KNOWN {
            seen.known.clear();
        }
        seen.known.insert(folder.to_owned());
        Ok(())
    }

    /// Removes a file or an empty folder, if there is one; a folder of partial files goes with the
    /// last of them.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        let mut seen = locked(&self.seen);
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(about) if about.is_dir() => remove_empty(path, &mut seen)?,
            Ok(_) => fs::remove_file(path)?,
        }
        let folder = parent(path);
        if folder.extension().is_some_and(|ending| ending == "p") {
            remove_empty(folder, &mut seen)?;
        }
        Ok(())
    }
}

impl Seen {
    /// Has a folder and those above it on disk, those that this process made.
    fn fasten(&mut self, folder: &Path) -> io::Result<()> {
        for folder in folder.ancestors() {
            if self.loose.contains_key(folder) {
                sync_folder(parent(folder))?;
                self.loose.remove(folder);
            }
        }
        Ok(())
    }
}

/// Removes a folder, unless it holds something.
fn remove_empty(path: &Path, seen: &mut Seen) -> io::Result<()> {
    match fs::remove_dir(path) {
        Ok(()) => {
            seen.known.remove(path);
            seen.loose.remove(path);
            Ok(())
        }
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty => Ok(()),
            _ => Err(error),
        },
    }
}

/// A file's parent; the root's and the working directory's are themselves.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// Makes a directory and those above it, each on disk before its contents.
pub(super) fn create_durably(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    create_durably(parent(path))?;
    match create_private(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent(path)),
    }
}

#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a folder is no file, and its list is on disk when its files are.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folders: &Folders, path: &Path, lasting: Lasting) {
        let file = path.join("file");
        let write = || fs::write(&file, b"1");
        folders.within(&file, lasting, write).unwrap();
    }

    fn loose(folders: &Folders) -> Vec<PathBuf> {
        locked(&folders.seen).loose.keys().cloned().collect()
    }

    #[test]
    fn what_must_be_on_disk_at_once_is_not_in_a_folder_that_may_not_be() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_owned());
        let (above, below) = (root.path().join("a"), root.path().join("a/b"));
        put(&folders, &below, Lasting::Settled);
        assert_eq!(loose(&folders), [above, below.clone()]);
        put(&folders, &below, Lasting::AtOnce);
        assert!(loose(&folders).is_empty());
        // A folder that is not there yet is on disk before what is put into it.
        put(&folders, &root.path().join("c"), Lasting::AtOnce);
        assert!(loose(&folders).is_empty());
    }

    #[test]
    fn what_was_made_since_a_flush_began_is_not_settled_by_it() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_owned());
        let [before, anew] = ["before", "anew"].map(|name| root.path().join(name));
        put(&folders, &before, Lasting::Settled);
        put(&folders, &anew, Lasting::Settled);
        let made = folders.made();
        folders.remove(&anew.join("file")).unwrap();
        folders.remove(&anew).unwrap();
        put(&folders, &anew, Lasting::Settled);
        folders.settled(made);
        assert_eq!(loose(&folders), [anew]);
    }
}
