//! Identity providers: whose ID tokens are accepted, and what the people in them may do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::{column, not_found, seconds};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::login::{Connection, NewConnection, is_name};
use crate::postgres::{Access, TenantTx};
use crate::problem::{Kind, Problem};
use crate::tokens;

/// Most identity providers of one tenant.
const MAX_PROVIDERS: i64 = 20;

/// Stores a connection, in place of the one of that name if there is one.
///
/// # Errors
/// A problem that names the field; `capability-missing` for more than the caller may do;
/// `conflict` for another connection's issuer with other keys.
pub async fn store(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(name): Path<String>,
    Json(asked): Json<NewConnection>,
) -> Result<Response, Problem> {
    const UPSERT: &str = "insert into app.identity_providers \
         (tenant_id, name, profile, issuer, client_id, jwks_url, algorithms, capabilities, \
         max_age_seconds, stored_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         on conflict (tenant_id, name) do update set profile = excluded.profile, \
         issuer = excluded.issuer, client_id = excluded.client_id, jwks_url = excluded.jwks_url, \
         algorithms = excluded.algorithms, capabilities = excluded.capabilities, \
         max_age_seconds = excluded.max_age_seconds, stored_at = excluded.stored_at, \
         deleted_at = null";
    let checked = asked.check(&name, app.config.webhooks_allow_loopback);
    let connection = checked
        .map_err(|error| Problem::new(Kind::InvalidField, error.reason).with_param(error.field))?;
    if !connection.capabilities.is_subset_of(caller.capabilities()) {
        let detail = "people who log in cannot do more than who lets them in";
        return Err(Problem::new(Kind::CapabilityMissing, detail).with_param("capabilities"));
    }
    let now = seconds(app.clock.unix_seconds());
    let age = i32::try_from(connection.expected.max_age).unwrap_or(i32::MAX);
    let mut tx = tenant.begin(Access::Write).await?;
    let bounds = tokens::require_standing(&mut tx, &caller, app.clock.unix_seconds()).await?;
    if !bounds.is_none_or(|bounds| bounds.are_none()) {
        // People who log in have no such bounds: they would take them off.
        let detail = "a key with an end, with networks or for tests cannot let people in";
        return Err(Problem::new(Kind::CapabilityMissing, detail));
    }
    let is_new = check_count(&mut tx, &name).await?;
    check_issuer(&mut tx, &connection).await?;
    tx.query(
        UPSERT,
        &[
            tenant.tenant().as_uuid(),
            &name,
            &connection.profile(),
            &connection.expected.issuer,
            &connection.expected.client_id,
            &connection.jwks_url.as_str(),
            &connection.algorithms().join(" "),
            &connection.capabilities.to_string(),
            &age,
            &now,
        ],
    )
    .await?;
    let resource = Some(format!("identity_provider/{name}"));
    let action = "identity_provider.store";
    commit_recorded(&app, &request, &caller, tx, action, resource).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(connection.shown(now))).into_response())
}

/// Whether there is none of that name, and room for it. Who leaves credentials behind does so one
/// after the other, and counts what was stored before.
async fn check_count(tx: &mut TenantTx, name: &str) -> Result<bool, Problem> {
    const COUNT: &str = "select count(*) filter (where name <> $1), \
         count(*) filter (where name = $1) \
         from app.identity_providers where deleted_at is null";
    let rows = tx.query(COUNT, &[&name]).await?;
    let row = rows.first().ok_or_else(not_found)?;
    let (others, same): (i64, i64) = (column(row, 0)?, column(row, 1)?);
    if others >= MAX_PROVIDERS {
        let detail = "a tenant has at most 20 identity providers";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    Ok(same == 0)
}

/// Refuses an issuer whose keys another connection has from elsewhere: who it is that logs in is
/// made of the issuer's name, so that whoever holds other keys for it could be anybody it knows.
async fn check_issuer(tx: &mut TenantTx, connection: &Connection) -> Result<(), Problem> {
    const ELSEWHERE: &str = "select name from app.identity_providers \
         where issuer = $1 and jwks_url <> $2 and name <> $3 and deleted_at is null limit 1";
    let issuer = &connection.expected.issuer;
    let url = connection.jwks_url.as_str();
    let rows = tx
        .query(ELSEWHERE, &[issuer, &url, &connection.name])
        .await?;
    if !rows.is_empty() {
        let detail = "another connection has the keys of this issuer from elsewhere";
        return Err(Problem::new(Kind::Conflict, detail).with_param("issuer"));
    }
    Ok(())
}

/// Shows one connection.
///
/// # Errors
/// `not-found` for another tenant's as for none.
pub async fn read(tenant: TenantContext, Path(name): Path<String>) -> Result<Response, Problem> {
    if !is_name(&name) {
        return Err(not_found());
    }
    let found = connections(&tenant, Some(&name)).await?;
    let found = found.into_iter().next().ok_or_else(not_found)?;
    Ok(axum::Json(found).into_response())
}

/// Lists the tenant's connections.
///
/// # Errors
/// A problem.
pub async fn list(tenant: TenantContext) -> Result<Response, Problem> {
    let found = connections(&tenant, None).await?;
    Ok(axum::Json(json!({ "data": found })).into_response())
}

async fn connections(
    tenant: &TenantContext,
    name: Option<&str>,
) -> Result<Vec<serde_json::Value>, Problem> {
    const LIST: &str = "select name, profile, issuer, client_id, jwks_url, algorithms, \
         capabilities, max_age_seconds, stored_at from app.identity_providers \
         where deleted_at is null and ($1::text is null or name = $1) order by name";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(LIST, &[&name]).await?;
    tx.rollback().await;
    let mut shown = Vec::with_capacity(rows.len());
    for row in &rows {
        shown.push(Connection::from_row(row)?.shown(column(row, 8)?));
    }
    Ok(shown)
}

/// Deletes a connection: nobody logs in by it any more. Who has logged in stays so.
///
/// # Errors
/// `not-found` for another tenant's as for none.
pub async fn remove(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    const DELETE: &str = "update app.identity_providers set deleted_at = $2 \
         where name = $1 and deleted_at is null returning name";
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    if !is_name(&name) || tx.query(DELETE, &[&name, &now]).await?.is_empty() {
        tx.rollback().await;
        return Err(not_found());
    }
    let resource = Some(format!("identity_provider/{name}"));
    let action = "identity_provider.delete";
    commit_recorded(&app, &request, &caller, tx, action, resource).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
