//! An organisation's erasure: all that its agents said, at once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_auditchain::Outcome;
use tokio_postgres::Row;
use uuid::Uuid;

use super::keys::{Recorded, check_reason};
use super::{column, internal, not_found, seconds};
use crate::app::App;
use crate::audit::new_event_id;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};

/// An erasure to be started.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
}

/// Starts the erasure of every payload of the organisation's agents, marked or not. The reason is
/// recorded first. While one is under way, it is the answer.
///
/// # Errors
/// `reason-required` without a reason.
pub async fn start(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewErasure>,
) -> Result<Response, Problem> {
    const OPEN: &str = "select id from app.erasures where finished_at is null";
    const INSERT: &str = "insert into app.erasures (tenant_id, id, request_id, below, requested_at) \
         select $1, $2, $3, l.size, $4 from app.audit_logs l where l.tenant_id = $1 \
         on conflict do nothing returning id";
    check_reason(&asked.reason)?;
    let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
    let resource = format!("erasure/{id}");
    let owner = tenant.tenant();
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    let reason = Some(("reason", asked.reason.as_str()));
    let (kind, attempt) = ("organisation.erasure_requested", Outcome::Attempt);
    recorded
        .append(owner, kind, attempt, &resource, reason)
        .await?;
    let mut tx = tenant.begin(Access::Write).await?;
    let now = seconds(app.clock.unix_seconds());
    let (asked_by, owner) = (request.id.to_string(), *owner.as_uuid());
    let started = tx.query(INSERT, &[&owner, &id, &asked_by, &now]).await?;
    let running = if started.is_empty() {
        let open = tx.query(OPEN, &[]).await?;
        tx.rollback().await;
        let over = || Problem::new(Kind::Conflict, "another erasure has just ended: ask again");
        column(open.first().ok_or_else(over)?, 0)?
    } else {
        let kind = "organisation.erasure_started";
        commit_recorded(&app, &request, &caller, tx, kind, Some(resource)).await?;
        id
    };
    let body = json!({ "id": running.to_string() });
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

/// How far an erasure has come.
///
/// # Errors
/// `not-found` for another tenant's as for none.
pub async fn read(tenant: TenantContext, Path(id): Path<String>) -> Result<Response, Problem> {
    const READ: &str = "select phase, below, next_idx, payloads, data_keys, requested_at, \
         finished_at, request_id from app.erasures where id = $1";
    let id: Uuid = id.parse().map_err(|_| not_found())?;
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(READ, &[&id]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or_else(not_found)?;
    Ok(axum::Json(shown(&id, row)?).into_response())
}

fn shown(id: &Uuid, row: &Row) -> Result<Value, Problem> {
    let number = |index| column::<i64>(row, index).map(|number| number.to_string());
    Ok(json!({
        "id": id.to_string(),
        "phase": column::<String>(row, 0)?,
        "entries": number(1)?,
        "entries_looked_at": number(2)?,
        "payloads_erased": number(3)?,
        "data_keys_destroyed": number(4)?,
        "requested_at": column::<i64>(row, 5)?,
        "finished_at": column::<Option<i64>>(row, 6)?,
        "request_id": column::<String>(row, 7)?,
    }))
}
