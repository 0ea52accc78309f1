//! The gate step by step, and driven over a store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pollster::block_on;
use strongroom_apikey::{
    Accepted, ApiKey, CACHE_LIFE, Environment, Found, HashedKey, Hasher, KeyError, KeyGate, KeyId,
    KeyRecord, KeyStore, Pepper, PepperId, StoreFuture, StoreUnavailable, TableFeed, VerifiedKey,
    Visit, WithoutLease,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

const VISIT: Visit = Visit {
    now: 100,
    address: None,
};

fn key(number: u8) -> ApiKey {
    let id = KeyId::from_random(&[number; 16]);
    ApiKey::from_parts(
        &"cust".parse().unwrap(),
        Environment::Live,
        &id,
        &[number; 32],
    )
}

fn record(key: &ApiKey) -> KeyRecord {
    let all = CapabilitySet::of(&[Capability::ChatCreate]);
    KeyRecord::issue(key, TenantId::PLATFORM, all, &all, None).unwrap()
}

type Feed = TableFeed<Box<dyn Fn() -> Duration + Send + Sync>>;

/// A node with a store of one row, in milliseconds of simulated time.
struct Bench {
    clock: Arc<AtomicU64>,
    feed: Arc<Feed>,
    gate: KeyGate,
    store: Store,
}

struct Store {
    row: Mutex<Option<KeyRecord>>,
    asked: AtomicUsize,
    fails: AtomicUsize,
    /// What happens once the row is read, before the answer arrives.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl KeyStore for Store {
    fn by_id<'a>(&'a self, _: &'a KeyId) -> StoreFuture<'a> {
        self.asked.fetch_add(1, SeqCst);
        Box::pin(async {
            if self.fails.load(SeqCst) > 0 {
                return Err(StoreUnavailable);
            }
            let row = self.row.lock().unwrap().clone();
            if let Some(happens) = self.meanwhile.lock().unwrap().take() {
                happens();
            }
            Ok(row)
        })
    }
}

impl Bench {
    fn new(row: Option<KeyRecord>) -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let read = Arc::clone(&clock);
        let read = move || Duration::from_millis(read.load(SeqCst));
        let bench = Self {
            clock,
            feed: Arc::new(TableFeed::new(Box::new(read))),
            gate: KeyGate::new(Hasher::default(), 1000),
            store: Store {
                row: Mutex::new(row),
                asked: AtomicUsize::new(0),
                fails: AtomicUsize::new(0),
                meanwhile: Mutex::new(None),
            },
        };
        bench.renew(0, &[]);
        bench
    }

    fn renew(&self, through: u64, changed: &[TenantId]) {
        self.feed.answer(self.feed.ask(), through, changed.to_vec());
    }

    fn pass(&self, milliseconds: u64) {
        self.clock.fetch_add(milliseconds, SeqCst);
    }

    fn show(&self, key: &ApiKey) -> Result<VerifiedKey, KeyError> {
        block_on(
            self.gate
                .authenticate(key, &VISIT, &self.store, &*self.feed),
        )
    }

    fn asked(&self) -> usize {
        self.store.asked.load(SeqCst)
    }
}

#[test]
fn a_record_is_kept_for_five_minutes_under_a_lease() {
    let bench = Bench::new(Some(record(&key(1))));
    for _ in 0..300 {
        bench.renew(0, &[]);
        assert!(bench.show(&key(1)).is_ok());
        bench.pass(999);
    }
    assert_eq!(bench.asked(), 1);
    assert_eq!(CACHE_LIFE, Duration::from_secs(300));
    bench.renew(0, &[]);
    bench.pass(300);
    assert!(bench.show(&key(1)).is_ok());
    assert_eq!(bench.asked(), 2, "300 s after the row was asked for");
}

