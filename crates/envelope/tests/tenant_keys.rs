//! Tenants' KEKs: their records, loading them, destroying them.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use pollster::block_on;
use strongroom_envelope::{
    DEFAULT_BACKUP_RETENTION_DAYS, Dek, Destruction, EncryptionContext, KekRecord, KekState,
    KeyAdmin as _, KeyRef, KeyState, Kms as _, KmsError, LocalKms, OpenError, Provider, Purpose,
    Recipient, SealError, ShredReceipt, TenantKeys, WrappedDek, open, seal,
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

fn generate(
    root: Recipient<'_>,
    tenant: &TenantId,
    name: &str,
    version: u32,
) -> Result<KekRecord, SealError> {
    let name = key_ref(name);
    block_on(KekRecord::generate(root, tenant, &name, version, 1_000))
}

/// A keyring with the root keys of two tenants.
struct Roots {
    _directory: tempfile::TempDir,
    kms: LocalKms,
    root: KeyRef,
}

impl Roots {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kms = LocalKms::create(directory.path().join("keys")).unwrap();
        let root = key_ref("root");
        block_on(kms.create(&tenant(), &root)).unwrap();
        block_on(kms.create(&other(), &root)).unwrap();
        Self {
            _directory: directory,
            kms,
            root,
        }
    }

    fn root(&self) -> Recipient<'_> {
        Recipient::new(&self.kms, &self.root)
    }

    fn record(&self, name: &str, version: u32) -> KekRecord {
        self.record_of(&tenant(), name, version)
    }

    fn record_of(&self, tenant: &TenantId, name: &str, version: u32) -> KekRecord {
        generate(self.root(), tenant, name, version).unwrap()
    }

    fn load(&self, records: &[KekRecord]) -> Result<TenantKeys, KmsError> {
        block_on(TenantKeys::load(self.root(), &tenant(), records))
    }
}

fn error(loaded: Result<TenantKeys, KmsError>) -> KmsError {
    loaded.unwrap_err()
}

#[test]
fn a_record_says_what_it_is() {
    let roots = Roots::new();
    let record = roots.record("user:17", 3);
    assert_eq!(record.tenant, tenant());
    assert_eq!(record.name, key_ref("user:17"));
    assert_eq!((record.version, record.created_at), (3, 1_000));
    assert_eq!(record.state, KekState::Active);
    let wrapped = record.wrapped.as_ref().unwrap();
    assert_eq!(wrapped.provider, Provider::LOCAL);
    assert_eq!((&wrapped.key_ref, wrapped.key_version), (&roots.root, 1));
    // The wrapped key is under the root, and the check is not the key.
    let purpose = Purpose::Kek {
        name: record.name.clone(),
        version: 3,
        created_at: 1_000,
    };
    let kek = block_on(roots.kms.unwrap(&tenant(), &purpose, wrapped)).unwrap();
    assert_ne!(*kek.expose_bytes(), record.check);
    assert_ne!(roots.record("user:17", 3).check, record.check);
}

#[test]
fn a_record_that_holds_another_key_is_not_loaded() {
    let roots = Roots::new();
    let (a, b) = (roots.record("user:1", 1), roots.record("user:2", 1));
    assert!(roots.load(&[a.clone(), b.clone()]).is_ok());

    let mut altered = a.clone();
    altered.check[31] ^= 1;
    assert_eq!(error(roots.load(&[altered])), KmsError::ContextMismatch);

    // Two users' records: only the wraps exchanged, or all but the names.
    let swapped = KekRecord {
        wrapped: b.wrapped.clone(),
        ..a.clone()
    };
    assert_eq!(error(roots.load(&[swapped])), KmsError::ContextMismatch);
    let swapped = KekRecord {
        name: a.name.clone(),
        ..b.clone()
    };
    assert_eq!(error(roots.load(&[swapped])), KmsError::ContextMismatch);

    // Another version of the same name, and a version that became another.
    let second = roots.record("user:1", 2);
    let swapped = KekRecord {
        version: 2,
        ..a.clone()
    };
    assert_eq!(error(roots.load(&[swapped])), KmsError::ContextMismatch);
    let swapped = KekRecord {
        wrapped: second.wrapped.clone(),
        check: second.check,
        ..a.clone()
    };
    assert_eq!(error(roots.load(&[swapped])), KmsError::ContextMismatch);

    // Made earlier or later than it was.
    for created_at in [a.created_at - 1, a.created_at + 1, 0, u64::MAX] {
        let dated = KekRecord {
            created_at,
            ..a.clone()
        };
        assert_eq!(error(roots.load(&[dated])), KmsError::ContextMismatch);
    }

    // One bad record, and nothing is loaded.
    let mut altered = b;
    altered.check[0] ^= 1;
    assert_eq!(error(roots.load(&[a, altered])), KmsError::ContextMismatch);
}

