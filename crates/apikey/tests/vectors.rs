//! The shared vectors: every binding of the family reads the same files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde::Deserialize;
use strongroom_apikey::{ApiKey, ParseError, TEST_KEY};

#[derive(Deserialize)]
struct Valid {
    name: String,
    prefix: String,
    environment: String,
    id: String,
    secret: String,
    key: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    key: String,
    error: String,
}

#[test]
fn valid_vectors() {
    let vectors: Vec<Valid> = serde_json::from_str(include_str!("vectors/valid.json")).unwrap();
    assert!(vectors.len() >= 13);
    assert!(vectors.iter().any(|vector| vector.key == TEST_KEY));
    for vector in vectors {
        let name = &vector.name;
        let parsed: ApiKey = vector
            .key
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(parsed.prefix().as_str(), vector.prefix, "{name}");
        assert_eq!(parsed.environment().as_str(), vector.environment, "{name}");
        assert_eq!(parsed.id().as_str(), vector.id, "{name}");
        assert_eq!(
            hex::encode(parsed.hash().as_bytes()),
            vector.sha256,
            "{name}"
        );

        let secret = hex::decode(&vector.secret).unwrap().try_into().unwrap();
        let made = ApiKey::from_parts(parsed.prefix(), parsed.environment(), parsed.id(), &secret);
        assert_eq!(made.expose(), vector.key, "{name}");
    }
}

#[test]
fn invalid_vectors() {
    let vectors: Vec<Invalid> = serde_json::from_str(include_str!("vectors/invalid.json")).unwrap();
    assert!(vectors.len() >= 40);
    for vector in vectors {
        let expected = match vector.error.as_str() {
            "length" => ParseError::Length,
            "prefix" => ParseError::Prefix,
            "environment" => ParseError::Environment,
            "id" => ParseError::Id,
            "secret" => ParseError::Secret,
            "checksum" => ParseError::Checksum,
            other => panic!("{other} is no error"),
        };
        let refused = ApiKey::parse(&vector.key).err();
        assert_eq!(refused, Some(expected), "{}", vector.name);
    }
}
