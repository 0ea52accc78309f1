//! Every vector of `tests/vectors`, and what the vectors cannot say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::Value;
use strongroom_tenancy::{Actor, Capability, CapabilitySet};
use strongroom_tenant_token::{
    ACCESS_TOKEN_LIFETIME, Claims, JwkSet, LEEWAY, MAX_LIFETIME, MAX_TOKEN_BYTES, MintError,
    SigningKey, TokenError, Verifier, mint,
};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn load(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

/// The key of RFC 8037, appendix A.1.
fn key() -> SigningKey {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    SigningKey::from_seed(&seed.unwrap().try_into().unwrap())
}

fn verifier() -> Verifier {
    Verifier::new(ISSUER, AUDIENCE, JwkSet::of(&[key().public_key()]))
}

fn claims() -> Claims {
    Claims {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap(),
        actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()),
        capabilities: "chat:create audit:read".parse().unwrap(),
        issued_at: NOW,
        expires_at: NOW + ACCESS_TOKEN_LIFETIME,
        token_id: "0190b2a4-8c7e-7d3a-9f00-0242ac12000a".parse().unwrap(),
        session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac12000b".parse().unwrap(),
        client_id: "console".to_owned(),
    }
}

fn verdict(error: TokenError) -> String {
    match error {
        TokenError::MissingClaim(name) | TokenError::InvalidClaim(name) => {
            format!("{} {name}", error.code())
        }
        _ => error.code().to_owned(),
    }
}

/// Whether this verdict comes from before the signature was found to hold, or from its tenant.
fn concerns_nobody(verdict: &str) -> bool {
    verdict.ends_with(" tenant_id")
        || !(verdict.contains("claim ")
            || verdict.starts_with("wrong_issuer")
            || verdict.starts_with("wrong_audience")
            || ["expired", "not_yet_valid", "lifetime_too_long"].contains(&verdict))
}

#[test]
fn tokens() {
    let file = load("tokens.json");
    assert_eq!(text(&file, "kid"), key().kid());
    let mut names = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for vector in file["vectors"].as_array().unwrap() {
        let name = text(vector, "name");
        assert!(names.insert(name), "{name} stands twice");
        let token = text(vector, "token");
        match verifier().verify(token, vector["now"].as_u64().unwrap()) {
            Ok(verified) => {
                assert_eq!(text(vector, "expect"), "ok", "{name}");
                let read = verified.claims();
                assert_eq!(read.actor.id().to_string(), text(vector, "actor"), "{name}");
                let chain: Vec<_> = read
                    .actor
                    .on_behalf_of()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                assert_eq!(Value::from(chain), vector["on_behalf_of"], "{name}");
                let capabilities: CapabilitySet = text(vector, "capabilities").parse().unwrap();
                assert_eq!(read.capabilities, capabilities, "{name}");
                if vector["minted"] == true {
                    assert_eq!(mint(&key(), read).unwrap(), token, "{name}");
                }
                let (actor, capabilities) = (read.actor.clone(), read.capabilities);
                let (expires_at, expected) = (read.expires_at, claims());
                let expected = Claims {
                    actor,
                    capabilities,
                    expires_at,
                    ..expected
                };
                assert_eq!(read, &expected, "{name}");
            }
            Err(rejection) => {
                let verdict = verdict(rejection.error());
                assert_eq!(verdict, text(vector, "expect"), "{name}");
                let silent = concerns_nobody(&verdict);
                assert_eq!(rejection.tenant().is_none(), silent, "{name}: the tenant");
                if silent {
                    assert_eq!(rejection.actor(), None, "{name}: the actor");
                }
                codes.insert(rejection.error().code());
            }
        }
    }
    assert_eq!(
        codes.len(),
        16,
        "a refusal without a vector: only {codes:?}"
    );
}

#[test]
fn jwk_sets() {
    for vector in load("jwks.json")["vectors"].as_array().unwrap() {
        let (name, expect) = (text(vector, "name"), text(vector, "expect"));
        match JwkSet::parse(text(vector, "text")) {
            Ok(set) => {
                assert_eq!(expect, "ok", "{name}");
                assert_eq!(JwkSet::parse(&set.to_json()), Ok(set), "{name}");
            }
            Err(error) => assert_eq!(error.to_string(), expect, "{name}"),
        }
    }
}

#[test]
fn the_worked_example_of_the_specification_is_the_first_vector() {
    let file = load("tokens.json");
    let page = format!(
        "{}/../../docs/spec/access-token.md",
        env!("CARGO_MANIFEST_DIR")
    );
    let page: String = std::fs::read_to_string(page)
        .unwrap()
        .split_whitespace()
        .collect();
    assert!(page.contains(text(&file["vectors"][0], "token")));
    assert!(page.contains(text(&file, "kid")));
}

