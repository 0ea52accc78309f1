//! AES-256-GCM and CMAC from AWS-LC.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cmac;
use zeroize::Zeroizing;

use super::{Aead, AeadError, KEY, NONCE, TAG};

/// A key, ready to use. AWS-LC holds it, and wipes it when it is dropped.
pub(crate) struct Cipher(
    LessSafeKey,
    #[cfg(feature = "fips")] aws_lc_rs::aead::RandomizedNonceKey,
);

impl Aead for Cipher {
    fn new(key: &[u8; KEY]) -> Result<Self, AeadError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| AeadError)?;
        Ok(Self(
            LessSafeKey::new(unbound),
            #[cfg(feature = "fips")]
            aws_lc_rs::aead::RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| AeadError)?,
        ))
    }

    fn seal_in_place(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG], AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut tag = [0; TAG];
        self.0
            .seal_in_place_scatter(nonce, Aad::from(aad), buffer, &[], &mut tag)
            .map_err(|_| AeadError)?;
        Ok(tag)
    }

    #[cfg(feature = "fips")]
    fn seal_with_own_nonce(
        &self,
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<([u8; NONCE], [u8; TAG]), AeadError> {
        let sealed = self.1.seal_in_place_separate_tag(Aad::from(aad), buffer);
        let (nonce, tag) = sealed.map_err(|_| AeadError)?;
        let tag = tag.as_ref().try_into().map_err(|_| AeadError)?;
        Ok((*nonce.as_ref(), tag))
    }

    fn seal_separate(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
        tag: &mut [u8; TAG],
    ) -> Result<(), AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, ciphertext, &[], tag)
            .map_err(|_| AeadError)
    }

    fn open_in_place(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, buffer)
            .map(|_| ())
            .map_err(|_| AeadError)
    }

    fn open_separate(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG],
        plaintext: &mut [u8],
    ) -> Result<(), AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plaintext)
            .map_err(|_| AeadError)
    }
}

/// CMAC with AES-256 (NIST SP 800-38B).
pub(crate) struct Prf(cmac::Key);

impl Prf {
    pub(crate) fn new(key: &[u8; KEY]) -> Result<Self, AeadError> {
        let key = cmac::Key::new(cmac::AES_256, key).map_err(|_| AeadError)?;
        Ok(Self(key))
    }

    /// The CMAC of one block.
    pub(crate) fn block(&self, block: &[u8; 16]) -> Result<Zeroizing<[u8; 16]>, AeadError> {
        let mut tag = Zeroizing::new([0; 16]);
        cmac::sign_to_buffer(&self.0, block, tag.as_mut_slice()).map_err(|_| AeadError)?;
        Ok(tag)
    }
}
