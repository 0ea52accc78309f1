//! `strongroom-tenant-token` beside `jsonwebtoken`, on each of its two backends.

use std::cell::Cell;
use std::error::Error;
use std::hint::black_box;

use jsonwebtoken::crypto::{CryptoProvider, KeyUtils, aws_lc, rust_crypto};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use strongroom_tenancy::{Actor, CapabilitySet};
use strongroom_tenant_token::{
    ACCESS_TOKEN_LIFETIME, Authentication, Claims, JwkSet, SigningKey, Standing, TokenCache,
    Verifier, mint,
};

use crate::case::{Case, Goal, Side};
use crate::report::Report;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
/// The peer reads the clock itself, and is told to leave it be: so does every run the same work.
const NOW: u64 = 1_800_000_000;
/// Tokens in the cache when one is found in it.
const CACHED: usize = 10_000;

/// What a backend of the peer's is called, and whether it is AWS-LC's.
const BACKENDS: [(&str, bool, f64); 2] = [
    ("jsonwebtoken 11.1.0, rust_crypto", false, 1.15),
    ("jsonwebtoken 11.1.0, aws_lc", true, 1.0),
];

thread_local! {
    /// The backend of the next call: the peer has one for a process, and here they are two.
    static AWS_LC: Cell<bool> = const { Cell::new(false) };
}

/// Measures the verification of access tokens.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let installed = PROVIDER.install_default();
    installed.map_err(|_| "another backend was installed before")?;
    for (peer_name, is_aws_lc, goal) in BACKENDS {
        report.measure(uncached(peer_name, is_aws_lc, goal)?);
    }
    report.measure(cached()?);
    Ok(())
}

/// The backend that the measured side asks for.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: aws_lc::DEFAULT_PROVIDER.signer_factory,
    verifier_factory: |algorithm, key| {
        let backend = match AWS_LC.get() {
            true => &aws_lc::DEFAULT_PROVIDER,
            false => &rust_crypto::DEFAULT_PROVIDER,
        };
        (backend.verifier_factory)(algorithm, key)
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn claims(number: u128) -> Result<Claims, Box<dyn Error>> {
    Ok(Claims {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        tenant: format!("0190b2a4-8c7e-7d3a-9f00-{:012x}", number % 16 + 1).parse()?,
        actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?),
        capabilities: "chat:create audit:read".parse::<CapabilitySet>()?,
        issued_at: NOW,
        expires_at: NOW + ACCESS_TOKEN_LIFETIME,
        token_id: format!("0190b2a4-8c7e-7d3a-9f00-{:012x}", number + 1).parse()?,
        session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac12000b".parse()?,
        client_id: "console".to_owned(),
        authentication: Authentication::at(NOW),
        epoch: 0,
    })
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn verifier() -> Verifier {
    Verifier::new(ISSUER, AUDIENCE, JwkSet::of(&[key().public_key()]))
}

/// From the text to the claims. The peer checks the signature, `iss`, `aud` and `exp`'s presence
/// and type, and reads the claims into a JSON value.
fn uncached(peer_name: &'static str, is_aws_lc: bool, goal: f64) -> Result<Case, Box<dyn Error>> {
    let token = mint(&key(), &claims(0)?)?;
    let verifier = verifier();
    let ours = move |token: &str| verifier.verify(token, NOW).is_ok();

    let jwk: serde_json::Value = serde_json::from_str(&key().public_key().to_jwk())?;
    let x = jwk.get("x").and_then(serde_json::Value::as_str);
    let decoding = DecodingKey::from_ed_components(x.ok_or("a JWK without x")?)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    validation.validate_exp = false;
    let peer = move |token: &str| {
        AWS_LC.set(is_aws_lc);
        decode::<serde_json::Value>(token, &decoding, &validation).is_ok()
    };
    if !ours(&token) || !peer(&token) {
        return Err("a side refuses the token: there is nothing to compare".into());
    }
    let theirs = token.clone();
    Ok(Case {
        name: "verify EdDSA".to_owned(),
        peer_name,
        goal: Some(Goal::of(goal)),
        bytes: None,
        ours: Side::new(move || assert!(ours(black_box(&token)))),
        peer: Side::new(move || assert!(peer(black_box(&theirs)))),
    })
}

/// The same token, found in a full cache and verified.
fn cached() -> Result<Case, Box<dyn Error>> {
    let cache = TokenCache::new(2 * CACHED);
    let verifier = verifier();
    let good = |_: &Claims| Standing::Good;
    let mut token = String::new();
    for number in 0..u128::try_from(CACHED)? {
        token = mint(&key(), &claims(number)?)?;
        cache.verify(&verifier, &token, NOW, good)?;
    }
    let (uncached, theirs) = (verifier.clone(), token.clone());
    Ok(Case {
        name: "verify EdDSA, cached".to_owned(),
        peer_name: "the same, not cached",
        goal: Some(Goal::of(30.0)),
        bytes: None,
        ours: Side::new(move || {
            let found = cache.verify(&verifier, black_box(&token), NOW, good);
            assert!(found.is_ok());
        }),
        peer: Side::new(move || assert!(uncached.verify(black_box(&theirs), NOW).is_ok())),
    })
}
