//! Stored keys, and keyrings, that somebody else has changed.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use pollster::block_on;
use strongroom_envelope::hazmat;
use strongroom_envelope::{
    CacheLimits, DataKey, Dek, DekId, EncryptionContext, KekRecord, KeyAdmin as _, KeyCache,
    KeyLimits, KeyRef, KeyState, KeyringError, Kms as _, KmsError, LocalKms, OpenError, Purpose,
    Recipient, SealError, TenantKeys,
};
use strongroom_tenancy::TenantId;

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn key_ref(name: &str) -> KeyRef {
    name.parse().unwrap()
}

fn keyring(names: &[&str]) -> (tempfile::TempDir, LocalKms) {
    let directory = tempfile::tempdir().unwrap();
    let kms = LocalKms::create(directory.path().join("keys")).unwrap();
    for name in names {
        block_on(kms.create(&tenant(), &key_ref(name))).unwrap();
    }
    (directory, kms)
}

/// A tombstone has the last word, and of two keys neither is believed.
#[test]
fn one_version_is_stored_once() {
    let (_directory, kms) = keyring(&["root"]);
    let root = key_ref("root");
    let root = Recipient::new(&kms, &root);
    let make = |name: &str, version| {
        let name = key_ref(name);
        block_on(KekRecord::generate(root, &tenant(), &name, version, 0)).unwrap()
    };
    let load = |records: &[KekRecord]| {
        block_on(TenantKeys::load(root, &tenant(), records)).map(|keys| {
            let name = key_ref("tenant");
            keys.active_version(&name).unwrap()
        })
    };
    let first = make("tenant", 1);
    let second = make("tenant", 2);
    let user = make("user:17", 1);
    let mut tombstone = first.clone();
    tombstone.destroy();
    let good = [first.clone(), second.clone(), user.clone()];
    assert_eq!(load(&good), Ok(2));
    assert_eq!(load(&[tombstone.clone(), second.clone()]), Ok(2));

    let refused = Err(KmsError::ContextMismatch);
    for (case, twice) in [
        ("replayed", [tombstone.clone(), first.clone()]),
        ("replayed before", [first.clone(), tombstone.clone()]),
        ("the same", [first.clone(), first.clone()]),
        ("another key", [first.clone(), make("tenant", 1)]),
        ("buried twice", [tombstone.clone(), tombstone]),
    ] {
        let records = [twice.as_slice(), &[second.clone(), user.clone()]].concat();
        assert_eq!(load(&records), refused, "{case}");
    }
    assert_eq!(load(&[make("tenant", 0), second]), refused);
}

/// Who saw one key that the root wraps, and can write the store, has that key nowhere else.
#[test]
fn a_known_key_is_not_planted_as_another() {
    let (_directory, kms) = keyring(&["root"]);
    let (root_name, name) = (key_ref("root"), key_ref("tenant"));
    let root = Recipient::new(&kms, &root_name);
    let kek = |name: &str, version, created_at| Purpose::Kek {
        name: key_ref(name),
        version,
        created_at,
    };
    let [id, other_id] = [7, 8].map(|byte| DekId::from_bytes([byte; 16]));
    let its_own = kek("tenant", 1, 1_000);
    let others = [
        Purpose::Record,
        Purpose::Dek(id),
        Purpose::Dek(other_id),
        Purpose::Lookup(id),
        Purpose::Lookup(other_id),
        kek("tenant", 2, 1_000),
        kek("tenant", 1, 1_001),
        kek("user:17", 1, 1_000),
    ];
    // They know the key, its wrap, and everything that they can compute.
    let known = Dek::generate().unwrap();
    let genuine = block_on(KekRecord::generate(root, &tenant(), &name, 1, 1_000)).unwrap();
    let planted = |purpose: &Purpose, created_at| {
        let wrapped = block_on(kms.wrap(&tenant(), &root_name, purpose, &known)).unwrap();
        let record = KekRecord {
            wrapped: Some(wrapped),
            check: hazmat::kek_check(&known, &tenant(), &name, 1, created_at),
            created_at,
            ..genuine.clone()
        };
        block_on(TenantKeys::load(root, &tenant(), &[record]))
    };
    let refused = Some(KmsError::ContextMismatch);
    for purpose in &others {
        assert_eq!(planted(purpose, 1_000).err(), refused, "{purpose}");
    }
    // Nor is a KEK that they know made young again, and so kept from being rotated.
    for created_at in [0, 999, 1_001, u64::MAX] {
        assert_eq!(planted(&its_own, created_at).err(), refused, "{created_at}");
    }
    let keys = planted(&its_own, 1_000).unwrap();

    // Under the KEK too, each wrap is for one purpose, and stays so.
    let dek = Dek::generate().unwrap();
    for made_for in others.iter().chain([&its_own]) {
        let wrapped = keys.wrap_now(&name, made_for, &dek).unwrap();
        let again = keys.rewrap_now(made_for, &wrapped).unwrap();
        for asked in others.iter().chain([&its_own]) {
            for wrapped in [&wrapped, &again] {
                let opened = keys.unwrap_now(asked, wrapped);
                let is_it = |opened: Dek| opened.expose_bytes() == dek.expose_bytes();
                let expected = (made_for == asked).then_some(true);
                assert_eq!(opened.ok().map(is_it), expected, "{made_for} as {asked}");
            }
            let moved = keys.rewrap_now(asked, &wrapped);
            assert_eq!(moved.is_ok(), made_for == asked, "{made_for} as {asked}");
        }
    }
}

