//! Sealed streams: records of any length in bounded memory, seekable (`docs/spec/envelope.md`,
//! "Stream"; the bytes are those of <https://c2sp.org/chunked-encryption>, Cobblestone-256).
//!
//! [`SealWriter`] and [`OpenReader`] work over `std::io`, [`SeekReader`] opens any part of a
//! stream, and [`SealBuffer`] seals in place what is written into it. A stream is chunks of
//! 16 KiB, each with a tag of its own, and the last is shorter, so that a stream cut anywhere is
//! told from a whole one. No byte of a chunk is handed out before its tag held.

mod error;
pub mod hazmat;
mod open_reader;
mod pipeline;
mod record;
mod seal_buffer;
mod seal_writer;
mod seek_reader;
mod slice;

use crate::header::HeaderError;
use crate::wipe::Plaintext;
pub use error::StreamError;
pub use open_reader::OpenReader;
pub use record::{open_reader, seal_writer, seek_reader};
pub use seal_buffer::SealBuffer;
pub use seal_writer::SealWriter;
pub use seek_reader::SeekReader;
pub(crate) use slice::{open_to_vec, seal_to_vec};

use std::io;
use std::num::NonZeroUsize;

use subtle::ConstantTimeEq as _;

use crate::aead::TAG;
use crate::chunked::{CHUNK, COMMITMENT, ChunkedKey, HEAD, MAX_CHUNKS, SALT, SEALED_CHUNK};

/// Bytes that are read or written in one go: few enough to stay in the core's own cache between
/// the copy and the cipher, and enough for the calls of the system to weigh little.
const BATCH: usize = 4 * SEALED_CHUNK;

/// Bytes that a thread seals or opens in one go, for handing them over to weigh little.
const SHARED_BATCH: usize = 16 * SEALED_CHUNK;

/// Bytes of a batch on so many threads.
fn batch_len(threads: NonZeroUsize) -> usize {
    if threads.get() > 1 {
        SHARED_BATCH
    } else {
        BATCH
    }
}

/// Bytes of salt, commitment and chunks for so much plaintext.
fn sealed_len(plaintext_len: usize) -> Result<usize, StreamError> {
    let whole = plaintext_len / CHUNK;
    if whole as u64 >= MAX_CHUNKS {
        return Err(StreamError::TooLong);
    }
    let tags = (whole + 1) * TAG;
    let length = plaintext_len.checked_add(tags + HEAD);
    length.ok_or(StreamError::TooLong)
}

/// Bytes of plaintext in chunks of this length together, when any stream has such a length.
fn plaintext_len(chunks_len: u64) -> Option<u64> {
    let whole = chunks_len / SEALED_CHUNK as u64;
    let last = chunks_len % SEALED_CHUNK as u64;
    let last = last.checked_sub(TAG as u64)?;
    (whole < MAX_CHUNKS).then_some(whole * CHUNK as u64 + last)
}

/// Whether a body can be a stream's, by its length alone.
pub(crate) fn check_body(body: &[u8]) -> Result<(), HeaderError> {
    let (_, rest) = body
        .split_first_chunk::<SALT>()
        .ok_or(HeaderError::Truncated("salt"))?;
    let (_, chunks) = rest
        .split_first_chunk::<COMMITMENT>()
        .ok_or(HeaderError::Truncated("commitment"))?;
    match plaintext_len(chunks.len() as u64) {
        Some(_) => Ok(()),
        None if chunks.len() < TAG => Err(HeaderError::Truncated("tag")),
        None => Err(HeaderError::BodyLength),
    }
}

/// Derives the key of a stream to be opened and checks the commitment, before any chunk is
/// decrypted ("Key derivation").
pub(crate) fn open_head(
    input_key: &[u8; 32],
    context: &[u8],
    head: &[u8; HEAD],
) -> Result<ChunkedKey, StreamError> {
    let (salt, commitment) = head
        .split_first_chunk::<SALT>()
        .ok_or(StreamError::Failed)?;
    let key = ChunkedKey::derive(input_key, salt, context)?;
    debug_assert_eq!(commitment.len(), COMMITMENT);
    if !bool::from(key.commitment().as_slice().ct_eq(commitment)) {
        return Err(StreamError::Failed);
    }
    Ok(key)
}

/// Reads until the buffer is full or the input ends, and returns how much there was.
fn read_full(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match read_some(reader, room)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Reads once; a reader that claims more than there was room for is refused.
fn read_some(reader: &mut impl io::Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Ok(count) if count <= room.len() => return Ok(count),
            Ok(_) => {
                return Err(io::Error::other(
                    "the reader claims more than it was asked for",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 7] {
            let sealed = sealed_len(length).unwrap();
            assert_eq!(plaintext_len((sealed - HEAD) as u64), Some(length as u64));
        }
    }

    #[test]
    fn no_stream_has_these_lengths() {
        for length in [0, 15, SEALED_CHUNK, SEALED_CHUNK + 15, 3 * SEALED_CHUNK] {
            assert_eq!(plaintext_len(length as u64), None, "{length}");
        }
        let longest = MAX_CHUNKS * CHUNK as u64 - 1;
        let longest_sealed = MAX_CHUNKS * SEALED_CHUNK as u64 - 1;
        assert_eq!(plaintext_len(longest_sealed), Some(longest));
        assert_eq!(plaintext_len(longest_sealed + 17), None);
        assert!(sealed_len(longest as usize).is_ok());
        for length in [longest as usize + 1, usize::MAX] {
            assert_eq!(sealed_len(length), Err(StreamError::TooLong));
        }
    }
}
