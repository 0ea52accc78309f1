//! A tenant's identity provider: whose ID tokens are accepted, and what the people in them may do.

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_tenancy::CapabilitySet;
use strongroom_tenant_token::id_token::{Algorithm, Expected, MAX_AGE, Profile};
use tokio_postgres::Row;

use crate::jobs::check_url;
use crate::postgres::{QueryError, column};

/// What `iss` of Firebase's tokens begins with; the project's id follows.
const FIREBASE_ISSUER: &str = "https://securetoken.google.com/";

/// Where the keys of Firebase's tokens are, as a JWK Set.
const FIREBASE_KEYS: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// How old an ID token may be, in seconds, unless the connection says otherwise: it is presented
/// right after it was made.
const OIDC_AGE: u64 = 600;

/// The same for Firebase, whose clients keep a token for an hour.
const FIREBASE_AGE: u64 = 3_600;

/// The least that may be asked for, in seconds.
const LEAST_AGE: u64 = 60;

/// The longest URL, in bytes.
const MAX_URL: usize = 2048;

/// The longest client id, in bytes.
const MAX_CLIENT: usize = 255;

/// A connection, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name in the tenant.
    pub name: String,
    /// What ID tokens must say.
    pub expected: Expected,
    /// Where the issuer publishes its keys.
    pub jwks_url: Url,
    /// What everybody who logs in by it may do.
    pub capabilities: CapabilitySet,
}

/// A connection as it is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewConnection {
    /// `oidc` or `firebase`.
    profile: String,
    /// `iss`; with `firebase` it follows from the project.
    issuer: Option<String>,
    /// `aud`: the client's id; with `firebase` the project's.
    client_id: String,
    /// Where the JWK Set is; with `firebase` Google's when absent.
    jwks_url: Option<String>,
    /// `RS256`, the default, and `ES256`.
    algorithms: Option<Vec<String>>,
    /// What everybody who logs in may do; no more than who asks.
    capabilities: Vec<String>,
    /// How old a token may be, in seconds: 600 when absent, with `firebase` 3600.
    max_age_seconds: Option<u64>,
}

/// A field that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConnectionError {
    /// The field.
    pub field: &'static str,
    /// What was expected of it.
    pub reason: &'static str,
}

/// Whether a text can name a connection.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(is_safe)
}

impl NewConnection {
    /// Checks what is asked for. With `allow_loopback` issuer and keys may be on loopback, without
    /// TLS: for development.
    ///
    /// # Errors
    /// [`ConnectionError`] names the first field that is refused.
    pub fn check(self, name: &str, allow_loopback: bool) -> Result<Connection, ConnectionError> {
        let refuse = |field, reason| ConnectionError { field, reason };
        if !is_name(name) {
            return Err(refuse("name", "expected 1 to 64 characters of a-z 0-9 -"));
        }
        let profile =
            profile(&self.profile).ok_or(refuse("profile", "expected oidc or firebase"))?;
        let client = &self.client_id;
        let is_client = match profile {
            Profile::Oidc => {
                (1..=MAX_CLIENT).contains(&client.len())
                    && client.bytes().all(|byte| byte.is_ascii_graphic())
            }
            Profile::Firebase => is_project(client),
        };
        if !is_client {
            let reason = match profile {
                Profile::Oidc => "expected 1 to 255 visible ASCII characters",
                Profile::Firebase => "expected a project's id",
            };
            return Err(refuse("client_id", reason));
        }
        let own = (profile == Profile::Firebase).then(|| format!("{FIREBASE_ISSUER}{client}"));
        let issuer = match (self.issuer, own) {
            (None, Some(own)) => own,
            (Some(given), Some(own)) if given == own => own,
            (Some(_), Some(_)) => {
                return Err(refuse("issuer", "is not that of the project"));
            }
            (Some(given), None) if is_issuer(&given, allow_loopback) => given,
            (_, None) => {
                let reason = "expected an https URL without user, query or fragment";
                return Err(refuse("issuer", reason));
            }
        };
        let default = (profile == Profile::Firebase).then(|| FIREBASE_KEYS.to_owned());
        let jwks_url = self
            .jwks_url
            .or(default)
            .and_then(|text| url(&text, allow_loopback));
        let reason = "expected an https URL without user or fragment";
        let jwks_url = jwks_url.ok_or(refuse("jwks_url", reason))?;
        let names = self.algorithms.unwrap_or_else(|| vec!["RS256".to_owned()]);
        let reason = "expected RS256, ES256 or both, each once";
        let algorithms = algorithms(&names).ok_or(refuse("algorithms", reason))?;
        let capabilities = CapabilitySet::from_names(self.capabilities.iter().map(String::as_str));
        let capabilities = capabilities.ok().filter(|set| !set.is_empty());
        let reason = "expected at least one known capability, none twice";
        let capabilities = capabilities.ok_or(refuse("capabilities", reason))?;
        let max_age = self.max_age_seconds.unwrap_or(match profile {
            Profile::Oidc => OIDC_AGE,
            Profile::Firebase => FIREBASE_AGE,
        });
        if !(LEAST_AGE..=MAX_AGE).contains(&max_age) {
            return Err(refuse("max_age_seconds", "expected 60 to 86400 seconds"));
        }
        Ok(Connection {
            name: name.to_owned(),
            expected: Expected {
                profile,
                issuer,
                client_id: self.client_id,
                algorithms,
                max_age,
            },
            jwks_url,
            capabilities,
        })
    }
}

