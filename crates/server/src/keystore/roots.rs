//! Root keys: which KMS holds a tenant's.

use std::collections::HashMap;
use std::sync::Arc;

use strongroom_envelope::{KekRecord, KeyRef, Kms, Recipient, SealError};
use strongroom_tenancy::TenantId;

/// Where each tenant's root key is: in the platform's KMS, unless the tenant brought its own.
pub struct Roots {
    default: Root,
    own: HashMap<TenantId, Root>,
}

/// A root key: its KMS, and its name there.
pub(crate) struct Root {
    kms: Arc<dyn Kms>,
    key: KeyRef,
}

impl Roots {
    /// Every tenant's root key in one KMS, each under the same name.
    #[must_use]
    pub fn new(kms: Arc<dyn Kms>, key: KeyRef) -> Self {
        Self {
            default: Root { kms, key },
            own: HashMap::new(),
        }
    }

    /// The same, but for one tenant that brought a KMS of its own.
    #[must_use]
    pub fn with_own(mut self, tenant: TenantId, kms: Arc<dyn Kms>, key: KeyRef) -> Self {
        self.own.insert(tenant, Root { kms, key });
        self
    }

    pub(crate) fn of(&self, tenant: &TenantId) -> &Root {
        self.own.get(tenant).unwrap_or(&self.default)
    }

    /// Makes a KEK version, wrapped by the tenant's root key. `now` is in Unix seconds.
    pub(crate) async fn kek(
        &self,
        tenant: &TenantId,
        name: &KeyRef,
        version: u32,
        now: u64,
    ) -> Result<KekRecord, SealError> {
        let root = self.of(tenant).recipient();
        KekRecord::generate(root, tenant, name, version, now).await
    }
}

impl Root {
    pub(crate) fn recipient(&self) -> Recipient<'_> {
        Recipient::new(self.kms.as_ref(), &self.key)
    }
}
