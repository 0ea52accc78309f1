//! What a document is put through.

use std::fmt;

use strongroom_pii::{LinkingKey, Policy, Restorer, Vault};
use strongroom_tenancy::TenantId;

/// A tenant's policy, and what its operators need.
///
/// ```
/// use strongroom_llm_wire::{ChatRequest, Guard};
/// use strongroom_pii::{MemoryVault, Policy};
/// use strongroom_tenancy::TenantId;
///
/// let policy = Policy::from_toml(r#"
/// version = 1
/// [[rules]]
/// tenant = "*"
/// class = "contact.email"
/// channel = "prompt"
/// mode = "reversible"
/// "#)?;
/// let (tenant, vault) = (TenantId::PLATFORM, MemoryVault::new());
/// let body = br#"{"model":"m","messages":[{"role":"user","content":"mail ann@example.com"}]}"#;
/// let guard = Guard::new(&policy, &tenant).with_vault(&vault);
/// let request = ChatRequest::parse(body)?.redact_with(&guard)?;
/// assert_eq!(vault.len(), 1);
/// assert!(!String::from_utf8(request.upstream_body())?.contains("[EMAIL]"));
/// assert!(String::from_utf8_lossy(request.audit_body()).contains("mail [EMAIL]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Guard<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) tenant: &'a TenantId,
    pub(crate) vault: Option<&'a dyn Vault>,
    pub(crate) linking_key: Option<&'a LinkingKey>,
    pub(crate) tokens: Option<&'a Restorer>,
}

impl<'a> Guard<'a> {
    /// A policy alone.
    #[must_use]
    pub const fn new(policy: &'a Policy, tenant: &'a TenantId) -> Self {
        Self {
            policy,
            tenant,
            vault: None,
            linking_key: None,
            tokens: None,
        }
    }

    /// With a vault, which reversible rules need.
    #[must_use]
    pub const fn with_vault(mut self, vault: &'a dyn Vault) -> Self {
        self.vault = Some(vault);
        self
    }

    /// With a key, which the operator `hmac` needs.
    #[must_use]
    pub const fn with_linking_key(mut self, key: &'a LinkingKey) -> Self {
        self.linking_key = Some(key);
        self
    }

    /// With the tokens of the conversation: what is written down of an answer has their labels,
    /// whatever the model made of them.
    #[must_use]
    pub const fn with_tokens(mut self, tokens: &'a Restorer) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("policy", &self.policy)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
