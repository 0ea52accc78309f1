//! Renewal (RFC 6749, section 6) and revocation (RFC 7009) by whoever holds a token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use strongroom_tenant_token::Claims;
use strongroom_tenant_token::refresh::{self, RefreshError};

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
        let problem = Problem::new(Kind::InvalidField, "a renewal has the scope of its login");
        return Err(problem.with_param("scope"));
    }
    let (token, client) = (form.require("refresh_token")?, form.require("client_id")?);
    let families = Families::new(&app, &request);
    let now = app.clock.unix_seconds();
    let rotated = refresh::rotate(&families, token, client, now).await;
    if let Err(RefreshError::ReuseDetected(_)) = &rotated {
        // The session has ended: on every node, when this is answered.
        revoked_everywhere().await;
    }
    let rotated = rotated.map_err(|error| families.problem(&error))?;
    tokens::renewed(&app, &rotated.grant, families.epoch(), &rotated.token).await
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
            Ok(ended) => ended.is_some(),
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
    let Ok(verified) = verified.await? else {
        return Ok(false);
    };
    let Claims {
        tenant,
        actor,
        token_id,
        client_id,
        ..
    } = verified.claims();
    request.identify(*tenant, Some(actor.clone()));
    if client_id != client {
        let detail = "the token is another client's";
        return Err(Problem::new(Kind::GrantRefused, detail));
    }
    let begun = app
        .gateway
        .begin(*tenant, *actor.id(), &request.id, Access::Write);
    let mut tx = begun.await?;
    let ended = Ended::Token(*token_id);
    tokens::end(&mut tx, &ended, seconds(now)).await?;
    let resource = Some(ended.resource());
    commit_recorded_by(app, request, actor.clone(), tx, "token.revoke", resource).await?;
    Ok(true)
}
