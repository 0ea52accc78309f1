//! Changes of the ring: by the clock, and by the operator.
//!
//! What a change needs is made first, then one transaction swaps the ring's version, moves the
//! keys, stores and drops private halves, stages the events and bumps the generation. Of several
//! nodes one wins, the others look again; a crash leaves all of it or nothing.

use strongroom_auditchain::{Leaf, Outcome};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId, TenantId};
use strongroom_tenant_token::{KeyEntry, KeyRing, KeyRingError, KeyState, SigningKey};
use uuid::Uuid;

use super::ring::{self, Stored};
use super::{RingStore, TRIES, TokenKeys};
use crate::audit::{Draft, EventError, STAGE_EVENT, new_event_id};
use crate::generations::BUMP_GENERATION;
use crate::keys::{self, KeysError};
use crate::keystore::{self, RecordError};
use crate::postgres::{CommitError, QueryError};

/// Who asked for a change, in which request, and what their event is called.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who.
    pub actor: Actor,
    /// The request.
    pub request: RequestId,
    /// The event's kind.
    pub kind: &'static str,
}

/// What a change came to.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The ring from now on.
    pub ring: KeyRing,
    /// The operator's event, staged with the change; none where nothing was to be changed.
    pub event: Option<Uuid>,
}

/// Why the ring was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no key of that name.
    #[error("there is no such token key")]
    NoSuchKey,
    /// Other nodes were faster, again and again.
    #[error("the keys of access tokens are being changed by others")]
    Busy,
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The change was not stored, or perhaps was.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The platform's KEK was not read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A private half was not sealed or opened.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The stored keys form no ring.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    /// An event could not be written.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A key could not be made.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The change is not one that can be stored.
    #[error("the change is malformed: {0}")]
    Malformed(&'static str),
}

/// What is wanted beside what the clock wants.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Nothing,
    Replacement,
    Withdrawal(&'a str),
}

impl TokenKeys {
    /// Moves on the keys whose time has come, and makes the next one when it is wanted; the first
    /// one, when there is none. Safe on any number of nodes at once, at any time.
    ///
    /// # Errors
    /// [`ChangeError`]; what was not done is done the next time.
    pub async fn advance(&self) -> Result<(), ChangeError> {
        self.inner.store.advance().await
    }

    /// Has another key sign, as soon as it was published long enough. Asking again changes nothing.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn replace(&self, cause: &Cause) -> Result<Changed, ChangeError> {
        let store = &self.inner.store;
        store.change(Wish::Replacement, Some(cause)).await
    }

    /// Withdraws a key that may have leaked: its tokens are refused, and another one signs, made
    /// now where there is none, or as soon as one can be made. For a key that is gone it only makes
    /// sure.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchKey`].
    ///
    /// # Security
    /// No node accepts the key's tokens once
    /// [`revoked_everywhere`](crate::generations::revoked_everywhere) is over after this.
    pub async fn withdraw(&self, kid: &str, cause: &Cause) -> Result<Changed, ChangeError> {
        let store = &self.inner.store;
        store.change(Wish::Withdrawal(kid), Some(cause)).await
    }
}

impl RingStore {
    /// As [`TokenKeys::advance`].
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn advance(&self) -> Result<(), ChangeError> {
        self.change(Wish::Nothing, None).await.map(drop)
    }

    async fn change(&self, wish: Wish<'_>, cause: Option<&Cause>) -> Result<Changed, ChangeError> {
        for _ in 0..TRIES {
            let before = self.read().await?;
            let (after, wants_key) = self.planned(&before, wish)?;
            let is_withdrawal = matches!(wish, Wish::Withdrawal(_));
            let (after, made) = match wants_key {
                true => match self.with_new_key(&before, &after).await {
                    Ok((after, made)) => (after, Some(made)),
                    // What leaked is not kept for want of another: that is made when it can be.
                    Err(error) if is_withdrawal => {
                        tracing::error!(%error, "no token key was made in place of a withdrawn one");
                        (after, None)
                    }
                    Err(error) => return Err(error),
                },
                false => (after, None),
            };
            if after == before && !is_withdrawal {
                return Ok(Changed {
                    ring: after.ring,
                    event: None,
                });
            }
            let events = self.events(&before, &after, wish, cause)?;
            let mut tx = self.job.begin().await?;
            if !ring::write(&mut tx, &before, &after, made.as_ref()).await? {
                tx.rollback().await;
                continue;
            }
            let platform = TenantId::PLATFORM;
            tx.query(BUMP_GENERATION, &[platform.as_uuid()]).await?;
            for (id, leaf) in &events {
                tx.query(STAGE_EVENT, &[platform.as_uuid(), id, &leaf.as_bytes()])
                    .await?;
            }
            tx.commit().await?;
            return Ok(Changed {
                ring: after.ring,
                event: cause.and(events.first().map(|(id, _)| *id)),
            });
        }
        Err(ChangeError::Busy)
    }

