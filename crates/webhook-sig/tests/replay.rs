//! The replay guard: first, duplicate, replay, in flight; bounded, and closed when full.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;
use std::sync::Barrier;

use proptest::prelude::*;
use strongroom_webhook_sig::{
    Claim, HeaderSet, MemoryReplayGuard, SigningSecret, Verified, Verifier, WebhookError, sign,
};

/// 2 * 300 + 60.
const RETENTION: u64 = 660;

fn verified(id: &str, timestamp: u64) -> Verified {
    let secret = || SigningSecret::from_bytes(&[7; 32]).unwrap();
    let sent = sign(&secret(), &id.parse().unwrap(), timestamp, b"").headers();
    let pairs = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
    let headers = HeaderSet::collect(pairs).unwrap();
    Verifier::new([secret()])
        .unwrap()
        .verify(&headers, b"", timestamp)
        .unwrap()
}

#[test]
fn the_table_of_the_specification() {
    let guard = MemoryReplayGuard::new(100, 300);
    let (first, retry, later) = (
        verified("a", 1000),
        verified("a", 1005),
        verified("a", 1010),
    );
    assert_eq!(guard.claim("e", &first, 1000), Ok(Claim::First));
    assert_eq!(guard.claim("e", &first, 1000), Err(WebhookError::Replayed));
    assert_eq!(guard.claim("e", &retry, 1005), Err(WebhookError::InFlight));
    guard.commit("e", &first, 1006).unwrap();
    assert_eq!(guard.claim("e", &retry, 1007), Ok(Claim::Duplicate));
    assert_eq!(guard.claim("e", &retry, 1007), Err(WebhookError::Replayed));
    assert_eq!(guard.claim("e", &first, 1007), Err(WebhookError::Replayed));
    assert_eq!(guard.claim("e", &later, 1010), Ok(Claim::Duplicate));
    // Another endpoint has not seen it.
    assert_eq!(guard.claim("f", &first, 1010), Ok(Claim::First));
}

#[test]
fn a_released_message_is_first_again_and_its_delivery_is_not() {
    let guard = MemoryReplayGuard::new(100, 300);
    let (first, retry) = (verified("a", 1000), verified("a", 1005));
    assert_eq!(guard.claim("e", &first, 1000), Ok(Claim::First));
    guard.release("e", &first, 1001).unwrap();
    assert_eq!(guard.claim("e", &first, 1002), Err(WebhookError::Replayed));
    assert_eq!(guard.claim("e", &retry, 1005), Ok(Claim::First));
    guard.commit("e", &retry, 1006).unwrap();
}

#[test]
fn a_claim_is_settled_one_way_and_by_its_holder() {
    let guard = MemoryReplayGuard::new(100, 300);
    let (first, other) = (verified("a", 1000), verified("a", 1005));
    assert_eq!(
        guard.commit("e", &first, 1000),
        Err(WebhookError::ClaimLost)
    );
    assert_eq!(
        guard.release("e", &first, 1000),
        Err(WebhookError::ClaimLost)
    );
    assert_eq!(guard.claim("e", &first, 1000), Ok(Claim::First));
    assert_eq!(
        guard.commit("e", &other, 1000),
        Err(WebhookError::ClaimLost)
    );
    assert_eq!(
        guard.commit("f", &first, 1000),
        Err(WebhookError::ClaimLost)
    );
    guard.commit("e", &first, 1001).unwrap();
    guard.commit("e", &first, 1001).unwrap();
    assert_eq!(
        guard.release("e", &first, 1002),
        Err(WebhookError::ClaimLost)
    );
    assert_eq!(guard.claim("e", &other, 1005), Ok(Claim::Duplicate));
    assert_eq!(
        guard.commit("e", &other, 1005),
        Err(WebhookError::ClaimLost)
    );
}

#[test]
fn endpoint_and_id_do_not_run_together() {
    let guard = MemoryReplayGuard::new(100, 300);
    assert_eq!(guard.claim("ab", &verified("c", 1), 1), Ok(Claim::First));
    assert_eq!(guard.claim("a", &verified("bc", 1), 1), Ok(Claim::First));
    assert_eq!(guard.claim("a\nb", &verified("c", 1), 1), Ok(Claim::First));
}