#[test]
fn another_tenants_record_is_not_loaded() {
    let roots = Roots::new();
    let theirs = roots.record_of(&other(), "tenant", 1);
    assert_eq!(
        error(roots.load(std::slice::from_ref(&theirs))),
        KmsError::NotFound
    );
    // Even when it claims to be this tenant's.
    let relabelled = KekRecord {
        tenant: tenant(),
        ..theirs.clone()
    };
    assert_eq!(error(roots.load(&[relabelled])), KmsError::ContextMismatch);
    // And when somebody wrapped their key for this tenant, the check is still theirs.
    let purpose = Purpose::Kek {
        name: key_ref("tenant"),
        version: 1,
        created_at: 1_000,
    };
    let (kms, wrapped) = (&roots.kms, theirs.wrapped.as_ref().unwrap());
    let key = block_on(kms.unwrap(&other(), &purpose, wrapped)).unwrap();
    let wrapped = block_on(kms.wrap(&tenant(), &roots.root, &purpose, &key)).unwrap();
    let refused = block_on(kms.unwrap(&tenant(), &Purpose::Record, &wrapped));
    assert_eq!(refused.unwrap_err(), KmsError::ContextMismatch);
    let rewrapped = KekRecord {
        tenant: tenant(),
        wrapped: Some(wrapped),
        ..theirs
    };
    assert_eq!(error(roots.load(&[rewrapped])), KmsError::ContextMismatch);
}

#[test]
fn only_the_root_key_unwraps_records() {
    let roots = Roots::new();
    let name = key_ref("vault");
    block_on(roots.kms.create(&tenant(), &name)).unwrap();
    let vault = Recipient::new(&roots.kms, &name);
    let record = generate(vault, &tenant(), "tenant", 1).unwrap();
    assert_eq!(
        error(roots.load(std::slice::from_ref(&record))),
        KmsError::NotFound
    );
    let mut rewrapped = record.clone();
    let refused = block_on(rewrapped.rewrap(roots.root()));
    assert_eq!(refused, Err(SealError::Kms(KmsError::NotFound)));
    assert_eq!(rewrapped, record);
    assert!(block_on(TenantKeys::load(vault, &tenant(), &[record])).is_ok());
}

