//! Sealing and opening through recipients, some of which misbehave; data keys; what must not open.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::future::ready;
use std::sync::Mutex;

use pollster::block_on;
use proptest::prelude::*;
use strongroom_envelope::hazmat::{self, KeyPlace};
use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, HeaderError, KeyAdmin as _, KeyDescription, KeyLimits,
    KeyLocation, KeyRef, KeyState, Kms, KmsError, KmsFuture, LocalKms, MAX_COMPACT, MAX_KMS_CALLS,
    MAX_WRAPS, OpenError, Provider, Recipient, SealError, Suite, WrappedDek, inspect, open, seal,
};
use strongroom_tenancy::TenantId;

const WRAPPING_KEY: [u8; 32] = [7; 32];
const DEK: [u8; 32] = [9; 32];

/// A KMS that lists the versions that it is asked to unwrap, and does what it is told.
struct Scripted {
    provider: u8,
    /// What each version unwraps to.
    answers: Vec<Result<u8, KmsError>>,
    /// What a new wrap claims.
    claims: (u8, &'static str),
    wraps: Mutex<usize>,
    unwraps: Mutex<Vec<u32>>,
}

impl Scripted {
    fn new(provider: u8, answers: &[Result<u8, KmsError>]) -> Self {
        Self {
            provider,
            answers: answers.to_vec(),
            claims: (provider, "root"),
            wraps: Mutex::default(),
            unwraps: Mutex::default(),
        }
    }

    fn calls(&self) -> Vec<u32> {
        self.unwraps.lock().unwrap().clone()
    }
}

impl Kms for Scripted {
    fn provider(&self) -> Provider {
        Provider::from_number(self.provider).unwrap()
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        _: &'a KeyRef,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        *self.wraps.lock().unwrap() += 1;
        let (provider, name) = self.claims;
        let provider = Provider::from_number(provider).unwrap();
        let name = name.parse().unwrap();
        let wrapped =
            hazmat::wrap_with(&WRAPPING_KEY, provider, tenant, &name, 0, &[1; 24], dek).unwrap();
        Box::pin(ready(Ok(wrapped)))
    }

    fn unwrap<'a>(&'a self, _: &'a TenantId, wrapped: &'a WrappedDek) -> KmsFuture<'a, Dek> {
        self.unwraps.lock().unwrap().push(wrapped.key_version);
        let answer = self.answers[wrapped.key_version as usize];
        Box::pin(ready(answer.map(|byte| Dek::from_bytes(&[byte; 32]))))
    }

    fn describe<'a>(&'a self, _: &'a TenantId, _: &'a KeyRef) -> KmsFuture<'a, KeyDescription> {
        Box::pin(ready(Ok(KeyDescription {
            state: KeyState::Enabled,
            active_version: 0,
        })))
    }
}

/// Two local keyrings, with a key `root` and a key `other` in each.
struct Local {
    _directory: tempfile::TempDir,
    first: LocalKms,
    second: LocalKms,
}

impl Local {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let make = |name| {
            let kms = LocalKms::create(directory.path().join(name)).unwrap();
            for key in ["root", "other"] {
                block_on(kms.create(&tenant(), &key_ref(key))).unwrap();
            }
            kms
        };
        let (first, second) = (make("first"), make("second"));
        Self {
            _directory: directory,
            first,
            second,
        }
    }
}

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

fn wrap(provider: u8, name: &str, key_version: u32) -> WrappedDek {
    WrappedDek {
        provider: Provider::from_number(provider).unwrap(),
        key_ref: key_ref(name),
        key_version,
        bytes: vec![0; 72],
    }
}

/// A record under [`DEK`], with these wraps.
fn record(wraps: &[WrappedDek]) -> Vec<u8> {
    sealed_with(&Dek::from_bytes(&DEK), wraps, b"text").unwrap()
}

fn sealed_with(dek: &Dek, wraps: &[WrappedDek], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let place = KeyPlace::Inline(wraps);
    let (salt, nonce) = ([3; 16], [4; 12]);
    hazmat::seal_compact(dek, place, &tenant(), &context(), &salt, &nonce, plaintext)
}

