//! The cache of data keys: loaded once, for a while, for so much.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_lock::OnceCell;
use strongroom_tenancy::TenantId;

use crate::compact::CompactBody;
use crate::context::EncryptionContext;
use crate::data_key::{DataKey, KeyLimits};
use crate::dek::DekId;
use crate::envelope::{Recipient, unwrap_until};
use crate::errors::{OpenError, SealError};
use crate::hash::sha256;
use crate::header::{Header, KeyField, Suite};
use crate::stream;
use crate::wipe::Plaintext;

/// How often a load is begun again because the tenant was purged meanwhile.
const TRIES: usize = 3;

/// What a [`KeyCache`] keeps, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// How much one key seals before another is made; less, if the key has limits of its own.
    pub key: KeyLimits,
    /// How long a key is kept, to seal or to open.
    pub max_age: Duration,
    /// The most keys of one tenant; beyond, the one that was not used for longest goes.
    pub keys_per_tenant: usize,
    /// The most tenants; beyond, the one that was not used for longest goes.
    pub tenants: usize,
}

impl Default for CacheLimits {
    /// A million records and 64 GiB a key, five minutes, 64 keys of each of 10,000 tenants.
    fn default() -> Self {
        Self {
            key: KeyLimits {
                messages: 1_000_000,
                bytes: 64 << 30,
            },
            max_age: Duration::from_secs(300),
            keys_per_tenant: 64,
            tenants: 10_000,
        }
    }
}

/// Keeps data keys in memory, so that a KMS is asked once for many records.
///
/// Each key is asked for once, however many callers wait for it. A tenant pushes out no keys but its
/// own, as long as there are no more tenants than [`CacheLimits::tenants`]; beyond, all keys of the
/// one that was not served for longest go. A key that is too old is dropped when its tenant is next
/// served, or by [`purge`](Self::purge); no clock runs here. `now` is a parameter: a monotonic
/// clock's.
///
/// # Security
/// Keys are kept by the names of their recipients, and names mean authority: in one cache, one
/// provider and name must mean one key of one KMS, and the same rights to it. Whoever asks with a
/// name is handed what another loaded under it, even if their own KMS, or their own
/// [`TenantKeys`](crate::TenantKeys), would refuse. So drop old `TenantKeys` before the purge: what
/// is loaded with them after it is kept again.
///
/// A revoked or destroyed key opens records for as long as it is kept: call [`purge`](Self::purge)
/// when one is, in every process. A load that was under way is then begun again.
pub struct KeyCache {
    limits: CacheLimits,
    state: Mutex<State>,
}

/// Why a cached key could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError<E> {
    /// The key was not loaded.
    #[error(transparent)]
    Load(#[from] E),
    /// The tenant was purged again and again while the key was being loaded.
    #[error("key cache: the tenant's keys are being revoked")]
    Purged,
}

#[derive(Default)]
struct State {
    tenants: HashMap<TenantId, Tenant>,
    /// Counts purges, of any tenant.
    purges: u64,
    /// Counts uses, to tell which is the oldest.
    uses: u64,
}

struct Tenant {
    /// The count of purges when this tenant was purged last, or came in.
    purged: u64,
    used: u64,
    keys: HashMap<Slot, Entry>,
}

struct Entry {
    begun: Instant,
    used: u64,
    key: Arc<OnceCell<Arc<DataKey>>>,
}

/// What a key is kept for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    /// To seal to these recipients, by the hash of their names.
    Sealing([u8; 32]),
    /// To open what was sealed under this id.
    Detached(DekId),
    /// To open what carries these wraps, by their hash.
    Wraps([u8; 32]),
}

