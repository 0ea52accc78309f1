//! A replay guard in memory, for a receiver that is one process.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::future;
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use crate::{Claim, ReplayFuture, ReplayGuard, Verified, WebhookError};

/// Added to twice the tolerance, for clocks that differ, in seconds.
const SKEW: u64 = 60;

/// How long a claim is held that nobody settles, unless told otherwise, in seconds.
pub const DEFAULT_LEASE: u64 = 60;

/// How long a committed id is a duplicate, while there is room, in seconds: five days.
const REMEMBERED: u64 = 5 * 24 * 60 * 60;

/// A bounded [`ReplayGuard`] in the memory of one process; a restart forgets everything.
///
/// When it is full it refuses new deliveries, and forgets none before its time. What it forgets
/// to make room are ids whose deliveries are past their time, and which it would have told for
/// duplicates.
///
/// Its own methods are those of the trait, without a future.
///
/// ```
/// use strongroom_webhook_sig::{Claim, HeaderSet, MemoryReplayGuard};
/// use strongroom_webhook_sig::{SigningSecret, Verifier, WebhookError, sign};
///
/// let secret = SigningSecret::generate()?;
/// let sent = sign(&secret, &"msg_1".parse()?, 1000, b"{}").headers();
/// let headers = HeaderSet::collect(sent.iter().map(|(name, value)| (*name, value.as_bytes())))?;
/// let verified = Verifier::new([secret])?.verify(&headers, b"{}", 1000)?;
///
/// let guard = MemoryReplayGuard::new(100_000, 300);
/// assert_eq!(guard.claim("orders", &verified, 1000)?, Claim::First);
/// guard.commit("orders", &verified, 1001)?;
/// assert_eq!(guard.claim("orders", &verified, 1002), Err(WebhookError::Replayed));
/// # Ok::<(), WebhookError>(())
/// ```
pub struct MemoryReplayGuard {
    capacity: usize,
    retention: u64,
    lease: u64,
    ledger: Mutex<Ledger>,
}

/// A digest in place of endpoint and id, so that an entry's size is not the sender's choice.
type Key = [u8; 32];

#[derive(Default)]
struct Ledger {
    messages: HashMap<Key, Message>,
    /// Every remembered delivery, in the order in which they were accepted.
    deliveries: VecDeque<Delivery>,
    /// Committed messages whose deliveries are all forgotten, in the order in which they became so.
    remembered: VecDeque<Remembered>,
    /// How many messages were ever added to `remembered`.
    count: u64,
    /// The newest timestamp that was forgotten: what is not newer cannot be told from a replay.
    forgotten: Option<u64>,
}

struct Message {
    state: State,
    timestamps: BTreeSet<u64>,
    /// Its entry in `remembered`; another number there is of an earlier stay.
    remembered: Option<u64>,
}

/// Each state names the delivery, by its timestamp, whose claim led to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight { by: u64, since: u64 },
    Committed { by: u64 },
    Released { by: u64 },
}

struct Delivery {
    key: Key,
    timestamp: u64,
    accepted_at: u64,
}

struct Remembered {
    key: Key,
    number: u64,
    since: u64,
}

impl MemoryReplayGuard {
    /// Remembers up to `capacity` deliveries, each for `2 * tolerance + 60` seconds, and committed
    /// ids for five days in the room that they leave.
    ///
    /// `tolerance` is the verifier's, in seconds. Memory is taken as deliveries come, about 200
    /// bytes each.
    #[must_use]
    pub fn new(capacity: usize, tolerance: u64) -> Self {
        Self {
            capacity,
            retention: tolerance.saturating_mul(2).saturating_add(SKEW),
            lease: DEFAULT_LEASE,
            ledger: Mutex::default(),
        }
    }

    /// Sets how long a claim is held that nobody settles, in seconds: longer than a handler may
    /// take.
    #[must_use]
    pub const fn with_lease(mut self, seconds: u64) -> Self {
        self.lease = seconds;
        self
    }

    /// Claims a message for handling.
    ///
    /// # Errors
    /// Those of [`ReplayGuard::claim`].
    pub fn claim(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
    ) -> Result<Claim, WebhookError> {
        let key = key(endpoint, verified);
        let timestamp = verified.timestamp();
        let mut ledger = self.lock()?;
        ledger.forget(now, self.retention);
        let known = ledger.messages.get(&key);
        if known.is_some_and(|message| message.timestamps.contains(&timestamp)) {
            return Err(WebhookError::Replayed);
        }
        if ledger.forgotten.is_some_and(|newest| timestamp <= newest) {
            return Err(WebhookError::TooOld);
        }
        let (claim, state) = match known.map(|message| message.state) {
            Some(State::InFlight { since, .. }) if now.saturating_sub(since) <= self.lease => {
                return Err(WebhookError::InFlight);
            }
            Some(state @ State::Committed { .. }) => (Claim::Duplicate, state),
            Some(State::InFlight { .. } | State::Released { .. }) | None => {
                let (by, since) = (timestamp, now);
                (Claim::First, State::InFlight { by, since })
            }
        };
        if !ledger.has_room(self.capacity) {
            return Err(WebhookError::StoreUnavailable);
        }
        let message = ledger.messages.entry(key).or_insert_with(|| Message {
            state,
            timestamps: BTreeSet::new(),
            remembered: None,
        });
        message.state = state;
        message.remembered = None;
        message.timestamps.insert(timestamp);
        ledger.deliveries.push_back(Delivery {
            key,
            timestamp,
            accepted_at: now,
        });
        Ok(claim)
    }

