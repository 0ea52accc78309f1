//! A refresh token's text.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use strongroom_tenancy::base62::{self, DIGITS as SECRET_DIGITS};
use zeroize::{ZeroizeOnDrop, Zeroizing};

const ID_DIGITS: usize = 12;
const CHECKSUM_DIGITS: usize = 6;
const INFIX: &str = "_rt_";
/// What follows the prefix: `_rt_`, the family, `_`, the secret, the checksum.
const TAIL: usize = INFIX.len() + ID_DIGITS + 1 + SECRET_DIGITS + CHECKSUM_DIGITS;

/// Names a family: 12 base62 characters.
///
/// # Security
/// It is no secret: it may stand in logs and events, and with it alone nothing can be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId([u8; ID_DIGITS]);

/// A refresh token, as its holder has it: well-formed, not yet accepted. Wiped when dropped.
pub struct RefreshToken {
    text: Zeroizing<String>,
    prefix: usize,
    family: FamilyId,
    secret: Zeroizing<[u8; 32]>,
}

/// Why a text is not a refresh token; never says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshTokenError {
    /// Shorter or longer than a refresh token is.
    #[error("refresh token: not 68 to 78 bytes long")]
    Length,
    /// The prefix is not 2 to 12 lower-case letters and digits, a letter first.
    #[error("refresh token: the prefix is not 2 to 12 lower-case letters and digits")]
    Prefix,
    /// Not `_rt_` and `_` where they stand.
    #[error("refresh token: not the parts of a refresh token")]
    Parts,
    /// The family or the secret has a character that is not base62, or the secret is too large.
    #[error("refresh token: not base62")]
    Base62,
    /// The checksum does not hold: the text is mistyped, cut or made up.
    #[error("refresh token: the checksum does not hold")]
    Checksum,
}

impl FamilyId {
    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// An id of 72 random bits, of which the twelve digits keep the value below 62^12.
    pub(crate) fn from_bytes(bytes: &[u8; 9]) -> Self {
        let value = bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u128::from(*byte));
        Self(base62::encode_number(value))
    }
}

impl FromStr for FamilyId {
    type Err = RefreshTokenError;

    fn from_str(text: &str) -> Result<Self, RefreshTokenError> {
        let digits: [u8; ID_DIGITS] = text
            .as_bytes()
            .try_into()
            .map_err(|_| RefreshTokenError::Length)?;
        if digits.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self(digits))
        } else {
            Err(RefreshTokenError::Base62)
        }
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyId({self})")
    }
}

impl RefreshToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`RefreshTokenError`] naming the part at fault.
    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        let prefix = text
            .len()
            .checked_sub(TAIL)
            .ok_or(RefreshTokenError::Length)?;
        if !(2..=12).contains(&prefix) {
            return Err(RefreshTokenError::Length);
        }
        let (prefix_text, tail) = text
            .split_at_checked(prefix)
            .ok_or(RefreshTokenError::Parts)?;
        if !is_prefix(prefix_text) {
            return Err(RefreshTokenError::Prefix);
        }
        let tail = tail.strip_prefix(INFIX).ok_or(RefreshTokenError::Parts)?;
        let (family, rest) = tail
            .split_at_checked(ID_DIGITS)
            .ok_or(RefreshTokenError::Parts)?;
        let rest = rest.strip_prefix('_').ok_or(RefreshTokenError::Parts)?;
        let family = family.parse()?;
        let (secret, checksum) = rest
            .split_at_checked(SECRET_DIGITS)
            .ok_or(RefreshTokenError::Base62)?;
        let secret = base62::decode(secret.as_bytes()).ok_or(RefreshTokenError::Base62)?;
        let token = Self::assemble(prefix_text, family, &secret);
        if !token.text.ends_with(checksum) {
            return Err(RefreshTokenError::Checksum);
        }
        Ok(token)
    }

    /// The whole text, to be handed to its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The family that it is of.
    #[must_use]
    pub const fn family(&self) -> FamilyId {
        self.family
    }

    /// The SHA-256 of the whole text, which is what is stored. The secret has 128 random bits: no
    /// slow hash is needed.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }

    pub(crate) fn prefix(&self) -> &str {
        self.text.get(..self.prefix).unwrap_or_default()
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Puts a token together; the prefix was checked.
    pub(crate) fn assemble(prefix: &str, family: FamilyId, secret: &[u8; 32]) -> Self {
        // Full size from the start: a buffer that grew would leave the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + TAIL));
        text.push_str(prefix);
        text.push_str(INFIX);
        text.push_str(family.as_str());
        text.push('_');
        let digits = base62::encode(secret);
        text.extend(digits.iter().copied().map(char::from));
        let checksum = crc32fast::hash(text.as_bytes());
        let checksum: [u8; CHECKSUM_DIGITS] = base62::encode_number(checksum.into());
        text.extend(checksum.into_iter().map(char::from));
        Self {
            text,
            prefix: prefix.len(),
            family,
            secret: Zeroizing::new(*secret),
        }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({})", self.family)
    }
}

