//! Logging in with another issuer's ID token.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use strongroom_tenancy::{Actor, TenantId};
use strongroom_tenant_token::id_token::{IdTokenError, PresentedToken};

use super::internal;
use crate::app::App;
use crate::body::Json;
use crate::gates::RequestHandle;
use crate::login::{is_name, verify};
use crate::problem::{Kind, Problem};
use crate::subjects::Identity;
use crate::tokens::{Login, Proof, begin_session};

/// The longest nonce, in bytes.
const MAX_NONCE: usize = 255;

/// Who wants to log in, and by what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    /// The tenant to log in to.
    tenant_id: String,
    /// The ID token.
    id_token: String,
    /// The nonce that the login was begun with at the issuer, if it was with one.
    nonce: Option<String>,
}

/// What the client of a login is called, before the connection's name.
pub(crate) const CLIENT: &str = "login:";

/// Begins a session for whom an ID token names.
///
/// # Errors
/// `credential-refused` for every refusal of a token, a connection that is not there included: why
/// is said in the log, and, once the signature held, that it was refused in the tenant's audit log.
/// `unavailable` when the issuer's keys cannot be had.
pub async fn begin(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    Path(provider): Path<String>,
    Json(asked): Json<Presented>,
) -> Result<Response, Problem> {
    let refuse = |field: &'static str, reason: &'static str| {
        Problem::new(Kind::InvalidField, reason).with_param(field)
    };
    let tenant = asked.tenant_id.parse::<TenantId>();
    let tenant = tenant.map_err(|_| refuse("tenant_id", "expected a tenant's id"))?;
    let nonce = asked.nonce.as_deref();
    if nonce.is_some_and(|nonce| !(1..=MAX_NONCE).contains(&nonce.len())) {
        return Err(refuse("nonce", "expected 1 to 255 bytes"));
    }
    // What costs nothing first: strangers may ask.
    let presented =
        PresentedToken::parse(&asked.id_token).map_err(|error| refused(error, &tenant))?;
    let connection = match is_name(&provider) {
        true => app.lookup.identity_provider(&tenant, &provider).await?,
        false => None,
    };
    let Some((connection, trust)) = connection else {
        tracing::info!(%tenant, reason = "no_connection", "login refused");
        return Err(opaque());
    };
    let keys = app
        .issuer_keys
        .keys(tenant, &connection.jwks_url, presented.kid());
    let keys = keys
        .await
        .map_err(|error| Problem::new(Kind::Unavailable, error.to_string()).with_retry_after(10))?;
    let now = app.clock.unix_seconds();
    let issuer = &connection.expected.issuer;
    let verified = match verify(&presented, &connection, &keys, nonce, now) {
        Ok(verified) => verified,
        Err(rejection) => {
            if rejection.is_signed() {
                // Of somebody who was never let in nothing is kept, not even a pseudonym.
                let actor = match rejection.subject() {
                    Some(subject) => {
                        let who = Identity::new(issuer, subject);
                        app.subjects.known(tenant, &who, &request.id).await?
                    }
                    None => None,
                };
                request.identify(tenant, actor.map(Actor::new));
            }
            return Err(refused(rejection.error(), &tenant));
        }
    };
    let who = Identity::new(issuer, verified.subject());
    let actor = app.subjects.actor(tenant, &who, &request.id).await?;
    request.identify(tenant, Some(Actor::new(actor)));
    app.limits.check_caller(tenant, actor, "login")?;
    let login = Login {
        tenant,
        actor: Actor::new(actor),
        capabilities: connection.capabilities,
        client_id: format!("{CLIENT}{}", connection.name),
        authentication: verified.authentication().clone(),
        proof: Some(Proof {
            trust,
            issued_at: verified.issued_at(),
            former: who.former(&tenant).map_err(internal)?,
        }),
    };
    begin_session(&app, &request, login).await
}

fn refused(error: IdTokenError, tenant: &TenantId) -> Problem {
    tracing::info!(%tenant, reason = error.code(), "login refused");
    opaque()
}

/// The one answer.
fn opaque() -> Problem {
    Problem::new(Kind::CredentialRefused, "the credential is not accepted")
}
