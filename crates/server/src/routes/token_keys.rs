//! The keys of access tokens, for the platform's operator: listed, replaced, withdrawn.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::{KeyEntry, KeyRing, KeyState};

use super::not_found;
use crate::app::App;
use crate::gates::{Caller, RequestHandle, acknowledge_staged};
use crate::generations::revoked_everywhere;
use crate::problem::Problem;
use crate::token_keys::{Cause, Changed, state_name};

/// Every key that is remembered, with its state.
///
/// # Errors
/// `not-found` for who is not the platform's operator.
pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    check_operator(&caller)?;
    let ring = app.token_keys.ring().await?;
    let keys: Vec<_> = ring.entries().iter().map(shown).collect();
    Ok(axum::Json(json!({ "data": keys })).into_response())
}

/// Has another key sign, as soon as every verifier can have it. Asked again, it answers the same.
///
/// # Errors
/// `not-found` for who is not the platform's operator.
pub async fn rotate(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
) -> Result<Response, Problem> {
    check_operator(&caller)?;
    let cause = Cause {
        actor: caller.actor().clone(),
        request: request.id,
        kind: "token_key.rotate",
    };
    let Changed { ring, event } = app.token_keys.replace(&cause).await?;
    if let Some(event) = event {
        acknowledge_staged(&app, &request, event, cause.kind).await?;
    }
    let next = in_state(&ring, KeyState::Next);
    let signs_from = next.map(|e| {
        e.since
            .saturating_add(app.token_keys.policy().publish_ahead())
    });
    let body = json!({
        "active": in_state(&ring, KeyState::Active).map(shown),
        "next": next.map(shown),
        "signs_from": signs_from,
    });
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

/// Withdraws a key that may have leaked: from the answer on, no node accepts a token of it. Asked
/// again, it answers the same.
///
/// # Errors
/// `not-found` for a key that there is not, and for who is not the platform's operator.
pub async fn withdraw(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    Path(kid): Path<String>,
) -> Result<Response, Problem> {
    check_operator(&caller)?;
    let cause = Cause {
        actor: caller.actor().clone(),
        request: request.id,
        kind: "token_key.withdraw",
    };
    let Changed { ring, event } = app.token_keys.withdraw(&kid, &cause).await?;
    if let Some(event) = event {
        acknowledge_staged(&app, &request, event, cause.kind).await?;
    }
    revoked_everywhere().await;
    let body = json!({
        "withdrawn": kid,
        "active": in_state(&ring, KeyState::Active).map(shown),
    });
    Ok(axum::Json(body).into_response())
}

/// The capability is in no tenant's role, but a stored row could say anything.
fn check_operator(caller: &Caller) -> Result<(), Problem> {
    if caller.tenant() == TenantId::PLATFORM {
        Ok(())
    } else {
        Err(not_found())
    }
}

fn in_state(ring: &KeyRing, state: KeyState) -> Option<&KeyEntry> {
    ring.entries().iter().find(|entry| entry.state == state)
}

fn shown(entry: &KeyEntry) -> Value {
    json!({
        "kid": entry.key.kid(),
        "state": state_name(entry.state),
        "since": entry.since,
    })
}
