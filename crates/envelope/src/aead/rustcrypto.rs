//! AES-256-GCM from RustCrypto.

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};

use super::{AeadError, KEY, NONCE, TAG};

/// Encrypts the buffer and appends the tag.
pub(crate) fn seal_in_place(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), AeadError> {
    let tag = Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), aad, buffer.as_mut_slice().into())
        .map_err(|_| AeadError)?;
    buffer.extend_from_slice(&tag);
    Ok(())
}

/// Checks and removes the tag at the buffer's end and decrypts the rest.
pub(crate) fn open_in_place(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), AeadError> {
    let (body, tag) = buffer.split_last_chunk_mut::<TAG>().ok_or(AeadError)?;
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(nonce.into(), aad, body.into(), (&*tag).into())
        .map_err(|_| AeadError)?;
    let length = body.len();
    buffer.truncate(length);
    Ok(())
}
