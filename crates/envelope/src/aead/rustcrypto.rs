//! AES-256-GCM and CMAC from RustCrypto.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
use cmac::{Cmac, Mac as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Aead, AeadError, KEY, NONCE, TAG};

/// A key, ready to use; wiped when dropped.
pub(crate) struct Cipher(Aes256Gcm);

impl Aead for Cipher {
    fn new(key: &[u8; KEY]) -> Result<Self, AeadError> {
        Ok(Self(Aes256Gcm::new(key.into())))
    }

    fn seal_in_place(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG], AeadError> {
        apart(|| {
            let tag = self
                .0
                .encrypt_inout_detached(nonce.into(), aad, buffer.into());
            tag.map(Into::into).map_err(|_| AeadError)
        })
    }

    #[cfg(feature = "fips")]
    fn seal_with_own_nonce(
        &self,
        _: &[u8],
        _: &mut [u8],
    ) -> Result<([u8; NONCE], [u8; TAG]), AeadError> {
        Err(AeadError)
    }

    fn seal_separate(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
        tag: &mut [u8; TAG],
    ) -> Result<(), AeadError> {
        let buffer = InOutBuf::new(plaintext, ciphertext).map_err(|_| AeadError)?;
        apart(|| {
            let made = self.0.encrypt_inout_detached(nonce.into(), aad, buffer);
            *tag = made.map_err(|_| AeadError)?.into();
            Ok(())
        })
    }

    fn open_in_place(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), AeadError> {
        apart(|| {
            self.0
                .decrypt_inout_detached(nonce.into(), aad, buffer.into(), tag.into())
                .map_err(|_| AeadError)
        })
    }

    fn open_separate(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG],
        plaintext: &mut [u8],
    ) -> Result<(), AeadError> {
        let buffer = InOutBuf::new(ciphertext, plaintext).map_err(|_| AeadError)?;
        apart(|| {
            self.0
                .decrypt_inout_detached(nonce.into(), aad, buffer, tag.into())
                .map_err(|_| AeadError)
        })
    }
}

/// Bytes of stack over which the cipher can have spread blocks of plaintext.
const CIPHER_STACK: usize = 8192;

/// Does the work in a stack frame of its own, and wipes the stack that it used.
fn apart<T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn call<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    let result = call(work);
    zeroize::zeroize_stack::<CIPHER_STACK>();
    result
}

/// CMAC with AES-256 (NIST SP 800-38B).
pub(crate) struct Prf(Cmac<Aes256>);

#[allow(
    clippy::unnecessary_wraps,
    reason = "the signatures are those of the other backend"
)]
impl Prf {
    pub(crate) fn new(key: &[u8; KEY]) -> Result<Self, AeadError> {
        Ok(Self(Cmac::new(key.into())))
    }

    /// The CMAC of one block.
    pub(crate) fn block(&self, block: &[u8; 16]) -> Result<Zeroizing<[u8; 16]>, AeadError> {
        let mut mac = self.0.clone();
        mac.update(block);
        let mut tag = mac.finalize().into_bytes();
        let block = Zeroizing::new(tag.into());
        tag.as_mut_slice().zeroize();
        Ok(block)
    }
}
