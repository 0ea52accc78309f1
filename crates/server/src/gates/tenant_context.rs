//! Fifth gate: the tenant, as a value from which short transactions are made.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use strongroom_tenancy::{ActorId, RequestId, TenantId};

use super::caller::Caller;
use super::request_id::RequestContext;
use crate::app::App;
use crate::postgres::{Access, Gateway, QueryError, TenantTx};
use crate::problem::{Kind, Problem};

/// A tenant's way to its rows, for one request. Only this gate makes it.
///
/// No transaction is open while it is held: each is short, and none spans an outward call.
#[derive(Clone)]
pub struct TenantContext {
    gateway: Gateway,
    tenant: TenantId,
    actor: ActorId,
    request: RequestId,
}

impl TenantContext {
    /// Whose rows.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Begins a transaction that sees this tenant's rows and no others.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn begin(&self, access: Access) -> Result<TenantTx, QueryError> {
        self.gateway
            .begin(self.tenant, self.actor, &self.request, access)
            .await
    }

    /// The same for a tenant that is being created, in the name of the same actor.
    pub(crate) fn for_new_tenant(&self, tenant: TenantId) -> Self {
        Self {
            tenant,
            ..self.clone()
        }
    }
}

/// Turns a caller into a tenant's context.
pub async fn tenant_context(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let extensions = request.extensions();
    let (Some(caller), Some(context)) = (
        extensions.get::<Caller>(),
        extensions.get::<Arc<RequestContext>>(),
    ) else {
        return Problem::new(Kind::Internal, "the request has no caller").into_response();
    };
    let tenant = TenantContext {
        gateway: app.gateway.clone(),
        tenant: caller.tenant(),
        actor: *caller.actor().id(),
        request: context.id,
    };
    request.extensions_mut().insert(tenant);
    next.run(request).await
}

impl<S: Send + Sync> FromRequestParts<S> for TenantContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::new(Kind::Internal, "the tenant gate was left out"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::new(Kind::Internal, "the authenticate gate was left out"))
    }
}
