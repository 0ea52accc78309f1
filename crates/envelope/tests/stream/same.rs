//! Every way of sealing and opening gives the same bytes.

use std::io::{Cursor, Read as _, Write as _};

use proptest::collection::vec;
use proptest::prelude::*;
use strongroom_envelope::stream::{SealBuffer, StreamError};

use super::{CHUNK, HEAD, LENGTHS, SALT, on, plaintext, read_out, sealed, stream};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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
}
