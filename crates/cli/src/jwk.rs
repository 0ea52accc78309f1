//! A signing key's file: a private JWK (RFC 8037, section 2).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use strongroom::tenant_token::SigningKey;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::failure::Failure;
use crate::input;

/// The base64url of 32 bytes.
const SEED_BASE64: usize = 43;

#[derive(Deserialize, ZeroizeOnDrop)]
struct PrivateJwk {
    kty: String,
    crv: String,
    d: String,
    x: String,
}

/// The file's text.
pub(crate) fn write(key: &SigningKey) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new([0; SEED_BASE64]);
    // 32 bytes are 43 characters; a key that lost some would not be read again.
    let written = URL_SAFE_NO_PAD.encode_slice(key.expose_seed(), encoded.as_mut_slice());
    let seed = encoded.get(..written.unwrap_or(0)).unwrap_or_default();
    let (x, kid) = (
        URL_SAFE_NO_PAD.encode(key.public_key().as_bytes()),
        key.kid(),
    );
    // Full size from the start: a buffer that grew would leave the seed behind.
    let mut text = Zeroizing::new(String::with_capacity(256 + x.len() + kid.len()));
    text.push_str(r#"{"kty":"OKP","crv":"Ed25519","d":""#);
    text.extend(seed.iter().copied().map(char::from));
    text.push_str(&format!(
        r#"","x":"{x}","kid":"{kid}","use":"sig","alg":"EdDSA"}}"#
    ));
    text.push('\n');
    text
}

/// Reads a key; other members than those of the key itself are passed over.
pub(crate) fn read(path: &Path) -> Result<SigningKey, Failure> {
    let text = input::secret(Some(path))?;
    parse(&text).ok_or_else(|| {
        let path = path.display();
        Failure::unusable(format!("{path}: not a private JWK of an Ed25519 key"))
    })
}

fn parse(text: &str) -> Option<SigningKey> {
    // The parser's own message could repeat the value at fault.
    let jwk: PrivateJwk = serde_json::from_str(text).ok()?;
    let mut seed = Zeroizing::new([0; 32]);
    let mut decoded = Zeroizing::new([0; 36]);
    let length = URL_SAFE_NO_PAD
        .decode_slice(&jwk.d, decoded.as_mut_slice())
        .ok()?;
    if jwk.kty != "OKP" || jwk.crv != "Ed25519" || length != seed.len() {
        return None;
    }
    seed.copy_from_slice(decoded.get(..length)?);
    decoded.zeroize();
    let key = SigningKey::from_seed(&seed);
    // A public half of another key: what is signed would verify nowhere.
    let x = URL_SAFE_NO_PAD.encode(key.public_key().as_bytes());
    (x == jwk.x).then_some(key)
}