#[test]
fn the_highest_active_version_wraps() {
    let roots = Roots::new();
    let name = key_ref("tenant");
    let mut records: Vec<_> = (1..=3)
        .map(|version| roots.record("tenant", version))
        .collect();
    let dek = Dek::from_bytes(&[9; 32]);
    let keys = roots.load(&records).unwrap();
    let wraps = |keys: &TenantKeys| {
        keys.wrap_now(&name, &Purpose::Record, &dek)
            .map(|wrap| wrap.key_version)
    };
    assert_eq!(wraps(&keys), Ok(3));
    let under_3 = keys.wrap_now(&name, &Purpose::Record, &dek).unwrap();

    records[2].state = KekState::DecryptOnly;
    let keys = roots.load(&records).unwrap();
    assert_eq!((wraps(&keys), keys.active_version(&name)), (Ok(2), Ok(2)));
    let unwrapped = keys.unwrap_now(&Purpose::Record, &under_3).unwrap();
    assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());
    let rewrapped = keys.rewrap_now(&Purpose::Record, &under_3).unwrap();
    assert_eq!(rewrapped.key_version, 2);
    let unwrapped = keys.unwrap_now(&Purpose::Record, &rewrapped).unwrap();
    assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());

    records[0].state = KekState::DecryptOnly;
    records[1].state = KekState::DecryptOnly;
    let keys = roots.load(&records).unwrap();
    assert_eq!(wraps(&keys), Err(KmsError::NotFound));
    assert_eq!(keys.active_version(&name), Err(KmsError::NotFound));
    assert_eq!(
        keys.rewrap_now(&Purpose::Record, &under_3),
        Err(KmsError::NotFound)
    );
    assert!(keys.unwrap_now(&Purpose::Record, &under_3).is_ok());
}

#[test]
fn a_tombstone_is_passed_over() {
    let roots = Roots::new();
    let name = key_ref("user:17");
    let mut records = vec![roots.record("user:17", 1), roots.record("user:17", 2)];
    let keys = roots.load(&records).unwrap();
    let wrapped = keys
        .wrap_now(&name, &Purpose::Record, &Dek::from_bytes(&[9; 32]))
        .unwrap();
    records[1].destroy();
    assert_eq!(records[1].state, KekState::Destroyed);
    assert_eq!(records[1].wrapped, None);
    assert_eq!(records[1].version, 2);
    let keys = roots.load(&records).unwrap();
    assert_eq!(keys.active_version(&name), Ok(1));
    assert_eq!(
        keys.unwrap_now(&Purpose::Record, &wrapped).unwrap_err(),
        KmsError::NotFound
    );
    // A tombstone needs no root key to be passed over, and is not wrapped again.
    let tombstone = records.remove(1);
    block_on(roots.kms.destroy(&tenant(), &roots.root)).unwrap();
    assert!(roots.load(std::slice::from_ref(&tombstone)).is_ok());
    let mut rewrapped = tombstone.clone();
    let refused = block_on(rewrapped.rewrap(roots.root()));
    assert_eq!(refused, Err(SealError::Kms(KmsError::NotFound)));
    assert_eq!(rewrapped, tombstone);
    // A record that lost its key without being one is not passed over.
    let lost = KekRecord {
        state: KekState::Active,
        ..tombstone
    };
    assert_eq!(error(roots.load(&[lost])), KmsError::NotFound);
}

#[test]
fn records_are_wrapped_again_after_the_root_was_rotated() {
    let roots = Roots::new();
    let name = key_ref("tenant");
    let mut record = roots.record("tenant", 1);
    let before = record.clone();
    let wrapped = roots.load(&[record.clone()]).unwrap();
    let wrapped = wrapped
        .wrap_now(&name, &Purpose::Record, &Dek::from_bytes(&[9; 32]))
        .unwrap();
    assert_eq!(block_on(roots.kms.rotate(&tenant(), &roots.root)), Ok(2));
    block_on(record.rewrap(roots.root())).unwrap();
    assert_eq!(record.wrapped.as_ref().unwrap().key_version, 2);
    assert_ne!(record.wrapped, before.wrapped);
    assert_eq!(
        KekRecord {
            wrapped: before.wrapped.clone(),
            ..record.clone()
        },
        before
    );
    for records in [[before], [record]] {
        let keys = roots.load(&records).unwrap();
        let dek = keys.unwrap_now(&Purpose::Record, &wrapped).unwrap();
        assert_eq!(*dek.expose_bytes(), [9; 32]);
    }
}

