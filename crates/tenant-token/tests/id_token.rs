//! Other issuers' ID tokens: each case by its name, and what holds of any bytes.
//!
//! Signatures are not this crate's: a case says whether its own holds. The server runs the same
//! cases with the library that checks them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use strongroom_tenant_token::KeyCache;
use strongroom_tenant_token::id_token::{
    Expected, IdTokenRejection, IssuerKeys, IssuerKeysError, KeyFlaw, PresentedToken, Profile,
    VerifiedIdToken,
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/id_tokens.json")).unwrap()
}

fn expected(vectors: &Value, case: &Value) -> Expected {
    let text = |name: &str| vectors[name].as_str().unwrap().to_owned();
    let names = case["algorithms"].as_array().unwrap().iter();
    let algorithms = names.map(|name| name.as_str().unwrap().parse().unwrap());
    let algorithms = algorithms.collect();
    if case["profile"] == "firebase" {
        let project = text("project");
        return Expected {
            profile: Profile::Firebase,
            issuer: format!("https://securetoken.google.com/{project}"),
            client_id: project,
            algorithms,
            max_age: 3_600,
        };
    }
    Expected {
        profile: Profile::Oidc,
        issuer: text("issuer"),
        client_id: text("client_id"),
        algorithms,
        max_age: 600,
    }
}

fn verify(
    vectors: &Value,
    case: &Value,
    holds: impl FnOnce() -> bool,
) -> Result<VerifiedIdToken, IdTokenRejection> {
    let keys = IssuerKeys::parse(&vectors["jwks"].to_string()).unwrap();
    let presented = PresentedToken::parse(case["token"].as_str().unwrap())?;
    let now = vectors["now"].as_u64().unwrap();
    let expected = expected(vectors, case);
    presented.verify(&expected, &keys, case["nonce"].as_str(), now, |_| holds())
}

