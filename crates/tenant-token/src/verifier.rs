//! Verifying: from a token to claims that can be relied on.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use strongroom_tenancy::{Actor, TenantId};

use crate::algorithm::Algorithm;
use crate::claims::{self, Claims};
use crate::error::TokenError;
use crate::jwks::JwkSet;
use crate::public_key::PublicKey;
use crate::strict_json::{self, Json, JsonError, Object};

/// How far the minter's clock and the verifier's may differ, in seconds.
pub const LEEWAY: u64 = 30;

/// The longest lifetime that is minted or accepted, in seconds.
pub const MAX_LIFETIME: u64 = 3_600;

/// The longest token that is read, in bytes; claims that can be minted stay well below.
pub const MAX_TOKEN_BYTES: usize = 8_192;

/// The longest `kid` that a refusal repeats, in bytes; a thumbprint has 43.
const MAX_KID: usize = 64;

/// Header members by which a token would choose its own key or encoding.
const FORBIDDEN: [&str; 10] = [
    "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "b64", "enc", "cty",
];

/// Checks tokens of one issuer for one audience.
///
/// See the crate's documentation for an example.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: JwkSet,
    generation: u64,
}

/// Claims that a [`Verifier`] has checked; there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    claims: Claims,
    not_before: u64,
    kid: Arc<str>,
}

