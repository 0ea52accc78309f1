//! The stored record of a key, and its check.

use std::net::IpAddr;

use strongroom_tenancy::{ActorId, CapabilitySet, TenantId};

use crate::shown::Shown;
use crate::{
    ApiKey, Environment, Grant, HashedKey, Hasher, IssueError, KeyId, Networks, Retirement,
};

/// What a server stores of one key, found by its id.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Whose key it is.
    pub tenant: TenantId,
    /// What the record is found by.
    pub id: KeyId,
    /// Whom requests with the key are made by, where the server says so.
    pub actor: Option<ActorId>,
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
    /// From where the key may be used.
    pub networks: Networks,
    /// When another key takes its place, once it was rotated.
    pub retirement: Option<Retirement>,
}

/// From where and when a key is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The present time, in Unix seconds.
    pub now: u64,
    /// The peer's address; a key that is limited to networks is refused without one.
    ///
    /// # Security
    /// A proxy's word for it must come from a proxy that is trusted.
    pub address: Option<IpAddr>,
}

/// The evidence that a presented key is genuine, live and bound to a tenant; only
/// [`KeyRecord::authenticate`] makes it.
#[derive(Clone, Debug)]
pub struct VerifiedKey {
    tenant: TenantId,
    id: KeyId,
    actor: Option<ActorId>,
    environment: Environment,
    capabilities: CapabilitySet,
    expires_at: Option<u64>,
    /// Seldom there, and not to be carried around by every request.
    rehashed: Option<Box<HashedKey>>,
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
    /// Another key has taken its place, and the overlap is over.
    Retired,
    /// The key may not be used from there, or the peer's address is not known.
    AddressDenied,
    /// The pepper that the stored hash names is not among those of the server.
    PepperUnknown,
    /// The key could not be checked, and nothing is known of it: the database did not answer, or
    /// there is no lease. To be answered as such (503), and not as a refusal.
    Unavailable,
}

impl KeyError {
    /// Whether the key itself was shown, and refused for what its record says.
    #[must_use]
    pub const fn is_of_a_genuine_key(&self) -> bool {
        matches!(
            self,
            Self::Revoked | Self::Expired | Self::Retired | Self::AddressDenied
        )
    }

    /// The refusal's stable name (`docs/spec/api-key.md`, section 6).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Mismatch => "mismatch",
            Self::WrongEnvironment => "wrong-environment",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Retired => "retired",
            Self::AddressDenied => "address-denied",
            Self::PepperUnknown => "pepper-unknown",
            Self::Unavailable => "unavailable",
        }
    }
}

