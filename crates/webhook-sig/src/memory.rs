//! A replay guard in memory, for a receiver that is one process.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use crate::{Claim, ReplayGuard, Verified, WebhookError};

/// Added to twice the tolerance, for clocks that differ, in seconds.
const SKEW: u64 = 60;

/// A bounded [`ReplayGuard`] in the memory of one process; a restart forgets everything.
///
/// When it is full it refuses new deliveries, and forgets none before its time.
///
/// ```
/// use strongroom_webhook_sig::{Claim, HeaderSet, MemoryReplayGuard, ReplayGuard};
/// use strongroom_webhook_sig::{SigningSecret, Verifier, WebhookError, sign};
///
/// let secret = SigningSecret::generate()?;
/// let sent = sign(&secret, &"msg_1".parse()?, 1000, b"{}").headers();
/// let headers = HeaderSet::collect(sent.iter().map(|(name, value)| (*name, value.as_bytes())))?;
/// let verified = Verifier::new(vec![secret])?.verify(&headers, b"{}", 1000)?;
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
    ledger: Mutex<Ledger>,
}

/// A digest in place of endpoint and id, so that an entry's size is not the sender's choice.
type Key = [u8; 32];

#[derive(Default)]
struct Ledger {
    messages: HashMap<Key, Message>,
    /// Every remembered delivery, in the order in which they were accepted.
    deliveries: VecDeque<Delivery>,
    /// The newest timestamp that was forgotten: what is not newer cannot be told from a replay.
    forgotten: Option<u64>,
}

struct Message {
    state: State,
    timestamps: BTreeSet<u64>,
}

/// Each state names the delivery, by its timestamp, whose claim led to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight(u64),
    Committed(u64),
    Released(u64),
}

struct Delivery {
    key: Key,
    timestamp: u64,
    accepted_at: u64,
}

impl MemoryReplayGuard {
    /// Remembers up to `capacity` deliveries, each for `2 * tolerance + 60` seconds.
    ///
    /// `tolerance` is the verifier's, in seconds. Memory is taken as deliveries come, about 200
    /// bytes each.
    #[must_use]
    pub fn new(capacity: usize, tolerance: u64) -> Self {
        Self {
            capacity,
            retention: tolerance.saturating_mul(2).saturating_add(SKEW),
            ledger: Mutex::default(),
        }
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
        if message.state == State::InFlight(verified.timestamp()) {
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
    fn claim(&self, endpoint: &str, verified: &Verified, now: u64) -> Result<Claim, WebhookError> {
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
            Some(State::InFlight(_)) => return Err(WebhookError::InFlight),
            Some(state @ State::Committed(_)) => (Claim::Duplicate, state),
            Some(State::Released(_)) | None => (Claim::First, State::InFlight(timestamp)),
        };
        if ledger.deliveries.len() >= self.capacity {
            return Err(WebhookError::StoreUnavailable);
        }
        let message = ledger.messages.entry(key).or_insert_with(|| Message {
            state,
            timestamps: BTreeSet::new(),
        });
        message.state = state;
        message.timestamps.insert(timestamp);
        ledger.deliveries.push_back(Delivery {
            key,
            timestamp,
            accepted_at: now,
        });
        Ok(claim)
    }

    fn commit(&self, endpoint: &str, verified: &Verified, now: u64) -> Result<(), WebhookError> {
        let to = State::Committed(verified.timestamp());
        self.settle(endpoint, verified, now, to)
    }

    fn release(&self, endpoint: &str, verified: &Verified, now: u64) -> Result<(), WebhookError> {
        let to = State::Released(verified.timestamp());
        self.settle(endpoint, verified, now, to)
    }
}

impl Ledger {
    /// Forgets what is past its retention. After the clock stepped back a later record may wait
    /// behind an earlier one: it is then kept too long, never too short.
    fn forget(&mut self, now: u64, retention: u64) {
        let past = |delivery: &mut Delivery| now.saturating_sub(delivery.accepted_at) > retention;
        while let Some(delivery) = self.deliveries.pop_front_if(past) {
            self.forgotten = self.forgotten.max(Some(delivery.timestamp));
            if let Some(message) = self.messages.get_mut(&delivery.key) {
                message.timestamps.remove(&delivery.timestamp);
                if message.timestamps.is_empty() {
                    self.messages.remove(&delivery.key);
                }
            }
        }
    }
}

impl fmt::Debug for MemoryReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayGuard")
            .field("capacity", &self.capacity)
            .field("retention", &self.retention)
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
