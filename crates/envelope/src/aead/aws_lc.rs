//! AES-256-GCM from AWS-LC.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{AeadError, KEY, NONCE};

/// Encrypts the buffer and appends the tag.
pub(crate) fn seal_in_place(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), AeadError> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let tag = cipher(key)?
        .seal_in_place_separate_tag(nonce, Aad::from(aad), buffer)
        .map_err(|_| AeadError)?;
    buffer.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Checks and removes the tag at the buffer's end and decrypts the rest.
pub(crate) fn open_in_place(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), AeadError> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(key)?
        .open_in_place(nonce, Aad::from(aad), buffer)
        .map_err(|_| AeadError)?
        .len();
    buffer.truncate(length);
    Ok(())
}

fn cipher(key: &[u8; KEY]) -> Result<LessSafeKey, AeadError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| AeadError)?;
    Ok(LessSafeKey::new(key))
}
