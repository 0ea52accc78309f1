//! A tenant's key-encryption keys, unwrapped: wraps and unwraps DEKs without a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::ready;

use strongroom_tenancy::TenantId;

use crate::dek::Dek;
use crate::envelope::Recipient;
use crate::kek::{KekRecord, KekState};
use crate::key_ref::KeyRef;
use crate::key_wrap::{KeyWrapper, Session};
use crate::kms::{KeyDescription, KeyState, Kms, KmsError, KmsFuture, WrappedDek};
use crate::provider::Provider;
use crate::purpose::Purpose;

/// Key-encryption keys of one tenant, held in memory: a [`Kms`] whose calls do not wait.
///
/// Load it from stored records, once for as long as a cached key may live, and drop it to forget
/// them. The highest active version of a name wraps.
///
/// ```
/// # use strongroom_envelope::{KeyAdmin, LocalKms};
/// use strongroom_envelope::{Dek, DekId, KekRecord, KeyRef, Purpose, Recipient, TenantKeys};
/// use strongroom_tenancy::TenantId;
///
/// # let directory = tempfile::tempdir()?;
/// # let kms = LocalKms::create(directory.path().join("keys"))?;
/// # let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
/// # let root: KeyRef = "root".parse()?;
/// # let now = 1_790_000_000;
/// # pollster::block_on(async {
/// # kms.create(&tenant, &root).await?;
/// let name: KeyRef = "tenant".parse()?;
/// let root = Recipient::new(&kms, &root);
/// let record = KekRecord::generate(root, &tenant, &name, 1, now).await?; // to be stored
/// let keys = TenantKeys::load(root, &tenant, &[record]).await?;
///
/// let (dek, id) = (Dek::generate()?, DekId::generate()?);
/// let wrapped = keys.wrap_now(&name, &Purpose::Dek(id), &dek)?; // to be stored under the id
/// assert_eq!(keys.unwrap_now(&Purpose::Dek(id), &wrapped)?.expose_bytes(), dek.expose_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TenantKeys {
    tenant: TenantId,
    keys: BTreeMap<KeyRef, BTreeMap<u32, Kek>>,
}

struct Kek {
    wrapper: KeyWrapper,
    session: Session,
    is_active: bool,
}

impl TenantKeys {
    /// Unwraps the records with the tenant's root key. Tombstones are passed over, once they are
    /// known to stand alone.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] for a record of another tenant, or one that another key than `root`
    /// wraps; [`KmsError::ContextMismatch`] when a record does not hold the key that it says, has
    /// version 0, or has the name and version of another, which may be a tombstone; what the KMS
    /// says. Nothing is loaded then.
    ///
    /// # Security
    /// What is loaded is what the store says today: an old record that somebody wrote back, in
    /// place of the new one or of its tombstone, is not told from the one that it was. After
    /// crypto-shredding, a kept copy of a record opens all that lies under it, for as long as the
    /// root key that wraps it is there.
    pub async fn load(
        root: Recipient<'_>,
        tenant: &TenantId,
        records: &[KekRecord],
    ) -> Result<Self, KmsError> {
        let mut keys = BTreeMap::<_, BTreeMap<_, _>>::new();
        let mut seen = BTreeSet::new();
        for record in records {
            if record.version == 0 || !seen.insert((&record.name, record.version)) {
                return Err(KmsError::ContextMismatch);
            }
        }
        for record in records {
            if record.tenant != *tenant {
                return Err(KmsError::NotFound);
            }
            if record.state == KekState::Destroyed {
                continue;
            }
            let key = record.unwrap(root, tenant).await?;
            let wrapper = KeyWrapper::new(
                key.expose_bytes(),
                Provider::TENANT_KEK,
                tenant,
                &record.name,
                record.version,
            )?;
            let kek = Kek {
                session: wrapper.session()?,
                wrapper,
                is_active: record.state == KekState::Active,
            };
            let versions = keys.entry(record.name.clone()).or_default();
            versions.insert(record.version, kek);
        }
        Ok(Self {
            tenant: *tenant,
            keys,
        })
    }

    /// Whose keys these are.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Wraps a key under the active version of `name`.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] when there is none, [`KmsError::Unavailable`] without randomness.
    pub fn wrap_now(
        &self,
        name: &KeyRef,
        purpose: &Purpose,
        dek: &Dek,
    ) -> Result<WrappedDek, KmsError> {
        let (_, kek) = self.active(name)?;
        kek.wrapper.wrap_in(&kek.session, purpose, dek)
    }

    /// Unwraps a key under the version that the wrap names.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] when that version is not here, [`KmsError::ContextMismatch`] when
    /// the wrap does not hold.
    pub fn unwrap_now(&self, purpose: &Purpose, wrapped: &WrappedDek) -> Result<Dek, KmsError> {
        if wrapped.provider != Provider::TENANT_KEK {
            return Err(KmsError::NotFound);
        }
        let versions = self.keys.get(&wrapped.key_ref);
        let kek = versions.and_then(|versions| versions.get(&wrapped.key_version));
        kek.ok_or(KmsError::NotFound)?
            .wrapper
            .unwrap(purpose, wrapped)
    }

    /// Wraps again, under the active version of the same name.
    ///
    /// # Errors
    /// As [`wrap_now`](Self::wrap_now) and [`unwrap_now`](Self::unwrap_now).
    pub fn rewrap_now(
        &self,
        purpose: &Purpose,
        wrapped: &WrappedDek,
    ) -> Result<WrappedDek, KmsError> {
        let dek = self.unwrap_now(purpose, wrapped)?;
        self.wrap_now(&wrapped.key_ref, purpose, &dek)
    }

    /// The version of `name` that wraps.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] when there is none.
    pub fn active_version(&self, name: &KeyRef) -> Result<u32, KmsError> {
        Ok(self.active(name)?.0)
    }

    fn active(&self, name: &KeyRef) -> Result<(u32, &Kek), KmsError> {
        let versions = self.keys.get(name).into_iter().flatten();
        let active = versions.rev().find(|(_, kek)| kek.is_active);
        let (version, kek) = active.ok_or(KmsError::NotFound)?;
        Ok((*version, kek))
    }

    fn check_tenant(&self, tenant: &TenantId) -> Result<(), KmsError> {
        if *tenant == self.tenant {
            Ok(())
        } else {
            Err(KmsError::NotFound)
        }
    }
}

impl Kms for TenantKeys {
    fn provider(&self) -> Provider {
        Provider::TENANT_KEK
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        let checked = self.check_tenant(tenant);
        Box::pin(ready(
            checked.and_then(|()| self.wrap_now(key, purpose, dek)),
        ))
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        let checked = self.check_tenant(tenant);
        Box::pin(ready(
            checked.and_then(|()| self.unwrap_now(purpose, wrapped)),
        ))
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        let version = self
            .check_tenant(tenant)
            .and_then(|()| self.active_version(key));
        Box::pin(ready(version.map(|active_version| KeyDescription {
            state: KeyState::Enabled,
            active_version,
        })))
    }
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKeys")
            .field("tenant", &self.tenant)
            .field("names", &self.keys.len())
            .finish_non_exhaustive()
    }
}