impl KeyRecord {
    /// Makes the record of a new key that may be used from anywhere, hashed by SHA-256.
    ///
    /// `issuer` is what the caller who asks for the key may do: a key can only narrow it.
    /// `expires_at` is in Unix seconds. [`KeyRecord::issue_under`] takes all that a key can be
    /// bound to.
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
        let grant = |capabilities| Grant {
            tenant,
            environment: key.environment(),
            capabilities,
            expires_at,
            networks: Networks::Anywhere,
        };
        let (requested, issuer) = (grant(requested), grant(*issuer));
        Self::issue_under(key, requested, &issuer, &Hasher::default())
    }

    /// Makes the record of a new key, bound to no more than its issuer is.
    ///
    /// # Errors
    /// [`IssueError`] names what would be wider than the issuer's.
    pub fn issue_under(
        key: &ApiKey,
        requested: Grant,
        issuer: &Grant,
        hasher: &Hasher,
    ) -> Result<Self, IssueError> {
        requested.require_within(issuer)?;
        if requested.environment != key.environment() {
            return Err(IssueError::OtherEnvironment);
        }
        Ok(Self::of(key.id().clone(), requested, hasher.hash(key)))
    }

    /// All that the key is bound to.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant {
            tenant: self.tenant,
            environment: self.environment,
            capabilities: self.capabilities,
            expires_at: self.expires_at,
            networks: self.networks.clone(),
        }
    }

    /// Checks a presented key against the record that was found by its id, where there are neither
    /// peppers nor addresses: a record that needs one refuses.
    ///
    /// `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`KeyError`], for the log; the outside gets one answer.
    pub fn authenticate<'a>(
        &self,
        presented: impl Into<Shown<'a>>,
        now: u64,
    ) -> Result<VerifiedKey, KeyError> {
        let visit = Visit { now, address: None };
        self.authenticate_visit(presented, &Hasher::default(), &visit)
    }

    /// Checks a presented key against the record that was found by its id.
    ///
    /// The hashes are compared first, in constant time: nothing else of the record is told to
    /// who does not hold the key.
    ///
    /// # Errors
    /// [`KeyError`], for the log; the outside gets one answer.
    pub fn authenticate_visit<'a>(
        &self,
        presented: impl Into<Shown<'a>>,
        hasher: &Hasher,
        visit: &Visit,
    ) -> Result<VerifiedKey, KeyError> {
        let presented = presented.into();
        let matches = self.hash.matches(presented.text, hasher);
        let matches = matches.ok_or(KeyError::PepperUnknown)?;
        if !bool::from(matches) || self.id != *presented.id {
            return Err(KeyError::Mismatch);
        }
        if presented
            .environment
            .is_some_and(|shown| shown != self.environment)
        {
            return Err(KeyError::WrongEnvironment);
        }
        self.require_accepted(visit)?;
        let is_outdated = hasher.is_outdated(&self.hash);
        Ok(VerifiedKey {
            tenant: self.tenant,
            id: self.id.clone(),
            actor: self.actor,
            environment: self.environment,
            capabilities: self.capabilities,
            expires_at: self.expires_at,
            rehashed: is_outdated.then(|| Box::new(hasher.hash_text(presented.text))),
        })
    }

    /// Checks whether the key is accepted at all, now and from there: for what was issued on it, such
    /// as an access token. It does not show that anybody holds the key.
    ///
    /// # Errors
    /// [`KeyError`], for the log.
    pub fn require_accepted(&self, visit: &Visit) -> Result<(), KeyError> {
        if self.revoked_at.is_some() {
            return Err(KeyError::Revoked);
        }
        if self.expires_at.is_some_and(|end| visit.now >= end) {
            return Err(KeyError::Expired);
        }
        if self
            .retirement
            .as_ref()
            .is_some_and(|end| visit.now >= end.at)
        {
            return Err(KeyError::Retired);
        }
        let is_near = |address| self.networks.hold(address);
        if self.networks != Networks::Anywhere && !visit.address.is_some_and(is_near) {
            return Err(KeyError::AddressDenied);
        }
        Ok(())
    }

    pub(crate) fn of(id: KeyId, grant: Grant, hash: HashedKey) -> Self {
        Self {
            tenant: grant.tenant,
            id,
            actor: None,
            environment: grant.environment,
            hash,
            capabilities: grant.capabilities,
            expires_at: grant.expires_at,
            revoked_at: None,
            networks: grant.networks,
            retirement: None,
        }
    }
}

/// Refuses a key whose id has no record, at the price of one that has, where there are no peppers.
///
/// Without the comparison, an answer that comes sooner would tell which ids exist.
#[must_use]
pub fn reject_unknown(presented: &ApiKey) -> KeyError {
    Hasher::default().reject_unknown(presented)
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

    /// Whom requests with the key are made by, where the server says so.
    #[must_use]
    pub const fn actor(&self) -> Option<ActorId> {
        self.actor
    }

    /// The first second in which the key is no longer accepted, in Unix seconds.
    #[must_use]
    pub const fn expires_at(&self) -> Option<u64> {
        self.expires_at
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

    /// The key, hashed as keys are now: to be stored in the place of the hash that it was checked
    /// against, which is an older one.
    #[must_use]
    pub fn rehashed(&self) -> Option<&HashedKey> {
        self.rehashed.as_deref()
    }
}
