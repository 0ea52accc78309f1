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
}

/// What the caller showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// An API key, by its public id.
    Key(KeyId),
    /// An access token, by its `jti`.
    Token(Uuid),
}

impl Caller {
    pub(super) const fn new(
        tenant: TenantId,
        actor: Actor,
        capabilities: CapabilitySet,
        credential: Credential,
    ) -> Self {
        Self {
            tenant,
            actor,
            capabilities,
            credential,
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
}
