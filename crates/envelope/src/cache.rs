//! The cache of data keys: loaded once, for a while, for so much.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The next generation of any cache in this process: no two caches have one in common.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// Tenants share so many generations: 8 KiB.
const GENERATION_MARKS: usize = 1024;

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
/// [`TenantKeys`](crate::TenantKeys), would refuse.
///
/// A revoked or destroyed key opens records for as long as it is kept: call [`purge`](Self::purge)
/// when one is, in every process, once the store of keys says so. Whoever then still works with
/// what they loaded before, such as old `TenantKeys`, fills the cache with nothing and is handed
/// nothing: they hold a [`CacheGeneration`] from before the purge, and that is refused. This holds
/// for as long as everybody takes a generation *before* they load what they hand over with it, and
/// keeps both together.
///
/// ```
/// # use strongroom_envelope::{KeyAdmin, LocalKms};
/// use std::time::Instant;
///
/// use strongroom_envelope::{
///     CacheError, CacheLimits, EncryptionContext, KekRecord, KeyCache, KeyRef, Recipient, TenantKeys,
/// };
/// use strongroom_tenancy::TenantId;
///
/// # let directory = tempfile::tempdir()?;
/// # let kms = LocalKms::create(directory.path().join("keys"))?;
/// # let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
/// # let root: KeyRef = "root".parse()?;
/// # pollster::block_on(async {
/// # kms.create(&tenant, &root).await?;
/// # let root = Recipient::new(&kms, &root);
/// # let name: KeyRef = "tenant".parse()?;
/// # let stored = [KekRecord::generate(root, &tenant, &name, 1, 1_790_000_000).await?];
/// let cache = KeyCache::new(CacheLimits::default());
/// let context = EncryptionContext::new([("column", "users.email")])?;
///
/// let seen = cache.generation(&tenant); // first this
/// let keys = TenantKeys::load(root, &tenant, &stored).await?; // then the keys
/// let recipients = [Recipient::new(&keys, &name)];
/// let key = cache.sealing_key(&recipients, &seen, Instant::now()).await?;
/// let sealed = key.seal(&tenant, &context, b"ada@example.com")?;
///
/// cache.purge(&tenant); // a key was revoked: `seen` and `keys` serve no more
/// let refused = cache.open(&recipients, &seen, &context, &sealed, Instant::now()).await;
/// assert!(matches!(refused, Err(CacheError::Purged)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyCache {
    limits: CacheLimits,
    state: Mutex<State>,
}

/// A tenant of one [`KeyCache`], as it stood between two purges: [`KeyCache::generation`].
///
/// # Security
/// It says that what the caller loaded is as new as this. Taken after the load it would say too
/// much, and let keys in that a purge was to keep out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct CacheGeneration {
    tenant: TenantId,
    number: u64,
}

