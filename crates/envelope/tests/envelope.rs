//! Sealing and opening through a KMS that misbehaves, and the bounds of the format.

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
use strongroom_envelope::{
    Dek, EncryptionContext, KeyRef, Kms, KmsError, KmsFuture, MAX_PLAINTEXT, OpenError, SealError,
    WrappedDek, hazmat, open, read_wraps, seal,
};
use strongroom_tenancy::TenantId;

const WRAPPING_KEY: [u8; 32] = [7; 32];

/// Counts its calls and does what it is told, in the order of the wraps' versions.
#[derive(Default)]
struct Scripted {
    unwraps: Mutex<Vec<u32>>,
    answers: Vec<Result<u8, KmsError>>,
    renames: bool,
}

impl Kms for Scripted {
    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        let named = if self.renames {
            "other".parse().unwrap()
        } else {
            key.clone()
        };
        let wrapped = hazmat::wrap_with(&WRAPPING_KEY, tenant, &named, 0, &[1; 16], dek);
        Box::pin(ready(wrapped.map_err(|_| KmsError::Unavailable)))
    }

    fn unwrap<'a>(&'a self, _: &'a TenantId, wrapped: &'a WrappedDek) -> KmsFuture<'a, Dek> {
        self.unwraps.lock().unwrap().push(wrapped.key_version);
        let answer = self.answers[wrapped.key_version as usize];
        Box::pin(ready(answer.map(|byte| Dek::from_bytes(&[byte; 32]))))
    }
}

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn key() -> KeyRef {
    "tenant-root".parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "test")]).unwrap()
}

fn wrap(name: &str, key_version: u32) -> WrappedDek {
    let (key_ref, bytes) = (name.parse().unwrap(), vec![0; 64]);
    WrappedDek {
        provider: 1,
        key_ref,
        key_version,
        bytes,
    }
}

/// A record under the key of `[9; 32]`, with these wraps.
fn record(wraps: &[WrappedDek]) -> Vec<u8> {
    let dek = Dek::from_bytes(&[9; 32]);
    hazmat::seal_with(
        &dek,
        wraps,
        &tenant(),
        &context(),
        &[3; 16],
        &[4; 12],
        b"text",
    )
    .unwrap()
}

fn opened(
    answers: &[Result<u8, KmsError>],
    sealed: &[u8],
) -> (Result<Vec<u8>, OpenError>, Vec<u32>) {
    let kms = Scripted {
        answers: answers.to_vec(),
        ..Scripted::default()
    };
    let result = block_on(open(&kms, &[key()], &tenant(), &context(), sealed));
    (
        result.map(|text| text.to_vec()),
        kms.unwraps.into_inner().unwrap(),
    )
}

#[test]
fn keys_that_are_not_allowed_are_passed_over_without_a_call() {
    let sealed = record(&[
        wrap("other", 0),
        wrap("tenant-root2", 1),
        wrap("tenant-root", 2),
    ]);
    let (result, calls) = opened(&[Ok(9), Ok(9), Ok(9)], &sealed);
    assert_eq!(result.unwrap(), b"text");
    assert_eq!(calls, [2]);
}

#[test]
fn at_most_two_calls_are_made() {
    let wraps: Vec<_> = (0..16)
        .map(|version| wrap("tenant-root", version))
        .collect();
    let (result, calls) = opened(&[Ok(1); 16], &record(&wraps));
    assert_eq!(result, Err(OpenError::Failed));
    assert_eq!(calls, [0, 1]);
}

#[test]
fn only_what_may_pass_is_told_apart_from_failure() {
    let sealed = record(&[wrap("tenant-root", 0), wrap("tenant-root", 1)]);
    for (error, expected) in [
        (KmsError::Throttled, OpenError::Kms(KmsError::Throttled)),
        (KmsError::Unavailable, OpenError::Kms(KmsError::Unavailable)),
        (KmsError::Denied, OpenError::Failed),
        (KmsError::NotFound, OpenError::Failed),
        (KmsError::Disabled, OpenError::Failed),
        (KmsError::ContextMismatch, OpenError::Failed),
    ] {
        let (result, calls) = opened(&[Err(error), Err(KmsError::Denied)], &sealed);
        assert_eq!(result, Err(expected), "{error}");
        assert_eq!(calls.len(), 2);
        let (result, _) = opened(&[Err(error), Ok(9)], &sealed);
        assert_eq!(result.unwrap(), b"text", "{error}");
    }
}