#[test]
fn every_case() {
    let vectors = vectors();
    let mut codes = BTreeSet::new();
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let is_signed = case["is_signed"].as_bool().unwrap();
        match (verify(&vectors, case, || is_signed), case["code"].as_str()) {
            (Ok(verified), None) => assert_eq!(verified.subject(), case["subject"], "{name}"),
            (Err(refused), Some(code)) => {
                assert_eq!(refused.error().code(), code, "{name}");
                assert_eq!(refused.is_signed(), is_signed, "{name}");
                assert!(is_signed || refused.subject().is_none(), "{name}");
                codes.insert(code);
            }
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    assert!(cases.len() >= 120 && codes.len() >= 50, "{}", codes.len());
}

#[test]
fn no_claim_is_read_before_the_signature_holds() {
    let vectors = vectors();
    for case in vectors["cases"].as_array().unwrap() {
        let asked = Cell::new(false);
        let refused = verify(&vectors, case, || {
            asked.set(true);
            false
        });
        let refused = refused.unwrap_err();
        assert!(!refused.is_signed() && refused.subject().is_none());
        assert_eq!(asked.get(), refused.error().code() == "bad_signature");
    }
}

#[test]
fn when_and_how_they_authenticated() {
    let vectors = vectors();
    let of = |name: &str| {
        let cases = vectors["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        let verified = verify(&vectors, case, || true).unwrap();
        verified.authentication().clone()
    };
    let full = of("acr, amr, auth_time");
    assert_eq!(full.time, 1_800_000_000 - 60);
    assert_eq!(full.class.as_deref(), Some("urn:mace:incommon:iap:silver"));
    assert_eq!(full.methods, ["pwd", "otp"]);
    assert_eq!(
        of("RS256").time,
        1_800_000_000 - 10,
        "iat, where nothing is said"
    );
    assert_eq!(
        of("a clock 30 s ahead").time,
        1_800_000_000,
        "never after now"
    );
    assert!(
        of("methods that no token of ours can say")
            .methods
            .is_empty()
    );
}

#[test]
fn sets_that_are_refused_whole() {
    let vectors = vectors();
    let good = vectors["jwks"]["keys"][0].clone();
    let many = vec![json!({ "kty": "new" }); 65];
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        json!({ "keys": [key] }).to_string()
    };
    for (name, text, error) in [
        ("empty", String::new(), IssuerKeysError::Malformed),
        ("a list", "[]".to_owned(), IssuerKeysError::Malformed),
        (
            "trailing",
            "{\"keys\":[]}x".to_owned(),
            IssuerKeysError::Malformed,
        ),
        ("no keys", "{}".to_owned(), IssuerKeysError::NoKeys),
        (
            "keys is an object",
            "{\"keys\":{}}".to_owned(),
            IssuerKeysError::NoKeys,
        ),
        (
            "a number among them",
            "{\"keys\":[1]}".to_owned(),
            IssuerKeysError::NoKeys,
        ),
        (
            "keys twice",
            "{\"keys\":[],\"keys\":[]}".to_owned(),
            IssuerKeysError::DuplicateMember,
        ),
        (
            "n twice",
            with("a", json!(1)).replace("\"a\":1", "\"n\":\"AQAB\""),
            IssuerKeysError::DuplicateMember,
        ),
        (
            "65 keys",
            json!({ "keys": many }).to_string(),
            IssuerKeysError::TooManyKeys,
        ),
        (
            "one kid twice",
            json!({ "keys": [good, good] }).to_string(),
            IssuerKeysError::DuplicateKid,
        ),
        (
            "a private key",
            with("d", json!("AQAB")),
            IssuerKeysError::PrivateKey,
        ),
        (
            "a secret",
            with("k", json!("AQAB")),
            IssuerKeysError::PrivateKey,
        ),
        (
            "over 1 MiB",
            " ".repeat(1_048_577),
            IssuerKeysError::TooLarge,
        ),
    ] {
        assert_eq!(IssuerKeys::parse(&text), Err(error), "{name}");
    }
    let bits = |bytes: usize, first: u8| {
        let mut modulus = vec![first];
        modulus.resize(bytes, 0xff);
        let keys = IssuerKeys::parse(&with("n", json!(URL_SAFE_NO_PAD.encode(modulus)))).unwrap();
        keys.iter().next().unwrap().material().err()
    };
    assert_eq!(bits(256, 0x7f), Some(KeyFlaw::Weak), "2047 bits");
    assert_eq!(bits(256, 0x80), None, "2048 bits");
    assert_eq!(bits(1024, 0xff), None, "8192 bits");
    assert_eq!(bits(1025, 0x01), Some(KeyFlaw::Weak), "8193 bits");
}

#[test]
fn a_cache_keeps_another_issuer_s_keys_by_the_same_rules() {
    let vectors = vectors();
    let mut cache = KeyCache::<IssuerKeys>::default();
    let refresh = cache.refresh(0).unwrap();
    cache
        .fetched(refresh, &vectors["jwks"].to_string(), 0)
        .unwrap();
    assert!(!cache.is_due(299) && cache.is_due(300));
    assert!(cache.refresh_for("rsa", 20).is_none(), "it is there");
    assert!(
        cache.refresh_for("rsa-1024", 20).is_none(),
        "known, and not fit"
    );
    let refresh = cache.refresh_for("new", 20).unwrap();
    assert!(cache.fetched(refresh, "{}", 20).is_err());
    assert!(
        cache.keys(20).unwrap().find("rsa").is_some(),
        "the old set stays"
    );
    assert!(cache.keys(24 * 3_600).is_some() && cache.keys(24 * 3_600 + 1).is_none());
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), at in 0_usize..60) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = PresentedToken::parse(&text);
        let _ = IssuerKeys::parse(&text);
        let encoded = URL_SAFE_NO_PAD.encode(&bytes);
        let _ = PresentedToken::parse(&format!("{encoded}.{encoded}.{encoded}"));
        // Any claims, under a signature that holds.
        let vectors = vectors();
        let mut case = vectors["cases"][0].clone();
        let token = case["token"].as_str().unwrap().to_owned();
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[1] = &encoded;
        case["token"] = json!(parts.join("."));
        prop_assert!(verify(&vectors, &case, || true).is_err());
        // One byte of good claims is another.
        let mut claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let place = at % claims.len();
        claims[place] ^= 1 << (bytes.len() % 7);
        let claims = URL_SAFE_NO_PAD.encode(claims);
        parts[1] = &claims;
        case["token"] = json!(parts.join("."));
        if let Ok(verified) = verify(&vectors, &case, || true) {
            prop_assert!((1..=255).contains(&verified.subject().len()));
            prop_assert!(verified.authentication().time <= 1_800_000_000);
        }
    }
}