impl CacheGeneration {
    /// The tenant.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Why a cached key could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError<E> {
    /// The key was not loaded.
    #[error(transparent)]
    Load(#[from] E),
    /// The generation is not the tenant's present one: it was purged since, or one of the tenants
    /// (of 1,024, one) that share its mark. Take the present one, load again what was loaded under
    /// the old one, and try again.
    #[error("key cache: the tenant was purged since its keys were loaded")]
    Purged,
}

struct State {
    tenants: HashMap<TenantId, Tenant>,
    /// The generation of the last purge, of any tenant whose id ends like this: so a tenant that
    /// had to go has its generation still, and nobody makes this grow.
    generations: [u64; GENERATION_MARKS],
    /// Counts uses, to tell which is the oldest.
    uses: u64,
}

struct Tenant {
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
            state: Mutex::new(State {
                tenants: HashMap::new(),
                generations: [next_generation(); GENERATION_MARKS],
                uses: 0,
            }),
        }
    }

    /// The tenant's present generation, to be taken before keys are loaded that are handed to the
    /// other methods: they refuse it once the tenant was purged.
    pub fn generation(&self, tenant: &TenantId) -> CacheGeneration {
        CacheGeneration {
            tenant: *tenant,
            number: self.lock().generation(tenant),
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
        seen: &CacheGeneration,
        now: Instant,
    ) -> Result<Arc<DataKey>, CacheError<SealError>> {
        let slot = Slot::Sealing(sha256([names(recipients).as_slice()]));
        self.get(seen, slot, now, || {
            DataKey::generate(recipients, &seen.tenant)
        })
        .await
    }

    /// The key to seal with for what the caller makes with `make`: a detached key that it stores.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be made.
    pub async fn sealing_key_with<F, E>(
        &self,
        name: &str,
        seen: &CacheGeneration,
        now: Instant,
        make: impl FnOnce() -> F,
    ) -> Result<Arc<DataKey>, CacheError<E>>
    where
        F: Future<Output = Result<DataKey, E>>,
    {
        let slot = Slot::Sealing(sha256([b"\0", name.as_bytes()]));
        self.get(seen, slot, now, make).await
    }

    /// The key that is kept under this id, loaded with `load` when it is not here.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be loaded.
    pub async fn detached_key<F, E>(
        &self,
        id: &DekId,
        seen: &CacheGeneration,
        now: Instant,
        load: impl FnOnce() -> F,
    ) -> Result<Arc<DataKey>, CacheError<E>>
    where
        F: Future<Output = Result<DataKey, E>>,
    {
        self.get(seen, Slot::Detached(*id), now, load).await
    }

    /// Opens a record that carries its key, as [`open`](crate::open) does, asking a KMS only for
    /// wraps that are not here.
    ///
    /// # Errors
    /// As [`open`](crate::open), and [`CacheError::Purged`].
    pub async fn open(
        &self,
        recipients: &[Recipient<'_>],
        seen: &CacheGeneration,
        context: &EncryptionContext,
        sealed: &[u8],
        now: Instant,
    ) -> Result<Plaintext, CacheError<OpenError>> {
        let tenant = &seen.tenant;
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
        let key = self.get(seen, slot, now, load).await?;
        match key.open(tenant, context, sealed) {
            // Of several wraps, the one whose key is kept may not be this body's.
            Err(OpenError::Failed) if wraps.iter().nth(1).is_some() => {
                let other = load().await;
                if !self.is_current(seen) {
                    return Err(CacheError::Purged);
                }
                Ok(other?.open(tenant, context, sealed)?)
            }
            opened => Ok(opened?),
        }
    }

    /// Forgets a tenant's keys, and begins a new generation of them: what is being loaded for it,
    /// or will be with keys from before, is not kept and not handed out.
    ///
    /// # Security
    /// To be called after the store of keys has changed, not before: else the new generation is
    /// filled with the old keys.
    pub fn purge(&self, tenant: &TenantId) {
        let mut state = self.lock();
        if let Some(mark) = state.generations.get_mut(mark_of(tenant)) {
            *mark = next_generation();
        }
        state.tenants.remove(tenant);
    }

    /// Forgets all keys, and begins a new generation of every tenant's, as [`purge`](Self::purge).
    pub fn purge_all(&self) {
        let mut state = self.lock();
        state.generations.fill(next_generation());
        state.tenants.clear();
    }

    async fn get<F, E>(
        &self,
        seen: &CacheGeneration,
        slot: Slot,
        now: Instant,
        load: impl FnOnce() -> F,
    ) -> Result<Arc<DataKey>, CacheError<E>>
    where
        F: Future<Output = Result<DataKey, E>>,
    {
        let cell = self.enter(seen, slot, now).ok_or(CacheError::Purged)?;
        let limit = |key: DataKey| {
            let limits = self.limits.key.and(key.limits());
            Arc::new(key.with_limits(limits))
        };
        let loaded = cell
            .get_or_try_init(|| async { load().await.map(limit) })
            .await;
        match loaded {
            Ok(key) if self.is_current(seen) => Ok(Arc::clone(key)),
            Ok(_) => {
                self.forget(&seen.tenant, slot, &cell);
                Err(CacheError::Purged)
            }
            Err(error) => {
                self.forget(&seen.tenant, slot, &cell);
                // What was purged may be why it failed.
                if self.is_current(seen) {
                    Err(CacheError::Load(error))
                } else {
                    Err(CacheError::Purged)
                }
            }
        }
    }

    /// The slot's cell, a new one if it is empty or too old; `None` when the tenant was purged
    /// since.
    fn enter(
        &self,
        seen: &CacheGeneration,
        slot: Slot,
        now: Instant,
    ) -> Option<Arc<OnceCell<Arc<DataKey>>>> {
        let mut state = self.lock();
        if state.generation(&seen.tenant) != seen.number {
            return None;
        }
        let tenant = state.serve(&seen.tenant, self.limits.tenants);
        let used = tenant.used;
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
        Some(Arc::clone(&entry.key))
    }

    /// Whether the tenant has not been purged since.
    fn is_current(&self, seen: &CacheGeneration) -> bool {
        self.lock().generation(&seen.tenant) == seen.number
    }

    /// What was not loaded, or too late, does not take up room.
    fn forget(&self, tenant: &TenantId, slot: Slot, cell: &Arc<OnceCell<Arc<DataKey>>>) {
        let mut state = self.lock();
        if let Some(tenant) = state.tenants.get_mut(tenant)
            && let Some(entry) = tenant.keys.get(&slot)
            && Arc::ptr_eq(&entry.key, cell)
        {
            tenant.keys.remove(&slot);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // No code that runs under the lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A tenant's present generation.
    fn generation(&self, tenant: &TenantId) -> u64 {
        let mark = self.generations.get(mark_of(tenant));
        mark.copied().unwrap_or_default()
    }

    /// The tenant, in use now. When it comes in and there are too many, the one that was not used
    /// for longest goes.
    fn serve(&mut self, id: &TenantId, most: usize) -> &mut Tenant {
        self.uses += 1;
        let used = self.uses;
        if !self.tenants.contains_key(id) && self.tenants.len() >= most {
            let oldest = self.tenants.iter().min_by_key(|(_, tenant)| tenant.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.tenants.remove(&oldest);
            }
        }
        let tenant = self.tenants.entry(*id).or_insert_with(|| Tenant {
            used,
            keys: HashMap::new(),
        });
        tenant.used = used;
        tenant
    }
}

/// Where a tenant's generation is: by the last bytes of its id, which are random.
const fn mark_of(tenant: &TenantId) -> usize {
    let [.., high, low] = *tenant.as_bytes();
    u16::from_be_bytes([high, low]) as usize % GENERATION_MARKS
}

/// A number that no cache of this process has had before.
fn next_generation() -> u64 {
    GENERATIONS.fetch_add(1, Ordering::Relaxed)
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
