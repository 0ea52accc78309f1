//! What the cache of verified tokens must never do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;

use strongroom_tenancy::{Actor, CapabilitySet, TenantId};
use strongroom_tenant_token::{
    Authentication, Claims, JwkSet, Revocation, RevocationList, SigningKey, Standing, TokenCache,
    TokenError, Verifier, mint,
};
use uuid::Uuid;

const NOW: u64 = 1_800_000_000;
const USER: &str = "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003";
const AGENT: &str = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120005";

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn verifier() -> Verifier {
    Verifier::new("i", "a", JwkSet::of(&[key().public_key()]))
}

fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n)).unwrap()
}

fn claims(of: u128, token: u128) -> Claims {
    Claims {
        issuer: "i".to_owned(),
        audience: "a".to_owned(),
        tenant: tenant(of),
        actor: Actor::delegated(AGENT.parse().unwrap(), vec![USER.parse().unwrap()]).unwrap(),
        capabilities: CapabilitySet::of(&[]),
        issued_at: NOW,
        expires_at: NOW + 900,
        token_id: Uuid::from_u128(token),
        session_id: Uuid::from_u128(token + 1),
        client_id: "console".to_owned(),
        authentication: Authentication::at(NOW),
        epoch: 3,
    }
}

fn token(of: u128, token: u128) -> String {
    mint(&key(), &claims(of, token)).unwrap()
}

fn good(_: &Claims) -> Standing {
    Standing::Good
}

#[test]
fn a_hit_rechecks_the_times() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    // Held as fresh until after the token's end, by a clock that was set back and forth.
    cache.verify(&verifier(), &token, NOW + 899, good).unwrap();
    assert_eq!(cache.len(), 1);
    cache.verify(&verifier(), &token, NOW + 929, good).unwrap();
    let refused = cache
        .verify(&verifier(), &token, NOW + 930, good)
        .unwrap_err();
    assert_eq!(refused.error(), TokenError::Expired);
    assert_eq!(refused.tenant(), Some(tenant(1)));
    assert!(cache.is_empty());
    cache.verify(&verifier(), &token, NOW, good).unwrap();
    let early = cache.verify(&verifier(), &token, NOW - 31, good);
    assert_eq!(early.unwrap_err().error(), TokenError::IssuedInFuture);
}

#[test]
fn a_hit_rechecks_the_key_and_the_generation() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    let first = cache.verify(&verifier(), &token, NOW, good).unwrap();
    let again = cache.verify(&verifier(), &token, NOW, good).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again), "a hit");
    // The key has left the set, and nobody counted.
    let other = JwkSet::of(&[SigningKey::from_seed(&[2; 32]).public_key()]);
    let without = Verifier::new("i", "a", other);
    let refused = cache.verify(&without, &token, NOW, good).unwrap_err();
    assert_eq!(
        (refused.error(), refused.tenant()),
        (TokenError::UnknownKid, None)
    );

    let first = cache.verify(&verifier(), &token, NOW, good).unwrap();
    let later = verifier().with_generation(1);
    let anew = cache.verify(&later, &token, NOW, good).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&first, &anew), "verified anew");
}

#[test]
fn a_hit_is_for_its_verifier_s_issuer_and_audience() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    let keys = || JwkSet::of(&[key().public_key()]);
    for (issuer, audience, expected) in [
        ("i", "b", TokenError::WrongAudience),
        ("j", "a", TokenError::WrongIssuer),
    ] {
        cache.verify(&verifier(), &token, NOW, good).unwrap();
        let other = Verifier::new(issuer, audience, keys());
        let refused = cache.verify(&other, &token, NOW, good).unwrap_err();
        assert_eq!(refused.error(), expected);
    }
}

#[test]
fn a_hit_asks_for_revocations() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    let asked = Cell::new(0);
    for (standing, expected) in [
        (Standing::Good, None),
        (Standing::Good, None),
        (Standing::Unknown, Some(TokenError::Unavailable)),
        (Standing::Good, None),
        (Standing::Revoked, Some(TokenError::Revoked)),
        (Standing::Good, None),
    ] {
        let verdict = cache.verify(&verifier(), &token, NOW, |read| {
            assert_eq!(read, &claims(1, 1));
            asked.set(asked.get() + 1);
            standing
        });
        assert_eq!(verdict.err().map(|refused| refused.error()), expected);
    }
    assert_eq!(asked.get(), 6);
}

#[test]
fn only_the_same_text_is_a_hit() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    cache.verify(&verifier(), &token, NOW, good).unwrap();
    let signature = token.rfind('.').unwrap() + 1;
    let other = if token.as_bytes()[signature] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut altered = token.clone();
    altered.replace_range(signature..=signature, other);
    for altered in [
        altered,
        format!("{token}="),
        format!("{token}\n"),
        token.get(..signature).unwrap().into(),
    ] {
        assert!(cache.verify(&verifier(), &altered, NOW, good).is_err());
    }
    let long = "A".repeat(9_000);
    let refused = cache.verify(&verifier(), &long, NOW, good).unwrap_err();
    assert_eq!(refused.error(), TokenError::TooLarge);
    assert_eq!(cache.len(), 1, "what is refused is not kept");
}

#[test]
fn nothing_is_kept_for_longer_than_300_seconds() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    let first = cache.verify(&verifier(), &token, NOW, good).unwrap();
    let hit = cache.verify(&verifier(), &token, NOW + 299, good).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &hit));
    let anew = cache.verify(&verifier(), &token, NOW + 300, good).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&first, &anew));
}

