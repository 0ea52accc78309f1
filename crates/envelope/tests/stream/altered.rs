//! What was changed, cut short, extended or never finished is refused, and how much of it is read.

use std::io::{Cursor, Read as _, Write as _};

use proptest::collection::vec;
use proptest::prelude::*;
use strongroom_envelope::stream::hazmat::Cobblestone256;

use super::{
    CHUNK, HEAD, KEY, SALT, SEALED_CHUNK, assert_refused, is_failure, on, plaintext, read_out,
    sealed, stream,
};

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
}
