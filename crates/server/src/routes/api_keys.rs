//! API keys: issued, listed, rotated, revoked.

mod listing;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_apikey::{
    ApiKey, Environment, Grant, IssueError, KeyId, KeyRecord, MAX_ROTATION_OVERLAP, Networks,
    ROTATION_OVERLAP, Rotation, RotationError,
};
use strongroom_tenancy::{ActorId, ActorKind, CapabilitySet};

use super::{column, internal, not_found, seconds, webhooks};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::generations::{BUMP_GENERATION, revoked_everywhere};
use crate::jobs::hash_columns;
use crate::postgres::{self, Access, TenantTx};
use crate::problem::{Kind, Problem};
use crate::tokens::{self, KeyBounds};

pub use listing::{Page, list};

/// The prefix of every key that the platform issues.
pub const PREFIX: &str = "cust";

/// The shortest overlap but none, in seconds.
const MIN_OVERLAP: u64 = 60;

/// The most keys of a tenant that are not revoked.
const MAX_KEYS: i64 = 900;

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
    /// From where it may be used, as networks (`203.0.113.0/24`); from where its issuer may when
    /// absent.
    networks: Option<Vec<String>>,
}

/// A key to be replaced.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// How long the old one is accepted too, in seconds: seven days when absent.
    overlap_seconds: Option<u64>,
    /// How long the new one is good, in seconds; as long as its issuer when absent.
    expires_in: Option<u64>,
}

fn refuse(field: &'static str, reason: &'static str) -> Problem {
    Problem::new(Kind::InvalidField, reason).with_param(field)
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
    let networks = match &asked.networks {
        None => None,
        Some(list) => {
            let refuse = |_| refuse("networks", "expected 1 to 64 networks, as 203.0.113.0/24");
            Some(list.join(" ").parse::<Networks>().map_err(refuse)?)
        }
    };
    let now = app.clock.unix_seconds();
    let mut tx = tenant.begin(Access::Write).await?;
    let issuer = issuer(&mut tx, &caller, environment, now).await?;
    let grant = Grant {
        tenant: tenant.tenant(),
        environment,
        capabilities,
        expires_at: expiry(asked.expires_in, &issuer, now),
        networks: networks.unwrap_or_else(|| issuer.networks.clone()),
    };
    let prefix = PREFIX.parse().map_err(internal)?;
    let key = ApiKey::generate(&prefix, environment).map_err(internal)?;
    let hasher = app.key_gate.hasher();
    let mut record = KeyRecord::issue_under(&key, grant, &issuer, hasher).map_err(beyond)?;
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(internal)?;
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    let actor = ActorId::new(ActorKind::Service, id).map_err(internal)?;
    record.actor = Some(actor);
    store(&mut tx, &record, now, caller.key()).await?;
    let data = json!({ "key_id": key.id().as_str(), "capabilities": capabilities });
    webhooks::enqueue(&app, &mut tx, "api_key.issued", data).await?;
    let resource = Some(format!("api_key/{}", key.id()));
    commit_recorded(&app, &request, &caller, tx, "api_key.issue", resource).await?;
    app.key_gate.created(key.id());
    Ok((StatusCode::CREATED, axum::Json(shown(&key, &record))).into_response())
}

/// A new key as it is shown, once.
fn shown(key: &ApiKey, record: &KeyRecord) -> Value {
    json!({
        "id": key.id().as_str(),
        "key": key.expose(),
        "actor": record.actor,
        "capabilities": record.capabilities,
        "environment": record.environment.as_str(),
        "expires_at": record.expires_at,
        "networks": networks(&record.networks),
    })
}

/// When a new key ends: what was asked for, or when its issuer does.
fn expiry(life: Option<u64>, issuer: &Grant, now: u64) -> Option<u64> {
    life.map(|life| now.saturating_add(life))
        .or(issuer.expires_at)
}

fn networks(networks: &Networks) -> Option<Vec<String>> {
    match networks {
        Networks::Anywhere => None,
        Networks::Only(list) => Some(list.iter().map(ToString::to_string).collect()),
    }
}