#[test]
fn what_the_root_says_is_said() {
    let roots = Roots::new();
    let records = [roots.record("tenant", 1)];
    block_on(roots.kms.disable(&tenant(), &roots.root)).unwrap();
    assert_eq!(error(roots.load(&records)), KmsError::Disabled);
    let refused = generate(roots.root(), &tenant(), "tenant", 2).unwrap_err();
    assert_eq!(refused, SealError::Kms(KmsError::Disabled));
    block_on(roots.kms.enable(&tenant(), &roots.root)).unwrap();
    assert!(roots.load(&records).is_ok());
    block_on(roots.kms.destroy(&tenant(), &roots.root)).unwrap();
    assert_eq!(error(roots.load(&records)), KmsError::NotFound);
}

#[test]
fn loaded_keys_are_a_kms_of_one_tenant() {
    let roots = Roots::new();
    let (name, absent) = (key_ref("tenant"), key_ref("absent"));
    let keys = roots.load(&[roots.record("tenant", 1)]).unwrap();
    assert_eq!(*keys.tenant(), tenant());
    assert_eq!(keys.provider(), Provider::TENANT_KEK);
    let description = block_on(keys.describe(&tenant(), &name)).unwrap();
    assert_eq!(description.state, KeyState::Enabled);
    assert_eq!(description.active_version, 1);
    let dek = Dek::from_bytes(&[9; 32]);
    let wrapped = block_on(keys.wrap(&tenant(), &name, &Purpose::Record, &dek)).unwrap();
    assert_eq!(wrapped.provider, Provider::TENANT_KEK);
    assert_eq!(wrapped.bytes.len(), 72);
    let unwrapped = block_on(keys.unwrap(&tenant(), &Purpose::Record, &wrapped)).unwrap();
    assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());

    let not_found = KmsError::NotFound;
    assert_eq!(
        block_on(keys.wrap(&other(), &name, &Purpose::Record, &dek)),
        Err(not_found)
    );
    assert_eq!(
        block_on(keys.wrap(&tenant(), &absent, &Purpose::Record, &dek)),
        Err(not_found)
    );
    assert_eq!(
        block_on(keys.unwrap(&other(), &Purpose::Record, &wrapped)).unwrap_err(),
        not_found
    );
    assert_eq!(block_on(keys.describe(&other(), &name)), Err(not_found));
    assert_eq!(block_on(keys.describe(&tenant(), &absent)), Err(not_found));
    for altered in [
        WrappedDek {
            provider: Provider::LOCAL,
            ..wrapped.clone()
        },
        WrappedDek {
            key_version: 2,
            ..wrapped.clone()
        },
        WrappedDek {
            key_ref: absent.clone(),
            ..wrapped.clone()
        },
    ] {
        assert_eq!(
            keys.unwrap_now(&Purpose::Record, &altered).unwrap_err(),
            not_found
        );
    }
    for bit in 0..wrapped.bytes.len() * 8 {
        let mut altered = wrapped.clone();
        altered.bytes[bit / 8] ^= 1 << (bit % 8);
        let refused = keys.unwrap_now(&Purpose::Record, &altered).unwrap_err();
        assert_eq!(refused, KmsError::ContextMismatch);
    }
}

#[test]
fn names_have_keys_of_their_own() {
    let roots = Roots::new();
    let records = [
        roots.record("user:1", 1),
        roots.record("user:2", 1),
        roots.record("user:2", 2),
    ];
    let keys = roots.load(&records).unwrap();
    let dek = Dek::from_bytes(&[9; 32]);
    let wrapped = keys
        .wrap_now(&key_ref("user:1"), &Purpose::Record, &dek)
        .unwrap();
    let renamed = WrappedDek {
        key_ref: key_ref("user:2"),
        ..wrapped.clone()
    };
    let refused = keys.unwrap_now(&Purpose::Record, &renamed).unwrap_err();
    assert_eq!(refused, KmsError::ContextMismatch);
    // Versions too.
    let wrapped = keys
        .wrap_now(&key_ref("user:2"), &Purpose::Record, &dek)
        .unwrap();
    assert_eq!(wrapped.key_version, 2);
    let older = WrappedDek {
        key_version: 1,
        ..wrapped
    };
    let refused = keys.unwrap_now(&Purpose::Record, &older).unwrap_err();
    assert_eq!(refused, KmsError::ContextMismatch);
}

