//! The conformance suite, on the guard in memory, and on guards that are wrong, each in one way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::future::{self, poll_fn};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use pollster::block_on;
use strongroom_webhook_sig::conformance::{CHECKS, Failure, Terms, run};
use strongroom_webhook_sig::{
    Claim, MemoryReplayGuard, ReplayFuture, ReplayGuard, Verified, WebhookError,
};

const TERMS: Terms = Terms {
    tolerance: 300,
    lease: 60,
};

/// What is wrong with a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    AcceptsReplays,
    HidesFlight,
    HandlesDuplicates,
    KeepsReleased,
    MixesEndpoints,
    SettlesAnything,
    NeverLapses,
    LooksThenRecords,
    ForgetsEarly,
    ForgetsCommitted,
    TrustsTheClock,
}

/// Each flaw and the check that finds it.
const FLAWS: &[(Flaw, usize)] = &[
    (Flaw::AcceptsReplays, 0),
    (Flaw::HidesFlight, 1),
    (Flaw::HandlesDuplicates, 2),
    (Flaw::KeepsReleased, 3),
    (Flaw::MixesEndpoints, 4),
    (Flaw::SettlesAnything, 5),
    (Flaw::NeverLapses, 6),
    (Flaw::LooksThenRecords, 7),
    (Flaw::ForgetsEarly, 8),
    (Flaw::ForgetsCommitted, 9),
    (Flaw::TrustsTheClock, 10),
];

/// A guard that is right, behind a flaw.
struct Wrong {
    flaw: Flaw,
    right: MemoryReplayGuard,
    calls: AtomicU32,
}

impl Wrong {
    fn new(flaw: Flaw) -> Self {
        let right = match flaw {
            Flaw::NeverLapses => MemoryReplayGuard::new(10_000, 300).with_lease(u64::MAX),
            // Remembers deliveries for 260 seconds.
            Flaw::ForgetsEarly => MemoryReplayGuard::new(10_000, 100),
            _ => MemoryReplayGuard::new(10_000, 300),
        };
        Self {
            flaw,
            right,
            calls: AtomicU32::new(0),
        }
    }

    fn endpoint<'a>(&self, endpoint: &'a str) -> &'a str {
        match self.flaw {
            Flaw::MixesEndpoints => endpoint.trim_end_matches("-elsewhere"),
            _ => endpoint,
        }
    }

    fn claimed(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
    ) -> Result<Claim, WebhookError> {
        let outcome = self.right.claim(self.endpoint(endpoint), verified, now);
        match (self.flaw, outcome) {
            (Flaw::AcceptsReplays, Err(WebhookError::Replayed)) => Ok(Claim::First),
            (Flaw::HidesFlight, Err(WebhookError::InFlight)) => Ok(Claim::Duplicate),
            (Flaw::HandlesDuplicates, Ok(Claim::Duplicate)) => Ok(Claim::First),
            (Flaw::KeepsReleased, Ok(Claim::First)) if verified.timestamp() % 10 == 5 => {
                Err(WebhookError::InFlight)
            }
            (Flaw::ForgetsCommitted, Ok(Claim::Duplicate)) if now > 1_800_050_000 => {
                Ok(Claim::First)
            }
            (Flaw::TrustsTheClock, Err(_)) if now % 1000 == 900 => Ok(Claim::First),
            (_, outcome) => outcome,
        }
    }
}

impl ReplayGuard for Wrong {
    fn claim<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, Claim> {
        if self.flaw != Flaw::LooksThenRecords {
            return Box::pin(future::ready(self.claimed(endpoint, verified, now)));
        }
        Box::pin(async move {
            let seen = self.calls.load(Ordering::Relaxed);
            // Others run between the look and the record.
            let mut waited = false;
            poll_fn(|context| {
                if waited {
                    return Poll::Ready(());
                }
                waited = true;
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            let overtaken = seen != self.calls.fetch_add(1, Ordering::Relaxed);
            match self.claimed(endpoint, verified, now) {
                Err(WebhookError::InFlight) if overtaken => Ok(Claim::First),
                outcome => outcome,
            }
        })
    }

    fn commit<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()> {
        let outcome = self.right.commit(self.endpoint(endpoint), verified, now);
        Box::pin(future::ready(match self.flaw {
            Flaw::SettlesAnything if !endpoint.ends_with("-elsewhere") => Ok(()),
            _ => outcome,
        }))
    }

    fn release<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()> {
        Box::pin(future::ready(self.right.release(
            self.endpoint(endpoint),
            verified,
            now,
        )))
    }
}

#[test]
fn the_guard_in_memory_conforms() {
    let guard = MemoryReplayGuard::new(10_000, 300);
    assert_eq!(block_on(run(&guard, TERMS, "e")), Ok(()));
    // Another endpoint's name is another run.
    let behind = block_on(run(&guard, TERMS, "f")).unwrap_err();
    assert_eq!(behind.check, CHECKS[0], "its clock is days ahead by now");
}

#[test]
fn a_wrong_guard_fails_at_its_flaw() {
    for (flaw, check) in FLAWS {
        let failure = block_on(run(&Wrong::new(*flaw), TERMS, "e")).unwrap_err();
        let Failure { check: found, .. } = &failure;
        assert_eq!(*found, CHECKS[*check], "{flaw:?}: {failure}");
    }
}

#[test]
fn every_check_can_fail() {
    let can_fail: BTreeSet<_> = FLAWS.iter().map(|(_, check)| *check).collect();
    assert_eq!(can_fail.len(), CHECKS.len());
}
