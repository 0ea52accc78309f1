//! The stored record of a key, and its check.

use strongroom_tenancy::{CapabilitySet, TenantId};

use crate::{ApiKey, Environment, HashedKey, KeyId};

/// What a server stores of one key, found by its id.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Whose key it is.
    pub tenant: TenantId,
    /// What the record is found by.
    pub id: KeyId,
    /// What the key opens.
    pub environment: Environment,
    /// The key, hashed.
    pub hash: HashedKey,
    /// What the key allows.
    pub capabilities: CapabilitySet,
    /// The first second in which the key is no longer accepted, in Unix seconds.
    pub expires_at: Option<u64>,
    /// When the key was revoked, in Unix seconds. Any value revokes, a future one too: another
    /// node's clock may be ahead.
    pub revoked_at: Option<u64>,
}

/// The evidence that a presented key is genuine, live and bound to a tenant; only
/// [`KeyRecord::authenticate`] makes it.
#[derive(Clone, Debug)]
pub struct VerifiedKey {
    tenant: TenantId,
    id: KeyId,
    environment: Environment,
    capabilities: CapabilitySet,
}

/// Why a key cannot be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A key that allows nothing is a mistake.
    #[error("api key: no capability requested")]
    NoCapability,
    /// The issuer lacks a capability that is requested.
    #[error("api key: a capability is requested that the issuer does not hold")]
    BeyondIssuer,
}

/// Why a presented key is refused: for the log.
///
/// # Security
/// The outside gets one answer for all of them, and the texts are one text for that reason: who
/// tries keys must not learn which ids exist. [`code`](Self::code) tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the api key is not accepted")]
#[non_exhaustive]
pub enum KeyError {
    /// No record has this id.
    Unknown,
    /// The record is of another key.
    Mismatch,
    /// The record is of the other environment.
    WrongEnvironment,
    /// The key was revoked.
    Revoked,
    /// The key has expired.
    Expired,
}

impl KeyError {
    /// The refusal's stable name (`docs/spec/api-key.md`, section 5).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Mismatch => "mismatch",
            Self::WrongEnvironment => "wrong-environment",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl KeyRecord {
    /// Makes the record of a new key.
    ///
    /// `issuer` is what the caller who asks for the key may do: a key can only narrow it.
    /// `expires_at` is in Unix seconds.
    ///
    /// # Errors
    /// [`IssueError`] when nothing is requested, or something that the issuer does not hold.
    pub fn issue(
        key: &ApiKey,
        tenant: TenantId,
        requested: CapabilitySet,
        issuer: &CapabilitySet,
        expires_at: Option<u64>,
    ) -> Result<Self, IssueError> {
        if requested.is_empty() {
            return Err(IssueError::NoCapability);
        }
        if !requested.is_subset_of(issuer) {
            return Err(IssueError::BeyondIssuer);
        }
        Ok(Self {
            tenant,
            id: key.id().clone(),
            environment: key.environment(),
            hash: key.hash(),
            capabilities: requested,
            expires_at,
            revoked_at: None,
        })
    }

    /// Checks a presented key against the record that was found by its id.
    ///
    /// The hashes are compared first, in constant time: nothing else of the record is told to
    /// who does not hold the key. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`KeyError`], for the log; the outside gets one answer.
    pub fn authenticate(&self, presented: &ApiKey, now: u64) -> Result<VerifiedKey, KeyError> {
        if !bool::from(self.hash.matches(presented)) || self.id != *presented.id() {
            return Err(KeyError::Mismatch);
        }
        if self.environment != presented.environment() {
            return Err(KeyError::WrongEnvironment);
        }
        if self.revoked_at.is_some() {
            return Err(KeyError::Revoked);
        }
        if self.expires_at.is_some_and(|end| now >= end) {
            return Err(KeyError::Expired);
        }
        Ok(VerifiedKey {
            tenant: self.tenant,
            id: self.id.clone(),
            environment: self.environment,
            capabilities: self.capabilities,
        })
    }
}

/// Refuses a key whose id has no record, at the price of one that has.
///
/// Without the comparison, an answer that comes sooner would tell which ids exist.
#[must_use]
pub fn reject_unknown(presented: &ApiKey) -> KeyError {
    let _ = std::hint::black_box(HashedKey::NOBODY.matches(presented));
    KeyError::Unknown
}

impl VerifiedKey {
    /// Whose key it is.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// What the key allows.
    #[must_use]
    pub const fn capabilities(&self) -> &CapabilitySet {
        &self.capabilities
    }

    /// What the key opens.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }
}
