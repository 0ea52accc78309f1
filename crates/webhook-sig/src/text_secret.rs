//! Secrets whose text is the key, as Stripe, Slack and GitHub hand them out.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

use crate::WebhookError;
use crate::secret::{MAX_BYTES, MIN_BYTES};

const STRIPE_PREFIX: &str = "whsec_";

/// A MAC that is keyed with a text. The text itself is not kept.
pub(crate) struct TextSecret(Hmac<Sha256>);

/// The secret that a GitHub webhook was set up with: 24 to 64 bytes of text.
///
/// # Security
/// Who verifies with it can also sign with it, and what it signs is good for ever.
pub struct GithubSecret(TextSecret);

impl TextSecret {
    /// Takes all of Stripe's text, prefix included, as the key.
    pub(crate) fn stripe(text: &str) -> Result<Self, WebhookError> {
        let rest = text.strip_prefix(STRIPE_PREFIX);
        let rest = rest.filter(|rest| is_sized(rest) && is_visible(rest));
        Self::keyed(rest.map(|_| text))
    }

    /// Takes Slack's signing secret, which is hexadecimal, as it stands.
    pub(crate) fn slack(text: &str) -> Result<Self, WebhookError> {
        Self::keyed(Some(text).filter(|text| is_sized(text) && is_visible(text)))
    }

    /// The MAC, keyed and without input.
    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.0.clone()
    }

    fn keyed(text: Option<&str>) -> Result<Self, WebhookError> {
        let text = text.ok_or(WebhookError::InvalidSecret)?;
        let keyed = Hmac::new_from_slice(text.as_bytes());
        Ok(Self(keyed.map_err(|_| WebhookError::InvalidSecret)?))
    }
}

impl GithubSecret {
    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.0.mac()
    }
}

impl FromStr for GithubSecret {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // White space at an end is a file's line feed far more often than a part of the secret.
        let sound = is_sized(text) && text.trim() == text && !text.contains(char::is_control);
        TextSecret::keyed(Some(text).filter(|_| sound)).map(Self)
    }
}

impl fmt::Debug for TextSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextSecret")
    }
}

impl fmt::Debug for GithubSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GithubSecret")
    }
}

fn is_sized(text: &str) -> bool {
    (MIN_BYTES..=MAX_BYTES).contains(&text.len())
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "MfKQ9r8GKYqrTwjUPD8ILPZI";

    #[test]
    fn rejections() {
        let refused = Some(WebhookError::InvalidSecret);
        let long = "x".repeat(65);
        for (name, text) in [
            ("empty", ""),
            ("23 bytes", TEXT.get(1..).unwrap()),
            ("65 bytes", &long),
            ("line feed at the end", &format!("{TEXT}\n")),
            ("space at the front", &format!(" {TEXT}")),
            ("control character", "MfKQ9r8GKYqr\0TwjUPD8ILPZI"),
        ] {
            assert_eq!(TextSecret::slack(text).err(), refused, "slack: {name}");
            assert_eq!(text.parse::<GithubSecret>().err(), refused, "{name}");
            let stripe = format!("whsec_{text}");
            assert_eq!(TextSecret::stripe(&stripe).err(), refused, "stripe: {name}");
        }
        assert_eq!(TextSecret::stripe(TEXT).err(), refused);
        assert_eq!(
            TextSecret::slack("not ascii é MfKQ9r8GKYqrTwjU").err(),
            refused
        );
        for accepted in [TEXT, &"x".repeat(64)] {
            assert!(TextSecret::slack(accepted).is_ok());
            assert!(TextSecret::stripe(&format!("whsec_{accepted}")).is_ok());
        }
        assert!("It's a Secret to Everybody".parse::<GithubSecret>().is_ok());
        assert!(
            "Ein Schlüssel für alle Fälle"
                .parse::<GithubSecret>()
                .is_ok()
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let github: GithubSecret = TEXT.parse().unwrap();
        let slack = TextSecret::slack(TEXT).unwrap();
        assert_eq!(format!("{github:?} {slack:?}"), "GithubSecret TextSecret");
    }
}
