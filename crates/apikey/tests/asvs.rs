//! The rows of OWASP ASVS 5.0 that an API key can meet by itself, each as a test of its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::time::Duration;

use strongroom_apikey::{
    ApiKey, Environment, Found, HashedKey, Hasher, KeyError, KeyGate, KeyRecord, Pepper, PepperId,
    PresentationError, Presented, TEST_KEY, TableFeed, Visit, WithoutLease, reject_unknown,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

/// Whether a type has `==`, which stops at the first byte that differs: its own method is found
/// before the trait's, where there is one.
macro_rules! has_equality {
    ($type:ty) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "a type takes one of the two")]
        trait Without {
            fn has_equality(&self) -> bool {
                false
            }
        }
        impl<T> Without for Probe<T> {}
        #[allow(dead_code, reason = "a type takes one of the two")]
        impl<T: PartialEq> Probe<T> {
            fn has_equality(&self) -> bool {
                true
            }
        }
        Probe::<$type>(std::marker::PhantomData).has_equality()
    }};
}

fn generate() -> ApiKey {
    ApiKey::generate(&"cust".parse().unwrap(), Environment::Live).unwrap()
}

fn record(key: &ApiKey, expires_at: Option<u64>) -> KeyRecord {
    let all = CapabilitySet::of(&[Capability::ChatCreate]);
    KeyRecord::issue(key, TenantId::PLATFORM, all, &all, expires_at).unwrap()
}

/// 6.5.2 and NIST SP 800-63B: a secret of 112 bits or more may be stored by an approved hash; what
/// is stored holds none of it.
#[test]
fn v6_5_2_a_stored_key_is_an_approved_hash_of_at_least_112_bits() {
    let key = generate();
    let secret = key.expose().get(23..66).unwrap();
    // 43 digits of base 62, of which none is fixed.
    assert!(43.0 * 62_f64.log2() >= 256.0 && secret.len() == 43);
    assert_eq!(key.hash().as_bytes().len(), 32);
    let shown = format!("{:?}", record(&key, None));
    assert!(!shown.contains(secret) && !shown.contains(&hex::encode(key.hash().as_bytes())));
}

/// 7.2.3 and 11.5.1: reference tokens are unique, from a secure generator, of at least 128 bits.
#[test]
fn v7_2_3_keys_are_unique_and_every_digit_of_the_secret_varies() {
    let keys: Vec<_> = (0..500).map(|_| generate()).collect();
    let ids: HashSet<_> = keys.iter().map(|key| key.id().clone()).collect();
    assert_eq!(ids.len(), keys.len());
    for place in 23..66 {
        let digits: HashSet<_> = keys
            .iter()
            .map(|key| key.expose().as_bytes()[place])
            .collect();
        assert!(digits.len() > 40, "{place}: {}", digits.len());
    }
}

/// 7.4.1: a revocation ends a key that a node has kept.
#[test]
fn v7_4_1_a_kept_key_ends_with_its_revocation() {
    let key = generate();
    let feed = TableFeed::new(|| Duration::from_secs(5));
    let gate = KeyGate::new(Hasher::default(), 100);
    let ticket = gate.begin(key.id(), &feed);
    gate.loaded(ticket, Some(record(&key, None)), &key).unwrap();
    let visit = Visit {
        now: 5,
        address: None,
    };
    let accepted = || match gate.find(key.id(), &feed) {
        Found::Record(kept) => format!("{:?}", gate.accept(&kept, &key, &visit, &feed)),
        other => panic!("{other:?}"),
    };
    feed.answer(feed.ask(), 0, []);
    assert!(accepted().starts_with("Yes"));
    feed.answer(feed.ask(), 1, [TenantId::PLATFORM]);
    assert_eq!(accepted(), "Outdated");
}