/// A refusal: the reason and, where the signature held, whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    error: TokenError,
    kid: Option<String>,
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
            generation: 0,
        }
    }

    /// The same, with the generation of its keys: [`KeyRing::generation`](crate::KeyRing) or
    /// [`KeyCache::generation`](crate::KeyCache). What a [`TokenCache`](crate::TokenCache) took
    /// under another generation is verified anew.
    #[must_use]
    pub const fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The generation of the keys.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
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
    /// to check, by `jti`, `sid`, actor, tenant and epoch; a [`TokenCache`](crate::TokenCache)
    /// asks for it each time.
    pub fn verify(&self, token: &str, now: u64) -> Result<VerifiedToken, Rejection> {
        let (key, payload) = self.signed_payload(token)?;
        let claims = object(&payload)?;
        let mut rejection = Rejection::from(TokenError::Malformed);
        let read = read(&claims, key, &mut rejection);
        match read.and_then(|read| self.check(&read, now).map(|()| read)) {
            Ok(verified) => Ok(verified),
            Err(error) => Err(Rejection { error, ..rejection }),
        }
    }

    /// Checks all that can have changed since a token was verified, or that another verifier
    /// would see in another way.
    pub(crate) fn recheck(&self, token: &VerifiedToken, now: u64) -> Result<(), TokenError> {
        // A `kid` is a thumbprint: the same name is the same key.
        if self.keys.find(&token.kid).is_none() {
            return Err(TokenError::UnknownKid);
        }
        self.check(token, now)
    }

    /// The key and the payload's bytes, once the signature over them holds.
    fn signed_payload(&self, token: &str) -> Result<(&PublicKey, Vec<u8>), Rejection> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge.into());
        }
        let [header, payload, signature] = segments(token)?;
        let signed = token.len() - signature.len() - 1;
        // A header as it was minted was read when the key was.
        let key = self.keys.iter().find(|key| key.header() == header);
        let read = match key {
            Some(_) => Vec::new(),
            None => decode(header, token)?,
        };
        let [payload, signature] = [decode(payload, token)?, decode(signature, token)?];
        let key = match key {
            Some(key) => key,
            None => self.key(&object(&read)?)?,
        };
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| TokenError::BadSignature)?;
        let signed = token.as_bytes().get(..signed).unwrap_or_default();
        if !key.holds(signed, &signature) {
            return Err(TokenError::BadSignature.into());
        }
        Ok((key, payload))
    }

    /// The key that the header names, once the header is as it must be.
    fn key(&self, header: &Object<'_>) -> Result<&PublicKey, Rejection> {
        let algorithm = check_header(header)?;
        let kid = header.get("kid").and_then(Json::as_text);
        let Some(key) = kid.and_then(|kid| self.keys.find(kid)) else {
            let kid = kid.filter(|kid| kid.len() <= MAX_KID).map(str::to_owned);
            let rejection = Rejection::from(TokenError::UnknownKid);
            return Err(Rejection { kid, ..rejection });
        };
        // RFC 8725, section 3.1: a key is used with one algorithm.
        if key.algorithm() != algorithm {
            return Err(TokenError::AlgMismatch.into());
        }
        Ok(key)
    }

    fn check(&self, token: &VerifiedToken, now: u64) -> Result<(), TokenError> {
        let claims = &token.claims;
        if claims.issuer != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if claims.audience != self.audience {
            return Err(TokenError::WrongAudience);
        }
        if claims.expires_at.saturating_sub(claims.issued_at) > MAX_LIFETIME {
            return Err(TokenError::LifetimeTooLong);
        }
        let latest = now.saturating_add(LEEWAY);
        if claims.issued_at > latest {
            return Err(TokenError::IssuedInFuture);
        }
        if token.not_before > latest {
            return Err(TokenError::NotYetValid);
        }
        // RFC 7519, section 4.1.4: valid before `exp`, not at it.
        if now >= claims.expires_at.saturating_add(LEEWAY) {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

impl VerifiedToken {
    /// What the token says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key that signed it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A refusal of it after all, with whom it concerns.
    pub(crate) fn refuse(&self, error: TokenError) -> Rejection {
        Rejection {
            error,
            kid: None,
            tenant: Some(self.claims.tenant),
            actor: Some(self.claims.actor.clone()),
        }
    }
}

impl Rejection {
    /// The first check that failed.
    #[must_use]
    pub const fn error(&self) -> TokenError {
        self.error
    }

    /// The key that is not known, for [`KeyCache::refresh_for`](crate::KeyCache::refresh_for);
    /// only with [`TokenError::UnknownKid`]. Anybody can write one into a token.
    #[must_use]
    pub fn unknown_kid(&self) -> Option<&str> {
        self.kid.as_deref()
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
            kid: None,
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

fn read(
    claims: &Object<'_>,
    key: &PublicKey,
    rejection: &mut Rejection,
) -> Result<VerifiedToken, TokenError> {
    let tenant = claims::read_tenant(claims)?;
    rejection.tenant = Some(tenant);
    let actor = claims::read_actor(claims)?;
    rejection.actor = Some(actor.clone());
    let (claims, not_before) = claims::read_claims(claims, tenant, actor)?;
    Ok(VerifiedToken {
        claims,
        not_before,
        kid: key.shared_kid(),
    })
}

fn check_header(header: &Object<'_>) -> Result<Algorithm, TokenError> {
    if header.contains_key("crit") {
        return Err(TokenError::UnsupportedCrit);
    }
    if let Some(name) = FORBIDDEN.iter().find(|name| header.contains_key(**name)) {
        return Err(TokenError::ForbiddenHeader(name));
    }
    let is_known = |name: &str| matches!(name, "alg" | "typ" | "kid");
    if !header.keys().all(|name| is_known(name)) {
        return Err(TokenError::ForbiddenHeader("extra"));
    }
    let text = |name| header.get(name).and_then(Json::as_text);
    let algorithm = text("alg").and_then(|name| name.parse().ok());
    let algorithm = algorithm.ok_or(TokenError::AlgNotAllowed)?;
    if !header.contains_key("typ") {
        return Err(TokenError::MissingType);
    }
    if text("typ") != Some("at+jwt") {
        return Err(TokenError::WrongType);
    }
    Ok(algorithm)
}

/// The three segments; the last may hold anything.
pub(crate) fn segments(token: &str) -> Result<[&str; 3], TokenError> {
    let mut split = token.splitn(3, '.');
    match (split.next(), split.next(), split.next()) {
        (Some(header), Some(payload), Some(signature)) => Ok([header, payload, signature]),
        _ => Err(TokenError::Malformed),
    }
}

/// Decodes a segment of a token: base64url, no padding, no whitespace, unused bits zero.
pub(crate) fn decode(segment: &str, token: &str) -> Result<Vec<u8>, TokenError> {
    let decoded = URL_SAFE_NO_PAD.decode(segment);
    decoded.map_err(|_| segments(token).map_or_else(|error| error, misspelling))
}

/// What is wrong with the spelling of segments of which one does not decode.
fn misspelling([header, payload, signature]: [&str; 3]) -> TokenError {
    let odd = |segment: &str| {
        let is_odd = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        segment.bytes().find(|byte| is_odd(byte))
    };
    match (odd(header).or(odd(payload)), odd(signature)) {
        (Some(b'='), _) | (None, Some(b'=')) => TokenError::Padded,
        // The alphabet has an end, and there is more.
        (None, Some(_)) => TokenError::TrailingBytes,
        (Some(_), _) | (None, None) => TokenError::Malformed,
    }
}

pub(crate) fn object(bytes: &[u8]) -> Result<Object<'_>, TokenError> {
    strict_json::parse_object(bytes).map_err(|error| match error {
        JsonError::Malformed => TokenError::Malformed,
        JsonError::Duplicate => TokenError::DuplicateMember,
        JsonError::Trailing => TokenError::TrailingBytes,
    })
}
