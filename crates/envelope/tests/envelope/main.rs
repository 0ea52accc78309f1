//! Sealing and opening through recipients, some of which misbehave; data keys; what must not open.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod altered;
mod data_key;
mod front;
mod opening;

use std::future::ready;
use std::sync::Mutex;

use pollster::block_on;
use strongroom_envelope::hazmat::{self, KeyPlace, WrappingKey};
use strongroom_envelope::{
    Dek, EncryptionContext, KeyAdmin as _, KeyDescription, KeyLocation, KeyRef, KeyState, Kms,
    KmsError, KmsFuture, LocalKms, OpenError, Provider, Purpose, Recipient, SealError, WrappedDek,
    inspect, open,
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
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        *self.wraps.lock().unwrap() += 1;
        let (provider, name) = self.claims;
        let provider = Provider::from_number(provider).unwrap();
        let name: KeyRef = name.parse().unwrap();
        let key = WrappingKey {
            bytes: &WRAPPING_KEY,
            provider,
            name: &name,
            version: 0,
        };
        let wrapped = hazmat::wrap_with(&key, tenant, &[1; 24], purpose, dek).unwrap();
        Box::pin(ready(Ok(wrapped)))
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
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
