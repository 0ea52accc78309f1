//! Webhook delivery: due messages are taken, signed, sent once, and rescheduled or settled.

mod attempt;
mod schedule;
mod settle;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use strongroom_auditchain::Outcome;
use strongroom_envelope::EncryptionContext;
use strongroom_tenancy::{RequestId, TenantId};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::attempt::{Attempt, Unsent};
use super::{Holdup, ticks};
use crate::app::App;
use crate::audit::{Draft, EventError, Sequencer, new_event_id};
use crate::clock::Clock;
use crate::keystore::KeyStore;
use crate::postgres::{CommitError, Job, QueryError};

pub use schedule::next_attempt;

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

/// Delivers what is due.
pub struct Deliverer {
    job: Job,
    sequencer: Sequencer,
    keys: KeyStore,
    clock: Arc<dyn Clock>,
    allow_loopback: bool,
    holdup: Holdup,
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
    /// An event was not made.
    #[error(transparent)]
    Event(#[from] EventError),
}

/// Deliveries that have set out and not come back.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Result<(), DeliveryError>>,
    tenants: HashMap<Id, TenantId>,
    /// The tenant whose turn it is, or the next one after this id.
    turn: Uuid,
}

struct Message {
    tenant: TenantId,
    id: Uuid,
    body: String,
    attempts: i32,
    endpoint: Uuid,
    url: String,
    /// The present one first.
    sealed_secrets: Vec<Vec<u8>>,
    /// Until when it is this taker's: another one has another.
    lease: i64,
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
            holdup: Holdup::of(app.zones.clone()),
        }
    }

    /// Delivers what is due, each message on its own, until told to stop; then what is under way
    /// comes to its end.
    pub async fn run(self, stop: CancellationToken) {
        let deliverer = Arc::new(self);
        let mut under_way = UnderWay::default();
        let mut ticks = ticks();
        loop {
            let is_tick = tokio::select! {
                () = stop.cancelled() => break,
                () = under_way.landed() => false,
                _ = ticks.tick() => true,
            };
            if deliverer.holdup.is_on() {
                continue;
            }
            let taken_off = deliverer.take_off(&mut under_way, is_tick, &stop);
            if let Err(error) = taken_off.await {
                tracing::error!(%error, "webhooks were not taken");
                // The next try waits for its tick, whatever lands before.
                ticks.tick().await;
            }
        }
        while !under_way.tasks.is_empty() {
            under_way.landed().await;
        }
    }

    /// Takes due messages and sets out with each, until none is left or too many are under way. At
    /// a tick it looks on to the last tenant; when one has landed, no further than it finds any.
    async fn take_off(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        is_tick: bool,
        stop: &CancellationToken,
    ) -> Result<(), DeliveryError> {
        loop {
            let room = AT_ONCE.saturating_sub(under_way.tasks.len());
            if room == 0 || stop.is_cancelled() {
                return Ok(());
            }
            let busy = under_way.busy();
            let taken = self.take(&busy, room, under_way.turn).await?;
            // After the last tenant comes the first.
            under_way.turn = taken.next.unwrap_or_default();
            let goes_on = is_tick && taken.next.is_some();
            if !(taken.is_any || goes_on) {
                return Ok(());
            }
            for message in taken.due {
                let (deliverer, tenant) = (Arc::clone(self), message.tenant);
                let task = async move { deliverer.deliver(&message).await };
                let id = under_way.tasks.spawn(task).id();
                under_way.tenants.insert(id, tenant);
            }
        }
    }

    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let attempt = self.attempt(message).await;
        if let Err(reason) = attempt.answer {
            let reason = reason.code();
            tracing::warn!(message = %message.id, reason, "webhook attempt failed");
        }
        self.settle(message, &attempt).await
    }

    /// One try, between an attempt event and an outcome event.
    async fn attempt(&self, message: &Message) -> Attempt {
        let unsent = |reason| Attempt {
            answer: Err(reason),
            took: Duration::ZERO,
        };
        let Ok(request) = self.request_id() else {
            return unsent(Unsent::Internal);
        };
        if let Err(reason) = self.record(message, request, Outcome::Attempt).await {
            return unsent(reason);
        }
        let attempt = self.send(message).await;
        let slug = |text: &str| text.parse().ok();
        let outcome = match attempt.answer {
            Ok(_) if attempt.is_delivered() => Some(Outcome::Success),
            Ok(_) => slug("subscriber-refused").map(Outcome::Failed),
            Err(reason @ Unsent::Destination) => slug(reason.code()).map(Outcome::Refused),
            Err(reason) => slug(reason.code()).map(Outcome::Failed),
        };
        let recorded = match outcome {
            Some(outcome) => self.record(message, request, outcome).await,
            None => Err(Unsent::Internal),
        };
        if let Err(reason) = recorded {
            // The message went out: what came of it is settled all the same.
            tracing::error!(message = %message.id, reason = reason.code(), "no outcome event");
        }
        attempt
    }

    async fn record(
        &self,
        message: &Message,
        request: RequestId,
        outcome: Outcome,
    ) -> Result<(), Unsent> {
        let clock = self.clock.as_ref();
        let id = new_event_id(clock).map_err(|_| Unsent::Internal)?;
        let draft = Draft {
            kind: "webhook.delivery",
            actor: self.actor(),
            request,
            resource: Some(message.endpoint.to_string()),
            credential: None,
            policy: None,
            outcome,
        };
        let leaf = draft.leaf(id, clock.unix_micros(), Vec::new());
        let leaf = leaf.map_err(|_| Unsent::Internal)?;
        let appended = self.sequencer.append(message.tenant, id, leaf, None).await;
        appended.map(|_| ()).map_err(|_| Unsent::Audit)
    }
}