/// What would be wider than the issuer's.
fn beyond(error: IssueError) -> Problem {
    let wider = |detail, param| Problem::new(Kind::CapabilityMissing, detail).with_param(param);
    let invalid = |detail, param| Problem::new(Kind::InvalidField, detail).with_param(param);
    match error {
        IssueError::NoCapability => invalid("at least one capability is required", "capabilities"),
        IssueError::BeyondIssuer => wider("a key cannot do more than its issuer", "capabilities"),
        IssueError::BeyondNetworks => wider(
            "a key cannot be used from where its issuer cannot",
            "networks",
        ),
        IssueError::OutlivesIssuer => invalid("a key cannot outlive its issuer", "expires_in"),
        IssueError::OtherEnvironment => wider(
            "a key of one environment issues none of the other",
            "environment",
        ),
        _ => wider("a key cannot be wider than its issuer", "capabilities"),
    }
}

/// What the caller may hand on. It is held until the new key is stored, so that a revocation comes
/// either before, and is seen here, or after, and finds the new key in the list.
async fn issuer(
    tx: &mut TenantTx,
    caller: &Caller,
    environment: Environment,
    now: u64,
) -> Result<Grant, Problem> {
    let bounds = tokens::require_standing(tx, caller, now).await?;
    // A login hands on what it may do itself, in either environment, for as long as it says.
    let bounds = bounds.unwrap_or(KeyBounds {
        expires_at: None,
        environment,
        networks: Networks::Anywhere,
    });
    Ok(Grant {
        tenant: caller.tenant(),
        environment: bounds.environment,
        capabilities: *caller.capabilities(),
        // What is issued in an overlap does not outlive it.
        expires_at: bounds.expires_at,
        networks: bounds.networks,
    })
}

/// Writes a key's record: its hash, never the key. A tenant's first key has no issuer.
///
/// # Errors
/// `conflict` for a key too many.
pub(crate) async fn store(
    tx: &mut TenantTx,
    record: &KeyRecord,
    now: u64,
    issuer: Option<&KeyId>,
) -> Result<(), Problem> {
    const INSERT: &str = "insert into app.api_keys (tenant_id, id, environment, scheme, hash, \
         actor, capabilities, issued_at, expires_at, issued_by, networks, pepper) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    const COUNT: &str = "select count(*) from app.api_keys where revoked_at is null";
    let rows = tx.query(COUNT, &[]).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
    if count >= MAX_KEYS {
        return Err(Problem::new(
            Kind::Conflict,
            "a tenant has at most 900 keys",
        ));
    }
    let networks = match &record.networks {
        Networks::Anywhere => None,
        Networks::Only(list) => Some(list.to_string()),
    };
    let actor = record.actor.map(|actor| actor.to_string());
    let (scheme, pepper) = hash_columns(&record.hash);
    tx.query(
        INSERT,
        &[
            record.tenant.as_uuid(),
            &record.id.as_str(),
            &record.environment.as_str(),
            &scheme,
            &record.hash.as_bytes().as_slice(),
            &actor,
            &record.capabilities.to_string(),
            &seconds(now),
            &record.expires_at.map(seconds),
            &issuer.map(KeyId::as_str),
            &networks,
            &pepper,
        ],
    )
    .await?;
    Ok(())
}

