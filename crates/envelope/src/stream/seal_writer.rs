//! A writer that seals.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::pipeline::Pipeline;
use super::{Plaintext, StreamError, batch_len};
use crate::aead::TAG;
use crate::chunked::{CHUNK, ChunkedKey, HEAD, MAX_CHUNKS, SALT, SEALED_CHUNK};

/// Seals what is written to it, chunk by chunk, into another writer.
///
/// An error of the other writer loses nothing: what it did not take is offered again by the next
/// call. [`flush`](Write::flush) passes on whole chunks; the rest of the plaintext, less than
/// 16 KiB, waits for more.
///
/// # Security
/// Only [`finish`](Self::finish) writes the last chunk. A writer that is dropped without it leaves
/// a stream that is cut short, and that no reader takes for a whole one.
///
/// Key and nonces of a stream are settled when it begins. Do not fork the process, or resume a
/// snapshot of its machine twice, while one is open: both copies would go on under the same
/// keystream, which gives away what they write.
#[must_use = "a stream that is not finished never opens"]
pub struct SealWriter<W: Write> {
    /// The key, unless the threads seal.
    sealer: Option<Arc<ChunkedKey>>,
    /// Whole chunks: sealed ones, or with threads ones to be sealed.
    batch: Batch,
    /// The beginning of the next chunk, and how much of it there is.
    chunk: Plaintext,
    open: usize,
    /// The next chunk's number.
    index: u64,
    outgoing: Outgoing,
    pipeline: Option<Pipeline<Batch>>,
    failed: Option<StreamError>,
    writer: W,
}

/// Chunks with room for their tags.
struct Batch {
    bytes: Plaintext,
    /// Where the first chunk begins: in the first batch, behind salt and commitment.
    start: usize,
    /// Where the last chunk ends.
    end: usize,
    /// The first chunk's number.
    first: u64,
    sealed: Result<(), StreamError>,
}

/// Sealed bytes that the writer did not take yet.
#[derive(Default)]
struct Outgoing {
    bytes: Plaintext,
    sent: usize,
    end: usize,
}

impl<W: Write> SealWriter<W> {
    /// Begins a stream. With more than one thread, so many others seal, and this one copies and
    /// writes; each has up to two batches of 256 KiB.
    pub(crate) fn new(
        writer: W,
        input_key: &[u8; 32],
        context: &[u8],
        salt: &[u8; SALT],
        threads: NonZeroUsize,
    ) -> io::Result<Self> {
        let key = ChunkedKey::derive(input_key, salt, context).map_err(StreamError::from)?;
        let key = Arc::new(key);
        let mut batch = Batch::new(Plaintext::zeroed(HEAD + batch_len(threads)), 0);
        let head = salt.iter().chain(key.commitment());
        for (room, byte) in batch.bytes.iter_mut().zip(head) {
            *room = *byte;
        }
        (batch.start, batch.end) = (HEAD, HEAD);
        let pipeline = (threads.get() > 1).then(|| {
            let key = Arc::clone(&key);
            Pipeline::start(threads, move |batch: &mut Batch| batch.seal(&key))
        });
        Ok(Self {
            sealer: pipeline.is_none().then_some(key),
            batch,
            chunk: Plaintext::zeroed(CHUNK),
            open: 0,
            index: 0,
            outgoing: Outgoing::default(),
            pipeline: pipeline.transpose()?,
            failed: None,
            writer,
        })
    }

    /// Writes the last chunk, flushes the writer and gives it back.
    ///
    /// # Errors
    /// As the writer's; the stream is then cut short.
    pub fn finish(mut self) -> io::Result<W> {
        self.check()?;
        if self.batch.room() < SEALED_CHUNK {
            self.dispatch()?;
        }
        let last = self.chunk.get(..self.open).ok_or(StreamError::Cipher)?;
        self.batch.push(self.sealer.as_deref(), self.index, last)?;
        self.flush()?;
        Ok(self.writer)
    }