fn wraps_of(sealed: &[u8]) -> Vec<WrappedDek> {
    match inspect(sealed).unwrap().key {
        KeyLocation::Inline(wraps) => wraps,
        other => panic!("{other:?}"),
    }
}

/// Opens with the key `root` of a scripted KMS, and tells which versions it was asked for.
fn opened(
    answers: &[Result<u8, KmsError>],
    sealed: &[u8],
) -> (Result<Vec<u8>, OpenError>, Vec<u32>) {
    let kms = Scripted::new(1, answers);
    let root = key_ref("root");
    let root = Recipient::new(&kms, &root);
    let result = block_on(open(&[root], &tenant(), &context(), sealed));
    (result.map(|text| text.to_vec()), kms.calls())
}

#[test]
fn any_one_recipient_opens() {
    let local = Local::new();
    let (root, name, stranger) = (key_ref("root"), key_ref("other"), key_ref("stranger"));
    let first = Recipient::new(&local.first, &root);
    let second = Recipient::new(&local.second, &name);
    let sealed = block_on(seal(&[first, second], &tenant(), &context(), b"text")).unwrap();
    let names: Vec<_> = wraps_of(&sealed).into_iter().map(|w| w.key_ref).collect();
    assert_eq!(names, [root.clone(), name.clone()]);
    for recipients in [vec![first], vec![second], vec![first, second]] {
        let opened = block_on(open(&recipients, &tenant(), &context(), &sealed)).unwrap();
        assert_eq!(opened.as_slice(), b"text");
    }
    // The names are there, the keys under them are not those that wrapped.
    let wrong = [
        Recipient::new(&local.second, &root),
        Recipient::new(&local.first, &name),
        Recipient::new(&local.first, &stranger),
    ];
    for recipients in [&wrong[..], &wrong[..1], &wrong[1..2], &wrong[2..], &[]] {
        let opened = block_on(open(recipients, &tenant(), &context(), &sealed));
        assert_eq!(opened.unwrap_err(), OpenError::Failed);
    }
}

#[test]
fn nothing_is_sealed_to_a_part_of_the_recipients() {
    let local = Local::new();
    let (root, stranger) = (key_ref("root"), key_ref("stranger"));
    let known = Recipient::new(&local.first, &root);
    let unknown = Recipient::new(&local.second, &stranger);
    for recipients in [[known, unknown], [unknown, known]] {
        let sealed = block_on(seal(&recipients, &tenant(), &context(), b"text"));
        assert_eq!(sealed, Err(SealError::Kms(KmsError::NotFound)));
        let generated = block_on(DataKey::generate(&recipients, &tenant()));
        assert_eq!(generated.unwrap_err(), SealError::Kms(KmsError::NotFound));
    }
}

#[test]
fn the_number_of_recipients_is_bounded_before_any_call() {
    let (kms, root) = (Scripted::new(1, &[]), key_ref("root"));
    let root = Recipient::new(&kms, &root);
    for recipients in [vec![], vec![root; MAX_WRAPS + 1]] {
        let sealed = block_on(seal(&recipients, &tenant(), &context(), b"text"));
        assert_eq!(sealed, Err(SealError::Recipients));
    }
    assert_eq!(*kms.wraps.lock().unwrap(), 0);
    let sealed = block_on(seal(&[root; MAX_WRAPS], &tenant(), &context(), b"text"));
    assert_eq!(wraps_of(&sealed.unwrap()).len(), MAX_WRAPS);
}

#[test]
fn what_is_not_allowed_is_passed_over_without_a_call() {
    let sealed = record(&[
        wrap(1, "other", 0),
        wrap(1, "root2", 1),
        wrap(1, "roo", 2),
        wrap(1, "ROOT", 3),
        wrap(2, "root", 4),
        wrap(128, "root", 5),
        wrap(1, "root", 6),
    ]);
    let (result, calls) = opened(&[Ok(9); 7], &sealed);
    assert_eq!(result.unwrap(), b"text");
    assert_eq!(calls, [6]);

    let sealed = record(&[wrap(1, "other", 0), wrap(3, "root", 1)]);
    let (result, calls) = opened(&[Ok(9); 2], &sealed);
    assert_eq!(result, Err(OpenError::Failed));
    assert!(calls.is_empty());
}