#[test]
fn without_a_lease_every_request_asks_the_store() {
    let bench = Bench::new(Some(record(&key(1))));
    bench.pass(1_999);
    assert!(bench.show(&key(1)).is_ok());
    assert!(bench.show(&key(1)).is_ok());
    assert_eq!(bench.asked(), 1);
    bench.pass(1);
    for asked in 2..5 {
        assert!(bench.show(&key(1)).is_ok());
        assert_eq!(bench.asked(), asked);
    }
    bench.store.fails.store(1, SeqCst);
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Unavailable));
    let gate = KeyGate::new(Hasher::default(), 10).without_lease(WithoutLease::Refuse);
    bench.store.fails.store(0, SeqCst);
    let refused = block_on(gate.authenticate(&key(1), &VISIT, &bench.store, &*bench.feed));
    assert_eq!(refused.err(), Some(KeyError::Unavailable));
}

#[test]
fn a_change_of_the_tenant_makes_the_record_outdated() {
    let bench = Bench::new(Some(record(&key(1))));
    assert!(bench.show(&key(1)).is_ok());
    let other = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
    bench.renew(1, &[other]);
    assert!(bench.show(&key(1)).is_ok());
    assert_eq!(bench.asked(), 1, "another tenant's change");
    bench.store.row.lock().unwrap().as_mut().unwrap().revoked_at = Some(1);
    bench.renew(2, &[TenantId::PLATFORM]);
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Revoked));
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Revoked));
    assert_eq!(bench.asked(), 2, "that it is revoked is kept too");
}

/// The row is read, the key revoked, the change applied, and only then the row arrives.
#[test]
fn a_revocation_during_the_look_up_is_seen() {
    let bench = Bench::new(Some(record(&key(1))));
    let feed = Arc::clone(&bench.feed);
    *bench.store.meanwhile.lock().unwrap() = Some(Box::new(move || {
        feed.answer(feed.ask(), 1, [TenantId::PLATFORM]);
    }));
    // Accepted: the row was good when it was asked for, and `revoke` has not returned.
    assert!(bench.show(&key(1)).is_ok());
    bench.store.row.lock().unwrap().as_mut().unwrap().revoked_at = Some(1);
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Revoked));
}

#[test]
fn a_row_that_took_longer_than_a_lease_is_not_believed() {
    let bench = Bench::new(Some(record(&key(1))));
    let (clock, feed) = (Arc::clone(&bench.clock), Arc::clone(&bench.feed));
    *bench.store.meanwhile.lock().unwrap() = Some(Box::new(move || {
        clock.fetch_add(2_000, SeqCst);
        feed.answer(feed.ask(), 0, []);
    }));
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Unavailable));
}

#[test]
fn an_unknown_id_is_remembered_for_a_short_while() {
    let bench = Bench::new(None);
    for _ in 0..3 {
        assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Unknown));
    }
    assert_eq!(bench.asked(), 1);
    bench.pass(30_000);
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Unknown));
    assert_eq!(bench.asked(), 2);
}

#[test]
fn a_created_key_is_known_at_once() {
    let bench = Bench::new(None);
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Unknown));
    *bench.store.row.lock().unwrap() = Some(record(&key(1)));
    bench.gate.created(key(1).id());
    assert!(bench.show(&key(1)).is_ok());
}

/// The look-up finds nothing, the key is created, and only then the answer arrives.
#[test]
fn a_key_that_is_created_during_the_look_up_is_not_remembered_as_unknown() {
    let bench = Bench::new(None);
    let ticket = bench.gate.begin(key(1).id(), &*bench.feed);
    bench.gate.created(key(1).id());
    let answer = bench.gate.loaded(ticket, None, &key(1));
    assert_eq!(answer.err(), Some(KeyError::Unknown));
    assert!(matches!(
        bench.gate.find(key(1).id(), &*bench.feed),
        Found::Nothing
    ));
}

#[test]
fn unknown_ids_are_bounded() {
    let bench = Bench::new(None);
    for number in 0..10_000_u128 {
        let id = KeyId::from_random(&number.to_be_bytes());
        let ticket = bench.gate.begin(&id, &*bench.feed);
        let _ = bench.gate.loaded(ticket, None, &key(1));
    }
    let remembered = (0..10_000_u128).filter(|number| {
        let id = KeyId::from_random(&number.to_be_bytes());
        matches!(bench.gate.find(&id, &*bench.feed), Found::Unknown)
    });
    assert!((2048..=4096).contains(&remembered.count()));
}

