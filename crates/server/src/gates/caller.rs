//! The caller: who asks, for which tenant, and what they may do.

use strongroom_apikey::KeyId;
use strongroom_tenancy::{Actor, CapabilitySet, TenantId};
use uuid::Uuid;

/// The evidence that a credential was accepted; only the authenticate gate makes it.
#[derive(Clone, Debug)]
pub struct Caller {
    tenant: TenantId,
    actor: Actor,
    capabilities: CapabilitySet,
    credential: Credential,
    expires_at: Option<u64>,
}

/// What the caller showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// An API key, by its public id.
    Key(KeyId),
    /// An access token, by its `jti`.
    Token {
        /// The `jti`.
        id: Uuid,
        /// The login that it came from, its `sid`.
        session: Uuid,
        /// The API key that it was exchanged for; none when a login gave it.
        key: Option<KeyId>,
        /// Its `iat`.
        issued_at: u64,
        /// Its tenant's epoch when it was minted.
        epoch: u64,
    },
}

impl Caller {
    pub(super) const fn new(
        tenant: TenantId,
        actor: Actor,
        capabilities: CapabilitySet,
        credential: Credential,
        expires_at: Option<u64>,
    ) -> Self {
        Self {
            tenant,
            actor,
            capabilities,
            credential,
            expires_at,
        }
    }

    /// Whose data the caller may reach.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who asks.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What the caller may do.
    #[must_use]
    pub const fn capabilities(&self) -> &CapabilitySet {
        &self.capabilities
    }

    /// What the caller showed.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The API key that all of it comes from: the one shown, or the one behind the token; none
    /// behind a login.
    #[must_use]
    pub const fn key(&self) -> Option<&KeyId> {
        match &self.credential {
            Credential::Key(key) => Some(key),
            Credential::Token { key, .. } => key.as_ref(),
        }
    }

    /// When the credential ends, in Unix seconds; never when absent.
    #[must_use]
    pub const fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }
}
