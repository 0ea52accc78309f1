//! What `{:?}` shows of every type that holds a secret: all of it, by the letter.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Debug;

use pollster::block_on;
use strongroom_envelope::{
    CacheLimits, DataKey, Dek, DekId, EncryptionContext, KekRecord, KeyAdmin as _, KeyCache,
    KeyRef, Kms as _, LocalKms, LookupKey, OpenError, Purpose, Recipient, TenantKeys,
};
use strongroom_tenancy::TenantId;

const TENANT: &str = "TenantId(0190b2a4-8c7e-7d3a-9f00-0242ac120002)";

/// In both forms, of which the second writes bytes on lines of their own.
fn shown(value: &dyn Debug) -> String {
    let (plain, pretty) = (format!("{value:?}"), format!("{value:#?}"));
    let strip = |text: &str| text.replace([' ', '\n', ','], "");
    assert_eq!(strip(&plain), strip(&pretty));
    plain
}

#[test]
fn no_secret_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let kms = LocalKms::create(directory.path().join("keys")).unwrap();
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
    let (root, name): (KeyRef, KeyRef) = ("root".parse().unwrap(), "user:17".parse().unwrap());
    block_on(kms.create(&tenant, &root)).unwrap();
    let root = Recipient::new(&kms, &root);
    let record = block_on(KekRecord::generate(root, &tenant, &name, 3, 1_000)).unwrap();
    let keys = block_on(TenantKeys::load(
        root,
        &tenant,
        std::slice::from_ref(&record),
    ))
    .unwrap();
    let dek = Dek::from_bytes(&[0xab; 32]);
    let wrapped = keys.wrap_now(&name, &Purpose::Record, &dek).unwrap();
    let data_key = DataKey::detached(&dek, &tenant, DekId::from_bytes([5; 16]));
    let context = EncryptionContext::new([("purpose", "test")]).unwrap();
    let sealed = data_key.seal(&tenant, &context, b"secret").unwrap();
    let opened = data_key.open(&tenant, &context, &sealed);
    let path = std::fs::canonicalize(directory.path().join("keys")).unwrap();

    assert_eq!(shown(&dek), "Dek(..)");
    assert_eq!(
        shown(&data_key),
        format!("DataKey {{ tenant: {TENANT}, messages: 1, .. }}")
    );
    assert_eq!(
        shown(&LookupKey::new(&dek, &tenant)),
        format!("LookupKey {{ tenant: {TENANT}, .. }}")
    );
    assert_eq!(
        shown(&keys),
        format!("TenantKeys {{ tenant: {TENANT}, names: 1, .. }}")
    );
    assert_eq!(
        shown(&record),
        format!(
            "KekRecord {{ tenant: {TENANT}, name: KeyRef(user:17), version: 3, state: Active, \
             created_at: 1000, .. }}"
        )
    );
    assert_eq!(
        shown(&wrapped),
        "WrappedDek { provider: Provider(2), key_ref: KeyRef(user:17), key_version: 3, bytes: 72 }"
    );
    assert_eq!(
        shown(&kms),
        format!("LocalKms {{ directory: {path:?}, .. }}")
    );
    let cache = shown(&KeyCache::new(CacheLimits::default()));
    assert!(
        cache.starts_with("KeyCache { limits: CacheLimits {"),
        "{cache}"
    );
    assert!(cache.ends_with("}, tenants: 0, .. }"), "{cache}");
    assert_eq!(shown(&opened), "Ok(Plaintext(6 bytes))");
    assert_eq!(opened.unwrap().into_vec(), b"secret");

    // After use, too: the keyring is in memory now.
    block_on(kms.describe(&tenant, root.key)).unwrap();
    assert_eq!(
        shown(&kms),
        format!("LocalKms {{ directory: {path:?}, .. }}")
    );
    // A failure shows no more than that it is one.
    let failed = data_key.open(&TenantId::PLATFORM, &context, &sealed);
    assert_eq!(shown(&failed), "Err(Failed)");
    assert_eq!(OpenError::Failed.to_string(), "open: failed");
}
