//! Why an ID token is refused.

use super::keys::KeyFlaw;
use crate::error::codes;

/// Why an ID token is refused; names the member or claim at fault and never its value.
///
/// # Security
/// These tell an attacker which check failed. Answer the caller with one 401 for all of them and
/// keep the [`code`](Self::code) for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// Not three canonical base64url segments, or a segment is not the JSON object that it should
    /// be.
    #[error("id token: malformed")]
    Malformed,
    /// Longer than [`MAX_ID_TOKEN_BYTES`](super::MAX_ID_TOKEN_BYTES).
    #[error("id token: longer than 16384 bytes")]
    TooLarge,
    /// An object, at any depth, has the same member twice.
    #[error("id token: a member stands twice")]
    DuplicateMember,
    /// Something stands behind the JSON inside a segment.
    #[error("id token: bytes behind its end")]
    TrailingBytes,
    /// `crit` is present (RFC 7515, section 4.1.11); no extension is understood.
    #[error("id token header: crit names extensions that are not understood")]
    UnsupportedCrit,
    /// The header has this member, by which a token would choose its own key or encoding.
    #[error("id token header: {0} is not allowed")]
    ForbiddenHeader(&'static str),
    /// `alg` is absent, or neither RS256 nor ES256, or not one that the issuer is known to use.
    #[error("id token header: alg is not one of the issuer's")]
    AlgNotAllowed,
    /// `typ` is there and not `JWT`: another kind of token.
    #[error("id token header: typ is not JWT")]
    WrongType,
    /// `kid` is absent.
    #[error("id token header: kid is missing")]
    MissingKid,
    /// `kid` is not 1 to 255 visible ASCII characters.
    #[error("id token header: kid is not valid")]
    InvalidKid,
    /// `kid` names no key of the issuer's set.
    #[error("id token header: kid names no known key")]
    UnknownKid,
    /// `alg` is not the algorithm of the key that `kid` names.
    #[error("id token header: alg is not the algorithm of the key")]
    AlgMismatch,
    /// The key that `kid` names is not fit to verify with.
    #[error("id token: {0}")]
    Key(#[from] KeyFlaw),
    /// The signature does not hold under the key that `kid` names.
    #[error("id token: the signature does not hold")]
    BadSignature,
    /// A claim that every ID token has is absent.
    #[error("id token claims: {0} is missing")]
    MissingClaim(&'static str),
    /// A claim does not have its form.
    #[error("id token claims: {0} is not valid")]
    InvalidClaim(&'static str),
    /// The token is another kind of its issuer's, by `events`, `scope`, `scp`, `typ` or
    /// `token_use`: a logout token or an access token, which is nobody's login.
    #[error("id token claims: another kind of token")]
    NotAnIdToken,
    /// Firebase's issuer let somebody in who proved nothing.
    #[error("id token claims: an anonymous user")]
    Anonymous,
    /// `iss` is not, byte for byte, the issuer.
    #[error("id token claims: iss is another issuer")]
    WrongIssuer,
    /// `aud` is not, or does not hold, the client.
    #[error("id token claims: aud is another client")]
    WrongAudience,
    /// Several audiences, or another one's `azp` (OpenID Connect Core 1.0, section 3.1.3.7).
    #[error("id token claims: azp is not the client")]
    WrongAuthorizedParty,
    /// `exp` has passed.
    #[error("id token: expired")]
    Expired,
    /// `iat` lies ahead, by more than the leeway.
    #[error("id token: issued in the future")]
    IssuedInFuture,
    /// `iat` lies further back than the issuer's tokens may be old.
    #[error("id token: issued too long ago")]
    TooOld,
    /// `nbf` lies ahead, by more than the leeway.
    #[error("id token: not valid yet")]
    NotYetValid,
    /// `exp` lies more than [`MAX_LIFETIME`](super::MAX_LIFETIME) after `iat`.
    #[error("id token: the lifetime is longer than 86400 seconds")]
    LifetimeTooLong,
    /// `auth_time` lies ahead, by more than the leeway.
    #[error("id token claims: auth_time lies in the future")]
    AuthenticatedInFuture,
    /// A nonce is expected and the token has none.
    #[error("id token claims: nonce is missing")]
    MissingNonce,
    /// The token has a nonce, and nobody says which one it is to be.
    #[error("id token claims: nonce is not expected")]
    UnexpectedNonce,
    /// `nonce` is not the expected one.
    #[error("id token claims: nonce is another one")]
    WrongNonce,
}

impl IdTokenError {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::DuplicateMember => "duplicate_member",
            Self::TrailingBytes => "trailing_bytes",
            Self::UnsupportedCrit => "unsupported_crit",
            Self::ForbiddenHeader(name) => codes!(*name, "header_",
                "jku" "jwk" "x5u" "x5c" "zip" "b64" "enc" "cty"),
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::WrongType => "wrong_type",
            Self::MissingKid => "missing_kid",
            Self::InvalidKid => "invalid_kid",
            Self::UnknownKid => "unknown_kid",
            Self::AlgMismatch => "alg_mismatch",
            Self::Key(flaw) => flaw.code(),
            Self::BadSignature => "bad_signature",
            Self::MissingClaim(name) => codes!(*name, "missing_",
                "iss" "sub" "aud" "exp" "iat" "auth_time"),
            Self::InvalidClaim(name) => codes!(*name, "invalid_",
                "iss" "sub" "aud" "azp" "exp" "iat" "nbf" "nonce" "auth_time" "acr" "amr" "firebase"),
            Self::NotAnIdToken => "not_an_id_token",
            Self::Anonymous => "anonymous",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::WrongAuthorizedParty => "wrong_azp",
            Self::Expired => "expired",
            Self::IssuedInFuture => "issued_in_future",
            Self::TooOld => "too_old",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::AuthenticatedInFuture => "authenticated_in_future",
            Self::MissingNonce => "missing_nonce",
            Self::UnexpectedNonce => "unexpected_nonce",
            Self::WrongNonce => "wrong_nonce",
        }
    }
}

/// A refusal: the reason and, where the signature held, whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenRejection {
    error: IdTokenError,
    is_signed: bool,
    subject: Option<String>,
}

impl IdTokenRejection {
    pub(super) const fn signed(error: IdTokenError, subject: Option<String>) -> Self {
        Self {
            error,
            is_signed: true,
            subject,
        }
    }

    /// The first check that failed.
    #[must_use]
    pub const fn error(&self) -> IdTokenError {
        self.error
    }

    /// Whether the signature held, so that the issuer itself made the token.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.is_signed
    }

    /// Whom the token names; only when the signature held and `iss` is the issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }
}

impl From<IdTokenError> for IdTokenRejection {
    fn from(error: IdTokenError) -> Self {
        Self {
            error,
            is_signed: false,
            subject: None,
        }
    }
}
