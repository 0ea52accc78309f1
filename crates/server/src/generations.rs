//! Generations: how a node learns that something it keeps a copy of was revoked.
//!
//! A revocation changes its tenant's row of `app.generations` in its own transaction
//! ([`BUMP_GENERATION`]). Every node asks twice a second what changed, lets its caches drop it, and
//! then holds a lease of two seconds, counted from before it asked. A copy may be used under a
//! lease and in the generation that it was loaded under, and no other way:
//!
//! ```no_run
//! # use strongroom_server::generations::{Generation, Generations, LeaseLapsed};
//! # use strongroom_tenancy::TenantId;
//! # struct Key;
//! # async fn load(_: TenantId) -> Key { Key }
//! # async fn example(
//! #     generations: &Generations, tenant: TenantId, cached: Option<(Generation, Key)>,
//! # ) -> Result<(), LeaseLapsed> {
//! let before = generations.confirm().await?.generation(tenant);
//! let fresh = match cached {
//!     Some((loaded, key)) if loaded == before => (loaded, key),
//!     // The generation was read first: a change during the load is seen as one.
//!     _ => (before, load(tenant).await),
//! };
//! let current = generations.lease()?.generation(tenant) == fresh.0; // right before its use
//! # let _ = current;
//! # Ok(())
//! # }
//! ```
//!
//! So, once [`revoked_everywhere`] is over, no node uses what was revoked: it saw the change, or
//! its lease has lapsed. A node that is down or cut off holds nobody up.

mod watch;

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use strongroom_apikey::{RevocationFeed, Sequence};
use strongroom_tenancy::TenantId;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::postgres::Job;

pub use watch::Watch;

/// Makes everything that nodes cached of a tenant, `$1`, out of date once the transaction commits.
///
/// For the gateway, under the tenant's claim; a job's role needs a policy on the table, and the
/// rights `select (tenant_id), insert (tenant_id), update (stamp)`. The row stays locked until the
/// transaction ends, against other bumps of the same tenant alone, and against who leaves
/// credentials behind ([`crate::tokens::hold_credentials`], which such a transaction begins with):
/// let it be the last statement but those that stage events, and bump several tenants in the order
/// of their ids.
pub const BUMP_GENERATION: &str = "insert into app.generations (tenant_id) values ($1) \
     on conflict (tenant_id) do update set stamp = default";

/// How long what is cached may be used without asking again.
pub const LEASE: Duration = Duration::from_secs(2);

/// What the nodes' clocks may gain on one another in the course of a lease, and what lies between
/// the look at a lease and the use of a copy.
const MARGIN: Duration = Duration::from_millis(100);

/// How long [`Generations::confirm`] waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Returns when no node uses a copy of what was revoked, however the nodes fare: call it once the
/// transaction of the bump is committed.
///
/// Nothing follows from it for a commit of unknown outcome, which may still happen: revoke again.
pub async fn revoked_everywhere() {
    tokio::time::sleep(LEASE.saturating_add(MARGIN)).await;
}

/// How recent something is of what this node knows of a tenant. Another node's numbers are others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// The number, which grows; for what keeps numbers only.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a node knows of every tenant's revocations.
#[derive(Clone)]
pub struct Generations {
    shared: Arc<Shared>,
}

/// The lease holds right now: everything that was revoked more than two seconds ago is known.
///
/// It cannot be kept over an await point of a task that moves between threads: take another.
///
/// ```compile_fail,E0277
/// # use strongroom_server::generations::Lease;
/// fn may_wait<T: Send>() {}
/// may_wait::<Lease<'static>>();
/// ```
#[derive(Clone, Copy)]
pub struct Lease<'a> {
    shared: &'a Shared,
    not_send: PhantomData<*const ()>,
}

/// The database has not said for two seconds what was revoked: no copy may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was revoked is not known: the database has not answered for 2 s")]
pub struct LeaseLapsed;

/// Drops what a cache keeps of a tenant.
type Purge = Box<dyn Fn(TenantId) + Send + Sync>;

struct Shared {
    /// When the lease ends, on the clock of [`since_boot`] in nanoseconds.
    until: AtomicU64,
    known: RwLock<HashMap<Uuid, Known>>,
    /// The last number that was given to a change.
    last: AtomicU64,
    purges: RwLock<Vec<Purge>>,
    /// Somebody wants a poll now.
    asked: Notify,
    /// How many polls have ended, well or badly.
    polls: tokio::sync::watch::Sender<u64>,
}

