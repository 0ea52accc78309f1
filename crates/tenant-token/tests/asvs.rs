//! The rows of OWASP ASVS 5.0 that tokens can meet by themselves, each as a test of its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pollster::block_on;
use serde_json::{Value, json};
use strongroom_tenancy::{Actor, ActorId, CapabilitySet, TenantId};
use strongroom_tenant_token::refresh::{
    ABSOLUTE, Family, FamilyId, Grant, IDLE, MemoryRefreshStore, RefreshError, RefreshStore,
    RefreshToken, StoreFuture, StoreUnavailable, begin, revoke, rotate,
};
use strongroom_tenant_token::{
    Algorithm, Authentication, Claims, JwkSet, PublicKey, Revocation, RevocationList, SigningKey,
    Standing, TokenCache, TokenError, Verifier, mint,
};
use uuid::Uuid;

const NOW: u64 = 1_800_000_000;
const CLIENT: &str = "console";

/// Whether a type has `==`, which stops at the first byte that differs: its own method is found
/// before the trait's, where there is one.
macro_rules! has_equality {
    ($type:ty) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "a type takes one of the two")]
        trait Without {
            fn has_equality(&self) -> bool {
                false
            }
        }
        impl<T> Without for Probe<T> {}
        #[allow(dead_code, reason = "a type takes one of the two")]
        impl<T: PartialEq> Probe<T> {
            fn has_equality(&self) -> bool {
                true
            }
        }
        Probe::<$type>(std::marker::PhantomData).has_equality()
    }};
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(1)).unwrap()
}

fn user() -> ActorId {
    let user = "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003";
    user.parse().unwrap()
}

fn claims() -> Claims {
    Claims {
        issuer: "https://id.example.com".to_owned(),
        audience: "https://api.example.com".to_owned(),
        tenant: tenant(),
        actor: Actor::new(user()),
        capabilities: CapabilitySet::of(&[]),
        issued_at: NOW,
        expires_at: NOW + 900,
        token_id: Uuid::from_u128(2),
        session_id: Uuid::from_u128(3),
        client_id: CLIENT.to_owned(),
        authentication: Authentication::at(NOW),
        epoch: 0,
    }
}

fn verifier_for(audience: &str, keys: &[PublicKey]) -> Verifier {
    Verifier::new("https://id.example.com", audience, JwkSet::of(keys))
}

fn verifier() -> Verifier {
    verifier_for("https://api.example.com", &[key().public_key()])
}

fn refusal(token: &str, now: u64) -> Option<TokenError> {
    let refused = verifier().verify(token, now).err();
    refused.map(|rejection| rejection.error())
}

/// A token of these parts, with a signature as long as any.
fn assembled(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([7; 64]);
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// The genuine token's parts.
fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part));
    let mut next = || serde_json::from_slice(&parts.next().unwrap().unwrap()).unwrap();
    (next(), next())
}

fn grant() -> Grant {
    Grant {
        tenant: tenant(),
        actor: Actor::new(user()),
        capabilities: CapabilitySet::of(&[]),
        session_id: Uuid::from_u128(3),
        client_id: CLIENT.to_owned(),
        authentication: Authentication::at(NOW),
    }
}

/// A login's first refresh token, and the store that it is in.
fn login() -> (MemoryRefreshStore, String) {
    let store = MemoryRefreshStore::default();
    let token = block_on(begin(&store, "acme", grant(), NOW)).unwrap();
    (store, token.expose().to_owned())
}

fn renewed(store: &MemoryRefreshStore, token: &str, after: u64) -> Result<String, RefreshError> {
    let rotated = block_on(rotate(store, token, CLIENT, NOW + after))?;
    Ok(rotated.token.expose().to_owned())
}

/// 7.1.1 and 7.3.1: a login ends when it is not used for a time.
#[test]
fn v7_3_1_a_login_ends_by_inactivity() {
    let (store, first) = login();
    let second = renewed(&store, &first, IDLE - 1).unwrap();
    let expired = renewed(&store, &second, 2 * IDLE);
    assert_eq!(expired.unwrap_err().code(), "refresh_expired");
}

