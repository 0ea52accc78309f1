//! Webhook endpoints, and the outbox that their messages wait in.

mod content;
pub mod deliveries;
pub mod secret;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_webhook_sig::SigningSecret;
use uuid::Uuid;

use super::{column, internal, not_found, seconds};
use crate::app::App;
use crate::audit::new_event_id;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded, policy_in};
use crate::jobs::{check_url, secret_context};
use crate::postgres::{Access, TenantTx};
use crate::problem::{Kind, Problem};
use crate::vault;

/// Most endpoints of one tenant: each gets every message, and every message is stored for each.
const MAX_ENDPOINTS: i64 = 20;

/// Most messages that wait for one endpoint; the function that counts them stops there.
pub(super) const MAX_WAITING: i64 = 5_000;

/// An endpoint to be created.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Where messages are to go: https.
    url: String,
}

/// Creates an endpoint and shows its signing secret, once.
///
/// # Errors
/// A problem.
pub async fn create(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewEndpoint>,
) -> Result<Response, Problem> {
    const INSERT: &str = "insert into app.webhook_endpoints \
         (tenant_id, id, url, sealed_secret, created_at, kek, kek_version) \
         values ($1, $2, $3, $4, $5, $6, $7)";
    let url = asked.url.parse().ok().filter(|url: &Url| {
        url.as_str().len() <= 2048 && check_url(url, app.config.webhooks_allow_loopback).is_ok()
    });
    // The parser's own spelling: what it read is what is stored, shown and called.
    let Some(url) = url.map(String::from) else {
        let problem = Problem::new(
            Kind::InvalidField,
            "expected https without user or fragment",
        );
        return Err(problem.with_param("url"));
    };
    let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
    let secret = SigningSecret::generate().map_err(internal)?;
    let context = secret_context(id).map_err(internal)?;
    let text = secret.expose_text();
    let owner = tenant.tenant();
    let sealed = app.keys.seal(&owner, &context, text.as_bytes()).await?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    check_count(&mut tx).await?;
    tx.query(
        INSERT,
        &[
            owner.as_uuid(),
            &id,
            &url,
            &sealed.bytes,
            &now,
            &sealed.kek,
            &sealed.kek_version,
        ],
    )
    .await?;
    let resource = Some(format!("webhook/{id}"));
    commit_recorded(&app, &request, &caller, tx, "webhook.create", resource).await?;
    let body = json!({ "id": id.to_string(), "url": url, "secret": text.as_str() });
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

/// Refuses an endpoint too many. The tenant's first key, which is always there, stands for the
/// tenant: who creates an endpoint holds it, and so counts what was created at the same time.
async fn check_count(tx: &mut TenantTx) -> Result<(), Problem> {
    const HOLD: &str = "select from app.api_keys where issued_by is null for no key update";
    const COUNT: &str = "select count(*) from app.webhook_endpoints";
    tx.query(HOLD, &[]).await?;
    let rows = tx.query(COUNT, &[]).await?;
    let count: i64 = column(rows.first().ok_or_else(not_found)?, 0)?;
    if count >= MAX_ENDPOINTS {
        let detail = "a tenant has at most 20 webhook endpoints";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    Ok(())
}

/// Lists the tenant's endpoints, without their secrets.
///
/// # Errors
/// A problem.
pub async fn list(tenant: TenantContext) -> Result<Response, Problem> {
    const LIST: &str = "select id, url, created_at, disabled_at, disabled_reason, \
         first_failure_at, dropped, dropped_at from app.webhook_endpoints order by created_at, id";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(LIST, &[]).await?;
    tx.rollback().await;
    let mut endpoints = Vec::with_capacity(rows.len());
    for row in &rows {
        endpoints.push(json!({
            "id": column::<Uuid>(row, 0)?.to_string(),
            "url": column::<String>(row, 1)?,
            "created_at": column::<i64>(row, 2)?,
            "disabled_at": column::<Option<i64>>(row, 3)?,
            "disabled_reason": column::<Option<String>>(row, 4)?,
            "failing_since": column::<Option<i64>>(row, 5)?,
            "dropped": column::<i64>(row, 6)?,
            "dropped_at": column::<Option<i64>>(row, 7)?,
        }));
    }
    Ok(axum::Json(json!({ "data": endpoints })).into_response())
}

/// Stops an endpoint: messages for it wait.
///
/// # Errors
/// `not-found` for another tenant's endpoint as for none.
pub async fn disable(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    const DISABLE: &str = "update app.webhook_endpoints \
         set disabled_at = coalesce(disabled_at, $2), \
         disabled_reason = coalesce(disabled_reason, 'tenant') where id = $1 returning id";
    let id = parse(&id)?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    if tx.query(DISABLE, &[&id, &now]).await?.is_empty() {
        tx.rollback().await;
        return Err(not_found());
    }
    let resource = Some(format!("webhook/{id}"));
    commit_recorded(&app, &request, &caller, tx, "webhook.disable", resource).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Has an endpoint called again, whoever stopped it, with what waited for it from when it was
/// stopped.
///
/// # Errors
/// `not-found` for another tenant's endpoint as for none.
pub async fn enable(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    const ENABLE: &str = "update app.webhook_endpoints set disabled_at = null, \
         disabled_reason = null, first_failure_at = null where id = $1 returning id";
    const RESUME: &str = "update app.webhook_outbox set next_attempt_at = $2, parked_at = null \
         where endpoint_id = $1 and parked_at is not null";
    let id = parse(&id)?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    if tx.query(ENABLE, &[&id]).await?.is_empty() {
        tx.rollback().await;
        return Err(not_found());
    }
    tx.query(RESUME, &[&id, &now]).await?;
    let resource = Some(format!("webhook/{id}"));
    commit_recorded(&app, &request, &caller, tx, "webhook.enable", resource).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse(id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| not_found())
}

/// Puts a message for each of the tenant's endpoints into the outbox, in the transaction that
/// makes it true. `data` must hold opaque ids and names only, and what is personal in a name goes by the
/// tenant's policy. For an endpoint that five thousand
/// wait for already it is counted and not stored.
///
/// # Errors
/// A problem.
pub(crate) async fn enqueue(
    app: &App,
    tx: &mut TenantTx,
    kind: &'static str,
    data: Value,
) -> Result<(), Problem> {
    const ENDPOINTS: &str = "select id, app.webhook_backlog(id) from app.webhook_endpoints \
         where disabled_at is null order by id";
    const DROP: &str = "update app.webhook_endpoints \
         set dropped = dropped + 1, dropped_at = $2 where id = $1";
    const INSERT: &str = "insert into app.webhook_outbox \
         (tenant_id, id, endpoint_id, body, next_attempt_at) values ($1, $2, $3, $4, $5)";
    let now = app.clock.unix_seconds();
    let tenant = tx.tenant();
    let endpoints = tx.query(ENDPOINTS, &[]).await?;
    if endpoints.is_empty() {
        return Ok(());
    }
    let policy = policy_in(tx).await?;
    let key = if policy.needs_linking_key() {
        Some(vault::linking_key_in(app, tx).await?)
    } else {
        None
    };
    let data = content::redacted(data, &policy, &tenant, key.as_deref());
    for row in endpoints {
        let endpoint: Uuid = column(&row, 0)?;
        if column::<i64>(&row, 1)? >= MAX_WAITING {
            tracing::warn!(%tenant, %endpoint, kind, "a webhook message was not stored");
            tx.query(DROP, &[&endpoint, &seconds(now)]).await?;
            continue;
        }
        let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
        let body = json!({ "type": kind, "timestamp": now, "data": data }).to_string();
        tx.query(
            INSERT,
            &[tenant.as_uuid(), &id, &endpoint, &body, &seconds(now)],
        )
        .await?;
    }
    Ok(())
}