#[test]
fn records_are_bounded() {
    let bench = Bench::new(None);
    for number in 0..5_000_u128 {
        let id = KeyId::from_random(&number.to_be_bytes());
        let key = ApiKey::from_parts(&"cust".parse().unwrap(), Environment::Live, &id, &[1; 32]);
        let ticket = bench.gate.begin(&id, &*bench.feed);
        bench.gate.loaded(ticket, Some(record(&key)), &key).unwrap();
    }
    assert!(
        (400..=1000).contains(&bench.gate.kept()),
        "{}",
        bench.gate.kept()
    );
}

/// A hit rechecks all that time and place change.
#[test]
fn a_kept_record_is_checked_anew_each_time() {
    let key = key(1);
    let mut row = record(&key);
    row.expires_at = Some(200);
    row.networks = "192.0.2.0/24".parse().unwrap();
    let bench = Bench::new(Some(row));
    let at = |now, address: &str| {
        let address = Some(address.parse().unwrap());
        let visit = Visit { now, address };
        block_on(
            bench
                .gate
                .authenticate(&key, &visit, &bench.store, &*bench.feed),
        )
        .err()
    };
    assert_eq!(at(199, "192.0.2.1"), None);
    assert_eq!(at(200, "192.0.2.1"), Some(KeyError::Expired));
    assert_eq!(at(199, "192.0.3.1"), Some(KeyError::AddressDenied));
    assert_eq!(
        bench.show(&self::key(1)).err(),
        Some(KeyError::AddressDenied)
    );
    let other = ApiKey::from_parts(key.prefix(), key.environment(), key.id(), &[9; 32]);
    assert_eq!(bench.show(&other).err(), Some(KeyError::Mismatch));
    assert_eq!(bench.asked(), 1);
}

#[test]
fn another_key_s_record_is_not_taken() {
    let bench = Bench::new(Some(record(&key(2))));
    assert_eq!(bench.show(&key(1)).err(), Some(KeyError::Unavailable));
    assert_eq!(bench.gate.kept(), 0);
}

#[test]
fn a_key_is_hashed_anew_at_its_next_use() {
    let pepper = |id, byte| Pepper::new(PepperId(id), &[byte; 32]).unwrap();
    let rotated = Hasher::peppered(pepper(2, 2), vec![pepper(1, 1)]).unwrap();
    let mut row = record(&key(1));
    for hasher in [
        Hasher::default(),
        Hasher::peppered(pepper(1, 1), Vec::new()).unwrap(),
    ] {
        row.hash = hasher.hash(&key(1));
        let verified = row.authenticate_visit(&key(1), &rotated, &VISIT).unwrap();
        let rehashed = verified.rehashed().unwrap();
        assert_eq!(rehashed.pepper(), Some(PepperId(2)));
        let mut renewed = row.clone();
        renewed.hash = stored(rehashed);
        let again = renewed
            .authenticate_visit(&key(1), &rotated, &VISIT)
            .unwrap();
        assert!(again.rehashed().is_none());
    }
    // Without its pepper a key cannot be checked, and is not accepted.
    let refused = row.authenticate(&key(1), 100).err();
    assert_eq!(refused, Some(KeyError::PepperUnknown));
}

/// A hash, by way of what a database keeps of it.
fn stored(hash: &HashedKey) -> HashedKey {
    HashedKey::from_stored_peppered(hash.pepper().unwrap(), hash.as_bytes()).unwrap()
}

#[test]
fn debug_shows_no_secret() {
    let bench = Bench::new(None);
    let shown = format!("{:?}", bench.gate);
    assert_eq!(
        shown,
        "KeyGate { hasher: Hasher { current: None, known: [] }, without_lease: AskStore, .. }"
    );
    let ticket = bench.gate.begin(key(1).id(), &*bench.feed);
    let candidate = bench
        .gate
        .loaded(ticket, Some(record(&key(1))), &key(1))
        .unwrap();
    assert!(format!("{candidate:?}").contains("hash: HashedKey(Sha256)"));
    let accepted = bench.gate.accept(&candidate, &key(1), &VISIT, &*bench.feed);
    assert!(matches!(accepted, Accepted::Yes(_)));
}
