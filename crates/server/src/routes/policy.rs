//! The tenant's PII policy.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use strongroom_pii::Policy;

use super::seconds;
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, active_policy, commit_recorded};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::vault;

/// A policy to be put in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// The policy document, TOML.
    source: String,
}

/// Puts a policy in force for every request that begins afterwards.
///
/// # Errors
/// `invalid-field` with the line and the reason.
pub async fn activate(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewPolicy>,
) -> Result<Response, Problem> {
    const INSERT: &str = "insert into app.pii_policies (tenant_id, hash, source, activated_at) \
         values ($1, $2, $3, $4)";
    if asked.source.len() > 65_536 {
        let problem = Problem::new(Kind::InvalidField, "expected at most 65536 bytes");
        return Err(problem.with_param("source"));
    }
    let policy = Policy::from_toml(&asked.source).map_err(|error| {
        Problem::new(Kind::InvalidField, error.to_string()).with_param("source")
    })?;
    // Microseconds, so that of two activations in one second the later is in force.
    let now = seconds(app.clock.unix_micros());
    let mut tx = tenant.begin(Access::Write).await?;
    if policy.needs_linking_key() {
        vault::ensure_linking_key(&app, &mut tx).await?;
    }
    let id = tenant.tenant();
    tx.query(
        INSERT,
        &[id.as_uuid(), &policy.hash().as_slice(), &asked.source, &now],
    )
    .await?;
    let hash = policy.hash_hex();
    let resource = Some(format!("policy/{hash}"));
    commit_recorded(&app, &request, &caller, tx, "policy.activate", resource).await?;
    Ok(axum::Json(json!({ "hash": hash, "version": policy.version() })).into_response())
}

/// The policy in force.
///
/// # Errors
/// A problem.
pub async fn read(tenant: TenantContext) -> Result<Response, Problem> {
    let policy = active_policy(&tenant).await?;
    let body = json!({
        "hash": policy.hash_hex(),
        "version": policy.version(),
        "source": policy.source(),
    });
    Ok(axum::Json(body).into_response())
}
