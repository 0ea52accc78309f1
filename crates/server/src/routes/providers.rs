//! Provider credentials: stored sealed, never returned.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use strongroom_envelope::{ContextError, EncryptionContext};
use zeroize::{Zeroize, Zeroizing};

use super::{column, internal, not_found, seconds, webhooks};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};

/// A credential to be stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// The provider's key, 1 to 4096 visible ASCII characters.
    credential: String,
}

impl Drop for NewCredential {
    fn drop(&mut self) {
        self.credential.zeroize();
    }
}

/// What binds a sealed credential to its place.
///
/// # Errors
/// Never: names are within bounds.
pub fn context(name: &str) -> Result<EncryptionContext, ContextError> {
    EncryptionContext::new([("purpose", "provider-credential"), ("name", name)])
}

/// Seals a credential under the tenant's own key, with a fresh data key of its own.
///
/// # Errors
/// A problem.
pub async fn store(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(name): Path<String>,
    Json(asked): Json<NewCredential>,
) -> Result<Response, Problem> {
    const UPSERT: &str = "insert into app.provider_credentials \
         (tenant_id, name, sealed, stored_at, kek, kek_version) \
         values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, name) \
         do update set sealed = excluded.sealed, stored_at = excluded.stored_at, \
         kek = excluded.kek, kek_version = excluded.kek_version";
    check_name(&name)?;
    let length = asked.credential.len();
    if !(1..=4096).contains(&length) || !asked.credential.bytes().all(|b| b.is_ascii_graphic()) {
        let problem = Problem::new(
            Kind::InvalidField,
            "expected 1 to 4096 visible ASCII characters",
        );
        return Err(problem.with_param("credential"));
    }
    let secret = Zeroizing::new(asked.credential.as_bytes().to_vec());
    let context = context(&name).map_err(internal)?;
    let id = tenant.tenant();
    let sealed = app.keys.seal(&id, &context, &secret).await?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    tx.query(
        UPSERT,
        &[
            id.as_uuid(),
            &name,
            &sealed.bytes,
            &now,
            &sealed.kek,
            &sealed.kek_version,
        ],
    )
    .await?;
    webhooks::enqueue(
        &app,
        &mut tx,
        "provider_credential.stored",
        json!({ "name": name }),
    )
    .await?;
    let resource = Some(format!("provider/{name}"));
    commit_recorded(
        &app,
        &request,
        &caller,
        tx,
        "provider_credential.store",
        resource,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists the names of stored credentials.
///
/// # Errors
/// A problem.
pub async fn list(tenant: TenantContext) -> Result<Response, Problem> {
    const LIST: &str =
        "select name, stored_at from app.provider_credentials where sealed <> '' order by name";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(LIST, &[]).await?;
    tx.rollback().await;
    let mut names = Vec::with_capacity(rows.len());
    for row in &rows {
        let (name, stored_at) = (column::<String>(row, 0)?, column::<i64>(row, 1)?);
        names.push(json!({ "name": name, "stored_at": stored_at }));
    }
    Ok(axum::Json(json!({ "data": names })).into_response())
}

/// Deletes a credential.
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
    const DELETE: &str = "update app.provider_credentials set sealed = '', kek = null, \
         kek_version = null, stored_at = $2 where name = $1 and sealed <> '' returning name";
    check_name(&name)?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    if tx.query(DELETE, &[&name, &now]).await?.is_empty() {
        tx.rollback().await;
        return Err(not_found());
    }
    let resource = Some(format!("provider/{name}"));
    commit_recorded(
        &app,
        &request,
        &caller,
        tx,
        "provider_credential.delete",
        resource,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check_name(name: &str) -> Result<(), Problem> {
    let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(safe) {
        return Ok(());
    }
    let problem = Problem::new(
        Kind::InvalidField,
        "expected 1 to 64 characters of a-z 0-9 -",
    );
    Err(problem.with_param("name"))
}