impl Connection {
    /// A connection as it was stored, from columns that begin with: name, profile, issuer,
    /// client_id, jwks_url, algorithms, capabilities, max_age_seconds.
    ///
    /// # Errors
    /// [`QueryError::Row`] when a column is malformed.
    pub fn from_row(row: &Row) -> Result<Self, QueryError> {
        let shape = |what: &'static str| QueryError::Row(format!("{what}: malformed"));
        let text = |index| column::<String>(row, index);
        let names: Vec<String> = text(5)?.split(' ').map(str::to_owned).collect();
        Ok(Self {
            name: text(0)?,
            expected: Expected {
                profile: profile(&text(1)?).ok_or_else(|| shape("profile"))?,
                issuer: text(2)?,
                client_id: text(3)?,
                algorithms: algorithms(&names).ok_or_else(|| shape("algorithms"))?,
                max_age: u64::try_from(column::<i32>(row, 7)?).map_err(|_| shape("max_age"))?,
            },
            jwks_url: text(4)?.parse().map_err(|_| shape("jwks_url"))?,
            capabilities: text(6)?.parse().map_err(|_| shape("capabilities"))?,
        })
    }

    /// The profile's name.
    #[must_use]
    pub const fn profile(&self) -> &'static str {
        match self.expected.profile {
            Profile::Oidc => "oidc",
            Profile::Firebase => "firebase",
        }
    }

    /// The names of the algorithms, in one order.
    #[must_use]
    pub fn algorithms(&self) -> Vec<&'static str> {
        let all = [Algorithm::Rs256, Algorithm::Es256];
        let is_one = |one: &Algorithm| self.expected.algorithms.contains(one);
        all.into_iter()
            .filter(is_one)
            .map(Algorithm::as_str)
            .collect()
    }

    /// The connection as it is shown.
    #[must_use]
    pub fn shown(&self, stored_at: i64) -> Value {
        json!({
            "name": self.name,
            "profile": self.profile(),
            "issuer": self.expected.issuer,
            "client_id": self.expected.client_id,
            "jwks_url": self.jwks_url.as_str(),
            "algorithms": self.algorithms(),
            "capabilities": self.capabilities,
            "max_age_seconds": self.expected.max_age,
            "stored_at": stored_at,
        })
    }
}

fn profile(text: &str) -> Option<Profile> {
    match text {
        "oidc" => Some(Profile::Oidc),
        "firebase" => Some(Profile::Firebase),
        _ => None,
    }
}

/// The ids that Google Cloud gives to projects.
fn is_project(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (6..=30).contains(&text.len())
        && text.bytes().all(is_safe)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
}

/// OpenID Connect Discovery 1.0, section 3: https, no query, no fragment. What is stored is the
/// text itself, since `iss` is compared with that.
fn is_issuer(text: &str, allow_loopback: bool) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && url(text, allow_loopback).is_some_and(|url| url.query().is_none())
}

fn url(text: &str, allow_loopback: bool) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let is_short = text.len() <= MAX_URL && url.as_str().len() <= MAX_URL;
    (is_short && check_url(&url, allow_loopback).is_ok()).then_some(url)
}