/// Replaces a key by a new one, shown once, that is bound to the same; both are accepted until the
/// overlap is over.
///
/// # Errors
/// `not-found`; `conflict` for a key that has a successor or is no longer accepted; a problem that
/// names what would be wider than the caller's own key.
pub async fn rotate(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(id): Path<String>,
    Json(asked): Json<Replacement>,
) -> Result<Response, Problem> {
    const RETIRE: &str =
        "update app.api_keys set successor = $2, retires_at = $3 where id = $1 returning id";
    let id: KeyId = id.parse().map_err(|_| not_found())?;
    let overlap = asked.overlap_seconds.unwrap_or(ROTATION_OVERLAP);
    // Nodes' clocks differ by seconds: an end that near would be another one on each.
    if overlap > MAX_ROTATION_OVERLAP || (1..MIN_OVERLAP).contains(&overlap) {
        return Err(refuse(
            "overlap_seconds",
            "expected 0, or 60 to 2592000 seconds",
        ));
    }
    let is_life = |life: &u64| (1..=MAX_LIFE).contains(life);
    if !asked.expires_in.as_ref().is_none_or(is_life) {
        return Err(refuse("expires_in", "expected 1 to 315360000 seconds"));
    }
    let now = app.clock.unix_seconds();
    let mut tx = tenant.begin(Access::Write).await?;
    tokens::hold_credentials(&mut tx).await?;
    let Some(old) = held(&mut tx, &caller, &id).await? else {
        tx.rollback().await;
        return Err(not_found());
    };
    let issuer = issuer(&mut tx, &caller, old.environment, now).await?;
    let prefix = PREFIX.parse().map_err(internal)?;
    let key = ApiKey::generate(&prefix, old.environment).map_err(internal)?;
    let asked = Rotation {
        overlap,
        expires_at: expiry(asked.expires_in, &issuer, now),
    };
    let rotated = old.rotate(&key, &asked, &issuer, app.key_gate.hasher(), now);
    let rotated = rotated.map_err(|error| match error {
        RotationError::Issue(error) => beyond(error),
        RotationError::InProgress => Problem::new(Kind::Conflict, "the key has a successor"),
        _ => Problem::new(Kind::Conflict, "the key is no longer accepted"),
    })?;
    let mut successor = rotated.successor;
    // Whoever asks with it is who asked with the old one.
    successor.actor = old.actor;
    store(&mut tx, &successor, now, caller.key()).await?;
    // At once is at once whatever a node's clock says.
    let end = rotated.retiring.retirement.map(|end| seconds(end.at));
    let retires_at = if overlap == 0 { Some(0) } else { end };
    tx.query(RETIRE, &[&id.as_str(), &key.id().as_str(), &retires_at])
        .await?;
    let data = json!({ "key_id": id.as_str(), "successor": key.id().as_str() });
    webhooks::enqueue(&app, &mut tx, "api_key.rotated", data).await?;
    let owner = tenant.tenant();
    tx.query(BUMP_GENERATION, &[owner.as_uuid()]).await?;
    let resource = Some(format!("api_key/{id}"));
    commit_recorded(&app, &request, &caller, tx, "api_key.rotate", resource).await?;
    app.key_gate.created(key.id());
    if overlap == 0 {
        revoked_everywhere().await;
    }
    let mut body = shown(&key, &successor);
    if let Some(body) = body.as_object_mut() {
        body.insert("replaces".to_owned(), json!(id.as_str()));
        body.insert(
            "old_key_until".to_owned(),
            json!(now.saturating_add(overlap)),
        );
    }
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

/// A key's record, held until the transaction ends.
async fn held(
    tx: &mut TenantTx,
    caller: &Caller,
    id: &KeyId,
) -> Result<Option<KeyRecord>, Problem> {
    const HELD: &str = "select environment, scheme, hash, actor, capabilities, expires_at, \
         revoked_at, networks, successor, retires_at, pepper from app.api_keys where id = $1 \
         for no key update";
    let rows = tx.query(HELD, &[&id.as_str()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let record = postgres::key_record(id, caller.tenant(), row, 0)?;
    Ok(Some(record))
}

/// Revokes a key: from the answer on, no node accepts it, nor a token that it was exchanged for. Keys
/// that it issued live on: they are listed with it as `issued_by`.
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
    tokens::hold_credentials(&mut tx).await?;
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
    let owner = tenant.tenant();
    tx.query(BUMP_GENERATION, &[owner.as_uuid()]).await?;
    let resource = Some(format!("api_key/{id}"));
    commit_recorded(&app, &request, &caller, tx, "api_key.revoke", resource).await?;
    revoked_everywhere().await;
    Ok(StatusCode::NO_CONTENT.into_response())
}
