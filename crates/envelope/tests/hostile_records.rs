//! Records that somebody who can write the store has put together.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pollster::block_on;
use strongroom_envelope::hazmat::replace_wraps;
use strongroom_envelope::{
    CacheError, CacheLimits, DataKey, Dek, DekId, EncryptionContext, HeaderError, KeyAdmin as _,
    KeyCache, KeyDescription, KeyLocation, KeyRef, Kms, KmsError, KmsFuture, LocalKms, OpenError,
    Provider, Purpose, Recipient, RewrapError, SealError, WrappedDek, add_recipients, inspect,
    open, rewrap, seal,
};
use strongroom_tenancy::TenantId;

fn tenant() -> TenantId {
    // Some of these records are streams, which the FIPS module's user has to accept.
    #[cfg(feature = "fips")]
    strongroom_envelope::fips::accept_streams_outside_the_approved_services();
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn key_ref(name: &str) -> KeyRef {
    name.parse().unwrap()
}

fn context(purpose: &str) -> EncryptionContext {
    EncryptionContext::new([("purpose", purpose)]).unwrap()
}

fn keyring(names: &[&str]) -> (tempfile::TempDir, LocalKms) {
    let directory = tempfile::tempdir().unwrap();
    let kms = LocalKms::create(directory.path().join("keys")).unwrap();
    for name in names {
        block_on(kms.create(&tenant(), &key_ref(name))).unwrap();
    }
    (directory, kms)
}

fn split(sealed: &[u8]) -> (&[u8], &[u8]) {
    sealed.split_at(inspect(sealed).unwrap().front_bytes)
}

fn wraps(sealed: &[u8]) -> Vec<WrappedDek> {
    match inspect(sealed).unwrap().key {
        KeyLocation::Inline(wraps) => wraps,
        other => panic!("{other:?}"),
    }
}

/// One of each suite.
const LENGTHS: [usize; 2] = [10, 70_000];

/// Who may read one record is not handed another's key, whose wrap was put before its body.
#[test]
fn who_is_added_gets_the_key_of_this_body() {
    let (_directory, kms) = keyring(&["root", "auditor"]);
    let names = ["root", "auditor"].map(key_ref);
    let [root, auditor] = [0, 1].map(|at| Recipient::new(&kms, &names[at]));
    for length in LENGTHS {
        let seal = |purpose| {
            let text = vec![7; length];
            block_on(seal(&[root], &tenant(), &context(purpose), &text)).unwrap()
        };
        let (public, secret) = (seal("public"), seal("secret"));
        let add = |record: &mut Vec<u8>, purpose| {
            let context = context(purpose);
            block_on(add_recipients(
                &[root],
                &[auditor],
                &tenant(),
                &context,
                record,
            ))
        };
        let planted = [split(&secret).0, split(&public).1].concat();
        let mut record = planted.clone();
        let refused = Err(RewrapError::Open(OpenError::Failed));
        assert_eq!(add(&mut record, "public"), refused);
        assert_eq!(add(&mut record, "secret"), refused);
        assert_eq!(record, planted);

        // The wrap that is the body's own is found behind the planted one.
        let (_, body) = split(&public);
        let both = [wraps(&secret), wraps(&public)].concat();
        let mut record = detached(body, length);
        replace_wraps(&both, &mut record).unwrap();
        assert_eq!(add(&mut record, "public"), Ok(()));
        let stolen = [split(&record).0, split(&secret).1].concat();
        let opens = |purpose, record| {
            block_on(open(&[auditor], &tenant(), &context(purpose), record)).is_ok()
        };
        assert!(opens("public", &record) && !opens("secret", &stolen));
    }
}

/// The body behind an id, of the suite that this length is sealed in.
fn detached(body: &[u8], length: usize) -> Vec<u8> {
    let key = DataKey::detached(
        &Dek::from_bytes(&[1; 32]),
        &tenant(),
        DekId::from_bytes([2; 16]),
    );
    let other = key
        .seal(&tenant(), &context("x"), &vec![0; length])
        .unwrap();
    [split(&other).0, body].concat()
}

/// Salt and commitment are enough, and less is not.
#[test]
fn adding_takes_the_head_of_a_body() {
    let (_directory, kms) = keyring(&["root", "auditor"]);
    let names = ["root", "auditor"].map(key_ref);
    let [root, auditor] = [0, 1].map(|at| Recipient::new(&kms, &names[at]));
    for (length, salt, head) in [(LENGTHS[0], 16, 48), (LENGTHS[1], 24, 56)] {
        let sealed = block_on(seal(&[root], &tenant(), &context("a"), &vec![7; length])).unwrap();
        let (front, body) = split(&sealed);
        let add = |kept: usize| {
            let mut record = [front, &body[..kept]].concat();
            let context = context("a");
            let (with, added, tenant) = ([root], [auditor], tenant());
            let adding = add_recipients(&with, &added, &tenant, &context, &mut record);
            block_on(adding).map(|()| record)
        };
        for (kept, field) in [(0, "salt"), (salt - 1, "salt"), (head - 1, "commitment")] {
            let refused = RewrapError::Header(HeaderError::Truncated(field));
            assert_eq!(add(kept), Err(refused), "{kept}");
        }
        let mut whole = add(head).unwrap();
        whole.extend_from_slice(&body[head..]);
        let opened = block_on(open(&[auditor], &tenant(), &context("a"), &whole));
        assert_eq!(opened.unwrap().as_slice(), vec![7; length]);
    }
}

/// A keyring that counts what it is asked.
struct Counting {
    kms: LocalKms,
    calls: AtomicUsize,
}

impl Counting {
    fn new(kms: LocalKms) -> Self {
        let calls = AtomicUsize::new(0);
        Self { kms, calls }
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

impl Kms for Counting {
    fn provider(&self) -> Provider {
        self.kms.provider()
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        self.count();
        self.kms.wrap(tenant, key, purpose, dek)
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        self.count();
        self.kms.unwrap(tenant, purpose, wrapped)
    }

    fn rewrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, WrappedDek> {
        self.count();
        self.kms.rewrap(tenant, purpose, wrapped, key)
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        self.kms.describe(tenant, key)
    }
}

/// No KMS is asked for a body that cannot be a stream's.
#[test]
fn a_stream_of_impossible_length_costs_no_call() {
    let (_directory, kms) = keyring(&["root"]);
    let kms = Counting::new(kms);
    let name = key_ref("root");
    let root = Recipient::new(&kms, &name);
    let sealed = block_on(seal(&[root], &tenant(), &context("a"), &[7; 70_000])).unwrap();
    let (front, body) = split(&sealed);
    kms.take();
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, context) = (tenant(), context("a"));
    let seen = cache.generation(&tenant);
    let chunk = 16 * 1024 + 16;
    for (kept, expected) in [
        (0, HeaderError::Truncated("salt")),
        (23, HeaderError::Truncated("salt")),
        (24, HeaderError::Truncated("commitment")),
        (55, HeaderError::Truncated("commitment")),
        (56, HeaderError::Truncated("tag")),
        (71, HeaderError::Truncated("tag")),
        (56 + chunk, HeaderError::BodyLength),
        (56 + chunk + 15, HeaderError::BodyLength),
    ] {
        let cut = [front, &body[..kept]].concat();
        let opened = block_on(open(&[root], &tenant, &context, &cut));
        assert_eq!(opened.err(), Some(OpenError::Header(expected)), "{kept}");
        let recipients = [root];
        let opened = cache.open(&recipients, &seen, &context, &cut, Instant::now());
        let refused = CacheError::Load(OpenError::Header(expected));
        assert_eq!(block_on(opened).err(), Some(refused), "{kept}");
    }
    assert_eq!(kms.take(), 0);
    let cut = [front, &body[..56 + 16]].concat();
    let opened = block_on(open(&[root], &tenant, &context, &cut));
    assert_eq!(opened.err(), Some(OpenError::Failed));
    assert_eq!(kms.take(), 1);
}

/// A wrap that unwraps nowhere keeps no genuine one under the old version.
#[test]
fn rewrapping_passes_over_what_holds_nowhere() {
    let (_directory, kms) = keyring(&["root"]);
    let kms = Counting::new(kms);
    let name = key_ref("root");
    let root = Recipient::new(&kms, &name);
    let sealed = block_on(seal(&[root], &tenant(), &context("a"), b"text")).unwrap();
    let (_, body) = split(&sealed);
    let good = wraps(&sealed).remove(0);
    let mut torn = good.clone();
    torn.bytes[30] ^= 1;
    let mut gone = good.clone();
    gone.key_version = 77;
    let record = |wraps: &[WrappedDek]| {
        let mut record = detached(body, LENGTHS[0]);
        replace_wraps(wraps, &mut record).unwrap();
        record
    };
    block_on(kms.kms.rotate(&tenant(), &name)).unwrap();
    kms.take();
    for (wraps_before, replaced) in [
        (vec![good.clone(), torn.clone()], 1),
        (vec![gone.clone(), good.clone()], 1),
        (
            vec![torn.clone(), good.clone(), gone.clone(), good.clone()],
            2,
        ),
        (vec![good.clone(); 16], 16),
    ] {
        let mut record = record(&wraps_before);
        assert_eq!(
            block_on(rewrap(&[root], &tenant(), &mut record)),
            Ok(replaced)
        );
        assert_eq!(kms.take(), wraps_before.len());
        for (before, after) in wraps_before.iter().zip(wraps(&record)) {
            let version = if *before == good {
                2
            } else {
                before.key_version
            };
            assert_eq!(after.key_version, version);
        }
    }
    for (only, error) in [
        (torn, KmsError::ContextMismatch),
        (gone, KmsError::NotFound),
    ] {
        let before = record(&[only]);
        let mut after = before.clone();
        let refused = Err(RewrapError::Seal(SealError::Kms(error)));
        assert_eq!(block_on(rewrap(&[root], &tenant(), &mut after)), refused);
        assert_eq!(after, before);
    }
    block_on(kms.kms.disable(&tenant(), &name)).unwrap();
    let before = record(&[good]);
    let refused = block_on(rewrap(&[root], &tenant(), &mut before.clone()));
    assert_eq!(
        refused,
        Err(RewrapError::Seal(SealError::Kms(KmsError::Disabled)))
    );
}

/// Two bodies behind one front, which has the wraps of both: each opens, whichever came first.
#[test]
fn a_cached_key_is_not_the_only_one_of_its_front() {
    let (_directory, kms) = keyring(&["root"]);
    let kms = Counting::new(kms);
    let name = key_ref("root");
    let recipients = [Recipient::new(&kms, &name)];
    let (tenant, context) = (tenant(), context("a"));
    let seal = |text: &[u8]| block_on(seal(&recipients, &tenant, &context, text)).unwrap();
    let records = [seal(b"one"), seal(b"two")];
    let both = [wraps(&records[0]), wraps(&records[1])].concat();
    let cache = KeyCache::new(CacheLimits::default());
    let seen = cache.generation(&tenant);
    let open =
        |record: &[u8]| block_on(cache.open(&recipients, &seen, &context, record, Instant::now()));
    for (record, text) in records.iter().zip([b"one", b"two"]) {
        let mut joined = detached(split(record).1, LENGTHS[0]);
        replace_wraps(&both, &mut joined).unwrap();
        assert_eq!(open(&joined).unwrap().as_slice(), text);
    }

    // With one wrap there is one key, and asking again would tell nothing.
    open(&records[0]).unwrap();
    kms.take();
    let mut altered = records[0].clone();
    *altered.last_mut().unwrap() ^= 1;
    let refused = CacheError::Load(OpenError::Failed);
    assert_eq!(open(&altered).err(), Some(refused));
    assert_eq!(kms.take(), 0);
}
