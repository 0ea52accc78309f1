//! Changing who can open a record; its body stays as it is.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use pollster::block_on;
use proptest::prelude::*;
use strongroom_envelope::hazmat::replace_wraps;
use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, HeaderError, KekRecord, KekState, KeyAdmin as _,
    KeyLocation, KeyRef, Kms as _, KmsError, LocalKms, OpenError, Provider, Purpose, Recipient,
    RewrapError, SealError, TenantKeys, WrappedDek, add_recipients, inspect, open,
    remove_recipient, rewrap, seal,
};
use strongroom_tenancy::TenantId;

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn other() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()
}

fn key_ref(name: &str) -> KeyRef {
    name.parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "test")]).unwrap()
}

/// A keyring with the keys `a`, `b` and `c` for one tenant, and `a` for another.
fn keyring() -> (tempfile::TempDir, LocalKms) {
    let directory = tempfile::tempdir().unwrap();
    let kms = LocalKms::create(directory.path().join("keys")).unwrap();
    for name in ["a", "b", "c"] {
        block_on(kms.create(&tenant(), &key_ref(name))).unwrap();
    }
    block_on(kms.create(&other(), &key_ref("a"))).unwrap();
    (directory, kms)
}

fn sealed(recipients: &[Recipient<'_>]) -> Vec<u8> {
    block_on(seal(recipients, &tenant(), &context(), b"text")).unwrap()
}

fn opens(recipient: Recipient<'_>, sealed: &[u8]) -> bool {
    match block_on(open(&[recipient], &tenant(), &context(), sealed)) {
        Ok(plaintext) => plaintext.as_slice() == b"text",
        Err(error) => {
            assert_eq!(error, OpenError::Failed);
            false
        }
    }
}

fn wraps(sealed: &[u8]) -> Vec<WrappedDek> {
    match inspect(sealed).unwrap().key {
        KeyLocation::Inline(wraps) => wraps,
        other => panic!("{other:?}"),
    }
}

fn names(sealed: &[u8]) -> Vec<(String, u32)> {
    let named = |wrap: WrappedDek| (wrap.key_ref.to_string(), wrap.key_version);
    wraps(sealed).into_iter().map(named).collect()
}

fn body(sealed: &[u8]) -> &[u8] {
    &sealed[inspect(sealed).unwrap().front_bytes..]
}

fn named(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, version)| ((*name).to_owned(), *version))
        .collect()
}

fn detached() -> Vec<u8> {
    let id = DekId::from_bytes([5; 16]);
    let key = DataKey::detached(&Dek::from_bytes(&[9; 32]), &tenant(), id);
    key.seal(&tenant(), &context(), b"text").unwrap()
}

#[test]
fn rewrapping_after_a_rotation() {
    let (_directory, kms) = keyring();
    let (a, b) = (key_ref("a"), key_ref("b"));
    let (a, b) = (Recipient::new(&kms, &a), Recipient::new(&kms, &b));
    let before = sealed(&[a, b]);
    assert_eq!(block_on(kms.rotate(&tenant(), a.key)), Ok(2));
    let mut after = before.clone();
    assert_eq!(block_on(rewrap(&[a], &tenant(), &mut after)), Ok(1));
    assert_eq!(names(&after), named(&[("a", 2), ("b", 1)]));
    assert_eq!(wraps(&after)[1], wraps(&before)[1]);
    assert_eq!(body(&after), body(&before));
    for recipient in [a, b] {
        assert!(opens(recipient, &after) && opens(recipient, &before));
    }
    assert_eq!(block_on(rewrap(&[b, a], &tenant(), &mut after)), Ok(2));
    // Each time under a nonce of its own.
    assert_ne!(wraps(&after)[0], wraps(&before)[0]);
    assert_ne!(wraps(&after)[1], wraps(&before)[1]);
    assert_eq!(body(&after), body(&before));
    assert!(opens(a, &after) && opens(b, &after));
}

#[test]
fn rewrapping_under_a_tenants_key() {
    let (_directory, kms) = keyring();
    let (a, name) = (key_ref("a"), key_ref("tenant"));
    let root = Recipient::new(&kms, &a);
    let mut records =
        vec![block_on(KekRecord::generate(root, &tenant(), &name, 1, 1_000)).unwrap()];
    let keys = block_on(TenantKeys::load(root, &tenant(), &records)).unwrap();
    let before = sealed(&[Recipient::new(&keys, &name)]);
    assert_eq!(names(&before), named(&[("tenant", 1)]));

    records[0].state = KekState::DecryptOnly;
    records.push(block_on(KekRecord::generate(root, &tenant(), &name, 2, 2_000)).unwrap());
    let keys = block_on(TenantKeys::load(root, &tenant(), &records)).unwrap();
    let recipient = Recipient::new(&keys, &name);
    let mut after = before.clone();
    assert_eq!(block_on(rewrap(&[recipient], &tenant(), &mut after)), Ok(1));
    assert_eq!(names(&after), named(&[("tenant", 2)]));
    assert_eq!(body(&after), body(&before));
    assert!(opens(recipient, &before) && opens(recipient, &after));

    // Once the old version is gone, so is what was not wrapped again.
    records[0].destroy();
    let keys = block_on(TenantKeys::load(root, &tenant(), &records)).unwrap();
    let recipient = Recipient::new(&keys, &name);
    assert!(!opens(recipient, &before) && opens(recipient, &after));
}

