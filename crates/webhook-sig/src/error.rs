//! Why a webhook is refused, as a value, a status and a problem document.

use std::fmt;

/// Seconds after which a sender may try again what is in flight, or met no store.
const RETRY_AFTER: u64 = 5;

/// A header of one of the schemes (`docs/spec/webhook.md`, sections 2 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Header {
    /// `webhook-id`
    Id,
    /// `webhook-timestamp`
    Timestamp,
    /// `webhook-signature`
    Signature,
    /// `svix-id`
    SvixId,
    /// `svix-timestamp`
    SvixTimestamp,
    /// `svix-signature`
    SvixSignature,
    /// `stripe-signature`
    StripeSignature,
    /// `x-slack-request-timestamp`
    SlackTimestamp,
    /// `x-slack-signature`
    SlackSignature,
    /// `x-hub-signature-256`
    GithubSignature,
    /// `x-github-delivery`
    GithubDelivery,
}

impl Header {
    /// The header's name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "webhook-id",
            Self::Timestamp => "webhook-timestamp",
            Self::Signature => "webhook-signature",
            Self::SvixId => "svix-id",
            Self::SvixTimestamp => "svix-timestamp",
            Self::SvixSignature => "svix-signature",
            Self::StripeSignature => "stripe-signature",
            Self::SlackTimestamp => "x-slack-request-timestamp",
            Self::SlackSignature => "x-slack-signature",
            Self::GithubSignature => "x-hub-signature-256",
            Self::GithubDelivery => "x-github-delivery",
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message is refused, or a secret unusable.
///
/// # Security
/// No variant carries anything that was received, so each can be logged and answered as it is. A
/// wrong key and a wrong MAC are both [`SignatureMismatch`](Self::SignatureMismatch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A header is absent.
    #[error("missing header: {0}")]
    MissingHeader(Header),
    /// A header stands twice.
    #[error("header sent more than once: {0}")]
    DuplicateHeader(Header),
    /// A header is outside the grammar (`docs/spec/webhook.md`, sections 2 and 5).
    #[error("malformed header: {0}")]
    MalformedHeader(Header),
    /// The scheme's headers together exceed [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES).
    #[error("the webhook headers exceed 4096 bytes")]
    HeadersTooLarge,
    /// More than [`MAX_SIGNATURES`](crate::MAX_SIGNATURES) entries, or pairs of a public key and an
    /// entry.
    #[error("too many signatures")]
    TooManySignatures,
    /// No entry is of a version that the scheme knows.
    #[error("no signature of a supported version")]
    NoSupportedSignature,
    /// The timestamp is before the window, or before what the replay guard remembers.
    #[error("the timestamp is too old")]
    TooOld,
    /// The timestamp is after the window.
    #[error("the timestamp is too new")]
    TooNew,
    /// No key made any of the signatures for these bytes.
    #[error("no signature matches")]
    SignatureMismatch,
    /// This very delivery (id and timestamp) was accepted before.
    #[error("this delivery was accepted before")]
    Replayed,
    /// Another delivery of this message is being handled.
    #[error("this message is being handled")]
    InFlight,
    /// The claim that is to be settled is not held: it lapsed, or was settled the other way.
    #[error("the claim on this message is no longer held")]
    ClaimLost,
    /// The body is longer than the verifier's limit.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body broke off before its end.
    #[error("the body is incomplete")]
    BodyIncomplete,
    /// The replay guard failed or is full; the message must be refused.
    #[error("the replay store is unavailable")]
    StoreUnavailable,
    /// A secret is not as its scheme writes it, or not of 24 to 64 bytes.
    #[error("signing secret: expected 24 to 64 bytes, as the scheme writes them")]
    InvalidSecret,
    /// Not `whsk_` or `whpk_` and the base64 of an Ed25519 key, or a weak one.
    #[error("signing key: expected whsk_ or whpk_ and the base64 of an ed25519 key")]
    InvalidKey,
    /// No key, or more than the scheme takes.
    #[error("expected 1 to 16 signing keys; slack signs with one")]
    SecretCount,
    /// A key, or a set of headers, is of another scheme than the verifier or signer.
    #[error("the key or the headers are of another scheme")]
    WrongScheme,
    /// The operating system gave no random bytes.
    #[error("no randomness available")]
    RandomnessUnavailable,
}

impl WebhookError {
    /// The refusal's stable name (`docs/spec/webhook.md`, section 7).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.entry().0
    }

    /// The HTTP status to answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.entry().1
    }

    /// What to say in `Retry-After`, in seconds, where a later attempt may fare better.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::InFlight | Self::StoreUnavailable => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The problem document to answer with (RFC 9457), as JSON.
    ///
    /// Its media type is `application/problem+json`. Every member is a fixed text.
    ///
    /// ```
    /// # use strongroom_webhook_sig::WebhookError;
    /// assert_eq!(
    ///     WebhookError::SignatureMismatch.problem(),
    ///     concat!(
    ///         r#"{"type":"https://strongroom.dev/problems/webhook-signature-mismatch","#,
    ///         r#""title":"Webhook signature mismatch","status":401,"detail":"no signature matches"}"#,
    ///     ),
    /// );
    /// ```
    #[must_use]
    pub fn problem(&self) -> String {
        let (code, status, title) = self.entry();
        format!(
            r#"{{"type":"https://strongroom.dev/problems/webhook-{code}","title":"{title}","status":{status},"detail":"{self}"}}"#
        )
    }

    const fn entry(&self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MissingHeader(_) => ("missing-header", 401, "Webhook header missing"),
            Self::DuplicateHeader(_) => ("duplicate-header", 401, "Webhook header duplicated"),
            Self::MalformedHeader(_) => ("malformed-header", 401, "Webhook header malformed"),
            Self::HeadersTooLarge => ("headers-too-large", 401, "Webhook headers too large"),
            Self::TooManySignatures => ("too-many-signatures", 401, "Too many webhook signatures"),
            Self::NoSupportedSignature => (
                "no-supported-signature",
                401,
                "Webhook signature scheme not supported",
            ),
            Self::TooOld => ("too-old", 401, "Webhook too old"),
            Self::TooNew => ("too-new", 401, "Webhook too new"),
            Self::SignatureMismatch => ("signature-mismatch", 401, "Webhook signature mismatch"),
            Self::Replayed => ("replayed", 401, "Webhook replayed"),
            Self::InFlight => ("in-flight", 409, "Webhook in flight"),
            Self::ClaimLost => ("claim-lost", 409, "Webhook claim lost"),
            Self::BodyTooLarge => ("body-too-large", 413, "Webhook body too large"),
            Self::BodyIncomplete => ("body-incomplete", 401, "Webhook body incomplete"),
            Self::StoreUnavailable => ("store-unavailable", 503, "Webhook store unavailable"),
            Self::InvalidSecret => ("invalid-secret", 500, "Webhook secret invalid"),
            Self::InvalidKey => ("invalid-key", 500, "Webhook key invalid"),
            Self::WrongScheme => ("wrong-scheme", 500, "Webhook scheme confused"),
            Self::SecretCount => ("secret-count", 500, "Webhook secret count out of bounds"),
            Self::RandomnessUnavailable => {
                ("randomness-unavailable", 500, "Randomness unavailable")
            }
        }
    }
}
