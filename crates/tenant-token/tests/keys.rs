//! The life of keys, on the issuer's side and on the verifier's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use strongroom_tenant_token::{
    JwkSet, KeyCache, KeyEntry, KeyRing, KeyRingError, KeyState, LEEWAY, MAX_LIFETIME, PublicKey,
    RotationPolicy, RotationPolicyError, SigningKey,
};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

fn key(seed: u8) -> PublicKey {
    SigningKey::from_seed(&[seed; 32]).public_key()
}

fn states(ring: &KeyRing) -> Vec<KeyState> {
    ring.entries().iter().map(|entry| entry.state).collect()
}

fn document(seeds: &[u8]) -> String {
    let keys: Vec<_> = seeds.iter().map(|seed| key(*seed)).collect();
    JwkSet::of(&keys).to_json()
}

#[test]
fn a_key_goes_through_its_states() {
    let mut ring = KeyRing::new(RotationPolicy::default());
    assert!(ring.wants_key(NOW) && ring.active().is_none());
    ring.add(key(1), NOW).unwrap();
    let publish = NOW + 7 * DAY - 600;
    assert!(!ring.wants_key(publish - 1));
    assert!(ring.wants_key(publish));
    ring.add(key(2), publish + 100).unwrap();
    assert!(!ring.wants_key(publish + 100));
    assert_eq!(
        ring.add(key(3), publish + 100),
        Err(KeyRingError::NextExists)
    );
    assert_eq!(ring.add(key(1), publish + 100), Err(KeyRingError::Known));
    // The first key's time is over, the second is not published for long enough.
    ring.advance(NOW + 7 * DAY);
    assert_eq!(states(&ring), [KeyState::Active, KeyState::Next]);
    let turn = publish + 700;
    ring.advance(turn);
    assert_eq!(states(&ring), [KeyState::Retiring, KeyState::Active]);
    ring.advance(turn + 1_799);
    assert_eq!(ring.published().iter().count(), 2);
    assert_eq!(ring.generation(), 0);
    ring.advance(turn + 1_800);
    assert_eq!(states(&ring), [KeyState::Gone, KeyState::Active]);
    assert_eq!((ring.published().iter().count(), ring.generation()), (1, 1));
    assert_eq!(ring.add(key(1), turn + DAY), Err(KeyRingError::Known));
}

#[test]
fn a_withdrawn_key_is_gone_at_once() {
    let mut ring = KeyRing::new(RotationPolicy::default());
    ring.add(key(1), NOW).unwrap();
    ring.add(key(2), NOW).unwrap();
    ring.withdraw(key(1).kid(), NOW + 1).unwrap();
    assert_eq!(ring.active(), Some(&key(2)));
    assert!(ring.published().find(key(1).kid()).is_none());
    assert_eq!(ring.generation(), 1);
    let again = ring.withdraw(key(1).kid(), NOW + 2);
    assert_eq!(again, Err(KeyRingError::Unknown));
    assert_eq!(ring.add(key(1), NOW + 2), Err(KeyRingError::Known));
    ring.withdraw(key(2).kid(), NOW + 3).unwrap();
    assert!(ring.active().is_none() && ring.wants_key(NOW + 3));
    ring.add(key(3), NOW + 4).unwrap();
    assert_eq!(ring.active(), Some(&key(3)));
}

/// However many were withdrawn before it: what leaves is the last to be forgotten.
#[test]
fn a_key_that_has_just_gone_is_not_forgotten() {
    let mut ring = KeyRing::new(RotationPolicy::default());
    ring.add(key(0), NOW).unwrap();
    for seed in 1..=64 {
        ring.add(key(seed), NOW + u64::from(seed)).unwrap();
        let kid = key(seed).kid().to_owned();
        ring.withdraw(&kid, NOW + u64::from(seed)).unwrap();
    }
    let (kid, late) = (key(0).kid().to_owned(), NOW + 100);
    ring.withdraw(&kid, late).unwrap();
    let state = |seed| {
        let mut entries = ring.entries().iter();
        entries
            .find(|entry| entry.key == key(seed))
            .map(|entry| entry.state)
    };
    assert_eq!(state(0), Some(KeyState::Gone));
    assert_eq!((state(1), state(2)), (None, Some(KeyState::Gone)));
    assert_eq!(ring.entries().len(), 64);
}

#[test]
fn a_key_signs_early_only_when_it_was_published_long_enough() {
    let mut ring = KeyRing::new(RotationPolicy::default());
    ring.add(key(1), NOW).unwrap();
    assert!(!ring.replace_early(NOW + DAY));
    ring.add(key(2), NOW + DAY).unwrap();
    assert!(!ring.replace_early(NOW + DAY + 599));
    assert_eq!(ring.active(), Some(&key(1)));
    assert!(ring.replace_early(NOW + DAY + 600));
    assert_eq!(states(&ring), [KeyState::Retiring, KeyState::Active]);
    assert_eq!(ring.generation(), 0);
}

