//! Webhook delivery: due messages are taken, signed, sent once, and rescheduled or settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use strongroom_auditchain::Outcome;
use strongroom_envelope::EncryptionContext;
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId, TenantId};
use strongroom_webhook_sig::{MessageId, SigningSecret, sign};
use tokio::task::{Id, JoinSet};
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::destination::{self, DestinationError};
use super::ticks;
use crate::app::App;
use crate::audit::{Draft, Sequencer, new_event_id};
use crate::clock::Clock;
use crate::keystore::KeyStore;
use crate::postgres::{CommitError, Job, QueryError};

/// How long a subscriber may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long its name may take to resolve.
const RESOLVING: Duration = Duration::from_secs(5);

/// Most deliveries at once.
const AT_ONCE: usize = 64;

/// Deliveries at once of one tenant beyond which no more of its are taken: subscribers who never
/// answer hold up their own tenant only.
const AT_ONCE_EACH: usize = 2;

/// A message that was taken and not settled within this many seconds is due again: its taker died.
const LEASE_SECONDS: i64 = 60;

/// Pauses after each failed attempt, in seconds; after the last the message is given up.
const PAUSES: &[u64] = &[5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// Takes at most two messages of each tenant, none of those tenants that have enough under way.
const TAKE: &str = "with ranked as ( \
       select o.tenant_id, o.id, \
         row_number() over (partition by o.tenant_id order by o.next_attempt_at, o.id) as place \
       from app.webhook_outbox o join app.webhook_endpoints e \
         on e.tenant_id = o.tenant_id and e.id = o.endpoint_id and e.disabled_at is null \
       where o.next_attempt_at <= $1 and o.tenant_id <> all ($2)), \
     due as ( \
       select o.tenant_id, o.id from app.webhook_outbox o join ranked r \
         on r.tenant_id = o.tenant_id and r.id = o.id and r.place <= 2 \
       where o.next_attempt_at <= $1 \
       order by o.next_attempt_at, o.id limit $3 for update of o skip locked) \
     update app.webhook_outbox o set attempts = o.attempts + 1, \
     next_attempt_at = $1::bigint + 60 \
     from due, app.webhook_endpoints e \
     where o.tenant_id = due.tenant_id and o.id = due.id \
     and e.tenant_id = o.tenant_id and e.id = o.endpoint_id \
     returning o.tenant_id, o.id, o.body, o.attempts, e.id, e.url, e.sealed_secret";

const SETTLE: &str = "update app.webhook_outbox set next_attempt_at = $3, delivered_at = $4, \
     last_status = $5 where tenant_id = $1 and id = $2";

/// Delivers what is due.
pub struct Deliverer {
    job: Job,
    sequencer: Sequencer,
    keys: KeyStore,
    clock: Arc<dyn Clock>,
    allow_loopback: bool,
}

/// Deliveries could not be taken or settled.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The outcome was not stored; the message is due again when its lease is over.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Deliveries that have set out and not come back.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Result<(), DeliveryError>>,
    tenants: HashMap<Id, TenantId>,
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

impl UnderWay {
    /// Waits for the next delivery to come back; without any, for ever.
    async fn landed(&mut self) {
        let Some(landed) = self.tasks.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let id = match &landed {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        self.tenants.remove(&id);
        match landed {
            Ok((_, Ok(()))) => {}
            Ok((_, Err(error))) => tracing::error!(%error, "a delivery was not settled"),
            Err(error) => tracing::error!(%error, "a delivery ended badly"),
        }
    }

    /// The tenants that have enough under way.
    fn busy(&self) -> Vec<Uuid> {
        let mut counts: HashMap<TenantId, usize> = HashMap::new();
        for tenant in self.tenants.values() {
            *counts.entry(*tenant).or_default() += 1;
        }
        let busy = counts.iter().filter(|(_, count)| **count >= AT_ONCE_EACH);
        busy.map(|(tenant, _)| *tenant.as_uuid()).collect()
    }
}

/// Why a message did not reach an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsent {
    /// The destination is not one to call.
    Destination,
    /// Its name does not resolve.
    Unresolved,
    /// The signing secret does not open.
    Secret,
    /// No answer.
    NoAnswer,
    /// Something of our own.
    Internal,
}

impl Unsent {
    const fn code(self) -> &'static str {
        match self {
            Self::Destination => "destination-refused",
            Self::Unresolved => "destination-unresolved",
            Self::Secret => "secret-unopened",
            Self::NoAnswer => "no-answer",
            Self::Internal => "internal",
        }
    }
}

