//! What holds for every stream, over `std::io` and in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod altered;
mod edges;
mod same;
mod seek;
mod wycheproof_set;

use std::io::{self, Cursor, ErrorKind, Read, Seek as _, SeekFrom};
use std::num::NonZeroUsize;

use strongroom_envelope::stream::hazmat::Cobblestone256;
use strongroom_envelope::stream::{SealBuffer, StreamError};

const CHUNK: usize = 16 * 1024;
const SEALED_CHUNK: usize = CHUNK + 16;
const HEAD: usize = 56;
const KEY: [u8; 32] = [1; 32];
const SALT: [u8; 24] = [2; 24];
const LENGTHS: [usize; 9] = [
    0,
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    3 * CHUNK,
    8 * CHUNK + 7,
    1 << 20,
    40 * CHUNK - 1,
];

/// The FIPS module refuses streams until they are accepted.
fn accept_streams() {
    #[cfg(feature = "fips")]
    strongroom_envelope::fips::accept_streams_outside_the_approved_services();
}

fn stream() -> Cobblestone256<'static> {
    accept_streams();
    Cobblestone256::new(&KEY, b"context")
}

fn on(threads: usize) -> Cobblestone256<'static> {
    stream().threads(NonZeroUsize::new(threads).unwrap())
}

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn sealed(length: usize) -> Vec<u8> {
    stream().seal_to_vec(&SALT, &plaintext(length)).unwrap()
}

fn is_failure(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == ErrorKind::InvalidData && inner == Some(&StreamError::Failed)
}

/// All that is handed out before the end or an error, in reads of a given size.
fn read_out(reader: &mut impl Read, size: usize) -> (Vec<u8>, io::Result<()>) {
    let (mut all, mut room) = (Vec::new(), vec![0; size]);
    loop {
        match reader.read(&mut room) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend_from_slice(&room[..count]),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Opens in every way; whatever the way, the stream must be refused, and what was handed out
/// before must be a beginning of the plaintext that ends with a whole chunk.
fn assert_refused(bytes: &[u8], true_plaintext: &[u8], what: &str) {
    assert_eq!(
        stream().open_to_vec(bytes).unwrap_err(),
        StreamError::Failed,
        "{what}"
    );
    for threads in [1, 2] {
        for size in [1000, CHUNK, 5 * CHUNK] {
            let mut reader = match on(threads).open_reader(bytes) {
                Ok(reader) => reader,
                Err(error) => {
                    assert!(is_failure(&error), "{what}");
                    continue;
                }
            };
            let (out, result) = read_out(&mut reader, size);
            assert!(is_failure(&result.unwrap_err()), "{what}");
            assert!(is_failure(&reader.read(&mut [0]).unwrap_err()), "{what}");
            assert!(true_plaintext.starts_with(&out), "{what}");
            assert_eq!(out.len() % CHUNK, 0, "{what}");
        }
    }
    match stream().seek_reader(Cursor::new(bytes)) {
        Err(error) => assert!(is_failure(&error), "{what}"),
        Ok(mut reader) => {
            let (out, result) = read_out(&mut reader, CHUNK);
            assert!(is_failure(&result.unwrap_err()), "{what}");
            assert!(true_plaintext.starts_with(&out), "{what}");
            assert!(is_failure(&reader.seek(SeekFrom::End(0)).unwrap_err()));
            assert!(is_failure(&reader.stream_len().unwrap_err()), "{what}");
        }
    }
}

#[test]
fn debug_shows_nothing() {
    let sealed = sealed(100);
    let writer = stream().seal_writer(&SALT, Vec::new()).unwrap();
    let reader = stream().open_reader(sealed.as_slice()).unwrap();
    let seeker = stream().seek_reader(Cursor::new(&sealed)).unwrap();
    let buffer = SealBuffer::new(b"", 1).unwrap();
    assert_eq!(format!("{:?}", stream()), "Cobblestone256(..)");
    assert_eq!(format!("{writer:?}"), "SealWriter { .. }");
    assert_eq!(format!("{reader:?}"), "OpenReader { .. }");
    assert_eq!(format!("{seeker:?}"), "SeekReader { .. }");
    assert_eq!(format!("{buffer:?}"), "SealBuffer { .. }");
    let plaintext = stream().open_to_vec(&sealed).unwrap();
    assert_eq!(format!("{plaintext:?}"), "Plaintext(100 bytes)");
}
