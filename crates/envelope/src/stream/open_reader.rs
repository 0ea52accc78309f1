//! A reader that opens.

use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use super::pipeline::Pipeline;
use super::{Plaintext, StreamError, batch_len, open_head, read_full, read_some};
use crate::aead::TAG;
use crate::chunked::{ChunkedKey, HEAD, SEALED_CHUNK};

/// Opens a sealed stream that it reads from another reader.
///
/// A byte is handed out only after the tag of its chunk held, and the end is told only after the
/// last chunk, which is a short one, was the last of the input. A stream that does not open gives
/// an [`io::Error`] of the kind `InvalidData` around [`StreamError::Failed`], and from then on
/// gives it again. An error of the other reader is passed on, and the next call tries again.
///
/// # Security
/// What was handed out before an error is a true beginning of what was sealed, but it is not all
/// of it: act on it only when the end was told, that is when `read` returned `Ok(0)`.
pub struct OpenReader<R: Read> {
    key: Arc<ChunkedKey>,
    /// Sealed chunks from `at` to `end`, of which the threads have opened some in place.
    batch: Batch,
    at: usize,
    /// Opened bytes of the batch that were not handed out yet.
    plain: Range<usize>,
    /// The number of the chunk at `at`.
    index: u64,
    /// Whether the input has ended.
    ended: bool,
    state: State,
    ahead: Option<Ahead>,
    reader: R,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Complete,
    Failed,
}

struct Batch {
    bytes: Plaintext,
    end: usize,
    /// The first chunk's number.
    first: u64,
    /// How many chunks are opened already; `None` when that is still to be done.
    opened: Option<u64>,
}

/// What is read ahead, for threads to open.
struct Ahead {
    pipeline: Pipeline<Batch>,
    filling: Batch,
    /// An error of the reader, which comes after what it gave before.
    error: Option<io::Error>,
}

impl<R: Read> OpenReader<R> {
    /// Reads salt and commitment and checks the latter. With more than one thread, so many others
    /// open what this one reads ahead; each has up to two batches of 256 KiB.
    pub(crate) fn new(
        mut reader: R,
        input_key: &[u8; 32],
        context: &[u8],
        threads: NonZeroUsize,
    ) -> io::Result<Self> {
        let mut head = [0; HEAD];
        if read_full(&mut reader, &mut head)? < HEAD {
            return Err(StreamError::Failed.into());
        }
        let key = Arc::new(open_head(input_key, context, &head)?);
        let ahead = (threads.get() > 1).then(|| {
            let key = Arc::clone(&key);
            let pipeline = Pipeline::start(threads, move |batch: &mut Batch| batch.open(&key))?;
            Ok::<_, io::Error>(Ahead {
                pipeline,
                filling: Batch::new(Plaintext::zeroed(batch_len(threads)), 0),
                error: None,
            })
        });
        Ok(Self {
            key,
            batch: Batch::new(Plaintext::zeroed(batch_len(threads)), 0),
            at: 0,
            plain: 0..0,
            index: 0,
            ended: false,
            state: State::Reading,
            ahead: ahead.transpose()?,
            reader,
        })
    }

    /// The reader under this one.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Copies opened bytes out.
    fn hand_out(&mut self, out: &mut [u8]) -> usize {
        let plain = self.batch.bytes.get(self.plain.clone()).unwrap_or_default();
        let count = plain.len().min(out.len());
        if let (Some(out), Some(plain)) = (out.get_mut(..count), plain.get(..count)) {
            out.copy_from_slice(plain);
        }
        self.plain.start += count;
        count
    }

    /// Whether a chunk lies ready: a whole one, or at the input's end what is left.
    fn is_ready(&self) -> bool {
        let left = self.batch.end - self.at;
        left >= SEALED_CHUNK || (self.ended && left > 0)
    }

    /// Opens the next chunk, right into `out` when it fits; returns how much went there.
    fn open_next(&mut self, out: &mut [u8]) -> Result<usize, StreamError> {
        let end = self.batch.end.min(self.at + SEALED_CHUNK);
        let slot = self.batch.bytes.get_mut(self.at..end);
        let slot = slot.ok_or(StreamError::Failed)?;
        let is_last = slot.len() < SEALED_CHUNK;
        let length = slot.len().checked_sub(TAG);
        let length = length.ok_or(StreamError::Failed)?;
        let mut given = 0;
        match (self.batch.opened, out.get_mut(..length)) {
            (Some(opened), _) => {
                let number = self.index.checked_sub(self.batch.first);
                if number.is_none_or(|number| number >= opened) {
                    return Err(StreamError::Failed);
                }
                self.plain = self.at..self.at + length;
            }
            (None, Some(out)) => {
                let opened = self.key.open_slot_to(self.index, slot, out);
                opened.map_err(|_| StreamError::Failed)?;
                given = length;
            }
            (None, None) => {
                let opened = self.key.open_slot(self.index, slot);
                opened.map_err(|_| StreamError::Failed)?;
                self.plain = self.at..self.at + length;
            }
        }
        self.at = end;
        self.index += 1;
        if is_last {
            self.state = State::Complete;
        }
        Ok(given)
    }

