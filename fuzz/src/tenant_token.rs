//! Tokens, keys and JWK Sets from anywhere.

use strongroom_tenant_token::hazmat::decode_unverified;
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
