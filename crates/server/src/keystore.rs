//! Each tenant's keys at rest: unwrapped once, kept in memory, used under the generation's lease.
//!
//! A tenant's root key is in its KMS. It wraps the versions of the tenant's key-encryption keys
//! (KEKs), which are rows; these wrap data keys. A credential carries a data key of its own; bulk
//! payloads share one that is a row too, and name it.
//!
//! What is kept of a tenant is dropped when something of that tenant is revoked, and is used
//! under the lease and in the generation that it was loaded under, never otherwise
//! ([`crate::generations`]).

mod cache;
mod data_keys;
mod erasures;
mod inner;
mod records;
mod roots;
mod rotations;
mod shredding;

use std::sync::Arc;

use strongroom_envelope::{
    DekId, EncryptionContext, KekRecord, KeyLocation, KeyRef, KeyRefError, Plaintext, TenantKeys,
    inspect,
};
use strongroom_tenancy::TenantId;

use self::cache::{Cache, Whose};
use self::inner::{Inner, wrap_of};
use crate::clock::Clock;
use crate::generations::Generations;
use crate::postgres::{CommitError, Job, QueryError, TenantTx};

pub use data_keys::{MAX_AGE, MAX_BYTES, MAX_MESSAGES};
pub use records::RecordError;
pub use roots::Roots;
pub use rotations::{Exposed, RotationError};
pub use shredding::{Destroyed, Doomed};

/// The name of each tenant's root key in its KMS.
pub const ROOT: &str = "root";

/// The name of each tenant's own KEK.
pub const TENANT: &str = "tenant";

/// The KEK of records that carry their data key and lie elsewhere: nothing wraps them again, so its
/// old versions are never destroyed by a rotation. A subject's is this, a slash and its name.
pub const EXPORT: &str = "export";

/// The KEKs of what pseudonyms stand for: this, a slash and the pseudonym.
pub const SUBJECT: &str = "subject";

/// The keys of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

/// A record that carries its data key, and the KEK version that wraps it: a row has all three.
#[derive(Debug)]
pub struct Sealed {
    /// The record.
    pub bytes: Vec<u8>,
    /// The KEK's name.
    pub kek: String,
    /// The KEK's version.
    pub kek_version: i32,
}

/// A tenant's own KEK (from the tenant), or one by its name (from both), which the first record
/// under it makes.
#[derive(Clone, Copy, Debug)]
pub struct Kek<'a> {
    tenant: &'a TenantId,
    name: Option<&'a KeyRef>,
}

/// Why keys could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The database, the KMS or the lease is not there; a later try may succeed.
    #[error("the tenant's keys are not available")]
    Unavailable,
    /// There is no such key, or every version of it is destroyed.
    #[error("the tenant has no such key, or it is destroyed")]
    NoKey,
    /// The record does not open. Why is not said.
    #[error("the record does not open")]
    Failed,
}

/// The reference by which every tenant's root key goes.
///
/// # Errors
/// Never: the constant is well-formed.
pub fn root() -> Result<KeyRef, KeyRefError> {
    ROOT.parse()
}

impl KeyStore {
    /// A store over the keymaster's role. It drops what it keeps of a tenant when the tenant's
    /// generation moves.
    ///
    /// # Errors
    /// Never: the name of the tenants' KEK is well-formed.
    pub fn new(
        job: Job,
        roots: Roots,
        generations: Generations,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyRefError> {
        let cache = Arc::new(Cache::default());
        let purged = Arc::clone(&cache);
        generations.on_change(move |tenant| purged.purge(tenant));
        let inner = Inner {
            job,
            roots,
            generations,
            cache,
            clock,
            tenant: TENANT.parse()?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// How many tenants' keys are in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.inner.cache.len()
    }

    /// Seals a record under a data key of its own, which the KEK wraps.
    ///
    /// # Errors
    /// [`KeyStoreError`]; [`KeyStoreError::NoKey`] when the KEK is destroyed.
    pub async fn seal<'a>(
        &self,
        kek: impl Into<Kek<'a>>,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Sealed, KeyStoreError> {
        let whose = self.ensured(kek.into()).await?;
        self.inner.seal(&whose, context, plaintext).await
    }

    /// Opens a record that carries its data key.
    ///
    /// # Errors
    /// [`KeyStoreError`]; [`KeyStoreError::Failed`] for another tenant's record as for one that
    /// was altered.
    pub async fn open(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let whose = self.inner.own(tenant);
        self.inner.open(&whose, context, sealed).await
    }

    /// Seals a record under the KEK's shared data key, whose row is stored when this returns.
    ///
    /// # Errors
    /// As [`KeyStore::seal`].
    pub async fn seal_detached<'a>(
        &self,
        kek: impl Into<Kek<'a>>,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<(DekId, Vec<u8>), KeyStoreError> {
        let whose = self.ensured(kek.into()).await?;
        self.inner.seal_detached(&whose, context, plaintext).await
    }

