//! What an attempt leaves behind: its row, the message's next time, the endpoint's health.

use serde_json::json;
use strongroom_auditchain::Outcome;
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId, TenantId};

use super::attempt::Attempt;
use super::schedule::{FAILING, next_attempt};
use super::{Deliverer, DeliveryError, Message};
use crate::audit::{Draft, STAGE_EVENT, new_event_id};
use crate::postgres::{JobTx, QueryError};

pub(super) const RECORD: &str = "insert into app.webhook_attempts \
     (tenant_id, id, message_id, at, took_ms, status, reason) values ($1, $2, $3, $4, $5, $6, $7)";

/// Fenced: another taker's attempt has another time, or another number.
pub(super) const SETTLE: &str = "update app.webhook_outbox set next_attempt_at = $3, \
     delivered_at = $4, last_status = $5, \
     settled_at = case when $3::bigint is null then $8::bigint end where tenant_id = $1 and id = $2 and next_attempt_at = $6 and attempts = $7 \
     returning id";

const HEALTHY: &str = "update app.webhook_endpoints set first_failure_at = null \
     where tenant_id = $1 and id = $2 and first_failure_at is not null";

const FAILED: &str = "update app.webhook_endpoints \
     set first_failure_at = coalesce(first_failure_at, $3) \
     where tenant_id = $1 and id = $2 returning first_failure_at";

/// Nothing is tried any more: its messages wait for the tenant to enable it.
const DISABLE: &str = "update app.webhook_endpoints set disabled_at = $3, disabled_reason = $4 \
     where tenant_id = $1 and id = $2 and disabled_at is null returning id";

const OTHERS: &str = "select id from app.webhook_endpoints \
     where tenant_id = $1 and id <> $2 and disabled_at is null";

/// As many wait as any endpoint may have: this one is counted there, and not stored.
const TELL: &str = "with told as (insert into app.webhook_outbox \
       (tenant_id, id, endpoint_id, body, next_attempt_at) \
       select $1::uuid, $2::uuid, $3::uuid, $4::text, $5::bigint \
       where app.webhook_backlog($1, $3) < 5000 returning id) \
     update app.webhook_endpoints set dropped = dropped + 1, dropped_at = $5 \
     where tenant_id = $1 and id = $3 and not exists (select from told)";

impl Deliverer {
    /// Stores what came of an attempt, all of it or nothing.
    pub(super) async fn settle(
        &self,
        message: &Message,
        attempt: &Attempt,
    ) -> Result<(), DeliveryError> {
        let now = self.clock.unix_seconds();
        let status = attempt.answer.ok().map(|answer| i32::from(answer.status));
        let reason = attempt.answer.err().map(super::attempt::Unsent::code);
        let is_delivered = attempt.is_delivered();
        let again = if is_delivered || attempt.is_gone() {
            None
        } else {
            let attempts = usize::try_from(message.attempts).unwrap_or(usize::MAX);
            let asked = attempt.answer.ok().and_then(|answer| answer.retry_after);
            let mut jitter = [0];
            // Without randomness the pause is as long as it is listed.
            let _ = getrandom::fill(&mut jitter);
            next_attempt(attempts, now, asked, jitter[0])
        };
        let (tenant, id) = (message.tenant, new_event_id(self.clock.as_ref())?);
        let took = i32::try_from(attempt.took.as_millis()).unwrap_or(i32::MAX);
        let at = seconds(now);
        let mut tx = self.job.begin().await?;
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 7] = [
            tenant.as_uuid(),
            &id,
            &message.id,
            &at,
            &took,
            &status,
            &reason,
        ];
        tx.query(RECORD, &row).await?;
        let delivered_at = is_delivered.then_some(at);
        let again = again.map(seconds);
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
            tenant.as_uuid(),
            &message.id,
            &again,
            &delivered_at,
            &status,
            &message.lease,
            &message.attempts,
            &at,
        ];
        // Whoever took it since settles it: what this attempt came to, late, is in its row alone.
        if !tx.query(SETTLE, &row).await?.is_empty() {
            self.judge(&mut tx, message, attempt, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Counts the attempt for or against the endpoint.
    async fn judge(
        &self,
        tx: &mut JobTx,
        message: &Message,
        attempt: &Attempt,
        now: u64,
    ) -> Result<(), DeliveryError> {
        let (tenant, endpoint) = (message.tenant, message.endpoint);
        if attempt.is_delivered() {
            tx.query(HEALTHY, &[tenant.as_uuid(), &endpoint]).await?;
            return Ok(());
        }
        if attempt.is_gone() {
            return self.disable(tx, message, "gone", now).await;
        }
        let is_the_endpoints = attempt
            .answer
            .err()
            .is_none_or(super::attempt::Unsent::is_the_endpoints);
        if !is_the_endpoints {
            return Ok(());
        }
        let rows = tx
            .query(FAILED, &[tenant.as_uuid(), &endpoint, &seconds(now)])
            .await?;
        let since = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
        let since = since.and_then(|since| u64::try_from(since).ok());
        if since.is_some_and(|since| now.saturating_sub(since) >= FAILING) {
            return self.disable(tx, message, "failing", now).await;
        }
        Ok(())
    }

    /// Gives an endpoint up, and tells its tenant: in the log, and at the other endpoints.
    async fn disable(
        &self,
        tx: &mut JobTx,
        message: &Message,
        reason: &'static str,
        now: u64,
    ) -> Result<(), DeliveryError> {
        let (tenant, endpoint) = (message.tenant, message.endpoint);
        let (tenant_id, at) = (tenant.as_uuid(), seconds(now));
        let disabled = tx
            .query(DISABLE, &[tenant_id, &endpoint, &at, &reason])
            .await?;
        if disabled.is_empty() {
            return Ok(());
        }
        let data = json!({ "endpoint_id": endpoint.to_string(), "reason": reason });
        let body = json!({ "type": "webhook.disabled", "timestamp": now, "data": data });
        let body = body.to_string();
        for row in tx.query(OTHERS, &[tenant_id, &endpoint]).await? {
            let other: uuid::Uuid = row
                .try_get(0)
                .map_err(|error| QueryError::Row(error.to_string()))?;
            let id = new_event_id(self.clock.as_ref())?;
            tx.query(TELL, &[tenant_id, &id, &other, &body, &at])
                .await?;
        }
        let draft = Draft {
            kind: "webhook.disabled",
            actor: self.actor(),
            request: self.request_id()?,
            resource: Some(format!("webhook/{endpoint}")),
            credential: None,
            policy: None,
            outcome: Outcome::Success,
        };
        let event = new_event_id(self.clock.as_ref())?;
        let leaf = draft.leaf(event, self.clock.unix_micros(), Vec::new())?;
        tx.query(STAGE_EVENT, &[tenant_id, &event, &leaf.as_bytes()])
            .await?;
        tracing::warn!(%tenant, %endpoint, reason, "a webhook endpoint was given up");
        Ok(())
    }

    /// The platform, who does this.
    pub(super) fn actor(&self) -> Option<Actor> {
        let platform = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid());
        platform.ok().map(Actor::new)
    }

    pub(super) fn request_id(&self) -> Result<RequestId, DeliveryError> {
        let mut random = [0_u8; 10];
        getrandom::fill(&mut random).map_err(|_| crate::audit::EventError::Randomness)?;
        let now = self.clock.unix_millis();
        Ok(RequestId::from_parts(now, &random))
    }
}

pub(super) fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
