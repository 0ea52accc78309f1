//! An ID token as it was presented: its header read, its claims not yet.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::{self, Expected, VerifiedIdToken};
use super::error::{IdTokenError, IdTokenRejection};
use super::keys::{IssuerKeys, KeyMaterial};
use crate::strict_json::{self, Json, JsonError, Object};

/// The longest ID token that is read, in bytes.
pub const MAX_ID_TOKEN_BYTES: usize = 16 * 1024;

/// The longest `kid`, in bytes.
const MAX_KID: usize = 255;

/// Header members by which a token would choose its own key or encoding.
const FORBIDDEN: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "zip", "b64", "enc", "cty"];

/// How an issuer signs its ID tokens (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// A text names neither algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("algorithm: neither RS256 nor ES256")]
pub struct UnknownIdTokenAlgorithm;

/// An ID token whose header was read. Nothing that it says can be relied on.
#[derive(Clone)]
pub struct PresentedToken<'a> {
    algorithm: Algorithm,
    kid: String,
    /// The first two segments.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A signature, what it is over and the key under which it is to hold.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The key, of the algorithm that the token names.
    pub key: &'a KeyMaterial,
    /// The first two segments of the token and the dot between them.
    pub message: &'a [u8],
    /// The signature, decoded; of any length.
    pub signature: &'a [u8],
}

impl Algorithm {
    /// The name in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownIdTokenAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownIdTokenAlgorithm> {
        match text {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            _ => Err(UnknownIdTokenAlgorithm),
        }
    }
}

impl<'a> PresentedToken<'a> {
    /// Splits and decodes a token and reads its header.
    ///
    /// # Errors
    /// [`IdTokenError`] with the first thing that is wrong.
    pub fn parse(token: &'a str) -> Result<Self, IdTokenError> {
        if token.len() > MAX_ID_TOKEN_BYTES {
            return Err(IdTokenError::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(IdTokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(IdTokenError::Malformed)?;
        // Canonical: no padding, no whitespace, unused bits zero; a fourth segment has a dot.
        let decode = |segment: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(segment);
            decoded.map_err(|_| IdTokenError::Malformed)
        };
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let (algorithm, kid) = read_header(&object(&header)?)?;
        Ok(Self {
            algorithm,
            kid,
            signed,
            payload,
            signature,
        })
    }

    /// The key that the token says it is signed with.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Checks the token at `now` (Unix seconds) against what is expected; `nonce` is the one that
    /// the login was begun with, if it was with one. `holds` says whether a signature holds.
    ///
    /// The claims' bytes are not read before the signature over them holds.
    ///
    /// # Errors
    /// [`IdTokenRejection`] with the first check that failed.
    ///
    /// # Security
    /// The token says who logged in at the issuer, and when. Until it is too old it can be
    /// presented again: only a nonce that the caller made for this login, and forgets, prevents it.
    pub fn verify(
        &self,
        expected: &Expected,
        keys: &IssuerKeys,
        nonce: Option<&str>,
        now: u64,
        holds: impl FnOnce(Signed<'_>) -> bool,
    ) -> Result<VerifiedIdToken, IdTokenRejection> {
        if !expected.algorithms.contains(&self.algorithm) {
            return Err(IdTokenError::AlgNotAllowed.into());
        }
        let key = keys.find(&self.kid).ok_or(IdTokenError::UnknownKid)?;
        let key = key.material().map_err(IdTokenError::Key)?;
        if key.algorithm() != self.algorithm {
            return Err(IdTokenError::AlgMismatch.into());
        }
        let signed = Signed {
            key,
            message: self.signed.as_bytes(),
            signature: &self.signature,
        };
        if !holds(signed) {
            return Err(IdTokenError::BadSignature.into());
        }
        let claims =
            object(&self.payload).map_err(|error| IdTokenRejection::signed(error, None))?;
        claims::read(&claims, expected, nonce, now)
    }
}

impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedToken")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

pub(super) fn is_kid(kid: &str) -> bool {
    (1..=MAX_KID).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic())
}

fn read_header(header: &Object<'_>) -> Result<(Algorithm, String), IdTokenError> {
    if header.contains_key("crit") {
        return Err(IdTokenError::UnsupportedCrit);
    }
    if let Some(name) = FORBIDDEN.iter().find(|name| header.contains_key(**name)) {
        return Err(IdTokenError::ForbiddenHeader(name));
    }
    let text = |name| header.get(name).and_then(Json::as_text);
    let algorithm = text("alg").and_then(|name| name.parse().ok());
    let algorithm = algorithm.ok_or(IdTokenError::AlgNotAllowed)?;
    // RFC 8725, section 3.11: an access or a logout token of the same issuer is not one.
    if header.contains_key("typ") && text("typ") != Some("JWT") {
        return Err(IdTokenError::WrongType);
    }
    if !header.contains_key("kid") {
        return Err(IdTokenError::MissingKid);
    }
    let kid = text("kid").filter(|kid| is_kid(kid));
    Ok((algorithm, kid.ok_or(IdTokenError::InvalidKid)?.to_owned()))
}

fn object(bytes: &[u8]) -> Result<Object<'_>, IdTokenError> {
    strict_json::parse_object(bytes).map_err(|error| match error {
        JsonError::Malformed => IdTokenError::Malformed,
        JsonError::Duplicate => IdTokenError::DuplicateMember,
        JsonError::Trailing => IdTokenError::TrailingBytes,
    })
}
