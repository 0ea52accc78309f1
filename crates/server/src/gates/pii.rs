//! Sixth gate: personal data leaves a chat request by the tenant's policy, before any handler.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use strongroom_llm_wire::{ChatRequest, Guard, RedactedRequest, WireError};
use strongroom_pii::{LinkingKey, Policy};
use strongroom_tenancy::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Row;

use super::tenant_context::TenantContext;
use crate::app::App;
use crate::body;
use crate::postgres::{Access, QueryError, TenantTx};
use crate::problem::{Kind, Problem};
use crate::vault::{self, Taken};

const ACTIVE_POLICY: &str =
    "select source from app.pii_policies order by activated_at desc, hash limit 1";

/// How long a text may wait to be examined.
const PATIENCE: Duration = Duration::from_secs(5);

/// A chat request that went through the gate, and the policy that it went through.
#[derive(Clone)]
pub struct Redacted {
    /// What may go on; taken by the one handler.
    pub request: Arc<RedactedRequest>,
    /// The policy that decided, which decides on the answer too.
    pub policy: Arc<Policy>,
    /// The tenant's linking key, where the policy needs it.
    linking_key: Option<Arc<LinkingKey>>,
    /// What the request gave up by reversible rules: nothing of it leaves before this is kept.
    pub taken: Arc<Taken>,
    /// The call's place among those that run at once, held until it is answered.
    pub place: Arc<OwnedSemaphorePermit>,
}

impl Redacted {
    /// What the answer is put through, with a vault of its own.
    #[must_use]
    pub fn guard<'a>(&'a self, tenant: &'a TenantId, taken: &'a Taken) -> Guard<'a> {
        guard(&self.policy, tenant, self.linking_key.as_deref(), taken)
    }
}

fn guard<'a>(
    policy: &'a Policy,
    tenant: &'a TenantId,
    linking_key: Option<&'a LinkingKey>,
    taken: &'a Taken,
) -> Guard<'a> {
    let guard = Guard::new(policy, tenant).with_vault(taken);
    match linking_key {
        Some(key) => guard.with_linking_key(key),
        None => guard,
    }
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
    let place = Arc::clone(&app.calls)
        .try_acquire_owned()
        .map_err(|_| busy())?;
    body::check_content_type(&parts.headers)?;
    let bytes = body::read(body, app.config.limits.body_bytes).await?;
    let policy = Arc::new(active_policy(tenant).await?);
    let linking_key = if policy.needs_linking_key() {
        Some(vault::linking_key(app, tenant).await?)
    } else {
        None
    };
    let taken = Arc::new(Taken::default());
    let (by, key, into) = (Arc::clone(&policy), linking_key.clone(), Arc::clone(&taken));
    let owner = tenant.tenant();
    let examined = examine(&app.redactions, move || {
        let guard = guard(&by, &owner, key.as_deref(), &into);
        ChatRequest::parse(&bytes)?.redact_with(&guard)
    });
    let redacted = examined.await?.map_err(|error| match error {
        WireError::NotRedacted { .. } if taken.is_full() => {
            let detail = "at most 10000 values of a call are kept";
            Problem::new(Kind::BodyTooLarge, detail)
        }
        error => error.into(),
    })?;
    Ok(Redacted {
        request: Arc::new(redacted),
        policy,
        linking_key,
        taken,
        place: Arc::new(place),
    })
}

/// Examines a text on a thread of its own, since the runtime's must stay free for other requests,
/// as soon as one of the places is.
///
/// # Errors
/// A problem of kind `unavailable` when none was free for 5 s.
pub async fn examine<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let place = tokio::time::timeout(PATIENCE, Arc::clone(places).acquire_owned()).await;
    let place = place.ok().and_then(Result::ok).ok_or_else(busy)?;
    let span = tracing::Span::current();
    // A request that is given up does not give its place away while its text is worked on.
    let examined = tokio::task::spawn_blocking(move || {
        let _place = place;
        span.in_scope(work)
    });
    examined.await.map_err(|error| {
        tracing::error!(%error, "an examination ended badly");
        Problem::new(Kind::Internal, "the text could not be examined")
    })
}

fn busy() -> Problem {
    Problem::new(Kind::Unavailable, "too many calls are being made").with_retry_after(1)
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

/// The same, in a transaction that is under way.
///
/// # Errors
/// As of [`active_policy`].
pub(crate) async fn policy_in(tx: &mut TenantTx) -> Result<Policy, Problem> {
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
            WireError::NotRedacted { .. } => Kind::Internal,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_examination_leaves_the_runtime_free() {
        let places = Arc::new(Semaphore::new(1));
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (send, receive) = std::sync::mpsc::channel();
        // The runtime has one thread: were it held, the word would never be given.
        let examined = examine(&places, move || {
            begin.send(()).unwrap();
            receive.recv_timeout(Duration::from_secs(60))
        });
        let word = async move {
            begun.await.unwrap();
            send.send(7).unwrap();
        };
        let (examined, ()) = tokio::join!(examined, word);
        assert_eq!(examined.unwrap().unwrap(), 7);
    }

    #[tokio::test]
    async fn a_text_waits_five_seconds_for_a_place() {
        let places = Arc::new(Semaphore::new(1));
        let held = Arc::clone(&places).acquire_owned().await.unwrap();
        let start = std::time::Instant::now();
        let refused = examine(&places, || ()).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Unavailable);
        assert!(start.elapsed() >= PATIENCE);
        drop(held);
        assert!(examine(&places, || ()).await.is_ok());
    }
}
