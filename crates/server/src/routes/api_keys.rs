//! API keys: issued, listed, revoked.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use strongroom_apikey::{ApiKey, Environment, IssueError, KeyId, KeyRecord};
use strongroom_tenancy::{ActorId, ActorKind, CapabilitySet};

use super::{column, internal, not_found, seconds, webhooks};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::postgres::{Access, QueryError, TenantTx};
use crate::problem::{Kind, Problem};

/// The prefix of every key that the platform issues.
pub const PREFIX: &str = "cust";

/// The longest life of a key, in seconds: ten years.
const MAX_LIFE: u64 = 315_360_000;

/// A key to be issued.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it may do; no more than its issuer.
    capabilities: Vec<String>,
    /// `live`, the default, or `test`.
    environment: Option<String>,
    /// How long it is good, in seconds; as long as its issuer when absent.
    expires_in: Option<u64>,
}

/// Issues a key and shows it, once.
///
/// # Errors
/// A problem.
pub async fn issue(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewKey>,
) -> Result<Response, Problem> {
    let refuse = |field: &'static str, reason: &'static str| {
        Problem::new(Kind::InvalidField, reason).with_param(field)
    };
    let names = asked.capabilities.iter().map(String::as_str);
    let capabilities = CapabilitySet::from_names(names)
        .map_err(|_| refuse("capabilities", "unknown or repeated capability"))?;
    let environment: Environment = asked
        .environment
        .as_deref()
        .unwrap_or("live")
        .parse()
        .map_err(|_| refuse("environment", "expected live or test"))?;
    if asked
        .expires_in
        .is_some_and(|life| !(1..=MAX_LIFE).contains(&life))
    {
        return Err(refuse("expires_in", "expected 1 to 315360000 seconds"));
    }
    let now = app.clock.unix_seconds();
    let asked_end = asked.expires_in.map(|life| now.saturating_add(life));
    let mut tx = tenant.begin(Access::Write).await?;
    let issuer_end = issuer_end(&mut tx, caller.key(), now).await?;
    let expires_at = match (asked_end, issuer_end) {
        (Some(asked), Some(end)) if asked > end => {
            return Err(refuse("expires_in", "a key cannot outlive its issuer"));
        }
        (asked, end) => asked.or(end),
    };
    let prefix = PREFIX.parse().map_err(internal)?;
    let key = ApiKey::generate(&prefix, environment).map_err(internal)?;
    let issuer = caller.capabilities();
    let record = KeyRecord::issue(&key, tenant.tenant(), capabilities, issuer, expires_at)
        .map_err(|error| match error {
            IssueError::BeyondIssuer => Problem::new(
                Kind::CapabilityMissing,
                "a key cannot do more than its issuer",
            )
            .with_param("capabilities"),
            _ => refuse("capabilities", "at least one capability is required"),
        })?;
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(internal)?;
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    let actor = ActorId::new(ActorKind::Service, id).map_err(internal)?;
    store(&mut tx, &record, actor, now, Some(caller.key())).await?;
    let data = json!({ "key_id": key.id().as_str(), "capabilities": capabilities });
    webhooks::enqueue(&app, &mut tx, "api_key.issued", data).await?;
    let resource = Some(format!("api_key/{}", key.id()));
    commit_recorded(&app, &request, &caller, tx, "api_key.issue", resource).await?;
    let body = json!({
        "id": key.id().as_str(),
        "key": key.expose(),
        "actor": actor,
        "capabilities": capabilities,
        "environment": environment.as_str(),
        "expires_at": expires_at,
    });
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

/// When the issuing key ends. It is held until the new key is stored, so that a revocation comes
/// either before, and is seen here, or after, and finds the new key in the list.
async fn issuer_end(tx: &mut TenantTx, issuer: &KeyId, now: u64) -> Result<Option<u64>, Problem> {
    const ISSUER: &str = "select expires_at, revoked_at from app.api_keys where id = $1 for share";
    let refused = || Problem::new(Kind::CredentialRefused, "the credential is not accepted");
    let rows = tx.query(ISSUER, &[&issuer.as_str()]).await?;
    let row = rows.first().ok_or_else(refused)?;
    let end: Option<i64> = column(row, 0)?;
    let end = end.map(|end| u64::try_from(end).unwrap_or(0));
    if column::<Option<i64>>(row, 1)?.is_some() || end.is_some_and(|end| now >= end) {
        tracing::info!(key_id = %issuer, "the issuing key is revoked or over");
        return Err(refused());
    }
    Ok(end)
}

/// Writes a key's record: its hash, never the key. A tenant's first key has no issuer.
///
/// # Errors
/// [`QueryError`].
pub(crate) async fn store(
    tx: &mut TenantTx,
    record: &KeyRecord,
    actor: ActorId,
    now: u64,
    issuer: Option<&KeyId>,
) -> Result<(), QueryError> {
    const INSERT: &str = "insert into app.api_keys (tenant_id, id, environment, scheme, hash, \
         actor, capabilities, issued_at, expires_at, issued_by) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    tx.query(
        INSERT,
        &[
            record.tenant.as_uuid(),
            &record.id.as_str(),
            &record.environment.as_str(),
            &i16::from(record.hash.scheme() as u8),
            &record.hash.as_bytes().as_slice(),
            &actor.to_string(),
            &record.capabilities.to_string(),
            &seconds(now),
            &record.expires_at.map(seconds),
            &issuer.map(KeyId::as_str),
        ],
    )
    .await
    .map(|_| ())
}

/// Lists the tenant's keys, without their hashes.
///
/// # Errors
/// A problem.
pub async fn list(tenant: TenantContext) -> Result<Response, Problem> {
    const LIST: &str = "select id, environment, actor, capabilities, issued_at, expires_at, \
         revoked_at, issued_by from app.api_keys order by issued_at, id limit 1000";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(LIST, &[]).await?;
    tx.rollback().await;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        let capabilities: String = column(row, 3)?;
        keys.push(json!({
            "id": column::<String>(row, 0)?,
            "environment": column::<String>(row, 1)?,
            "actor": column::<String>(row, 2)?,
            "capabilities": capabilities.parse::<CapabilitySet>().map_err(internal)?,
            "issued_at": column::<i64>(row, 4)?,
            "expires_at": column::<Option<i64>>(row, 5)?,
            "revoked_at": column::<Option<i64>>(row, 6)?,
            "issued_by": column::<Option<String>>(row, 7)?,
        }));
    }
    Ok(axum::Json(json!({ "data": keys })).into_response())
}

/// Revokes a key: from the answer on, no request with it is accepted.
///
/// # Errors
/// `not-found` for a key of another tenant as for none.
pub async fn revoke(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    const REVOKE: &str =
        "update app.api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1 returning id";
    let id: KeyId = id.parse().map_err(|_| not_found())?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    if tx.query(REVOKE, &[&id.as_str(), &now]).await?.is_empty() {
        tx.rollback().await;
        return Err(not_found());
    }
    webhooks::enqueue(
        &app,
        &mut tx,
        "api_key.revoked",
        json!({ "key_id": id.as_str() }),
    )
    .await?;
    let resource = Some(format!("api_key/{id}"));
    commit_recorded(&app, &request, &caller, tx, "api_key.revoke", resource).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
