//! The store's work: keys loaded once, used under the lease, looked for again when they changed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use strongroom_envelope::{
    DekId, EncryptionContext, KeyLocation, KeyRef, OpenError, Plaintext, Provider, Recipient,
    SealError, TenantKeys, inspect,
};
use strongroom_tenancy::TenantId;
use tokio::time::Instant;

use super::cache::{Cache, Held, Slot, Whose};
use super::records::{self, RecordError};
use super::{KeyStoreError, Roots, Sealed, data_keys, describe, unavailable};
use crate::clock::Clock;
use crate::generations::Generations;
use crate::postgres::{Job, QueryError};

/// How long the loading of a tenant's keys may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a use begins again because the keys changed in between.
const TRIES: usize = 4;

pub(super) struct Inner {
    pub(super) job: Job,
    pub(super) roots: Roots,
    pub(super) generations: Generations,
    pub(super) cache: Arc<Cache>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tenant: KeyRef,
}

impl Inner {
    /// The tenant's own KEK.
    pub(super) fn own(&self, tenant: &TenantId) -> Whose {
        Whose::new(*tenant, &self.tenant)
    }

    /// Makes a KEK's first version unless there is or was one.
    pub(super) async fn ensure(&self, whose: &Whose) -> Result<(), KeyStoreError> {
        match self.held(whose).await {
            Err(KeyStoreError::NoKey) if whose.name != self.tenant => {}
            held => return held.map(drop),
        }
        // A tenant whose own KEK is destroyed gets no others.
        self.held(&self.own(&whose.tenant)).await?;
        let made = async {
            let mut tx = self.job.begin().await?;
            let known = records::is_known(&mut tx, whose).await?;
            tx.rollback().await;
            if known {
                return Ok(false);
            }
            let now = self.clock.unix_seconds();
            let kek = self.roots.kek(&whose.tenant, &whose.name, 1, now).await?;
            let row = records::Row::of(&kek)?;
            let mut tx = self.job.begin().await?;
            // Another node's may have come first; it is as good.
            tx.query(records::INSERT_FIRST, &row.params()).await?;
            tx.commit().await?;
            Ok::<_, RecordError>(true)
        };
        if made.await.map_err(unavailable)? {
            Ok(())
        } else {
            Err(KeyStoreError::NoKey)
        }
    }

    pub(super) async fn seal(
        &self,
        whose: &Whose,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Sealed, KeyStoreError> {
        for _ in 0..TRIES {
            let held = self.held(whose).await?;
            let sealed = self.use_now(whose, &held, |held| {
                let kek = Recipient::new(&held.keys, &whose.name);
                strongroom_envelope::seal(&[kek], &whose.tenant, context, plaintext).now_or_never()
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

    pub(super) async fn open(
        &self,
        whose: &Whose,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let (name, version) = wrap_of(sealed).ok_or(KeyStoreError::Failed)?;
        if name != whose.name {
            return Err(KeyStoreError::Failed);
        }
        for _ in 0..TRIES {
            let held = self.held(whose).await?;
            if self.is_behind(whose, &held, version).await? {
                continue;
            }
            let opened = self.use_now(whose, &held, |held| {
                let kek = Recipient::new(&held.keys, &whose.name);
                strongroom_envelope::open(&[kek], &whose.tenant, context, sealed).now_or_never()
            });
            match opened {
                Some(Some(opened)) => return opened.map_err(unopened),
                Some(None) => return Err(KeyStoreError::Unavailable),
                None => {}
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    pub(super) async fn seal_detached(
        &self,
        whose: &Whose,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<(DekId, Vec<u8>), KeyStoreError> {
        for _ in 0..TRIES {
            let held = self.held(whose).await?;
            let Some(key) = self.sealing(whose, &held).await? else {
                continue;
            };
            let sealed = self.use_now(whose, &held, |_| {
                key.seal(&whose.tenant, context, plaintext)
            });
            match sealed {
                // Used up in between: the next try finds a new one.
                Some(Err(SealError::Spent)) | None => {}
                Some(sealed) => {
                    let bytes = sealed.map_err(unsealed)?;
                    let id = dek_of(&bytes).ok_or(KeyStoreError::Failed)?;
                    return Ok((id, bytes));
                }
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    pub(super) async fn open_detached(
        &self,
        whose: &Whose,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, KeyStoreError> {
        let id = dek_of(sealed).ok_or(KeyStoreError::Failed)?;
        for _ in 0..TRIES {
            let held = self.held(whose).await?;
            let Some(key) = self.opening(whose, &held, &id).await? else {
                continue;
            };
            let opened = self.use_now(whose, &held, |_| key.open(&whose.tenant, context, sealed));
            if let Some(opened) = opened {
                return opened.map_err(unopened);
            }
        }
        Err(KeyStoreError::Unavailable)
    }

    /// Uses what is held, if that is allowed at this moment.
    pub(super) fn use_now<T>(
        &self,
        whose: &Whose,
        held: &Held,
        work: impl FnOnce(&Held) -> T,
    ) -> Option<T> {
        let lease = self.generations.lease().ok()?;
        (lease.generation(whose.tenant) == held.generation).then(|| work(held))
    }

    /// The keys, from memory or from the database and the KMS; loaded once for all who wait.
    pub(super) async fn held(&self, whose: &Whose) -> Result<Arc<Held>, KeyStoreError> {
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
        let data_keys = data_keys::cache();
        let seen = data_keys.generation(&whose.tenant);
        let loaded = tokio::time::timeout(PATIENCE, self.load(whose));
        match loaded.await.unwrap_or(Err(KeyStoreError::Unavailable)) {
            Ok(keys) => {
                let held = Arc::new(Held {
                    generation,
                    keys,
                    data_keys,
                    seen,
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

    pub(super) async fn load(&self, whose: &Whose) -> Result<TenantKeys, KeyStoreError> {
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
    pub(super) async fn is_behind(
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

    pub(super) fn slot(&self, whose: &Whose) -> Arc<Slot> {
        self.cache.slot(whose)
    }
}

/// The id of a record's data key.
fn dek_of(sealed: &[u8]) -> Option<DekId> {
    match inspect(sealed).ok()?.key {
        KeyLocation::Detached(id) => Some(id),
        _ => None,
    }
}

/// The KEK that wraps a record's own data key.
pub(super) fn wrap_of(sealed: &[u8]) -> Option<(KeyRef, u32)> {
    let KeyLocation::Inline(wraps) = inspect(sealed).ok()?.key else {
        return None;
    };
    let wrap = wraps
        .into_iter()
        .find(|wrap| wrap.provider == Provider::TENANT_KEK)?;
    Some((wrap.key_ref, wrap.key_version))
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
