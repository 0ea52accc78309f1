//! Access tokens, in exchange for an API key.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use strongroom_auditchain::Outcome;
use strongroom_tenant_token::{Claims, mint};

use super::internal;
use crate::app::App;
use crate::audit::new_event_id;
use crate::gates::{Caller, Credential, RequestHandle, record};
use crate::problem::{Kind, Problem};

/// Mints an access token with what the key allows.
///
/// # Errors
/// A problem; a token is not exchanged for a token.
pub async fn issue(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
) -> Result<Response, Problem> {
    let Credential::Key(key_id) = caller.credential() else {
        return Err(Problem::new(
            Kind::CredentialRefused,
            "an API key is required",
        ));
    };
    let now = app.clock.unix_seconds();
    let lifetime = app.config.token_lifetime_seconds;
    let claims = Claims {
        issuer: app.config.issuer.clone(),
        audience: app.config.audience.clone(),
        tenant: caller.tenant(),
        actor: caller.actor().clone(),
        capabilities: *caller.capabilities(),
        issued_at: now,
        expires_at: now.saturating_add(lifetime),
        token_id: new_event_id(app.clock.as_ref()).map_err(internal)?,
        session_id: new_event_id(app.clock.as_ref()).map_err(internal)?,
        client_id: key_id.to_string(),
    };
    let token = mint(&app.token_key, &claims).map_err(internal)?;
    let actor = Some(caller.actor().clone());
    let used = Some(format!("api_key/{key_id}"));
    let tenant = caller.tenant();
    record(
        &app,
        &request,
        tenant,
        actor,
        "token.issue",
        used,
        Outcome::Success,
    )
    .await?;
    let body = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "tenant_id": tenant,
        "capabilities": caller.capabilities(),
    });
    Ok(axum::Json(body).into_response())
}