#[test]
fn adding_and_removing() {
    let (_directory, kms) = keyring();
    let (a, b, c) = (key_ref("a"), key_ref("b"), key_ref("c"));
    let all = [&a, &b, &c].map(|name| Recipient::new(&kms, name));
    let [first, second, third] = all;
    let before = sealed(&[first]);
    let mut record = before.clone();
    assert!(!opens(second, &record));
    block_on(add_recipients(
        &[first],
        &[second, third],
        &tenant(),
        &context(),
        &mut record,
    ))
    .unwrap();
    assert_eq!(names(&record), named(&[("a", 1), ("b", 1), ("c", 1)]));
    assert!(all.iter().all(|recipient| opens(*recipient, &record)));

    // One that is there already gets a wrap in the old one's place.
    let old = wraps(&record)[0].clone();
    block_on(add_recipients(
        &[second],
        &[first],
        &tenant(),
        &context(),
        &mut record,
    ))
    .unwrap();
    assert_eq!(names(&record), named(&[("b", 1), ("c", 1), ("a", 1)]));
    assert_ne!(wraps(&record)[2], old);
    assert!(all.iter().all(|recipient| opens(*recipient, &record)));

    remove_recipient(Provider::LOCAL, &a, &mut record).unwrap();
    assert_eq!(names(&record), named(&[("b", 1), ("c", 1)]));
    assert!(!opens(first, &record) && opens(second, &record) && opens(third, &record));
    assert_eq!(body(&record), body(&before));

    let mut last = record.clone();
    remove_recipient(Provider::LOCAL, &b, &mut last).unwrap();
    let kept = last.clone();
    let refused = remove_recipient(Provider::LOCAL, &c, &mut last);
    assert_eq!(refused, Err(RewrapError::LastRecipient));
    for (provider, name) in [(Provider::LOCAL, "a"), (Provider::TENANT_KEK, "c")] {
        let refused = remove_recipient(provider, &key_ref(name), &mut last);
        assert_eq!(refused, Err(RewrapError::NoWrap));
    }
    assert_eq!(last, kept);
    assert!(opens(third, &last));
}

#[test]
fn a_record_is_as_it_was_after_an_error() {
    let (_directory, kms) = keyring();
    let all = ["a", "b", "gone"].map(key_ref);
    let [a, b, gone] = [0, 1, 2].map(|at| Recipient::new(&kms, &all[at]));
    let before = sealed(&[a, b]);
    let mut record = before.clone();
    let not_found = RewrapError::Seal(SealError::Kms(KmsError::NotFound));
    let failed = RewrapError::Open(OpenError::Failed);

    assert_eq!(
        block_on(rewrap(&[gone], &tenant(), &mut record)),
        Err(RewrapError::NoWrap)
    );
    assert_eq!(
        block_on(rewrap(&[], &tenant(), &mut record)),
        Err(RewrapError::NoWrap)
    );
    // Another tenant, who has a key of that name.
    let mismatch = RewrapError::Seal(SealError::Kms(KmsError::ContextMismatch));
    assert_eq!(block_on(rewrap(&[a], &other(), &mut record)), Err(mismatch));
    for (with, added, tenant, expected) in [
        (vec![gone], vec![b], tenant(), failed),
        (vec![], vec![b], tenant(), failed),
        (vec![a], vec![b], other(), failed),
        (vec![a], vec![gone], tenant(), not_found),
        (vec![a], vec![b, gone], tenant(), not_found),
        (
            vec![a],
            vec![],
            tenant(),
            RewrapError::Seal(SealError::Recipients),
        ),
        (
            vec![a],
            vec![b; 16],
            tenant(),
            RewrapError::Header(HeaderError::WrapCount),
        ),
    ] {
        let result = block_on(add_recipients(
            &with,
            &added,
            &tenant,
            &context(),
            &mut record,
        ));
        assert_eq!(result, Err(expected));
    }
    // The second of two cannot be wrapped again now: neither is.
    block_on(kms.disable(&tenant(), &all[1])).unwrap();
    assert_eq!(
        block_on(rewrap(&[a, b], &tenant(), &mut record)),
        Err(RewrapError::Seal(SealError::Kms(KmsError::Disabled)))
    );
    assert_eq!(record, before);
}

