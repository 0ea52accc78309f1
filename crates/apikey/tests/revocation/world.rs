//! The simulated world: a database, nodes, a revoker, and what happens in which order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom_apikey::{
    Accepted, ApiKey, Candidate, Found, Hasher, KeyGate, KeyRecord, Question, RevocationFeed,
    Sequence, TEST_KEY, TableFeed, Ticket, Visit, WithoutLease, revoked_everywhere_at,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

const SECOND: u64 = 1_000_000;
const END: u64 = 9 * SECOND;

/// What a schedule is drawn from. All times are in microseconds.
pub(crate) struct Plan {
    seed: u64,
    without_lease: WithoutLease,
    faults: bool,
}

/// What happened.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) acceptances: Vec<Acceptance>,
    pub(crate) revoke_committed: Option<u64>,
    pub(crate) revoke_returned: Option<u64>,
}

/// A key was accepted.
pub(crate) struct Acceptance {
    pub(crate) node: usize,
    /// When the clock was read that the acceptance rests on.
    pub(crate) at: u64,
    pub(crate) was_kept: bool,
    pub(crate) had_lease: bool,
}

pub(crate) struct World {
    plan: Plan,
    now: Arc<AtomicU64>,
    random: AtomicU64,
    events: Mutex<BinaryHeap<Reverse<Scheduled>>>,
    count: AtomicU64,
    database: Mutex<Database>,
    nodes: Vec<Node>,
    outcome: Mutex<Outcome>,
    /// How deep events run within a pause of another.
    depth: AtomicUsize,
    key: ApiKey,
}

struct Database {
    record: KeyRecord,
    /// The changes, numbered from 1.
    changes: Vec<TenantId>,
}

struct Node {
    feed: TableFeed<Box<dyn Fn() -> Duration + Send + Sync>>,
    gate: KeyGate,
    /// Cut off from the database in these spans.
    partitions: Vec<(u64, u64)>,
}

struct Scheduled {
    at: u64,
    number: u64,
    event: Event,
}

enum Event {
    Tick(usize),
    QuestionArrives(usize, Question),
    AnswerArrives(usize, Question, u64, Vec<TenantId>),
    Request(usize),
    RowIsRead(usize, Ticket),
    RowArrives(usize, Ticket, Box<KeyRecord>),
    Accept(usize, Candidate, bool),
    OtherChange,
    Revoke,
    RevokeAcknowledged,
    RevokeReturns,
}

impl Plan {
    pub(crate) const fn of(seed: u64, without_lease: WithoutLease) -> Self {
        Self {
            seed,
            without_lease,
            faults: true,
        }
    }

    pub(crate) const fn quiet(seed: u64) -> Self {
        Self {
            seed,
            without_lease: WithoutLease::AskStore,
            faults: false,
        }
    }
}

impl World {
    pub(crate) fn run(plan: &Plan) -> Outcome {
        let world = Self::new(Plan { ..*plan });
        for node in 0..world.nodes.len() {
            world.schedule(world.below(SECOND / 10), Event::Tick(node));
            world.schedule(world.below(SECOND), Event::Request(node));
        }
        world.schedule(3 * SECOND + world.below(2 * SECOND), Event::Revoke);
        for _ in 0..world.below(4) * u64::from(plan.faults) {
            world.schedule(world.below(END), Event::OtherChange);
        }
        world.run_until(END);
        std::mem::take(&mut *world.outcome.lock().unwrap())
    }

