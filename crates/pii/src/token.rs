//! Tokens: what stands for a value in a text, and can be found again in what a model makes of it.

mod labels;

use std::borrow::Cow;
use std::fmt;

use crate::Class;

/// A token: its class's label and 70 random bits, in brackets.
///
/// The bits are fourteen characters of Crockford's base32 (no I, L, O, U), so that a change of case
/// or a look-alike changes nothing. A token says nothing of its value, and cannot be guessed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(String);

/// Crockford's base32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many characters of it make a token: 70 bits.
pub(crate) const CHARACTERS: usize = 14;
/// The longest label, in characters.
const LONGEST_LABEL: usize = 48;

/// The text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token: expected a label, an underscore and 14 characters of base32, in brackets")]
pub struct TokenError;

impl Token {
    /// How many random bytes a token is made of.
    pub const RANDOM: usize = 9;

    /// Makes the token of these random bytes.
    ///
    /// # Security
    /// They must come from a cryptographically secure generator, and be used for one token.
    #[must_use]
    pub fn from_random(class: &Class, random: &[u8; Self::RANDOM]) -> Self {
        let mut text = format!("[{}_", class.label());
        let bits = random
            .iter()
            .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        for index in 0..CHARACTERS {
            let place = usize::try_from(bits >> (5 * index) & 31).unwrap_or(0);
            text.push(char::from(*ALPHABET.get(place).unwrap_or(&b'0')));
        }
        text.push(']');
        Self(text)
    }

    /// The token as it stands in a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token's label, as `EMAIL`.
    #[must_use]
    pub fn label(&self) -> &str {
        let end = self.0.len().saturating_sub(CHARACTERS + 2);
        self.0.get(1..end).unwrap_or_default()
    }

    /// A text in which what leads back to a value, or tells two the same, has become a label:
    /// `[EMAIL]` for a token, for a code of the operator `hmac`, for what `mask` shows.
    ///
    /// A token of a built-in class is known in other letters and behind other marks as well; it is
    /// no matter whose it is.
    ///
    /// ```
    /// use strongroom_pii::Token;
    ///
    /// let text = "write to [EMAIL_K7Q2M4XR9TZB3C], not to email k7q2m4xr9tzb3c";
    /// assert_eq!(Token::labels(text), "write to [EMAIL], not to [EMAIL]");
    /// ```
    #[must_use]
    pub fn labels(text: &str) -> Cow<'_, str> {
        labels::labels(text)
    }

    /// The token's label and characters, without what may be lost on the way.
    pub(crate) fn folded(&self) -> String {
        self.0.chars().filter_map(fold).collect()
    }
}

/// A letter or digit of a token, whatever became of it: case, look-alikes.
pub(crate) fn fold(c: char) -> Option<char> {
    match c.to_ascii_uppercase() {
        'O' => Some('0'),
        'I' | 'L' => Some('1'),
        c if c.is_ascii_alphanumeric() => Some(c),
        _ => None,
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What stands between brackets.
fn inner(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// A token's label and random characters.
fn halves(inner: &str) -> Option<(&str, &str)> {
    let (label, random) = inner.rsplit_once('_')?;
    let legal = |b: u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    let random_legal = random.len() == CHARACTERS && random.bytes().all(|b| ALPHABET.contains(&b));
    let label_legal = (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(legal);
    (random_legal && label_legal).then_some((label, random))
}

impl std::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let halves = inner(text).and_then(halves);
        halves.map(|_| Self(text.to_owned())).ok_or(TokenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_label_and_its_bits() {
        let token = Token::from_random(&Class::Email, &[0xFF; 9]);
        assert_eq!(token.as_str(), "[EMAIL_ZZZZZZZZZZZZZZ]");
        assert_eq!(token.as_str().parse(), Ok(token.clone()));
        assert_eq!(token.label(), "EMAIL");
        assert_eq!(token.folded(), "EMA11ZZZZZZZZZZZZZZ");
        let other = Token::from_random(&Class::UsSsn, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(other.as_str().parse(), Ok(other));
    }

    #[test]
    fn every_bit_of_the_seventy_counts() {
        let zero = Token::from_random(&Class::Email, &[0; 9]);
        for bit in 0..70 {
            let mut random = [0; 9];
            random[8 - bit / 8] = 1 << (bit % 8);
            assert_ne!(
                Token::from_random(&Class::Email, &random),
                zero,
                "bit {bit}"
            );
        }
    }

    #[test]
    fn what_is_no_token() {
        for text in [
            "",
            "[EMAIL]",
            "[EMAIL_1]",
            "[EMAIL_ZZZZZZZZZZZZZ]",
            "[EMAIL_ZZZZZZZZZZZZZZZ]",
            "EMAIL_ZZZZZZZZZZZZZZ",
            "[_ZZZZZZZZZZZZZZ]",
            "[EMAIL_ZZZZZZZZZZZZZU]",
            "[email_ZZZZZZZZZZZZZZ]",
            "[EMAIL_zzzzzzzzzzzzzz]",
        ] {
            assert_eq!(text.parse::<Token>(), Err(TokenError), "{text}");
        }
    }
}
