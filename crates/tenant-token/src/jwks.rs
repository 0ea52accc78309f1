//! The JWK Set: the public keys that an issuer publishes (RFC 7517, section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::Algorithm;
use crate::public_key::{PublicKey, PublicKeyError};
use crate::strict_json::{self, Json, JsonError, Object};

/// The most keys that [`JwkSet::parse`] accepts.
pub const MAX_KEYS: usize = 64;

const MAX_BYTES: usize = 64 * 1024;

/// A set of public keys, each found by its `kid`.
///
/// ```
/// use strongroom_tenant_token::{JwkSet, SigningKey};
///
/// let key = SigningKey::generate()?;
/// let published = JwkSet::of(&[key.public_key()]).to_json();
/// let read = JwkSet::parse(&published)?;
/// assert_eq!(read.find(key.kid()), Some(&key.public_key()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct JwkSet {
    keys: Vec<PublicKey>,
}

/// Why a text is not a JWK Set of ours.
///
/// The set is refused whole when one key is: a verifier that silently drops a key fails later, on
/// somebody's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// Longer than 64 KiB.
    #[error("jwk set: longer than 65536 bytes")]
    TooLarge,
    /// Not a JSON object.
    #[error("jwk set: not a JSON object")]
    Malformed,
    /// An object has the same member twice.
    #[error("jwk set: a member stands twice")]
    DuplicateMember,
    /// `keys` is absent or not a list of objects.
    #[error("jwk set: keys is not a list of objects")]
    NoKeys,
    /// More than [`MAX_KEYS`] keys.
    #[error("jwk set: more than 64 keys")]
    TooManyKeys,
    /// Two keys have the same `kid`.
    #[error("jwk set: two keys with one kid")]
    DuplicateKid,
    /// A member of a key is absent or does not have its one allowed value.
    #[error("jwk: {0} is not as it must be")]
    InvalidMember(&'static str),
    /// A key has `d`: somebody is publishing a private key.
    #[error("jwk: a private key")]
    PrivateKey,
    /// `x`, or `x` and `y`, are not a public key.
    #[error("jwk: {0}")]
    PublicKey(#[from] PublicKeyError),
}

impl JwkSetError {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "jwks_too_large",
            Self::Malformed => "jwks_malformed",
            Self::DuplicateMember => "jwks_duplicate_member",
            Self::NoKeys => "jwks_no_keys",
            Self::TooManyKeys => "jwks_too_many_keys",
            Self::DuplicateKid => "jwks_duplicate_kid",
            Self::InvalidMember(_) => "jwks_invalid_member",
            Self::PrivateKey => "jwks_private_key",
            Self::PublicKey(error) => error.code(),
        }
    }
}

impl JwkSet {
    /// A set of these keys, each once.
    #[must_use]
    pub fn of(keys: &[PublicKey]) -> Self {
        let mut set = Self::default();
        for key in keys {
            if set.find(key.kid()).is_none() {
                set.keys.push(key.clone());
            }
        }
        set
    }

    /// The set in JSON, as it is published.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(PublicKey::to_jwk).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Reads a set. Members that RFC 7517 leaves open are ignored; those that a key of ours has
    /// must hold what [`PublicKey::to_jwk`] writes, `kid`, `use` and `alg` where present.
    ///
    /// # Errors
    /// [`JwkSetError`] naming what is wrong with the set, or with the first key at fault.
    pub fn parse(text: &str) -> Result<Self, JwkSetError> {
        if text.len() > MAX_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let set = strict_json::parse_object(text.as_bytes()).map_err(|error| match error {
            JsonError::Malformed | JsonError::Trailing => JwkSetError::Malformed,
            JsonError::Duplicate => JwkSetError::DuplicateMember,
        })?;
        let Some(Json::List(members)) = set.get("keys") else {
            return Err(JwkSetError::NoKeys);
        };
        if members.len() > MAX_KEYS {
            return Err(JwkSetError::TooManyKeys);
        }
        let mut keys: Vec<PublicKey> = Vec::new();
        for member in members {
            let Json::Object(jwk) = member else {
                return Err(JwkSetError::NoKeys);
            };
            let key = read_key(jwk)?;
            if keys.iter().any(|known| known.kid() == key.kid()) {
                return Err(JwkSetError::DuplicateKid);
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// The keys, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }
}

fn read_key(jwk: &Object<'_>) -> Result<PublicKey, JwkSetError> {
    if jwk.contains_key("d") {
        return Err(JwkSetError::PrivateKey);
    }
    let text = |name| jwk.get(name).and_then(Json::as_text);
    let bytes = |name: &'static str| {
        let decoded = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        decoded.ok_or(JwkSetError::InvalidMember(name))
    };
    let algorithm = match text("kty") {
        Some("OKP") => Algorithm::EdDsa,
        Some("EC") => Algorithm::Es256,
        _ => return Err(JwkSetError::InvalidMember("kty")),
    };
    let key = match (algorithm, text("crv")) {
        (Algorithm::EdDsa, Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?)?,
        (Algorithm::Es256, Some("P-256")) => PublicKey::p256(&bytes("x")?, &bytes("y")?)?,
        _ => return Err(JwkSetError::InvalidMember("crv")),
    };
    // RFC 7517, sections 4.2, 4.4 and 4.5: where present, they say what the key is for.
    let agrees = |name, is_own: &dyn Fn(&str) -> bool| {
        let found = jwk.get(name).map(Json::as_text);
        found.is_none_or(|text| text.is_some_and(is_own))
    };
    if !agrees("use", &|value| value == "sig") {
        return Err(JwkSetError::InvalidMember("use"));
    }
    if !agrees("alg", &|name| name.parse() == Ok(algorithm)) {
        return Err(JwkSetError::InvalidMember("alg"));
    }
    if !agrees("kid", &|kid| kid == key.kid()) {
        return Err(JwkSetError::InvalidMember("kid"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SigningKey;

    #[test]
    fn key_count_is_bounded() {
        let jwks = |count: u8| {
            let keys: Vec<_> = (0..count)
                .map(|seed| SigningKey::from_seed(&[seed; 32]).public_key())
                .collect();
            JwkSet::of(&keys).to_json()
        };
        assert!(JwkSet::parse(&jwks(64)).is_ok());
        assert_eq!(JwkSet::parse(&jwks(65)), Err(JwkSetError::TooManyKeys));
        let long = format!("{{\"keys\":[]}}{}", " ".repeat(MAX_BYTES));
        assert_eq!(JwkSet::parse(&long), Err(JwkSetError::TooLarge));
    }

    #[test]
    fn one_key_stands_once() {
        let key = SigningKey::from_seed(&[1; 32]).public_key();
        assert_eq!(JwkSet::of(&[key.clone(), key]).iter().count(), 1);
    }

    proptest! {
        #[test]
        fn sets_round_trip(seeds in proptest::collection::vec((any::<[u8; 32]>(), any::<bool>()), 0..5)) {
            let key = |(seed, ed25519): &([u8; 32], bool)| {
                let algorithm = if *ed25519 { Algorithm::EdDsa } else { Algorithm::Es256 };
                SigningKey::from_secret(algorithm, seed).ok().map(|key| key.public_key())
            };
            let keys: Vec<_> = seeds.iter().filter_map(key).collect();
            let set = JwkSet::of(&keys);
            prop_assert_eq!(JwkSet::parse(&set.to_json()), Ok(set));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = JwkSet::parse(&text);
        }
    }
}
