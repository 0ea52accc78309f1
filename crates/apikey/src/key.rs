//! The key itself: the text that is shown once.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use strongroom_tenancy::base62::{self, DIGITS as SECRET_DIGITS};
use zeroize::Zeroizing;

use crate::{Environment, HashedKey, KeyId, ParseError, Prefix};

/// What a secret scanner looks for, as a regular expression; the checksum then tells a key from
/// what only looks like one.
pub const PATTERN: &str = r"\b[a-z][a-z0-9]{1,11}_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b";

/// A well-formed key that opens nothing: its secret is 32 zero bytes, and it is published here so
/// that scanners and parsers can be tried on it.
pub const TEST_KEY: &str =
    "cust_test_EXAMPLEKEY00_00000000000000000000000000000000000000000004Atusu";

const CHECKSUM_DIGITS: usize = 6;
const TAIL_BYTES: usize = SECRET_DIGITS + CHECKSUM_DIGITS;
const MIN_BYTES: usize = 70;
const MAX_BYTES: usize = 80;

/// An API key, as its holder has it: well formed, not yet authenticated.
///
/// It is wiped when dropped, and cannot be cloned, compared or serialised; what a server stores
/// is its [`HashedKey`].
///
/// ```
/// use strongroom_apikey::{ApiKey, ParseError, TEST_KEY};
///
/// let key: ApiKey = TEST_KEY.parse()?;
/// assert_eq!(key.id().as_str(), "EXAMPLEKEY00");
/// assert_eq!(format!("{key:?}"), "ApiKey(cust_test_EXAMPLEKEY00)");
/// # Ok::<(), ParseError>(())
/// ```
pub struct ApiKey {
    text: SecretString,
    prefix: Prefix,
    environment: Environment,
    id: KeyId,
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no randomness available")]
pub struct RandomnessError;

impl ApiKey {
    /// Makes a new key: a random id and 256 random bits of secret, drawn apart.
    ///
    /// # Errors
    /// [`RandomnessError`] when the operating system gives no random bytes.
    pub fn generate(prefix: &Prefix, environment: Environment) -> Result<Self, RandomnessError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| RandomnessError)?;
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| RandomnessError)?;
        let id = KeyId::from_random(&id);
        Ok(Self::from_parts(prefix, environment, &id, &secret))
    }

    /// Makes the key of these parts.
    ///
    /// # Security
    /// The secret must be 32 bytes of a cryptographically secure generator, used for one key.
    #[must_use]
    pub fn from_parts(
        prefix: &Prefix,
        environment: Environment,
        id: &KeyId,
        secret: &[u8; 32],
    ) -> Self {
        // One allocation, filled to the last byte: neither growing nor boxing leaves a copy.
        let head = prefix.as_str().len() + environment.as_str().len() + id.as_str().len() + 3;
        let mut text = String::with_capacity(head + TAIL_BYTES);
        for part in [prefix.as_str(), environment.as_str(), id.as_str()] {
            text.push_str(part);
            text.push('_');
        }
        let secret = base62::encode(secret);
        text.extend(secret.iter().copied().map(char::from));
        let checksum = checksum(&text);
        text.extend(checksum.into_iter().map(char::from));
        Self {
            text: text.into_boxed_str().into(),
            prefix: prefix.clone(),
            environment,
            id: id.clone(),
        }
    }

    /// Reads a key's text.
    ///
    /// # Errors
    /// [`ParseError`] names the part that is wrong.
    ///
    /// # Security
    /// A key that parses is not one that was issued: see
    /// [`KeyRecord::authenticate`](crate::KeyRecord::authenticate).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if !(MIN_BYTES..=MAX_BYTES).contains(&text.len()) {
            return Err(ParseError::Length);
        }
        let (prefix, rest) = part(text);
        let prefix = prefix.parse()?;
        let (environment, rest) = part(rest.ok_or(ParseError::Environment)?);
        let environment = environment.parse()?;
        let (id, rest) = part(rest.ok_or(ParseError::Id)?);
        let id = id.parse()?;
        let tail = rest.ok_or(ParseError::Length)?;
        if tail.len() != TAIL_BYTES {
            return Err(ParseError::Length);
        }
        let (secret, _) = tail
            .split_at_checked(SECRET_DIGITS)
            .ok_or(ParseError::Secret)?;
        if !base62::is_encoded(secret.as_bytes()) {
            return Err(ParseError::Secret);
        }
        let (covered, given) = text
            .split_at_checked(text.len() - CHECKSUM_DIGITS)
            .ok_or(ParseError::Checksum)?;
        if checksum(covered) != given.as_bytes() {
            return Err(ParseError::Checksum);
        }
        Ok(Self {
            text: Box::<str>::from(text).into(),
            prefix,
            environment,
            id,
        })
    }

    /// The key id.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The environment.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The prefix.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The whole text, to be shown to the key's holder once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// What a server that has no [`Hasher`](crate::Hasher) stores of the key: its SHA-256.
    #[must_use]
    pub fn hash(&self) -> HashedKey {
        HashedKey::sha256(self.expose())
    }
}

impl FromStr for ApiKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ApiKey({}_{}_{})",
            self.prefix, self.environment, self.id
        )
    }
}

/// What stands before the next `_`, and what behind it. The parts are too short for `str::split`
/// to be worth its start.
fn part(text: &str) -> (&str, Option<&str>) {
    let end = text.bytes().position(|byte| byte == b'_');
    match end.and_then(|end| text.split_at_checked(end)) {
        None => (text, None),
        Some((part, rest)) => (part, rest.strip_prefix('_')),
    }
}

/// The checksum of what stands before it (`docs/spec/api-key.md`, section 2).
fn checksum(covered: &str) -> [u8; CHECKSUM_DIGITS] {
    base62::encode_checksum(crc32fast::hash(covered.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// GitHub's tokens have the same checksum, there without the prefix.
    #[test]
    fn the_checksum_routine_agrees_with_github() {
        let vectors = include_str!("../tests/vectors/checksum.json");
        let vectors: Vec<HashMap<String, String>> = serde_json::from_str(vectors).unwrap();
        assert!(vectors.len() >= 3 && vectors[0]["name"] == "github");
        for vector in vectors {
            let made = checksum(&vector["covered"]);
            assert_eq!(made, vector["checksum"].as_bytes(), "{}", vector["name"]);
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_parts() {
        let fixed = "_live_".len() + 12 + "_".len() + TAIL_BYTES;
        assert_eq!((MIN_BYTES, MAX_BYTES), (2 + fixed, 12 + fixed));
    }
}