    /// The writer under this one.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// Takes at most the rest of a chunk.
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        if self.batch.room() < SEALED_CHUNK {
            self.dispatch()?;
        }
        // The last chunk that may have a number must stay short.
        let whole = CHUNK - usize::from(self.index + 1 >= MAX_CHUNKS);
        let count = bytes.len().min(whole - self.open);
        if count == 0 {
            return Err(StreamError::TooLong.into());
        }
        let bytes = bytes.get(..count).unwrap_or_default();
        let pushed = if count == CHUNK {
            self.batch.push(self.sealer.as_deref(), self.index, bytes)
        } else {
            let room = self.chunk.get_mut(self.open..self.open + count);
            room.ok_or(StreamError::Cipher)?.copy_from_slice(bytes);
            self.open += count;
            if self.open < CHUNK {
                return Ok(count);
            }
            self.open = 0;
            self.batch
                .push(self.sealer.as_deref(), self.index, &self.chunk)
        };
        pushed.inspect_err(|error| self.failed = Some(*error))?;
        self.index += 1;
        Ok(count)
    }

    fn check(&self) -> Result<(), StreamError> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Passes the whole chunks on and begins a new batch.
    fn dispatch(&mut self) -> io::Result<()> {
        self.send()?;
        if self.pipeline.as_ref().is_some_and(Pipeline::is_full) {
            self.collect()?;
        }
        let mut used = std::mem::take(&mut self.outgoing.bytes);
        if used.is_empty() {
            used = Plaintext::zeroed(self.batch.bytes.len());
        }
        let next = Batch::new(used, self.index);
        let batch = std::mem::replace(&mut self.batch, next);
        match &mut self.pipeline {
            // A lost batch leaves a hole: after it nothing may be written.
            Some(pipeline) => pipeline
                .submit(batch)
                .inspect_err(|_| self.failed = Some(StreamError::Cipher)),
            None => {
                self.outgoing = batch.into();
                self.send()
            }
        }
    }

    /// Takes the oldest batch from the threads and writes it; `false` when there was none.
    fn collect(&mut self) -> io::Result<bool> {
        let batch = match &mut self.pipeline {
            Some(pipeline) => pipeline
                .take()
                .inspect_err(|_| self.failed = Some(StreamError::Cipher))?,
            None => None,
        };
        let Some(batch) = batch else {
            return Ok(false);
        };
        if let Err(error) = batch.sealed {
            self.failed = Some(error);
            return Err(error.into());
        }
        self.outgoing = batch.into();
        self.send()?;
        Ok(true)
    }

    fn send(&mut self) -> io::Result<()> {
        while self.outgoing.sent < self.outgoing.end {
            let range = self.outgoing.sent..self.outgoing.end;
            let bytes = self.outgoing.bytes.get(range).unwrap_or_default();
            match self.writer.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.outgoing.sent += count.min(bytes.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.take(rest) {
                Ok(count) => taken += count,
                Err(error) if taken == 0 => return Err(error),
                // The next call meets it again.
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        if self.batch.end > 0 {
            self.dispatch()?;
        }
        self.send()?;
        while self.collect()? {}
        self.writer.flush()
    }
}

impl<W: Write> fmt::Debug for SealWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealWriter").finish_non_exhaustive()
    }
}

impl Batch {
    /// An empty batch, in a buffer that may have been used before.
    fn new(bytes: Plaintext, first: u64) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
            first,
            sealed: Ok(()),
        }
    }

    fn room(&self) -> usize {
        self.bytes.len().saturating_sub(self.end)
    }

    /// Adds a chunk, sealed when there is a key.
    fn push(
        &mut self,
        key: Option<&ChunkedKey>,
        index: u64,
        chunk: &[u8],
    ) -> Result<(), StreamError> {
        let end = self.end + chunk.len() + TAG;
        let slot = self.bytes.get_mut(self.end..end);
        let slot = slot.ok_or(StreamError::Cipher)?;
        match key {
            Some(key) => key
                .seal_chunk_to(index, chunk, slot)
                .map_err(StreamError::sealing)?,
            None => slot
                .get_mut(..chunk.len())
                .ok_or(StreamError::Cipher)?
                .copy_from_slice(chunk),
        }
        self.end = end;
        Ok(())
    }

    fn seal(&mut self, key: &ChunkedKey) {
        let slots = self.bytes.get_mut(self.start..self.end);
        let slots = slots.unwrap_or_default().chunks_mut(SEALED_CHUNK);
        self.sealed = (self.first..)
            .zip(slots)
            .try_for_each(|(index, slot)| key.seal_slot(index, slot))
            .map_err(StreamError::sealing);
    }
}

impl From<Batch> for Outgoing {
    fn from(batch: Batch) -> Self {
        Self {
            bytes: batch.bytes,
            sent: 0,
            end: batch.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbered_chunk_stays_short() {
        #[cfg(feature = "fips")]
        crate::fips::accept_streams_outside_the_approved_services();
        for threads in [1, 2] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let mut writer =
                SealWriter::new(Vec::new(), &[1; 32], b"", &[2; SALT], threads).unwrap();
            (writer.index, writer.batch.first) = (MAX_CHUNKS - 2, MAX_CHUNKS - 2);
            let written = writer.write(&[7; 3 * CHUNK]).unwrap();
            assert_eq!(written, 2 * CHUNK - 1);
            let error = writer.write(&[7]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            let sealed = writer.finish().unwrap();
            assert_eq!(sealed.len(), HEAD + 2 * SEALED_CHUNK - 1);
        }
    }
}
