//! Why nothing was renewed.

use super::family::Grant;
use super::store::StoreUnavailable;
use super::token::{FamilyId, RefreshTokenError};

/// Why nothing was renewed.
///
/// # Security
/// Answer the client with `invalid_grant` (RFC 6749, section 5.2) for all of them, 503 for
/// [`Unavailable`](Self::Unavailable), and keep the [`code`](Self::code) for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// Not a refresh token's text.
    #[error(transparent)]
    Malformed(#[from] RefreshTokenError),
    /// No family of that id, or a token that it never gave out.
    #[error("refresh token: unknown")]
    Unknown,
    /// The family's newest token, shown by another client.
    #[error("refresh token: of another client")]
    WrongClient,
    /// Unused for 14 days, or 30 days after the login.
    #[error("refresh token: expired")]
    Expired,
    /// The family was revoked before.
    #[error("refresh token: revoked")]
    Revoked,
    /// A token that was used before: it or its successor is in wrong hands, and nobody can tell
    /// which. The family was revoked. Deny its session's access tokens and write an event.
    #[error("refresh token: used before; its family is revoked")]
    ReuseDetected(Box<Reuse>),
    /// The store did not answer, or too many asked at once. Whether the token was rotated is not
    /// known: the client may ask once more within the grace.
    #[error("refresh token: the store is unavailable")]
    Unavailable,
}

/// Whose token was used twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reuse {
    /// The family, revoked.
    pub family: FamilyId,
    /// What it was for.
    pub grant: Grant,
}

impl RefreshError {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "refresh_malformed",
            Self::Unknown => "refresh_unknown",
            Self::WrongClient => "refresh_wrong_client",
            Self::Expired => "refresh_expired",
            Self::Revoked => "refresh_revoked",
            Self::ReuseDetected(_) => "refresh_reuse_detected",
            Self::Unavailable => "refresh_unavailable",
        }
    }
}

impl From<StoreUnavailable> for RefreshError {
    fn from(_: StoreUnavailable) -> Self {
        Self::Unavailable
    }
}
