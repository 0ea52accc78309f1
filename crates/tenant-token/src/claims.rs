//! The claims of an access token: what it says, in Rust and in JSON.

use std::collections::BTreeSet;

use serde::Serialize;
use strongroom_tenancy::{Actor, ActorId, CapabilitySet, TenantId};
use uuid::Uuid;

use crate::error::TokenError;
use crate::strict_json::{Json, Object};

/// The version of the profile, `ver`.
const VERSION: u64 = 1;

/// The longest `iss`, `aud`, `client_id` or `acr`, in bytes.
const MAX_TEXT: usize = 256;

/// The most names in `amr`.
const MAX_METHODS: usize = 8;

/// The longest name in `amr`, in bytes.
const MAX_METHOD: usize = 32;

/// What an access token says. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: who minted the token.
    pub issuer: String,
    /// `aud`: the one service that it is for.
    pub audience: String,
    /// `tenant_id`: the tenant whose data it opens, and no other.
    pub tenant: TenantId,
    /// Who acts. `sub` is the actor, or, under delegation, the one on whose behalf the whole chain
    /// acts; `act` then names the actor and, nested, those in between (RFC 8693, section 4.1).
    pub actor: Actor,
    /// `cap`: what the bearer may do.
    pub capabilities: CapabilitySet,
    /// `iat`, and `nbf` as minted.
    pub issued_at: u64,
    /// `exp`: the first second at which the token is no longer valid.
    pub expires_at: u64,
    /// `jti`: names this token, for a deny list.
    pub token_id: Uuid,
    /// `sid`: names the login that it came from.
    pub session_id: Uuid,
    /// `client_id`: the program that asked for it (RFC 9068, section 2.2).
    pub client_id: String,
    /// How the one who acts, or for whom is acted, proved to be that.
    pub authentication: Authentication,
    /// `epoch`: the tenant's epoch as it was when the token was minted. Raising the tenant's epoch
    /// ends every token of an earlier one, whatever the clocks say.
    pub epoch: u64,
}

/// When and how somebody authenticated (RFC 9068, section 2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// `auth_time`: when, in Unix seconds; not after `iat`.
    pub time: u64,
    /// `acr`: the class of it, where the issuer has classes.
    pub class: Option<String>,
    /// `amr`: the methods, by their RFC 8176 names; at most eight, none twice, none where the
    /// issuer does not say.
    pub methods: Vec<String>,
}

impl Authentication {
    /// At that time, and nothing more is said.
    #[must_use]
    pub const fn at(time: u64) -> Self {
        Self {
            time,
            class: None,
            methods: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct ClaimsJson<'a> {
    iss: &'a str,
    sub: &'a ActorId,
    aud: &'a str,
    exp: u64,
    iat: u64,
    nbf: u64,
    jti: String,
    sid: String,
    client_id: &'a str,
    tenant_id: &'a TenantId,
    cap: &'a CapabilitySet,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    epoch: u64,
    ver: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act<'a>>,
}

#[derive(Serialize)]
struct Act<'a> {
    sub: &'a ActorId,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Act<'a>>>,
}

impl Claims {
    /// The first claim whose value no verifier would accept.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let authentication = &self.authentication;
        let class = authentication.class.as_deref();
        let faults = [
            ("iss", !is_text(&self.issuer)),
            ("aud", !is_text(&self.audience)),
            ("client_id", !is_text(&self.client_id)),
            ("jti", self.token_id.is_nil()),
            ("sid", self.session_id.is_nil()),
            ("exp", self.expires_at <= self.issued_at),
            ("auth_time", authentication.time > self.issued_at),
            ("acr", class.is_some_and(|class| !is_text(class))),
            ("amr", !are_methods(&authentication.methods)),
        ];
        faults
            .iter()
            .find(|(_, fault)| *fault)
            .map(|(name, _)| *name)
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let (subject, act) = match self.actor.on_behalf_of().split_last() {
            None => (self.actor.id(), None),
            Some((subject, between)) => {
                let inner = between
                    .iter()
                    .rev()
                    .fold(None, |act, sub| Some(Box::new(Act { sub, act })));
                let sub = self.actor.id();
                (subject, Some(Act { sub, act: inner }))
            }
        };
        serde_json::to_vec(&ClaimsJson {
            iss: &self.issuer,
            sub: subject,
            aud: &self.audience,
            exp: self.expires_at,
            iat: self.issued_at,
            nbf: self.issued_at,
            jti: self.token_id.as_hyphenated().to_string(),
            sid: self.session_id.as_hyphenated().to_string(),
            client_id: &self.client_id,
            tenant_id: &self.tenant,
            cap: &self.capabilities,
            auth_time: self.authentication.time,
            acr: self.authentication.class.as_deref(),
            amr: &self.authentication.methods,
            epoch: self.epoch,
            ver: VERSION,
            act,
        })
    }
}

/// Reads the tenant.
pub(crate) fn read_tenant(claims: &Object<'_>) -> Result<TenantId, TokenError> {
    let text = text(claims, "tenant_id")?;
    text.parse()
        .map_err(|_| TokenError::InvalidClaim("tenant_id"))
}

