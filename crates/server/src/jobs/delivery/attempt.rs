//! One attempt: a signed request to an address that was checked, and what came of it.

use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Url, redirect};
use strongroom_webhook_sig::{MessageId, Scheme, SenderKey, Signer, SigningSecret};
use zeroize::Zeroizing;

use super::schedule::retry_after;
use super::{Deliverer, Message, PATIENCE, RESOLVING, secret_context};
use crate::jobs::destination::{self, DestinationError};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The subscriber's answer, or why there is none.
    pub(super) answer: Result<Answer, Unsent>,
    /// From the look-up of the name to the answer.
    pub(super) took: Duration,
}

/// A subscriber's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long the subscriber wants to be left alone, in seconds.
    pub(super) retry_after: Option<u64>,
}

impl Attempt {
    pub(super) fn is_delivered(&self) -> bool {
        self.answer
            .is_ok_and(|answer| (200..300).contains(&answer.status))
    }

    /// The endpoint is gone, and says so (RFC 9110, section 15.5.11).
    pub(super) fn is_gone(&self) -> bool {
        self.answer.is_ok_and(|answer| answer.status == 410)
    }
}

/// Why a message did not reach an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The destination is not one to call.
    Destination,
    /// Its name does not resolve.
    Unresolved,
    /// A signing secret does not open.
    Secret,
    /// No answer.
    NoAnswer,
    /// The audit log took no event: nothing was sent.
    Audit,
    /// Something of our own.
    Internal,
}

impl Unsent {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Destination => "destination-refused",
            Self::Unresolved => "destination-unresolved",
            Self::Secret => "secret-unopened",
            Self::NoAnswer => "no-answer",
            Self::Audit => "audit-unavailable",
            Self::Internal => "internal",
        }
    }

    /// Whether it says something of the endpoint, and not of the platform.
    pub(super) const fn is_the_endpoints(self) -> bool {
        matches!(self, Self::Destination | Self::Unresolved | Self::NoAnswer)
    }
}

impl Deliverer {
    /// One signed request.
    pub(super) async fn send(&self, message: &Message) -> Attempt {
        let begun = Instant::now();
        Attempt {
            answer: self.request(message).await,
            took: begun.elapsed(),
        }
    }

    async fn request(&self, message: &Message) -> Result<Answer, Unsent> {
        let url: Url = message.url.parse().map_err(|_| Unsent::Destination)?;
        let resolved = destination::resolve(&url, self.allow_loopback);
        let address = match tokio::time::timeout(RESOLVING, resolved).await {
            Ok(Ok(address)) => address,
            Ok(Err(DestinationError::Unresolved)) | Err(_) => return Err(Unsent::Unresolved),
            Ok(Err(_)) => return Err(Unsent::Destination),
        };
        let host = url.host_str().ok_or(Unsent::Destination)?;
        let secrets = self.secrets(message).await?;
        // The id stays the same over all attempts, so that a subscriber can tell a repetition.
        let id: MessageId = format!("msg_{}", message.id.simple())
            .parse()
            .map_err(|_| Unsent::Internal)?;
        let now = self.clock.unix_seconds();
        let keys: Vec<_> = secrets.into_iter().map(SenderKey::from).collect();
        let signer = Signer::new(Scheme::Standard, keys).map_err(|_| Unsent::Internal)?;
        let signed = signer.sign(&id, now, message.body.as_bytes());
        // The connection goes to the address that was checked, whatever the name says by now.
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .resolve(host, address)
            .build()
            .map_err(|_| Unsent::Internal)?;
        let mut call = client
            .post(url.clone())
            .header("content-type", "application/json")
            .header("user-agent", "strongroom-webhooks")
            .body(message.body.clone());
        for (name, value) in signed.headers() {
            call = call.header(name, value);
        }
        let answer = call.send().await.map_err(|_| Unsent::NoAnswer)?;
        let asked = answer.headers().get(RETRY_AFTER);
        let asked = asked.and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: answer.status().as_u16(),
            retry_after: asked.and_then(|value| retry_after(value, now)),
        })
    }

    /// The endpoint's secret, and those that it replaced and that are not over.
    async fn secrets(&self, message: &Message) -> Result<Vec<SigningSecret>, Unsent> {
        let context = secret_context(message.endpoint).map_err(|_| Unsent::Internal)?;
        let mut secrets = Vec::with_capacity(message.sealed_secrets.len());
        for sealed in &message.sealed_secrets {
            let opened = self.keys.open(&message.tenant, &context, sealed);
            let secret = opened.await.map_err(|_| Unsent::Secret)?;
            let secret = Zeroizing::new(secret.into_vec());
            let text = std::str::from_utf8(&secret).map_err(|_| Unsent::Secret)?;
            secrets.push(text.parse().map_err(|_| Unsent::Secret)?);
        }
        Ok(secrets)
    }
}