impl KeyCache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    /// The key to seal with for these recipients: the present one, or a new one once that has
    /// reached its limits.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be made.
    pub async fn sealing_key(
        &self,
        recipients: &[Recipient<'_>],
        tenant: &TenantId,
        now: Instant,
    ) -> Result<Arc<DataKey>, CacheError<SealError>> {
        let slot = Slot::Sealing(sha256([names(recipients).as_slice()]));
        self.get(tenant, slot, now, || DataKey::generate(recipients, tenant))
            .await
    }

    /// The key to seal with for what the caller makes with `make`: a detached key that it stores.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be made.
    pub async fn sealing_key_with<F, E>(
        &self,
        name: &str,
        tenant: &TenantId,
        now: Instant,
        make: impl Fn() -> F,
    ) -> Result<Arc<DataKey>, CacheError<E>>
    where
        F: Future<Output = Result<DataKey, E>>,
    {
        let slot = Slot::Sealing(sha256([b"\0", name.as_bytes()]));
        self.get(tenant, slot, now, make).await
    }

    /// The key that is kept under this id, loaded with `load` when it is not here.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be loaded.
    pub async fn detached_key<F, E>(
        &self,
        id: &DekId,
        tenant: &TenantId,
        now: Instant,
        load: impl Fn() -> F,
    ) -> Result<Arc<DataKey>, CacheError<E>>
    where
        F: Future<Output = Result<DataKey, E>>,
    {
        self.get(tenant, Slot::Detached(*id), now, load).await
    }

    /// Opens a record that carries its key, as [`open`](crate::open) does, asking a KMS only for
    /// wraps that are not here.
    ///
    /// # Errors
    /// As [`open`](crate::open), and [`CacheError::Purged`].
    pub async fn open(
        &self,
        recipients: &[Recipient<'_>],
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
        now: Instant,
    ) -> Result<Plaintext, CacheError<OpenError>> {
        let (header, body) = Header::parse(sealed).map_err(OpenError::Header)?;
        let KeyField::Inline(wraps) = header.key else {
            return Err(OpenError::Detached.into());
        };
        match header.suite {
            Suite::Compact => CompactBody::parse(body).map(drop),
            Suite::Stream => stream::check_body(body),
        }
        .map_err(OpenError::Header)?;
        let front = sealed.get(..sealed.len() - body.len()).unwrap_or_default();
        // Who may open is part of the name: what one caller loaded is not for another's recipients.
        let slot = Slot::Wraps(sha256([names(recipients).as_slice(), front]));
        let load = || {
            // A key is kept once it has opened something: a wrap alone proves nothing.
            unwrap_until(recipients, tenant, wraps, |dek| {
                let key = DataKey::inline(dek, tenant, &wraps.to_vec()).ok()?;
                key.open(tenant, context, sealed).ok()?;
                Some(key)
            })
        };
        let key = self.get(tenant, slot, now, load).await?;
        match key.open(tenant, context, sealed) {
            // Of several wraps, the one whose key is kept may not be this body's.
            Err(OpenError::Failed) if wraps.iter().nth(1).is_some() => {
                Ok(load().await?.open(tenant, context, sealed)?)
            }
            opened => Ok(opened?),
        }
    }

    /// Forgets a tenant's keys; what is being loaded for it is loaded again.
    pub fn purge(&self, tenant: &TenantId) {
        let mut state = self.lock();
        state.purges += 1;
        state.tenants.remove(tenant);
    }

    /// Forgets all keys.
    pub fn purge_all(&self) {
        let mut state = self.lock();
        state.purges += 1;
        state.tenants.clear();
    }

    async fn get<F, E>(
        &self,
        tenant: &TenantId,
        slot: Slot,
        now: Instant,
        load: impl Fn() -> F,
    ) -> Result<Arc<DataKey>, CacheError<E>>
    where
        F: Future<Output = Result<DataKey, E>>,
    {
        for _ in 0..TRIES {
            let (cell, purged) = self.enter(tenant, slot, now);
            let limit = |key: DataKey| {
                let limits = self.limits.key.and(key.limits());
                Arc::new(key.with_limits(limits))
            };
            let loaded = cell
                .get_or_try_init(|| async { load().await.map(limit) })
                .await;
            match loaded {
                Ok(key) if self.is_current(tenant, purged) => return Ok(Arc::clone(key)),
                Ok(_) => {}
                Err(error) => {
                    self.forget_unloaded(tenant, slot, &cell);
                    return Err(CacheError::Load(error));
                }
            }
        }
        Err(CacheError::Purged)
    }

    /// The slot's cell, a new one if it is empty or too old, and when the tenant was purged last.
    fn enter(
        &self,
        tenant: &TenantId,
        slot: Slot,
        now: Instant,
    ) -> (Arc<OnceCell<Arc<DataKey>>>, u64) {
        let mut state = self.lock();
        state.uses += 1;
        let (used, purges) = (state.uses, state.purges);
        if !state.tenants.contains_key(tenant) && state.tenants.len() >= self.limits.tenants {
            let oldest = state.tenants.iter().min_by_key(|(_, tenant)| tenant.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                state.tenants.remove(&oldest);
            }
        }
        let tenant = state.tenants.entry(*tenant).or_insert_with(|| Tenant {
            purged: purges,
            used,
            keys: HashMap::new(),
        });
        tenant.used = used;
        // What nobody asks for any more must not wait in memory for somebody to ask.
        let max_age = self.limits.max_age;
        let is_young = |begun| now.saturating_duration_since(begun) < max_age;
        tenant.keys.retain(|_, entry| is_young(entry.begun));
        let is_good = tenant.keys.get(&slot).is_some_and(|entry| {
            let is_spent = matches!(slot, Slot::Sealing(_))
                && entry.key.get().is_some_and(|key| key.is_spent());
            !is_spent
        });
        if !is_good {
            tenant.keys.remove(&slot);
            if tenant.keys.len() >= self.limits.keys_per_tenant {
                let oldest = tenant.keys.iter().min_by_key(|(_, entry)| entry.used);
                if let Some(oldest) = oldest.map(|(slot, _)| *slot) {
                    tenant.keys.remove(&oldest);
                }
            }
        }
        let entry = tenant.keys.entry(slot).or_insert_with(|| Entry {
            begun: now,
            used,
            key: Arc::new(OnceCell::new()),
        });
        entry.used = used;
        (Arc::clone(&entry.key), tenant.purged)
    }

    /// Whether the tenant has not been purged since.
    fn is_current(&self, tenant: &TenantId, purged: u64) -> bool {
        let state = self.lock();
        let tenant = state.tenants.get(tenant);
        tenant.map_or(state.purges, |tenant| tenant.purged) == purged
    }

    /// What could not be loaded does not take up room.
    fn forget_unloaded(&self, tenant: &TenantId, slot: Slot, cell: &Arc<OnceCell<Arc<DataKey>>>) {
        let mut state = self.lock();
        if let Some(tenant) = state.tenants.get_mut(tenant)
            && tenant
                .keys
                .get(&slot)
                .is_some_and(|entry| Arc::ptr_eq(&entry.key, cell) && cell.get().is_none())
        {
            tenant.keys.remove(&slot);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // No code that runs under the lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The recipients' providers and names; no name has a zero byte, and no provider is 0.
fn names(recipients: &[Recipient<'_>]) -> Vec<u8> {
    let mut names = Vec::new();
    for recipient in recipients {
        names.push(recipient.kms.provider().number());
        names.extend_from_slice(recipient.key.as_str().as_bytes());
        names.push(0);
    }
    names
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache")
            .field("limits", &self.limits)
            .field("tenants", &self.lock().tenants.len())
            .finish_non_exhaustive()
    }
}
