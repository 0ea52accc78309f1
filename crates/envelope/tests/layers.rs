//! A user's credential under the user's key, inside the tenant's.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;

use pollster::block_on;
use strongroom_envelope::{
    ContextError, EncryptionContext, KeyAdmin as _, KeyLocation, KeyRef, KmsError, LayerError,
    Layers, LocalKms, OpenError, Recipient, SealError, inspect, open, seal,
};
use strongroom_tenancy::TenantId;

struct Keys {
    _directory: tempfile::TempDir,
    kms: LocalKms,
    tenant_key: KeyRef,
    users: [KeyRef; 2],
}

impl Keys {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kms = LocalKms::create(directory.path().join("keys")).unwrap();
        let tenant_key = "tenant".parse().unwrap();
        let users = ["user:1", "user:2"].map(|name| name.parse().unwrap());
        for key in users.iter().chain([&tenant_key]) {
            block_on(kms.create(&tenant(), key)).unwrap();
        }
        Self {
            _directory: directory,
            kms,
            tenant_key,
            users,
        }
    }

    fn layers(&self, user: usize) -> Layers<'_> {
        Layers {
            tenant: Recipient::new(&self.kms, &self.tenant_key),
            user: Recipient::new(&self.kms, &self.users[user]),
        }
    }
}

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn other() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "credential"), ("user", "1")]).unwrap()
}

fn with_layer(layer: &str) -> EncryptionContext {
    let context = context();
    let pairs = context.iter().chain([("strongroom:layer", layer)]);
    EncryptionContext::new(pairs).unwrap()
}

/// Opens, and says how often the closure was called and what it saw.
fn opened(
    layers: Layers<'_>,
    tenant: &TenantId,
    context: &EncryptionContext,
    sealed: &[u8],
) -> (Result<Vec<u8>, LayerError>, usize) {
    let calls = Cell::new(0);
    let result = block_on(layers.open(tenant, context, sealed, |credential| {
        calls.set(calls.get() + 1);
        credential.to_vec()
    }));
    (result, calls.get())
}

const FAILED: LayerError = LayerError::Open(OpenError::Failed);

#[test]
fn both_layers_open() {
    let keys = Keys::new();
    let layers = keys.layers(0);
    let sealed = block_on(layers.seal(&tenant(), &context(), b"token")).unwrap();
    let (result, calls) = opened(layers, &tenant(), &context(), &sealed);
    assert_eq!((result.unwrap().as_slice(), calls), (&b"token"[..], 1));
    // What is visible outside is the tenant's key alone.
    let KeyLocation::Inline(wraps) = inspect(&sealed).unwrap().key else {
        panic!("layers are inline");
    };
    assert_eq!(wraps.len(), 1);
    assert_eq!(wraps[0].key_ref, keys.tenant_key);
    // And it is what the specification says: a whole record in a record.
    let outer = block_on(open(
        &[layers.tenant],
        &tenant(),
        &with_layer("tenant"),
        &sealed,
    ));
    let inner = outer.unwrap();
    let inner = block_on(open(&[layers.user], &tenant(), &with_layer("user"), &inner));
    assert_eq!(inner.unwrap().as_slice(), b"token");
}

#[test]
fn the_closure_is_not_called_when_either_layer_fails() {
    let keys = Keys::new();
    let layers = keys.layers(0);
    let sealed = block_on(layers.seal(&tenant(), &context(), b"token")).unwrap();
    let fewer = EncryptionContext::new([("purpose", "credential")]).unwrap();
    for (name, layers, tenant, context) in [
        ("another user's key", keys.layers(1), tenant(), context()),
        ("another tenant", layers, other(), context()),
        ("another context", layers, tenant(), fewer),
        (
            "the keys exchanged",
            Layers {
                tenant: layers.user,
                user: layers.tenant,
            },
            tenant(),
            context(),
        ),
    ] {
        let result = opened(layers, &tenant, &context, &sealed);
        assert_eq!(result, (Err(FAILED), 0), "{name}");
    }
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let (result, calls) = opened(layers, &tenant(), &context(), &altered);
        assert!(result.is_err() && calls == 0, "bit {bit}");
    }
}

#[test]
fn destroying_either_key_is_enough() {
    for destroyed in 0..2 {
        let keys = Keys::new();
        let layers = keys.layers(0);
        let sealed = block_on(layers.seal(&tenant(), &context(), b"token")).unwrap();
        let key = [&keys.tenant_key, &keys.users[0]][destroyed];
        block_on(keys.kms.destroy(&tenant(), key)).unwrap();
        let result = opened(layers, &tenant(), &context(), &sealed);
        assert_eq!(result, (Err(FAILED), 0));
        let refused = block_on(layers.seal(&tenant(), &context(), b"token"));
        let expected = LayerError::Seal(SealError::Kms(KmsError::NotFound));
        assert_eq!(refused, Err(expected));
    }
}

#[test]
fn one_layer_is_not_the_other() {
    let keys = Keys::new();
    let layers = keys.layers(0);
    // The inner record alone, under the tenant's key, with the user's context: not a layer.
    let seal = |recipient, layer: &str, plaintext: &[u8]| {
        block_on(seal(&[recipient], &tenant(), &with_layer(layer), plaintext)).unwrap()
    };
    let inner = seal(layers.user, "user", b"token");
    for (name, sealed) in [
        ("no outer layer", inner.clone()),
        (
            "the user's context outside",
            seal(layers.tenant, "user", &inner),
        ),
        (
            "the tenant's context inside",
            seal(
                layers.tenant,
                "tenant",
                &seal(layers.user, "tenant", b"token"),
            ),
        ),
        (
            "no context inside",
            seal(
                layers.tenant,
                "tenant",
                &block_on(strongroom_envelope::seal(
                    &[layers.user],
                    &tenant(),
                    &context(),
                    b"token",
                ))
                .unwrap(),
            ),
        ),
    ] {
        let result = opened(layers, &tenant(), &context(), &sealed);
        assert_eq!(result, (Err(FAILED), 0), "{name}");
    }
    let (result, _) = opened(
        layers,
        &tenant(),
        &context(),
        &seal(layers.tenant, "tenant", &inner),
    );
    assert_eq!(result.unwrap(), b"token");
    // What is inside is no record at all.
    let sealed = seal(layers.tenant, "tenant", b"token");
    let (result, calls) = opened(layers, &tenant(), &context(), &sealed);
    assert!(matches!(
        result,
        Err(LayerError::Open(OpenError::Header(_)))
    ));
    assert_eq!(calls, 0);
}

#[test]
fn the_layers_pair_must_be_free() {
    let keys = Keys::new();
    let layers = keys.layers(0);
    let taken = EncryptionContext::new([("strongroom:layer", "user")]).unwrap();
    let full = EncryptionContext::new((0..16).map(|n| (n.to_string(), ""))).unwrap();
    for (context, error) in [
        (taken, ContextError::DuplicateKey),
        (full, ContextError::TooManyPairs),
    ] {
        let refused = block_on(layers.seal(&tenant(), &context, b"token"));
        assert_eq!(refused, Err(LayerError::Context(error)));
        let refused = opened(layers, &tenant(), &context, b"sealed");
        assert_eq!(refused, (Err(LayerError::Context(error)), 0));
    }
}