#[test]
fn each_wrap_is_taken_to_the_kms_of_its_provider() {
    let (local, aws) = (
        Scripted::new(1, &[Ok(1), Ok(9)]),
        Scripted::new(3, &[Ok(9), Ok(1)]),
    );
    let root = key_ref("root");
    let recipients = [Recipient::new(&local, &root), Recipient::new(&aws, &root)];
    let sealed = record(&[wrap(3, "root", 1), wrap(1, "root", 1)]);
    let opened = block_on(open(&recipients, &tenant(), &context(), &sealed));
    assert_eq!(opened.unwrap().as_slice(), b"text");
    assert_eq!((local.calls(), aws.calls()), (vec![1], vec![1]));
}

#[test]
fn at_most_two_calls_are_made() {
    assert_eq!(MAX_KMS_CALLS, 2);
    let wraps: Vec<_> = (0..16).map(|version| wrap(1, "root", version)).collect();
    for answer in [Ok(1), Err(KmsError::ContextMismatch)] {
        let (result, calls) = opened(&[answer; 16], &record(&wraps));
        assert_eq!(result, Err(OpenError::Failed));
        assert_eq!(calls, [0, 1]);
    }
    // The calls of all recipients together.
    let (local, aws) = (Scripted::new(1, &[Ok(1)]), Scripted::new(3, &[Ok(1)]));
    let root = key_ref("root");
    let recipients = [Recipient::new(&local, &root), Recipient::new(&aws, &root)];
    let wraps = [
        wrap(1, "root", 0),
        wrap(3, "root", 0),
        wrap(1, "root", 0),
        wrap(3, "root", 0),
    ];
    let opened = block_on(open(&recipients, &tenant(), &context(), &record(&wraps)));
    assert_eq!(opened.unwrap_err(), OpenError::Failed);
    assert_eq!((local.calls().len(), aws.calls().len()), (1, 1));
}

#[test]
fn no_call_is_made_for_what_is_no_record() {
    let good = record(&[wrap(1, "root", 0)]);
    let (_, calls) = opened(&[Ok(9)], &good);
    assert_eq!(calls, [0]);
    let body = inspect(&good).unwrap().front_bytes;
    for length in 0..body + 76 {
        let (result, calls) = opened(&[Ok(9)], &good[..length]);
        assert!(matches!(result, Err(OpenError::Header(_))), "{length}");
        assert!(calls.is_empty(), "{length}");
    }
    let mut long = good.clone();
    long.resize(body + 76 + MAX_COMPACT + 1, 0);
    let (result, calls) = opened(&[Ok(9)], &long);
    assert_eq!(result, Err(OpenError::Header(HeaderError::BodyTooLong)));
    assert!(calls.is_empty());
}

#[test]
fn only_what_may_pass_is_told_apart_from_failure() {
    let sealed = record(&[wrap(1, "root", 0), wrap(1, "root", 1)]);
    for (error, expected) in [
        (KmsError::Throttled, OpenError::Kms(KmsError::Throttled)),
        (KmsError::Unavailable, OpenError::Kms(KmsError::Unavailable)),
        (KmsError::Denied, OpenError::Failed),
        (KmsError::NotFound, OpenError::Failed),
        (KmsError::AlreadyExists, OpenError::Failed),
        (KmsError::Disabled, OpenError::Failed),
        (KmsError::ContextMismatch, OpenError::Failed),
    ] {
        assert_eq!(error.is_retryable(), expected != OpenError::Failed);
        for answers in [
            [Err(error), Err(KmsError::Denied)],
            [Err(KmsError::Denied), Err(error)],
            [Err(error), Ok(1)],
        ] {
            let (result, calls) = opened(&answers, &sealed);
            assert_eq!(result, Err(expected), "{error}");
            assert_eq!(calls, [0, 1]);
        }
        let (result, _) = opened(&[Err(error), Ok(9)], &sealed);
        assert_eq!(result.unwrap(), b"text", "{error}");
    }
}