#[test]
fn what_was_stored_is_checked() {
    let policy = RotationPolicy::default();
    let entry = |seed, state| KeyEntry {
        key: key(seed),
        state,
        since: NOW,
    };
    let fault = |entries| KeyRing::restore(policy, entries, 0).err();
    let two = |state| vec![entry(1, state), entry(2, state)];
    assert_eq!(fault(two(KeyState::Active)), Some(KeyRingError::TwoActive));
    assert_eq!(fault(two(KeyState::Next)), Some(KeyRingError::NextExists));
    assert_eq!(fault(two(KeyState::Gone)), None);
    let twice = vec![entry(1, KeyState::Active), entry(1, KeyState::Gone)];
    assert_eq!(fault(twice), Some(KeyRingError::Known));
    let mut alone = KeyRing::restore(policy, vec![entry(1, KeyState::Next)], 0).unwrap();
    alone.advance(NOW);
    assert_eq!(alone.active(), Some(&key(1)));
}

#[test]
fn overlaps_follow_from_the_policy() {
    let longest = RotationPolicy::new(30 * DAY, MAX_LIFETIME, 3_600).unwrap();
    assert_eq!(longest.publish_ahead(), 7_200);
    assert_eq!(longest.retire_for(), 3_600 + LEEWAY + 3_600);
    let usual = RotationPolicy::new(7 * DAY, 900, 300).unwrap();
    assert_eq!(usual, RotationPolicy::default());
    for (rotation, life, cache, expected) in [
        (DAY - 1, 900, 300, RotationPolicyError::Rotation),
        (30 * DAY + 1, 900, 300, RotationPolicyError::Rotation),
        (DAY, 0, 300, RotationPolicyError::TokenLifetime),
        (
            DAY,
            MAX_LIFETIME + 1,
            300,
            RotationPolicyError::TokenLifetime,
        ),
        (DAY, 900, 3_601, RotationPolicyError::VerifierCache),
    ] {
        let refused = RotationPolicy::new(rotation, life, cache).err();
        assert_eq!(refused, Some(expected));
    }
}

#[test]
fn an_unknown_kid_is_one_refresh() {
    let mut cache = KeyCache::new();
    assert!(cache.keys(NOW).is_none());
    let refresh = cache.refresh(NOW).unwrap();
    assert!(cache.refresh(NOW).is_none(), "one at a time");
    cache.fetched(refresh, &document(&[1]), NOW).unwrap();
    assert!(cache.refresh_for(key(1).kid(), NOW + 20).is_none(), "known");

    let refresh = cache.refresh_for("stranger", NOW + 20).unwrap();
    cache.fetched(refresh, &document(&[1]), NOW + 20).unwrap();
    for later in [21, 30, 60, 319] {
        assert!(cache.refresh_for("stranger", NOW + later).is_none());
    }
    // Another name is another question, within the rate.
    assert!(cache.refresh_for("other", NOW + 29).is_none());
    let refresh = cache.refresh_for(key(2).kid(), NOW + 30).unwrap();
    cache
        .fetched(refresh, &document(&[1, 2]), NOW + 30)
        .unwrap();
    assert!(cache.keys(NOW + 30).unwrap().find(key(2).kid()).is_some());
    assert!(cache.refresh_for("stranger", NOW + 320).is_some());
}

#[test]
fn strangers_cause_one_fetch_in_ten_seconds() {
    let mut cache = KeyCache::new();
    let mut fetches = 0;
    for tick in 0..6_000 {
        let now = NOW + tick / 100;
        if let Some(refresh) = cache.refresh_for(&format!("stranger {tick}"), now) {
            fetches += 1;
            cache.fetched(refresh, &document(&[1]), now).unwrap();
        }
    }
    assert_eq!(fetches, 6);
}

#[test]
fn stale_while_error_is_bounded() {
    let mut cache = KeyCache::new();
    let refresh = cache.refresh(NOW).unwrap();
    cache.fetched(refresh, &document(&[1]), NOW).unwrap();
    assert!(cache.refresh(NOW + 299).is_none());
    let mut now = NOW + 300;
    while now < NOW + 2 * DAY {
        let refresh = cache.refresh(now).unwrap();
        if now.is_multiple_of(20) {
            cache.failed(refresh);
        } else {
            assert!(
                cache
                    .fetched(refresh, "a page of the proxy's", now)
                    .is_err()
            );
        }
        assert!(cache.refresh(now + 9).is_none());
        now += 10;
    }
    assert!(cache.keys(NOW + DAY).is_some());
    assert!(cache.keys(NOW + DAY + 1).is_none());
}