    /// Records that a claimed message was handled.
    ///
    /// # Errors
    /// Those of [`ReplayGuard::commit`].
    pub fn commit(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
    ) -> Result<(), WebhookError> {
        let by = verified.timestamp();
        self.settle(endpoint, verified, now, State::Committed { by })
    }

    /// Gives a claimed message back.
    ///
    /// # Errors
    /// Those of [`ReplayGuard::release`].
    pub fn release(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
    ) -> Result<(), WebhookError> {
        let by = verified.timestamp();
        self.settle(endpoint, verified, now, State::Released { by })
    }

    /// A poisoned ledger may lack a record, so it refuses from then on.
    fn lock(&self) -> Result<MutexGuard<'_, Ledger>, WebhookError> {
        self.ledger
            .lock()
            .map_err(|_| WebhookError::StoreUnavailable)
    }

    fn settle(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
        to: State,
    ) -> Result<(), WebhookError> {
        let mut ledger = self.lock()?;
        ledger.forget(now, self.retention);
        let message = ledger
            .messages
            .get_mut(&key(endpoint, verified))
            .ok_or(WebhookError::ClaimLost)?;
        // A lapsed claim that nobody took since is still its holder's.
        if matches!(message.state, State::InFlight { by, .. } if by == verified.timestamp()) {
            message.state = to;
        }
        if message.state == to {
            Ok(())
        } else {
            Err(WebhookError::ClaimLost)
        }
    }
}

impl ReplayGuard for MemoryReplayGuard {
    fn claim<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, Claim> {
        Box::pin(future::ready(self.claim(endpoint, verified, now)))
    }

    fn commit<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()> {
        Box::pin(future::ready(self.commit(endpoint, verified, now)))
    }

    fn release<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()> {
        Box::pin(future::ready(self.release(endpoint, verified, now)))
    }
}

impl Ledger {
    /// Forgets what is past its time. After the clock stepped back a later record may wait behind
    /// an earlier one: it is then kept too long, never too short.
    fn forget(&mut self, now: u64, retention: u64) {
        let past = |delivery: &mut Delivery| now.saturating_sub(delivery.accepted_at) > retention;
        while let Some(delivery) = self.deliveries.pop_front_if(past) {
            self.forgotten = self.forgotten.max(Some(delivery.timestamp));
            let Some(message) = self.messages.get_mut(&delivery.key) else {
                continue;
            };
            message.timestamps.remove(&delivery.timestamp);
            if !message.timestamps.is_empty() {
                continue;
            }
            if matches!(message.state, State::Committed { .. }) {
                self.count += 1;
                message.remembered = Some(self.count);
                self.remembered.push_back(Remembered {
                    key: delivery.key,
                    number: self.count,
                    since: now,
                });
            } else {
                self.messages.remove(&delivery.key);
            }
        }
        let past = |message: &mut Remembered| now.saturating_sub(message.since) > REMEMBERED;
        while let Some(message) = self.remembered.pop_front_if(past) {
            self.drop_remembered(&message);
        }
    }

    /// Makes room for one delivery at the cost of remembered ids, and says whether there is any.
    fn has_room(&mut self, capacity: usize) -> bool {
        while self.deliveries.len() + self.remembered.len() >= capacity {
            let Some(message) = self.remembered.pop_front() else {
                return false;
            };
            self.drop_remembered(&message);
        }
        true
    }

    fn drop_remembered(&mut self, entry: &Remembered) {
        let is_it = |message: &Message| message.remembered == Some(entry.number);
        if self.messages.get(&entry.key).is_some_and(is_it) {
            self.messages.remove(&entry.key);
        }
    }
}

impl fmt::Debug for MemoryReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayGuard")
            .field("capacity", &self.capacity)
            .field("retention", &self.retention)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// An id holds no line feed, so the last one separates endpoint and id without ambiguity.
fn key(endpoint: &str, verified: &Verified) -> Key {
    let mut hash = Sha256::new();
    hash.update(endpoint.as_bytes());
    hash.update(b"\n");
    hash.update(verified.message_id().as_str().as_bytes());
    hash.finalize().into()
}