#[test]
fn a_kms_that_answers_for_another_key_is_not_believed() {
    for claims in [(1, "other"), (2, "root"), (1, "Root")] {
        let kms = Scripted {
            claims,
            ..Scripted::new(1, &[])
        };
        let root = key_ref("root");
        let root = Recipient::new(&kms, &root);
        let sealed = block_on(seal(&[root], &tenant(), &context(), b"text"));
        assert_eq!(sealed, Err(SealError::Wrap), "{claims:?}");
        let generated = block_on(DataKey::generate(&[root], &tenant()));
        assert_eq!(generated.unwrap_err(), SealError::Wrap, "{claims:?}");
    }
}

#[test]
fn futures_can_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let (kms, root, tenant, context) =
        (Scripted::new(1, &[]), key_ref("root"), tenant(), context());
    let root = [Recipient::new(&kms, &root)];
    movable(seal(&root, &tenant, &context, b"text"));
    movable(open(&root, &tenant, &context, b"sealed"));
    movable(DataKey::generate(&root, &tenant));
}

#[test]
fn the_front_is_bounded() {
    let dek = Dek::from_bytes(&DEK);
    let of = |length: usize| WrappedDek {
        bytes: vec![0; length],
        ..wrap(1, "a", 1)
    };
    for (name, wraps, expected) in [
        ("none", vec![], HeaderError::WrapCount),
        ("17", vec![of(1); 17], HeaderError::WrapCount),
        ("257", vec![of(1); 257], HeaderError::WrapCount),
        ("empty", vec![of(0)], HeaderError::WrappedLength),
        ("1025 bytes", vec![of(1025)], HeaderError::WrappedLength),
        (
            "over 8 KiB together",
            vec![of(1024); 8],
            HeaderError::HeaderLength,
        ),
    ] {
        let sealed = sealed_with(&dek, &wraps, b"text");
        assert_eq!(sealed, Err(SealError::Wrap), "{name}");
        let loaded = DataKey::inline(&dek, &tenant(), &wraps);
        assert_eq!(loaded.unwrap_err(), expected, "{name}");
    }
    // 1 + 7 * 1033 + 9 + 951 = 8192
    let full: Vec<_> = [1024; 7].into_iter().chain([951]).map(of).collect();
    let sealed = sealed_with(&dek, &full, b"text").unwrap();
    assert_eq!(inspect(&sealed).unwrap().front_bytes, 6 + 8192);
    assert_eq!(wraps_of(&sealed), full);
    let over: Vec<_> = [1024; 7].into_iter().chain([952]).map(of).collect();
    assert_eq!(sealed_with(&dek, &over, b"text"), Err(SealError::Wrap));
}

#[test]
fn a_record_is_as_long_as_the_specification_says() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let key = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let id = DekId::generate().unwrap();
    let detached = DataKey::detached(&Dek::generate().unwrap(), &tenant(), id);
    for length in [0, 1, 64, 1024, MAX_COMPACT] {
        let plaintext = vec![1; length];
        let sealed = block_on(seal(&[root], &tenant(), &context(), &plaintext)).unwrap();
        assert_eq!(sealed.len(), length + 163 + "root".len());
        assert!(sealed.len() - length <= 175);
        assert_eq!(sealed.capacity(), sealed.len(), "one allocation");
        assert_eq!(inspect(&sealed).unwrap().suite, Suite::Compact);
        let sealed = key.seal(&tenant(), &context(), &plaintext).unwrap();
        assert_eq!(sealed.len(), length + 167);
        let sealed = detached.seal(&tenant(), &context(), &plaintext).unwrap();
        assert_eq!(sealed.len(), length + 96);
        assert_eq!(sealed.capacity(), sealed.len(), "one allocation");
        assert_eq!(inspect(&sealed).unwrap().key, KeyLocation::Detached(id));
    }
}

