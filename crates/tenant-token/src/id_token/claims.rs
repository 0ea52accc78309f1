//! What an ID token says, once its signature holds, and what it must say.

use super::error::{IdTokenError, IdTokenRejection};
use super::presented::Algorithm;
use crate::claims::{are_methods, is_text};
use crate::strict_json::{Json, Object};
use crate::{Authentication, LEEWAY};

/// The longest lifetime of an ID token, in seconds.
pub const MAX_LIFETIME: u64 = 86_400;

/// How old an ID token may be at most, whatever is configured, in seconds.
pub const MAX_AGE: u64 = 86_400;

/// The longest `sub`, in bytes (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT: usize = 255;

/// The longest `nonce` that is read, in bytes.
const MAX_NONCE: usize = 255;

/// Whose rules the tokens follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// OpenID Connect Core 1.0.
    Oidc,
    /// Firebase Authentication, and what copies its tokens: one audience, the project, and always
    /// an `auth_time`.
    Firebase,
}

/// What ID tokens of one issuer must say to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Whose rules they follow.
    pub profile: Profile,
    /// `iss`, byte for byte.
    pub issuer: String,
    /// `aud`: the client that the issuer knows the application as.
    pub client_id: String,
    /// How they are signed.
    pub algorithms: Vec<Algorithm>,
    /// How far back `iat` may lie, in seconds.
    pub max_age: u64,
}

/// What an ID token says that was checked; there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedIdToken {
    subject: String,
    issued_at: u64,
    expires_at: u64,
    authentication: Authentication,
}

impl VerifiedIdToken {
    /// `sub`: who logged in, by a name that the issuer never gives to another; 1 to 255 ASCII
    /// characters.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `iat`, in Unix seconds.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// `exp`, in Unix seconds.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// When and how the issuer says that they authenticated: `auth_time`, or `iat` without one,
    /// and never after `now`; `acr` and `amr` where an access token can say them too.
    #[must_use]
    pub const fn authentication(&self) -> &Authentication {
        &self.authentication
    }
}

/// Reads the claims and checks them; the order is fixed.
pub(super) fn read(
    claims: &Object<'_>,
    expected: &Expected,
    nonce: Option<&str>,
    now: u64,
) -> Result<VerifiedIdToken, IdTokenRejection> {
    let before = |error| IdTokenRejection::signed(error, None);
    if is_another_kind(claims) {
        return Err(before(IdTokenError::NotAnIdToken));
    }
    if text(claims, "iss").map_err(before)? != expected.issuer {
        return Err(before(IdTokenError::WrongIssuer));
    }
    let subject = text(claims, "sub").map_err(before)?;
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_control();
    if !(1..=MAX_SUBJECT).contains(&subject.len()) || !subject.bytes().all(is_plain) {
        return Err(before(IdTokenError::InvalidClaim("sub")));
    }
    let after = |error| IdTokenRejection::signed(error, Some(subject.to_owned()));
    if expected.profile == Profile::Firebase {
        check_sign_in(claims).map_err(after)?;
    }
    check_audience(claims, expected).map_err(after)?;
    let (issued_at, expires_at) = check_times(claims, expected, now).map_err(after)?;
    check_nonce(claims, nonce).map_err(after)?;
    let authentication = authentication(claims, expected.profile, issued_at, now).map_err(after)?;
    Ok(VerifiedIdToken {
        subject: subject.to_owned(),
        issued_at,
        expires_at,
        authentication,
    })
}

/// Whether it is another kind of token that the issuer signs for the same client and subject, and
/// does not tell apart by the header's `typ`: a logout token (Back-Channel Logout 1.0, 2.4), which
/// has `events`, or an access token, which has a scope (RFC 9068, section 2.2.3; `scp` at
/// Microsoft Entra) or says so in `typ` (Keycloak) or `token_use` (Amazon Cognito).
fn is_another_kind(claims: &Object<'_>) -> bool {
    let has = |name: &&str| claims.contains_key(*name);
    let is_not = |name: &str, own: &str| {
        let found = claims.get(name);
        found.is_some_and(|kind| kind.as_text() != Some(own))
    };
    ["events", "scope", "scp"].iter().any(has) || is_not("typ", "ID") || is_not("token_use", "id")
}

/// Firebase gives a token to whoever asks for one, where a project allows it, and says so in it.
fn check_sign_in(claims: &Object<'_>) -> Result<(), IdTokenError> {
    let how = match claims.get("firebase") {
        None => None,
        Some(Json::Object(firebase)) => firebase.get("sign_in_provider"),
        Some(_) => return Err(IdTokenError::InvalidClaim("firebase")),
    };
    match how.map(Json::as_text) {
        None => Ok(()),
        Some(None) => Err(IdTokenError::InvalidClaim("firebase")),
        Some(Some("anonymous")) => Err(IdTokenError::Anonymous),
        Some(Some(_)) => Ok(()),
    }
}