impl Deliverer {
    /// A deliverer over the app's parts.
    #[must_use]
    pub fn new(app: &App, job: Job) -> Self {
        Self {
            job,
            sequencer: app.sequencer.clone(),
            keys: app.keys.clone(),
            clock: Arc::clone(&app.clock),
            allow_loopback: app.config.webhooks_allow_loopback,
        }
    }

    /// Delivers what is due, each message on its own, until told to stop; then what is under way
    /// comes to its end.
    pub async fn run(self, stop: CancellationToken) {
        let deliverer = Arc::new(self);
        let mut under_way = UnderWay::default();
        let mut ticks = ticks();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = under_way.landed() => {}
                _ = ticks.tick() => {}
            }
            if let Err(error) = deliverer.take_off(&mut under_way, &stop).await {
                tracing::error!(%error, "webhooks were not taken");
                // The next try waits for its tick, whatever lands before.
                ticks.tick().await;
            }
        }
        while !under_way.tasks.is_empty() {
            under_way.landed().await;
        }
    }

    /// Takes due messages and sets out with each, until none is left or too many are under way.
    async fn take_off(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        stop: &CancellationToken,
    ) -> Result<(), DeliveryError> {
        loop {
            let room = AT_ONCE.saturating_sub(under_way.tasks.len());
            if room == 0 || stop.is_cancelled() {
                return Ok(());
            }
            let taken = self.take(&under_way.busy(), room).await?;
            if taken.is_empty() {
                return Ok(());
            }
            for message in taken {
                let (deliverer, tenant) = (Arc::clone(self), message.tenant);
                let task = async move { deliverer.deliver(&message).await };
                let id = under_way.tasks.spawn(task).id();
                under_way.tenants.insert(id, tenant);
            }
        }
    }

    async fn take(&self, busy: &[Uuid], room: usize) -> Result<Vec<Message>, DeliveryError> {
        let now = i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX);
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        debug_assert!(LEASE_SECONDS > (RESOLVING + PATIENCE).as_secs() as i64);
        let mut tx = self.job.begin().await?;
        let rows = tx.query(TAKE, &[&now, &busy, &room]).await?;
        // No transaction is held across an outward call: the lease keeps others away.
        tx.commit().await?;
        Ok(rows.iter().map(message).collect::<Result<Vec<_>, _>>()?)
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

    /// One try, between an attempt event and an outcome event.
    async fn attempt(&self, message: &Message) -> Result<u16, &'static str> {
        let request = self.request_id()?;
        self.record(message, request, Outcome::Attempt).await?;
        let sent = self.send(message).await;
        let slug = |text: &str| text.parse().map_err(|_| "malformed slug");
        let outcome = match sent {
            Ok(200..=299) => Outcome::Success,
            Ok(_) => Outcome::Failed(slug("subscriber-refused")?),
            Err(reason @ Unsent::Destination) => Outcome::Refused(slug(reason.code())?),
            Err(reason) => Outcome::Failed(slug(reason.code())?),
        };
        self.record(message, request, outcome).await?;
        sent.map_err(Unsent::code)
    }

    /// One signed request.
    async fn send(&self, message: &Message) -> Result<u16, Unsent> {
        let url: Url = message.url.parse().map_err(|_| Unsent::Destination)?;
        let resolved = destination::resolve(&url, self.allow_loopback);
        let address = match tokio::time::timeout(RESOLVING, resolved).await {
            Ok(Ok(address)) => address,
            Ok(Err(DestinationError::Unresolved)) | Err(_) => return Err(Unsent::Unresolved),
            Ok(Err(_)) => return Err(Unsent::Destination),
        };
        let host = url.host_str().ok_or(Unsent::Destination)?;
        let secret = self.secret(message).await?;
        // The id stays the same over all attempts, so that a subscriber can tell a repetition.
        let id: MessageId = format!("msg_{}", message.id.simple())
            .parse()
            .map_err(|_| Unsent::Internal)?;
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
        Ok(answer.status().as_u16())
    }

    async fn secret(&self, message: &Message) -> Result<SigningSecret, Unsent> {
        let context = secret_context(message.endpoint).map_err(|_| Unsent::Internal)?;
        let opened = self
            .keys
            .open(&message.tenant, &context, &message.sealed_secret);
        let secret = opened.await.map_err(|_| Unsent::Secret)?;
        let text = std::str::from_utf8(&secret).map_err(|_| Unsent::Secret)?;
        text.parse().map_err(|_| Unsent::Secret)
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
