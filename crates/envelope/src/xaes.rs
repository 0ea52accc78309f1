//! XAES-256-GCM (C2SP): AES-256-GCM with a nonce of 24 bytes, which can be random for as many
//! messages as there are.

use crate::aead::{self, Aead as _, AeadError, Cipher, Prf};
use crate::wipe::Secret;

pub(crate) const NONCE: usize = 24;
/// The part of the nonce that selects the inner key.
const SELECTOR: usize = NONCE - aead::NONCE;

/// The inner cipher for all nonces that begin alike.
pub(crate) struct Inner {
    selector: [u8; SELECTOR],
    cipher: Cipher,
}

impl Inner {
    /// Derives the inner key.
    pub(crate) fn new(prf: &Prf, selector: &[u8; SELECTOR]) -> Result<Self, AeadError> {
        let mut inner = Secret([0; aead::KEY]);
        for (counter, half) in (1_u8..).zip(inner.0.chunks_mut(16)) {
            let mut block = [0; 16];
            for (slot, byte) in block
                .iter_mut()
                .zip([0, counter, b'X', 0].iter().chain(selector))
            {
                *slot = *byte;
            }
            half.copy_from_slice(prf.block(&block)?.as_slice());
        }
        Ok(Self {
            selector: *selector,
            cipher: Cipher::new(&inner)?,
        })
    }

    /// Appends the nonce, the ciphertext and the tag.
    pub(crate) fn seal_to(
        &self,
        nonce: &[u8; aead::NONCE],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), AeadError> {
        out.extend_from_slice(&self.selector);
        self.cipher.seal_behind_nonce(nonce, aad, plaintext, out)
    }
}

/// The nonce's halves: what selects the inner key, and the inner nonce.
pub(crate) fn split(nonce: &[u8; NONCE]) -> Option<(&[u8; SELECTOR], &[u8; aead::NONCE])> {
    let (selector, rest) = nonce.split_first_chunk()?;
    Some((selector, rest.first_chunk()?))
}

/// Opens nonce, ciphertext and tag of 32 bytes.
pub(crate) fn open_key(prf: &Prf, aad: &[u8], sealed: &[u8]) -> Result<Secret<32>, AeadError> {
    let (selector, rest) = sealed.split_first_chunk().ok_or(AeadError)?;
    let (nonce, rest) = rest.split_first_chunk().ok_or(AeadError)?;
    let (ciphertext, tag) = rest.split_last_chunk().ok_or(AeadError)?;
    if ciphertext.len() != 32 {
        return Err(AeadError);
    }
    let mut opened = Secret([0; 32]);
    Inner::new(prf, selector)?
        .cipher
        .open_separate(nonce, aad, ciphertext, tag, &mut opened.0)?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two vectors of c2sp.org/XAES-256-GCM. With `fips` the nonce is the module's own.
    #[cfg(not(feature = "fips"))]
    #[test]
    fn published_vectors() {
        for (key, aad, expected) in [
            (
                [1; 32],
                "",
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            ),
            (
                [3; 32],
                "c2sp.org/XAES-256-GCM",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ] {
            let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
            let (selector, rest) = nonce.split_first_chunk().unwrap();
            let mut sealed = Vec::new();
            Inner::new(&Prf::new(&key).unwrap(), selector)
                .unwrap()
                .seal_to(
                    rest.try_into().unwrap(),
                    aad.as_bytes(),
                    b"XAES-256-GCM",
                    &mut sealed,
                )
                .unwrap();
            assert_eq!(sealed[..NONCE], nonce[..]);
            assert_eq!(hex::encode(&sealed[NONCE..]), expected);
        }
    }

    #[test]
    fn a_key_round_trips_and_nothing_else_opens() {
        let mut sealed = Vec::new();
        let prf = |byte| Prf::new(&[byte; 32]).unwrap();
        let inner = Inner::new(&prf(1), &[2; 12]).unwrap();
        inner
            .seal_to(&[3; 12], b"aad", &[4; 32], &mut sealed)
            .unwrap();
        assert_eq!(*open_key(&prf(1), b"aad", &sealed).unwrap(), [4; 32]);
        assert!(open_key(&prf(1), b"other", &sealed).is_err());
        assert!(open_key(&prf(2), b"aad", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(open_key(&prf(1), b"aad", &sealed[..length]).is_err());
        }
        for position in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[position] ^= 1;
            assert!(open_key(&prf(1), b"aad", &flipped).is_err(), "{position}");
        }
        let mut longer = Vec::new();
        inner
            .seal_to(&[3; 12], b"aad", &[4; 33], &mut longer)
            .unwrap();
        assert!(open_key(&prf(1), b"aad", &longer).is_err());
    }
}