#[test]
fn minting_refuses_what_no_verifier_accepts() {
    let nil = uuid::Uuid::nil();
    let long = "x".repeat(257);
    for (name, bad, expected) in [
        (
            "no issuer",
            Claims {
                issuer: String::new(),
                ..claims()
            },
            MintError::InvalidClaim("iss"),
        ),
        (
            "long audience",
            Claims {
                audience: long,
                ..claims()
            },
            MintError::InvalidClaim("aud"),
        ),
        (
            "line feed",
            Claims {
                client_id: "a\n".into(),
                ..claims()
            },
            MintError::InvalidClaim("client_id"),
        ),
        (
            "nil jti",
            Claims {
                token_id: nil,
                ..claims()
            },
            MintError::InvalidClaim("jti"),
        ),
        (
            "nil sid",
            Claims {
                session_id: nil,
                ..claims()
            },
            MintError::InvalidClaim("sid"),
        ),
        (
            "exp is iat",
            Claims {
                expires_at: NOW,
                ..claims()
            },
            MintError::InvalidClaim("exp"),
        ),
        (
            "exp before iat",
            Claims {
                expires_at: 0,
                ..claims()
            },
            MintError::InvalidClaim("exp"),
        ),
        (
            "too long a life",
            Claims {
                expires_at: NOW + MAX_LIFETIME + 1,
                ..claims()
            },
            MintError::LifetimeTooLong,
        ),
    ] {
        assert_eq!(mint(&key(), &bad), Err(expected), "{name}");
    }
}

#[test]
fn the_largest_claims_that_are_minted_verify() {
    let id = "platform:0190b2a4-8c7e-7d3a-9f00-0242ac120005"
        .parse()
        .unwrap();
    // A quote is written as two bytes.
    let longest = "\"".repeat(256);
    let largest = Claims {
        issuer: longest.clone(),
        audience: longest.clone(),
        client_id: longest.clone(),
        actor: Actor::delegated(id, vec![id; 8]).unwrap(),
        capabilities: CapabilitySet::of(Capability::ALL),
        ..claims()
    };
    let token = mint(&key(), &largest).unwrap();
    assert!(token.len() < MAX_TOKEN_BYTES / 2, "{}", token.len());
    let verifier = Verifier::new(&longest, &longest, JwkSet::of(&[key().public_key()]));
    assert_eq!(verifier.verify(&token, NOW).unwrap().claims(), &largest);
}

#[test]
fn a_key_outside_the_set_verifies_nothing() {
    let token = mint(&SigningKey::from_seed(&[9; 32]), &claims()).unwrap();
    let rejection = verifier().verify(&token, NOW).unwrap_err();
    assert_eq!(rejection.error(), TokenError::UnknownKid);
    let nobody = Verifier::new(ISSUER, AUDIENCE, JwkSet::of(&[]));
    let token = mint(&key(), &claims()).unwrap();
    assert_eq!(
        nobody.verify(&token, NOW).unwrap_err().error(),
        TokenError::UnknownKid
    );
}

#[test]
fn no_flipped_bit_survives() {
    let token = mint(&key(), &claims()).unwrap();
    for position in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            let altered = String::from_utf8(bytes).unwrap();
            assert!(
                verifier().verify(&altered, NOW).is_err(),
                "byte {position}, bit {bit}"
            );
        }
    }
}

proptest! {
    #[test]
    fn what_is_minted_verifies_within_its_time_and_not_outside(
        lifetime in 1..=MAX_LIFETIME,
        issued_at in 1_000_u64..1 << 40,
        offset in 0_u64..10_000,
        tenant in 1_u128..,
        chain in 0_usize..=8,
    ) {
        let id = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse().unwrap();
        let claims = Claims {
            tenant: strongroom_tenancy::TenantId::from_uuid(uuid::Uuid::from_u128(tenant)).unwrap(),
            actor: Actor::delegated(id, vec![id; chain]).unwrap(),
            issued_at,
            expires_at: issued_at + lifetime,
            ..claims()
        };
        let token = mint(&key(), &claims).unwrap();
        let now = (issued_at + offset).saturating_sub(1_000);
        match verifier().verify(&token, now) {
            Ok(verified) => {
                prop_assert_eq!(verified.claims(), &claims);
                prop_assert!(now + LEEWAY >= issued_at && now < claims.expires_at + LEEWAY);
            }
            Err(rejection) => {
                prop_assert_eq!(rejection.tenant(), Some(claims.tenant));
                prop_assert_eq!(rejection.actor(), Some(&claims.actor));
                let early = now + LEEWAY < issued_at;
                let expected = if early { TokenError::NotYetValid } else { TokenError::Expired };
                prop_assert_eq!(rejection.error(), expected);
                prop_assert!(early || now >= claims.expires_at + LEEWAY);
            }
        }
    }

    #[test]
    fn verifying_never_panics(token in ".{0,200}", now: u64) {
        prop_assert!(verifier().verify(&token, now).is_err());
    }
}
