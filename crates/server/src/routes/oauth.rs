//! Renewal (RFC 6749, section 6) and revocation (RFC 7009) by whoever holds a token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use strongroom_tenancy::CapabilitySet;
use strongroom_tenant_token::TokenError;
use strongroom_tenant_token::refresh::{self, Grant, RefreshError};

use super::login::CLIENT as LOGIN_CLIENT;
use super::seconds;
use crate::app::App;
use crate::form::Form;
use crate::gates::{RequestContext, RequestHandle, commit_recorded_by};
use crate::generations::revoked_everywhere;
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::tokens::{self, Ended, Families};

/// Trades a refresh token for an access token and the next refresh token.
///
/// # Errors
/// A problem: `grant-refused` for whatever is wrong with the token.
pub async fn renew(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    form: Form,
) -> Result<Response, Problem> {
    if form.require("grant_type")? != "refresh_token" {
        return Err(Problem::new(
            Kind::GrantUnsupported,
            "expected grant_type refresh_token",
        ));
    }
    if form.get("scope").is_some() {
        let problem = Problem::new(Kind::ScopeRefused, "a renewal has the scope of its login");
        return Err(problem.with_param("scope"));
    }
    let (token, client) = (form.require("refresh_token")?, form.require("client_id")?);
    let families = Families::new(&app, &request);
    let now = app.clock.unix_seconds();
    let rotated = match refresh::rotate(&families, token, client, now).await {
        Ok(rotated) => rotated,
        Err(error) => {
            // With a second use the session has ended: on every node, when this is answered. A
            // refusal for any other reason comes no sooner, so that none can be told apart.
            if Families::is_genuine(&error) {
                revoked_everywhere().await;
            }
            return Err(families.problem(&error));
        }
    };
    let mut grant = rotated.grant;
    grant.capabilities = allowed_now(&app, &grant).await?;
    tokens::renewed(&app, &grant, families.epoch(), now, &rotated.token).await
}

/// What a login may do still: no more than its identity provider's connection lets people do now,
/// and nothing when that is gone or believes another issuer than the login's.
async fn allowed_now(app: &App, grant: &Grant) -> Result<CapabilitySet, Problem> {
    if !grant.client_id.starts_with(LOGIN_CLIENT) {
        return Ok(grant.capabilities);
    }
    let found = app
        .lookup
        .session_provider(&grant.tenant, &grant.session_id)
        .await?;
    let Some(connection) = found else {
        let client = &grant.client_id;
        tracing::info!(%client, "the connection of a login is gone, or believes another issuer");
        let detail = "the refresh token is not accepted";
        return Err(Problem::new(Kind::GrantRefused, detail));
    };
    Ok(grant.capabilities.narrowed_to(&connection.capabilities))
}

/// Ends a token: an access token alone, a refresh token with its session. When it answers, no node
/// accepts what was ended. A token that is none, or is over, is answered as one that was ended
/// (RFC 7009, section 2.2).
///
/// # Errors
/// A problem: `grant-refused` for another client's token.
pub async fn revoke(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    form: Form,
) -> Result<Response, Problem> {
    let (token, client) = (form.require("token")?, form.require("client_id")?);
    // A refresh token holds no dot, an access token two: the hint is not needed.
    let is_ended = if token.contains('.') {
        end_access_token(&app, &request, token, client).await?
    } else {
        let families = Families::new(&app, &request);
        let now = app.clock.unix_seconds();
        match refresh::revoke(&families, token, client, now).await {
            // Also for one that somebody else is ending: this answer, too, says that it is over.
            Ok(_) => true,
            Err(RefreshError::Malformed(_)) => false,
            Err(error) => return Err(families.problem(&error)),
        }
    };
    if is_ended {
        revoked_everywhere().await;
    }
    Ok(StatusCode::OK.into_response())
}

async fn end_access_token(
    app: &App,
    request: &RequestContext,
    token: &str,
    client: &str,
) -> Result<bool, Problem> {
    let now = app.clock.unix_seconds();
    let verified = app.token_keys.check(|keys| keys.verify(token, now));
    let verified = match verified.await? {
        Ok(verified) => verified,
        // Another node's clock is ahead of this one's: here it will be good, there it is.
        Err(rejection)
            if matches!(
                rejection.error(),
                TokenError::IssuedInFuture | TokenError::NotYetValid
            ) =>
        {
            let problem = Problem::new(Kind::Unavailable, "the token is not valid yet");
            return Err(problem.with_retry_after(30));
        }
        Err(_) => return Ok(false),
    };
    let claims = verified.claims();
    let (tenant, actor) = (claims.tenant, &claims.actor);
    request.identify(tenant, Some(actor.clone()));
    if claims.client_id != client {
        let detail = "the token is another client's";
        return Err(Problem::new(Kind::GrantRefused, detail));
    }
    app.limits
        .check_caller(tenant, *actor.id(), "token.revoke")?;
    if app.lookup.token_is_revoked(claims).await? {
        return Ok(true);
    }
    let begun = app
        .gateway
        .begin(tenant, *actor.id(), &request.id, Access::Write);
    let mut tx = begun.await?;
    let ended = Ended::Token(claims.token_id);
    tokens::end(&mut tx, &ended, seconds(now)).await?;
    let resource = Some(ended.resource());
    commit_recorded_by(app, request, actor.clone(), tx, "token.revoke", resource).await?;
    Ok(true)
}
