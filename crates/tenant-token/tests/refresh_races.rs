//! Rotation under a deterministic scheduler: several requests at once, answers lost, tokens stolen.
//!
//! Each request is a future that stops before and after each call of the store; a seeded scheduler
//! chooses which goes on. What comes out is held against what the specification promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use pollster::block_on;
use strongroom_tenancy::{Actor, CapabilitySet};
use strongroom_tenant_token::Authentication;
use strongroom_tenant_token::refresh::{
    Family, FamilyId, GRACE, Grant, MemoryRefreshStore, RefreshError, RefreshStore, RefreshToken,
    Rotated, StoreFuture, StoreUnavailable, begin, rotate,
};

const NOW: u64 = 1_800_000_000;
const SCHEDULES: u64 = 4_000;

/// SplitMix64: the whole schedule follows from the seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % sides
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).unwrap()
    }
}

/// Stops once.
struct Stop(bool);

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

/// A store at the other end of a wire, which loses some questions and some answers.
struct Wire {
    store: MemoryRefreshStore,
    dice: Mutex<Dice>,
    /// One in so many calls is lost; none for zero.
    loss: u64,
}

impl Wire {
    fn is_lost(&self) -> bool {
        self.loss > 0 && self.dice.lock().unwrap().roll(self.loss) == 0
    }

    async fn call<T>(&self, work: StoreFuture<'_, T>) -> Result<T, StoreUnavailable> {
        let answer = work.await;
        Stop(false).await;
        if self.is_lost() {
            return Err(StoreUnavailable);
        }
        answer
    }

    async fn asked(&self) -> Result<(), StoreUnavailable> {
        Stop(false).await;
        if self.is_lost() {
            Err(StoreUnavailable)
        } else {
            Ok(())
        }
    }
}

impl RefreshStore for Wire {
    fn insert<'a>(&'a self, family: &'a Family) -> StoreFuture<'a, ()> {
        self.store.insert(family)
    }

    fn read<'a>(&'a self, id: &'a FamilyId) -> StoreFuture<'a, Option<Family>> {
        Box::pin(async {
            self.asked().await?;
            self.call(self.store.read(id)).await
        })
    }

    fn swap<'a>(&'a self, expected: u64, next: &'a Family) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.asked().await?;
            self.call(self.store.swap(expected, next)).await
        })
    }
}

fn grant() -> Grant {
    Grant {
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap(),
        actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()),
        capabilities: CapabilitySet::of(&[]),
        session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac12000b".parse().unwrap(),
        client_id: "console".to_owned(),
        authentication: Authentication::at(NOW),
    }
}

type Answer = Result<Rotated, RefreshError>;
type Running<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

struct Request {
    token: String,
    client: &'static str,
    /// When it came, by the clock and by the scheduler's steps.
    at: u64,
    began: usize,
    ended: usize,
    answer: Answer,
}

