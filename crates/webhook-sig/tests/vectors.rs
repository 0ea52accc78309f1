//! The shared vectors: every binding of the family reads the same files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use strongroom_webhook_sig::{
    HeaderSet, SigningSecret, Verified, Verifier, WebhookError, sign, sign_with_all,
};

#[derive(Deserialize)]
struct Valid {
    name: String,
    secrets: Vec<String>,
    id: String,
    timestamp: String,
    signature: String,
    body: String,
    now: u64,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    secrets: Vec<String>,
    headers: Vec<(String, String)>,
    body: String,
    now: u64,
    code: String,
}

#[derive(Deserialize)]
struct InvalidSecret {
    name: String,
    secret: String,
}

fn secrets(texts: &[String]) -> Vec<SigningSecret> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn verify(
    texts: &[String],
    headers: &[(String, String)],
    body: &str,
    now: u64,
) -> Result<Verified, WebhookError> {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers = HeaderSet::collect(pairs)?;
    Verifier::new(secrets(texts))?.verify(&headers, &STANDARD.decode(body).unwrap(), now)
}

#[test]
fn valid_vectors() {
    let vectors: Vec<Valid> = serde_json::from_str(include_str!("vectors/valid.json")).unwrap();
    assert!(vectors.len() >= 18);
    for vector in vectors {
        let name = &vector.name;
        let headers = [
            ("webhook-id".to_owned(), vector.id.clone()),
            ("webhook-timestamp".to_owned(), vector.timestamp.clone()),
            ("webhook-signature".to_owned(), vector.signature.clone()),
        ];
        let verified = verify(&vector.secrets, &headers, &vector.body, vector.now);
        let verified = verified.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(verified.message_id().as_str(), vector.id, "{name}");
        assert_eq!(verified.timestamp().to_string(), vector.timestamp, "{name}");

        // What we sign with all secrets holds an entry of the other implementation's.
        let (id, timestamp) = (vector.id.parse().unwrap(), verified.timestamp());
        let body = STANDARD.decode(&vector.body).unwrap();
        let signed = sign_with_all(&secrets(&vector.secrets), &id, timestamp, &body).unwrap();
        let theirs: Vec<_> = vector.signature.split(' ').collect();
        assert!(
            signed
                .signature
                .split(' ')
                .any(|ours| theirs.contains(&ours)),
            "{name}"
        );
        if vector.secrets.len() == 1 && theirs.len() == 1 {
            let secret = vector.secrets[0].parse().unwrap();
            let signed = sign(&secret, &id, timestamp, &body);
            assert_eq!(
                signed.headers().map(|(_, value)| value),
                headers.map(|(_, value)| value)
            );
        }
    }
}

#[test]
fn invalid_vectors() {
    let vectors: Vec<Invalid> = serde_json::from_str(include_str!("vectors/invalid.json")).unwrap();
    assert!(vectors.len() >= 45);
    for vector in vectors {
        let refused = verify(&vector.secrets, &vector.headers, &vector.body, vector.now);
        let code = refused.err().map(|error| error.code());
        assert_eq!(code, Some(vector.code.as_str()), "{}", vector.name);
    }
}

#[test]
fn invalid_secret_vectors() {
    let text = include_str!("vectors/secrets-invalid.json");
    let vectors: Vec<InvalidSecret> = serde_json::from_str(text).unwrap();
    for vector in vectors {
        let refused = vector.secret.parse::<SigningSecret>().err();
        assert_eq!(
            refused,
            Some(WebhookError::InvalidSecret),
            "{}",
            vector.name
        );
    }
}