/// 7.3.2 and 10.4.8: a login ends at last, however often it is used.
#[test]
fn v10_4_8_refresh_tokens_have_an_absolute_end() {
    let (store, mut token) = login();
    for day in (1..30).map(|day| day * 86_400) {
        token = renewed(&store, &token, day).unwrap();
    }
    let expired = renewed(&store, &token, ABSOLUTE);
    assert_eq!(expired.unwrap_err().code(), "refresh_expired");
}

/// 7.2.3 and 11.5.1: reference tokens are unique, from a secure generator, of at least 128 bits.
#[test]
fn v7_2_3_refresh_tokens_are_unique_and_every_digit_of_the_secret_varies() {
    let tokens: Vec<_> = (0..500).map(|_| login().1).collect();
    let families = tokens
        .iter()
        .map(|text| RefreshToken::parse(text).unwrap().family());
    assert_eq!(families.collect::<HashSet<_>>().len(), tokens.len());
    // acme_rt_{12}_{43}{6}
    for place in 21..64 {
        let digits: HashSet<_> = tokens.iter().map(|text| text.as_bytes()[place]).collect();
        assert!(digits.len() > 25, "{place}: {}", digits.len());
    }
}

/// 7.4.1: a self-contained token ends with its revocation, one that was kept as verified too.
#[test]
fn v7_4_1_a_revoked_token_is_refused_before_it_expires() {
    let (cache, token) = (TokenCache::new(10), mint(&key(), &claims()).unwrap());
    let mut list = RevocationList::default();
    let verify = |list: &RevocationList| {
        let verified = cache.verify(&verifier(), &token, NOW + 2, |claims| list.standing(claims));
        verified.err().map(|rejection| rejection.error())
    };
    assert_eq!(verify(&list), None);
    assert_eq!(cache.len(), 1);
    list.apply(tenant(), Revocation::Token(claims().token_id), NOW + 1);
    assert_eq!(verify(&list), Some(TokenError::Revoked));
}

/// 7.4.2: a user who is disabled has no session left, nor an agent that acts for them.
#[test]
fn v7_4_2_disabling_a_user_ends_all_their_tokens() {
    let mut list = RevocationList::default();
    list.apply(tenant(), Revocation::Actor(user()), NOW + 1);
    let agent = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120005"
        .parse()
        .unwrap();
    let mut delegated = claims();
    delegated.actor = Actor::delegated(agent, vec![user()]).unwrap();
    delegated.session_id = Uuid::from_u128(9);
    for claims in [claims(), delegated] {
        assert_eq!(list.standing(&claims), Standing::Revoked);
    }
    let mut other = claims();
    other.actor = Actor::new(agent);
    assert_eq!(list.standing(&other), Standing::Good);
}

/// 7.4.5: an administrator ends one login, or all of a tenant's.
#[test]
fn v7_4_5_one_login_or_all_of_a_tenant_are_ended() {
    for revocation in [
        Revocation::Session(claims().session_id),
        Revocation::Epoch(1),
    ] {
        let mut list = RevocationList::default();
        list.apply(tenant(), revocation, NOW + 1);
        assert_eq!(list.standing(&claims()), Standing::Revoked);
        let other = TenantId::from_uuid(Uuid::from_u128(9)).unwrap();
        let theirs = Claims {
            tenant: other,
            ..claims()
        };
        assert_eq!(list.standing(&theirs), Standing::Good);
    }
}

/// 9.1.1: nothing of a token counts before its signature holds.
#[test]
fn v9_1_1_the_signature_is_checked_before_the_claims() {
    let (header, mut claims) = parts(&mint(&key(), &claims()).unwrap());
    claims["exp"] = json!(1);
    let rejection = verifier()
        .verify(&assembled(&header, &claims), NOW)
        .unwrap_err();
    assert_eq!(rejection.error(), TokenError::BadSignature);
    assert!(rejection.tenant().is_none() && rejection.actor().is_none());
}