#[test]
fn a_kms_that_answers_for_another_key_is_not_believed() {
    let kms = Scripted {
        renames: true,
        ..Scripted::default()
    };
    let result = block_on(seal(&kms, &key(), &tenant(), &context(), b"text"));
    assert_eq!(result, Err(SealError::Wrap));
}

#[test]
fn futures_can_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let (kms, key, tenant, context) = (Scripted::default(), key(), tenant(), context());
    movable(seal(&kms, &key, &tenant, &context, b"text"));
    movable(open(
        &kms,
        std::slice::from_ref(&key),
        &tenant,
        &context,
        b"sealed",
    ));
}

#[test]
fn sealing_is_bounded() {
    let kms = Scripted::default();
    let sealed =
        |length: usize| block_on(seal(&kms, &key(), &tenant(), &context(), &vec![0; length]));
    assert_eq!(sealed(MAX_PLAINTEXT + 1), Err(SealError::PlaintextTooLong));
    assert!(read_wraps(&sealed(MAX_PLAINTEXT).unwrap()).is_ok());

    let dek = Dek::from_bytes(&[9; 32]);
    let with = |wraps: &[WrappedDek]| {
        hazmat::seal_with(
            &dek,
            wraps,
            &tenant(),
            &context(),
            &[3; 16],
            &[4; 12],
            b"text",
        )
    };
    let large = WrappedDek {
        bytes: vec![0; 1024],
        ..wrap("a", 1)
    };
    let too_large = WrappedDek {
        bytes: vec![0; 1025],
        ..wrap("a", 1)
    };
    let empty = WrappedDek {
        bytes: Vec::new(),
        ..wrap("a", 1)
    };
    for (name, wraps) in [
        ("none", vec![]),
        ("seventeen", vec![wrap("a", 1); 17]),
        ("empty", vec![empty]),
        ("over 1024 bytes", vec![too_large]),
        ("over 8 KiB together", vec![large; 8]),
    ] {
        assert_eq!(with(&wraps), Err(SealError::Wrap), "{name}");
    }
    assert_eq!(
        read_wraps(&with(&vec![wrap("a", 1); 16]).unwrap())
            .unwrap()
            .len(),
        16
    );
}

#[test]
fn overhead_with_one_local_wrap_is_at_most_175_bytes() {
    let kms = Scripted::default();
    let key = "a-key-of-20-bytes-xx".parse().unwrap();
    let sealed = block_on(seal(&kms, &key, &tenant(), &context(), b"")).unwrap();
    assert_eq!(sealed.len(), 175);
}

#[test]
fn debug_shows_no_bytes() {
    assert_eq!(
        format!("{:?}", wrap("tenant-root", 3)),
        "WrappedDek { provider: 1, key_ref: KeyRef(tenant-root), key_version: 3, bytes: 64 }"
    );
}

proptest! {
    #[test]
    fn records_round_trip(
        dek: [u8; 32],
        salt: [u8; 16],
        nonce: [u8; 12],
        plaintext in proptest::collection::vec(any::<u8>(), 0..300),
        pairs in proptest::collection::btree_map("[a-z]{1,8}", ".{0,8}", 0..6),
        versions in proptest::collection::vec(any::<u32>(), 1..=16),
    ) {
        let (dek, context) = (Dek::from_bytes(&dek), EncryptionContext::new(pairs).unwrap());
        let wraps: Vec<_> = versions.iter().map(|version| wrap("a", *version)).collect();
        let sealed = hazmat::seal_with(&dek, &wraps, &tenant(), &context, &salt, &nonce, &plaintext);
        let sealed = sealed.unwrap();
        prop_assert_eq!(read_wraps(&sealed).unwrap(), wraps);
        let opened = hazmat::open_with(&dek, &tenant(), &context, &sealed);
        prop_assert_eq!(&*opened.unwrap(), &plaintext);
    }

    #[test]
    fn opening_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), tail: Vec<u8>) {
        let dek = Dek::from_bytes(&[9; 32]);
        prop_assert!(hazmat::open_with(&dek, &tenant(), &context(), &bytes).is_err());
        let framed = [&[b'S', 1, 1, 0, 0, 9][..], &bytes, &tail].concat();
        prop_assert!(hazmat::open_with(&dek, &tenant(), &context(), &framed).is_err());
    }
}
