//! The feed of revocations, as one node knows it, and the lease that it holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use strongroom_tenancy::TenantId;

/// How long what is kept may be used without asking again.
pub const LEASE: Duration = Duration::from_secs(2);

/// What clocks may gain on one another in the course of a lease: 5 %.
const MARGIN: Duration = Duration::from_millis(100);

/// The most tenants whose changes are told apart; beyond, all count as changed.
const MAX_TENANTS: usize = 1 << 20;

/// A change's number on this node, in the order in which changes were applied here. Another node's
/// numbers are others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// What a node knows of revocations. None of it waits.
///
/// # Security
/// Everything that [`KeyGate`](crate::KeyGate) promises rests on this contract
/// (`docs/spec/api-key.md`, section 7):
///
/// - every change that was committed [`LEASE`] before a moment at which the lease holds is in
///   [`changed`](Self::changed) at that moment;
/// - so the lease is counted from before the question was sent, and moved after the answer was
///   applied;
/// - a change that is applied after [`position`](Self::position) answered gets a higher number.
pub trait RevocationFeed: Send + Sync {
    /// The clock that leases are counted on: it never goes back, and goes on while the machine
    /// sleeps (`CLOCK_BOOTTIME` on Linux). It is read anew at each call.
    fn clock(&self) -> Duration;

    /// The first moment on that clock at which the lease no longer holds.
    fn lease_end(&self) -> Duration;

    /// The last number that was given to a change. It is told before the lease is moved: who sees
    /// the lease that came with a change sees its number.
    fn position(&self) -> Sequence;

    /// The number of a tenant's last change; the lowest one when there was none.
    fn changed(&self, tenant: &TenantId) -> Sequence;
}

/// When a revocation has reached every node: `acknowledged` is when its commit was acknowledged,
/// on any monotonic clock of the revoker.
///
/// Nothing follows from it for a commit of unknown outcome: revoke again.
#[must_use]
pub const fn revoked_everywhere_at(acknowledged: Duration) -> Duration {
    acknowledged.saturating_add(LEASE).saturating_add(MARGIN)
}

/// A feed that is read from a table of numbered changes.
///
/// The numbers must become visible in their order: a plain sequence does not see to that, since a
/// transaction may commit after one that took a later number.
///
/// ```
/// use std::time::{Duration, Instant};
/// use strongroom_apikey::{RevocationFeed, TableFeed};
/// use strongroom_tenancy::TenantId;
///
/// let start = Instant::now();
/// let feed = TableFeed::new(move || start.elapsed());
/// let question = feed.ask();
/// // select seq, tenant_id from changes where seq > $1: read through 8, one tenant changed
/// assert_eq!(question.since(), 0);
/// feed.answer(question, 8, [TenantId::PLATFORM]);
/// assert!(feed.clock() < feed.lease_end());
/// assert_eq!(feed.ask().since(), 8);
/// ```
pub struct TableFeed<C> {
    clock: C,
    /// The lease's end on the clock, in nanoseconds.
    end: AtomicU64,
    /// The last number, for those who only want to know that nothing changed.
    last: AtomicU64,
    known: RwLock<Known>,
}

/// A question that is on its way to the table.
#[derive(Debug)]
pub struct Question {
    sent: Duration,
    since: u64,
}

#[derive(Default)]
struct Known {
    /// Up to where the table was read.
    through: u64,
    last: Sequence,
    /// Every tenant counts as changed here.
    all: Sequence,
    tenants: HashMap<TenantId, Sequence>,
}

