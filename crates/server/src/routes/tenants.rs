//! Tenants, created by the platform's operator.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use strongroom_apikey::{ApiKey, Environment, Hasher, KeyRecord};
use strongroom_envelope::KmsError;
use strongroom_tenancy::{ActorId, ActorKind, CapabilitySet, Role, TenantId};
use uuid::Uuid;

use super::{api_keys, internal, not_found};
use crate::app::App;
use crate::audit::new_origin;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::keystore::store_kek;
use crate::postgres::{Access, TenantTx};
use crate::problem::{Kind, Problem};

/// A tenant to be created.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// What people call it; 1 to 200 characters.
    name: String,
}

/// Creates a tenant with a key of its own, a log of its own and an owner's API key, shown once.
///
/// # Errors
/// A problem.
pub async fn create(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    operator: TenantContext,
    Json(asked): Json<NewTenant>,
) -> Result<Response, Problem> {
    // The capability is in no tenant's role, but a stored row could say anything.
    if operator.tenant() != TenantId::PLATFORM {
        return Err(not_found());
    }
    let length = asked.name.chars().count();
    if !(1..=200).contains(&length) || asked.name.chars().any(char::is_control) {
        let problem = Problem::new(Kind::InvalidField, "expected 1 to 200 printable characters");
        return Err(problem.with_param("name"));
    }
    let tenant = new_id(&app).and_then(|id| TenantId::from_uuid(id).map_err(internal))?;
    create_key(&app, tenant).await?;
    let kek = app.keys.first_kek(&tenant).await?;
    let context = operator.for_new_tenant(tenant);
    let mut tx = context.begin(Access::Write).await?;
    let owner = Role::Owner.capabilities();
    let key = provision(
        &mut tx,
        app.clock.unix_seconds(),
        app.config.host(),
        &asked.name,
        owner,
        app.key_gate.hasher(),
    )
    .await?;
    store_kek(&mut tx, &kek).await.map_err(internal)?;
    let resource = Some(tenant.to_string());
    let receipt = commit_recorded(&app, &request, &caller, tx, "tenant.created", resource).await?;
    let log = json!({ "first_receipt": receipt.to_header() });
    let body = json!({
        "tenant_id": tenant,
        "name": asked.name,
        "owner_key": { "id": key.id().as_str(), "key": key.expose() },
        "audit": log,
    });
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

async fn create_key(app: &App, tenant: TenantId) -> Result<(), Problem> {
    match app.key_admin.create(&tenant, &app.root).await {
        Ok(()) | Err(KmsError::AlreadyExists) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "a tenant's key was not made");
            Err(Problem::new(
                Kind::Unavailable,
                "the key store is not available",
            ))
        }
    }
}

/// Writes what every tenant begins with: its row, its log, its first key. Answers the key. `now`
/// is in Unix seconds.
///
/// # Errors
/// A problem; nothing is written then.
pub(crate) async fn provision(
    tx: &mut TenantTx,
    now: u64,
    host: &str,
    name: &str,
    capabilities: CapabilitySet,
    hasher: &Hasher,
) -> Result<ApiKey, Problem> {
    const TENANT: &str = "insert into app.tenants (tenant_id, name) values ($1, $2)";
    const LOG: &str = "insert into app.audit_logs (tenant_id, origin) values ($1, $2)";
    let tenant = tx.tenant();
    tx.query(TENANT, &[tenant.as_uuid(), &name]).await?;
    let origin = new_origin(host).map_err(internal)?;
    tx.query(LOG, &[tenant.as_uuid(), &origin.as_str()]).await?;
    let prefix = api_keys::PREFIX.parse().map_err(internal)?;
    let key = ApiKey::generate(&prefix, Environment::Live).map_err(internal)?;
    let mut record =
        KeyRecord::issue(&key, tenant, capabilities, &capabilities, None).map_err(internal)?;
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(internal)?;
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    let actor = ActorId::new(ActorKind::Service, id).map_err(internal)?;
    record.actor = Some(actor);
    record.hash = hasher.hash(&key);
    api_keys::store(tx, &record, now, None).await?;
    Ok(key)
}

fn new_id(app: &App) -> Result<Uuid, Problem> {
    crate::audit::new_event_id(app.clock.as_ref()).map_err(internal)
}
