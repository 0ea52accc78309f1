//! Every vector of `tests/vectors`, valid and invalid.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use strongroom_llm_wire::{ChatAnswer, ChatRequest, RedactedAnswer, RedactedRequest, WireError};
use strongroom_pii::Policy;
use strongroom_tenancy::TenantId;

struct Vector(Value);

impl Vector {
    fn all(file: &str) -> Vec<Self> {
        let file: Vec<Value> = serde_json::from_str(file).unwrap();
        file.into_iter().map(Self).collect()
    }

    fn name(&self) -> &str {
        assert!(self.0["origin"].is_string());
        self.0["name"].as_str().unwrap()
    }

    fn body(&self) -> Vec<u8> {
        match self.0["raw"].as_str() {
            Some(raw) => raw.as_bytes().to_vec(),
            None => self.0["body"].to_string().into_bytes(),
        }
    }

    fn policy(&self) -> Policy {
        match self.0["policy"].as_str() {
            Some(toml) => Policy::from_toml(toml).unwrap(),
            None => Policy::strict(),
        }
    }

    fn assert_refused(&self, error: &WireError) {
        let name = self.name();
        assert_eq!(
            self.0["code"].as_str(),
            Some(error.code()),
            "{name}: {error}"
        );
        assert_eq!(self.0["field"].as_str(), error.field(), "{name}: {error}");
        for value in ["example.com", "123-45-6789", "123456789", "4111"] {
            assert!(
                !format!("{error} {error:?}").contains(value),
                "{name}: {error:?}"
            );
        }
    }
}

fn request(vector: &Vector) -> Result<RedactedRequest, WireError> {
    ChatRequest::parse(&vector.body())?.redact(&vector.policy(), &TenantId::PLATFORM)
}

fn answer(vector: &Vector) -> Result<RedactedAnswer, WireError> {
    ChatAnswer::parse(&vector.body())?.redact(&vector.policy(), &TenantId::PLATFORM)
}

#[test]
fn requests() {
    for vector in Vector::all(include_str!("vectors/requests.json")) {
        let name = vector.name();
        match request(&vector) {
            Ok(redacted) => {
                let body: Value = serde_json::from_slice(&redacted.upstream_body()).unwrap();
                assert_eq!(body, vector.0["upstream"], "{name}");
                assert_eq!(redacted.policy_hash(), vector.policy().hash(), "{name}");
            }
            Err(error) => vector.assert_refused(&error),
        }
    }
}

#[test]
fn answers() {
    for vector in Vector::all(include_str!("vectors/answers.json")) {
        let name = vector.name();
        match answer(&vector) {
            Ok(redacted) => {
                let body: Value = serde_json::from_slice(redacted.body()).unwrap();
                assert_eq!(body, vector.0["answer"], "{name}");
                let usage = redacted.usage().map(|(p, c)| vec![p, c]);
                assert_eq!(serde_json::json!(usage), vector.0["usage"], "{name}");
                assert_eq!(
                    serde_json::json!(redacted.finish_reasons()),
                    vector.0["finish_reasons"],
                    "{name}"
                );
                assert_eq!(redacted.policy_hash(), vector.policy().hash(), "{name}");
            }
            Err(error) => vector.assert_refused(&error),
        }
    }
}