    /// Reads until a chunk lies ready or the input ends.
    fn refill(&mut self) -> io::Result<()> {
        let Some(ahead) = &mut self.ahead else {
            self.batch.bytes.copy_within(self.at..self.batch.end, 0);
            self.batch.end -= self.at;
            self.at = 0;
            while !self.ended && self.batch.end < SEALED_CHUNK {
                self.ended = self.batch.read_from(&mut self.reader)?;
            }
            return Ok(());
        };
        while !ahead.pipeline.is_full() && !self.ended && ahead.error.is_none() {
            match ahead.filling.read_from(&mut self.reader) {
                Ok(ended) => self.ended = ended,
                Err(error) => ahead.error = Some(error),
            }
            // Whole chunks, save at the input's end; what is left begins the next batch.
            let whole = ahead.filling.end / SEALED_CHUNK * SEALED_CHUNK;
            let end = if self.ended { ahead.filling.end } else { whole };
            if end == ahead.filling.bytes.len()
                || ((self.ended || ahead.error.is_some()) && end > 0)
            {
                let mut used = std::mem::take(&mut self.batch.bytes);
                if used.is_empty() {
                    used = Plaintext::zeroed(ahead.filling.bytes.len());
                }
                let filled = ahead.filling.split(end, used);
                (self.batch.end, self.at) = (0, 0);
                // A lost batch leaves a hole: after it nothing may be handed out.
                let submitted = ahead.pipeline.submit(filled);
                submitted.inspect_err(|_| self.state = State::Failed)?;
            }
        }
        let taken = ahead.pipeline.take();
        match taken.inspect_err(|_| self.state = State::Failed)? {
            Some(batch) => {
                self.batch = batch;
                self.at = 0;
                Ok(())
            }
            None => ahead.error.take().map_or(Ok(()), Err),
        }
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut given = 0;
        while let Some(room) = out.get_mut(given..).filter(|room| !room.is_empty()) {
            if !self.plain.is_empty() {
                given += self.hand_out(room);
                continue;
            }
            match self.state {
                State::Complete => break,
                State::Failed if given > 0 => break,
                State::Failed => return Err(StreamError::Failed.into()),
                State::Reading => {}
            }
            if !self.is_ready() {
                if given > 0 {
                    break;
                }
                self.refill()?;
            }
            // When the input ended behind a whole chunk, there is nothing here, not even a tag.
            match self.open_next(room) {
                Ok(count) => given += count,
                Err(_) => self.state = State::Failed,
            }
        }
        Ok(given)
    }
}

impl<R: Read> fmt::Debug for OpenReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenReader").finish_non_exhaustive()
    }
}

impl Batch {
    /// An empty batch, in a buffer that may have been used before.
    fn new(bytes: Plaintext, first: u64) -> Self {
        Self {
            bytes,
            end: 0,
            first,
            opened: None,
        }
    }

    /// Reads once into what room is left, and returns whether the input has ended.
    fn read_from(&mut self, reader: &mut impl Read) -> io::Result<bool> {
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let count = read_some(reader, room)?;
        self.end += count;
        Ok(count == 0)
    }

    /// Takes out what lies before `end`; the rest goes on in another buffer.
    fn split(&mut self, end: usize, buffer: Plaintext) -> Self {
        let chunks = (end / SEALED_CHUNK) as u64;
        let mut rest = Self::new(buffer, self.first + chunks);
        let left = self.bytes.get(end..self.end).unwrap_or_default();
        if let Some(room) = rest.bytes.get_mut(..left.len()) {
            room.copy_from_slice(left);
            rest.end = left.len();
        }
        let mut taken = std::mem::replace(self, rest);
        taken.end = end;
        taken
    }

    /// Opens chunk after chunk until one fails.
    fn open(&mut self, key: &ChunkedKey) {
        let slots = self.bytes.get_mut(..self.end).unwrap_or_default();
        let slots = (self.first..).zip(slots.chunks_mut(SEALED_CHUNK));
        let opened = slots.take_while(|(_, slot)| !slot.is_empty());
        let opened = opened.map_while(|(index, slot)| key.open_slot(index, slot).ok());
        self.opened = Some(opened.map(|_| 1).sum());
    }
}