/// OpenID Connect Core 1.0, section 3.1.3.7, points 3 to 5.
fn check_audience(claims: &Object<'_>, expected: &Expected) -> Result<(), IdTokenError> {
    let client = expected.client_id.as_str();
    let several = match (claims.get("aud"), expected.profile) {
        (None, _) => return Err(IdTokenError::MissingClaim("aud")),
        (Some(Json::Text(audience)), _) => {
            if audience != client {
                return Err(IdTokenError::WrongAudience);
            }
            false
        }
        (Some(Json::List(audiences)), Profile::Oidc) if !audiences.is_empty() => {
            if !audiences.iter().all(|one| one.as_text().is_some()) {
                return Err(IdTokenError::InvalidClaim("aud"));
            }
            if !audiences.iter().any(|one| one.as_text() == Some(client)) {
                return Err(IdTokenError::WrongAudience);
            }
            audiences.len() > 1
        }
        (Some(_), _) => return Err(IdTokenError::InvalidClaim("aud")),
    };
    match claims.get("azp") {
        None if several => Err(IdTokenError::WrongAuthorizedParty),
        None => Ok(()),
        Some(Json::Text(party)) if party == client => Ok(()),
        Some(Json::Text(_)) => Err(IdTokenError::WrongAuthorizedParty),
        Some(_) => Err(IdTokenError::InvalidClaim("azp")),
    }
}

/// `iat` and `exp`, checked.
fn check_times(
    claims: &Object<'_>,
    expected: &Expected,
    now: u64,
) -> Result<(u64, u64), IdTokenError> {
    let issued_at = number(claims, "iat")?.ok_or(IdTokenError::MissingClaim("iat"))?;
    let expires_at = number(claims, "exp")?.ok_or(IdTokenError::MissingClaim("exp"))?;
    let lifetime = expires_at.checked_sub(issued_at).filter(|life| *life > 0);
    if lifetime.ok_or(IdTokenError::InvalidClaim("exp"))? > MAX_LIFETIME {
        return Err(IdTokenError::LifetimeTooLong);
    }
    let latest = now.saturating_add(LEEWAY);
    if issued_at > latest {
        return Err(IdTokenError::IssuedInFuture);
    }
    if number(claims, "nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err(IdTokenError::NotYetValid);
    }
    // RFC 7519, section 4.1.4: valid before `exp`, not at it; it is used here at once, so that no
    // leeway is needed.
    if now >= expires_at {
        return Err(IdTokenError::Expired);
    }
    if now.saturating_sub(issued_at) > expected.max_age {
        return Err(IdTokenError::TooOld);
    }
    Ok((issued_at, expires_at))
}

/// OpenID Connect Core 1.0, section 3.1.3.7, point 11. A token that was made for a login with a
/// nonce is not taken from one who does not know it.
fn check_nonce(claims: &Object<'_>, expected: Option<&str>) -> Result<(), IdTokenError> {
    let found = match claims.get("nonce") {
        None => None,
        Some(Json::Text(nonce)) if (1..=MAX_NONCE).contains(&nonce.len()) => Some(nonce.as_ref()),
        Some(_) => return Err(IdTokenError::InvalidClaim("nonce")),
    };
    match (found, expected) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(IdTokenError::MissingNonce),
        (Some(_), None) => Err(IdTokenError::UnexpectedNonce),
        (Some(found), Some(expected)) if found == expected => Ok(()),
        (Some(_), Some(_)) => Err(IdTokenError::WrongNonce),
    }
}

fn authentication(
    claims: &Object<'_>,
    profile: Profile,
    issued_at: u64,
    now: u64,
) -> Result<Authentication, IdTokenError> {
    let authenticated_at = number(claims, "auth_time")?;
    if profile == Profile::Firebase && authenticated_at.is_none() {
        return Err(IdTokenError::MissingClaim("auth_time"));
    }
    if authenticated_at.is_some_and(|at| at > now.saturating_add(LEEWAY)) {
        return Err(IdTokenError::AuthenticatedInFuture);
    }
    let class = match claims.get("acr") {
        None => None,
        Some(Json::Text(class)) => Some(class.as_ref()),
        Some(_) => return Err(IdTokenError::InvalidClaim("acr")),
    };
    let methods: Vec<String> = match claims.get("amr") {
        None => Vec::new(),
        Some(Json::List(names)) => names
            .iter()
            .map(|name| name.as_text().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or(IdTokenError::InvalidClaim("amr"))?,
        Some(_) => return Err(IdTokenError::InvalidClaim("amr")),
    };
    Ok(Authentication {
        time: authenticated_at.unwrap_or(issued_at).min(now),
        class: class.filter(|class| is_text(class)).map(str::to_owned),
        methods: Some(methods)
            .filter(|methods| are_methods(methods))
            .unwrap_or_default(),
    })
}

fn text<'c>(claims: &'c Object<'_>, name: &'static str) -> Result<&'c str, IdTokenError> {
    let found = claims.get(name).ok_or(IdTokenError::MissingClaim(name))?;
    found.as_text().ok_or(IdTokenError::InvalidClaim(name))
}

/// RFC 7519, section 2, `NumericDate`: whole seconds, as every issuer writes them.
fn number(claims: &Object<'_>, name: &'static str) -> Result<Option<u64>, IdTokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Integer(seconds)) => Ok(Some(*seconds)),
        Some(_) => Err(IdTokenError::InvalidClaim(name)),
    }
}
