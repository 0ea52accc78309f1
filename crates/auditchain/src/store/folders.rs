//! The folders of a directory: made before their files, each on disk before its contents.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::beneath;
use super::locked;

/// The most folders that are remembered.
const KNOWN: usize = 4096;

/// The folders below a root, some of which this process has seen or made.
pub(super) struct Folders {
    root: PathBuf,
    known: Mutex<BTreeSet<PathBuf>>,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        let known = Mutex::default();
        Self { root, known }
    }

    /// Makes the folder of a file, then has the file put into it: nobody removes it in between.
    pub(super) fn within(
        &self,
        file: &Path,
        put: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut known = locked(&self.known);
        self.make(&mut known, parent(file))?;
        put()
    }

    /// Makes a folder and those above it.
    fn make(&self, known: &mut BTreeSet<PathBuf>, folder: &Path) -> io::Result<()> {
        if known.contains(folder) {
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
                    sync_folder(&above)?;
                }
            }
        }
        // A log has several folders, and there may be very many logs.
        if known.len() == KNOWN {
            known.clear();
        }
        known.insert(folder.to_owned());
        Ok(())
    }

    /// Removes a file or an empty folder, if there is one; a folder of partial files goes with the
    /// last of them.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        let mut known = locked(&self.known);
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(about) if about.is_dir() => remove_empty(path, &mut known)?,
            Ok(_) => fs::remove_file(path)?,
        }
        let folder = parent(path);
        if folder.extension().is_some_and(|ending| ending == "p") {
            remove_empty(folder, &mut known)?;
        }
        Ok(())
    }
}

/// Removes a folder, unless it holds something.
fn remove_empty(path: &Path, known: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    match fs::remove_dir(path) {
        Ok(()) => {
            known.remove(path);
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
