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
use strongroom_tenancy::{Actor, Capability, CapabilitySet, UnmaskClass};
use strongroom_tenant_token::{
    ACCESS_TOKEN_LIFETIME, Algorithm, Authentication, Claims, JwkSet, LEEWAY, MAX_LIFETIME,
    MintError, SigningKey, TokenError, Verifier, mint,
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

/// The key of RFC 7517, appendix A.2.
fn ec_key() -> SigningKey {
    let scalar = URL_SAFE_NO_PAD.decode("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    SigningKey::from_secret(Algorithm::Es256, &scalar.unwrap()).unwrap()
}

fn verifier() -> Verifier {
    let keys = [key().public_key(), ec_key().public_key()];
    Verifier::new(ISSUER, AUDIENCE, JwkSet::of(&keys))
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
        authentication: Authentication::at(NOW - 60),
        epoch: 3,
    }
}

#[test]
fn tokens() {
    let file = load("tokens.json");
    assert_eq!(text(&file, "kid"), key().kid());
    assert_eq!(text(&file, "ec_kid"), ec_key().kid());
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
                    let mut keys = [key(), ec_key()].into_iter();
                    let key = keys.find(|key| key.kid() == verified.kid()).unwrap();
                    assert_eq!(mint(&key, read).unwrap(), token, "{name}");
                }
                let expected = Claims {
                    actor: read.actor.clone(),
                    capabilities: read.capabilities,
                    expires_at: read.expires_at,
                    authentication: read.authentication.clone(),
                    ..claims()
                };
                assert_eq!(read, &expected, "{name}");
            }
            Err(rejection) => {
                let code = rejection.error().code();
                assert_eq!(code, text(vector, "expect"), "{name}");
                let has_tenant =
                    rejection.error().follows_signature() && !code.ends_with("tenant_id");
                assert_eq!(
                    rejection.tenant().is_some(),
                    has_tenant,
                    "{name}: the tenant"
                );
                if !has_tenant {
                    assert_eq!(rejection.actor(), None, "{name}: the actor");
                }
                codes.insert(code);
            }
        }
    }
    // All but `revoked` and `unavailable`, which no token causes.
    assert_eq!(codes.len(), 61, "a code without a vector: only {codes:?}");
}

/// ASVS 5.0, 9.1.1 to 9.2.3, is in here too: signature first, listed algorithms, no keys from the
/// token, times, type and audience.
#[test]
fn the_jose_rejections_are_at_least_sixty() {
    let file = load("tokens.json");
    let jose = file["vectors"].as_array().unwrap().iter().filter(|vector| {
        let code = text(vector, "expect");
        code != "ok" && !code.starts_with("missing_") && !code.starts_with("invalid_")
    });
    assert!(jose.count() >= 60);
}

#[test]
fn what_the_peers_signed_verifies() {
    let file = load("peers.json");
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let (name, token) = (text(vector, "name"), text(vector, "token"));
        let verified = verifier().verify(token, NOW).unwrap();
        assert_eq!(verified.claims(), &claims(), "{name}");
        let expected = if text(vector, "alg") == "ES256" {
            ec_key()
        } else {
            key()
        };
        assert_eq!(verified.kid(), expected.kid(), "{name}");
    }
    for peer in ["PyJWT", "joserfc", "jwcrypto", "jose"] {
        let of_peer = |vector: &&Value| text(vector, "origin").starts_with(&format!("{peer} "));
        assert!(vectors.iter().filter(of_peer).count() >= 2, "{peer}");
    }
}

#[test]
fn jwk_sets() {
    let mut codes = BTreeSet::new();
    for vector in load("jwks.json")["vectors"].as_array().unwrap() {
        let (name, expect) = (text(vector, "name"), text(vector, "expect"));
        match JwkSet::parse(text(vector, "text")) {
            Ok(set) => {
                assert_eq!(expect, "ok", "{name}");
                assert_eq!(JwkSet::parse(&set.to_json()), Ok(set), "{name}");
            }
            Err(error) => {
                assert_eq!(error.to_string(), expect, "{name}");
                codes.insert(error.code());
            }
        }
    }
    // All but `jwks_too_large`.
    assert_eq!(codes.len(), 11, "a code without a vector: only {codes:?}");
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
            "authenticated later",
            Claims {
                authentication: Authentication::at(NOW + 1),
                ..claims()
            },
            MintError::InvalidClaim("auth_time"),
        ),
        (
            "empty acr",
            Claims {
                authentication: Authentication {
                    class: Some(String::new()),
                    ..Authentication::at(NOW)
                },
                ..claims()
            },
            MintError::InvalidClaim("acr"),
        ),
        (
            "a method twice",
            Claims {
                authentication: Authentication {
                    methods: vec!["pwd".into(), "pwd".into()],
                    ..Authentication::at(NOW)
                },
                ..claims()
            },
            MintError::InvalidClaim("amr"),
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

/// Claims as large as can be, but for texts of these.
fn largest(text: &str, capabilities: CapabilitySet) -> Claims {
    let id = "platform:0190b2a4-8c7e-7d3a-9f00-0242ac120005"
        .parse()
        .unwrap();
    Claims {
        issuer: text.to_owned(),
        audience: text.to_owned(),
        client_id: text.to_owned(),
        actor: Actor::delegated(id, vec![id; 8]).unwrap(),
        capabilities,
        authentication: Authentication {
            time: NOW,
            class: Some(text.to_owned()),
            methods: (0..8).map(|n| format!("{n}{}", "x".repeat(31))).collect(),
        },
        epoch: u64::MAX,
        ..claims()
    }
}

/// Every capability that another does not take the place of: each class has its own, and no group one.
fn most_capabilities() -> CapabilitySet {
    let groups: Vec<_> = UnmaskClass::groups().collect();
    let names = Capability::all().filter(|known| !groups.contains(known));
    CapabilitySet::from_names(names.map(Capability::as_str)).unwrap()
}

#[test]
fn the_largest_claims_that_are_minted_verify() {
    let named = CapabilitySet::of(Capability::NAMED);
    // A quote is written as two bytes.
    let (longest, long) = ("\"".repeat(256), "x".repeat(128));
    for (text, capabilities) in [(&longest, named), (&long, most_capabilities())] {
        let largest = largest(text, capabilities);
        let token = mint(&key(), &largest).unwrap();
        let keys = JwkSet::of(&[key().public_key()]);
        let verifier = Verifier::new(&largest.issuer, &largest.audience, keys);
        assert_eq!(verifier.verify(&token, NOW).unwrap().claims(), &largest);
    }
    let beyond = largest(&longest, most_capabilities());
    assert_eq!(mint(&key(), &beyond), Err(MintError::TooLong));
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
    let verifier = verifier();
    for position in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            let altered = String::from_utf8(bytes).unwrap();
            assert!(
                verifier.verify(&altered, NOW).is_err(),
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
        ed25519: bool,
    ) {
        let key = if ed25519 { key() } else { ec_key() };
        let id = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse().unwrap();
        let claims = Claims {
            tenant: strongroom_tenancy::TenantId::from_uuid(uuid::Uuid::from_u128(tenant)).unwrap(),
            actor: Actor::delegated(id, vec![id; chain]).unwrap(),
            issued_at,
            expires_at: issued_at + lifetime,
            authentication: Authentication::at(issued_at),
            ..claims()
        };
        let token = mint(&key, &claims).unwrap();
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
                let expected = if early { TokenError::IssuedInFuture } else { TokenError::Expired };
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
