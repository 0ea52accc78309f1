//! Signing: what a sender puts into the headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;

use crate::header::MAX_SIGNATURES;
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
        let mac = |key: &SenderKey| {
            let mac = key.mac()?.chain_update(&prefix).chain_update(body);
            Some(mac.finalize().into_bytes())
        };
        let standard = |[a, b, c]: [Header; 3]| {
            let entries = self.keys.iter().filter_map(|key| {
                let secret = mac(key).map(|mac| format!("v1,{}", STANDARD.encode(mac)));
                secret.or_else(|| entry_v1a(key, &prefix, body))
            });
            let entries: Vec<_> = entries.collect();
            vec![
                (a, id.to_string()),
                (b, timestamp.to_string()),
                (c, entries.join(" ")),
            ]
        };
        let macs = || self.keys.iter().filter_map(mac).map(hex::encode);
        Signed::new(match self.scheme {
            Scheme::Standard => standard([Header::Id, Header::Timestamp, Header::Signature]),
            Scheme::Svix => {
                standard([Header::SvixId, Header::SvixTimestamp, Header::SvixSignature])
            }
            Scheme::Stripe => {
                let entries: String = macs().map(|mac| format!(",v1={mac}")).collect();
                vec![(Header::StripeSignature, format!("t={timestamp}{entries}"))]
            }
            Scheme::Slack => {
                let entry: String = macs().map(|mac| format!("v0={mac}")).collect();
                vec![
                    (Header::SlackTimestamp, timestamp.to_string()),
                    (Header::SlackSignature, entry),
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
    let mac = secret.mac().chain_update(prefix).chain_update(body);
    let mac = STANDARD.encode(mac.finalize().into_bytes());
    Signed::new(vec![
        (Header::Id, id.to_string()),
        (Header::Timestamp, timestamp.to_string()),
        (Header::Signature, format!("v1,{mac}")),
    ])
}

fn entry_v1a(key: &SenderKey, prefix: &[u8], body: &[u8]) -> Option<String> {
    let signature = key.private()?.sign(prefix, body);
    Some(format!("v1a,{}", STANDARD.encode(signature)))
}
