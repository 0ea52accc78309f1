//! What a key is bound to, which only narrows.

use strongroom_tenancy::{CapabilitySet, TenantId};

use crate::{Environment, Networks};

/// All that a key is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose key it is.
    pub tenant: TenantId,
    /// What it opens.
    pub environment: Environment,
    /// What it allows.
    pub capabilities: CapabilitySet,
    /// The first second in which it is no longer accepted, in Unix seconds.
    pub expires_at: Option<u64>,
    /// From where it may be used.
    pub networks: Networks,
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
    /// The issuer is of another tenant.
    #[error("api key: the issuer is of another tenant")]
    OtherTenant,
    /// The environment is not the issuer's, nor `test` under a `live` one.
    #[error("api key: the environment is not the issuer's")]
    OtherEnvironment,
    /// It would be accepted for longer than its issuer.
    #[error("api key: it would outlive its issuer")]
    OutlivesIssuer,
    /// It could be used from where the issuer cannot.
    #[error("api key: a network is requested that the issuer is not limited to")]
    BeyondNetworks,
}

impl Grant {
    /// Holds when a key of this grant may be issued by someone who holds `issuer`.
    ///
    /// # Errors
    /// [`IssueError`] names the first thing that would be wider.
    pub fn require_within(&self, issuer: &Self) -> Result<(), IssueError> {
        if self.capabilities.is_empty() {
            return Err(IssueError::NoCapability);
        }
        if self.tenant != issuer.tenant {
            return Err(IssueError::OtherTenant);
        }
        if self.environment != issuer.environment && self.environment != Environment::Test {
            return Err(IssueError::OtherEnvironment);
        }
        if !self.capabilities.is_subset_of(&issuer.capabilities) {
            return Err(IssueError::BeyondIssuer);
        }
        if !ends_within(self.expires_at, issuer.expires_at) {
            return Err(IssueError::OutlivesIssuer);
        }
        if !self.networks.are_within(&issuer.networks) {
            return Err(IssueError::BeyondNetworks);
        }
        Ok(())
    }
}

/// Whether one end is no later than another; `None` is never.
const fn ends_within(own: Option<u64>, limit: Option<u64>) -> bool {
    match (own, limit) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(limit)) => own <= limit,
    }
}
