//! Deterministic siblings of what is random elsewhere: for test vectors, fuzzing and other
//! implementations of the format.
//!
//! # Security
//! A salt and a nonce used twice under one DEK give away both records.
//!
//! Nonces that a caller supplies are not an approved service of a FIPS module: with the feature
//! `fips`, what is sealed or wrapped here is outside what `docs/spec/envelope.md`, "FIPS", claims.

use strongroom_tenancy::TenantId;

use crate::compact::CompactKey;
use crate::context::EncryptionContext;
use crate::dek::{Dek, DekId};
use crate::errors::SealError;
use crate::header::{self, Suite};
use crate::key_ref::KeyRef;
use crate::key_wrap::KeyWrapper;
use crate::kms::WrappedDek;
use crate::provider::Provider;
use crate::purpose::Purpose;
use crate::stream_key::StreamKey;

/// Where a record's key is to be.
#[derive(Clone, Copy, Debug)]
pub enum KeyPlace<'a> {
    /// In the record, as these wraps.
    Inline(&'a [WrappedDek]),
    /// Elsewhere, under this id.
    Detached(DekId),
}

impl KeyPlace<'_> {
    fn write(self, suite: Suite, out: &mut Vec<u8>) -> Result<(), SealError> {
        match self {
            Self::Inline(wraps) => {
                header::write_inline(suite, wraps, out).map_err(|_| SealError::Wrap)
            }
            Self::Detached(id) => {
                header::write_detached(suite, &id, out);
                Ok(())
            }
        }
    }
}

/// Seals a record in the compact suite, with a given key, salt and nonce.
///
/// # Errors
/// [`SealError::Wrap`] when the wraps do not fit the header, [`SealError::Cipher`] for more than
/// [`MAX_COMPACT`](crate::MAX_COMPACT) bytes.
///
/// # Security
/// The caller answers for the DEK being what the wraps hold, and salt and nonce being fresh. With
/// the feature `fips` the nonce is the module's own, whatever is given here.
pub fn seal_compact(
    dek: &Dek,
    place: KeyPlace<'_>,
    tenant: &TenantId,
    context: &EncryptionContext,
    salt: &[u8; 16],
    nonce: &[u8; 12],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    if plaintext.len() > crate::MAX_COMPACT {
        return Err(SealError::Cipher);
    }
    let mut sealed = Vec::new();
    place.write(Suite::Compact, &mut sealed)?;
    CompactKey::new(dek, tenant)
        .seal(context, salt, nonce, plaintext, &mut sealed)
        .map_err(|_| SealError::Cipher)?;
    Ok(sealed)
}

/// Seals a record in the stream suite, of any length, with a given key and salt.
///
/// # Errors
/// [`SealError::Wrap`] when the wraps do not fit the header, [`SealError::Cipher`] when the cipher
/// fails.
///
/// # Security
/// The caller answers for the DEK being what the wraps hold, and the salt being fresh.
pub fn seal_stream(
    dek: &Dek,
    place: KeyPlace<'_>,
    tenant: &TenantId,
    context: &EncryptionContext,
    salt: &[u8; 24],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut front = Vec::new();
    place.write(Suite::Stream, &mut front)?;
    StreamKey::new(dek, tenant).seal_with(&front, context, salt, plaintext)
}

/// Puts a record's body behind these wraps, whatever they hold.
///
/// # Errors
/// [`HeaderError`](crate::HeaderError) when the bytes are not a record, or the wraps do not fit it;
/// the record is then as it was.
///
/// # Security
/// Nothing tells whether the wraps are the body's. Whoever is named in a wrap of another record's
/// key would be handed that record.
pub fn replace_wraps(wraps: &[WrappedDek], sealed: &mut Vec<u8>) -> Result<(), crate::HeaderError> {
    let (header, _) = header::Header::parse(sealed)?;
    let suite = header.suite;
    crate::recipients::replace(sealed, suite, wraps)
}

/// The value that a stored key is checked by, of a key that the caller has.
#[must_use]
pub fn kek_check(
    kek: &Dek,
    tenant: &TenantId,
    name: &KeyRef,
    version: u32,
    created_at: u64,
) -> [u8; 32] {
    *crate::kek::check(kek, tenant, name, version, created_at)
}

/// A version of a key that wraps: a local keyring's, or a tenant's KEK.
#[derive(Clone, Copy)]
pub struct WrappingKey<'a> {
    /// The key itself.
    pub bytes: &'a [u8; 32],
    /// Which of both it is.
    pub provider: Provider,
    /// Its name.
    pub name: &'a KeyRef,
    /// Its version.
    pub version: u32,
}

/// Wraps a key as the local keyring and tenants' KEKs do, with a given nonce of 24 bytes.
///
/// # Errors
/// [`SealError::Cipher`] when the cipher fails.
///
/// # Security
/// The nonce must be fresh. With the feature `fips` its last twelve bytes are the module's own,
/// whatever is given here.
pub fn wrap_with(
    key: &WrappingKey<'_>,
    tenant: &TenantId,
    nonce: &[u8; 24],
    purpose: &Purpose,
    dek: &Dek,
) -> Result<WrappedDek, SealError> {
    KeyWrapper::new(key.bytes, key.provider, tenant, key.name, key.version)?
        .wrap_with(nonce, purpose, dek)
        .map_err(|_| SealError::Cipher)
}

/// Reads a keyring's bytes as [`LocalKms`](crate::LocalKms) reads a file, and writes them again.
///
/// # Errors
/// [`KeyringError`](crate::KeyringError) as there.
#[cfg(feature = "std")]
pub fn keyring_round_trip(
    tenant: &TenantId,
    bytes: &[u8],
) -> Result<zeroize::Zeroizing<Vec<u8>>, crate::KeyringError> {
    Ok(crate::local::keyring::Keyring::decode(tenant, bytes)?.encode())
}