#[test]
fn an_overtaken_answer_is_dropped_and_a_key_that_leaves_is_counted() {
    let mut cache = KeyCache::new();
    let slow = cache.refresh(NOW).unwrap();
    let fast = cache.refresh(NOW + 10).unwrap();
    cache.fetched(fast, &document(&[2]), NOW + 11).unwrap();
    cache.fetched(slow, &document(&[1]), NOW + 12).unwrap();
    let keys = cache.keys(NOW + 12).unwrap();
    assert!(keys.find(key(2).kid()).is_some() && keys.find(key(1).kid()).is_none());
    assert_eq!(cache.generation(), 0);
    let next = cache.refresh(NOW + 400).unwrap();
    cache.fetched(next, &document(&[3]), NOW + 400).unwrap();
    assert_eq!(cache.generation(), 1);
    // Its age counts from the request.
    let last = cache.refresh(NOW + 700).unwrap();
    cache.fetched(last, &document(&[3]), NOW + 790).unwrap();
    assert!(cache.refresh(NOW + 1_000).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    /// Time passes, and the ring is looked at.
    Wait(u64),
    Withdraw(usize),
}

fn steps(withdrawals: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (1_u64..2_000).prop_map(Step::Wait),
        6 => (1_u64..2 * DAY).prop_map(Step::Wait),
        withdrawals => (0_usize..40).prop_map(Step::Withdraw),
    ];
    prop::collection::vec(step, 1..120)
}

/// What a ring did.
#[derive(Default)]
struct Life {
    /// What was published, from when on.
    published: Vec<(u64, JwkSet)>,
    /// Which key signed, when.
    signed: Vec<(u64, PublicKey)>,
    /// The keys that were withdrawn, and when.
    withdrawn: BTreeMap<String, u64>,
}

fn run(steps: &[Step]) -> Life {
    let policy = RotationPolicy::new(DAY, 900, 300).unwrap();
    let mut ring = KeyRing::new(policy);
    let (mut now, mut seed) = (NOW, 0_u8);
    let Life {
        mut published,
        mut signed,
        mut withdrawn,
    } = Life::default();
    let mut past: BTreeMap<String, KeyState> = BTreeMap::new();
    let mut generation = 0;
    for step in steps {
        if let Some(active) = ring.active() {
            signed.push((now, active.clone()));
        }
        match step {
            Step::Wait(seconds) => {
                now += seconds;
                if let Some(active) = ring.active() {
                    // The last instant before the ring is looked at again.
                    signed.push((now, active.clone()));
                }
                ring.advance(now);
                if ring.wants_key(now) && seed < u8::MAX {
                    seed += 1;
                    ring.add(key(seed), now).unwrap();
                }
            }
            Step::Withdraw(nth) => {
                if let Some(entry) = ring.entries().get(*nth) {
                    let kid = entry.key.kid().to_owned();
                    if ring.withdraw(&kid, now).is_ok() {
                        withdrawn.insert(kid, now);
                    }
                }
            }
        }
        for entry in ring.entries() {
            let kid = entry.key.kid();
            let before = past.insert(kid.to_owned(), entry.state);
            assert!(
                before.is_none_or(|before| before <= entry.state),
                "{kid} moved up"
            );
            let is_published = ring.published().find(kid).is_some();
            assert_eq!(is_published, entry.state != KeyState::Gone);
            assert!(!withdrawn.contains_key(kid) || !is_published);
        }
        assert!(
            states(&ring)
                .iter()
                .filter(|s| **s == KeyState::Active)
                .count()
                <= 1
        );
        let gone = past
            .values()
            .filter(|state| **state == KeyState::Gone)
            .count();
        assert!(ring.generation() >= generation);
        assert_eq!(ring.generation() == 0, gone == 0);
        generation = ring.generation();
        let (entries, policy) = (ring.entries().to_vec(), policy);
        assert_eq!(
            KeyRing::restore(policy, entries, generation),
            Ok(ring.clone())
        );
        published.push((now, ring.published()));
    }
    Life {
        published,
        signed,
        withdrawn,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With a set that is at most 300 s old, a verifier knows the key of every token for as long
    /// as the token is valid.
    #[test]
    fn every_token_verifies_for_its_life_whatever_set_a_verifier_kept(steps in steps(0)) {
        let Life { published, signed, .. } = run(&steps);
        let first = published[0].0;
        for (minted, key) in signed {
            let until = minted + 900 + LEEWAY;
            for (at, (from, set)) in published.iter().enumerate() {
                let to = published.get(at + 1).map_or(u64::MAX, |(next, _)| *next);
                // A copy fetched while this set was published is used up to 300 s later.
                let used_while_valid = *from <= until && to.saturating_add(300) > minted;
                if used_while_valid && *from >= first {
                    prop_assert!(set.find(key.kid()).is_some(), "{minted} {from}..{to}");
                }
            }
        }
    }

    #[test]
    fn withdrawn_keys_never_sign_nor_verify_again(steps in steps(6)) {
        let Life { published, signed, withdrawn } = run(&steps);
        for (kid, at) in withdrawn {
            for (from, set) in published.iter().filter(|(from, _)| *from > at) {
                prop_assert!(set.find(&kid).is_none(), "{from}");
            }
            for (when, key) in &signed {
                prop_assert!(key.kid() != kid || *when <= at);
            }
        }
    }
}
