//! Tokens, keys and JWK Sets from anywhere.

use strongroom_tenant_token::hazmat::decode_unverified;
use strongroom_tenant_token::id_token::{
    Algorithm as IdTokenAlgorithm, Expected, IssuerKeys, KeyMaterial, PresentedToken, Profile,
};
use strongroom_tenant_token::refresh::RefreshToken;
use strongroom_tenant_token::{
    Algorithm, JwkSet, KeyCache, SigningKey, Standing, TokenCache, Verifier, mint,
};

/// RFC 8037, appendix A.1.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

/// A token that verifies can be minted again and still does, by way of a cache too; one that is
/// refused before its signature holds names no tenant. What verifies can be looked into.
pub fn verify(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else {
        return;
    };
    let ed25519 = SigningKey::from_seed(&SEED);
    let Ok(p256) = SigningKey::from_secret(Algorithm::Es256, &SEED) else {
        return;
    };
    let verifier = Verifier::new(
        "https://id.example.com",
        "https://api.example.com",
        JwkSet::of(&[ed25519.public_key(), p256.public_key()]),
    );
    let now = 1_800_000_060;
    let cache = TokenCache::new(128);
    let cached = || cache.verify(&verifier, token, now, |_| Standing::Good);
    match verifier.verify(token, now) {
        Ok(verified) => {
            assert!(decode_unverified(token).is_ok());
            for key in [ed25519, p256] {
                let minted = mint(&key, verified.claims());
                let again = minted.map(|token| verifier.verify(&token, now));
                let claims = again.map(|again| again.map(|again| again.claims().clone()));
                assert_eq!(claims, Ok(Ok(verified.claims().clone())));
            }
            for _ in 0..2 {
                assert_eq!(cached().as_deref(), Ok(&verified));
            }
        }
        Err(refused) => {
            let follows = refused.error().follows_signature();
            assert!(follows || (refused.tenant().is_none() && refused.actor().is_none()));
            assert!(refused.unknown_kid().is_none_or(|kid| kid.len() <= 64));
            assert_eq!(cached().err(), Some(refused));
            assert!(cache.is_empty());
        }
    }
}

/// A refresh token that is read has one spelling.
pub fn refresh(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(token) = RefreshToken::parse(text) {
        assert_eq!(token.expose(), text);
        assert!(!format!("{token:?}").contains(&text[text.len() - 49..]));
    }
}

/// A private key that is read is written in a form that reads as the same key.
pub fn private_key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(key) = SigningKey::from_jwk(text) {
        let again = SigningKey::from_jwk(&key.expose_jwk());
        assert_eq!(again.as_ref().map(SigningKey::kid), Ok(key.kid()));
    }
}

/// A set that is read is written in a form that reads the same.
pub fn jwks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut cache = KeyCache::new();
    let refresh = cache.refresh(0);
    let taken = refresh.map(|refresh| cache.fetched(refresh, text, 0));
    match JwkSet::parse(text) {
        Ok(set) => {
            assert_eq!(JwkSet::parse(&set.to_json()).as_ref(), Ok(&set));
            assert_eq!(cache.keys(0), Some(&set));
        }
        Err(error) => {
            assert_eq!(taken, Some(Err(error)));
            assert_eq!(cache.keys(0), None);
        }
    }
}

/// Another issuer's token says nothing before its signature holds; what it then says is within
/// bounds, of that issuer, for that client and that nonce.
pub fn id_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(presented) = PresentedToken::parse(text) else {
        return;
    };
    let kid = presented.kid();
    assert!((1..=255).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic()));
    if kid.contains(['"', '\\']) {
        return;
    }
    let modulus = format!("{}AQAB", "AQ".repeat(169));
    let sets = [
        format!(r#"{{"keys":[{{"kty":"RSA","kid":"{kid}","e":"AQAB","n":"gQ{modulus}"}}]}}"#),
        format!(
            r#"{{"keys":[{{"kty":"EC","kid":"{kid}","crv":"P-256",
                "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}]}}"#
        ),
    ];
    let expected = Expected {
        profile: Profile::Oidc,
        issuer: "https://login.example.com/realm".to_owned(),
        client_id: "console".to_owned(),
        algorithms: vec![IdTokenAlgorithm::Rs256, IdTokenAlgorithm::Es256],
        max_age: 600,
    };
    let other = Expected {
        issuer: "https://login.example.com/other".to_owned(),
        ..expected.clone()
    };
    let now = 1_800_000_000;
    for keys in sets.iter().filter_map(|set| IssuerKeys::parse(set).ok()) {
        let verify = |expected: &Expected, nonce, holds| {
            presented.verify(expected, &keys, nonce, now, |_| holds)
        };
        for nonce in [None, Some("n-1")] {
            let refused = verify(&expected, nonce, false).err();
            assert!(refused.is_some_and(|refused| !refused.is_signed()));
            let Ok(verified) = verify(&expected, nonce, true) else {
                continue;
            };
            let subject = verified.subject();
            assert!((1..=255).contains(&subject.len()) && subject.is_ascii());
            assert!(verified.expires_at() > now && verified.authentication().time <= now);
            assert!(verify(&other, nonce, true).is_err());
            assert!(verify(&expected, Some("n-2"), true).is_err());
        }
    }
}

/// A set that is read has each name once, and its keys are of the sizes that are verified with.
pub fn issuer_keys(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(set) = IssuerKeys::parse(text) else {
        return;
    };
    for key in set.iter() {
        assert_eq!(set.find(key.kid()), Some(key));
        if let Ok(KeyMaterial::P256 { point }) = key.material() {
            assert_eq!((point.len(), point.first()), (65, Some(&4)));
        }
        if let Ok(KeyMaterial::Rsa { modulus, exponent }) = key.material() {
            assert!((256..=1024).contains(&modulus.len()) && exponent == &[1, 0, 1]);
        }
    }
}
