//! A reader that opens any part.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::{Plaintext, StreamError, open_head, plaintext_len, read_full};
use crate::chunked::{CHUNK, ChunkedKey, HEAD, SEALED_CHUNK};

/// Opens any part of a sealed stream that can be read at any place.
///
/// The last chunk is opened first: its tag proves the length, which is told, and counted from by a
/// seek from the end, only then. One chunk is kept; a read opens each chunk that it touches, whole. A stream that does not open
/// gives an [`io::Error`] of the kind `InvalidData` around [`StreamError::Failed`], and from then
/// on gives it again. An error of the other reader is passed on, and the next call tries again.
///
/// # Security
/// What is read is what was sealed at that place. That the rest of the stream is whole, is known
/// only of the chunks that were read, and of the length.
pub struct SeekReader<R: Read + Seek> {
    key: ChunkedKey,
    /// Where the first chunk begins in the reader.
    start: u64,
    position: u64,
    /// The length of the plaintext, once the last chunk has proven it.
    length: Option<u64>,
    slot: Plaintext,
    /// The chunk in the slot, and how long it is.
    opened: Option<(u64, usize)>,
    is_failed: bool,
    reader: R,
}

impl<R: Read + Seek> SeekReader<R> {
    /// Reads salt and commitment where the reader stands, and checks the latter.
    pub(crate) fn new(mut reader: R, input_key: &[u8; 32], context: &[u8]) -> io::Result<Self> {
        let mut head = [0; HEAD];
        if read_full(&mut reader, &mut head)? < HEAD {
            return Err(StreamError::Failed.into());
        }
        Ok(Self {
            key: open_head(input_key, context, &head)?,
            start: reader.stream_position()?,
            position: 0,
            length: None,
            slot: Plaintext::zeroed(SEALED_CHUNK),
            opened: None,
            is_failed: false,
            reader,
        })
    }

    /// The length of the plaintext in bytes. The first call opens the last chunk.
    ///
    /// # Errors
    /// As the reader's; `InvalidData` when the last chunk does not open.
    pub fn stream_len(&mut self) -> io::Result<u64> {
        self.check()?;
        if let Some(length) = self.length {
            return Ok(length);
        }
        let end = self.reader.seek(SeekFrom::End(0))?;
        let length = end.checked_sub(self.start).and_then(plaintext_len);
        let Some(length) = length else {
            return self.fail();
        };
        // The chunk that holds the end, which may be empty.
        self.load(length / CHUNK as u64)?;
        // That chunk was the last if the reader ends where it said it would.
        match self.length {
            Some(proven) if proven == length => Ok(length),
            _ => self.fail(),
        }
    }

    /// Opens a chunk into the slot and returns its length. A short one proves the stream's.
    fn load(&mut self, index: u64) -> io::Result<usize> {
        if let Some((_, length)) = self.opened.filter(|(opened, _)| *opened == index) {
            return Ok(length);
        }
        let place = index
            .checked_mul(SEALED_CHUNK as u64)
            .and_then(|offset| offset.checked_add(self.start));
        let Some(place) = place else {
            return self.fail();
        };
        self.opened = None;
        self.reader.seek(SeekFrom::Start(place))?;
        let filled = read_full(&mut self.reader, &mut self.slot)?;
        let slot = self.slot.get_mut(..filled).unwrap_or_default();
        let Ok(length) = self.key.open_slot(index, slot).map(|chunk| chunk.len()) else {
            return self.fail();
        };
        if length < CHUNK {
            self.length = Some(index * CHUNK as u64 + length as u64);
        }
        self.opened = Some((index, length));
        Ok(length)
    }

    fn check(&self) -> io::Result<()> {
        if self.is_failed {
            return Err(StreamError::Failed.into());
        }
        Ok(())
    }

    fn fail<T>(&mut self) -> io::Result<T> {
        self.is_failed = true;
        self.opened = None;
        Err(StreamError::Failed.into())
    }
}

impl<R: Read + Seek> Read for SeekReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        if out.is_empty() {
            return Ok(0);
        }
        if self.position >= self.stream_len()? {
            return Ok(0);
        }
        let (index, within) = (self.position / CHUNK as u64, self.position % CHUNK as u64);
        let length = self.load(index)?;
        let within = usize::try_from(within).unwrap_or(CHUNK);
        let chunk = self.slot.get(within..length).unwrap_or_default();
        let count = chunk.len().min(out.len());
        if let (Some(room), Some(chunk)) = (out.get_mut(..count), chunk.get(..count)) {
            room.copy_from_slice(chunk);
        }
        self.position += count as u64;
        Ok(count)
    }
}

/// A place behind the end is allowed, and nothing is read there.
impl<R: Read + Seek> Seek for SeekReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.check()?;
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.stream_len()?.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl<R: Read + Seek> fmt::Debug for SeekReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeekReader").finish_non_exhaustive()
    }
}
