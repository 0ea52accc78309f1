//! Data keys that many records share, each a row that names the KEK version that wraps it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strongroom_envelope::{DataKey, Dek, DekId, KmsError};

use super::cache::{Held, Whose};
use super::records::{self, DekRow, RecordError};
use super::{Inner, KeyStoreError, unavailable};

/// Most records of one data key.
pub const MAX_MESSAGES: u64 = 1_000_000;

/// Most bytes of plaintext of one data key: 64 GiB.
pub const MAX_BYTES: u64 = 64 << 30;

/// How long a data key seals, in seconds: a day.
pub const MAX_AGE_SECONDS: u64 = 24 * 60 * 60;

/// Most data keys of one tenant that are kept to open records.
const KEPT: usize = 256;

/// The data keys under one KEK that are in memory.
#[derive(Default)]
pub(super) struct DataKeys {
    sealing: Mutex<Option<Sealing>>,
    making: tokio::sync::Mutex<()>,
    opened: Mutex<HashMap<DekId, (u64, Arc<DataKey>)>>,
    looks: AtomicU64,
}

/// The data key that new records are sealed under.
#[derive(Clone)]
pub(super) struct Sealing {
    pub(super) key: Arc<DataKey>,
    pub(super) uses: Arc<Uses>,
}

/// How much a data key has sealed on this node, however often its copy was dropped.
pub(super) struct Uses {
    pub(super) id: DekId,
    /// When it was made, in Unix seconds.
    pub(super) since: u64,
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Uses {
    const fn new(id: DekId, since: u64) -> Self {
        Self {
            id,
            since,
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Counts a record; whether the limits allow it.
    pub(super) fn admit(&self, bytes: u64) -> bool {
        let messages = self.messages.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        messages < MAX_MESSAGES && before.saturating_add(bytes) <= MAX_BYTES
    }

    /// Whether it seals no more. `now` is in Unix seconds.
    fn is_over(&self, now: u64) -> bool {
        self.messages.load(Ordering::Relaxed) >= MAX_MESSAGES
            || self.bytes.load(Ordering::Relaxed) >= MAX_BYTES
            || now.saturating_sub(self.since) >= MAX_AGE_SECONDS
    }
}

impl DataKeys {
    fn sealing(&self, now: u64) -> Option<Sealing> {
        let sealing = lock(&self.sealing).clone()?;
        (!sealing.uses.is_over(now)).then_some(sealing)
    }

    fn opened(&self, id: &DekId) -> Option<Arc<DataKey>> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let mut opened = lock(&self.opened);
        let (last, key) = opened.get_mut(id)?;
        *last = look;
        Some(Arc::clone(key))
    }

    fn keep(&self, id: DekId, key: &Arc<DataKey>) {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let mut opened = lock(&self.opened);
        if opened.len() >= KEPT {
            let oldest = opened
                .iter()
                .min_by_key(|(_, (look, _))| *look)
                .map(|(id, _)| *id);
            oldest.and_then(|oldest| opened.remove(&oldest));
        }
        opened.insert(id, (look, Arc::clone(key)));
    }
}

impl Inner {
    /// The data key that new records are sealed under; its row is stored. None when the keys
    /// changed in between.
    pub(super) async fn sealing(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
    ) -> Result<Option<Sealing>, KeyStoreError> {
        let now = self.clock.unix_seconds();
        if let Some(sealing) = held.data_keys.sealing(now) {
            return Ok(Some(sealing));
        }
        let _making = held.data_keys.making.lock().await;
        if let Some(sealing) = held.data_keys.sealing(now) {
            return Ok(Some(sealing));
        }
        let sealing = match self.go_on(whose, held, now).await? {
            Some(sealing) => Some(sealing),
            None => self.begin(whose, held, now).await?,
        };
        if let Some(sealing) = &sealing {
            held.data_keys.keep(sealing.uses.id, &sealing.key);
            *lock(&held.data_keys.sealing) = Some(sealing.clone());
        }
        Ok(sealing)
    }

    /// The data key that was in use before its copy was dropped, if it may be used on.
    async fn go_on(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
        now: u64,
    ) -> Result<Option<Sealing>, KeyStoreError> {
        let Some(uses) = self.cache.uses(whose).filter(|uses| !uses.is_over(now)) else {
            return Ok(None);
        };
        let row = self.dek_row(whose, &uses.id).await?;
        let Some(row) = row.filter(|row| row.is_active) else {
            return Ok(None);
        };
        let key = self.unwrap_row(whose, held, &uses.id, &row);
        // Whatever is wrong with it, a new one is as good.
        Ok(key.ok().flatten().map(|key| Sealing { key, uses }))
    }

    async fn begin(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
        now: u64,
    ) -> Result<Option<Sealing>, KeyStoreError> {
        let tenant = whose.tenant;
        let made = Dek::generate().and_then(|dek| Ok((dek, DekId::generate()?)));
        let (dek, id) = made.map_err(unavailable)?;
        let wrapped = self.use_now(whose, held, |held| held.keys.wrap_now(&whose.name, &dek));
        let Some(wrapped) = wrapped else {
            return Ok(None);
        };
        let wrapped = wrapped.map_err(|error| match error {
            KmsError::NotFound => KeyStoreError::NoKey,
            error => unavailable(error),
        })?;
        let stored = async {
            let mut tx = self.job.begin().await?;
            records::insert_dek(&mut tx, &tenant, &id, &wrapped, now).await?;
            // Whether or not an unknown commit happened, this id is not used.
            Ok::<_, RecordError>(tx.commit().await?)
        };
        stored.await.map_err(unavailable)?;
        let uses = Arc::new(Uses::new(id, now));
        self.cache.begin_uses(whose, &uses);
        let key = Arc::new(DataKey::detached(&dek, &tenant, id));
        Ok(Some(Sealing { key, uses }))
    }

    /// The data key of a record. None when the keys changed in between.
    pub(super) async fn opening(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
        id: &DekId,
    ) -> Result<Option<Arc<DataKey>>, KeyStoreError> {
        if let Some(key) = held.data_keys.opened(id) {
            return Ok(Some(key));
        }
        let row = self.dek_row(whose, id).await?;
        let row = row.ok_or(KeyStoreError::Failed)?;
        if row.wrapped.key_ref != whose.name {
            return Err(KeyStoreError::Failed);
        }
        if self.is_behind(whose, held, row.wrapped.key_version).await? {
            return Ok(None);
        }
        let key = self.unwrap_row(whose, held, id, &row)?;
        if let Some(key) = &key {
            held.data_keys.keep(*id, key);
        }
        Ok(key)
    }

    async fn dek_row(&self, whose: &Whose, id: &DekId) -> Result<Option<DekRow>, KeyStoreError> {
        let read = async {
            let mut tx = self.job.begin().await?;
            let row = records::read_dek(&mut tx, &whose.tenant, id).await?;
            tx.rollback().await;
            Ok::<_, RecordError>(row)
        };
        read.await.map_err(unavailable)
    }

    fn unwrap_row(
        &self,
        whose: &Whose,
        held: &Held,
        id: &DekId,
        row: &DekRow,
    ) -> Result<Option<Arc<DataKey>>, KeyStoreError> {
        let dek = self.use_now(whose, held, |held| held.keys.unwrap_now(&row.wrapped));
        let dek = dek.transpose().map_err(|error| match error {
            KmsError::NotFound | KmsError::ContextMismatch => KeyStoreError::Failed,
            error => unavailable(error),
        })?;
        Ok(dek.map(|dek| Arc::new(DataKey::detached(&dek, &whose.tenant, *id))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_ends_by_count_by_bytes_and_by_age() {
        let uses = || Uses::new(DekId::from_bytes([7; 16]), 1_000);
        let counted = uses();
        counted.messages.store(MAX_MESSAGES - 1, Ordering::Relaxed);
        assert!(!counted.is_over(1_000) && counted.admit(1));
        assert!(counted.is_over(1_000) && !counted.admit(1));
        let filled = uses();
        assert!(filled.admit(MAX_BYTES - 1) && !filled.is_over(1_000));
        assert!(!filled.admit(2) && filled.is_over(1_000));
        let aged = uses();
        assert!(!aged.is_over(1_000 + MAX_AGE_SECONDS - 1));
        assert!(aged.is_over(1_000 + MAX_AGE_SECONDS));
        // A clock that goes back ends nothing.
        assert!(!aged.is_over(0));
    }
}