#[test]
fn a_detached_record_says_that_its_key_is_elsewhere() {
    let key = DataKey::detached(
        &Dek::from_bytes(&DEK),
        &tenant(),
        DekId::from_bytes([5; 16]),
    );
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    let (result, calls) = opened(&[Ok(9)], &sealed);
    assert_eq!(result, Err(OpenError::Detached));
    assert!(calls.is_empty());
}

#[test]
fn a_data_key_is_of_one_tenant() {
    let dek = Dek::from_bytes(&DEK);
    let key = DataKey::detached(&dek, &tenant(), DekId::from_bytes([5; 16]));
    assert_eq!(*key.tenant(), tenant());
    let refused = key.seal(&other(), &context(), b"text");
    assert_eq!(refused, Err(SealError::Tenant));
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    let refused = key.open(&other(), &context(), &sealed);
    assert_eq!(refused.unwrap_err(), OpenError::Failed);
    // The same DEK loaded for another tenant is another key.
    let theirs = DataKey::detached(&dek, &other(), DekId::from_bytes([5; 16]));
    let refused = theirs.open(&other(), &context(), &sealed);
    assert_eq!(refused.unwrap_err(), OpenError::Failed);
    let opened = key.open(&tenant(), &context(), &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"text");
}

#[test]
fn a_data_key_opens_what_its_wraps_open_and_the_reverse() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let key = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    let opened = block_on(open(&[root], &tenant(), &context(), &sealed)).unwrap();
    assert_eq!(opened.as_slice(), b"text");
    let opened = key.open(&tenant(), &context(), &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"text");
    let another = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let refused = another.open(&tenant(), &context(), &sealed);
    assert_eq!(refused.unwrap_err(), OpenError::Failed);
}

#[test]
fn limits_end_a_data_key() {
    let limited = |messages, bytes| {
        DataKey::detached(
            &Dek::from_bytes(&DEK),
            &tenant(),
            DekId::from_bytes([5; 16]),
        )
        .with_limits(KeyLimits { messages, bytes })
    };
    let seal = |key: &DataKey, length: usize| {
        let sealed = key.seal(&tenant(), &context(), &vec![0; length]);
        sealed.map(|_| ())
    };

    let key = limited(3, u64::MAX);
    for _ in 0..3 {
        assert!(!key.is_spent());
        assert_eq!(seal(&key, 10), Ok(()));
    }
    assert!(key.is_spent());
    assert_eq!(seal(&key, 10), Err(SealError::Spent));
    assert_eq!(seal(&key, 0), Err(SealError::Spent));

    let key = limited(u64::MAX, 100);
    assert_eq!(seal(&key, 60), Ok(()));
    assert_eq!(seal(&key, 40), Ok(()));
    assert!(key.is_spent());
    assert_eq!(seal(&key, 1), Err(SealError::Spent));

    let key = limited(u64::MAX, 100);
    assert_eq!(seal(&key, 60), Ok(()));
    assert!(!key.is_spent());
    assert_eq!(seal(&key, 41), Err(SealError::Spent));
    // A refusal ends the key: what replaces spent keys must not hand it out again.
    assert!(key.is_spent());
    assert_eq!(seal(&key, 40), Err(SealError::Spent));

    let key = limited(0, 0);
    assert!(key.is_spent());
    assert_eq!(seal(&key, 0), Err(SealError::Spent));

    // Another tenant's attempts do not count, and opening does not either.
    let key = limited(1, 100);
    assert!(key.seal(&other(), &context(), b"text").is_err());
    let sealed = key.seal(&tenant(), &context(), b"text").unwrap();
    for _ in 0..3 {
        assert!(key.open(&tenant(), &context(), &sealed).is_ok());
    }
    assert!(key.is_spent());
}

