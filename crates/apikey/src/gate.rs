//! The gate: records kept for five minutes, revocations effective at once.

use std::hash::{BuildHasherDefault, Hasher as StdHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::feed::{LEASE, RevocationFeed, Sequence};
use crate::recent::Recent;
use crate::shown::Shown;
use crate::{Hasher, KeyError, KeyId, KeyRecord, VerifiedKey, Visit};

/// How long a record is kept.
pub const CACHE_LIFE: Duration = Duration::from_secs(300);

/// How long it is remembered that an id has no record.
const UNKNOWN_LIFE: Duration = Duration::from_secs(30);

/// How many ids without a record are remembered.
const MAX_UNKNOWN: usize = 4096;

/// Locks, so that threads seldom wait for one another.
const SHARDS: usize = 16;

/// What happens while a node holds no lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutLease {
    /// The record is read for each request.
    #[default]
    AskStore,
    /// Keys are not accepted.
    Refuse,
}

/// Checks keys against records that it keeps, under a lease.
///
/// After a revocation is over ([`revoked_everywhere_at`](crate::revoked_everywhere_at)), no gate
/// accepts the key: `docs/spec/api-key.md`, section 7, says why. The steps of a check are separate,
/// so that whatever waits is the caller's; [`KeyGate::authenticate`] takes them in order:
///
/// ```
/// # use std::time::Duration;
/// use strongroom_apikey::{
///     Accepted, ApiKey, Environment, Found, Hasher, KeyGate, KeyRecord, TableFeed, Visit,
/// };
/// # use strongroom_tenancy::{Role, TenantId};
/// # let all = Role::Admin.capabilities();
/// # let key = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
/// # let row = KeyRecord::issue(&key, TenantId::PLATFORM, all, &all, None)?;
/// # let feed = TableFeed::new(|| Duration::ZERO);
/// let gate = KeyGate::new(Hasher::default(), 10_000);
/// let visit = Visit { now: 1_800_000_000, address: None };
///
/// assert!(matches!(gate.find(key.id(), &feed), Found::Nothing));
/// let ticket = gate.begin(key.id(), &feed); // before the row is read
/// let candidate = gate.loaded(ticket, Some(row), &key)?;
/// assert!(matches!(gate.accept(&candidate, &key, &visit, &feed), Accepted::Yes(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyGate {
    hasher: Hasher,
    without_lease: WithoutLease,
    records: [Mutex<Records>; SHARDS],
    /// Ids without a record, and since when.
    unknown: Mutex<Recent<KeyId, Duration>>,
    /// How many keys were created on this node.
    created: AtomicU64,
}

type Records = Recent<KeyId, Arc<Read>, BuildHasherDefault<IdHasher>>;

/// Spreads ids that have a record. They are random, and nobody chooses them: those that somebody
/// made up are in `unknown`, under a keyed hash.
#[derive(Default)]
struct IdHasher(u64);

/// A record that a key may be checked against, if it is still current.
#[derive(Clone, Debug)]
pub struct Candidate {
    read: Arc<Read>,
    was_kept: bool,
}

/// What was read.
#[derive(Debug)]
struct Read {
    record: KeyRecord,
    /// The clock before the row was asked for.
    asked: Duration,
    /// The feed's position before the row was asked for.
    position: Sequence,
}

/// The right to say what was read: made before the row is asked for.
#[derive(Debug)]
pub struct Ticket {
    id: KeyId,
    asked: Duration,
    position: Sequence,
    created: u64,
}

/// What the gate knows of an id.
#[derive(Debug)]
pub enum Found {
    /// A record.
    Record(Candidate),
    /// That there is none.
    Unknown,
    /// Nothing: the store must be asked.
    Nothing,
}

/// Whether a candidate's key is accepted still, for what was issued on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// The key is accepted still.
    Yes,
    /// It is not.
    No(KeyError),
    /// The record may be out of date: the store must be asked.
    Outdated,
}

/// What became of a candidate.
#[derive(Debug)]
pub enum Accepted {
    /// The key is accepted.
    Yes(VerifiedKey),
    /// The key is refused.
    No(KeyError),
    /// The record may be out of date: the store must be asked.
    Outdated,
}

impl Candidate {
    /// The record.
    ///
    /// # Security
    /// It says what it says of the id that was shown. That the key itself was shown is what
    /// [`KeyGate::accept`] finds out.
    #[must_use]
    pub fn record(&self) -> &KeyRecord {
        &self.read.record
    }
}

impl KeyGate {
    /// A gate that keeps at most `capacity` records.
    #[must_use]
    pub fn new(hasher: Hasher, capacity: usize) -> Self {
        Self {
            hasher,
            without_lease: WithoutLease::default(),
            records: std::array::from_fn(|_| Mutex::new(Recent::new(capacity / SHARDS))),
            unknown: Mutex::new(Recent::new(MAX_UNKNOWN)),
            created: AtomicU64::new(0),
        }
    }

    /// The gate with another rule for the time without a lease.
    #[must_use]
    pub fn without_lease(self, without_lease: WithoutLease) -> Self {
        Self {
            without_lease,
            ..self
        }
    }

    /// How keys are hashed.
    #[must_use]
    pub const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// What is known of an id.
    pub fn find(&self, id: &KeyId, feed: &dyn RevocationFeed) -> Found {
        let kept = locked(self.shard(id)).get(id);
        if let Some(read) = kept {
            let was_kept = true;
            return Found::Record(Candidate { read, was_kept });
        }
        let since = locked(&self.unknown).get(id);
        match since {
            Some(since) if feed.clock().saturating_sub(since) < UNKNOWN_LIFE => Found::Unknown,
            _ => Found::Nothing,
        }
    }