/// Runs requests at once, each of which came at `at`, in an order that the dice choose.
fn at_once(
    wire: &Wire,
    dice: &mut Dice,
    step: &mut usize,
    at: u64,
    asked: Vec<(String, &'static str)>,
) -> Vec<Request> {
    let mut running: Vec<(String, &'static str, usize, Running<'_>)> = Vec::new();
    for (token, client) in asked {
        *step += 1;
        let presented = token.clone();
        let future = Box::pin(async move { rotate(wire, &presented, client, at).await });
        running.push((token, client, *step, future));
    }
    let mut done = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while !running.is_empty() {
        *step += 1;
        let which = dice.index(running.len());
        if let Poll::Ready(answer) = running[which].3.as_mut().poll(&mut context) {
            let (token, client, began, _) = running.swap_remove(which);
            let ended = *step;
            done.push(Request {
                token,
                client,
                at,
                began,
                ended,
                answer,
            });
        }
    }
    done
}

/// One family's life: rounds of requests, with tokens of any generation, by any client.
fn schedule(seed: u64, loss: u64) -> (Vec<Request>, String, Vec<Family>) {
    let mut dice = Dice(seed);
    let wire = Wire {
        store: MemoryRefreshStore::default(),
        dice: Mutex::new(Dice(!seed)),
        loss,
    };
    let first = block_on(begin(&wire, "acme", grant(), NOW)).unwrap();
    let mut known = vec![first.expose().to_owned()];
    let (mut now, mut step) = (NOW, 0);
    let (mut requests, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..=dice.roll(8) {
        now += [0, 0, 1, 5, 10, 11, 60][dice.index(7)];
        if dice.roll(2) == 0 {
            wire.store.forget_successors(now.saturating_sub(GRACE));
        }
        let mut asked = Vec::new();
        for _ in 0..=dice.roll(3) {
            // Mostly the newest, sometimes the one before, seldom an older one.
            let back = [0, 0, 0, 0, 1, 1, 2, 3][dice.index(8)];
            let token = known[known.len().saturating_sub(1 + back)].clone();
            let client = if dice.roll(12) == 0 {
                "thief"
            } else {
                "console"
            };
            asked.push((token, client));
        }
        if dice.roll(2) == 0 {
            let twice = asked[0].clone();
            asked.push(twice);
        }
        for request in at_once(&wire, &mut dice, &mut step, now, asked) {
            if let Ok(rotated) = &request.answer {
                let token = rotated.token.expose().to_owned();
                if !known.contains(&token) {
                    known.push(token);
                }
            }
            requests.push(request);
        }
        let id = first.family();
        rows.push(block_on(wire.store.read(&id)).unwrap().unwrap());
    }
    (requests, known[0].clone(), rows)
}

/// What must hold of any schedule.
fn check(seed: u64, requests: &[Request], first: &str, rows: &[Family]) -> Tally {
    let mut successors: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut parents: BTreeMap<&str, &str> = BTreeMap::new();
    let mut fresh: BTreeMap<u64, usize> = BTreeMap::new();
    let mut repeats: BTreeMap<u64, usize> = BTreeMap::new();
    let mut tally = Tally::default();
    for request in requests {
        if let Ok(rotated) = &request.answer {
            let given = rotated.token.expose();
            successors.entry(&request.token).or_default().insert(given);
            parents.insert(given, &request.token);
            let counted = if rotated.is_repeat {
                &mut repeats
            } else {
                &mut fresh
            };
            *counted.entry(rotated.generation).or_default() += 1;
            assert_eq!(
                request.client, "console",
                "seed {seed}: given to another client"
            );
        }
    }
    for (token, given) in &successors {
        assert_eq!(
            given.len(),
            1,
            "seed {seed}: {} successors of {token}",
            given.len()
        );
    }
    assert!(
        fresh.values().all(|times| *times == 1),
        "seed {seed}: rotated twice"
    );
    assert!(
        repeats.values().all(|times| *times == 1),
        "seed {seed}: two graces"
    );
    for request in requests {
        let uses = |token: &str, before: usize| {
            requests
                .iter()
                .any(|other| other.token == token && other.ended < before && other.answer.is_ok())
        };
        match &request.answer {
            Ok(rotated) if rotated.is_repeat => {
                tally.repeats += 1;
                let given = rotated.token.expose();
                assert!(
                    !uses(given, request.began),
                    "seed {seed}: its successor was used"
                );
                let rotated_at = requests.iter().filter(|r| r.token == request.token);
                let first_asked = rotated_at.map(|r| r.at).min().unwrap();
                // The rotation itself may have been at any asking whose answer was lost.
                let latest = requests.iter().filter(|r| {
                    r.token == request.token && r.began < request.ended && r.at <= request.at
                });
                let within = latest.map(|r| request.at - r.at).any(|ago| ago <= GRACE);
                assert!(within && first_asked <= request.at, "seed {seed}: too late");
            }
            Ok(_) => tally.rotations += 1,
            Err(RefreshError::ReuseDetected(_)) => tally.reuses += 1,
            Err(_) => {}
        }
        // A token two generations old, known to be when the request began.
        let is_old = successors
            .get(&*request.token)
            .is_some_and(|given| given.iter().any(|given| uses(given, request.began)));
        if is_old {
            tally.old += 1;
            let code = request.answer.as_ref().err().map(RefreshError::code);
            assert!(
                matches!(
                    code,
                    Some("refresh_reuse_detected" | "refresh_revoked" | "refresh_unavailable")
                ),
                "seed {seed}: an old token gave {code:?}"
            );
        }
        if let Err(RefreshError::ReuseDetected(_) | RefreshError::Revoked) = request.answer {
            for later in requests.iter().filter(|later| later.began > request.ended) {
                assert!(
                    later.answer.is_err(),
                    "seed {seed}: renewed after the revocation"
                );
            }
        }
        if let Err(RefreshError::Unknown | RefreshError::Malformed(_)) = request.answer {
            panic!("seed {seed}: a token of the family is not known");
        }
    }
    for (now, row) in rows.iter().enumerate() {
        if row.revoked.is_some() {
            assert_eq!(
                row.successor, None,
                "seed {seed}: revoked, and a successor is kept"
            );
            let after = &rows[now..];
            assert!(
                after.iter().all(|row| row.revoked.is_some()),
                "seed {seed}: came back"
            );
        }
    }
    assert!(!parents.contains_key(first), "seed {seed}");
    tally
}

#[derive(Default)]
struct Tally {
    rotations: usize,
    repeats: usize,
    reuses: usize,
    old: usize,
}

fn run(loss: u64) {
    let mut total = Tally::default();
    for seed in 0..SCHEDULES {
        let (requests, first, rows) = schedule(seed, loss);
        let tally = check(seed, &requests, &first, &rows);
        total.rotations += tally.rotations;
        total.repeats += tally.repeats;
        total.reuses += tally.reuses;
        total.old += tally.old;
    }
    // Schedules in which nothing happens would prove nothing.
    let least = usize::try_from(SCHEDULES).unwrap() / 20;
    for (name, count) in [
        ("rotations", total.rotations),
        ("repeats", total.repeats),
        ("reuses", total.reuses),
        ("old tokens", total.old),
    ] {
        assert!(count > least, "only {count} {name}");
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    run(0);
}

#[test]
fn no_schedule_breaks_a_promise_when_answers_are_lost() {
    run(9);
}

#[test]
fn two_at_once_have_one_successor() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let wire = Wire {
            store: MemoryRefreshStore::default(),
            dice: Mutex::new(Dice(seed)),
            loss: 0,
        };
        let first = block_on(begin(&wire, "acme", grant(), NOW)).unwrap();
        let asked = vec![(first.expose().to_owned(), "console"); 2];
        let answers = at_once(&wire, &mut dice, &mut 0, NOW + 1, asked);
        let given: Vec<_> = answers.iter().map(|r| r.answer.as_ref().unwrap()).collect();
        assert_eq!(
            given[0].token.expose(),
            given[1].token.expose(),
            "seed {seed}"
        );
        assert!(given[0].is_repeat != given[1].is_repeat, "seed {seed}");
        let after = block_on(rotate(&wire, given[0].token.expose(), "console", NOW + 2));
        assert_eq!(after.unwrap().generation, 2);
    }
}

/// An honest client that asks again when it got no answer keeps its session.
#[test]
fn one_lost_answer_ends_no_session() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let store = MemoryRefreshStore::default();
        let mut token = block_on(begin(&store, "acme", grant(), NOW)).unwrap();
        let mut now = NOW;
        for _ in 0..20 {
            now += dice.roll(1_000);
            let given = block_on(rotate(&store, token.expose(), "console", now)).unwrap();
            let lost = dice.roll(3) == 0;
            let given = if lost {
                drop(given);
                now += dice.roll(GRACE + 1);
                block_on(rotate(&store, token.expose(), "console", now)).unwrap()
            } else {
                given
            };
            assert_eq!(given.is_repeat, lost);
            token = RefreshToken::parse(given.token.expose()).unwrap();
        }
    }
}
