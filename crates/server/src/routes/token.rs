//! Access tokens, in exchange for an API key.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use strongroom_auditchain::Outcome;
use strongroom_tenant_token::Authentication;
use strongroom_tenant_token::refresh::Grant;

use super::internal;
use crate::app::App;
use crate::audit::new_event_id;
use crate::gates::{Caller, Credential, RequestHandle, TenantContext, record};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::tokens;

/// Mints an access token with what the key allows, for no longer than the key is good.
///
/// # Errors
/// A problem; a token is not exchanged for a token.
pub async fn issue(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
) -> Result<Response, Problem> {
    let Credential::Key(key_id) = caller.credential() else {
        return Err(Problem::new(
            Kind::CredentialRefused,
            "an API key is required",
        ));
    };
    let mut tx = tenant.begin(Access::Read).await?;
    let epoch = tokens::epoch(&mut tx).await?;
    tx.rollback().await;
    let now = app.clock.unix_seconds();
    let end = now.saturating_add(app.config.token_lifetime_seconds);
    let expires_at = caller.expires_at().map_or(end, |key| end.min(key));
    if expires_at <= now {
        return Err(Problem::new(
            Kind::CredentialRefused,
            "the credential is not accepted",
        ));
    }
    let grant = Grant {
        tenant: caller.tenant(),
        actor: caller.actor().clone(),
        capabilities: *caller.capabilities(),
        session_id: new_event_id(app.clock.as_ref()).map_err(internal)?,
        client_id: key_id.to_string(),
        authentication: Authentication::at(now),
    };
    let token = tokens::access_token(&app, &grant, epoch, now, expires_at).await?;
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
        "expires_in": expires_at - now,
        "tenant_id": tenant,
        "capabilities": caller.capabilities(),
    });
    Ok(axum::Json(body).into_response())
}
