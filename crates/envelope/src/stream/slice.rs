//! Whole streams in memory.

use std::iter;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::{Plaintext, StreamError, open_head, plaintext_len, sealed_len};
use crate::aead::TAG;
use crate::chunked::{CHUNK, ChunkedKey, HEAD, SALT, SEALED_CHUNK};

/// Chunks that a thread takes at a time.
const SHARE: usize = 32;

/// Seals a slice behind a record's prefix, in one allocation.
pub(crate) fn seal_to_vec(
    prefix: &[u8],
    input_key: &[u8; 32],
    context: &[u8],
    salt: &[u8; SALT],
    plaintext: &[u8],
    threads: NonZeroUsize,
) -> Result<Vec<u8>, StreamError> {
    let key = ChunkedKey::derive(input_key, salt, context)?;
    let length = sealed_len(plaintext.len())?
        .checked_add(prefix.len())
        .ok_or(StreamError::TooLong)?;
    if threads.get() > 1 && plaintext.len() > SHARE * CHUNK {
        let mut record = vec![0; length];
        let (head, slots) = record
            .split_at_mut_checked(prefix.len() + HEAD)
            .ok_or(StreamError::Cipher)?;
        for (slot, part) in head
            .iter_mut()
            .zip([prefix, salt, key.commitment()].concat())
        {
            *slot = part;
        }
        seal_slots(&key, plaintext, slots, threads)?;
        return Ok(record);
    }
    // Each chunk is encrypted where it was just copied to, while it is in the core's cache; the
    // guard wipes what is not yet encrypted when the cipher fails.
    let mut record = Plaintext::new(Vec::with_capacity(length));
    let bytes = record.as_vec_mut();
    bytes.extend_from_slice(prefix);
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(key.commitment());
    for (index, chunk) in (0..).zip(chunks_of(plaintext)) {
        let start = bytes.len();
        bytes.resize(start + chunk.len() + TAG, 0);
        let slot = bytes.get_mut(start..).ok_or(StreamError::Cipher)?;
        key.seal_chunk_to(index, chunk, slot)
            .map_err(StreamError::sealing)?;
    }
    Ok(record.into_vec())
}

/// Opens salt, commitment and chunks.
pub(crate) fn open_to_vec(
    input_key: &[u8; 32],
    context: &[u8],
    body: &[u8],
    threads: NonZeroUsize,
) -> Result<Plaintext, StreamError> {
    let (head, slots) = body.split_first_chunk().ok_or(StreamError::Failed)?;
    let key = open_head(input_key, context, head)?;
    let length = plaintext_len(slots.len() as u64)
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(StreamError::Failed)?;
    if threads.get() > 1 && length > SHARE * CHUNK {
        let mut plaintext = Plaintext::zeroed(length);
        let shares = slots.chunks(SHARE * SEALED_CHUNK).zip(
            plaintext
                .chunks_mut(SHARE * CHUNK)
                .chain(iter::once(&mut [][..])),
        );
        in_parallel(shares, threads, |first, (slots, plaintext)| {
            open_share(&key, first, slots, plaintext)
        })?;
        return Ok(plaintext);
    }
    let mut plaintext = Plaintext::new(Vec::with_capacity(length));
    let bytes = plaintext.as_vec_mut();
    for (index, slot) in (0..).zip(slots.chunks(SEALED_CHUNK)) {
        let start = bytes.len();
        bytes.resize(start + slot.len().saturating_sub(TAG), 0);
        let chunk = bytes.get_mut(start..).ok_or(StreamError::Failed)?;
        key.open_slot_to(index, slot, chunk)
            .map_err(|_| StreamError::Failed)?;
    }
    Ok(plaintext)
}

/// Encrypts in place all slots of a stream, which hold its plaintext.
pub(super) fn seal_slots_in_place(
    key: &ChunkedKey,
    slots: &mut [u8],
    threads: NonZeroUsize,
) -> Result<(), StreamError> {
    let shares = slots.chunks_mut(SHARE * SEALED_CHUNK);
    in_parallel(shares, threads, |first, slots| {
        for (index, slot) in (first..).zip(slots.chunks_mut(SEALED_CHUNK)) {
            key.seal_slot(index, slot).map_err(StreamError::sealing)?;
        }
        Ok(())
    })
}

fn seal_slots(
    key: &ChunkedKey,
    plaintext: &[u8],
    slots: &mut [u8],
    threads: NonZeroUsize,
) -> Result<(), StreamError> {
    let shares = plaintext
        .chunks(SHARE * CHUNK)
        .chain(iter::once(&[][..]))
        .zip(slots.chunks_mut(SHARE * SEALED_CHUNK));
    in_parallel(shares, threads, |first, (plaintext, slots)| {
        let chunks = chunks_of(plaintext).zip(slots.chunks_mut(SEALED_CHUNK));
        for (index, (chunk, slot)) in (first..).zip(chunks) {
            key.seal_chunk_to(index, chunk, slot)
                .map_err(StreamError::sealing)?;
        }
        Ok(())
    })
}

fn open_share(
    key: &ChunkedKey,
    first: u64,
    slots: &[u8],
    plaintext: &mut [u8],
) -> Result<(), StreamError> {
    let chunks = plaintext.chunks_mut(CHUNK).chain(iter::once(&mut [][..]));
    for (index, (slot, chunk)) in (first..).zip(slots.chunks(SEALED_CHUNK).zip(chunks)) {
        key.open_slot_to(index, slot, chunk)
            .map_err(|_| StreamError::Failed)?;
    }
    Ok(())
}

/// The chunks of a message: whole ones, and a last one that is shorter and may be empty
/// ("Message chunking").
fn chunks_of(plaintext: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (whole, last) = plaintext.as_chunks::<CHUNK>();
    whole
        .iter()
        .map(<[u8; CHUNK]>::as_slice)
        .chain(iter::once(last))
}

/// Runs the work on every share, with the number of the share's first chunk; this thread works
/// too, so that a thread that cannot be had costs time alone.
fn in_parallel<S: Send>(
    shares: impl Iterator<Item = S> + Send,
    threads: NonZeroUsize,
    work: impl Fn(u64, S) -> Result<(), StreamError> + Sync,
) -> Result<(), StreamError> {
    let queue = Mutex::new((0..).step_by(SHARE).zip(shares));
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some((first, share)) = take() {
            work(first, share)?;
        }
        Ok(())
    };
    if threads == NonZeroUsize::MIN {
        return run();
    }
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get())
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, run).ok())
            .collect();
        others.into_iter().fold(run(), |result, other| {
            result.and(other.join().unwrap_or(Err(StreamError::Cipher)))
        })
    })
}
