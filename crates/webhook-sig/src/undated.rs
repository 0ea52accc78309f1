//! GitHub's scheme, which signs no time: what was good once is good for ever.

use std::fmt;

use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

use crate::check::BodyCheck;
use crate::header::{MAX_SIGNATURES, Picked};
use crate::sign::Signed;
use crate::signatures::Signatures;
use crate::{DEFAULT_BODY_LIMIT, GithubSecret, Header, MessageId, WebhookError};

/// Verifies GitHub's webhooks, which have no timestamp and so no window.
///
/// # Security
/// A recorded request verifies for as long as its secret does. A receiver that acts on messages
/// remembers [`Undated::body_digest`] for as long as it likes to be safe.
///
/// ```
/// use strongroom_webhook_sig::{GithubSecret, UndatedHeaders, UndatedVerifier, WebhookError};
///
/// let secret: GithubSecret = "It's a Secret to Everybody".parse()?;
/// let verifier = UndatedVerifier::accepting_replays([secret])?;
/// let value = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
/// let headers = UndatedHeaders::collect([("X-Hub-Signature-256", value.as_slice())])?;
/// assert!(verifier.verify(&headers, b"Hello, World!").is_ok());
/// # Ok::<(), WebhookError>(())
/// ```
#[derive(Debug)]
pub struct UndatedVerifier {
    secrets: Vec<GithubSecret>,
    body_limit: u64,
}

/// The headers of a message without a timestamp: well formed, not yet verified.
pub struct UndatedHeaders {
    delivery: Option<MessageId>,
    signatures: Signatures,
}

/// A body without a timestamp on its way through the verifier.
///
/// # Security
/// Nothing of the body is trustworthy before [`finish`](Self::finish) has returned [`Undated`].
#[must_use = "a body is verified by `finish`"]
pub struct UndatedBodyVerifier<'h> {
    headers: &'h UndatedHeaders,
    check: BodyCheck,
}

/// The evidence that a body was once signed by the sender, nobody knows when; only an
/// [`UndatedVerifier`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undated {
    delivery: Option<MessageId>,
    body_digest: [u8; 32],
}

impl UndatedVerifier {
    /// Verifies under any of 1 to 16 secrets, and accepts that what verified before verifies
    /// again.
    ///
    /// # Errors
    /// [`WebhookError::SecretCount`] for none or more.
    pub fn accepting_replays(
        secrets: impl IntoIterator<Item = GithubSecret>,
    ) -> Result<Self, WebhookError> {
        let secrets: Vec<_> = secrets.into_iter().take(MAX_SIGNATURES + 1).collect();
        if secrets.is_empty() || secrets.len() > MAX_SIGNATURES {
            return Err(WebhookError::SecretCount);
        }
        Ok(Self {
            secrets,
            body_limit: DEFAULT_BODY_LIMIT,
        })
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

    /// Verifies a message whose body is at hand.
    ///
    /// # Errors
    /// [`WebhookError::BodyTooLarge`], [`WebhookError::SignatureMismatch`].
    pub fn verify(&self, headers: &UndatedHeaders, body: &[u8]) -> Result<Undated, WebhookError> {
        let mut verifier = self.begin(headers);
        verifier.update(body);
        verifier.finish()
    }

    /// Takes the body piece by piece.
    pub fn begin<'h>(&self, headers: &'h UndatedHeaders) -> UndatedBodyVerifier<'h> {
        let check = BodyCheck {
            macs: self.secrets.iter().map(GithubSecret::mac).collect(),
            streams: Vec::new(),
            digest: Some(Sha256::new()),
            remaining: Some(self.body_limit),
        };
        UndatedBodyVerifier { headers, check }
    }
}

impl UndatedHeaders {
    /// Picks GitHub's headers out of a request's, whatever the case of their names.
    ///
    /// # Errors
    /// [`WebhookError`] when the signature is absent, one of the two is doubled or outside the
    /// grammar of `docs/spec/webhook.md`, section 5, or they are too long.
    pub fn collect<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, WebhookError> {
        let names = [Header::GithubSignature, Header::GithubDelivery];
        let picked = Picked::pick(names, headers)?;
        let signatures = Signatures::github(picked.text(Header::GithubSignature)?)?;
        let malformed = |_| WebhookError::MalformedHeader(Header::GithubDelivery);
        let delivery = match picked.value(Header::GithubDelivery) {
            Some(_) => {
                let text = picked.text(Header::GithubDelivery)?;
                Some(text.parse().map_err(malformed)?)
            }
            None => None,
        };
        Ok(Self {
            delivery,
            signatures,
        })
    }
}

impl UndatedBodyVerifier<'_> {
    /// Takes the next piece of the body; a piece beyond the limit is not hashed.
    pub fn update(&mut self, chunk: &[u8]) {
        self.check.update(chunk);
    }

    /// Whether the body is over the limit already, so that a reader can stop reading.
    #[must_use]
    pub const fn over_limit(&self) -> bool {
        self.check.over_limit()
    }

    /// Compares the signature.
    ///
    /// # Errors
    /// [`WebhookError::BodyTooLarge`], [`WebhookError::SignatureMismatch`].
    pub fn finish(self) -> Result<Undated, WebhookError> {
        let digest = self.check.finish(&self.headers.signatures.macs)?;
        Ok(Undated {
            delivery: self.headers.delivery.clone(),
            body_digest: digest.unwrap_or_default(),
        })
    }
}

impl Undated {
    /// What `x-github-delivery` said, if it was there.
    ///
    /// # Security
    /// It is not signed: whoever replays a request can change it.
    #[must_use]
    pub const fn unsigned_delivery(&self) -> Option<&MessageId> {
        self.delivery.as_ref()
    }

    /// The SHA-256 of the verified body.
    #[must_use]
    pub const fn body_digest(&self) -> &[u8; 32] {
        &self.body_digest
    }
}

/// Signs a body as GitHub does, under no time.
#[must_use]
pub fn sign_undated(secret: &GithubSecret, delivery: &MessageId, body: &[u8]) -> Signed {
    let mac = secret.mac().chain_update(body).finalize().into_bytes();
    Signed::new(vec![
        (Header::GithubDelivery, delivery.to_string()),
        (
            Header::GithubSignature,
            format!("sha256={}", hex::encode(mac)),
        ),
    ])
}

/// A logged signature could be sent again, so it is not shown.
impl fmt::Debug for UndatedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndatedHeaders")
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UndatedBodyVerifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndatedBodyVerifier")
            .field("headers", self.headers)
            .field("remaining", &self.check.remaining)
            .finish_non_exhaustive()
    }
}