/// A file that was young when it was read may have changed since, and look the same.
#[test]
fn two_changes_in_one_tick_are_both_seen() {
    let (_directory, kms) = keyring(&["a", "b"]);
    let (a, b) = (key_ref("a"), key_ref("b"));
    let path = kms.path(&tenant());
    block_on(kms.disable(&tenant(), &b)).unwrap();
    let with_a = fs::read(&path).unwrap();
    block_on(kms.disable(&tenant(), &a)).unwrap();
    block_on(kms.enable(&tenant(), &b)).unwrap();
    let with_b = fs::read(&path).unwrap();
    assert_eq!(with_a.len(), with_b.len());
    let tick = SystemTime::now() + Duration::from_secs(60);
    for (text, expected) in [
        (&with_a, KeyState::Enabled),
        (&with_b, KeyState::Disabled),
        (&with_a, KeyState::Enabled),
    ] {
        fs::write(&path, text).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(tick).unwrap();
        let described = block_on(kms.describe(&tenant(), &a)).unwrap();
        assert_eq!(described.state, expected);
    }
}

/// A key that nobody asks for leaves the memory when its tenant is next served.
#[test]
fn an_aged_key_does_not_wait_to_be_asked_for() {
    let limits = CacheLimits::default();
    let cache = KeyCache::new(limits);
    let tenant = tenant();
    let seen = cache.generation(&tenant);
    let load = |id| {
        move || async move {
            let dek = Dek::from_bytes(&[1; 32]);
            Ok::<_, OpenError>(DataKey::detached(&dek, &tenant, id))
        }
    };
    let [first, second] = [1, 2].map(|byte| DekId::from_bytes([byte; 16]));
    let now = Instant::now();
    let loaded = block_on(cache.detached_key(&first, &seen, now, load(first)));
    let key = loaded.map(|key| Arc::downgrade(&key)).unwrap();
    let late = now + limits.max_age - Duration::from_nanos(1);
    block_on(cache.detached_key(&second, &seen, late, load(second))).unwrap();
    assert!(key.upgrade().is_some());
    let later = now + limits.max_age;
    block_on(cache.detached_key(&second, &seen, later, load(second))).unwrap();
    assert!(key.upgrade().is_none());
}

/// What another user owns, they can change whenever they like.
#[cfg(unix)]
#[test]
fn another_users_keyring_is_refused() {
    use std::os::unix::fs::chown;

    let (_directory, kms) = keyring(&["root"]);
    let file = kms.path(&tenant());
    let directory = file.parent().unwrap();
    // Whoever is not root cannot give a file away.
    if chown(&file, Some(12_345), None).is_err() {
        return;
    }
    let is_owner = |refused| matches!(refused, Err(KeyringError::Owner));
    assert!(is_owner(kms.check(&tenant())));
    let described = block_on(kms.describe(&tenant(), &key_ref("root")));
    assert_eq!(described.err(), Some(KmsError::Unavailable));
    chown(&file, Some(0), None).unwrap();
    assert!(kms.check(&tenant()).is_ok());
    chown(directory, Some(12_345), None).unwrap();
    assert!(is_owner(LocalKms::open(directory).map(|_| ())));
}

/// The cache takes nothing from the limits that a key came with.
#[test]
fn a_keys_own_limits_hold_in_the_cache() {
    let cache = KeyCache::new(CacheLimits::default());
    let tenant = tenant();
    let seen = cache.generation(&tenant);
    let context = EncryptionContext::new([("purpose", "test")]).unwrap();
    for (messages, bytes) in [(2, u64::MAX), (u64::MAX, 20)] {
        let make = || async {
            let key = DataKey::detached(&Dek::generate()?, &tenant, DekId::generate()?);
            Ok::<_, SealError>(key.with_limits(KeyLimits { messages, bytes }))
        };
        let name = format!("{messages}");
        let key = block_on(cache.sealing_key_with(&name, &seen, Instant::now(), make)).unwrap();
        let seal = || key.seal(&tenant, &context, &[0; 10]).map(|_| ());
        assert_eq!(
            [seal(), seal(), seal()],
            [Ok(()), Ok(()), Err(SealError::Spent)]
        );
    }
}

/// A load that failed after a purge does not throw out the one that began since.
#[test]
fn a_failed_load_forgets_itself_alone() {
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, id, now) = (tenant(), DekId::from_bytes([1; 16]), Instant::now());
    let mut context = Context::from_waker(Waker::noop());
    let mut is_called = false;
    let fails = move || {
        poll_fn(move |_| {
            if is_called {
                return Poll::Ready(Err::<DataKey, _>(OpenError::Failed));
            }
            is_called = true;
            Poll::Pending
        })
    };
    let seen = cache.generation(&tenant);
    let mut first = pin!(cache.detached_key(&id, &seen, now, fails));
    assert!(first.as_mut().poll(&mut context).is_pending());
    cache.purge(&tenant);
    let never = || pending::<Result<DataKey, OpenError>>();
    let seen = cache.generation(&tenant);
    let mut second = pin!(cache.detached_key(&id, &seen, now, never));
    assert!(second.as_mut().poll(&mut context).is_pending());
    let Poll::Ready(Err(_)) = first.as_mut().poll(&mut context) else {
        panic!("the first load has failed");
    };
    let panics = || async { panic!("the second load is still under way") };
    let mut third = pin!(cache.detached_key::<_, OpenError>(&id, &seen, now, panics));
    assert!(third.as_mut().poll(&mut context).is_pending());
}
