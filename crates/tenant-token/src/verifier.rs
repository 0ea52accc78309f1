//! Verifying: from a token to claims that can be relied on.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use strongroom_tenancy::{Actor, TenantId};

use crate::claims::{self, Claims};
use crate::error::TokenError;
use crate::jwks::JwkSet;
use crate::key::PublicKey;
use crate::strict_json::{self, Json, JsonError, Object};

/// How far the minter's clock and the verifier's may differ, in seconds.
pub const LEEWAY: u64 = 30;

/// The longest lifetime that is minted or accepted, in seconds.
pub const MAX_LIFETIME: u64 = 3_600;

/// The longest token that is read, in bytes; claims that can be minted stay well below.
pub const MAX_TOKEN_BYTES: usize = 8_192;

/// Checks tokens of one issuer for one audience.
///
/// See the crate's documentation for an example.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: JwkSet,
}

/// Claims that a [`Verifier`] has checked; there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    claims: Claims,
}

/// A refusal: the reason and, where the signature held, whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    error: TokenError,
    tenant: Option<TenantId>,
    actor: Option<Actor>,
}

impl Verifier {
    /// A verifier that accepts this issuer's tokens for this audience under these keys.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: JwkSet) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            keys,
        }
    }

    /// Checks a token at `now` (Unix seconds).
    ///
    /// The order is fixed: size, header, signature, and only then the claims, whose bytes are not
    /// read before the signature over them holds.
    ///
    /// # Errors
    /// [`Rejection`] with the first check that failed.
    ///
    /// # Security
    /// A valid token says what the issuer granted when it minted it. Revocation is the caller's
    /// to check, by `jti`, `sid` and tenant.
    pub fn verify(&self, token: &str, now: u64) -> Result<VerifiedToken, Rejection> {
        let payload = self.signed_payload(token)?;
        let claims = object(&payload)?;
        let mut rejection = Rejection::from(TokenError::Malformed);
        match self.check(&claims, now, &mut rejection) {
            Ok(claims) => Ok(VerifiedToken { claims }),
            Err(error) => Err(Rejection { error, ..rejection }),
        }
    }

    /// The payload's bytes, once the signature over them holds.
    fn signed_payload(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let [header, payload, signature] = [decode(header)?, decode(payload)?, decode(signature)?];
        let key = self.key(&object(&header)?)?;
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| TokenError::BadSignature)?;
        if !key.holds(signed.as_bytes(), &signature) {
            return Err(TokenError::BadSignature);
        }
        Ok(payload)
    }

    /// The key that the header names, once the header is as it must be.
    fn key(&self, header: &Object) -> Result<&PublicKey, TokenError> {
        if header.contains_key("crit") {
            return Err(TokenError::UnsupportedCrit);
        }
        if header
            .keys()
            .any(|name| !matches!(name.as_str(), "alg" | "typ" | "kid"))
        {
            return Err(TokenError::ForbiddenHeader);
        }
        let text = |name| header.get(name).and_then(Json::as_text);
        // RFC 9864 gives `Ed25519` as the new name of what RFC 8037 calls `EdDSA` with such a key.
        if !matches!(text("alg"), Some("EdDSA" | "Ed25519")) {
            return Err(TokenError::AlgNotAllowed);
        }
        if text("typ") != Some("at+jwt") {
            return Err(TokenError::WrongType);
        }
        let key = text("kid").and_then(|kid| self.keys.find(kid));
        key.ok_or(TokenError::UnknownKid)
    }

    fn check(
        &self,
        claims: &Object,
        now: u64,
        rejection: &mut Rejection,
    ) -> Result<Claims, TokenError> {
        let tenant = claims::read_tenant(claims)?;
        rejection.tenant = Some(tenant);
        let actor = claims::read_actor(claims)?;
        rejection.actor = Some(actor.clone());
        let (claims, not_before) = claims::read_claims(claims, tenant, actor)?;
        if claims.issuer != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if claims.audience != self.audience {
            return Err(TokenError::WrongAudience);
        }
        if claims.expires_at.saturating_sub(claims.issued_at) > MAX_LIFETIME {
            return Err(TokenError::LifetimeTooLong);
        }
        if claims.issued_at.max(not_before) > now.saturating_add(LEEWAY) {
            return Err(TokenError::NotYetValid);
        }
        // RFC 7519, section 4.1.4: valid before `exp`, not at it.
        if now >= claims.expires_at.saturating_add(LEEWAY) {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

impl VerifiedToken {
    /// What the token says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}

impl Rejection {
    /// The first check that failed.
    #[must_use]
    pub const fn error(&self) -> TokenError {
        self.error
    }

    /// The tenant that the token names; only when the signature held.
    #[must_use]
    pub const fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// Who acts, by the token; only when the signature held.
    #[must_use]
    pub const fn actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        Self {
            error,
            tenant: None,
            actor: None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Decodes a segment: base64url, no padding, no whitespace, unused bits zero.
fn decode(segment: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| TokenError::Malformed)
}

fn object(bytes: &[u8]) -> Result<Object, TokenError> {
    strict_json::parse_object(bytes).map_err(|error| match error {
        JsonError::Malformed => TokenError::Malformed,
        JsonError::Duplicate => TokenError::DuplicateMember,
    })
}