#[test]
fn it_is_bounded_and_shared() {
    let cache = TokenCache::new(256);
    for n in 0..20 {
        cache
            .verify(&verifier(), &token(2, 1_000 + n), NOW, good)
            .unwrap();
    }
    let others = cache.len();
    // A shard of 16 places gives a tenant two.
    for n in 0..300 {
        cache
            .verify(&verifier(), &token(1, 10_000 + n), NOW, good)
            .unwrap();
    }
    assert!(cache.len() <= others + 32, "{} over {others}", cache.len());
    assert_eq!(format!("{cache:?}"), format!("TokenCache({})", cache.len()));
    for n in 0..600 {
        cache
            .verify(&verifier(), &token(100 + n, n + 1), NOW, good)
            .unwrap();
    }
    assert_eq!(cache.len(), 256);
}

#[test]
fn each_kind_of_revocation_covers_its_tokens_and_no_others() {
    let one = claims(1, 1);
    let revoked = |revocation, at, claims: &Claims| {
        let mut list = RevocationList::default();
        list.apply(tenant(1), revocation, at);
        list.standing(claims) == Standing::Revoked
    };
    let at_now = |revocation| revoked(revocation, NOW, &one);
    assert!(at_now(Revocation::Token(one.token_id)));
    assert!(!at_now(Revocation::Token(one.session_id)));
    assert!(at_now(Revocation::Session(one.session_id)));
    assert!(!at_now(Revocation::Session(one.token_id)));
    assert!(
        at_now(Revocation::Actor(USER.parse().unwrap())),
        "in the chain"
    );
    assert!(at_now(Revocation::Actor(AGENT.parse().unwrap())));
    assert!(!at_now(Revocation::Actor(
        USER.replace("user", "agent").parse().unwrap()
    )));
    assert!(at_now(Revocation::Epoch(4)));
    assert!(!at_now(Revocation::Epoch(3)));
    for revocation in [
        Revocation::Token(one.token_id),
        Revocation::Session(one.session_id),
        Revocation::Actor(USER.parse().unwrap()),
        Revocation::Epoch(4),
    ] {
        let elsewhere = Claims {
            tenant: tenant(2),
            ..one.clone()
        };
        assert!(!revoked(revocation, NOW, &elsewhere), "another tenant's");
    }
    let user = Revocation::Actor(USER.parse().unwrap());
    assert!(revoked(user, NOW - 30, &one), "minted by a clock ahead");
    assert!(!revoked(user, NOW - 31, &one), "minted after");
}

/// The mark says by what state of the revocations a token was good; it is no reason to believe it.
#[test]
fn a_token_is_looked_at_before_its_standing_is_known() {
    let (cache, token) = (TokenCache::new(1_000), token(1, 1));
    let authenticate = |now| cache.authenticate(&verifier(), &token, now).unwrap();
    let first = authenticate(NOW);
    assert_eq!((first.claims(), first.good_as_of()), (&claims(1, 1), None));
    assert!(cache.is_empty(), "nothing is kept before it is admitted");
    cache.admit(first, Standing::Good, 5).unwrap();
    assert_eq!(authenticate(NOW).good_as_of(), Some(5));
    cache
        .admit(authenticate(NOW + 299), Standing::Good, 6)
        .unwrap();
    assert_eq!(authenticate(NOW + 299).good_as_of(), Some(6));
    // Good anew is not verified anew.
    assert_eq!(authenticate(NOW + 300).good_as_of(), None);
    cache.admit(authenticate(NOW), Standing::Good, 6).unwrap();
    let unknown = cache.admit(authenticate(NOW), Standing::Unknown, 7);
    assert_eq!(unknown.unwrap_err().error(), TokenError::Unavailable);
    assert_eq!(authenticate(NOW).good_as_of(), Some(6));
    let revoked = cache.admit(authenticate(NOW), Standing::Revoked, 7);
    assert_eq!(revoked.unwrap_err().error(), TokenError::Revoked);
    assert!(cache.is_empty());
}

#[test]
fn revocations_are_forgotten_when_no_token_can_fall_under_them() {
    let one = claims(1, 1);
    let mut list = RevocationList::default();
    assert!(list.is_empty());
    for revocation in [
        Revocation::Token(one.token_id),
        Revocation::Session(one.session_id),
        Revocation::Actor(USER.parse().unwrap()),
        Revocation::Epoch(4),
    ] {
        list.apply(tenant(1), revocation, NOW);
        list.apply(tenant(1), revocation, NOW - 5);
    }
    assert_eq!(list.len(), 4);
    list.forget(NOW + 3_660);
    assert_eq!(list.len(), 4);
    list.forget(NOW + 3_661);
    assert_eq!(list.len(), 1, "the epoch");
}

/// A node that has not heard of the new epoch mints under the old one, however late.
#[test]
fn an_epoch_is_never_forgotten() {
    let mut list = RevocationList::default();
    list.apply(tenant(1), Revocation::Epoch(4), NOW);
    let later = NOW + 100_000;
    list.forget(later);
    let mut late = claims(1, 1);
    (late.issued_at, late.expires_at) = (later, later + 900);
    late.authentication = Authentication::at(later);
    let (cache, token) = (TokenCache::new(10), mint(&key(), &late).unwrap());
    let verified = cache.verify(&verifier(), &token, later, |claims| list.standing(claims));
    assert_eq!(verified.unwrap_err().error(), TokenError::Revoked);
    late.epoch = 4;
    assert_eq!(list.standing(&late), Standing::Good);
}