struct Known {
    stamp: Uuid,
    generation: Generation,
}

impl Generations {
    /// Starts to watch, over the watcher's role. There is no lease before the first answer.
    #[must_use]
    pub fn start(job: Job) -> (Self, Watch) {
        let shared = Arc::new(Shared {
            until: AtomicU64::new(0),
            known: RwLock::default(),
            last: AtomicU64::new(0),
            purges: RwLock::default(),
            asked: Notify::new(),
            polls: tokio::sync::watch::Sender::new(0),
        });
        let watch = Watch::start(job, Arc::clone(&shared));
        (Self { shared }, watch)
    }

    /// The lease, if it holds. Neither waits nor allocates.
    ///
    /// # Errors
    /// [`LeaseLapsed`]: [`Generations::confirm`] asks the database.
    pub fn lease(&self) -> Result<Lease<'_>, LeaseLapsed> {
        if since_boot() >= self.shared.until.load(Ordering::Acquire) {
            return Err(LeaseLapsed);
        }
        Ok(Lease {
            shared: &self.shared,
            not_send: PhantomData,
        })
    }

    /// The lease; when it has lapsed the database is asked at once, once for everybody who waits,
    /// and again while it does not answer.
    ///
    /// # Errors
    /// [`LeaseLapsed`] after three seconds in which the database did not answer.
    pub async fn confirm(&self) -> Result<Lease<'_>, LeaseLapsed> {
        if self.lease().is_err() {
            let mut polls = self.shared.polls.subscribe();
            let renewed = async {
                // The poll that ends first may have begun long ago: its failure says nothing of
                // now, and its answer may be too old for a lease.
                loop {
                    self.shared.asked.notify_one();
                    let ended = polls.changed().await;
                    if ended.is_err() || self.lease().is_ok() {
                        return;
                    }
                }
            };
            let _ = tokio::time::timeout(PATIENCE, renewed).await;
        }
        self.lease()
    }

    /// Has a cache drop what it keeps of a tenant, whenever something of that tenant was revoked.
    ///
    /// The lease is not renewed before `purge` returns: it must be quick, and must not panic. It
    /// wipes memory; what makes a copy unusable is its generation, since a copy that is being
    /// loaded during the purge is kept after it.
    pub fn on_change(&self, purge: impl Fn(TenantId) + Send + Sync + 'static) {
        let purges = self.shared.purges.write();
        let mut purges = purges.unwrap_or_else(PoisonError::into_inner);
        purges.push(Box::new(purge));
    }
}

/// What the gate of API keys asks. The order in which a poll stores what it read is what its
/// contract wants: a change, its number, the lease.
impl RevocationFeed for Generations {
    fn clock(&self) -> Duration {
        Duration::from_nanos(since_boot())
    }

    fn lease_end(&self) -> Duration {
        Duration::from_nanos(self.shared.until.load(Ordering::Acquire))
    }

    fn position(&self) -> Sequence {
        Sequence(self.shared.last.load(Ordering::Acquire))
    }

    fn changed(&self, tenant: &TenantId) -> Sequence {
        let known = self.shared.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let changed = known.get(tenant.as_uuid());
        Sequence(changed.map_or(0, |known| known.generation.0))
    }
}

impl Lease<'_> {
    /// The tenant's generation: read it, then load; a copy may be used while it is the same.
    #[must_use]
    pub fn generation(&self, tenant: TenantId) -> Generation {
        let known = self.shared.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known
            .get(tenant.as_uuid())
            .map_or_else(Generation::default, |known| known.generation)
    }
}

impl Shared {
    /// A lease from an answer to what was asked at `sent`.
    fn renew(&self, sent: u64) {
        let lease = u64::try_from(LEASE.as_nanos()).unwrap_or(0);
        // Changes were applied before: whoever sees this lease sees them.
        self.until
            .store(sent.saturating_add(lease), Ordering::Release);
    }
}

/// Nanoseconds since the machine started, those included that it slept: a lease must not outlive
/// a suspension.
fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(u64::MAX);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
