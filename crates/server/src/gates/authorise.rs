//! Fourth gate: may the caller do this, and this often.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::Caller;
use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::router::{Need, Spec};

/// Lets through who holds the route's capability, within the caller's rate. What is refused
/// counts too.
pub async fn authorise(
    State((app, spec)): State<(Arc<App>, Spec)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Problem::new(Kind::Internal, "the request has no caller").into_response();
    };
    let limited = app
        .limits
        .check_caller(caller.tenant(), *caller.actor().id(), spec.action);
    if let Err(problem) = limited {
        return problem.into_response();
    }
    if let Need::Capability(capability) = spec.need
        && !caller.capabilities().contains(capability)
    {
        tracing::info!(%capability, "capability missing");
        return Problem::new(Kind::CapabilityMissing, "the caller lacks the capability")
            .with_param(capability.as_str())
            .into_response();
    }
    next.run(request).await
}
