//! What became of an endpoint's messages, and sending one again.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{MAX_WAITING, parse};
use crate::app::App;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::routes::{column, not_found, seconds};

/// Lists an endpoint's newest hundred messages, how far each has come, and what came of its newest
/// twenty attempts.
///
/// # Errors
/// `not-found` for another tenant's endpoint as for none.
pub async fn list(tenant: TenantContext, Path(id): Path<String>) -> Result<Response, Problem> {
    const KNOWN: &str = "select from app.webhook_endpoints where id = $1";
    const LIST: &str = "select id, attempts, next_attempt_at, delivered_at, last_status, \
         body::jsonb ->> 'type', parked_at from app.webhook_outbox where endpoint_id = $1 \
         order by id desc limit 100";
    const ATTEMPTS: &str = "select a.message_id, a.at, a.took_ms, a.status, a.reason \
         from unnest($1::uuid[]) as m (id) cross join lateral (select * from \
           app.webhook_attempts a where a.message_id = m.id order by a.id desc limit 20) a \
         order by a.id";
    let id = parse(&id)?;
    let mut tx = tenant.begin(Access::Read).await?;
    let known = !tx.query(KNOWN, &[&id]).await?.is_empty();
    let rows = tx.query(LIST, &[&id]).await?;
    let ids = rows.iter().map(|row| column(row, 0));
    let ids = ids.collect::<Result<Vec<Uuid>, _>>()?;
    let attempts = tx.query(ATTEMPTS, &[&ids]).await?;
    tx.rollback().await;
    if !known {
        return Err(not_found());
    }
    let mut of: HashMap<Uuid, Vec<Value>> = HashMap::new();
    for row in &attempts {
        of.entry(column(row, 0)?).or_default().push(json!({
            "at": column::<i64>(row, 1)?,
            "took_ms": column::<i32>(row, 2)?,
            "status": column::<Option<i32>>(row, 3)?,
            "reason": column::<Option<String>>(row, 4)?,
        }));
    }
    let mut messages = Vec::with_capacity(rows.len());
    for (row, id) in rows.iter().zip(ids) {
        messages.push(json!({
            "id": id.to_string(),
            "type": column::<Option<String>>(row, 5)?,
            "attempts": column::<i32>(row, 1)?,
            "next_attempt_at": column::<Option<i64>>(row, 2)?,
            "parked_at": column::<Option<i64>>(row, 6)?,
            "delivered_at": column::<Option<i64>>(row, 3)?,
            "last_status": column::<Option<i32>>(row, 4)?,
            "log": of.remove(&id).unwrap_or_default(),
        }));
    }
    Ok(axum::Json(json!({ "data": messages })).into_response())
}

/// Sends a message again that was delivered or given up, from the first pause on. It keeps its id:
/// a subscriber that has it can tell.
///
/// # Errors
/// `not-found`; `conflict` for a message that waits for its next attempt as it is, when the endpoint
/// is disabled, or when as many wait for it as may.
pub async fn resend(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path((endpoint, message)): Path<(String, String)>,
) -> Result<Response, Problem> {
    const HOLD: &str = "select o.next_attempt_at is not null, e.disabled_at is not null, \
         app.webhook_backlog(e.id) \
         from app.webhook_outbox o join app.webhook_endpoints e \
         on e.tenant_id = o.tenant_id and e.id = o.endpoint_id \
         where o.endpoint_id = $1 and o.id = $2 for update of o";
    const AGAIN: &str = "update app.webhook_outbox set attempts = 0, next_attempt_at = $2, \
         delivered_at = null, settled_at = null, parked_at = null where id = $1";
    let (endpoint, message) = (parse(&endpoint)?, parse(&message)?);
    let mut tx = tenant.begin(Access::Write).await?;
    let rows = tx.query(HOLD, &[&endpoint, &message]).await?;
    let refused = match rows.first() {
        None => Some(not_found()),
        Some(row) if column::<bool>(row, 0)? => Some(Problem::new(
            Kind::Conflict,
            "the message is under way, or will be tried again",
        )),
        Some(row) if column::<bool>(row, 1)? => Some(Problem::new(
            Kind::Conflict,
            "the endpoint is disabled: enable it first",
        )),
        Some(row) if column::<i64>(row, 2)? >= MAX_WAITING => Some(Problem::new(
            Kind::Conflict,
            "too many messages wait for the endpoint",
        )),
        Some(_) => None,
    };
    if let Some(refused) = refused {
        tx.rollback().await;
        return Err(refused);
    }
    let now = seconds(app.clock.unix_seconds());
    tx.query(AGAIN, &[&message, &now]).await?;
    let resource = Some(format!("webhook/{endpoint}/{message}"));
    commit_recorded(&app, &request, &caller, tx, "webhook.resend", resource).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
