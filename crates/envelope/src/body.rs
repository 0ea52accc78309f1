//! The body: one record under one message key, committed to before it is decrypted.

use strongroom_tenancy::TenantId;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::aead::{self, AeadError};
use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::derive::derive_message_keys;
use crate::header::{PREFIX, SALT, Sealed};

/// Writes salt, commitment, nonce, ciphertext and tag.
pub(crate) fn seal(
    dek: &Dek,
    tenant: &TenantId,
    context: &EncryptionContext,
    salt: &[u8; SALT],
    nonce: &[u8; aead::NONCE],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), AeadError> {
    let keys = derive_message_keys(dek, tenant, context, salt);
    // With room for the tag from the start, the plaintext is encrypted where it was copied to.
    let mut body = Zeroizing::new(Vec::with_capacity(plaintext.len() + aead::TAG));
    body.extend_from_slice(plaintext);
    aead::seal_in_place(&keys.key, nonce, &PREFIX, &mut body)?;
    out.extend_from_slice(salt);
    out.extend_from_slice(&keys.commitment);
    out.extend_from_slice(nonce);
    out.extend_from_slice(&body);
    Ok(())
}

/// Opens a record; `None` when it was not sealed under this key, for this tenant and context.
pub(crate) fn open(
    dek: &Dek,
    tenant: &TenantId,
    context: &EncryptionContext,
    sealed: &Sealed<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let keys = derive_message_keys(dek, tenant, context, sealed.salt);
    if !bool::from(keys.commitment.ct_eq(sealed.commitment)) {
        return None;
    }
    let mut body = Zeroizing::new(sealed.body.to_vec());
    aead::open_in_place(&keys.key, sealed.nonce, &PREFIX, &mut body).ok()?;
    Some(body)
}