/// 11.2.4: what is secret, or decides about a secret, has no `==`: it is compared by the crate, in
/// one time wherever it differs.
#[test]
fn v11_2_4_no_secret_is_compared_by_equality() {
    let secrets = [
        has_equality!(ApiKey),
        has_equality!(HashedKey),
        has_equality!(strongroom_apikey::LegacyKey),
        has_equality!(strongroom_apikey::LegacyHash),
        has_equality!(strongroom_apikey::Pepper),
    ];
    assert!(!secrets.contains(&true), "{secrets:?}");
    assert!(
        has_equality!(strongroom_apikey::KeyId),
        "the probe sees one that is there"
    );
}

/// 13.3.4: secrets can be given an end, and are refused after it.
#[test]
fn v13_3_4_a_key_expires() {
    let key = generate();
    let record = record(&key, Some(100));
    assert!(record.authenticate(&key, 99).is_ok());
    assert_eq!(
        record.authenticate(&key, 100).err(),
        Some(KeyError::Expired)
    );
}

/// 14.2.1: sensitive data is in the header or body, never in a URL.
#[test]
fn v14_2_1_no_key_in_a_url() {
    for target in [
        format!("/?k={TEST_KEY}"),
        format!("/{TEST_KEY}"),
        "/?api_key=x".to_owned(),
    ] {
        let refused = Presented::find([("x-api-key", TEST_KEY.as_bytes())], &target);
        assert_eq!(refused.err(), Some(PresentationError::InUrl), "{target}");
    }
}

/// 16.2.5: what could be logged shows keys by their id alone.
#[test]
fn v16_2_5_nothing_that_is_shown_holds_a_secret() {
    let key = generate();
    let secret = key.expose().get(23..).unwrap();
    let pepper = Pepper::new(PepperId(1), b"a pepper that nobody should see!!").unwrap();
    let gate = KeyGate::new(Hasher::peppered(pepper, Vec::new()).unwrap(), 10);
    let feed = TableFeed::new(|| Duration::ZERO);
    let ticket = gate.begin(key.id(), &feed);
    let headers = [("x-api-key", key.expose().as_bytes())];
    let shown = [
        format!("{key:?}"),
        format!("{:#?}", record(&key, None)),
        format!("{:?}", record(&key, None).authenticate(&key, 5)),
        format!("{:?}", Presented::find(headers, "/")),
        format!("{gate:?} {ticket:?}"),
        format!("{:?}", gate.loaded(ticket, Some(record(&key, None)), &key)),
        format!("{:?} {}", KeyError::Mismatch, KeyError::Mismatch),
    ];
    for shown in shown {
        assert!(
            !shown.contains(secret) && !shown.contains("pepper that"),
            "{shown}"
        );
    }
}

/// 16.5.1: one message for whoever tries keys.
#[test]
fn v16_5_1_a_refusal_says_nothing() {
    let (key, other) = (generate(), generate());
    let mismatch = record(&key, None).authenticate(&other, 5).unwrap_err();
    let expired = record(&key, Some(5)).authenticate(&key, 5).unwrap_err();
    let unknown = reject_unknown(&key);
    assert_eq!(mismatch.to_string(), unknown.to_string());
    assert_eq!(expired.to_string(), unknown.to_string());
}

/// 16.5.3: without a store, a lease or a pepper nothing is accepted.
#[test]
fn v16_5_3_fails_closed() {
    let key = generate();
    let feed = TableFeed::new(|| Duration::from_secs(5));
    let gate = KeyGate::new(Hasher::default(), 10).without_lease(WithoutLease::Refuse);
    let visit = Visit {
        now: 5,
        address: None,
    };
    let ticket = gate.begin(key.id(), &feed);
    let fresh = gate.loaded(ticket, Some(record(&key, None)), &key).unwrap();
    let answer = gate.accept(&fresh, &key, &visit, &feed);
    assert!(matches!(answer, strongroom_apikey::Accepted::Outdated));
    let pepper = Pepper::new(PepperId(1), &[1; 32]).unwrap();
    let mut peppered = record(&key, None);
    peppered.hash = Hasher::peppered(pepper, Vec::new()).unwrap().hash(&key);
    assert_eq!(
        peppered.authenticate(&key, 5).err(),
        Some(KeyError::PepperUnknown)
    );
}
