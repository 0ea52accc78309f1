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
mod records;
mod roots;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use strongroom_envelope::{
    DekId, EncryptionContext, KekRecord, KeyLocation, KeyRef, KeyRefError, OpenError, Plaintext,
    Provider, Recipient, SealError, TenantKeys, inspect,
};
use strongroom_tenancy::TenantId;
use tokio::time::Instant;

use self::cache::{Cache, Held, Slot, Whose};
use self::data_keys::DataKeys;
use crate::clock::Clock;
use crate::generations::Generations;
use crate::postgres::{CommitError, Job, QueryError, TenantTx};

pub use data_keys::{MAX_AGE_SECONDS, MAX_BYTES, MAX_MESSAGES};
pub use records::RecordError;
pub use roots::Roots;

/// The name of each tenant's root key in its KMS.
pub const ROOT: &str = "root";

/// The name of each tenant's own KEK.
pub const TENANT: &str = "tenant";

/// How long the loading of a tenant's keys may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a use begins again because the keys changed in between.
const TRIES: usize = 4;

/// The keys of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

struct Inner {
    job: Job,
    roots: Roots,
    generations: Generations,
    cache: Arc<Cache>,
    clock: Arc<dyn Clock>,
    tenant: KeyRef,
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

    /// Seals a record under a data key of its own, which the tenant's KEK wraps.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub async fn seal(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Sealed, KeyStoreError> {
        self.inner.seal(tenant, context, plaintext).await
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
        self.inner.open(tenant, context, sealed).await
    }

    /// Seals a record under the tenant's shared data key, whose row is stored when this returns.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub async fn seal_detached(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<(DekId, Vec<u8>), KeyStoreError> {
        self.inner.seal_detached(tenant, context, plaintext).await
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
        self.inner.open_detached(tenant, context, sealed).await
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

/// The KEK that wraps a record's own data key.
fn wrap_of(sealed: &[u8]) -> Option<(KeyRef, u32)> {
    let KeyLocation::Inline(wraps) = inspect(sealed).ok()?.key else {
        return None;
    };
    let wrap = wraps
        .into_iter()
        .find(|wrap| wrap.provider == Provider::TENANT_KEK)?;
    Some((wrap.key_ref, wrap.key_version))
}

