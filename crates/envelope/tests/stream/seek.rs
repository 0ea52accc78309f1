//! Any part of a stream, and its length.

use std::io::{Cursor, ErrorKind, Read as _, Seek as _, SeekFrom};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{CHUNK, HEAD, SEALED_CHUNK, is_failure, plaintext, sealed, stream};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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
