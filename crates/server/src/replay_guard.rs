//! A replay guard in PostgreSQL: a tenant's webhooks, each handled once on whatever node it meets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use strongroom_tenancy::{ActorId, RequestId, TenantId};
use strongroom_webhook_sig::{
    Claim, DEFAULT_LEASE, ReplayFuture, ReplayGuard, Verified, WebhookError,
};
use tokio::runtime::Handle;
use tokio_postgres::Row;

use crate::postgres::{Access, Gateway, TenantTx};

/// How long a message is remembered after it was last accepted, in seconds: five days.
const REMEMBERED: u64 = 5 * 24 * 60 * 60;

/// Added to the window, for clocks that differ, in seconds.
const SKEW: u64 = 60;

/// Looks up and records in one statement: whoever else claims the message waits for its row. What
/// it answers is the state that it led to; without a row nothing was claimed.
const CLAIM: &str = "insert into app.webhook_receipts as r \
     (tenant_id, endpoint, id, timestamp, timestamps, state, lapses_at, until) \
     values ($1, $2, $3, $4::bigint, array[$4::bigint], 'claimed', $5::bigint + $6::bigint, \
     $5 + $7::bigint) \
     on conflict (tenant_id, endpoint, id) do update set \
     timestamp = case r.state when 'committed' then r.timestamp else excluded.timestamp end, \
     state = case r.state when 'committed' then 'committed' else 'claimed' end, \
     lapses_at = excluded.lapses_at, until = greatest(r.until, excluded.until), \
     timestamps = array(select t from unnest(r.timestamps) as t where t + $7 >= $5) || $4 \
     where not $4 = any (r.timestamps) \
     and not (r.state = 'claimed' and r.lapses_at >= $5) \
     and (select count(*) from unnest(r.timestamps) as t where t + $7 >= $5) < 1000 \
     returning state";

/// Why nothing was claimed. The claim holds the row by then: it says what the claim met.
const REFUSED: &str = "select $4::bigint = any (timestamps), \
     state = 'claimed' and lapses_at >= $5::bigint from app.webhook_receipts \
     where tenant_id = $1 and endpoint = $2 and id = $3";

/// The delivery's timestamp says whose claim it is: no timestamp of a message is accepted twice.
const SETTLE: &str = "update app.webhook_receipts set state = $5, until = greatest(until, $6) \
     where tenant_id = $1 and endpoint = $2 and id = $3 and timestamp = $4 \
     and state in ('claimed', $5) returning id";

/// A [`ReplayGuard`] that all nodes of a tenant's service share, over the gateway's transactions: a
/// tenant's receipts are its own, as any other of its rows.
///
/// A message is remembered for five days after it was last accepted, or for three windows where that
/// is longer. What is over is deleted by the platform's jobs. A message of which a thousand deliveries
/// were accepted is refused as [`WebhookError::StoreUnavailable`] until the first of them are
/// forgotten, and so is an endpoint's name of more than 256 characters.
///
/// `docs/operating/webhook-receiving.md` has it behind the layer of `strongroom-webhook-sig`.
#[derive(Clone)]
pub struct PostgresReplayGuard {
    gateway: Gateway,
    tenant: TenantId,
    actor: ActorId,
    kept: u64,
    lease: u64,
    /// The latest time that this process has seen, against clocks that step back by days.
    newest: Arc<AtomicU64>,
}

/// What a claim is settled as.
#[derive(Clone, Copy)]
enum Settled {
    Committed,
    Released,
}

impl PostgresReplayGuard {
    /// A guard of one tenant, which `actor` works for. `tolerance` is the verifier's, in seconds.
    #[must_use]
    pub fn new(gateway: Gateway, tenant: TenantId, actor: ActorId, tolerance: u64) -> Self {
        let windows = tolerance.saturating_mul(3).saturating_add(SKEW);
        Self {
            gateway,
            tenant,
            actor,
            kept: windows.max(REMEMBERED),
            lease: DEFAULT_LEASE,
            newest: Arc::default(),
        }
    }

    /// Sets how long a claim is held that nobody settles, in seconds: longer than a handler may
    /// take.
    #[must_use]
    pub fn with_lease(mut self, seconds: u64) -> Self {
        self.lease = seconds;
        self.kept = self.kept.max(seconds);
        self
    }