#[test]
fn a_detached_record_has_no_recipients() {
    let (_directory, kms) = keyring();
    let a = key_ref("a");
    let recipient = [Recipient::new(&kms, &a)];
    let before = detached();
    let mut record = before.clone();
    let refused = Err(RewrapError::Detached);
    assert_eq!(
        block_on(rewrap(&recipient, &tenant(), &mut record)).map(|_| ()),
        refused
    );
    assert_eq!(
        block_on(add_recipients(
            &recipient,
            &recipient,
            &tenant(),
            &context(),
            &mut record
        )),
        refused
    );
    assert_eq!(remove_recipient(Provider::LOCAL, &a, &mut record), refused);
    assert_eq!(record, before);
}

#[test]
fn what_is_no_record_is_refused() {
    let (_directory, kms) = keyring();
    let a = key_ref("a");
    let recipient = [Recipient::new(&kms, &a)];
    let good = sealed(&recipient);
    let front = inspect(&good).unwrap().front_bytes;
    for length in 0..front {
        let mut torn = good[..length].to_vec();
        let expected = RewrapError::Header(inspect(&torn).unwrap_err());
        let results = [
            block_on(rewrap(&recipient, &tenant(), &mut torn)).map(|_| ()),
            block_on(add_recipients(
                &recipient,
                &recipient,
                &tenant(),
                &context(),
                &mut torn,
            )),
            remove_recipient(Provider::LOCAL, &a, &mut torn),
            replace_wraps(&[], &mut torn).map_err(RewrapError::Header),
        ];
        assert_eq!(results, [Err(expected); 4], "{length}");
        assert_eq!(torn, good[..length]);
    }
}

#[test]
fn inspecting_needs_no_key() {
    let (_directory, kms) = keyring();
    let (a, b) = (key_ref("a"), key_ref("b"));
    let record = sealed(&[Recipient::new(&kms, &a), Recipient::new(&kms, &b)]);
    let inspection = inspect(&record).unwrap();
    assert_eq!(inspection.front_bytes + inspection.body_bytes, record.len());
    assert_eq!(inspection.body_bytes, 4 + 76);
    assert_eq!(names(&record), named(&[("a", 1), ("b", 1)]));
    assert_eq!(
        inspect(&record[..inspection.front_bytes])
            .unwrap()
            .body_bytes,
        0
    );
    let shown = format!("{inspection:?}");
    assert!(shown.contains("bytes: 72"), "{shown}");
}

#[derive(Clone, Debug)]
enum Change {
    Rewrap(usize),
    Rotate(usize),
    Add(usize, usize),
    Remove(usize),
    Inline(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let name = || 0_usize..3;
    prop_oneof![
        name().prop_map(Change::Rewrap),
        name().prop_map(Change::Rotate),
        (name(), name()).prop_map(|(with, added)| Change::Add(with, added)),
        name().prop_map(Change::Remove),
        name().prop_map(Change::Inline),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is done to the wraps, the body is the same, and who has a wrap opens the record.
    #[test]
    fn no_change_of_recipients_touches_the_body(changes in proptest::collection::vec(change(), 1..12)) {
        let (_directory, kms) = keyring();
        let all = ["a", "b", "c"].map(key_ref);
        let [a, b, c] = [0, 1, 2].map(|at| Recipient::new(&kms, &all[at]));
        let recipients = [a, b, c];
        let mut record = detached();
        let before = body(&record).to_vec();
        let dek = Dek::from_bytes(&[9; 32]);
        let wrap = block_on(kms.wrap(&tenant(), &all[0], &Purpose::Record, &dek)).unwrap();
        replace_wraps(&[wrap], &mut record).unwrap();
        for change in changes {
            let was = record.clone();
            let is_ok = match change {
                Change::Rewrap(at) => {
                    block_on(rewrap(&[recipients[at]], &tenant(), &mut record)).is_ok()
                }
                Change::Rotate(at) => block_on(kms.rotate(&tenant(), &all[at])).is_ok(),
                Change::Add(with, added) => {
                    let (with, added) = ([recipients[with]], [recipients[added]]);
                    block_on(add_recipients(&with, &added, &tenant(), &context(), &mut record)).is_ok()
                }
                Change::Remove(at) => {
                    remove_recipient(Provider::LOCAL, &all[at], &mut record).is_ok()
                }
                Change::Inline(at) => {
                    let wrap = block_on(kms.wrap(&tenant(), &all[at], &Purpose::Record, &dek)).unwrap();
                    replace_wraps(&[wrap], &mut record).is_ok()
                }
            };
            prop_assert!(is_ok || record == was);
            prop_assert_eq!(body(&record), &before[..]);
            let present = wraps(&record);
            for (recipient, name) in recipients.iter().zip(&all) {
                let has_wrap = present.iter().any(|wrap| wrap.key_ref == *name);
                prop_assert_eq!(opens(*recipient, &record), has_wrap);
            }
        }
    }
}
