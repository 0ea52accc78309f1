//! What is kept in memory of each tenant's keys, and for how many tenants.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use strongroom_envelope::{CacheGeneration, KeyCache, KeyRef, TenantKeys};
use strongroom_tenancy::TenantId;
use tokio::time::Instant;

use super::KeyStoreError;
use crate::generations::Generation;

/// Most KEKs that are kept, of all tenants.
const KEPT: usize = 4096;

/// Most KEKs that are kept of one tenant: none can push the others' out.
const KEPT_EACH: usize = 64;

/// A tenant's KEK, by its name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    pub(super) tenant: TenantId,
    pub(super) name: KeyRef,
}

/// A KEK's versions and the data keys under it, unwrapped.
pub(super) struct Held {
    /// What they were loaded under.
    pub(super) generation: Generation,
    pub(super) keys: TenantKeys,
    pub(super) data_keys: KeyCache,
    /// Of `data_keys`, from before `keys` were loaded.
    pub(super) seen: CacheGeneration,
}

/// A place for one KEK.
#[derive(Default)]
pub(super) struct Slot {
    held: ArcSwapOption<Held>,
    /// Held by whoever loads; the last failure, for those who waited for it.
    pub(super) loading: tokio::sync::Mutex<Option<(Instant, KeyStoreError)>>,
    used: AtomicU64,
}

#[derive(Default)]
pub(super) struct Cache {
    slots: Mutex<HashMap<Whose, Arc<Slot>>>,
    looks: AtomicU64,
}

impl Whose {
    pub(super) fn new(tenant: TenantId, name: &KeyRef) -> Self {
        Self {
            tenant,
            name: name.clone(),
        }
    }
}

impl Held {
    /// Whether this version is none that was made since.
    pub(super) fn knows(&self, name: &KeyRef, version: u32) -> bool {
        self.keys
            .active_version(name)
            .is_ok_and(|active| version <= active)
    }
}

impl Slot {
    /// What is held, if it was loaded under this generation.
    pub(super) fn current(&self, generation: Generation) -> Option<Arc<Held>> {
        let held = self.held.load_full()?;
        (held.generation == generation).then_some(held)
    }

    pub(super) fn keep(&self, held: &Arc<Held>) {
        self.held.store(Some(Arc::clone(held)));
    }

    /// Drops what is held, if it is still this.
    pub(super) fn forget(&self, held: &Arc<Held>) {
        let current = self.held.load();
        if current.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, held)) {
            self.held.store(None);
        }
    }
}

impl Cache {
    /// The place for this KEK. When there are too many, those that were not used for longest go.
    pub(super) fn slot(&self, whose: &Whose) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        let now = self.looks.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = slots.get(whose) {
            slot.used.store(now, Ordering::Relaxed);
            return Arc::clone(slot);
        }
        let of_tenant = |kept: &&Whose| kept.tenant == whose.tenant;
        if slots.keys().filter(of_tenant).count() >= KEPT_EACH {
            drop_oldest(&mut slots, |kept| kept.tenant == whose.tenant);
        } else if slots.len() >= KEPT {
            drop_oldest(&mut slots, |_| true);
        }
        let slot = Arc::new(Slot::default());
        slot.used.store(now, Ordering::Relaxed);
        slots.insert(whose.clone(), Arc::clone(&slot));
        slot
    }

    /// Drops what is kept of a tenant.
    pub(super) fn purge(&self, tenant: TenantId) {
        lock(&self.slots).retain(|whose, slot| {
            if whose.tenant != tenant {
                return true;
            }
            // Whoever has the place in hand finds it empty too.
            slot.held.store(None);
            false
        });
    }

    pub(super) fn len(&self) -> usize {
        let slots = lock(&self.slots);
        slots
            .values()
            .filter(|slot| slot.held.load().is_some())
            .count()
    }
}

fn drop_oldest(slots: &mut HashMap<Whose, Arc<Slot>>, among: impl Fn(&Whose) -> bool) {
    let oldest = slots
        .iter()
        .filter(|(whose, _)| among(whose))
        .min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed))
        .map(|(whose, _)| whose.clone());
    oldest.and_then(|oldest| slots.remove(&oldest));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(uuid::Uuid::from_u128(number + (7 << 100))).unwrap()
    }

    fn whose(number: u128, name: &str) -> Whose {
        Whose::new(tenant(number), &name.parse().unwrap())
    }

    #[test]
    fn places_are_bounded_and_one_tenant_cannot_push_out_the_others() {
        let cache = Cache::default();
        let first = cache.slot(&whose(1, "tenant"));
        for number in 0..2 * KEPT_EACH {
            cache.slot(&whose(2, &format!("user:{number}")));
        }
        assert_eq!(lock(&cache.slots).len(), KEPT_EACH + 1);
        assert!(Arc::ptr_eq(&first, &cache.slot(&whose(1, "tenant"))));
        for number in 0..2 * KEPT as u128 {
            cache.slot(&whose(10 + number, "tenant"));
            // In use all the time, so never the oldest.
            cache.slot(&whose(1, "tenant"));
        }
        assert_eq!(lock(&cache.slots).len(), KEPT);
        assert!(Arc::ptr_eq(&first, &cache.slot(&whose(1, "tenant"))));
    }
}
