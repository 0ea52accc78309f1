//! The public parts of a key: prefix, environment and key id.

use std::fmt;
use std::str::FromStr;

use strongroom_tenancy::base62;

const ID_BYTES: usize = 12;
const MAX_PREFIX_BYTES: usize = 12;

/// Why a text is not an API key, by the part that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The text, or what follows the key id, is too short or too long.
    #[error("api key: wrong length")]
    Length,
    /// The prefix is not a lower-case letter and 1 to 11 lower-case letters or digits.
    #[error("api key: malformed prefix")]
    Prefix,
    /// The environment is neither `live` nor `test`.
    #[error("api key: unknown environment")]
    Environment,
    /// The key id is not 12 base62 characters.
    #[error("api key: malformed key id")]
    Id,
    /// The secret part is not base62, or stands for more than 32 bytes.
    #[error("api key: malformed secret part")]
    Secret,
    /// The checksum is another one: a typing error, or not a key.
    #[error("api key: wrong checksum")]
    Checksum,
}

impl ParseError {
    /// The error's stable name (`docs/spec/api-key.md`, section 2).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Prefix => "prefix",
            Self::Environment => "environment",
            Self::Id => "id",
            Self::Secret => "secret",
            Self::Checksum => "checksum",
        }
    }
}

/// Whose keys these are: a lower-case letter, then 1 to 11 lower-case letters or digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// ASCII, with zeros behind: a presented key is read without an allocation for its parts.
    bytes: [u8; MAX_PREFIX_BYTES],
    length: usize,
}

impl Prefix {
    /// The prefix as it stands in the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Prefix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if !starts_well || !(2..=12).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(ParseError::Prefix);
        }
        let mut bytes = [0; MAX_PREFIX_BYTES];
        for (place, byte) in bytes.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        Ok(Self {
            bytes,
            length: text.len(),
        })
    }
}

/// Whether a key opens what is real or what is for trying out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Real data.
    Live,
    /// Test data.
    Test,
}

impl Environment {
    /// Both environments.
    pub const ALL: [Self; 2] = [Self::Live, Self::Test];

    /// The environment as it stands in the key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == text)
            .ok_or(ParseError::Environment)
    }
}

/// Names one key: 12 base62 characters, public, safe to log, and what its record is found by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

impl KeyId {
    /// Makes an id from 16 random bytes, a big-endian number taken modulo 62^12.
    #[must_use]
    pub fn from_random(bytes: &[u8; 16]) -> Self {
        Self(base62::encode_number(u128::from_be_bytes(*bytes)))
    }

    /// The id as it stands in the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes().try_into().map_err(|_| ParseError::Id)?;
        if !base62::is_base62(text.as_bytes()) {
            return Err(ParseError::Id);
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefix_rejections() {
        for (name, text) in [
            ("empty", ""),
            ("one letter", "c"),
            ("13 letters", "customersofus"),
            ("digit first", "1cust"),
            ("upper case", "Cust"),
            ("upper case inside", "cUst"),
            ("underscore", "cu_st"),
            ("hyphen", "cu-st"),
            ("not ascii", "cüst"),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(ParseError::Prefix), "{name}");
        }
        for accepted in ["cu", "c9", "customersof1"] {
            assert_eq!(accepted.parse::<Prefix>().unwrap().as_str(), accepted);
        }
    }

    #[test]
    fn environment_rejections() {
        for text in ["", "prod", "Live", "live ", "liv"] {
            assert_eq!(text.parse::<Environment>(), Err(ParseError::Environment));
        }
        for environment in Environment::ALL {
            assert_eq!(environment.to_string().parse(), Ok(environment));
        }
    }

    #[test]
    fn key_id_rejections() {
        for (name, text) in [
            ("empty", ""),
            ("11 characters", "0123456789A"),
            ("13 characters", "0123456789ABC"),
            ("hyphen", "0123456789-B"),
            ("12 bytes, 11 characters", "0123456789é"),
            ("line feed", "0123456789A\n"),
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(ParseError::Id), "{name}");
        }
    }

    proptest! {
        #[test]
        fn key_ids_round_trip(bytes: [u8; 16]) {
            let id = KeyId::from_random(&bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,20}") {
            let _ = text.parse::<Prefix>();
            let _ = text.parse::<Environment>();
            let _ = text.parse::<KeyId>();
        }
    }
}
