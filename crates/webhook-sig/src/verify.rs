//! Verifying: the window first, then the body, as it arrives.

use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

use crate::check::BodyCheck;
use crate::header::MAX_SIGNATURES;
use crate::{HeaderSet, MessageId, ReceiverKey, Scheme, WebhookError};

/// How far a timestamp may be from the receiver's clock, either way, in seconds.
pub const DEFAULT_TOLERANCE: u64 = 300;

/// The longest body that a verifier takes unless told otherwise, in bytes (1 MiB).
pub const DEFAULT_BODY_LIMIT: u64 = 1 << 20;

/// Verifies messages under one endpoint's keys: one, or several while they are rotated.
///
/// A key is a secret that sender and receiver share, or the public half of the sender's.
///
/// ```
/// use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier, WebhookError};
///
/// let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// let verifier = Verifier::new([secret])?;
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
    scheme: Scheme,
    keys: Vec<ReceiverKey>,
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
    check: BodyCheck,
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
    /// Verifies Standard Webhooks under any of 1 to 16 keys.
    ///
    /// # Errors
    /// [`WebhookError::SecretCount`] for none or more, [`WebhookError::WrongScheme`] for a key of
    /// another scheme.
    pub fn new<K: Into<ReceiverKey>>(
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, WebhookError> {
        Self::for_scheme(Scheme::Standard, keys)
    }

    /// Verifies messages of one scheme under any of 1 to 16 keys.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    ///
    /// ```
    /// use strongroom_webhook_sig::{ReceiverKey, Scheme, Verifier, WebhookError};
    ///
    /// let key = ReceiverKey::parse(Scheme::Stripe, "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH")?;
    /// let verifier = Verifier::for_scheme(Scheme::Stripe, [key])?;
    /// let value = b"t=1614265330,v1=00".as_slice();
    /// let received = [("stripe-signature", value)];
    /// assert!(verifier.collect(received).is_err());
    /// # Ok::<(), WebhookError>(())
    /// ```
    pub fn for_scheme<K: Into<ReceiverKey>>(
        scheme: Scheme,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, WebhookError> {
        let mut keys = keys.into_iter().map(Into::into);
        let keys: Vec<ReceiverKey> = keys.by_ref().take(MAX_SIGNATURES + 1).collect();
        if keys.is_empty() || keys.len() > MAX_SIGNATURES {
            return Err(WebhookError::SecretCount);
        }
        if !keys.iter().all(|key| key.is_of(scheme)) {
            return Err(WebhookError::WrongScheme);
        }
        Ok(Self {
            scheme,
            keys,
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

    /// The longest body that is accepted, in bytes.
    #[must_use]
    pub const fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// Picks this verifier's headers out of a request's.
    ///
    /// # Errors
    /// Those of [`HeaderSet::collect_as`].
    pub fn collect<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<HeaderSet, WebhookError> {
        HeaderSet::collect_as(self.scheme, headers)
    }

    /// Verifies a message whose body is at hand.
    ///
    /// # Errors
    /// [`WebhookError`]: outside the window, too large, or not signed under any of the keys.
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

    /// Checks that a timestamp is within the window around `now`.
    ///
    /// [`begin`](Self::begin) does so before the body. A receiver whose bodies may come slowly does
    /// it again before it claims: the replay guard forgets what is past the window.
    ///
    /// # Errors
    /// [`WebhookError::TooOld`], [`WebhookError::TooNew`].
    pub const fn check_window(&self, timestamp: u64, now: u64) -> Result<(), WebhookError> {
        if now.saturating_sub(timestamp) > self.tolerance {
            return Err(WebhookError::TooOld);
        }
        if timestamp.saturating_sub(now) > self.tolerance {
            return Err(WebhookError::TooNew);
        }
        Ok(())
    }

    /// Checks the window, then takes the body piece by piece.
    ///
    /// # Errors
    /// [`WebhookError::TooOld`] and [`WebhookError::TooNew`], before anything is hashed;
    /// [`WebhookError::TooManySignatures`] when entries and public keys make more than 16 pairs;
    /// [`WebhookError::WrongScheme`] for headers that were collected as another scheme's.
    pub fn begin<'h>(
        &self,
        headers: &'h HeaderSet,
        now: u64,
    ) -> Result<BodyVerifier<'h>, WebhookError> {
        if headers.scheme() != self.scheme {
            return Err(WebhookError::WrongScheme);
        }
        let timestamp = headers.timestamp();
        self.check_window(timestamp, now)?;
        let signatures = headers.signatures();
        let publics = || self.keys.iter().filter_map(ReceiverKey::public);
        // Each pair is a pass over the body, and the entries are an attacker's to choose.
        if publics().count() * signatures.ed25519.len() > MAX_SIGNATURES {
            return Err(WebhookError::TooManySignatures);
        }
        let prefix = self.scheme.signed_prefix(headers.message_id(), timestamp);
        let mut macs = Vec::new();
        // Without anything to compare it with, no MAC is computed.
        if !signatures.macs.is_empty() {
            macs.reserve_exact(self.keys.len());
            for mut mac in self.keys.iter().filter_map(ReceiverKey::mac) {
                mac.update(prefix.as_bytes());
                macs.push(mac);
            }
        }
        let mut streams = Vec::new();
        for key in publics() {
            let entries = signatures.ed25519.iter();
            for mut stream in entries.filter_map(|entry| key.begin(entry)) {
                stream.update(prefix.as_bytes());
                streams.push(stream);
            }
        }
        let check = BodyCheck {
            macs,
            streams,
            digest: (!self.scheme.sends_id()).then(Sha256::new),
            remaining: Some(self.body_limit),
        };
        Ok(BodyVerifier { headers, check })
    }
}

impl BodyVerifier<'_> {
    /// Takes the next piece of the body; a piece beyond the limit is not hashed.
    pub fn update(&mut self, chunk: &[u8]) {
        self.check.update(chunk);
    }

    /// Whether the body is over the limit already, so that a reader can stop reading.
    #[must_use]
    pub const fn over_limit(&self) -> bool {
        self.check.over_limit()
    }

    /// Compares the signatures.
    ///
    /// # Errors
    /// [`WebhookError::BodyTooLarge`], or [`WebhookError::SignatureMismatch`] whatever of key, id,
    /// timestamp and body was another.
    pub fn finish(self) -> Result<Verified, WebhookError> {
        let digest = self.check.finish(&self.headers.signatures().macs)?;
        let id = match (self.headers.message_id(), digest) {
            (Some(id), _) => id.clone(),
            (None, digest) => MessageId::of_body(&digest.unwrap_or_default()),
        };
        Ok(Verified {
            id,
            timestamp: self.headers.timestamp(),
        })
    }
}

impl std::fmt::Debug for BodyVerifier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyVerifier")
            .field("headers", self.headers)
            .field("remaining", &self.check.remaining)
            .finish_non_exhaustive()
    }
}

impl Verified {
    /// The message's id, the same over all attempts to deliver it. Where the scheme sends none it
    /// is made of the body (`docs/spec/webhook.md`, section 5).
    #[must_use]
    pub const fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// The same evidence under the id that the body names, for a scheme that sends none.
    ///
    /// # Security
    /// The replay guard goes by the id: take it from the verified body and from nowhere else.
    #[must_use]
    pub fn with_message_id(self, id: MessageId) -> Self {
        Self { id, ..self }
    }

    /// When this attempt was signed, in Unix seconds.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }
}