impl Inner {
    async fn seal(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Sealed, KeyStoreError> {
        let whose = Whose::new(*tenant, &self.tenant);
        for _ in 0..TRIES {
            let held = self.held(&whose).await?;
            let sealed = self.use_now(&whose, &held, |held| {
                let kek = Recipient::new(&held.keys, &whose.name);
                strongroom_envelope::seal(&[kek], tenant, context, plaintext).now_or_never()
            });
            match sealed {
                Some(Some(sealed)) => return describe(sealed.map_err(unsealed)?),
                // Keys in memory answer at once.
                Some(None) => return Err(KeyStoreError::Unavailable),
                None => {}
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    async fn open(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let whose = Whose::new(*tenant, &self.tenant);
        let (name, version) = wrap_of(sealed).ok_or(KeyStoreError::Failed)?;
        if name != whose.name {
            return Err(KeyStoreError::Failed);
        }
        for _ in 0..TRIES {
            let held = self.held(&whose).await?;
            if self.is_behind(&whose, &held, version).await? {
                continue;
            }
            let opened = self.use_now(&whose, &held, |held| {
                let kek = Recipient::new(&held.keys, &whose.name);
                strongroom_envelope::open(&[kek], tenant, context, sealed).now_or_never()
            });
            match opened {
                Some(Some(opened)) => return opened.map_err(unopened),
                Some(None) => return Err(KeyStoreError::Unavailable),
                None => {}
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    async fn seal_detached(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<(DekId, Vec<u8>), KeyStoreError> {
        let whose = Whose::new(*tenant, &self.tenant);
        for _ in 0..TRIES {
            let held = self.held(&whose).await?;
            let Some(sealing) = self.sealing(&whose, &held).await? else {
                continue;
            };
            if !sealing.uses.admit(plaintext.len() as u64) {
                continue;
            }
            let sealed = self.use_now(&whose, &held, |_| {
                sealing.key.seal(tenant, context, plaintext)
            });
            if let Some(sealed) = sealed {
                return Ok((sealing.uses.id, sealed.map_err(unsealed)?));
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    async fn open_detached(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let whose = Whose::new(*tenant, &self.tenant);
        let KeyLocation::Detached(id) = inspect(sealed).map_err(|_| KeyStoreError::Failed)?.key
        else {
            return Err(KeyStoreError::Failed);
        };
        for _ in 0..TRIES {
            let held = self.held(&whose).await?;
            let Some(key) = self.opening(&whose, &held, &id).await? else {
                continue;
            };
            let opened = self.use_now(&whose, &held, |_| key.open(tenant, context, sealed));
            if let Some(opened) = opened {
                return opened.map_err(unopened);
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    /// Uses what is held, if that is allowed at this moment.
    fn use_now<T>(&self, whose: &Whose, held: &Held, work: impl FnOnce(&Held) -> T) -> Option<T> {
        let lease = self.generations.lease().ok()?;
        (lease.generation(whose.tenant) == held.generation).then(|| work(held))
    }

    /// The keys, from memory or from the database and the KMS; loaded once for all who wait.
    async fn held(&self, whose: &Whose) -> Result<Arc<Held>, KeyStoreError> {
        let slot = self.cache.slot(whose);
        let lapsed = |error| {
            tracing::error!(%error, "keys are not used");
            KeyStoreError::Unavailable
        };
        let confirmed = self.generations.confirm().await.map_err(lapsed);
        let generation = confirmed?.generation(whose.tenant);
        if let Some(held) = slot.current(generation) {
            return Ok(held);
        }
        let asked = Instant::now();
        let mut last_failure = slot.loading.lock().await;
        let confirmed = self.generations.confirm().await.map_err(lapsed);
        // Before the load: a change in the course of it is seen as one.
        let generation = confirmed?.generation(whose.tenant);
        if let Some(held) = slot.current(generation) {
            return Ok(held);
        }
        if let Some((at, error)) = *last_failure
            && at >= asked
        {
            return Err(error);
        }
        let loaded = tokio::time::timeout(PATIENCE, self.load(whose));
        match loaded.await.unwrap_or(Err(KeyStoreError::Unavailable)) {
            Ok(keys) => {
                let held = Arc::new(Held {
                    generation,
                    keys,
                    data_keys: DataKeys::default(),
                });
                slot.keep(&held);
                Ok(held)
            }
            Err(error) => {
                *last_failure = Some((Instant::now(), error));
                Err(error)
            }
        }
    }

    async fn load(&self, whose: &Whose) -> Result<TenantKeys, KeyStoreError> {
        let failed = |error: RecordError| {
            tracing::error!(%error, tenant = %whose.tenant, "a tenant's keys were not loaded");
            KeyStoreError::Unavailable
        };
        let loaded = async {
            let mut tx = self.job.begin().await?;
            let found = records::read(&mut tx, &whose.tenant, &whose.name).await?;
            tx.rollback().await;
            if found.is_empty() {
                return Ok(None);
            }
            let root = self.roots.of(&whose.tenant);
            let keys = TenantKeys::load(root.recipient(), &whose.tenant, &found).await?;
            Ok(Some(keys))
        };
        loaded.await.map_err(failed)?.ok_or(KeyStoreError::NoKey)
    }

    /// Whether a KEK version was made since the keys were loaded, by a node that is ahead of this
    /// one. They are forgotten then.
    async fn is_behind(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
        version: u32,
    ) -> Result<bool, KeyStoreError> {
        if held.knows(&whose.name, version) {
            return Ok(false);
        }
        // The number is what a record says: nothing is loaded again for one that never was.
        let known = async {
            let mut tx = self.job.begin().await?;
            let known = records::is_live(&mut tx, whose, version).await?;
            tx.rollback().await;
            Ok::<_, QueryError>(known)
        };
        let known = known.await.map_err(unavailable)?;
        if known {
            self.slot(whose).forget(held);
        }
        Ok(known)
    }

    fn slot(&self, whose: &Whose) -> Arc<Slot> {
        self.cache.slot(whose)
    }
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

fn unsealed(error: SealError) -> KeyStoreError {
    unavailable(error)
}

fn unopened(error: OpenError) -> KeyStoreError {
    match error {
        OpenError::Kms(error) => unavailable(error),
        _ => KeyStoreError::Failed,
    }
}
