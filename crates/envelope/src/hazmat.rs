//! Deterministic siblings of what is random elsewhere: for test vectors, fuzzing and other
//! implementations of the format.
//!
//! # Security
//! A salt and a nonce used twice under one DEK give away both records.

use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::body;
use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::envelope::{OpenError, SealError};
use crate::header::{self, MAX_PLAINTEXT, Sealed};
use crate::key_ref::KeyRef;
use crate::kms::WrappedDek;
use crate::local;

/// Seals a record under a given key, with given wraps, salt and nonce.
///
/// # Errors
/// [`SealError`] when the record is too long or the wraps do not fit the header.
///
/// # Security
/// The caller answers for the DEK being what the wraps hold, and salt and nonce being fresh.
pub fn seal_with(
    dek: &Dek,
    wraps: &[WrappedDek],
    tenant: &TenantId,
    context: &EncryptionContext,
    salt: &[u8; 16],
    nonce: &[u8; 12],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    if plaintext.len() > MAX_PLAINTEXT {
        return Err(SealError::PlaintextTooLong);
    }
    let mut sealed = Vec::new();
    header::write(wraps, &mut sealed).map_err(|_| SealError::Wrap)?;
    body::seal(dek, tenant, context, salt, nonce, plaintext, &mut sealed)
        .map_err(|_| SealError::Cipher)?;
    Ok(sealed)
}

/// Opens a record under a given key; the wraps are not looked at.
///
/// # Errors
/// [`OpenError::Header`] when the bytes are not a record, otherwise [`OpenError::Failed`].
pub fn open_with(
    dek: &Dek,
    tenant: &TenantId,
    context: &EncryptionContext,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let sealed = Sealed::parse(sealed)?;
    body::open(dek, tenant, context, &sealed).ok_or(OpenError::Failed)
}

/// Wraps a key as the local keyring does, with a given salt.
///
/// # Errors
/// [`SealError::Cipher`] when the cipher fails.
///
/// # Security
/// The salt makes the one key that encrypts this wrap: it must be fresh.
pub fn wrap_with(
    wrapping_key: &[u8; 32],
    tenant: &TenantId,
    key_ref: &KeyRef,
    key_version: u32,
    salt: &[u8; 16],
    dek: &Dek,
) -> Result<WrappedDek, SealError> {
    local::wrap::wrap(wrapping_key, tenant, key_ref, key_version, salt, dek)
        .map_err(|_| SealError::Cipher)
}

/// Reads a keyring's bytes as [`LocalKms::open`](crate::LocalKms::open) reads its file, and
/// writes them again.
///
/// # Errors
/// [`KeyringError`](crate::KeyringError) as there.
#[cfg(feature = "std")]
pub fn keyring_round_trip(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, crate::KeyringError> {
    Ok(local::keyring::Keyring::decode(bytes)?.encode())
}
