//! Signing: what a sender puts into the headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;

use crate::header::MAX_SIGNATURES;
use crate::key::Made;
use crate::{Header, MessageId, Scheme, SenderKey, SigningSecret, WebhookError};

/// A signed message: its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    headers: Vec<(Header, String)>,
}

/// Signs messages of one scheme with one endpoint's keys: one, or several while they are rotated.
///
/// ```
/// use strongroom_webhook_sig::{Scheme, SenderKey, Signer, WebhookError};
///
/// // A receiver may hold either: this is how a sender moves from one kind to the other.
/// let keys = [
///     SenderKey::parse(Scheme::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?,
///     SenderKey::parse(Scheme::Standard, "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?,
/// ];
/// let signer = Signer::new(Scheme::Standard, keys)?;
/// let signed = signer.sign(&"msg_1".parse()?, 1_614_265_330, b"{}");
/// let mut versions = signed.signature().split(' ').filter_map(|entry| entry.split(',').next());
/// assert_eq!((versions.next(), versions.next()), (Some("v1"), Some("v1a")));
/// # Ok::<(), WebhookError>(())
/// ```
#[derive(Debug)]
pub struct Signer {
    scheme: Scheme,
    keys: Vec<SenderKey>,
}

impl Signed {
    /// Headers of which the last has the signature.
    pub(crate) const fn new(headers: Vec<(Header, String)>) -> Self {
        Self { headers }
    }

    /// The headers to send, by name and value.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let headers = self.headers.iter();
        headers
            .map(|(header, value)| (header.as_str(), value.clone()))
            .collect()
    }

    /// The value of the header that has the signature.
    #[must_use]
    pub fn signature(&self) -> &str {
        self.headers.last().map_or("", |(_, value)| value)
    }
}

impl Signer {
    /// Signs with each of 1 to 16 keys; Slack's receivers take one.
    ///
    /// # Errors
    /// [`WebhookError::SecretCount`] for none or more, [`WebhookError::WrongScheme`] for a key of
    /// another scheme.
    pub fn new<K: Into<SenderKey>>(
        scheme: Scheme,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, WebhookError> {
        let most = match scheme {
            Scheme::Slack => 1,
            Scheme::Standard | Scheme::Svix | Scheme::Stripe => MAX_SIGNATURES,
        };
        let keys = keys.into_iter().map(Into::into);
        let keys: Vec<SenderKey> = keys.take(most + 1).collect();
        if keys.is_empty() || keys.len() > most {
            return Err(WebhookError::SecretCount);
        }
        if !keys.iter().all(|key| key.is_of(scheme)) {
            return Err(WebhookError::WrongScheme);
        }
        Ok(Self { scheme, keys })
    }

    /// Signs one delivery attempt.
    ///
    /// `timestamp` is the attempt's time in Unix seconds: a retry has the same id and a new
    /// timestamp. Stripe and Slack send no id. The body is signed as the bytes that go over the
    /// wire.
    #[must_use]
    pub fn sign(&self, id: &MessageId, timestamp: u64, body: &[u8]) -> Signed {
        let prefix = self.scheme.signed_prefix(Some(id), timestamp);
        let made = self
            .keys
            .iter()
            .map(|key| key.sign(prefix.as_bytes(), body));
        let time = timestamp.to_string();
        Signed::new(match self.scheme {
            Scheme::Standard => vec![
                (Header::Id, id.to_string()),
                (Header::Timestamp, time),
                (Header::Signature, entries(made)),
            ],
            Scheme::Svix => vec![
                (Header::SvixId, id.to_string()),
                (Header::SvixTimestamp, time),
                (Header::SvixSignature, entries(made)),
            ],
            Scheme::Stripe => {
                let items = made.map(|made| format!(",v1={}", hex::encode(made.as_bytes())));
                let items: String = items.collect();
                vec![(Header::StripeSignature, format!("t={time}{items}"))]
            }
            Scheme::Slack => {
                let entry = made.map(|made| format!("v0={}", hex::encode(made.as_bytes())));
                vec![
                    (Header::SlackTimestamp, time),
                    (Header::SlackSignature, entry.collect()),
                ]
            }
        })
    }
}

/// Signs one delivery attempt by Standard Webhooks with one secret.
///
/// ```
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// let id = "msg_p5jXN8AQM9LWM0D4loKWxJek".parse()?;
/// let signed =
///     strongroom_webhook_sig::sign(&secret, &id, 1_614_265_330, br#"{"test": 2432232314}"#);
/// assert_eq!(signed.signature(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), strongroom_webhook_sig::WebhookError>(())
/// ```
#[must_use]
pub fn sign(secret: &SigningSecret, id: &MessageId, timestamp: u64, body: &[u8]) -> Signed {
    let prefix = Scheme::Standard.signed_prefix(Some(id), timestamp);
    let mac = secret
        .mac()
        .chain_update(prefix.as_bytes())
        .chain_update(body);
    let mac = STANDARD.encode(mac.finalize().into_bytes());
    Signed::new(vec![
        (Header::Id, id.to_string()),
        (Header::Timestamp, timestamp.to_string()),
        (Header::Signature, format!("v1,{mac}")),
    ])
}

/// The list of Standard Webhooks.
fn entries(made: impl Iterator<Item = Made>) -> String {
    let entries = made.map(|made| {
        let version = match made {
            Made::Mac(_) => "v1",
            Made::Ed25519(_) => "v1a",
        };
        format!("{version},{}", STANDARD.encode(made.as_bytes()))
    });
    entries.collect::<Vec<_>>().join(" ")
}
