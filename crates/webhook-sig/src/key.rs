//! The keys of a receiver and of a sender, whatever their scheme.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::signatures::{ED25519_BYTES, MAC_BYTES};
use crate::text_secret::TextSecret;
use crate::{Scheme, SigningKey, SigningSecret, VerifyingKey, WebhookError};

/// A key to verify with.
///
/// ```
/// use strongroom_webhook_sig::{ReceiverKey, Scheme};
///
/// assert!(ReceiverKey::parse(Scheme::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
/// assert!(ReceiverKey::parse(Scheme::Slack, "8f742231b10e8888abcd99yyyzzz85a5").is_ok());
/// ```
#[derive(Debug)]
pub struct ReceiverKey(Receiving);

/// A key to sign with.
#[derive(Debug)]
pub struct SenderKey(Sending);

/// A signature that was just made.
pub(crate) enum Made {
    Mac([u8; MAC_BYTES]),
    Ed25519([u8; ED25519_BYTES]),
}

#[derive(Debug)]
enum Receiving {
    Secret(SigningSecret),
    Public(VerifyingKey),
    Text(Scheme, TextSecret),
}

#[derive(Debug)]
enum Sending {
    Secret(SigningSecret),
    Private(SigningKey),
    Text(Scheme, TextSecret),
}

impl ReceiverKey {
    /// Reads a key as its scheme writes it: `whsec_` and `whpk_` for Standard Webhooks and Svix,
    /// `whsec_` for Stripe, any text of 24 to 64 characters for Slack.
    ///
    /// Stripe's secrets look like those of Standard Webhooks and are used in another way, hence
    /// the scheme.
    ///
    /// # Errors
    /// [`WebhookError::InvalidSecret`], [`WebhookError::InvalidKey`].
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, WebhookError> {
        Ok(Self(match scheme {
            Scheme::Standard | Scheme::Svix if text.starts_with("whpk_") => {
                Receiving::Public(text.parse()?)
            }
            Scheme::Standard | Scheme::Svix => Receiving::Secret(text.parse()?),
            Scheme::Stripe => Receiving::Text(scheme, TextSecret::stripe(text)?),
            Scheme::Slack => Receiving::Text(scheme, TextSecret::slack(text)?),
        }))
    }

    /// The MAC under it, keyed and without input.
    pub(crate) fn mac(&self) -> Option<Hmac<Sha256>> {
        match &self.0 {
            Receiving::Secret(secret) => Some(secret.mac()),
            Receiving::Text(_, secret) => Some(secret.mac()),
            Receiving::Public(_) => None,
        }
    }

    pub(crate) const fn public(&self) -> Option<&VerifyingKey> {
        match &self.0 {
            Receiving::Public(key) => Some(key),
            Receiving::Secret(_) | Receiving::Text(..) => None,
        }
    }

    pub(crate) fn is_of(&self, scheme: Scheme) -> bool {
        match self.0 {
            Receiving::Secret(_) | Receiving::Public(_) => scheme.sends_id(),
            Receiving::Text(of, _) => of == scheme,
        }
    }
}

impl SenderKey {
    /// Reads a key as its scheme writes it: like [`ReceiverKey::parse`], with `whsk_` in place of
    /// `whpk_`.
    ///
    /// # Errors
    /// [`WebhookError::InvalidSecret`], [`WebhookError::InvalidKey`].
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, WebhookError> {
        Ok(Self(match scheme {
            Scheme::Standard | Scheme::Svix if text.starts_with("whsk_") => {
                Sending::Private(text.parse()?)
            }
            Scheme::Standard | Scheme::Svix => Sending::Secret(text.parse()?),
            Scheme::Stripe => Sending::Text(scheme, TextSecret::stripe(text)?),
            Scheme::Slack => Sending::Text(scheme, TextSecret::slack(text)?),
        }))
    }

    /// Signs the prefix and the body as one message.
    pub(crate) fn sign(&self, prefix: &[u8], body: &[u8]) -> Made {
        let mac = match &self.0 {
            Sending::Secret(secret) => secret.mac(),
            Sending::Text(_, secret) => secret.mac(),
            Sending::Private(key) => return Made::Ed25519(key.sign(prefix, body)),
        };
        let mac = mac.chain_update(prefix).chain_update(body);
        Made::Mac(mac.finalize().into_bytes().into())
    }

    pub(crate) fn is_of(&self, scheme: Scheme) -> bool {
        match self.0 {
            Sending::Secret(_) | Sending::Private(_) => scheme.sends_id(),
            Sending::Text(of, _) => of == scheme,
        }
    }
}

impl Made {
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Mac(mac) => mac,
            Self::Ed25519(signature) => signature,
        }
    }
}

impl From<SigningSecret> for ReceiverKey {
    fn from(secret: SigningSecret) -> Self {
        Self(Receiving::Secret(secret))
    }
}

impl From<VerifyingKey> for ReceiverKey {
    fn from(key: VerifyingKey) -> Self {
        Self(Receiving::Public(key))
    }
}

impl From<SigningSecret> for SenderKey {
    fn from(secret: SigningSecret) -> Self {
        Self(Sending::Secret(secret))
    }
}

impl From<SigningKey> for SenderKey {
    fn from(key: SigningKey) -> Self {
        Self(Sending::Private(key))
    }
}