fn algorithms(names: &[String]) -> Option<Vec<Algorithm>> {
    let mut found = Vec::new();
    for name in names {
        let algorithm: Algorithm = name.parse().ok()?;
        if found.contains(&algorithm) {
            return None;
        }
        found.push(algorithm);
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(change: Value) -> Result<Connection, ConnectionError> {
        let mut body = json!({
            "profile": "oidc",
            "issuer": "https://login.example.com/realm",
            "client_id": "console",
            "jwks_url": "https://login.example.com/keys",
            "capabilities": ["chat:create"],
        });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let asked: NewConnection = serde_json::from_value(body).unwrap();
        asked.check("staff", false)
    }

    #[test]
    fn refused_fields_are_named() {
        let long = format!("https://e.com/{}", "a".repeat(2048));
        for (field, change) in [
            ("profile", json!({ "profile": "saml" })),
            ("issuer", json!({ "issuer": null })),
            ("issuer", json!({ "issuer": "http://login.example.com" })),
            ("issuer", json!({ "issuer": "http://127.0.0.1:1" })),
            ("issuer", json!({ "issuer": "https://e.com/?x=1" })),
            ("issuer", json!({ "issuer": "https://e.com/#x" })),
            ("issuer", json!({ "issuer": "https://u@e.com/" })),
            ("issuer", json!({ "issuer": " https://e.com/" })),
            ("issuer", json!({ "issuer": long })),
            ("client_id", json!({ "client_id": "" })),
            ("client_id", json!({ "client_id": "a b" })),
            ("client_id", json!({ "client_id": "a".repeat(256) })),
            ("jwks_url", json!({ "jwks_url": null })),
            ("jwks_url", json!({ "jwks_url": "http://e.com/keys" })),
            ("jwks_url", json!({ "jwks_url": "file:///etc/passwd" })),
            ("algorithms", json!({ "algorithms": [] })),
            ("algorithms", json!({ "algorithms": ["HS256"] })),
            ("algorithms", json!({ "algorithms": ["none"] })),
            ("algorithms", json!({ "algorithms": ["RS256", "RS256"] })),
            ("capabilities", json!({ "capabilities": [] })),
            ("capabilities", json!({ "capabilities": ["root"] })),
            ("max_age_seconds", json!({ "max_age_seconds": 59 })),
            ("max_age_seconds", json!({ "max_age_seconds": 86_401 })),
            (
                "client_id",
                json!({ "profile": "firebase", "client_id": "Demo" }),
            ),
            (
                "client_id",
                json!({ "profile": "firebase", "client_id": "demo-1/../x" }),
            ),
            (
                "issuer",
                json!({ "profile": "firebase", "client_id": "demo-project" }),
            ),
        ] {
            let refused = asked(change.clone()).unwrap_err();
            assert_eq!(refused.field, field, "{change}");
        }
        let body = json!({ "profile": "oidc", "client_id": "c", "capabilities": [], "secret": 1 });
        assert!(serde_json::from_value::<NewConnection>(body).is_err());
    }

    #[test]
    fn defaults() {
        let oidc = asked(json!({})).unwrap();
        assert_eq!(oidc.expected.max_age, 600);
        assert_eq!(oidc.algorithms(), ["RS256"]);
        let firebase = asked(json!({
            "profile": "firebase", "client_id": "demo-project", "issuer": null, "jwks_url": null,
        }));
        let firebase = firebase.unwrap();
        let issuer = "https://securetoken.google.com/demo-project";
        assert_eq!(firebase.expected.issuer, issuer);
        assert_eq!(firebase.expected.max_age, 3_600);
        assert_eq!(firebase.jwks_url.as_str(), FIREBASE_KEYS);
        // `iss` is compared byte for byte: nothing is added to it.
        let issuer = "https://login.example.com";
        let bare = asked(json!({ "issuer": issuer })).unwrap();
        assert_eq!(bare.expected.issuer, issuer);
    }

    proptest! {
        #[test]
        fn what_is_stored_is_within_the_columns(name in ".{0,70}", client in ".{0,300}", issuer in "(https://)?.{0,60}") {
            let asked = NewConnection {
                profile: "oidc".to_owned(),
                issuer: Some(issuer),
                client_id: client,
                jwks_url: Some("https://e.com/keys".to_owned()),
                algorithms: None,
                capabilities: vec!["chat:create".to_owned()],
                max_age_seconds: None,
            };
            if let Ok(connection) = asked.check(&name, false) {
                prop_assert!(is_name(&connection.name));
                prop_assert!(connection.expected.issuer.starts_with("https://"));
                prop_assert!(connection.expected.client_id.len() <= 255);
            }
        }
    }
}
