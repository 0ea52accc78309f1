//! Signing: what a sender puts into the three headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::header::MAX_SIGNATURES;
use crate::{Header, MessageId, SigningSecret, WebhookError};

/// A signed message: the values of the three headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The value of `webhook-id`.
    pub id: MessageId,
    /// The value of `webhook-timestamp`, in Unix seconds.
    pub timestamp: u64,
    /// The value of `webhook-signature`.
    pub signature: String,
}

impl Signed {
    /// The headers to send, by name and value.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 3] {
        [
            (Header::Id.as_str(), self.id.to_string()),
            (Header::Timestamp.as_str(), self.timestamp.to_string()),
            (Header::Signature.as_str(), self.signature.clone()),
        ]
    }
}

/// Signs one delivery attempt.
///
/// `timestamp` is the attempt's time in Unix seconds: a retry has the same id and a new timestamp.
/// The body is signed as the bytes that go over the wire.
///
/// ```
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// let id = "msg_p5jXN8AQM9LWM0D4loKWxJek".parse()?;
/// let signed =
///     strongroom_webhook_sig::sign(&secret, &id, 1_614_265_330, br#"{"test": 2432232314}"#);
/// assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), strongroom_webhook_sig::WebhookError>(())
/// ```
#[must_use]
pub fn sign(secret: &SigningSecret, id: &MessageId, timestamp: u64, body: &[u8]) -> Signed {
    Signed {
        id: id.clone(),
        timestamp,
        signature: entry(secret, id, timestamp, body),
    }
}

/// Signs one delivery attempt with every secret that receivers may hold during a rotation.
///
/// # Errors
/// [`WebhookError::SecretCount`] for no secret or more than 16.
pub fn sign_with_all(
    secrets: &[SigningSecret],
    id: &MessageId,
    timestamp: u64,
    body: &[u8],
) -> Result<Signed, WebhookError> {
    if secrets.is_empty() || secrets.len() > MAX_SIGNATURES {
        return Err(WebhookError::SecretCount);
    }
    let entries: Vec<String> = secrets
        .iter()
        .map(|secret| entry(secret, id, timestamp, body))
        .collect();
    Ok(Signed {
        id: id.clone(),
        timestamp,
        signature: entries.join(" "),
    })
}

/// Starts the MAC of a message: all of `signed` in section 2 but the body.
pub(crate) fn begin(secret: &SigningSecret, id: &MessageId, timestamp: u64) -> Hmac<Sha256> {
    let mut mac = secret.mac();
    mac.update(id.as_str().as_bytes());
    mac.update(b".");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac
}

fn entry(secret: &SigningSecret, id: &MessageId, timestamp: u64, body: &[u8]) -> String {
    let mut mac = begin(secret, id, timestamp);
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
