//! The schemes that sign a timestamp, and what each signs.

use crate::MessageId;
use crate::message::MAX_BYTES;

/// The digits of the greatest `u64`.
const DIGITS: usize = 20;

/// The longest id, the longest timestamp, and a dot behind each.
const LONGEST: usize = MAX_BYTES + 1 + DIGITS + 1;

/// A scheme with a timestamp, and so with a window (`docs/spec/webhook.md`, sections 2 and 5).
///
/// GitHub's is none of these: it signs no timestamp, and has types of its own, from
/// [`UndatedVerifier`](crate::UndatedVerifier) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// Standard Webhooks, `v1` and `v1a`.
    Standard,
    /// The same under Svix's header names.
    Svix,
    /// `stripe-signature`.
    Stripe,
    /// `x-slack-signature`.
    Slack,
}

impl Scheme {
    /// Whether a message's id is sent and signed, and is not made of its body.
    pub(crate) const fn sends_id(self) -> bool {
        matches!(self, Self::Standard | Self::Svix)
    }

    /// All of the signed bytes that comes before the body. Only a scheme that sends no id has
    /// none here.
    pub(crate) fn signed_prefix(self, id: Option<&MessageId>, timestamp: u64) -> Prefix {
        let id = id.filter(|_| self.sends_id());
        let mut prefix = Prefix::default();
        match self {
            Self::Standard | Self::Svix => {
                prefix.push(id.map_or("", MessageId::as_str).as_bytes());
                prefix.push(b".");
                prefix.push_decimal(timestamp);
                prefix.push(b".");
            }
            Self::Stripe => {
                prefix.push_decimal(timestamp);
                prefix.push(b".");
            }
            Self::Slack => {
                prefix.push(b"v0:");
                prefix.push_decimal(timestamp);
                prefix.push(b":");
            }
        }
        prefix
    }
}

/// Bytes without an allocation or the formatting machinery, either of which takes about as long as
/// hashing them.
pub(crate) struct Prefix {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Prefix {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.length + part.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(part);
            self.length = end;
        }
    }

    fn push_decimal(&mut self, mut number: u64) {
        let (mut digits, mut start) = ([0; DIGITS], DIGITS);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        self.push(digits.get(start..).unwrap_or_default());
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST],
            length: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_prefix_is_what_is_signed(timestamp: u64, id in "[!-\\-/-~]{1,256}") {
            let id: MessageId = id.parse().unwrap();
            let prefix = |scheme: Scheme| {
                let prefix = scheme.signed_prefix(Some(&id), timestamp);
                String::from_utf8(prefix.as_bytes().to_vec()).unwrap()
            };
            prop_assert_eq!(prefix(Scheme::Standard), format!("{id}.{timestamp}."));
            prop_assert_eq!(prefix(Scheme::Svix), format!("{id}.{timestamp}."));
            prop_assert_eq!(prefix(Scheme::Stripe), format!("{timestamp}."));
            prop_assert_eq!(prefix(Scheme::Slack), format!("v0:{timestamp}:"));
        }
    }
}
