//! Data keys that many records share, each a row that names the KEK version that wraps it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_envelope::{
    CacheError, CacheLimits, DataKey, Dek, DekId, KeyCache, KeyLimits, KmsError, Purpose,
};

use super::cache::{Held, Whose};
use super::inner::Inner;
use super::records::{self, RecordError};
use super::{KeyStoreError, unavailable};

/// Most records of one data key.
pub const MAX_MESSAGES: u64 = 1_000_000;

/// Most bytes of plaintext of one data key: 64 GiB.
pub const MAX_BYTES: u64 = 64 << 30;

/// How long a data key seals: a day.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Most data keys under one KEK that are kept.
const KEPT: usize = 256;

/// What keeps the data key that new records are sealed under.
const SEALING: &str = "records";

/// The data keys under one KEK that are in memory; they go with it.
pub(super) fn cache() -> KeyCache {
    KeyCache::new(CacheLimits {
        key: KeyLimits {
            messages: MAX_MESSAGES,
            bytes: MAX_BYTES,
        },
        max_age: MAX_AGE,
        keys_per_tenant: KEPT,
        tenants: 1,
    })
}

/// Why there is no data key.
enum Absent {
    /// The keys above it changed in between: the use begins again.
    Changed,
    Refused(KeyStoreError),
}

impl From<KeyStoreError> for Absent {
    fn from(error: KeyStoreError) -> Self {
        Self::Refused(error)
    }
}

impl Inner {
    /// The data key that new records are sealed under; its row is stored. None when the keys
    /// changed in between.
    pub(super) async fn sealing(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
    ) -> Result<Option<Arc<DataKey>>, KeyStoreError> {
        let make = || self.make_data_key(whose, held);
        let found = held
            .data_keys
            .sealing_key_with(SEALING, &held.seen, Instant::now(), make);
        unless_changed(found.await)
    }

    /// The data key of a record. None when the keys changed in between.
    pub(super) async fn opening(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
        id: &DekId,
    ) -> Result<Option<Arc<DataKey>>, KeyStoreError> {
        let load = || self.load_data_key(whose, held, id);
        let found = held
            .data_keys
            .detached_key(id, &held.seen, Instant::now(), load);
        unless_changed(found.await)
    }

    async fn make_data_key(&self, whose: &Whose, held: &Arc<Held>) -> Result<DataKey, Absent> {
        let tenant = whose.tenant;
        let made = Dek::generate().and_then(|dek| Ok((dek, DekId::generate()?)));
        let (dek, id) = made.map_err(unavailable)?;
        let kept = Purpose::Dek(id);
        let wrapped = self.use_now(whose, held, |held| {
            held.keys.wrap_now(&whose.name, &kept, &dek)
        });
        let wrapped = wrapped.ok_or(Absent::Changed)?;
        let wrapped = wrapped.map_err(|error| match error {
            KmsError::NotFound => KeyStoreError::NoKey,
            error => unavailable(error),
        })?;
        let now = self.clock.unix_seconds();
        let stored = async {
            let mut tx = self.job.begin().await?;
            records::insert_dek(&mut tx, &tenant, &id, &wrapped, now).await?;
            // Whether or not an unknown commit happened, this id is not used.
            Ok::<_, RecordError>(tx.commit().await?)
        };
        stored.await.map_err(unavailable)?;
        Ok(DataKey::detached(&dek, &tenant, id))
    }

    async fn load_data_key(
        &self,
        whose: &Whose,
        held: &Arc<Held>,
        id: &DekId,
    ) -> Result<DataKey, Absent> {
        let read = async {
            let mut tx = self.job.begin().await?;
            let wrapped = records::read_dek(&mut tx, &whose.tenant, id).await?;
            tx.rollback().await;
            Ok::<_, RecordError>(wrapped)
        };
        let wrapped = read.await.map_err(unavailable)?;
        let wrapped = wrapped.filter(|wrapped| wrapped.key_ref == whose.name);
        let wrapped = wrapped.ok_or(KeyStoreError::Failed)?;
        if self.is_behind(whose, held, wrapped.key_version).await? {
            return Err(Absent::Changed);
        }
        let kept = Purpose::Dek(*id);
        let dek = self.use_now(whose, held, |held| held.keys.unwrap_now(&kept, &wrapped));
        let dek = dek.ok_or(Absent::Changed)?.map_err(|error| match error {
            KmsError::NotFound | KmsError::ContextMismatch => KeyStoreError::Failed,
            error => unavailable(error),
        })?;
        Ok(DataKey::detached(&dek, &whose.tenant, *id))
    }
}

fn unless_changed(
    found: Result<Arc<DataKey>, CacheError<Absent>>,
) -> Result<Option<Arc<DataKey>>, KeyStoreError> {
    match found {
        Ok(key) => Ok(Some(key)),
        Err(CacheError::Load(Absent::Refused(error))) => Err(error),
        Err(_) => Ok(None),
    }
}
