//! How the local keyring wraps a key (`docs/spec/envelope.md`, "Local wrap").

use strongroom_tenancy::TenantId;
#[cfg(feature = "std")]
use zeroize::Zeroizing;

use crate::aead::{self, AeadError};
use crate::dek::Dek;
use crate::derive::{LOCAL_WRAP_KEY, derive};
use crate::key_ref::KeyRef;
use crate::kms::WrappedDek;

/// The local keyring's provider number.
pub(crate) const PROVIDER: u8 = 1;

pub(crate) const SALT: usize = 16;

/// Each salt makes a key that encrypts one wrap, so the nonce can be constant; this keeps the
/// wrapping key clear of the 2^32 limit on random nonces (NIST SP 800-38D, section 8.3).
const NONCE: [u8; aead::NONCE] = [0; aead::NONCE];

pub(crate) fn wrap(
    wrapping_key: &[u8; 32],
    tenant: &TenantId,
    key_ref: &KeyRef,
    key_version: u32,
    salt: &[u8; SALT],
    dek: &Dek,
) -> Result<WrappedDek, AeadError> {
    let key = derive(wrapping_key, &[LOCAL_WRAP_KEY.as_bytes(), salt]);
    let aad = WrappedDek::associated_data(PROVIDER, tenant, key_ref, key_version);
    let mut body = Vec::with_capacity(aead::KEY + aead::TAG);
    body.extend_from_slice(dek.expose_bytes());
    aead::seal_in_place(&key, &NONCE, &aad, &mut body)?;
    Ok(WrappedDek {
        provider: PROVIDER,
        key_ref: key_ref.clone(),
        key_version,
        bytes: [salt.as_slice(), &body].concat(),
    })
}

#[cfg(feature = "std")]
pub(crate) fn unwrap(
    wrapping_key: &[u8; 32],
    tenant: &TenantId,
    wrapped: &WrappedDek,
) -> Result<Dek, AeadError> {
    let (salt, body) = wrapped.bytes.split_first_chunk::<SALT>().ok_or(AeadError)?;
    let key = derive(wrapping_key, &[LOCAL_WRAP_KEY.as_bytes(), salt]);
    let aad = WrappedDek::associated_data(
        wrapped.provider,
        tenant,
        &wrapped.key_ref,
        wrapped.key_version,
    );
    let mut body = Zeroizing::new(body.to_vec());
    aead::open_in_place(&key, &NONCE, &aad, &mut body)?;
    let dek = <&[u8; 32]>::try_from(body.as_slice()).map_err(|_| AeadError)?;
    Ok(Dek::from_bytes(dek))
}
