//! API keys that were used and are not hashed as they would be now: stored under the new hash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_apikey::{HashedKey, KeyId, KeyRecord};
use strongroom_tenancy::{ActorId, TenantId};
use tokio_util::sync::CancellationToken;

use super::request_id;
use crate::app::App;
use crate::postgres::Access;

/// How often what was noted is stored.
const EVERY: Duration = Duration::from_secs(5);

/// When what was held is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// How many keys are noted at a time: the others' turn comes at a later use.
const NOTED: usize = 1000;

/// Keys to be stored under another hash.
#[derive(Default)]
pub struct Rehashes(Mutex<HashMap<KeyId, Rehash>>);

struct Rehash {
    tenant: TenantId,
    actor: ActorId,
    old: HashedKey,
    new: HashedKey,
}

impl Rehashes {
    /// Notes a key that was shown: what is stored of it, and what is to be. A later pepper is never
    /// given up for an earlier one: two nodes under different ones would go on for ever.
    pub fn note(&self, record: &KeyRecord, new: &HashedKey) {
        let Some(actor) = record.actor.filter(|_| new.pepper() > record.hash.pepper()) else {
            return;
        };
        let mut noted = self.noted();
        if noted.len() < NOTED {
            noted.entry(record.id.clone()).or_insert_with(|| Rehash {
                tenant: record.tenant,
                actor,
                old: record.hash.clone(),
                new: new.clone(),
            });
        }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<KeyId, Rehash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores what was noted until told to stop. What is lost is noted again at the key's next use.
pub(super) async fn store(app: Arc<App>, stop: CancellationToken) {
    let mut pause = EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        let noted = std::mem::take(&mut *app.rehashes.noted());
        for (id, rehash) in noted {
            match store_one(&app, &id, &rehash).await {
                // Another node may have been first: what is kept is out of date in any case.
                Ok(Stored::Done) => app.key_gate.forget(&id),
                // Soon, since it is seldom held for long; and nobody else's waits for it.
                Ok(Stored::Held) => {
                    pause = AGAIN;
                    app.rehashes.noted().entry(id).or_insert(rehash);
                }
                Err(error) => tracing::warn!(error, key_id = %id, "a key was not hashed anew"),
            }
        }
    }
}

/// What became of one.
enum Stored {
    /// It was stored, or need not be any more.
    Done,
    /// Somebody holds its row.
    Held,
}

/// Only what is still stored as it was is replaced.
async fn store_one(app: &App, id: &KeyId, rehash: &Rehash) -> Result<Stored, String> {
    const HOLD: &str = "select id from app.api_keys where id = $1 for no key update skip locked";
    const STORE: &str = "update app.api_keys set scheme = $2, hash = $3, pepper = $4 \
         where id = $1 and hash = $5";
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let request = request_id(app.clock.as_ref()).map_err(|error| text(&error))?;
    let Rehash { tenant, actor, .. } = rehash;
    let begun = app.gateway.begin(*tenant, *actor, &request, Access::Write);
    let mut tx = begun.await.map_err(|error| text(&error))?;
    let (scheme, pepper) = columns(&rehash.new);
    let (old, new) = (
        rehash.old.as_bytes().as_slice(),
        rehash.new.as_bytes().as_slice(),
    );
    let held = tx.query(HOLD, &[&id.as_str()]).await;
    if held.map_err(|error| text(&error))?.is_empty() {
        tx.rollback().await;
        return Ok(Stored::Held);
    }
    tx.query(STORE, &[&id.as_str(), &scheme, &new, &pepper, &old])
        .await
        .map_err(|error| text(&error))?;
    tx.commit().await.map_err(|error| text(&error))?;
    Ok(Stored::Done)
}

/// How a hash was made, as its row says it: the scheme, and the pepper's version.
pub(crate) fn columns(hash: &HashedKey) -> (i16, Option<i32>) {
    let pepper = hash.pepper().and_then(|id| i32::try_from(id.0).ok());
    (i16::from(hash.scheme() as u8), pepper)
}

#[cfg(test)]
mod tests {
    use strongroom_apikey::{ApiKey, PepperId, TEST_KEY};
    use strongroom_tenancy::{ActorKind, Role};

    use super::*;

    fn record() -> KeyRecord {
        let key: ApiKey = TEST_KEY.parse().unwrap();
        let all = Role::Admin.capabilities();
        let mut record = KeyRecord::issue(&key, TenantId::PLATFORM, all, &all, None).unwrap();
        let actor = uuid::Uuid::from_u128(7);
        record.actor = Some(ActorId::new(ActorKind::Service, actor).unwrap());
        record
    }

    fn under(version: u32) -> HashedKey {
        match version {
            0 => record().hash,
            _ => HashedKey::from_stored_peppered(PepperId(version), &[7; 32]).unwrap(),
        }
    }

    #[test]
    fn a_later_pepper_is_not_given_up() {
        let mut record = record();
        for (old, new, is_noted) in [
            (0, 1, true),
            (1, 2, true),
            (1, 0, false),
            (2, 1, false),
            (2, 2, false),
        ] {
            let rehashes = Rehashes::default();
            record.hash = under(old);
            rehashes.note(&record, &under(new));
            assert_eq!(rehashes.noted().len() == 1, is_noted, "{old} to {new}");
        }
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let (mut record, rehashes) = (record(), Rehashes::default());
        for number in 0..2 * NOTED {
            record.id = format!("Rehashed{number:04}").parse().unwrap();
            rehashes.note(&record, &under(1));
        }
        assert_eq!(rehashes.noted().len(), NOTED);
    }
}
