//! Logins: what one gives, and how it is renewed.

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::json;
use strongroom_apikey::KeyId;
use strongroom_tenancy::{Actor, CapabilitySet, TenantId};
use strongroom_tenant_token::refresh::{self, Grant, RefreshToken};
use strongroom_tenant_token::{Authentication, Claims, mint};

use super::families::Families;
use super::proof::Proof;
use crate::app::App;
use crate::audit::{EventError, new_event_id};
use crate::gates::RequestContext;
use crate::postgres::{QueryError, TenantTx};
use crate::problem::{Kind, Problem};
use crate::routes::api_keys::PREFIX;

/// Who has proved to be somebody, and how.
#[derive(Clone, Debug)]
pub struct Login {
    /// The tenant.
    pub tenant: TenantId,
    /// Who logs in.
    pub actor: Actor,
    /// What they may do.
    pub capabilities: CapabilitySet,
    /// The client that the tokens are for; never the id of an API key.
    pub client_id: String,
    /// When and how they proved it.
    pub authentication: Authentication,
    /// The ID token that they proved it by, if it was one.
    pub proof: Option<Proof>,
}

/// Begins a session: an access token, and a refresh token that renews it for 30 days at most.
///
/// # Errors
/// A problem: `credential-refused` when the proof counts no more; with `outcome-unknown` there may be a session, which nobody can use.
pub async fn begin_session(
    app: &App,
    request: &RequestContext,
    login: Login,
) -> Result<Response, Problem> {
    if login.client_id.parse::<KeyId>().is_ok() {
        tracing::error!("a login's client is named as an api key is");
        return Err(Problem::new(Kind::Internal, "the platform failed"));
    }
    let grant = Grant {
        tenant: login.tenant,
        actor: login.actor,
        capabilities: login.capabilities,
        session_id: new_event_id(app.clock.as_ref()).map_err(failed)?,
        client_id: login.client_id,
        authentication: login.authentication,
    };
    let families = Families::new(app, request).proved_by(login.proof);
    let now = app.clock.unix_seconds();
    let token = refresh::begin(&families, PREFIX, grant.clone(), now)
        .await
        .map_err(|error| families.problem(&error))?;
    renewed(app, &grant, families.epoch(), now, &token).await
}

/// What a login or a renewal at `now` is answered with (RFC 6749, section 5.1). The access token is
/// of that time, however long the answer took: what was revoked since is later.
///
/// # Errors
/// A problem.
pub async fn renewed(
    app: &App,
    grant: &Grant,
    epoch: u64,
    now: u64,
    refresh_token: &RefreshToken,
) -> Result<Response, Problem> {
    let expires_at = now.saturating_add(app.config.token_lifetime_seconds);
    let access_token = access_token(app, grant, epoch, now, expires_at).await?;
    let body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": expires_at - now,
        "refresh_token": refresh_token.expose(),
        "tenant_id": grant.tenant,
        "session_id": grant.session_id.to_string(),
        "client_id": grant.client_id,
        "capabilities": grant.capabilities,
    });
    Ok(([(header::PRAGMA, "no-cache")], axum::Json(body)).into_response())
}

/// Mints an access token of a grant.
///
/// # Errors
/// A problem.
pub async fn access_token(
    app: &App,
    grant: &Grant,
    epoch: u64,
    now: u64,
    expires_at: u64,
) -> Result<String, Problem> {
    let claims = Claims {
        issuer: app.config.issuer.clone(),
        audience: app.config.audience.clone(),
        tenant: grant.tenant,
        actor: grant.actor.clone(),
        capabilities: grant.capabilities,
        issued_at: now,
        expires_at,
        token_id: new_event_id(app.clock.as_ref()).map_err(failed)?,
        session_id: grant.session_id,
        client_id: grant.client_id.clone(),
        authentication: grant.authentication.clone(),
        epoch,
    };
    let key = app.token_keys.signing().await?;
    mint(&key, &claims).map_err(|error| {
        tracing::error!(%error, "an access token was not minted");
        Problem::new(Kind::Internal, "the platform failed")
    })
}

/// The tenant's epoch, which a token is minted in. It is read before the minting, so that a token
/// which is minted as the epoch grows is of the one before, and over.
///
/// # Errors
/// [`QueryError`].
pub async fn epoch(tx: &mut TenantTx) -> Result<u64, QueryError> {
    const EPOCH: &str =
        "select coalesce((select epoch from app.token_epochs where tenant_id = $1), 0)";
    let rows = tx.query(EPOCH, &[tx.tenant().as_uuid()]).await?;
    let shape = |error: &dyn std::fmt::Display| QueryError::Row(error.to_string());
    let row = rows.first().ok_or_else(|| shape(&"no epoch"))?;
    let epoch: i64 = row.try_get(0).map_err(|error| shape(&error))?;
    u64::try_from(epoch).map_err(|error| shape(&error))
}

fn failed(error: EventError) -> Problem {
    tracing::error!(%error, "an id could not be drawn");
    Problem::new(Kind::Internal, "the platform failed")
}