#[test]
fn a_delivery_is_remembered_for_its_whole_retention() {
    let guard = MemoryReplayGuard::new(1, 300);
    let message = verified("a", 1300);
    assert_eq!(guard.claim("e", &message, 1000), Ok(Claim::First));
    guard.commit("e", &message, 1000).unwrap();
    let replayed = guard.claim("e", &message, 1000 + RETENTION);
    assert_eq!(replayed, Err(WebhookError::Replayed));
    let next = verified("b", 1000 + RETENTION);
    let full = guard.claim("e", &next, 1000 + RETENTION);
    assert_eq!(full, Err(WebhookError::StoreUnavailable));
    assert_eq!(guard.claim("e", &next, 1001 + RETENTION), Ok(Claim::First));
}

#[test]
fn what_was_forgotten_is_too_old_even_when_the_clock_steps_back() {
    let guard = MemoryReplayGuard::new(10, 300);
    let message = verified("a", 1000);
    assert_eq!(guard.claim("e", &message, 1000), Ok(Claim::First));
    guard.commit("e", &message, 1000).unwrap();
    assert_eq!(
        guard.claim("e", &verified("b", 90_000), 90_000),
        Ok(Claim::First)
    );
    assert_eq!(guard.claim("e", &message, 1001), Err(WebhookError::TooOld));
    assert_eq!(
        guard.claim("e", &verified("c", 1001), 1001),
        Ok(Claim::First)
    );
}

#[test]
fn a_full_guard_refuses_and_evicts_nothing() {
    let guard = MemoryReplayGuard::new(2, 300);
    let (a, b) = (verified("a", 1), verified("b", 1));
    assert_eq!(guard.claim("e", &a, 1), Ok(Claim::First));
    guard.commit("e", &a, 1).unwrap();
    assert_eq!(guard.claim("e", &b, 1), Ok(Claim::First));
    let full = Err(WebhookError::StoreUnavailable);
    assert_eq!(guard.claim("e", &verified("c", 1), 2), full);
    assert_eq!(guard.claim("e", &verified("a", 2), 2), full);
    assert_eq!(guard.claim("e", &a, 2), Err(WebhookError::Replayed));
    guard.commit("e", &b, 2).unwrap();
    let none = MemoryReplayGuard::new(0, 300);
    assert_eq!(none.claim("e", &a, 1), full);
}

/// A sender's retries go on for hours after the guard has forgotten the first delivery.
#[test]
fn a_committed_message_stays_a_duplicate_for_days() {
    let guard = MemoryReplayGuard::new(10, 300);
    let (a, b) = (verified("a", 1000), verified("b", 1000));
    assert_eq!(guard.claim("e", &a, 1000), Ok(Claim::First));
    guard.commit("e", &a, 1000).unwrap();
    assert_eq!(guard.claim("e", &b, 1000), Ok(Claim::First));
    guard.release("e", &b, 1000).unwrap();
    let day = 24 * 60 * 60;
    for now in [1000 + day, 1000 + 2 * day] {
        assert_eq!(
            guard.claim("e", &verified("a", now), now),
            Ok(Claim::Duplicate)
        );
    }
    let now = 1000 + 2 * day;
    assert_eq!(guard.claim("e", &verified("b", now), now), Ok(Claim::First));
    // Five days after it was last heard of, at the latest, it is forgotten.
    assert_eq!(
        guard.claim("e", &verified("c", now + 661), now + 661),
        Ok(Claim::First)
    );
    let now = now + 661 + 5 * day + 1;
    assert_eq!(guard.claim("e", &verified("a", now), now), Ok(Claim::First));
}

