//! Tokens and JWK Sets from anywhere.

use strongroom_tenant_token::{JwkSet, SigningKey, TokenError, Verifier, mint};

/// RFC 8037, appendix A.1.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

/// A token that verifies can be minted again and still does; one that is refused before its
/// signature holds names no tenant.
pub fn verify(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else {
        return;
    };
    let key = SigningKey::from_seed(&SEED);
    let verifier = Verifier::new(
        "https://id.example.com",
        "https://api.example.com",
        JwkSet::of(&[key.public_key()]),
    );
    let now = 1_800_000_060;
    match verifier.verify(token, now) {
        Ok(verified) => {
            let minted = mint(&key, verified.claims());
            let again = minted.map(|token| verifier.verify(&token, now));
            assert_eq!(again, Ok(Ok(verified)));
        }
        Err(refused) => {
            let unsigned = matches!(
                refused.error(),
                TokenError::Malformed | TokenError::TooLarge | TokenError::BadSignature
            );
            assert!(!unsigned || (refused.tenant().is_none() && refused.actor().is_none()));
        }
    }
}

/// A set that is read is written in a form that reads the same.
pub fn jwks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(set) = JwkSet::parse(text) {
        assert_eq!(JwkSet::parse(&set.to_json()).as_ref(), Ok(&set));
    }
}
