//! What anyone may ask.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use strongroom_tenancy::{ActorId, ActorKind, TenantId};

use crate::app::App;
use crate::gates::RequestHandle;
use crate::postgres::Access;
use crate::problem::{Kind, Problem};

/// Whether the process answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// Whether the platform can do its work: the database accepts a claim. Where there are zones, how each
/// stands, and whether enough are left for anything to be acknowledged.
///
/// # Errors
/// `unavailable`.
pub async fn ready(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
) -> Result<String, Problem> {
    let platform = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid());
    let actor = platform.map_err(|_| Problem::new(Kind::Internal, "the platform has no id"))?;
    let tx = app
        .gateway
        .begin(TenantId::PLATFORM, actor, &request.id, Access::Read)
        .await?;
    tx.rollback().await;
    let zones = app.zones.as_ref().map(|zones| zones.to_string());
    Ok(format!("ready\n{}", zones.unwrap_or_default()))
}

/// The public keys of access tokens (RFC 7517), and how long they may be kept.
///
/// # Errors
/// `unavailable`.
pub async fn jwks(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let jwks = app.token_keys.jwks().await?.to_json();
    let kept = format!("max-age={}", app.config.token_verifier_cache_seconds);
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json".to_owned()),
        (header::CACHE_CONTROL, kept),
    ];
    Ok((headers, jwks).into_response())
}

/// Where to report a vulnerability (RFC 9116).
pub async fn security() -> Response {
    const TEXT: &str = "Contact: mailto:security@strongroom.dev\n\
         Expires: 2027-11-20T00:00:00Z\n\
         Preferred-Languages: en\n";
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], TEXT).into_response()
}