/// To make room an id may go whose deliveries are past their time, the oldest first, and nothing
/// else.
#[test]
fn room_is_made_of_what_protects_from_no_replay() {
    let guard = MemoryReplayGuard::new(3, 300);
    for (id, at) in [("a", 1000), ("b", 1001)] {
        let message = verified(id, at);
        assert_eq!(guard.claim("e", &message, at), Ok(Claim::First));
        guard.commit("e", &message, at).unwrap();
    }
    let now = 1002 + RETENTION;
    let claim = |id, at| guard.claim("e", &verified(id, at), now);
    assert_eq!(claim("c", now), Ok(Claim::First));
    assert_eq!(claim("d", now), Ok(Claim::First), "a is forgotten");
    assert_eq!(claim("b", now), Ok(Claim::Duplicate));
    assert_eq!(claim("a", now), Err(WebhookError::StoreUnavailable));
    assert_eq!(claim("c", now), Err(WebhookError::Replayed));
    assert_eq!(claim("b", now), Err(WebhookError::Replayed));
}

#[test]
fn a_claim_that_nobody_settles_lapses() {
    let guard = MemoryReplayGuard::new(10, 300).with_lease(30);
    let (first, retry) = (verified("a", 1000), verified("a", 1005));
    assert_eq!(guard.claim("e", &first, 1000), Ok(Claim::First));
    assert_eq!(guard.claim("e", &retry, 1030), Err(WebhookError::InFlight));
    // A clock that steps back does not end it sooner.
    assert_eq!(guard.claim("e", &retry, 900), Err(WebhookError::InFlight));
    assert_eq!(guard.claim("e", &retry, 1031), Ok(Claim::First));
    let lost = Err(WebhookError::ClaimLost);
    assert_eq!(guard.commit("e", &first, 1032), lost);
    assert_eq!(guard.release("e", &first, 1032), lost);
    guard.commit("e", &retry, 1032).unwrap();
}

#[test]
fn of_concurrent_claims_one_is_first() {
    let guard = MemoryReplayGuard::new(1000, 300);
    for round in 0..50 {
        let id = format!("m{round}");
        let barrier = Barrier::new(4);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..4)
                .map(|attempt| {
                    let message = verified(&id, 1000 + attempt % 2);
                    let (guard, barrier) = (&guard, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        guard.claim("e", &message, 1000)
                    })
                })
                .collect();
            claims
                .into_iter()
                .map(|claim| claim.join().unwrap())
                .collect()
        });
        let first = outcomes
            .iter()
            .filter(|outcome| **outcome == Ok(Claim::First));
        assert_eq!(first.count(), 1, "{outcomes:?}");
    }
}

#[test]
fn debug_shows_bounds_alone() {
    let guard = MemoryReplayGuard::new(2, 300);
    let shown = "MemoryReplayGuard { capacity: 2, retention: 660, lease: 60, .. }";
    assert_eq!(format!("{guard:?}"), shown);
}

proptest! {
    /// Whatever comes in whatever order, a delivery is accepted once, and a message is first only
    /// while nobody has it.
    #[test]
    fn a_delivery_is_accepted_at_most_once(
        steps in prop::collection::vec((0_u8..3, 0_u64..4, 0_u8..3), 1..60),
    ) {
        let guard = MemoryReplayGuard::new(1000, 300);
        let mut accepted = HashMap::new();
        let mut held: HashMap<u8, Verified> = HashMap::new();
        for (message, timestamp, settle) in steps {
            let delivery = verified(&format!("m{message}"), 1000 + timestamp);
            if let Ok(claim) = guard.claim("e", &delivery, 1000) {
                let again = accepted.insert((message, timestamp), claim);
                prop_assert_eq!(again, None);
                if claim == Claim::First {
                    prop_assert!(held.insert(message, delivery).is_none());
                }
            }
            match (settle, held.get(&message)) {
                (1, Some(holder)) => {
                    prop_assert_eq!(guard.release("e", holder, 1000), Ok(()));
                    held.remove(&message);
                }
                (2, Some(holder)) => prop_assert!(guard.commit("e", holder, 1000).is_ok()),
                _ => {}
            }
            // A committed message is not given back.
            if settle == 2 && let Some(holder) = held.get(&message) {
                let lost = Err(WebhookError::ClaimLost);
                prop_assert_eq!(guard.release("e", holder, 1000), lost);
                let fresh = verified(&format!("m{message}"), 5000);
                prop_assert_ne!(guard.claim("e", &fresh, 1000), Ok(Claim::First));
                return Ok(());
            }
        }
    }
}
