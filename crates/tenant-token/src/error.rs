//! Why a token is refused.

/// Why a token is refused; names the member or claim at fault and never its value.
///
/// # Security
/// These tell an attacker which check failed. Answer the caller with one 401 for all of them, 503
/// for [`Unavailable`](Self::Unavailable), and keep the [`code`](Self::code) for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three canonical base64url segments, or a segment is not the JSON that it should be.
    #[error("token: malformed")]
    Malformed,
    /// Longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    #[error("token: longer than 8192 bytes")]
    TooLarge,
    /// A segment is padded: `=` has no place in a token (RFC 7515, section 2).
    #[error("token: a segment is padded")]
    Padded,
    /// Something stands behind the signature, or behind the JSON inside a segment.
    #[error("token: bytes behind its end")]
    TrailingBytes,
    /// An object, at any depth, has the same member twice.
    #[error("token: a member stands twice")]
    DuplicateMember,
    /// `alg` is absent or none of the supported algorithms'.
    #[error("token header: alg is not EdDSA, Ed25519 or ES256")]
    AlgNotAllowed,
    /// `alg` is not the algorithm of the key that `kid` names.
    #[error("token header: alg is not the algorithm of the key")]
    AlgMismatch,
    /// `kid` is absent or names no key of the set.
    #[error("token header: kid names no known key")]
    UnknownKid,
    /// The signature does not hold under the key that `kid` names.
    #[error("token: the signature does not hold")]
    BadSignature,
    /// `typ` is absent (RFC 9068, section 4).
    #[error("token header: typ is missing")]
    MissingType,
    /// `typ` is not `at+jwt` (RFC 9068, section 4).
    #[error("token header: typ is not at+jwt")]
    WrongType,
    /// `crit` is present (RFC 7515, section 4.1.11); no extension is understood.
    #[error("token header: crit names extensions that are not understood")]
    UnsupportedCrit,
    /// The header has this member, by which a token would choose its own key or encoding, or
    /// `extra` for any other than `alg`, `typ`, `kid`.
    #[error("token header: {0} is not allowed")]
    ForbiddenHeader(&'static str),
    /// A claim that every token has is absent.
    #[error("token claims: {0} is missing")]
    MissingClaim(&'static str),
    /// A claim does not have its form.
    #[error("token claims: {0} is not valid")]
    InvalidClaim(&'static str),
    /// `exp` has passed, by more than the leeway.
    #[error("token: expired")]
    Expired,
    /// `iat` lies ahead, by more than the leeway.
    #[error("token: issued in the future")]
    IssuedInFuture,
    /// `nbf` lies ahead, by more than the leeway.
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
    /// The token, its session, an actor in it or its tenant was revoked.
    #[error("token: revoked")]
    Revoked,
    /// Whether it was revoked could not be found out; it is refused.
    #[error("token: the revocations cannot be read")]
    Unavailable,
}

/// What a code is called by, for what has one code a name.
macro_rules! codes {
    ($name:expr, $prefix:literal, $($known:literal)+) => {
        match $name {
            $($known => concat!($prefix, $known),)+
            _ => concat!($prefix, "other"),
        }
    };
}
pub(crate) use codes;

impl TokenError {
    /// A stable slug for logs, metrics and audit entries; each refusal has its own.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Padded => "padded",
            Self::TrailingBytes => "trailing_bytes",
            Self::DuplicateMember => "duplicate_member",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::AlgMismatch => "alg_mismatch",
            Self::UnknownKid => "unknown_kid",
            Self::BadSignature => "bad_signature",
            Self::MissingType => "missing_typ",
            Self::WrongType => "wrong_type",
            Self::UnsupportedCrit => "unsupported_crit",
            Self::ForbiddenHeader(name) => codes!(*name, "header_",
                "jku" "jwk" "x5u" "x5c" "x5t" "x5t#S256" "zip" "b64" "enc" "cty" "extra"),
            Self::MissingClaim(name) => codes!(*name, "missing_",
                "iss" "sub" "aud" "exp" "iat" "nbf" "jti" "sid" "client_id" "tenant_id" "cap"
                "auth_time" "epoch" "ver"),
            Self::InvalidClaim(name) => codes!(*name, "invalid_",
                "iss" "sub" "aud" "exp" "iat" "nbf" "jti" "sid" "client_id" "tenant_id" "cap"
                "auth_time" "acr" "amr" "epoch" "ver" "act" "cnf"),
            Self::Expired => "expired",
            Self::IssuedInFuture => "issued_in_future",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether only a signature that holds can lead here, so that what the token says of its
    /// tenant is its issuer's word.
    #[must_use]
    pub const fn follows_signature(&self) -> bool {
        matches!(
            self,
            Self::MissingClaim(_)
                | Self::InvalidClaim(_)
                | Self::Expired
                | Self::IssuedInFuture
                | Self::NotYetValid
                | Self::LifetimeTooLong
                | Self::WrongIssuer
                | Self::WrongAudience
                | Self::Revoked
                | Self::Unavailable
        )
    }
}