    fn new(plan: Plan) -> Self {
        let key: ApiKey = TEST_KEY.parse().unwrap();
        let all = CapabilitySet::of(&[Capability::ChatCreate]);
        let record = KeyRecord::issue(&key, TenantId::PLATFORM, all, &all, None).unwrap();
        let mut world = Self {
            now: Arc::new(AtomicU64::new(0)),
            // Seeds that follow one another must not draw alike.
            random: AtomicU64::new((plan.seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            events: Mutex::default(),
            count: AtomicU64::new(0),
            database: Mutex::new(Database {
                record,
                changes: Vec::new(),
            }),
            nodes: Vec::new(),
            outcome: Mutex::default(),
            depth: AtomicUsize::new(0),
            key,
            plan,
        };
        for _ in 0..2 + world.below(3) {
            let node = world.node();
            world.nodes.push(node);
        }
        world
    }

    fn node(&self) -> Node {
        let mut partitions = Vec::new();
        for _ in 0..self.below(3) * u64::from(self.plan.faults) {
            let from = self.below(END);
            partitions.push((from, from + self.below(4 * SECOND)));
        }
        let clock = self.drifting_clock();
        let feed = TableFeed::new(Box::new(clock) as Box<dyn Fn() -> Duration + Send + Sync>);
        Node {
            feed,
            gate: KeyGate::new(Hasher::default(), 1000).without_lease(self.plan.without_lease),
            partitions,
        }
    }

    /// A clock with an origin of its own that runs up to 2 % fast or slow.
    fn drifting_clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let (now, origin) = (Arc::clone(&self.now), self.below(1000 * SECOND));
        let per_mille = 980 + self.below(41);
        move || Duration::from_micros(origin + now.load(SeqCst) * per_mille / 1000)
    }

    fn below(&self, limit: u64) -> u64 {
        // xorshift64*; nothing here needs more.
        let mut state = self.random.load(SeqCst);
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.store(state, SeqCst);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % limit.max(1)
    }

    /// How long something takes: mostly nothing to speak of, sometimes longer than a lease.
    fn delay(&self) -> u64 {
        if !self.plan.faults {
            return 1 + self.below(1000);
        }
        match self.below(10) {
            0..=5 => 1 + self.below(2000),
            6..=7 => 1 + self.below(300_000),
            _ => 1 + self.below(3 * SECOND),
        }
    }

    fn now(&self) -> u64 {
        self.now.load(SeqCst)
    }

    fn schedule(&self, after: u64, event: Event) {
        let number = self.count.fetch_add(1, SeqCst);
        let at = self.now() + after;
        let scheduled = Scheduled { at, number, event };
        self.events.lock().unwrap().push(Reverse(scheduled));
    }

    fn run_until(&self, end: u64) {
        loop {
            let next = {
                let mut events = self.events.lock().unwrap();
                match events.peek() {
                    Some(Reverse(next)) if next.at <= end => events.pop(),
                    _ => None,
                }
            };
            let Some(Reverse(next)) = next else { break };
            // Within a pause the time is never behind what is due.
            self.now.fetch_max(next.at, SeqCst);
            self.happen(next.event);
        }
        self.now.fetch_max(end, SeqCst);
    }

    /// Lets the world go on for a while in the middle of a step.
    fn pause(&self) {
        if !self.plan.faults || self.depth.load(SeqCst) >= 2 || self.below(3) > 0 {
            return;
        }
        self.depth.fetch_add(1, SeqCst);
        self.run_until((self.now() + self.delay()).min(END));
        self.depth.fetch_sub(1, SeqCst);
    }

    fn is_cut_off(&self, node: usize) -> bool {
        let mut partitions = self.nodes[node].partitions.iter();
        partitions.any(|(from, to)| (*from..*to).contains(&self.now()))
    }

    fn happen(&self, event: Event) {
        match event {
            Event::Tick(node) => {
                self.schedule(SECOND / 2 + self.below(SECOND / 20), Event::Tick(node));
                let question = self.nodes[node].feed.ask();
                self.send(node, Event::QuestionArrives(node, question));
            }
            Event::QuestionArrives(node, question) => {
                let changes = self.database.lock().unwrap().changes.clone();
                let since = usize::try_from(question.since()).unwrap();
                let (changed, through) = (changes[since..].to_vec(), changes.len() as u64);
                self.send(node, Event::AnswerArrives(node, question, through, changed));
            }
            Event::AnswerArrives(node, question, through, changed) => {
                self.nodes[node].feed.answer(question, through, changed);
            }
            Event::Request(node) => self.request(node),
            Event::RowIsRead(node, ticket) => {
                let record = Box::new(self.database.lock().unwrap().record.clone());
                self.send(node, Event::RowArrives(node, ticket, record));
            }
            Event::RowArrives(node, ticket, record) => {
                let gate = &self.nodes[node].gate;
                let candidate = gate.loaded(ticket, Some(*record), &self.key).unwrap();
                self.schedule(self.delay(), Event::Accept(node, candidate, false));
            }
            Event::Accept(node, candidate, was_kept) => self.accept(node, &candidate, was_kept),
            Event::OtherChange => {
                let mut database = self.database.lock().unwrap();
                database.changes.push(TenantId::PLATFORM);
            }
            Event::Revoke => {
                {
                    let mut database = self.database.lock().unwrap();
                    database.record.revoked_at = Some(1);
                    database.changes.push(TenantId::PLATFORM);
                }
                self.outcome.lock().unwrap().revoke_committed = Some(self.now());
                let latency = 1 + self.below(1000);
                self.schedule(latency, Event::RevokeAcknowledged);
            }
            Event::RevokeAcknowledged => {
                let clock = self.drifting_clock();
                let acknowledged = clock();
                let wait = revoked_everywhere_at(acknowledged) - acknowledged;
                // On a clock that is 2 % fast the wait is shorter than it should be.
                let shortest = u64::try_from(wait.as_micros()).unwrap() * 1000 / 1020;
                self.schedule(shortest, Event::RevokeReturns);
            }
            Event::RevokeReturns => {
                self.outcome.lock().unwrap().revoke_returned = Some(self.now());
            }
        }
    }

    /// A message between a node and the database, unless it is lost.
    fn send(&self, node: usize, event: Event) {
        if !self.is_cut_off(node) {
            self.schedule(self.delay(), event);
        }
    }

    fn request(&self, node: usize) {
        self.schedule(1 + self.below(SECOND / 8), Event::Request(node));
        let feed = self.feed(node);
        match self.nodes[node].gate.find(self.key.id(), &feed) {
            Found::Record(kept) => self.schedule(self.delay(), Event::Accept(node, kept, true)),
            Found::Unknown => panic!("the key was created before the world was"),
            Found::Nothing => self.load(node),
        }
    }

    fn load(&self, node: usize) {
        let ticket = self.nodes[node].gate.begin(self.key.id(), &self.feed(node));
        self.send(node, Event::RowIsRead(node, ticket));
    }

    fn accept(&self, node: usize, candidate: &Candidate, was_kept: bool) {
        let visit = Visit {
            now: 1,
            address: None,
        };
        let feed = self.feed(node);
        match self.nodes[node]
            .gate
            .accept(candidate, &self.key, &visit, &feed)
        {
            Accepted::Yes(_) => {
                let at = feed.clock_read_at.load(SeqCst);
                let had_lease = feed.had_lease.load(SeqCst) > 0;
                let acceptance = Acceptance {
                    node,
                    at,
                    was_kept,
                    had_lease,
                };
                self.outcome.lock().unwrap().acceptances.push(acceptance);
            }
            Accepted::No(_) => {}
            Accepted::Outdated if was_kept => self.load(node),
            Accepted::Outdated => {}
        }
    }

    fn feed(&self, node: usize) -> Pausing<'_> {
        Pausing {
            world: self,
            feed: &self.nodes[node].feed,
            clock_read_at: AtomicU64::new(u64::MAX),
            had_lease: AtomicU64::new(0),
        }
    }
}

/// A node's feed, between whose readings the world may go on.
struct Pausing<'a> {
    world: &'a World,
    feed: &'a TableFeed<Box<dyn Fn() -> Duration + Send + Sync>>,
    clock_read_at: AtomicU64,
    had_lease: AtomicU64,
}

impl RevocationFeed for Pausing<'_> {
    fn clock(&self) -> Duration {
        self.world.pause();
        self.clock_read_at.store(self.world.now(), SeqCst);
        let now = self.feed.clock();
        self.had_lease
            .store(u64::from(now < self.feed.lease_end()), SeqCst);
        self.world.pause();
        now
    }

    fn lease_end(&self) -> Duration {
        self.world.pause();
        self.feed.lease_end()
    }

    fn position(&self) -> Sequence {
        let position = self.feed.position();
        self.world.pause();
        position
    }

    fn changed(&self, tenant: &TenantId) -> Sequence {
        self.world.pause();
        self.feed.changed(tenant)
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
