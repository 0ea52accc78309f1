//! Sealing and opening, with the KMS in between.

use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::body;
use crate::context::EncryptionContext;
use crate::dek::{Dek, RandomnessError};
use crate::hazmat;
use crate::header::{HeaderError, MAX_PLAINTEXT, SALT, Sealed};
use crate::key_ref::KeyRef;
use crate::kms::{Kms, KmsError, WrappedDek};

/// The most calls that [`open`] makes to a KMS.
pub const MAX_KMS_CALLS: usize = 2;

/// Why a record was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Longer than [`MAX_PLAINTEXT`].
    #[error("seal: the record is longer than 65536 bytes")]
    PlaintextTooLong,
    /// The KMS failed.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// A wrap cannot be written, or the KMS answered with one for another key.
    #[error("seal: the wrap is not for this key, or does not fit the header")]
    Wrap,
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The cipher failed.
    #[error("seal: the cipher failed")]
    Cipher,
}

/// Why a record was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not a sealed record.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The KMS was throttled or unavailable; the same call may succeed later.
    #[error(transparent)]
    Kms(KmsError),
    /// The record does not open: altered, for another tenant or context, under a key that is not
    /// allowed or is gone. Which, is not said.
    #[error("open: failed")]
    Failed,
}

/// Seals a record under a fresh key, which the tenant's `key` wraps.
///
/// # Errors
/// [`SealError`] when the record is too long, or the KMS or the randomness fails.
///
/// # Security
/// The record's length and the key's name stay visible. The context is authenticated, not stored.
pub async fn seal(
    kms: &dyn Kms,
    key: &KeyRef,
    tenant: &TenantId,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    if plaintext.len() > MAX_PLAINTEXT {
        return Err(SealError::PlaintextTooLong);
    }
    let dek = Dek::generate()?;
    let wrap = kms.wrap(tenant, key, &dek).await?;
    if wrap.key_ref != *key {
        return Err(SealError::Wrap);
    }
    let (mut salt, mut nonce) = ([0; SALT], [0; 12]);
    getrandom::fill(&mut salt).map_err(|_| RandomnessError)?;
    getrandom::fill(&mut nonce).map_err(|_| RandomnessError)?;
    hazmat::seal_with(&dek, &[wrap], tenant, context, &salt, &nonce, plaintext)
}

/// Opens a record for the tenant and context that the caller expects it to be for.
///
/// A wrap that names a key outside `allowed` is passed over without a call, and at most
/// [`MAX_KMS_CALLS`] calls are made, whatever the record says.
///
/// # Errors
/// [`OpenError::Header`] when the bytes are not a record, [`OpenError::Kms`] when a later try may
/// succeed, and [`OpenError::Failed`] for everything else.
///
/// # Security
/// Take `tenant` and `context` from what the caller is allowed to see, never from the record or
/// from beside it.
pub async fn open(
    kms: &dyn Kms,
    allowed: &[KeyRef],
    tenant: &TenantId,
    context: &EncryptionContext,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let sealed = Sealed::parse(sealed)?;
    let mut retryable = None;
    let candidates = sealed
        .wraps()
        .filter(|wrap| allowed.iter().any(|key| key.as_str() == wrap.key_ref))
        .filter_map(|wrap| wrap.to_wrapped());
    for wrapped in candidates.take(MAX_KMS_CALLS) {
        match kms.unwrap(tenant, &wrapped).await {
            Ok(dek) => {
                if let Some(plaintext) = body::open(&dek, tenant, context, &sealed) {
                    return Ok(plaintext);
                }
            }
            Err(error) if error.is_retryable() => retryable = Some(error),
            Err(_) => {}
        }
    }
    Err(retryable.map_or(OpenError::Failed, OpenError::Kms))
}

/// Reads a record's wraps, to see under which keys and versions it is sealed.
///
/// # Errors
/// [`HeaderError`] when the bytes are not a record.
///
/// # Security
/// Nothing here has been authenticated.
pub fn read_wraps(sealed: &[u8]) -> Result<Vec<WrappedDek>, HeaderError> {
    let sealed = Sealed::parse(sealed)?;
    Ok(sealed
        .wraps()
        .filter_map(|wrap| wrap.to_wrapped())
        .collect())
}