#[test]
fn destroying_a_users_key_loses_that_users_records_alone() {
    let roots = Roots::new();
    let context = EncryptionContext::new([("purpose", "test")]).unwrap();
    let mut records = vec![
        roots.record("user:1", 1),
        roots.record("user:1", 2),
        roots.record("user:2", 1),
    ];
    let names = ["user:1", "user:2"].map(key_ref);
    let keys = roots.load(&records).unwrap();
    let sealed = names.each_ref().map(|name| {
        let recipient = [Recipient::new(&keys, name)];
        block_on(seal(&recipient, &tenant(), &context, b"text")).unwrap()
    });
    records[..2].iter_mut().for_each(KekRecord::destroy);
    let keys = roots.load(&records).unwrap();
    let all = names.each_ref().map(|name| Recipient::new(&keys, name));
    let opened = |sealed: &[u8]| block_on(open(&all, &tenant(), &context, sealed));
    assert_eq!(opened(&sealed[0]).unwrap_err(), OpenError::Failed);
    assert_eq!(opened(&sealed[1]).unwrap().as_slice(), b"text");
}

#[test]
fn a_receipt_names_the_last_moment() {
    let roots = Roots::new();
    let mut tombstones = vec![roots.record("user:17", 1), roots.record("user:17", 2)];
    let days = DEFAULT_BACKUP_RETENTION_DAYS;
    let receipt = |tombstones: &[KekRecord], copies_gone_at, days, root| {
        ShredReceipt::new(tombstones, 1_000, copies_gone_at, days, root)
    };
    assert_eq!(receipt(&tombstones, 1_002, days, None), None);
    tombstones[0].destroy();
    assert_eq!(receipt(&tombstones, 1_002, days, None), None);
    tombstones[1].destroy();
    let whole = receipt(&tombstones, 1_002, days, None).unwrap();
    assert_eq!((whole.tenant, &whole.name), (tenant(), &key_ref("user:17")));
    assert_eq!(whole.versions, [1, 2]);
    assert_eq!((whole.destroyed_at, whole.copies_gone_at), (1_000, 1_002));
    assert_eq!(whole.backups_gone_at, 1_000 + 35 * 86_400);
    assert_eq!(whole.gone_at(), whole.backups_gone_at);

    let without_backups = receipt(&tombstones, 1_002, 0, None).unwrap();
    assert_eq!(without_backups.gone_at(), 1_002);
    for (at, gone_at) in [(5, 1_002), (2_000, 2_000)] {
        let root = Some(Destruction::Scheduled { at });
        let scheduled = receipt(&tombstones, 1_002, 0, root).unwrap();
        assert_eq!(scheduled.gone_at(), gone_at);
    }
    let done = receipt(&tombstones, 1_002, 0, Some(Destruction::Done)).unwrap();
    assert_eq!(done.gone_at(), 1_002);
    let late = ShredReceipt::new(&tombstones, u64::MAX, u64::MAX, u32::MAX, None).unwrap();
    assert_eq!(late.gone_at(), u64::MAX);

    // No receipt for nothing, for two names, two tenants, or a tombstone that kept its key.
    assert_eq!(receipt(&[], 1_002, days, None), None);
    for spoil in [
        |record: &mut KekRecord| record.name = "user:18".parse().unwrap(),
        |record: &mut KekRecord| record.tenant = TenantId::PLATFORM,
        |record: &mut KekRecord| record.state = KekState::DecryptOnly,
    ] {
        let mut spoilt = tombstones.clone();
        spoil(&mut spoilt[1]);
        assert_eq!(receipt(&spoilt, 1_002, days, None), None);
    }
    let mut kept = tombstones.clone();
    kept[1].wrapped = roots.record("user:17", 2).wrapped;
    assert_eq!(receipt(&kept, 1_002, days, None), None);
}
