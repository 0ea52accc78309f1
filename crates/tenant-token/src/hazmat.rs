//! What a token says before anybody checked it.

use crate::error::TokenError;
use crate::verifier::{MAX_TOKEN_BYTES, decode, object, segments};

/// A token's header and claims, in JSON, as anybody could have written them.
///
/// # Security
/// For looking at a token, never for a decision: nothing of it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The header's JSON.
    pub header: String,
    /// The claims' JSON.
    pub claims: String,
}

/// Takes a token apart without verifying it; its form must be that of a token all the same.
///
/// # Errors
/// [`TokenError`]: too large, padded, with trailing bytes, a member twice, or malformed.
pub fn decode_unverified(token: &str) -> Result<Unverified, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLarge);
    }
    let [header, claims, signature] = segments(token)?;
    decode(signature, token)?;
    let json = |segment| {
        let bytes = decode(segment, token)?;
        object(&bytes)?;
        String::from_utf8(bytes).map_err(|_| TokenError::Malformed)
    };
    Ok(Unverified {
        header: json(header)?,
        claims: json(claims)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_token_s_form_is_shown() {
        // {"alg":"none"} and {}, which no verifier accepts.
        let shown = decode_unverified("eyJhbGciOiJub25lIn0.e30.").unwrap();
        assert_eq!(shown.header, r#"{"alg":"none"}"#);
        assert_eq!(shown.claims, "{}");
        for (token, error) in [
            ("", TokenError::Malformed),
            ("e30.e30", TokenError::Malformed),
            ("e30.e30.\n", TokenError::TrailingBytes),
            ("e30=.e30.", TokenError::Padded),
            ("e30.W10.", TokenError::Malformed),
            ("e30.e30.A", TokenError::Malformed),
        ] {
            assert_eq!(decode_unverified(token), Err(error), "{token:?}");
        }
        let long = format!("e30.e30.{}", "A".repeat(MAX_TOKEN_BYTES));
        assert_eq!(decode_unverified(&long), Err(TokenError::TooLarge));
    }
}