    /// The ring as it is to be, and whether a key is missing from it.
    fn planned(&self, before: &Stored, wish: Wish<'_>) -> Result<(Stored, bool), ChangeError> {
        let now = self.clock.unix_seconds();
        let mut after = before.clone();
        let ring = &mut after.ring;
        match wish {
            Wish::Nothing => {}
            Wish::Replacement => after.replace_early = true,
            Wish::Withdrawal(kid) => {
                let known = ring.entries().iter().find(|entry| entry.key.kid() == kid);
                match known.map(|entry| entry.state) {
                    None => return Err(ChangeError::NoSuchKey),
                    Some(KeyState::Gone) => {}
                    Some(_) => ring.withdraw(kid, now)?,
                }
            }
        }
        ring.advance(now);
        let is_another = |ring: &KeyRing| ring.active() != before.ring.active();
        if after.replace_early && !is_another(ring) {
            ring.replace_early(now);
        }
        // Fulfilled, be it by the clock or by a withdrawal.
        after.replace_early &= !is_another(ring);
        let has_next = ring.entries().iter().any(|e| e.state == KeyState::Next);
        let wants_key = ring.wants_key(now) || (after.replace_early && !has_next);
        Ok((after, wants_key))
    }

    async fn with_new_key(
        &self,
        before: &Stored,
        after: &Stored,
    ) -> Result<(Stored, keystore::Sealed), ChangeError> {
        let kek = self.kek().await?;
        // A platform whose keys did not rotate goes on with the one it has.
        let only = match before.ring.entries() {
            [] => keys::open_only_token_key(&self.job, &kek).await?,
            _ => None,
        };
        let key = match only {
            Some(key) => key,
            None => {
                SigningKey::generate_for(self.algorithm).map_err(|_| ChangeError::Randomness)?
            }
        };
        let sealed = keys::seal_token_key(&kek, &key).await?;
        let mut after = after.clone();
        after
            .ring
            .add(key.public_key(), self.clock.unix_seconds())?;
        Ok((after, sealed))
    }

    /// The operator's event first, then one for each key that is another than before.
    fn events(
        &self,
        before: &Stored,
        after: &Stored,
        wish: Wish<'_>,
        cause: Option<&Cause>,
    ) -> Result<Vec<(Uuid, Leaf)>, ChangeError> {
        let (actor, request) = match cause {
            Some(cause) => (cause.actor.clone(), cause.request),
            None => (platform()?, self.request_id()?),
        };
        let of_key = |entry: &KeyEntry| format!("token_key/{}", entry.key.kid());
        let (old, new) = (before.ring.entries(), after.ring.entries());
        let mut said = Vec::new();
        if let Some(cause) = cause {
            let resource = match wish {
                Wish::Withdrawal(kid) => Some(format!("token_key/{kid}")),
                _ => before
                    .ring
                    .active()
                    .map(|key| format!("token_key/{}", key.kid())),
            };
            said.push((cause.kind, resource));
        }
        for entry in new {
            if ring::find(old, entry).map(|entry| entry.state) != Some(entry.state) {
                said.push((kind(entry.state), Some(of_key(entry))));
            }
        }
        let clock = self.clock.as_ref();
        said.into_iter()
            .map(|(kind, resource)| {
                let id = new_event_id(clock)?;
                let draft = Draft {
                    kind,
                    actor: Some(actor.clone()),
                    request,
                    resource,
                    credential: None,
                    policy: None,
                    outcome: Outcome::Success,
                };
                Ok((id, draft.leaf(id, clock.unix_micros(), Vec::new())?))
            })
            .collect()
    }

    fn request_id(&self) -> Result<RequestId, ChangeError> {
        let mut random = [0_u8; 10];
        getrandom::fill(&mut random).map_err(|_| ChangeError::Randomness)?;
        Ok(RequestId::from_parts(self.clock.unix_millis(), &random))
    }
}

/// The event of a key that enters a state.
const fn kind(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "token_key.published",
        KeyState::Active => "token_key.activated",
        KeyState::Retiring => "token_key.retired",
        KeyState::Gone => "token_key.gone",
    }
}

fn platform() -> Result<Actor, ChangeError> {
    let id = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid());
    id.map(Actor::new)
        .map_err(|_| ChangeError::Malformed("the platform has no id"))
}