impl<C: Fn() -> Duration + Send + Sync> TableFeed<C> {
    /// A feed that knows nothing and holds no lease.
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            end: AtomicU64::new(0),
            last: AtomicU64::new(0),
            known: RwLock::default(),
        }
    }

    /// Begins a renewal of the lease: call it before the question is sent.
    pub fn ask(&self) -> Question {
        let sent = (self.clock)();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Question {
            sent,
            since: known.through,
        }
    }

    /// Applies the answer: the tenants that changed after [`Question::since`], and the number up to
    /// which the table was read, in one snapshot.
    ///
    /// A table that ends before that number is another one, or an older one: everything changed.
    pub fn answer(
        &self,
        question: Question,
        through: u64,
        changed: impl IntoIterator<Item = TenantId>,
    ) {
        {
            let known = self.known.write();
            let mut known = known.unwrap_or_else(PoisonError::into_inner);
            for tenant in changed {
                known.last.0 += 1;
                let number = known.last;
                known.tenants.insert(tenant, number);
            }
            if through < question.since || known.tenants.len() > MAX_TENANTS {
                known.last.0 += 1;
                known.all = known.last;
                known.tenants.clear();
                known.through = through;
            }
            known.through = known.through.max(through);
            self.last.store(known.last.0, Ordering::Release);
        }
        // Changes were applied before: whoever sees this lease sees them.
        let end = question.sent.saturating_add(LEASE);
        self.end.fetch_max(nanoseconds(end), Ordering::Release);
    }
}

impl Question {
    /// The changes after this number are asked for.
    #[must_use]
    pub const fn since(&self) -> u64 {
        self.since
    }
}

impl<C: Fn() -> Duration + Send + Sync> RevocationFeed for TableFeed<C> {
    fn clock(&self) -> Duration {
        (self.clock)()
    }

    fn lease_end(&self) -> Duration {
        Duration::from_nanos(self.end.load(Ordering::Acquire))
    }

    fn position(&self) -> Sequence {
        Sequence(self.last.load(Ordering::Acquire))
    }

    fn changed(&self, tenant: &TenantId) -> Sequence {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let own = known.tenants.get(tenant).copied().unwrap_or_default();
        own.max(known.all)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: TenantId = TenantId::PLATFORM;

    fn tenant() -> TenantId {
        "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
    }

    fn feed(clock: &AtomicU64) -> TableFeed<impl Fn() -> Duration + Send + Sync + '_> {
        TableFeed::new(|| Duration::from_millis(clock.load(Ordering::Relaxed)))
    }

    #[test]
    fn a_lease_is_counted_from_before_the_question() {
        let clock = AtomicU64::new(1000);
        let feed = feed(&clock);
        assert_eq!(feed.lease_end(), Duration::ZERO);
        let question = feed.ask();
        clock.store(2500, Ordering::Relaxed);
        feed.answer(question, 0, []);
        assert_eq!(feed.lease_end(), Duration::from_secs(3));
    }

    #[test]
    fn changes_are_applied_before_the_lease_is_moved() {
        let clock = AtomicU64::new(1000);
        let feed = feed(&clock);
        // Whoever looks while the changes are applied holds no lease yet.
        let changed = std::iter::once_with(|| {
            assert_eq!(feed.lease_end(), Duration::ZERO);
            tenant()
        });
        feed.answer(feed.ask(), 1, changed);
        assert!(feed.lease_end() > Duration::ZERO);
    }

    #[test]
    fn an_answer_that_was_overtaken_shortens_nothing() {
        let clock = AtomicU64::new(1000);
        let feed = feed(&clock);
        let slow = feed.ask();
        clock.store(2000, Ordering::Relaxed);
        feed.answer(feed.ask(), 5, [tenant()]);
        let (end, changed) = (feed.lease_end(), feed.changed(&tenant()));
        feed.answer(slow, 3, []);
        assert_eq!((feed.lease_end(), feed.changed(&tenant())), (end, changed));
        assert_eq!(feed.ask().since(), 5);
    }

    #[test]
    fn a_change_has_a_higher_number_than_the_position_before_it() {
        let clock = AtomicU64::new(0);
        let feed = feed(&clock);
        for through in 1..5 {
            let before = feed.position();
            feed.answer(feed.ask(), through, [tenant()]);
            assert!(feed.changed(&tenant()) > before);
            assert!(feed.changed(&OTHER) <= before);
            assert!(feed.position() >= feed.changed(&tenant()));
        }
    }

    #[test]
    fn a_table_that_went_back_changes_everybody() {
        let clock = AtomicU64::new(0);
        let feed = feed(&clock);
        feed.answer(feed.ask(), 9, [tenant()]);
        let before = feed.position();
        feed.answer(feed.ask(), 4, []);
        assert!(feed.changed(&tenant()) > before && feed.changed(&OTHER) > before);
        assert_eq!(feed.ask().since(), 4);
    }
}