    /// Begins a look-up: call it before the row is asked for.
    pub fn begin(&self, id: &KeyId, feed: &dyn RevocationFeed) -> Ticket {
        Ticket {
            id: id.clone(),
            created: self.created.load(Ordering::Acquire),
            position: feed.position(),
            asked: feed.clock(),
        }
    }

    /// Takes what the store answered, and keeps it.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] when there is no record; [`KeyError::Unavailable`] for another key's.
    pub fn loaded<'a>(
        &self,
        ticket: Ticket,
        record: Option<KeyRecord>,
        presented: impl Into<Shown<'a>>,
    ) -> Result<Candidate, KeyError> {
        let found = self.keep(ticket, record)?;
        found.ok_or_else(|| self.reject_unknown(presented))
    }

    /// As [`loaded`](Self::loaded), where nobody shows the key: `None` when there is no record.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] for another key's record.
    pub fn keep(
        &self,
        ticket: Ticket,
        record: Option<KeyRecord>,
    ) -> Result<Option<Candidate>, KeyError> {
        let Some(record) = record else {
            let mut unknown = locked(&self.unknown);
            // A key that was created meanwhile may be this one.
            if ticket.created == self.created.load(Ordering::Acquire) {
                unknown.insert(ticket.id, ticket.asked);
            }
            return Ok(None);
        };
        if record.id != ticket.id {
            return Err(KeyError::Unavailable);
        }
        let read = Arc::new(Read {
            record,
            asked: ticket.asked,
            position: ticket.position,
        });
        locked(self.shard(&ticket.id)).insert(ticket.id, Arc::clone(&read));
        let was_kept = false;
        Ok(Some(Candidate { read, was_kept }))
    }

    /// Checks a key against a record, and accepts it at one instant that comes after all look-ups.
    pub fn accept<'a>(
        &self,
        candidate: &Candidate,
        presented: impl Into<Shown<'a>>,
        visit: &Visit,
        feed: &dyn RevocationFeed,
    ) -> Accepted {
        let record = &candidate.read.record;
        let checked = record.authenticate_visit(presented, &self.hasher, visit);
        if !self.is_current(candidate, feed) {
            return Accepted::Outdated;
        }
        match checked {
            Ok(verified) => Accepted::Yes(verified),
            Err(refused) => Accepted::No(refused),
        }
    }

    /// Checks whether a candidate's key is accepted still, at one instant that comes after all
    /// look-ups: for what was issued on it, such as an access token. Nobody need hold the key.
    pub fn vouch(
        &self,
        candidate: &Candidate,
        visit: &Visit,
        feed: &dyn RevocationFeed,
    ) -> Vouched {
        let checked = candidate.read.record.require_accepted(visit);
        if !self.is_current(candidate, feed) {
            return Vouched::Outdated;
        }
        checked.map_or_else(Vouched::No, |()| Vouched::Yes)
    }

    /// Refuses a key whose id has no record, at the price of one that has.
    #[must_use]
    pub fn reject_unknown<'a>(&self, presented: impl Into<Shown<'a>>) -> KeyError {
        self.hasher.reject_unknown(presented)
    }

    /// A key was created: call it once its row is committed.
    pub fn created(&self, id: &KeyId) {
        let mut unknown = locked(&self.unknown);
        self.created.fetch_add(1, Ordering::AcqRel);
        unknown.remove(id);
    }

    /// Drops what is kept of a key: call it when its row was written anew, for another hash.
    pub fn forget(&self, id: &KeyId) {
        locked(self.shard(id)).remove(id);
    }

    /// How many records are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.records.iter().map(|shard| locked(shard).len()).sum()
    }

    /// The order of these readings is the proof (`docs/spec/api-key.md`, section 7, rule 4): a
    /// change that is not seen was committed after the lease was asked for, and the instant of
    /// acceptance is read last.
    fn is_current(&self, candidate: &Candidate, feed: &dyn RevocationFeed) -> bool {
        let lease_end = feed.lease_end();
        let is_unchanged = Self::is_unchanged(&candidate.read, feed);
        let accepted_at = feed.clock();
        let age = accepted_at.saturating_sub(candidate.read.asked);
        let is_leased = accepted_at < lease_end;
        if candidate.was_kept {
            return is_leased && is_unchanged && age < CACHE_LIFE;
        }
        // What was just read is good for as long as a lease that was asked for with it.
        age < LEASE && (is_leased || self.without_lease == WithoutLease::AskStore)
    }

    /// Nobody has changed, as is nearly always so, or at least this tenant has not.
    fn is_unchanged(read: &Read, feed: &dyn RevocationFeed) -> bool {
        feed.position() <= read.position || feed.changed(&read.record.tenant) <= read.position
    }

    fn shard(&self, id: &KeyId) -> &Mutex<Records> {
        let [first, rest @ ..] = &self.records;
        let [.., last] = id.as_bytes();
        match usize::from(*last) % SHARDS {
            0 => first,
            other => rest.get(other - 1).unwrap_or(first),
        }
    }
}

impl StdHasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
            // The odd part of 2^64 over the golden ratio, and the high bits brought down.
            self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 ^= self.0 >> 32;
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl std::fmt::Debug for KeyGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyGate")
            .field("hasher", &self.hasher)
            .field("without_lease", &self.without_lease)
            .finish_non_exhaustive()
    }
}

/// What a thread leaves behind that panicked is a whole map.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
