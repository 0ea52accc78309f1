//! The record: what may be issued, and what is accepted when.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;

use proptest::prelude::*;
use strongroom_apikey::{
    ApiKey, Environment, HashedKey, IssueError, KeyError, KeyId, KeyRecord, TEST_KEY,
    reject_unknown,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

const REFUSALS: [KeyError; 9] = [
    KeyError::Unknown,
    KeyError::Mismatch,
    KeyError::WrongEnvironment,
    KeyError::Revoked,
    KeyError::Expired,
    KeyError::Retired,
    KeyError::AddressDenied,
    KeyError::PepperUnknown,
    KeyError::Unavailable,
];

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn key(secret: u8) -> ApiKey {
    let id: KeyId = "0123456789AB".parse().unwrap();
    ApiKey::from_parts(
        &"cust".parse().unwrap(),
        Environment::Live,
        &id,
        &[secret; 32],
    )
}

fn record(key: &ApiKey, expires_at: Option<u64>) -> KeyRecord {
    let asked = CapabilitySet::of(&[Capability::ChatCreate]);
    KeyRecord::issue(key, tenant(), asked, &asked, expires_at).unwrap()
}

fn refusal(record: &KeyRecord, presented: &ApiKey, now: u64) -> Option<KeyError> {
    record.authenticate(presented, now).err()
}

#[test]
fn the_right_key_is_verified_with_all_that_the_record_binds() {
    let key = key(1);
    let verified = record(&key, None).authenticate(&key, 5).unwrap();
    assert_eq!(*verified.tenant(), tenant());
    assert_eq!(verified.id(), key.id());
    assert_eq!(verified.environment(), Environment::Live);
    let allowed = CapabilitySet::of(&[Capability::ChatCreate]);
    assert_eq!(*verified.capabilities(), allowed);
}

#[test]
fn another_secret_under_the_same_id_is_refused() {
    assert_eq!(
        refusal(&record(&key(1), None), &key(2), 5),
        Some(KeyError::Mismatch)
    );
}

#[test]
fn every_bit_of_the_stored_hash_counts() {
    let key = key(1);
    for bit in 0..256 {
        let mut stored = *key.hash().as_bytes();
        stored[bit / 8] ^= 1 << (bit % 8);
        let mut record = record(&key, None);
        record.hash = HashedKey::from_stored(1, &stored).unwrap();
        assert_eq!(refusal(&record, &key, 5), Some(KeyError::Mismatch));
    }
}

#[test]
fn a_record_under_another_id_is_refused() {
    let key = key(1);
    let mut record = record(&key, None);
    record.id = "0123456789AC".parse().unwrap();
    assert_eq!(refusal(&record, &key, 5), Some(KeyError::Mismatch));
}

#[test]
fn a_record_of_the_other_environment_is_refused() {
    let key = key(1);
    let mut record = record(&key, None);
    record.environment = Environment::Test;
    assert_eq!(refusal(&record, &key, 5), Some(KeyError::WrongEnvironment));
}

#[test]
fn expiry_is_the_first_refused_second() {
    let key = key(1);
    let record = record(&key, Some(100));
    assert_eq!(refusal(&record, &key, 99), None);
    for now in [100, 101, u64::MAX] {
        assert_eq!(refusal(&record, &key, now), Some(KeyError::Expired));
    }
    let never = self::record(&key, None);
    assert_eq!(refusal(&never, &key, u64::MAX), None);
}

#[test]
fn any_time_of_revocation_revokes() {
    let key = key(1);
    for revoked_at in [0, 5, u64::MAX] {
        let mut record = record(&key, None);
        record.revoked_at = Some(revoked_at);
        assert_eq!(refusal(&record, &key, 5), Some(KeyError::Revoked));
    }
}

#[test]
fn the_state_of_a_record_is_told_to_the_key_holder_alone() {
    let mut record = record(&key(1), Some(1));
    record.revoked_at = Some(1);
    record.environment = Environment::Test;
    assert_eq!(refusal(&record, &key(2), 5), Some(KeyError::Mismatch));
}

#[test]
fn an_unknown_id_is_refused() {
    assert_eq!(reject_unknown(&key(1)), KeyError::Unknown);
}

#[test]
fn the_outside_gets_one_answer() {
    let answers: HashSet<_> = REFUSALS.iter().map(KeyError::to_string).collect();
    assert_eq!(answers.len(), 1);
    let codes: HashSet<_> = REFUSALS.iter().map(KeyError::code).collect();
    assert_eq!(codes.len(), REFUSALS.len());
    let page = include_str!("../../../docs/spec/api-key.md");
    assert!(codes.iter().all(|code| page.contains(&format!("`{code}`"))));
}

#[test]
fn debug_shows_neither_key_nor_hash() {
    let key: ApiKey = TEST_KEY.parse().unwrap();
    let record = record(&key, None);
    let bound = "id: KeyId(EXAMPLEKEY00), actor: None, environment: Test";
    let tenant = "tenant: TenantId(0190b2a4-8c7e-7d3a-9f00-0242ac120002)";
    let allowed = "capabilities: CapabilitySet(chat:create)";
    assert_eq!(
        format!("{record:?}"),
        format!(
            "KeyRecord {{ {tenant}, {bound}, hash: HashedKey(Sha256), {allowed}, \
             expires_at: None, revoked_at: None, networks: Anywhere, retirement: None }}"
        )
    );
    let verified = record.authenticate(&key, 5).unwrap();
    let shown =
        format!("VerifiedKey {{ {tenant}, {bound}, {allowed}, expires_at: None, rehashed: None }}");
    assert_eq!(format!("{verified:?}"), shown);
}

fn any_set() -> impl Strategy<Value = CapabilitySet> {
    let all: Vec<_> = Capability::all().collect();
    let length = 0..=all.len();
    prop::sample::subsequence(all, length).prop_map(|members| CapabilitySet::of(&members))
}

proptest! {
    #[test]
    fn a_key_never_allows_more_than_its_issuer(requested in any_set(), issuer in any_set()) {
        match KeyRecord::issue(&key(1), tenant(), requested, &issuer, None) {
            Ok(record) => {
                prop_assert!(record.capabilities.is_subset_of(&issuer));
                prop_assert_eq!(record.capabilities, requested);
                prop_assert!(!requested.is_empty());
            }
            Err(IssueError::NoCapability) => prop_assert!(requested.is_empty()),
            Err(error) => {
                prop_assert_eq!(error, IssueError::BeyondIssuer);
                prop_assert!(!requested.is_subset_of(&issuer));
            }
        }
    }

    #[test]
    fn a_narrowed_request_is_always_issued(requested in any_set(), issuer in any_set()) {
        let narrowed = requested.narrowed_to(&issuer);
        let issued = KeyRecord::issue(&key(1), tenant(), narrowed, &issuer, None);
        prop_assert_eq!(issued.is_ok(), !narrowed.is_empty());
    }
}
