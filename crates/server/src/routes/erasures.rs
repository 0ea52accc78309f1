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
use super::subjects::end_logins;
use super::{column, internal, not_found, seconds};
use crate::app::App;
use crate::audit::new_event_id;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::keystore::{Doomed, KeyStoreError};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::subjects;

/// An erasure to be started.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
}

/// Starts the erasure of every payload of the organisation's agents, marked or not; whom its
/// pseudonyms stand for is gone before the answer, and so is what the vault kept of their texts. The reason is recorded first. While one is under
/// way, it is the answer.
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
    // They are shown no more, and deleted by the next sweep.
    const END_VALUES: &str =
        "update app.pii_values set ends_at = least(ends_at, greatest(kept_at, $1))";
    check_reason(&asked.reason)?;
    let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
    let resource = format!("erasure/{id}");
    let owner = tenant.tenant();
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    let reason = [("reason", asked.reason.as_str())];
    let (kind, attempt) = ("organisation.erasure_requested", Outcome::Attempt);
    recorded
        .append(owner, kind, attempt, &resource, &reason)
        .await?;
    let now = seconds(app.clock.unix_seconds());
    forget_people(&recorded, &tenant, &resource, now).await?;
    let mut tx = tenant.begin(Access::Write).await?;
    let (asked_by, owner) = (request.id.to_string(), *owner.as_uuid());
    let started = tx.query(INSERT, &[&owner, &id, &asked_by, &now]).await?;
    let running = if started.is_empty() {
        let open = tx.query(OPEN, &[]).await?;
        tx.rollback().await;
        let over = || Problem::new(Kind::Conflict, "another erasure has just ended: ask again");
        column(open.first().ok_or_else(over)?, 0)?
    } else {
        tx.query(END_VALUES, &[&now]).await?;
        let kind = "organisation.erasure_started";
        commit_recorded(&app, &request, &caller, tx, kind, Some(resource)).await?;
        id
    };
    let body = json!({ "id": running.to_string() });
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

/// Leaves the organisation's pseudonyms with nobody behind them: their logins end, and what they
/// stood for is gone with its keys. Whoever comes back has another one.
async fn forget_people(
    recorded: &Recorded<'_>,
    tenant: &TenantContext,
    resource: &str,
    now: i64,
) -> Result<(), Problem> {
    const PEOPLE: &str = "select pseudonym from app.subjects where erased_at is null";
    let mut tx = tenant.begin(Access::Write).await?;
    let rows = tx.query(PEOPLE, &[]).await?;
    let people: Result<Vec<Uuid>, _> = rows.iter().map(|row| column(row, 0)).collect();
    let people = people?;
    if people.is_empty() {
        tx.rollback().await;
        return Ok(());
    }
    let users: Result<Vec<_>, _> = people.iter().map(|id| subjects::actor(*id)).collect();
    end_logins(recorded, tx, &users.map_err(internal)?, resource, now).await?;
    let event = recorded.event("subjects.erased", resource)?;
    let (keys, doomed) = (&recorded.app.keys, Doomed::People(people));
    match keys.destroy(&tenant.tenant(), &doomed, event).await {
        Ok(destroyed) => drop(keys.shredded(destroyed, 0, None).await),
        // Their keys went with the tenant's.
        Err(KeyStoreError::NoKey) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
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