    async fn claim_in_database(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
    ) -> Result<Claim, WebhookError> {
        let newest = self.newest.fetch_max(now, Ordering::Relaxed).max(now);
        if verified.timestamp().saturating_add(self.kept) < newest {
            return Err(WebhookError::TooOld);
        }
        let (id, timestamp) = (verified.message_id().as_str(), time(verified.timestamp())?);
        let (now, lease, kept) = (time(now)?, time(self.lease)?, time(self.kept)?);
        if now.checked_add(kept).is_none() || timestamp.checked_add(kept).is_none() {
            return Err(unavailable("no such time"));
        }
        let mut tx = self.begin(now).await?;
        let tenant = self.tenant.as_uuid();
        let claimed = tx
            .query(
                CLAIM,
                &[tenant, &endpoint, &id, &timestamp, &now, &lease, &kept],
            )
            .await
            .map_err(unavailable)?;
        let Some(row) = claimed.first() else {
            let met = tx
                .query(REFUSED, &[tenant, &endpoint, &id, &timestamp, &now])
                .await;
            tx.rollback().await;
            return Err(refusal(met.map_err(unavailable)?.first()));
        };
        let claim = match row.try_get(0).map_err(unavailable)? {
            "committed" => Claim::Duplicate,
            "claimed" => Claim::First,
            _ => return Err(unavailable("no such state")),
        };
        // What may or may not be recorded is not handled.
        tx.commit().await.map_err(unavailable)?;
        Ok(claim)
    }

    async fn settle_in_database(
        self,
        endpoint: String,
        verified: Verified,
        now: u64,
        to: Settled,
    ) -> Result<(), WebhookError> {
        let (id, timestamp) = (verified.message_id().as_str(), time(verified.timestamp())?);
        let until = time(now.saturating_add(self.kept))?;
        let to = match to {
            Settled::Committed => "committed",
            Settled::Released => "released",
        };
        let mut tx = self.begin(time(now)?).await?;
        let settled = tx
            .query(
                SETTLE,
                &[
                    self.tenant.as_uuid(),
                    &endpoint,
                    &id,
                    &timestamp,
                    &to,
                    &until,
                ],
            )
            .await
            .map_err(unavailable)?;
        if settled.is_empty() {
            tx.rollback().await;
            return Err(WebhookError::ClaimLost);
        }
        tx.commit().await.map_err(unavailable)
    }

    /// In a task of its own: a receiver whose caller hangs up settles all the same, and the
    /// connection is not broken off in the middle of it.
    fn settle(
        &self,
        endpoint: &str,
        verified: &Verified,
        now: u64,
        to: Settled,
    ) -> ReplayFuture<'static, ()> {
        let endpoint = endpoint.to_owned();
        let work = self
            .clone()
            .settle_in_database(endpoint, verified.clone(), now, to);
        Box::pin(async move {
            let runtime = Handle::try_current().map_err(unavailable)?;
            runtime.spawn(work).await.map_err(unavailable)?
        })
    }

    async fn begin(&self, now: i64) -> Result<TenantTx, WebhookError> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(unavailable)?;
        let now = u64::try_from(now).map_err(unavailable)?;
        let request = RequestId::from_parts(now.saturating_mul(1000), &random);
        let begun = self
            .gateway
            .begin(self.tenant, self.actor, &request, Access::Write);
        begun.await.map_err(unavailable)
    }
}

impl ReplayGuard for PostgresReplayGuard {
    fn claim<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, Claim> {
        Box::pin(self.claim_in_database(endpoint, verified, now))
    }

    fn commit<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()> {
        self.settle(endpoint, verified, now, Settled::Committed)
    }

    fn release<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()> {
        self.settle(endpoint, verified, now, Settled::Released)
    }
}

/// What a claim met that was refused.
fn refusal(met: Option<&Row>) -> WebhookError {
    let flag = |index| met.and_then(|row| row.try_get(index).ok());
    match (flag(0), flag(1)) {
        (Some(true), _) => WebhookError::Replayed,
        (_, Some(true)) => WebhookError::InFlight,
        _ => unavailable("a message has been delivered too often"),
    }
}

/// Seconds as the database keeps them; of a time that it cannot keep nothing can be told.
fn time(seconds: u64) -> Result<i64, WebhookError> {
    i64::try_from(seconds).map_err(unavailable)
}

fn unavailable(error: impl std::fmt::Display) -> WebhookError {
    tracing::error!(%error, "the replay guard cannot tell");
    WebhookError::StoreUnavailable
}

/// The page's example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/operating/webhook-receiving.md")]
struct ReceivingPage;
