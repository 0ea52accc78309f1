//! Revocation under a simulated clock: after `revoke` has returned, no node accepts the key.
//!
//! Each schedule is drawn from a seed: several nodes whose clocks run apart, partitions, answers
//! that come late, pauses between any two steps of a check and between the readings of which the
//! acceptance consists, and changes of the same tenant that are no revocation of this key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod world;

use strongroom_apikey::WithoutLease;
use world::{Plan, World};

const SCHEDULES: u64 = 3000;

#[test]
fn nothing_is_accepted_after_revoke_has_returned() {
    let (mut accepted, mut kept, mut late) = (0, 0, 0);
    for seed in 0..SCHEDULES {
        let outcome = World::run(&Plan::of(seed, WithoutLease::AskStore));
        let returned = outcome.revoke_returned.unwrap();
        for acceptance in &outcome.acceptances {
            assert!(
                acceptance.at <= returned,
                "seed {seed}: accepted by node {} at {} us, {} us after revoke returned",
                acceptance.node,
                acceptance.at,
                acceptance.at - returned,
            );
            kept += u64::from(acceptance.was_kept);
            late += u64::from(acceptance.at > outcome.revoke_committed.unwrap());
        }
        accepted += outcome.acceptances.len();
    }
    // The schedules are not tame: keys are accepted, mostly without the database, and some after
    // the revocation was committed and before it returned.
    assert!(accepted > 100_000, "{accepted}");
    assert!(kept > 20_000, "{kept}");
    assert!(late > 1_000, "{late}");
}

#[test]
fn without_a_lease_nothing_is_accepted_where_that_is_chosen() {
    for seed in 0..SCHEDULES / 10 {
        let outcome = World::run(&Plan::of(seed, WithoutLease::Refuse));
        let returned = outcome.revoke_returned.unwrap();
        assert!(outcome.acceptances.iter().all(|one| one.at <= returned));
        assert!(
            outcome.acceptances.iter().all(|one| one.had_lease),
            "seed {seed}"
        );
    }
}

/// Without faults a key is read once and then accepted from memory until it is revoked.
#[test]
fn a_quiet_world_keeps_the_key() {
    let outcome = World::run(&Plan::quiet(7));
    let from_memory = outcome
        .acceptances
        .iter()
        .filter(|one| one.was_kept)
        .count();
    assert!(from_memory * 10 > outcome.acceptances.len() * 9);
    assert!(outcome.acceptances.len() > 100);
}
