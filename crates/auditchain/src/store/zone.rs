//! The zone: where a store keeps its files, one of the places that a batch must be in.

use std::io;

use super::claim::Claimed;

/// A zone's files, to be read.
///
/// Paths are relative, of `a-z 0-9 . _ - /`.
pub trait ZoneRead: Send + Sync {
    /// Reads a file whole; none if there is no such file.
    ///
    /// # Errors
    /// When it is longer than `most` bytes, or cannot be read.
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>>;

    /// The files and folders in a folder, by their own names, with the files' lengths and none for
    /// folders; empty if there is no such folder. Names that no path is made of are not listed.
    ///
    /// # Errors
    /// When it cannot be read, or holds something that is neither a file nor a folder, such as a
    /// link.
    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>>;
}

/// A place that holds all of a store's files; a directory, or whatever stands in for one.
///
/// Folders come to be as they are needed, and a folder of partial files goes with the last of them.
/// Whoever reads finds a file whole or not at all, but for one of frames. A crash may lose or tear a
/// [`Zone::put`] that was not settled, and may leave any part of a [`Frames::append`] that did not
/// return.
///
/// # Errors
/// After any error of a writing call nothing is known of what is on disk, and nobody tries again:
/// the zone is lost until the store is opened anew.
pub trait Zone: ZoneRead {
    /// Takes the zone for one store, until what this answers is dropped. Processes keep each other
    /// away by other means, before there is a `Zone` to be asked.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] while a store has it.
    fn claim(&self) -> io::Result<Claimed>;

    /// Puts a file in place that must not be there, and flushes it: of two that do so at once, one.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], and as the trait says.
    fn create_new(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Puts a file in place under its name, replacing what was there. It is on disk after the next
    /// [`Zone::settle`].
    ///
    /// # Errors
    /// As the trait says.
    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Flushes every file that was put or removed, and every folder's list of them.
    ///
    /// # Errors
    /// As the trait says.
    fn settle(&self) -> io::Result<()>;

    /// Puts a file in place and flushes it alone, with its folder.
    ///
    /// # Errors
    /// As the trait says.
    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file or an empty folder, if there is one. A folder that holds something stays.
    ///
    /// # Errors
    /// As the trait says.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Begins a file of frames, whose name is on disk when this returns; what had the name before
    /// is gone.
    ///
    /// # Errors
    /// As the trait says.
    fn begin(&self, path: &str) -> io::Result<Box<dyn Frames>>;
}

/// An open file of the write-ahead log.
pub trait Frames: Send {
    /// Writes bytes at the end with one write, and returns when they are on disk.
    ///
    /// # Errors
    /// As [`Zone`] says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}
