//! Verifying: the window first, then the body, as it arrives.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use crate::header::MAX_SIGNATURES;
use crate::{HeaderSet, MessageId, SigningSecret, WebhookError, sign};

/// How far a timestamp may be from the receiver's clock, either way, in seconds.
pub const DEFAULT_TOLERANCE: u64 = 300;

/// The longest body that a verifier takes unless told otherwise, in bytes (1 MiB).
pub const DEFAULT_BODY_LIMIT: u64 = 1 << 20;

/// Verifies messages under one endpoint's secrets: one, or several while they are rotated.
///
/// ```
/// use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier, WebhookError};
///
/// let verifier = Verifier::new(vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?])?;
/// let headers = HeaderSet::collect([
///     ("webhook-id", b"msg_p5jXN8AQM9LWM0D4loKWxJek".as_slice()),
///     ("webhook-timestamp", b"1614265330"),
///     ("webhook-signature", b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
/// ])?;
/// let mut body = verifier.begin(&headers, 1_614_265_630)?;
/// for chunk in [b"{\"test\": ".as_slice(), b"2432232314}"] {
///     body.update(chunk);
/// }
/// assert_eq!(body.finish()?.timestamp(), 1_614_265_330);
///
/// let late = verifier.begin(&headers, 1_614_265_631);
/// assert_eq!(late.err(), Some(WebhookError::TooOld));
/// # Ok::<(), WebhookError>(())
/// ```
#[derive(Debug)]
pub struct Verifier {
    secrets: Vec<SigningSecret>,
    tolerance: u64,
    body_limit: u64,
}

/// A body on its way through the verifier.
///
/// # Security
/// Nothing of the body is trustworthy before [`finish`](Self::finish) has returned [`Verified`].
#[must_use = "a body is verified by `finish`"]
pub struct BodyVerifier<'h> {
    headers: &'h HeaderSet,
    macs: Vec<Hmac<Sha256>>,
    remaining: Option<u64>,
}

/// The evidence that a message is authentic and within the window; only a [`Verifier`] makes it.
///
/// # Security
/// A verified message can still be a replay: ask a [`ReplayGuard`](crate::ReplayGuard) before
/// acting on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    id: MessageId,
    timestamp: u64,
}

impl Verifier {
    /// Verifies under any of 1 to 16 secrets.
    ///
    /// # Errors
    /// [`WebhookError::SecretCount`] for none or more.
    pub fn new(secrets: Vec<SigningSecret>) -> Result<Self, WebhookError> {
        if secrets.is_empty() || secrets.len() > MAX_SIGNATURES {
            return Err(WebhookError::SecretCount);
        }
        Ok(Self {
            secrets,
            tolerance: DEFAULT_TOLERANCE,
            body_limit: DEFAULT_BODY_LIMIT,
        })
    }

    /// Sets how far a timestamp may be from `now`, either way, in seconds.
    ///
    /// # Security
    /// The replay guard must remember messages for this long; give it the same number.
    #[must_use]
    pub const fn with_tolerance(mut self, seconds: u64) -> Self {
        self.tolerance = seconds;
        self
    }

    /// Sets the longest body that is accepted, in bytes.
    #[must_use]
    pub const fn with_body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Verifies a message whose body is at hand.
    ///
    /// # Errors
    /// [`WebhookError`]: outside the window, too large, or not signed by any of the secrets.
    pub fn verify(
        &self,
        headers: &HeaderSet,
        body: &[u8],
        now: u64,
    ) -> Result<Verified, WebhookError> {
        let mut verifier = self.begin(headers, now)?;
        verifier.update(body);
        verifier.finish()
    }

    /// Checks the window, then takes the body piece by piece.
    ///
    /// # Errors
    /// [`WebhookError::TooOld`] and [`WebhookError::TooNew`], before anything is hashed.
    pub fn begin<'h>(
        &self,
        headers: &'h HeaderSet,
        now: u64,
    ) -> Result<BodyVerifier<'h>, WebhookError> {
        let timestamp = headers.timestamp();
        if now.saturating_sub(timestamp) > self.tolerance {
            return Err(WebhookError::TooOld);
        }
        if timestamp.saturating_sub(now) > self.tolerance {
            return Err(WebhookError::TooNew);
        }
        let macs = self
            .secrets
            .iter()
            .map(|secret| sign::begin(secret, headers.message_id(), timestamp));
        Ok(BodyVerifier {
            headers,
            macs: macs.collect(),
            remaining: Some(self.body_limit),
        })
    }
}

impl BodyVerifier<'_> {
    /// Takes the next piece of the body; a piece beyond the limit is not hashed.
    pub fn update(&mut self, chunk: &[u8]) {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.remaining = self.remaining.and_then(|left| left.checked_sub(length));
        if self.remaining.is_some() {
            for mac in &mut self.macs {
                mac.update(chunk);
            }
        }
    }

    /// Whether the body is over the limit already, so that a reader can stop reading.
    #[must_use]
    pub const fn over_limit(&self) -> bool {
        self.remaining.is_none()
    }

    /// Compares the signatures.
    ///
    /// # Errors
    /// [`WebhookError::BodyTooLarge`], or [`WebhookError::SignatureMismatch`] whatever of secret,
    /// id, timestamp and body was another.
    pub fn finish(self) -> Result<Verified, WebhookError> {
        if self.over_limit() {
            return Err(WebhookError::BodyTooLarge);
        }
        // Every pair is compared: the time tells neither which secret matched nor how many.
        let mut matched = Choice::from(0);
        for mac in self.macs {
            let expected: [u8; 32] = mac.finalize().into_bytes().into();
            for signature in self.headers.signatures() {
                matched |= expected.ct_eq(signature);
            }
        }
        if !bool::from(matched) {
            return Err(WebhookError::SignatureMismatch);
        }
        Ok(Verified {
            id: self.headers.message_id().clone(),
            timestamp: self.headers.timestamp(),
        })
    }
}

impl std::fmt::Debug for BodyVerifier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyVerifier")
            .field("headers", self.headers)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

impl Verified {
    /// The message's id, the same over all attempts to deliver it.
    #[must_use]
    pub const fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// When this attempt was signed, in Unix seconds.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }
}