/// Reads who acts, from `sub` and `act`.
pub(crate) fn read_actor(claims: &Object<'_>) -> Result<Actor, TokenError> {
    let subject = text(claims, "sub")?
        .parse()
        .map_err(|_| TokenError::InvalidClaim("sub"))?;
    let invalid = TokenError::InvalidClaim("act");
    let mut acting = Vec::new();
    let mut link = claims.get("act");
    while let Some(act) = link {
        let Json::Object(act) = act else {
            return Err(invalid);
        };
        if act.keys().any(|name| name != "sub" && name != "act") {
            return Err(invalid);
        }
        let sub = act.get("sub").and_then(Json::as_text).ok_or(invalid)?;
        acting.push(sub.parse::<ActorId>().map_err(|_| invalid)?);
        link = act.get("act");
    }
    match acting.split_first() {
        None => Ok(Actor::new(subject)),
        Some((actor, between)) => {
            let mut chain = between.to_vec();
            chain.push(subject);
            Actor::delegated(*actor, chain).map_err(|_| invalid)
        }
    }
}

/// Reads all claims; `tenant` and `actor` were read before. Also returns `nbf`.
pub(crate) fn read_claims(
    claims: &Object<'_>,
    tenant: TenantId,
    actor: Actor,
) -> Result<(Claims, u64), TokenError> {
    // A token bound to a client's key (RFC 7800) must not pass as a bearer token.
    if claims.contains_key("cnf") {
        return Err(TokenError::InvalidClaim("cnf"));
    }
    // First, as a later version may give the others other forms.
    if integer(claims, "ver")? != VERSION {
        return Err(TokenError::InvalidClaim("ver"));
    }
    let read = Claims {
        issuer: text(claims, "iss")?.to_owned(),
        audience: text(claims, "aud")?.to_owned(),
        tenant,
        actor,
        capabilities: read_capabilities(claims)?,
        issued_at: integer(claims, "iat")?,
        expires_at: integer(claims, "exp")?,
        token_id: uuid(claims, "jti")?,
        session_id: uuid(claims, "sid")?,
        client_id: text(claims, "client_id")?.to_owned(),
        authentication: read_authentication(claims)?,
        epoch: integer(claims, "epoch")?,
    };
    let not_before = integer(claims, "nbf")?;
    match read.fault() {
        Some(name) => Err(TokenError::InvalidClaim(name)),
        None => Ok((read, not_before)),
    }
}

fn read_authentication(claims: &Object<'_>) -> Result<Authentication, TokenError> {
    let time = integer(claims, "auth_time")?;
    let class = match claims.get("acr") {
        None => None,
        Some(class) => {
            let class = class.as_text().ok_or(TokenError::InvalidClaim("acr"))?;
            Some(class.to_owned())
        }
    };
    let invalid = TokenError::InvalidClaim("amr");
    let methods = match claims.get("amr") {
        None => Vec::new(),
        // Said to be empty and not said are one thing, so they have one spelling.
        Some(Json::List(names)) if !names.is_empty() => {
            let names = names.iter().map(|name| name.as_text().map(str::to_owned));
            names.collect::<Option<_>>().ok_or(invalid)?
        }
        Some(_) => return Err(invalid),
    };
    Ok(Authentication {
        time,
        class,
        methods,
    })
}

fn read_capabilities(claims: &Object<'_>) -> Result<CapabilitySet, TokenError> {
    let invalid = TokenError::InvalidClaim("cap");
    let Json::List(names) = member(claims, "cap")? else {
        return Err(invalid);
    };
    let names: Option<Vec<_>> = names.iter().map(Json::as_text).collect();
    CapabilitySet::from_names(names.ok_or(invalid)?).map_err(|_| invalid)
}

fn member<'a, 'b>(claims: &'a Object<'b>, name: &'static str) -> Result<&'a Json<'b>, TokenError> {
    claims.get(name).ok_or(TokenError::MissingClaim(name))
}

fn text<'a>(claims: &'a Object<'_>, name: &'static str) -> Result<&'a str, TokenError> {
    let value = member(claims, name)?;
    value.as_text().ok_or(TokenError::InvalidClaim(name))
}

fn integer(claims: &Object<'_>, name: &'static str) -> Result<u64, TokenError> {
    match member(claims, name)? {
        Json::Integer(number) => Ok(*number),
        _ => Err(TokenError::InvalidClaim(name)),
    }
}

/// Reads the one spelling of a UUID that the family accepts: lower-case, hyphenated.
fn uuid(claims: &Object<'_>, name: &'static str) -> Result<Uuid, TokenError> {
    let text = text(claims, name)?;
    match Uuid::try_parse(text) {
        Ok(id) if id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text => Ok(id),
        _ => Err(TokenError::InvalidClaim(name)),
    }
}

pub(crate) fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

pub(crate) fn are_methods(methods: &[String]) -> bool {
    let is_name = |name: &String| {
        (1..=MAX_METHOD).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let distinct: BTreeSet<_> = methods.iter().collect();
    methods.len() <= MAX_METHODS && distinct.len() == methods.len() && methods.iter().all(is_name)
}
