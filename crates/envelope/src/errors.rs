//! Why a record was not sealed or opened.

use crate::dek::RandomnessError;
use crate::header::HeaderError;
use crate::kms::KmsError;

/// Why a record was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The data key was loaded for another tenant.
    #[error("seal: the data key is another tenant's")]
    Tenant,
    /// The data key has sealed as much as its limits allow.
    #[error("seal: the data key has reached its limits")]
    Spent,
    /// There are no recipients, or more than [`MAX_WRAPS`](crate::MAX_WRAPS).
    #[error("seal: expected 1 to 16 recipients")]
    Recipients,
    /// A KMS failed.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// A KMS answered with a wrap for another key, or one that does not fit the header.
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
    /// The record's key is not in it; load it by its id.
    #[error("open: the record's key is kept elsewhere, under its id")]
    Detached,
    /// The KMS was throttled or unavailable; the same call may succeed later.
    #[error(transparent)]
    Kms(KmsError),
    /// The record does not open: altered, for another tenant or context, under a key that is not
    /// allowed or is gone. Which, is not said.
    #[error("open: failed")]
    Failed,
}
