//! The message id: what a sender calls one message, over all its delivery attempts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Header, WebhookError};

/// The longest id, in bytes.
pub(crate) const MAX_BYTES: usize = 256;

/// Names one message: 1 to 256 visible ASCII characters without a dot.
///
/// # Security
/// The dot is refused because it separates the signed parts: with it, the id `a.1` with the body
/// `b` and the id `a` with the body `1.b` would have one signature (`docs/spec/webhook.md`,
/// section 3).
///
/// ```
/// use strongroom_webhook_sig::MessageId;
///
/// assert!("msg_p5jXN8AQM9LWM0D4loKWxJek".parse::<MessageId>().is_ok());
/// assert!("msg.1".parse::<MessageId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// The id of a message that came without one.
    pub(crate) fn of_body(digest: &[u8; 32]) -> Self {
        Self(format!("sha256:{}", hex::encode(digest)).into())
    }

    /// The id as it stands in the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl FromStr for MessageId {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_graphic() && b != b'.';
        if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(allowed) {
            return Err(WebhookError::MalformedHeader(Header::Id));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rejections() {
        for (name, text) in [
            ("empty", ""),
            ("dot", "a.b"),
            ("dot at the end", "a."),
            ("space", "a b"),
            ("tab", "a\tb"),
            ("line feed", "a\n"),
            ("delete", "a\u{7f}"),
            ("not ascii", "é"),
            ("257 bytes", &"x".repeat(257)),
        ] {
            let expected = Err(WebhookError::MalformedHeader(Header::Id));
            assert_eq!(text.parse::<MessageId>(), expected, "{name}");
        }
        assert!("x".repeat(256).parse::<MessageId>().is_ok());
    }

    proptest! {
        #[test]
        fn text_round_trips(text in "[!-\\-/-~]{1,256}") {
            let id: MessageId = text.parse().unwrap();
            prop_assert_eq!(id.to_string(), text);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,300}") {
            let _ = text.parse::<MessageId>();
        }
    }
}