#[test]
fn limits_hold_between_threads() {
    let key = DataKey::detached(
        &Dek::from_bytes(&DEK),
        &tenant(),
        DekId::from_bytes([5; 16]),
    )
    .with_limits(KeyLimits {
        messages: 1000,
        bytes: 64 * 900,
    });
    let sealed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..400 {
                    if key.seal(&tenant(), &context(), &[0; 64]).is_ok() {
                        sealed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(sealed.into_inner(), 900);
}

#[test]
fn two_records_share_no_salt_nonce_or_wrap() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let seal = || block_on(seal(&[root], &tenant(), &context(), b"text")).unwrap();
    let (a, b) = (seal(), seal());
    let front = inspect(&a).unwrap().front_bytes;
    let fields = [
        ("inner key's half of the nonce", front - 72..front - 60),
        ("wrap's half of the nonce", front - 60..front - 48),
        ("wrapped key", front - 48..front - 16),
        ("salt", front..front + 16),
        ("commitment", front + 16..front + 48),
        ("nonce", front + 48..front + 60),
    ];
    for (name, range) in fields.clone() {
        assert_ne!(a[range.clone()], b[range], "{name}");
    }
    // Records of one data key share their front, and nothing else.
    let key = block_on(DataKey::generate(&[root], &tenant())).unwrap();
    let seal = || key.seal(&tenant(), &context(), b"text").unwrap();
    let (a, b) = (seal(), seal());
    assert_eq!(a[..front], b[..front]);
    for (name, range) in fields.into_iter().skip(3) {
        assert_ne!(a[range.clone()], b[range], "{name}");
    }
}

/// Every bit of an inline and of a detached record.
#[test]
fn no_flipped_bit_opens() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let inline = block_on(seal(&[root], &tenant(), &context(), b"text")).unwrap();
    let key = DataKey::detached(
        &Dek::from_bytes(&DEK),
        &tenant(),
        DekId::from_bytes([5; 16]),
    );
    let detached = key.seal(&tenant(), &context(), b"text").unwrap();
    for position in 0..inline.len() * 8 {
        let mut altered = inline.clone();
        altered[position / 8] ^= 1 << (position % 8);
        let opened = block_on(open(&[root], &tenant(), &context(), &altered));
        assert!(opened.is_err(), "bit {position}");
    }
    // The id says where the key is; it does not go into the body.
    for position in (0..4 * 8).chain(20 * 8..detached.len() * 8) {
        let mut altered = detached.clone();
        altered[position / 8] ^= 1 << (position % 8);
        let opened = key.open(&tenant(), &context(), &altered);
        assert!(opened.is_err(), "bit {position}");
    }
}

