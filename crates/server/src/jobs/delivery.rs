//! Webhook delivery: due messages are taken, signed, sent once, and rescheduled or settled.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use strongroom_auditchain::Outcome;
use strongroom_envelope::{EncryptionContext, KeyRef, Kms, open};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId, TenantId};
use strongroom_webhook_sig::{MessageId, SigningSecret, sign};
use tokio_postgres::Row;
use uuid::Uuid;

use super::destination;
use crate::app::App;
use crate::audit::{Draft, Sequencer, new_event_id};
use crate::clock::Clock;
use crate::postgres::{CommitError, Job, QueryError};

/// How long a subscriber may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A message that was taken and not settled within this many seconds is due again: its taker died.
const LEASE_SECONDS: i64 = 60;

/// Pauses after each failed attempt, in seconds; after the last the message is given up.
const PAUSES: &[u64] = &[5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

const TAKE: &str = "update app.webhook_outbox o set attempts = o.attempts + 1, \
     next_attempt_at = $1::bigint + 60 \
     from (select tenant_id, id from app.webhook_outbox \
       where next_attempt_at <= $1 order by next_attempt_at limit 16 for update skip locked) due, \
     app.webhook_endpoints e \
     where o.tenant_id = due.tenant_id and o.id = due.id \
     and e.tenant_id = o.tenant_id and e.id = o.endpoint_id and e.disabled_at is null \
     returning o.tenant_id, o.id, o.body, o.attempts, e.id, e.url, e.sealed_secret";

const SETTLE: &str = "update app.webhook_outbox set next_attempt_at = $3, delivered_at = $4, \
     last_status = $5 where tenant_id = $1 and id = $2";

/// Delivers what is due.
pub struct Deliverer {
    job: Job,
    sequencer: Sequencer,
    kms: Arc<dyn Kms>,
    kek: KeyRef,
    clock: Arc<dyn Clock>,
    allow_loopback: bool,
}

/// Deliveries could not be taken or settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The outcome was not stored; the message is due again when its lease is over.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

struct Message {
    tenant: TenantId,
    id: Uuid,
    body: String,
    attempts: i32,
    endpoint: Uuid,
    url: String,
    sealed_secret: Vec<u8>,
}

/// When a message is tried again after `attempts` failures, in Unix seconds; none when it is given up.
#[must_use]
pub fn next_attempt(attempts: usize, now: u64) -> Option<u64> {
    let pause = PAUSES.get(attempts.checked_sub(1)?)?;
    Some(now.saturating_add(*pause))
}

/// The encryption context of an endpoint's signing secret.
///
/// # Errors
/// Never: the pairs are within bounds.
pub fn secret_context(
    endpoint: Uuid,
) -> Result<EncryptionContext, strongroom_envelope::ContextError> {
    EncryptionContext::new([
        ("purpose", "webhook-secret".to_owned()),
        ("endpoint", endpoint.to_string()),
    ])
}

impl Deliverer {
    /// A deliverer over the app's parts.
    #[must_use]
    pub fn new(app: &App, job: Job) -> Self {
        Self {
            job,
            sequencer: app.sequencer.clone(),
            kms: Arc::clone(&app.kms),
            kek: app.kek.clone(),
            clock: Arc::clone(&app.clock),
            allow_loopback: app.config.webhooks_allow_loopback,
        }
    }

    /// Takes up to 16 due messages and tries each once. Answers how many were taken.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn deliver_due(&self) -> Result<usize, DeliveryError> {
        let now = i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX);
        debug_assert!(LEASE_SECONDS > PATIENCE.as_secs() as i64);
        let mut tx = self.job.begin().await?;
        let rows = tx.query(TAKE, &[&now]).await?;
        // No transaction is held across an outward call: the lease keeps others away.
        tx.commit().await?;
        let messages = rows.iter().map(message).collect::<Result<Vec<_>, _>>()?;
        let tries = messages.iter().map(|message| self.deliver(message));
        for settled in futures_util::future::join_all(tries).await {
            settled?;
        }
        Ok(messages.len())
    }

    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let status = match self.attempt(message).await {
            Ok(status) => Some(i32::from(status)),
            Err(reason) => {
                tracing::warn!(message = %message.id, reason, "webhook attempt failed");
                None
            }
        };
        let now = self.clock.unix_seconds();
        let delivered = status.is_some_and(|status| (200..300).contains(&status));
        let again = if delivered {
            None
        } else {
            next_attempt(usize::try_from(message.attempts).unwrap_or(usize::MAX), now)
        };
        let again = again.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        let delivered_at = delivered.then(|| i64::try_from(now).unwrap_or(i64::MAX));
        let mut tx = self.job.begin().await?;
        let tenant = message.tenant;
        tx.query(
            SETTLE,
            &[
                tenant.as_uuid(),
                &message.id,
                &again,
                &delivered_at,
                &status,
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// One signed request, between an attempt event and an outcome event.
    async fn attempt(&self, message: &Message) -> Result<u16, &'static str> {
        let url: Url = message.url.parse().map_err(|_| "malformed url")?;
        let address = destination::resolve(&url, self.allow_loopback)
            .await
            .map_err(|_| "the destination is not public")?;
        let host = url.host_str().ok_or("malformed url")?;
        let context = secret_context(message.endpoint).map_err(|_| "malformed context")?;
        let keys = std::slice::from_ref(&self.kek);
        let request = self.request_id()?;

        self.record(message, request, Outcome::Attempt).await?;
        let secret = open(
            self.kms.as_ref(),
            keys,
            &message.tenant,
            &context,
            &message.sealed_secret,
        )
        .await
        .map_err(|_| "the secret does not open")?;
        let secret: SigningSecret = std::str::from_utf8(&secret)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or("the secret is malformed")?;
        // The id stays the same over all attempts, so that a subscriber can tell a repetition.
        let id: MessageId = format!("msg_{}", message.id.simple())
            .parse()
            .map_err(|_| "malformed id")?;
        let signed = sign(
            &secret,
            &id,
            self.clock.unix_seconds(),
            message.body.as_bytes(),
        );
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .resolve(host, address)
            .build()
            .map_err(|_| "no http client")?;
        let mut call = client
            .post(url.clone())
            .header("content-type", "application/json")
            .header("user-agent", "strongroom-webhooks")
            .body(message.body.clone());
        for (name, value) in signed.headers() {
            call = call.header(name, value);
        }
        let status = call.send().await.map(|response| response.status().as_u16());
        let outcome = match &status {
            Ok(200..=299) => Outcome::Success,
            Ok(_) => Outcome::Failed("subscriber-refused".parse().map_err(|_| "malformed slug")?),
            Err(_) => Outcome::Failed("no-answer".parse().map_err(|_| "malformed slug")?),
        };
        self.record(message, request, outcome).await?;
        status.map_err(|_| "no answer")
    }

    async fn record(
        &self,
        message: &Message,
        request: RequestId,
        outcome: Outcome,
    ) -> Result<(), &'static str> {
        let platform = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid());
        let id = new_event_id(self.clock.as_ref()).map_err(|_| "no randomness")?;
        let draft = Draft {
            kind: "webhook.delivery",
            actor: platform.ok().map(Actor::new),
            request,
            resource: Some(message.endpoint.to_string()),
            policy: None,
            outcome,
        };
        let leaf = draft
            .leaf(id, self.clock.unix_micros(), Vec::new())
            .map_err(|_| "the event does not fit")?;
        let appended = self.sequencer.append(message.tenant, id, leaf, None).await;
        appended
            .map(|_| ())
            .map_err(|_| "the audit log is not available")
    }

    fn request_id(&self) -> Result<RequestId, &'static str> {
        let mut random = [0_u8; 10];
        getrandom::fill(&mut random).map_err(|_| "no randomness")?;
        Ok(RequestId::from_parts(self.clock.unix_millis(), &random))
    }
}

fn message(row: &Row) -> Result<Message, QueryError> {
    let shape = |error: tokio_postgres::Error| QueryError::Row(error.to_string());
    Ok(Message {
        tenant: TenantId::from_uuid(row.try_get(0).map_err(shape)?)
            .map_err(|error| QueryError::Row(error.to_string()))?,
        id: row.try_get(1).map_err(shape)?,
        body: row.try_get(2).map_err(shape)?,
        attempts: row.try_get(3).map_err(shape)?,
        endpoint: row.try_get(4).map_err(shape)?,
        url: row.try_get(5).map_err(shape)?,
        sealed_secret: row.try_get(6).map_err(shape)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!(next_attempt(1, 100), Some(105));
        assert_eq!(next_attempt(2, 100), Some(400));
        assert_eq!(next_attempt(7, 100), Some(36_100));
        assert_eq!(next_attempt(8, 100), None);
        assert_eq!(next_attempt(0, 100), None);
    }
}
