//! Sixth gate: personal data leaves a chat request by the tenant's policy, before any handler.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use strongroom_llm_wire::{ChatRequest, RedactedRequest, WireError};
use strongroom_pii::Policy;
use tokio_postgres::Row;

use super::tenant_context::TenantContext;
use crate::app::App;
use crate::body;
use crate::postgres::{Access, QueryError, TenantTx};
use crate::problem::{Kind, Problem};

const ACTIVE_POLICY: &str =
    "select source from app.pii_policies order by activated_at desc, hash limit 1";

/// A chat request that went through the gate, and the policy that it went through.
#[derive(Clone)]
pub struct Redacted {
    /// What may go on; taken by the one handler.
    pub request: Arc<RedactedRequest>,
    /// The policy that decided, which decides on the answer too.
    pub policy: Arc<Policy>,
}

/// Reads the body, redacts it and passes on the evidence; the original ends here.
pub async fn redact_chat(
    State(app): State<Arc<App>>,
    tenant: TenantContext,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate(&app, &tenant, &parts, body).await {
        Ok(redacted) => {
            parts.extensions.insert(redacted);
            next.run(Request::from_parts(parts, axum::body::Body::empty()))
                .await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn gate(
    app: &App,
    tenant: &TenantContext,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<Redacted, Problem> {
    body::check_content_type(&parts.headers)?;
    let bytes = to_bytes(body, app.config.limits.body_bytes)
        .await
        .map_err(body::unreadable)?;
    let request = ChatRequest::parse(&bytes)?;
    let policy = active_policy(tenant).await?;
    let redacted = request.redact(&policy, &tenant.tenant())?;
    Ok(Redacted {
        request: Arc::new(redacted),
        policy: Arc::new(policy),
    })
}

/// The tenant's policy: the one activated last, or strict on everything.
///
/// # Errors
/// A problem when it cannot be read: without a policy nothing passes.
pub async fn active_policy(tenant: &TenantContext) -> Result<Policy, Problem> {
    let mut tx = tenant.begin(Access::Read).await?;
    let policy = policy_in(&mut tx).await;
    tx.rollback().await;
    policy
}

async fn policy_in(tx: &mut TenantTx) -> Result<Policy, Problem> {
    let rows = tx.query(ACTIVE_POLICY, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(Policy::strict());
    };
    let source = source(row)?;
    Policy::from_toml(&source).map_err(|error| {
        tracing::error!(%error, "a stored policy is malformed");
        Problem::new(Kind::Internal, "the stored policy is malformed")
    })
}

fn source(row: &Row) -> Result<String, QueryError> {
    row.try_get(0)
        .map_err(|error| QueryError::Row(error.to_string()))
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        let kind = match &error {
            WireError::StreamUnsupported => Kind::StreamUnsupported,
            WireError::Blocked { .. } => Kind::PiiBlocked,
            other if other.field().is_some() => Kind::InvalidField,
            _ => Kind::InvalidBody,
        };
        let param = error.field().map(str::to_owned);
        let problem = Self::new(kind, error.to_string());
        match param {
            Some(param) => problem.with_param(param),
            None => problem,
        }
    }
}
