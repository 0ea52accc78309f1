//! A directory that is only read: another process may write in it.

use std::io;
use std::path::PathBuf;

use super::beneath::Beneath;
use super::zone::ZoneRead;

/// The files of a directory that another process may have open, or an export.
///
/// Beside a writer every file is whole, and each log is there as it was when it was last taken into
/// tiles, or later (audit-store, section 9). No symbolic link within is followed, as [`Beneath`]
/// says.
pub struct ReadOnlyDirectory(PathBuf);

impl ReadOnlyDirectory {
    /// Reads from a directory, which is neither made nor locked.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// None while it is not there.
    fn folder(&self) -> io::Result<Option<Beneath>> {
        match Beneath::open(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }
}

impl ZoneRead for ReadOnlyDirectory {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let folder = self.folder()?;
        folder.map_or(Ok(None), |folder| folder.read(path, most))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        let root = self.folder()?;
        root.map_or(Ok(Vec::new()), |root| root.list(folder))
    }
}
