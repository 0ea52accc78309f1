//! Sessions: what somebody who proved who they are is given.

use axum::response::{IntoResponse, Response};
use serde_json::json;
use strongroom_auditchain::Outcome;
use strongroom_tenancy::{Actor, CapabilitySet, TenantId};
use strongroom_tenant_token::{Authentication, Claims, mint};

use crate::app::App;
use crate::audit::new_event_id;
use crate::gates::{RequestContext, record};
use crate::problem::{Kind, Problem};

/// Somebody who proved who they are.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose data they may reach.
    pub tenant: TenantId,
    /// Who they are.
    pub actor: Actor,
    /// What they may do.
    pub capabilities: CapabilitySet,
    /// By what they logged in.
    pub client_id: String,
    /// When and how they authenticated.
    pub authentication: Authentication,
}

/// Mints an access token and records the login.
///
/// # Errors
/// A problem.
pub async fn begin_session(
    app: &App,
    request: &RequestContext,
    login: Login,
) -> Result<Response, Problem> {
    let internal = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a session could not be begun");
        Problem::new(Kind::Internal, "the platform failed")
    };
    let now = app.clock.unix_seconds();
    let lifetime = app.config.token_lifetime_seconds;
    let claims = Claims {
        issuer: app.config.issuer.clone(),
        audience: app.config.audience.clone(),
        tenant: login.tenant,
        actor: login.actor,
        capabilities: login.capabilities,
        issued_at: now,
        expires_at: now.saturating_add(lifetime),
        token_id: new_event_id(app.clock.as_ref()).map_err(|error| internal(&error))?,
        session_id: new_event_id(app.clock.as_ref()).map_err(|error| internal(&error))?,
        client_id: login.client_id,
        authentication: login.authentication,
        epoch: 0,
    };
    let token = mint(&app.token_key, &claims).map_err(|error| internal(&error))?;
    let actor = Some(claims.actor.clone());
    let outcome = Outcome::Success;
    record(app, request, claims.tenant, actor, "login", None, outcome).await?;
    let body = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "tenant_id": claims.tenant,
        "capabilities": claims.capabilities,
    });
    Ok(axum::Json(body).into_response())
}