/// 9.1.2: algorithms are of a list; none is not, nor one that is not the key's.
#[test]
fn v9_1_2_algorithms_are_of_a_list() {
    let (mut header, claims) = parts(&mint(&key(), &claims()).unwrap());
    for (algorithm, error) in [
        ("none", TokenError::AlgNotAllowed),
        ("NONE", TokenError::AlgNotAllowed),
        ("HS256", TokenError::AlgNotAllowed),
        ("RS256", TokenError::AlgNotAllowed),
        ("ES256", TokenError::AlgMismatch),
    ] {
        header["alg"] = json!(algorithm);
        assert_eq!(
            refusal(&assembled(&header, &claims), NOW),
            Some(error),
            "{algorithm}"
        );
    }
}

/// 9.1.3: keys come from where they were configured, and never from the token.
#[test]
fn v9_1_3_a_token_does_not_bring_its_key() {
    let stranger = SigningKey::from_seed(&[2; 32]);
    let token = mint(&stranger, &claims()).unwrap();
    assert_eq!(refusal(&token, NOW), Some(TokenError::UnknownKid));
    let (header, claims) = parts(&token);
    for name in ["jwk", "jku", "x5u", "x5c"] {
        let mut header = header.clone();
        header[name] = json!("https://keys.example");
        let refused = refusal(&assembled(&header, &claims), NOW);
        assert_eq!(refused, Some(TokenError::ForbiddenHeader(name)));
    }
}

/// 9.2.1: a token is good within its time alone.
#[test]
fn v9_2_1_a_token_has_its_time() {
    let token = mint(&key(), &claims()).unwrap();
    assert_eq!(refusal(&token, NOW + 929), None);
    assert_eq!(refusal(&token, NOW + 930), Some(TokenError::Expired));
    assert_eq!(refusal(&token, NOW - 31), Some(TokenError::IssuedInFuture));
}

/// 9.2.2: a token of another type is none.
#[test]
fn v9_2_2_a_token_is_of_its_type() {
    let (mut header, claims) = parts(&mint(&key(), &claims()).unwrap());
    for other in ["JWT", "logout+jwt", "dpop+jwt"] {
        header["typ"] = json!(other);
        let refused = refusal(&assembled(&header, &claims), NOW);
        assert_eq!(refused, Some(TokenError::WrongType), "{other}");
    }
}

/// 9.2.3, 9.2.4 and 10.3.1: services that share a key take no token of one another's.
#[test]
fn v9_2_4_a_token_is_for_one_audience() {
    let token = mint(&key(), &claims()).unwrap();
    for other in ["https://files.example.com", "https://api.example.com/"] {
        let refused = verifier_for(other, &[key().public_key()]).verify(&token, NOW);
        assert_eq!(refused.unwrap_err().error(), TokenError::WrongAudience);
    }
}

/// 10.3.3: whose token it is says the issuer's `sub`, and no other issuer's does.
#[test]
fn v10_3_3_a_subject_is_an_issuer_s() {
    let token = mint(&key(), &claims()).unwrap();
    let verified = verifier().verify(&token, NOW).unwrap();
    assert_eq!(verified.claims().actor.id(), &user());
    let elsewhere = Claims {
        issuer: "https://id.example.net".to_owned(),
        ..claims()
    };
    let token = mint(&key(), &elsewhere).unwrap();
    assert_eq!(refusal(&token, NOW), Some(TokenError::WrongIssuer));
}

/// 10.4.5: a refresh token that was used before ends every one of its login.
#[test]
fn v10_4_5_reuse_revokes_the_family() {
    let (store, first) = login();
    let second = renewed(&store, &first, 1).unwrap();
    let reused = renewed(&store, &first, 60).unwrap_err();
    assert!(matches!(reused, RefreshError::ReuseDetected(_)));
    let revoked = renewed(&store, &second, 61).unwrap_err();
    assert_eq!(revoked.code(), "refresh_revoked");
}

