//! Minting: from claims to a signed token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims::Claims;
use crate::key::SigningKey;
use crate::verifier::{MAX_LIFETIME, MAX_TOKEN_BYTES};

/// How long an access token lives unless there is a reason, in seconds.
pub const ACCESS_TOKEN_LIFETIME: u64 = 900;

/// Why claims are not minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// A claim has a value that no verifier would accept: an empty, overlong (over 256 bytes) or
    /// control-laden text, a nil UUID, an `exp` that is not after `iat`, an `auth_time` that is, or
    /// `amr` that is not at most eight distinct names.
    #[error("token claims: {0} is not valid")]
    InvalidClaim(&'static str),
    /// `exp` lies more than [`MAX_LIFETIME`] after `iat`.
    #[error("token: the lifetime is longer than 3600 seconds")]
    LifetimeTooLong,
    /// All claims together make more than [`MAX_TOKEN_BYTES`]: capabilities by the hundred, and each text
    /// as long as it may be.
    #[error("token: longer than 8192 bytes")]
    TooLong,
    /// The claims could not be written as JSON.
    #[error("token: the claims could not be written")]
    Encoding,
}

/// Signs claims into a token; the same claims and key give the same token.
///
/// # Errors
/// [`MintError`]: nothing is minted that [`Verifier`](crate::Verifier) would refuse in its time.
///
/// # Security
/// The token is a bearer secret. The capabilities are signed as given: narrow them first.
pub fn mint(key: &SigningKey, claims: &Claims) -> Result<String, MintError> {
    if let Some(name) = claims.fault() {
        return Err(MintError::InvalidClaim(name));
    }
    if claims.expires_at.saturating_sub(claims.issued_at) > MAX_LIFETIME {
        return Err(MintError::LifetimeTooLong);
    }
    let payload = claims.to_json().map_err(|_| MintError::Encoding)?;
    let mut token = key.header().to_owned();
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > MAX_TOKEN_BYTES {
        return Err(MintError::TooLong);
    }
    Ok(token)
}
