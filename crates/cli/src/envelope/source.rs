//! What a record is read from, without taking more of it into memory than a short one needs.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::record::read_failure;
use crate::failure::Failure;
use crate::input;
use crate::progress::Progress;

/// An input whose beginning is in memory, and wiped with this.
pub(super) struct Source<'a> {
    name: String,
    size: Option<u64>,
    start: Zeroizing<Vec<u8>>,
    limit: usize,
    rest: Box<dyn Read + 'a>,
}

impl<'a> Source<'a> {
    /// Opens a file, or standard input for `-` and nothing, and reads `limit` bytes, and one more.
    pub(super) fn open(path: Option<&Path>, limit: usize) -> Result<Self, Failure> {
        let name = input::name(path);
        let broken = |error: io::Error| Failure::unusable(format!("{name}: {error}"));
        let (size, rest): (_, Box<dyn Read>) = match path {
            Some(path) if !input::is_stdin(Some(path)) => {
                let file = File::open(path).map_err(broken)?;
                let metadata = file.metadata().map_err(broken)?;
                (metadata.is_file().then_some(metadata.len()), Box::new(file))
            }
            _ => (None, Box::new(io::stdin())),
        };
        Self::new(name, size, rest, limit)
    }

    /// Takes a reader, which a message calls `name`.
    pub(super) fn new(
        name: String,
        size: Option<u64>,
        mut rest: Box<dyn Read + 'a>,
        limit: usize,
    ) -> Result<Self, Failure> {
        // Full size from the start: a buffer that grew would leave pieces of it behind.
        let mut start = Zeroizing::new(Vec::with_capacity(limit + 1));
        let mut first = rest.by_ref().take(limit as u64 + 1);
        first
            .read_to_end(&mut start)
            .map_err(|error| read_failure(&name, &error))?;
        Ok(Self {
            name,
            size,
            start,
            limit,
            rest,
        })
    }

    /// How a message calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All of it, when that is within the limit.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        (self.start.len() <= self.limit).then_some(&self.start)
    }

    /// All of it to be read, with the progress shown if somebody watches.
    pub(super) fn into_reader(self, is_watched: bool) -> Watched<'a> {
        Watched {
            start: Cursor::new(self.start),
            rest: self.rest,
            progress: Progress::new(self.size, is_watched),
        }
    }
}

/// A source being read.
pub(super) struct Watched<'a> {
    start: Cursor<Zeroizing<Vec<u8>>>,
    rest: Box<dyn Read + 'a>,
    progress: Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = match self.start.read(room)? {
            0 => self.rest.read(room)?,
            count => count,
        };
        self.progress.add(count);
        Ok(count)
    }
}
