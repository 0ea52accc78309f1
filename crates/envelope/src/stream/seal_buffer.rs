//! A record that is sealed where it was written.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use super::slice::seal_slots_in_place;
use super::{Plaintext, StreamError, plaintext_len, sealed_len};
use crate::aead::TAG;
use crate::chunked::{CHUNK, ChunkedKey, HEAD, SALT, SEALED_CHUNK};

/// Room for a plaintext of known length, laid out as the finished record: sealing it encrypts in
/// place, and nothing is copied.
///
/// Fill it through [`chunks_mut`](Self::chunks_mut) or [`Write`]; what is never filled is zeros.
/// It is wiped when dropped.
pub struct SealBuffer {
    /// Grows up to its length, in the room that it has from the beginning.
    record: Plaintext,
    length: usize,
    prefix: usize,
    written: usize,
}

impl SealBuffer {
    /// Makes room for a plaintext of this many bytes, behind a record's prefix.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] for the format, or for the memory that there is.
    pub fn new(prefix: &[u8], plaintext_len: usize) -> Result<Self, StreamError> {
        let length = sealed_len(plaintext_len)?
            .checked_add(prefix.len())
            .ok_or(StreamError::TooLong)?;
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(length)
            .map_err(|_| StreamError::TooLong)?;
        bytes.extend_from_slice(prefix);
        Ok(Self {
            record: Plaintext::new(bytes),
            length,
            prefix: prefix.len(),
            written: 0,
        })
    }

    /// The places of the plaintext, in order: 16 KiB each, the last one shorter.
    pub fn chunks_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let slots = self.slots_mut().chunks_mut(SEALED_CHUNK);
        slots.filter_map(|slot| {
            let (chunk, _tag) = slot.split_last_chunk_mut::<TAG>()?;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// What stands before the stream.
    pub(crate) fn prefix(&self) -> &[u8] {
        self.record.get(..self.prefix).unwrap_or_default()
    }

    /// How many bytes of plaintext there is room for.
    pub(crate) fn plaintext_len(&self) -> u64 {
        let chunks = self.length - self.prefix - HEAD;
        plaintext_len(chunks as u64).unwrap_or(0)
    }

    /// Encrypts in place, on so many threads at most, and returns the record.
    pub(crate) fn seal(
        mut self,
        input_key: &[u8; 32],
        context: &[u8],
        salt: &[u8; SALT],
        threads: NonZeroUsize,
    ) -> Result<Vec<u8>, StreamError> {
        let key = ChunkedKey::derive(input_key, salt, context)?;
        self.slots_mut();
        let head = self.record.get_mut(self.prefix..);
        let (salt_room, rest) = head
            .and_then(<[u8]>::split_first_chunk_mut::<SALT>)
            .ok_or(StreamError::Cipher)?;
        *salt_room = *salt;
        let commitment = rest.first_chunk_mut().ok_or(StreamError::Cipher)?;
        *commitment = *key.commitment();
        seal_slots_in_place(&key, self.slots_mut(), threads)?;
        Ok(std::mem::take(&mut self.record).into_vec())
    }

    /// All slots; what was never written is zeros from here on.
    fn slots_mut(&mut self) -> &mut [u8] {
        self.record.as_vec_mut().resize(self.length, 0);
        let start = self.prefix + HEAD;
        self.record.get_mut(start..).unwrap_or_default()
    }

    /// What is free of the slot that is written to.
    fn room(&mut self) -> &mut [u8] {
        let slot = self.prefix + HEAD + self.written / CHUNK * SEALED_CHUNK;
        let end = self.length.min(slot + SEALED_CHUNK);
        if self.record.len() < end {
            self.record.as_vec_mut().resize(end, 0);
        }
        let free = slot + self.written % CHUNK..end.saturating_sub(TAG);
        self.record.get_mut(free).unwrap_or_default()
    }
}

/// Fills the buffer from its beginning; when it is full, nothing more is taken.
impl Write for SealBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let room = self.room();
            let count = room.len().min(rest.len());
            let (Some(room), Some(rest)) = (room.get_mut(..count), rest.get(..count)) else {
                break;
            };
            if count == 0 {
                break;
            }
            room.copy_from_slice(rest);
            self.written += count;
            taken += count;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for SealBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealBuffer").finish_non_exhaustive()
    }
}
