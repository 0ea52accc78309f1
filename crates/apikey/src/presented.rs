//! The presentation: one credential, in one of two header fields, and never in a URL.

use std::fmt;

use crate::{ApiKey, ParseError};

/// The longest key, in bytes, those of other systems included.
const MAX_KEY: usize = 255;

/// The longest bearer credential, in bytes: access tokens come in the same field.
const MAX_BEARER: usize = 8192;

/// The longest request target that is searched, in bytes; a longer one is refused.
const MAX_TARGET: usize = 64 * 1024;

/// Query parameters that carry a credential, without `-` and `_`.
const PARAMETERS: [&str; 3] = ["apikey", "xapikey", "accesstoken"];

/// Where the credential stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `X-API-Key`.
    XApiKey,
    /// `Authorization: Bearer`.
    Bearer,
}

/// The one credential of a request, not looked at yet; its `Debug` shows the place alone.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    place: Place,
    text: &'a str,
}

/// Why a request's credential is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// Both fields, or one of them twice: nobody could say which one counts.
    #[error("credential: more than one is given")]
    TwoCredentials,
    /// The request target holds one, which logs and histories then hold too.
    #[error("credential: never in a URL")]
    InUrl,
    /// `Authorization` has another scheme than `Bearer`.
    #[error("credential: expected the scheme Bearer")]
    WrongScheme,
    /// It is empty, too long, or has bytes that no key or token has.
    #[error("credential: malformed")]
    Malformed,
}

impl PresentationError {
    /// The refusal's stable name (`docs/spec/api-key.md`, section 5).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TwoCredentials => "two-credentials",
            Self::InUrl => "credential-in-url",
            Self::WrongScheme => "wrong-scheme",
            Self::Malformed => "malformed-credential",
        }
    }
}

impl<'a> Presented<'a> {
    /// Finds the credential of a request, if it has one.
    ///
    /// `headers` are all fields, each value apart; `target` is the request target, as it was sent.
    ///
    /// # Errors
    /// [`PresentationError`].
    ///
    /// ```
    /// use strongroom_apikey::{Place, Presented, TEST_KEY};
    ///
    /// let headers = [("X-Api-Key", TEST_KEY.as_bytes())];
    /// let shown = Presented::find(headers, "/v1/chat?stream=1")?.ok_or("no credential")?;
    /// assert_eq!(shown.place(), Place::XApiKey);
    /// assert_eq!(shown.key()?.id().as_str(), "EXAMPLEKEY00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        target: &str,
    ) -> Result<Option<Self>, PresentationError> {
        if has_credential(target) {
            return Err(PresentationError::InUrl);
        }
        let mut found = None;
        for (name, value) in headers {
            let place = if name.eq_ignore_ascii_case("x-api-key") {
                Place::XApiKey
            } else if name.eq_ignore_ascii_case("authorization") {
                Place::Bearer
            } else {
                continue;
            };
            if found.replace((place, value)).is_some() {
                return Err(PresentationError::TwoCredentials);
            }
        }
        found
            .map(|(place, value)| Self::read(place, value))
            .transpose()
    }

    fn read(place: Place, value: &'a [u8]) -> Result<Self, PresentationError> {
        let (text, longest) = match place {
            Place::XApiKey => (value, MAX_KEY),
            Place::Bearer => {
                let at = value.iter().position(|byte| *byte == b' ');
                let parts = at.and_then(|at| value.split_at_checked(at));
                let (scheme, rest) = parts.unwrap_or((value, b""));
                if !scheme.eq_ignore_ascii_case(b"bearer") {
                    return Err(PresentationError::WrongScheme);
                }
                (rest.strip_prefix(b" ").unwrap_or_default(), MAX_BEARER)
            }
        };
        if !(1..=longest).contains(&text.len()) || !are_credential_bytes(text) {
            return Err(PresentationError::Malformed);
        }
        let text = str::from_utf8(text).map_err(|_| PresentationError::Malformed)?;
        Ok(Self { place, text })
    }

    /// Where it stood.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The text, which is a secret.
    #[must_use]
    pub const fn expose(&self) -> &'a str {
        self.text
    }

    /// The key, if it is one.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn key(&self) -> Result<ApiKey, ParseError> {
        ApiKey::parse(self.text)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({:?})", self.place)
    }
}

/// What a key or a token is made of: `b64token` of RFC 6750, section 2.1.
/// Without a branch, so that many bytes are looked at together.
pub(crate) fn are_credential_bytes(text: &[u8]) -> bool {
    text.iter().fold(true, |all, byte| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        // From `+` to `9` all are, but the comma.
        let is_digit_or_sign = (byte.wrapping_sub(b'+') < 15) & (*byte != b',');
        let is_other = (*byte == b'=') | (*byte == b'_') | (*byte == b'~');
        all & (is_letter | is_digit_or_sign | is_other)
    })
}

/// Whether a request target holds a credential, by a parameter's name or as a well-formed key.
fn has_credential(target: &str) -> bool {
    if target.len() > MAX_TARGET {
        return true;
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let is_named = query.split(['&', ';']).any(|pair| {
        let name = decoded(pair.split('=').next().unwrap_or_default());
        let plain = name
            .into_iter()
            .filter(|byte| !b"-_".contains(byte))
            .map(|byte| byte.to_ascii_lowercase());
        let plain: Vec<u8> = plain.collect();
        PARAMETERS.iter().any(|known| known.as_bytes() == plain)
    });
    // Decoded, a key's first letter may have gone into the byte before it: a log has the raw text.
    let in_text = is_named || has_key(target.as_bytes());
    in_text || (target.contains('%') && has_key(&decoded(target)))
}

/// A text with its `%xx` taken for the bytes that they are.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let mut digit = || char::from(rest.next()?).to_digit(16);
        match (byte, digit().zip(digit())) {
            (b'%', Some((high, low))) => {
                decoded.push((high * 16 + low) as u8);
                bytes.nth(1);
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

/// Whether a well-formed key stands anywhere in a text.
fn has_key(text: &[u8]) -> bool {
    const ENVIRONMENT: usize = "_live_".len();
    const REST: usize = ENVIRONMENT + 12 + "_".len() + 49;
    let windows = text.windows(ENVIRONMENT).enumerate();
    let mut places = windows.filter(|(_, part)| *part == b"_live_" || *part == b"_test_");
    places.any(|(at, _)| {
        (2..=12_usize).any(|prefix| {
            let key = at
                .checked_sub(prefix)
                .and_then(|from| text.get(from..at + REST));
            let key = key.and_then(|key| str::from_utf8(key).ok());
            key.is_some_and(|key| ApiKey::parse(key).is_ok())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_bytes_are_those_of_the_specification() {
        for byte in u8::MIN..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            assert_eq!(are_credential_bytes(&[byte]), expected, "{byte}");
        }
        assert!(!are_credential_bytes(b"aaaaaaaaaaaaaaaa,aaaaaaaaaaaaaaa"));
    }
}
