//! The schemes that sign a timestamp, and what each signs.

use crate::MessageId;

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
    pub(crate) fn signed_prefix(self, id: Option<&MessageId>, timestamp: u64) -> Vec<u8> {
        match (self, id) {
            (Self::Slack, _) => format!("v0:{timestamp}:").into_bytes(),
            (Self::Standard | Self::Svix, Some(id)) => format!("{id}.{timestamp}.").into_bytes(),
            (Self::Standard | Self::Svix | Self::Stripe, _) => format!("{timestamp}.").into_bytes(),
        }
    }
}
