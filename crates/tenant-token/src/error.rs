//! Why a token is refused.

/// Why a token is refused; names the member or claim at fault and never its value.
///
/// # Security
/// These tell an attacker which check failed. Answer the caller with one 401 for all of them and
/// keep the [`code`](Self::code) for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three canonical base64url segments, or a segment is not the JSON that it should be.
    #[error("token: malformed")]
    Malformed,
    /// Longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    #[error("token: longer than 8192 bytes")]
    TooLarge,
    /// An object, at any depth, has the same member twice.
    #[error("token: a member stands twice")]
    DuplicateMember,
    /// `alg` is absent or is not the algorithm of the keys.
    #[error("token header: alg is not EdDSA")]
    AlgNotAllowed,
    /// `kid` is absent or names no key of the set.
    #[error("token header: kid names no known key")]
    UnknownKid,
    /// The signature does not hold under the key that `kid` names.
    #[error("token: the signature does not hold")]
    BadSignature,
    /// `typ` is absent or is not `at+jwt` (RFC 9068, section 4).
    #[error("token header: typ is not at+jwt")]
    WrongType,
    /// `crit` is present (RFC 7515, section 4.1.11); no extension is understood.
    #[error("token header: crit names extensions that are not understood")]
    UnsupportedCrit,
    /// The header has a member other than `alg`, `typ`, `kid`: `jku`, `jwk`, `x5u`, `x5c`, `zip`,
    /// `b64` and the like, by which a token would choose its own key or encoding.
    #[error("token header: a member is not allowed")]
    ForbiddenHeader,
    /// A claim that every token has is absent.
    #[error("token claims: {0} is missing")]
    MissingClaim(&'static str),
    /// A claim does not have its form.
    #[error("token claims: {0} is not valid")]
    InvalidClaim(&'static str),
    /// `exp` has passed, by more than the leeway.
    #[error("token: expired")]
    Expired,
    /// `iat` or `nbf` lies ahead, by more than the leeway.
    #[error("token: not yet valid")]
    NotYetValid,
    /// `exp` lies more than [`MAX_LIFETIME`](crate::MAX_LIFETIME) after `iat`.
    #[error("token: the lifetime is longer than 3600 seconds")]
    LifetimeTooLong,
    /// `iss` is not the verifier's issuer.
    #[error("token claims: iss is not the expected issuer")]
    WrongIssuer,
    /// `aud` is not the verifier's audience.
    #[error("token claims: aud is not the expected audience")]
    WrongAudience,
}

impl TokenError {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::DuplicateMember => "duplicate_member",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::UnknownKid => "unknown_kid",
            Self::BadSignature => "bad_signature",
            Self::WrongType => "wrong_type",
            Self::UnsupportedCrit => "unsupported_crit",
            Self::ForbiddenHeader => "forbidden_header",
            Self::MissingClaim(_) => "missing_claim",
            Self::InvalidClaim(_) => "invalid_claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
        }
    }
}