fn texts() -> impl Strategy<Value = Vec<(String, String)>> {
    let pairs = proptest::collection::btree_map("[a-zé]{1,12}", "[ -~é]{0,12}", 0..16);
    pairs.prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_opens_for_nobody_else(
        plaintext in proptest::collection::vec(any::<u8>(), 0..300),
        pairs in texts(),
        wrong in texts(),
        dek: [u8; 32],
        wrong_dek: [u8; 32],
        tenants: [std::num::NonZeroU128; 2],
        bit: proptest::sample::Index,
        cut: proptest::sample::Index,
        order: u64,
    ) {
        let tenants = tenants.map(|n| TenantId::from_uuid(uuid::Uuid::from_u128(n.get())).unwrap());
        let context = EncryptionContext::new(pairs.iter().cloned()).unwrap();
        let key = |dek: &[u8; 32], tenant| {
            DataKey::detached(&Dek::from_bytes(dek), tenant, DekId::from_bytes([5; 16]))
        };
        let mine = key(&dek, &tenants[0]);
        let sealed = mine.seal(&tenants[0], &context, &plaintext).unwrap();
        prop_assert_eq!(sealed.len(), plaintext.len() + 96);

        // The order of the pairs does not matter.
        let mut shuffled = pairs.clone();
        shuffled.sort_by_key(|(key, _)| {
            key.bytes().fold(order, |sum, b| (sum ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
        });
        let shuffled = EncryptionContext::new(shuffled).unwrap();
        let opened = mine.open(&tenants[0], &shuffled, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), &plaintext[..]);

        let failed = OpenError::Failed;
        if wrong != pairs {
            let wrong = EncryptionContext::new(wrong).unwrap();
            let opened = mine.open(&tenants[0], &wrong, &sealed);
            prop_assert_eq!(opened.unwrap_err(), failed);
        }
        if dek != wrong_dek {
            let opened = key(&wrong_dek, &tenants[0]).open(&tenants[0], &context, &sealed);
            prop_assert_eq!(opened.unwrap_err(), failed);
        }
        if tenants[0] != tenants[1] {
            let opened = key(&dek, &tenants[1]).open(&tenants[1], &context, &sealed);
            prop_assert_eq!(opened.unwrap_err(), failed);
        }

        let bit = bit.index((sealed.len() - 16) * 8);
        let bit = if bit < 32 { bit } else { bit + 16 * 8 };
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(mine.open(&tenants[0], &context, &altered).is_err());
        let cut = cut.index(sealed.len());
        prop_assert!(mine.open(&tenants[0], &context, &sealed[..cut]).is_err());
        let longer = [&sealed[..], &[0]].concat();
        prop_assert!(mine.open(&tenants[0], &context, &longer).is_err());
    }

    #[test]
    fn a_wrap_is_for_one_tenant_key_version_and_provider(
        key: [u8; 32],
        dek: [u8; 32],
        nonce: [u8; 24],
        version in 1_u32..1000,
        bit: proptest::sample::Index,
    ) {
        let local = Local::new();
        // A wrap under a key that is not in the keyring does not unwrap, whatever it claims.
        let name = key_ref("root");
        let dek = Dek::from_bytes(&dek);
        let foreign =
            hazmat::wrap_with(&key, Provider::LOCAL, &tenant(), &name, 1, &nonce, &dek).unwrap();
        let result = block_on(local.first.unwrap(&tenant(), &foreign));
        prop_assert_eq!(result.unwrap_err(), KmsError::ContextMismatch);

        let wrapped = block_on(local.first.wrap(&tenant(), &name, &dek)).unwrap();
        let unwrap = |tenant: &TenantId, wrapped: &WrappedDek| {
            block_on(local.first.unwrap(tenant, wrapped)).map(|dek| *dek.expose_bytes())
        };
        prop_assert_eq!(unwrap(&tenant(), &wrapped), Ok(*dek.expose_bytes()));
        prop_assert_eq!(unwrap(&other(), &wrapped), Err(KmsError::NotFound));
        let renamed = WrappedDek { key_ref: key_ref("other"), ..wrapped.clone() };
        prop_assert_eq!(unwrap(&tenant(), &renamed), Err(KmsError::ContextMismatch));
        let later = WrappedDek { key_version: version + 1, ..wrapped.clone() };
        prop_assert_eq!(unwrap(&tenant(), &later), Err(KmsError::NotFound));
        let elsewhere = WrappedDek { provider: Provider::TENANT_KEK, ..wrapped.clone() };
        prop_assert_eq!(unwrap(&tenant(), &elsewhere), Err(KmsError::NotFound));
        let mut altered = wrapped.clone();
        let bit = bit.index(wrapped.bytes.len() * 8);
        altered.bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(unwrap(&tenant(), &altered), Err(KmsError::ContextMismatch));
    }

    #[test]
    fn opening_and_inspecting_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        tail: Vec<u8>,
        prefix in 0_usize..4,
    ) {
        let key = DataKey::detached(&Dek::from_bytes(&DEK), &tenant(), DekId::from_bytes([5; 16]));
        let prefixes: [&[u8]; 4] =
            [b"", b"S\x01\x01\x01", b"S\x01\x01\x00\x00\x09", b"S\x01\x02\x01"];
        let prefix = prefixes[prefix];
        let framed = [prefix, &bytes, &tail].concat();
        let _ = inspect(&framed);
        prop_assert!(key.open(&tenant(), &context(), &framed).is_err());
        let (result, calls) = opened(&[], &framed);
        prop_assert!(result.is_err() && calls.is_empty());
    }
}
