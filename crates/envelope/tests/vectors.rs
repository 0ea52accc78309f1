//! Every vector of `tests/vectors/sealed.json`, opened and, where it opens, sealed again.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use pollster::block_on;
use serde_json::Value;
use strongroom_envelope::{
    Dek, EncryptionContext, HeaderError, KeyRef, LocalKms, OpenError, hazmat, open, read_wraps,
};
use strongroom_tenancy::TenantId;

fn load() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/sealed.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn bytes<const N: usize>(value: &Value, name: &str) -> [u8; N] {
    hex::decode(text(value, name)).unwrap().try_into().unwrap()
}

/// The key that the keyring of the vectors has under a name and version.
fn wrapping_key(name: &str, version: u64) -> [u8; 32] {
    let first = match (name, version) {
        ("tenant-root", 1) => 0,
        ("tenant-root", 2) => 32,
        ("vault", 1) => 64,
        other => panic!("{other:?}"),
    };
    std::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

fn keyring(file: &Value) -> (tempfile::TempDir, LocalKms) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyring");
    // An existing private file, so that the mode is right whatever the umask.
    LocalKms::create(&path).unwrap();
    std::fs::write(&path, text(file, "keyring")).unwrap();
    let kms = LocalKms::open(&path).unwrap();
    (directory, kms)
}

#[test]
fn sealed_records() {
    let file = load();
    let (_directory, kms) = keyring(&file);
    let mut names = BTreeSet::new();
    let mut resealed = 0;
    for vector in file["vectors"].as_array().unwrap() {
        let name = text(vector, "name");
        assert!(names.insert(name), "{name} stands twice");
        let tenant: TenantId = text(vector, "tenant").parse().unwrap();
        let pairs = vector["context"].as_array().unwrap().iter();
        let pairs = pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
        let context = EncryptionContext::new(pairs).unwrap();
        let allowed = vector["allowed"].as_array().unwrap().iter();
        let allowed: Vec<KeyRef> = allowed
            .map(|key| key.as_str().unwrap().parse().unwrap())
            .collect();
        let sealed = hex::decode(text(vector, "sealed")).unwrap();
        match block_on(open(&kms, &allowed, &tenant, &context, &sealed)) {
            Ok(plaintext) => {
                assert_eq!(text(vector, "expect"), "ok", "{name}");
                assert_eq!(
                    hex::encode(&*plaintext),
                    text(vector, "plaintext"),
                    "{name}"
                );
                if let Some(wraps) = vector["wraps"].as_array() {
                    assert_eq!(
                        seal_again(&file, wraps, &tenant, &context, &plaintext),
                        sealed,
                        "{name}"
                    );
                    resealed += 1;
                }
            }
            Err(OpenError::Failed) => assert_eq!(text(vector, "expect"), "failed", "{name}"),
            Err(error @ OpenError::Header(_)) => {
                assert_eq!(text(vector, "expect"), error.to_string(), "{name}");
                assert!(read_wraps(&sealed).is_err());
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(resealed >= 8, "only {resealed} sealed again");
}

fn seal_again(
    file: &Value,
    wraps: &[Value],
    tenant: &TenantId,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Vec<u8> {
    let dek = Dek::from_bytes(&bytes(file, "dek"));
    let wrap = |wrap: &Value| {
        let (name, version) = (wrap[0].as_str().unwrap(), wrap[1].as_u64().unwrap());
        let key = wrapping_key(name, version);
        let version = u32::try_from(version).unwrap();
        let salt = bytes(file, "wrap_salt");
        hazmat::wrap_with(&key, tenant, &name.parse().unwrap(), version, &salt, &dek).unwrap()
    };
    let wraps: Vec<_> = wraps.iter().map(wrap).collect();
    let (salt, nonce) = (bytes(file, "salt"), bytes(file, "nonce"));
    hazmat::seal_with(&dek, &wraps, tenant, context, &salt, &nonce, plaintext).unwrap()
}

#[test]
fn a_body_that_is_too_long_is_named() {
    let file = load();
    let mut sealed = hex::decode(text(&file["vectors"][0], "sealed")).unwrap();
    let header = 6 + usize::from(u16::from_be_bytes([sealed[4], sealed[5]]));
    let longest = header + 16 + 32 + 12 + 65_536 + 16;
    sealed.resize(longest, 0);
    assert!(read_wraps(&sealed).is_ok());
    sealed.push(0);
    assert_eq!(read_wraps(&sealed), Err(HeaderError::BodyTooLong));
}

#[test]
fn the_worked_example_of_the_specification_is_the_first_vector() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/spec/envelope.md");
    let page = std::fs::read_to_string(page).unwrap();
    let page: String = page.split_whitespace().collect();
    let file = load();
    // The page shows the record field by field; together they are the record.
    let shown: String = page
        .split("```")
        .find(|block| block.starts_with("magic"))
        .unwrap()
        .split(';')
        .filter_map(|line| line.split_once('='))
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(shown, text(&file["vectors"][0], "sealed"));
}
