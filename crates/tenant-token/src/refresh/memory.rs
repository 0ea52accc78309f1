//! Families in memory: for tests, and for a single process that may forget them.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::family::Family;
use super::store::{RefreshStore, StoreFuture};
use super::token::FamilyId;

/// Families in memory.
#[derive(Default)]
pub struct MemoryRefreshStore(Mutex<HashMap<FamilyId, Family>>);

impl MemoryRefreshStore {
    /// Deletes the sealed successors of rotations before a time.
    pub fn forget_successors(&self, rotated_before: u64) {
        for family in self.families().values_mut() {
            if family.rotated_at < rotated_before && family.successor.take().is_some() {
                family.version += 1;
            }
        }
    }

    fn families(&self) -> MutexGuard<'_, HashMap<FamilyId, Family>> {
        // No row is left half-written: each is replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshStore for MemoryRefreshStore {
    fn insert<'a>(&'a self, family: &'a Family) -> StoreFuture<'a, ()> {
        self.families().insert(family.id, family.clone());
        Box::pin(ready(Ok(())))
    }

    fn read<'a>(&'a self, id: &'a FamilyId) -> StoreFuture<'a, Option<Family>> {
        Box::pin(ready(Ok(self.families().get(id).cloned())))
    }

    fn swap<'a>(&'a self, expected: u64, next: &'a Family) -> StoreFuture<'a, bool> {
        let mut families = self.families();
        let row = families.get_mut(&next.id);
        let swapped = match row {
            Some(row) if row.version == expected => {
                *row = next.clone();
                true
            }
            _ => false,
        };
        Box::pin(ready(Ok(swapped)))
    }
}

impl fmt::Debug for MemoryRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryRefreshStore({})", self.families().len())
    }
}