/// 10.4.9: who holds it, or whom it is for, can revoke a refresh token.
#[test]
fn v10_4_9_a_refresh_token_is_revoked_on_demand() {
    let (store, first) = login();
    block_on(revoke(&store, &first, CLIENT, NOW + 1)).unwrap();
    let revoked = renewed(&store, &first, 2).unwrap_err();
    assert_eq!(revoked.code(), "refresh_revoked");
}

/// 11.2.3: keys have at least 128 bits of security: no weak or short one is taken.
#[test]
fn v11_2_3_weak_keys_are_refused() {
    // The points of small order, under which signatures of anything hold.
    let mut identity = [0; 32];
    identity[0] = 1;
    for weak in [&[0; 32][..], &identity, &[1; 31], &[1; 16]] {
        assert!(PublicKey::ed25519(weak).is_err());
    }
    assert!(SigningKey::from_secret(Algorithm::Es256, &[0; 32]).is_err());
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let made = SigningKey::generate_for(algorithm).unwrap();
        assert_eq!(made.expose_secret().len(), 32);
        let again = SigningKey::generate_for(algorithm).unwrap();
        assert_ne!(made.kid(), again.kid());
    }
}

/// 11.2.4: what is secret, or decides about a secret, has no `==`: it is compared by the crate, in
/// one time wherever it differs.
#[test]
fn v11_2_4_no_secret_is_compared_by_equality() {
    let secrets = [
        has_equality!(SigningKey),
        has_equality!(RefreshToken),
        has_equality!(Family),
    ];
    assert!(!secrets.contains(&true), "{secrets:?}");
    assert!(has_equality!(FamilyId), "the probe sees one that is there");
}

/// 16.2.5: what could be logged shows tokens and keys by their ids alone.
#[test]
fn v16_2_5_nothing_that_is_shown_holds_a_secret() {
    let (store, first) = login();
    let token = RefreshToken::parse(&first).unwrap();
    let rotated = block_on(rotate(&store, &first, CLIENT, NOW + 1)).unwrap();
    let row = block_on(store.read(&token.family())).unwrap().unwrap();
    let shown = format!("{token:?} {rotated:?} {row:?} {:?}", key());
    let secrets = [
        first.get(21..).unwrap().to_owned(),
        rotated.token.expose().get(21..).unwrap().to_owned(),
        key().expose_jwk().to_string(),
        format!("{:?}", key().expose_secret().as_slice()),
        URL_SAFE_NO_PAD.encode(key().expose_secret()),
    ];
    for secret in secrets {
        assert!(!shown.contains(&secret), "{shown}");
    }
    let bad = mint(&key(), &claims()).unwrap().replace("at+jwt", "x") + "!";
    let refused = verifier().verify(&bad, NOW).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains(&bad));
}

/// Nothing answers.
struct Gone;

impl RefreshStore for Gone {
    fn insert<'a>(&'a self, _: &'a Family) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Err(StoreUnavailable)))
    }

    fn read<'a>(&'a self, _: &'a FamilyId) -> StoreFuture<'a, Option<Family>> {
        Box::pin(std::future::ready(Err(StoreUnavailable)))
    }

    fn swap<'a>(&'a self, _: u64, _: &'a Family) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Err(StoreUnavailable)))
    }
}

/// 16.5.3: without its revocations a token is refused, and without its store none is renewed.
#[test]
fn v16_5_3_fails_closed() {
    let (cache, token) = (TokenCache::new(10), mint(&key(), &claims()).unwrap());
    let refused = cache.verify(&verifier(), &token, NOW, |_| Standing::Unknown);
    assert_eq!(refused.unwrap_err().error(), TokenError::Unavailable);
    let refused = block_on(rotate(&Gone, &login().1, CLIENT, NOW)).unwrap_err();
    assert_eq!(refused, RefreshError::Unavailable);
}