impl ZeroizeOnDrop for RefreshToken {}

pub(crate) fn is_prefix(prefix: &str) -> bool {
    let is_rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (2..=12).contains(&prefix.len())
        && prefix.starts_with(|first: char| first.is_ascii_lowercase())
        && prefix.bytes().all(is_rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The worked example of the specification.
    const EXAMPLE: &str = "acme_rt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf";

    fn example() -> RefreshToken {
        let secret: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        RefreshToken::assemble("acme", "0123456789AB".parse().unwrap(), &secret)
    }

    #[test]
    fn the_worked_example_holds() {
        let token = example();
        assert!(token.expose().starts_with(EXAMPLE), "{}", token.expose());
        let checksum = u128::from(crc32fast::hash(EXAMPLE.as_bytes()));
        let checksum: [u8; 6] = base62::encode_number(checksum);
        assert_eq!(&token.expose().as_bytes()[EXAMPLE.len()..], checksum);
        let page = include_str!("../../../../docs/spec/refresh-token.md");
        assert!(page.contains(token.expose()));
    }

    #[test]
    fn rejections() {
        let good = example().expose().to_owned();
        assert!(RefreshToken::parse(&good).is_ok());
        let last = if good.ends_with('0') { '1' } else { '0' };
        for (name, text, expected) in [
            ("empty", String::new(), RefreshTokenError::Length),
            (
                "cut",
                good.split_at(good.len() - 7).0.into(),
                RefreshTokenError::Length,
            ),
            (
                "long",
                format!("acmeacmeacme{good}"),
                RefreshTokenError::Length,
            ),
            ("line feed", format!("{good}\n"), RefreshTokenError::Prefix),
            (
                "upper case",
                good.replace("acme", "Acme"),
                RefreshTokenError::Prefix,
            ),
            (
                "digit first",
                good.replace("acme", "1cme"),
                RefreshTokenError::Prefix,
            ),
            (
                "an API key",
                good.replace("_rt_", "_lt_"),
                RefreshTokenError::Parts,
            ),
            (
                "no separator",
                good.replace("B_0", "B00"),
                RefreshTokenError::Parts,
            ),
            (
                "odd family",
                good.replace("89AB", "89-B"),
                RefreshTokenError::Base62,
            ),
            (
                "odd secret",
                good.replace("003a", "00-a"),
                RefreshTokenError::Base62,
            ),
            (
                "another family",
                good.replace("89AB", "89AC"),
                RefreshTokenError::Checksum,
            ),
            (
                "another prefix",
                good.replace("acme", "acmf"),
                RefreshTokenError::Checksum,
            ),
            (
                "other checksum",
                format!("{}{last}", good.split_at(good.len() - 1).0),
                RefreshTokenError::Checksum,
            ),
            (
                "not ASCII",
                good.replace("89AB", "8äB"),
                RefreshTokenError::Base62,
            ),
        ] {
            assert_eq!(RefreshToken::parse(&text).err(), Some(expected), "{name}");
        }
        let huge = good.replace("003aUlTJC7tj", "zzzzzzzzzzzz");
        assert_eq!(
            RefreshToken::parse(&huge).err(),
            Some(RefreshTokenError::Base62)
        );
    }

    #[test]
    fn debug_shows_the_family_alone() {
        assert_eq!(format!("{:?}", example()), "RefreshToken(0123456789AB)");
    }

    proptest! {
        #[test]
        fn tokens_round_trip(secret: [u8; 32], id: [u8; 9], prefix in "[a-z][a-z0-9]{1,11}") {
            let token = RefreshToken::assemble(&prefix, FamilyId::from_bytes(&id), &secret);
            let read = RefreshToken::parse(token.expose()).unwrap();
            prop_assert_eq!(read.expose(), token.expose());
            prop_assert_eq!(read.secret(), &secret);
            prop_assert_eq!(read.prefix(), prefix);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,100}") {
            let _ = RefreshToken::parse(&text);
        }

        #[test]
        fn one_other_character_is_refused(secret: [u8; 32], at in 0_usize..70, other in "[0-9A-Za-z_-]") {
            let token = RefreshToken::assemble("acme", FamilyId::from_bytes(&[7; 9]), &secret);
            let mut text = token.expose().to_owned();
            text.replace_range(at..=at, &other);
            prop_assert!(text == token.expose() || RefreshToken::parse(&text).is_err());
        }
    }
}
