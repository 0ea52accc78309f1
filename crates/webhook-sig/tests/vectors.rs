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
    HeaderSet, ReceiverKey, Scheme, SenderKey, Signer, SigningKey, SigningSecret, UndatedHeaders,
    UndatedVerifier, Verified, Verifier, WebhookError, sign, sign_undated,
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

/// A message of any scheme; `code` stands in the invalid ones.
#[derive(Deserialize)]
struct Message {
    name: String,
    scheme: String,
    keys: Vec<String>,
    headers: Vec<(String, String)>,
    body: String,
    now: u64,
    code: Option<String>,
}

impl Message {
    fn pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).unwrap()
    }

    /// The scheme, unless it has no time.
    fn dated(&self) -> Option<Scheme> {
        Some(match self.scheme.as_str() {
            "standard" => Scheme::Standard,
            "svix" => Scheme::Svix,
            "stripe" => Scheme::Stripe,
            "slack" => Scheme::Slack,
            "github" => return None,
            other => panic!("{}: {other}", self.name),
        })
    }

    fn verify(&self) -> Result<(), WebhookError> {
        let Some(scheme) = self.dated() else {
            let secrets = self.keys.iter().map(|key| key.parse().unwrap());
            let verifier = UndatedVerifier::accepting_replays(secrets)?;
            let headers = UndatedHeaders::collect(self.pairs())?;
            return verifier.verify(&headers, &self.body()).map(|_| ());
        };
        let keys = self.keys.iter();
        let keys = keys.map(|key| ReceiverKey::parse(scheme, key).unwrap());
        let verifier = Verifier::for_scheme(scheme, keys)?;
        let headers = verifier.collect(self.pairs())?;
        verifier
            .verify(&headers, &self.body(), self.now)
            .map(|_| ())
    }

    /// Our own headers, with the key that made theirs.
    fn signed(&self) -> Vec<(String, String)> {
        let header = |part: &str| {
            let mut found = self.headers.iter();
            let found = found.find(|(name, _)| name.to_lowercase().ends_with(part));
            found.map_or("msg_1", |(_, value)| value).parse().unwrap()
        };
        let [key] = self.keys.as_slice() else {
            panic!("{}: which key signs?", self.name);
        };
        let signed = match self.dated() {
            None => sign_undated(&key.parse().unwrap(), &header("-delivery"), &self.body()),
            Some(scheme) => {
                let key = if key.starts_with("whpk_") {
                    // The private key that every public key of the vectors belongs to.
                    let seed: [u8; 32] = std::array::from_fn(|at| at.try_into().unwrap());
                    let private = SigningKey::from_seed(&seed);
                    assert_eq!(private.verifying_key().to_string(), *key);
                    private.into()
                } else {
                    SenderKey::parse(scheme, key).unwrap()
                };
                let at = Verifier::for_scheme(
                    scheme,
                    [ReceiverKey::parse(scheme, &self.keys[0]).unwrap()],
                );
                let at = at.unwrap().collect(self.pairs()).unwrap().timestamp();
                let signer = Signer::new(scheme, [key]).unwrap();
                signer.sign(&header("-id"), at, &self.body())
            }
        };
        let headers = signed.headers().into_iter();
        headers
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
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
        let signer = Signer::new(Scheme::Standard, secrets(&vector.secrets)).unwrap();
        let signed = signer.sign(&id, timestamp, &body);
        let theirs: Vec<_> = vector.signature.split(' ').collect();
        assert!(
            signed
                .signature()
                .split(' ')
                .any(|ours| theirs.contains(&ours)),
            "{name}"
        );
        if vector.secrets.len() == 1 && theirs.len() == 1 {
            let secret = vector.secrets[0].parse().unwrap();
            let signed = sign(&secret, &id, timestamp, &body);
            let ours = signed.headers().into_iter().map(|(_, value)| value);
            assert!(ours.eq(headers.map(|(_, value)| value)), "{name}");
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

/// What the official libraries made: taken, and made again byte for byte.
#[test]
fn every_scheme_is_its_peers() {
    let text = include_str!("vectors/schemes-valid.json");
    let vectors: Vec<Message> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 70, "{}", vectors.len());
    let mut made_again = 0;
    for vector in vectors {
        assert_eq!(vector.verify(), Ok(()), "{}", vector.name);
        // Several entries, other header names, and documents, are not how we write.
        let is_plain = vector.name.contains(": ");
        if is_plain {
            let mut theirs = vector.headers.clone();
            for (name, _) in &mut theirs {
                *name = name.to_lowercase();
            }
            assert_eq!(vector.signed(), theirs, "{}", vector.name);
            made_again += 1;
        }
    }
    assert!(made_again >= 55, "{made_again}");
}

#[test]
fn every_scheme_refuses() {
    let text = include_str!("vectors/schemes-invalid.json");
    let vectors: Vec<Message> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 140, "{}", vectors.len());
    for vector in vectors {
        let code = vector.verify().err().map(|error| error.code());
        assert_eq!(code, vector.code.as_deref(), "{}", vector.name);
    }
}