    /// Opens a record that names its data key.
    ///
    /// # Errors
    /// As [`KeyStore::open`].
    pub async fn open_detached(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let whose = self.inner.own(tenant);
        self.inner.open_detached(&whose, context, sealed).await
    }

    /// Opens a record of either form, if it is under this KEK.
    ///
    /// # Errors
    /// As [`KeyStore::open`]; [`KeyStoreError::NoKey`] when the KEK is destroyed or never was.
    pub async fn open_under(
        &self,
        tenant: &TenantId,
        name: &KeyRef,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let whose = Whose::new(*tenant, name);
        match inspect(sealed).map_err(|_| KeyStoreError::Failed)?.key {
            KeyLocation::Inline(_) => self.inner.open(&whose, context, sealed).await,
            KeyLocation::Detached(_) => self.inner.open_detached(&whose, context, sealed).await,
            _ => Err(KeyStoreError::Failed),
        }
    }

    /// Makes the first version of a new tenant's KEK, to be stored with [`store_kek`]. The
    /// tenant's root key must be there.
    ///
    /// # Errors
    /// [`KeyStoreError::Unavailable`].
    pub async fn first_kek(&self, tenant: &TenantId) -> Result<KekRecord, KeyStoreError> {
        let now = self.inner.clock.unix_seconds();
        let made = self
            .inner
            .roots
            .kek(tenant, &self.inner.tenant, 1, now)
            .await;
        made.map_err(|error| {
            tracing::error!(%error, %tenant, "a tenant's KEK was not made");
            KeyStoreError::Unavailable
        })
    }

    async fn ensured(&self, kek: Kek<'_>) -> Result<Whose, KeyStoreError> {
        let Some(name) = kek.name else {
            return Ok(self.inner.own(kek.tenant));
        };
        let whose = Whose::new(*kek.tenant, name);
        self.inner.ensure(&whose).await?;
        Ok(whose)
    }
}

impl<'a> From<&'a TenantId> for Kek<'a> {
    fn from(tenant: &'a TenantId) -> Self {
        Self { tenant, name: None }
    }
}

impl<'a> From<(&'a TenantId, &'a KeyRef)> for Kek<'a> {
    fn from((tenant, name): (&'a TenantId, &'a KeyRef)) -> Self {
        let name = Some(name);
        Self { tenant, name }
    }
}

/// Stores a new KEK version in the transaction that creates its tenant.
///
/// # Errors
/// [`RecordError`].
pub async fn store_kek(tx: &mut TenantTx, record: &KekRecord) -> Result<(), RecordError> {
    let row = records::Row::of(record)?;
    tx.query(records::INSERT, &row.params()).await?;
    Ok(())
}

/// The platform's own KEK, for initialisation and start: made unless it is there, and used at
/// once, under no lease.
///
/// # Errors
/// [`RecordError`].
pub async fn platform_keys(
    job: &Job,
    roots: &Roots,
    clock: &dyn Clock,
) -> Result<TenantKeys, RecordError> {
    let (tenant, name) = (TenantId::PLATFORM, TENANT.parse()?);
    let mut tx = job.begin().await?;
    let mut found = records::read(&mut tx, &tenant, &name).await?;
    if found.is_empty() {
        let made = roots.kek(&tenant, &name, 1, clock.unix_seconds()).await?;
        let row = records::Row::of(&made)?;
        tx.query(records::INSERT, &row.params()).await?;
        found.push(made);
    }
    tx.commit().await?;
    Ok(TenantKeys::load(roots.of(&tenant).recipient(), &tenant, &found).await?)
}

/// What a row says of a record that carries its data key.
///
/// # Errors
/// [`KeyStoreError::Failed`] for a record that does not.
pub fn describe(bytes: Vec<u8>) -> Result<Sealed, KeyStoreError> {
    let (kek, version) = wrap_of(&bytes).ok_or(KeyStoreError::Failed)?;
    Ok(Sealed {
        bytes,
        kek: kek.as_str().to_owned(),
        kek_version: i32::try_from(version).map_err(|_| KeyStoreError::Failed)?,
    })
}

impl From<QueryError> for KeyStoreError {
    fn from(error: QueryError) -> Self {
        unavailable(error)
    }
}

impl From<CommitError> for KeyStoreError {
    fn from(error: CommitError) -> Self {
        unavailable(error)
    }
}

fn unavailable(error: impl std::fmt::Display) -> KeyStoreError {
    tracing::error!(%error, "keys are not available");
    KeyStoreError::Unavailable
}
