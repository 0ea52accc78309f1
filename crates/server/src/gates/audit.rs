//! Last gate: nothing is answered before its event is durable.
//!
//! It wraps the gates that know the caller, so that their refusals are recorded too, and acts
//! when the handler has answered. Only refusals beyond ten a minute of a key, and beyond a tenant's
//! rate, are counted instead, in one event at the minute's end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use strongroom_auditchain::{Leaf, Outcome, Receipt};
use strongroom_tenancy::{Actor, TenantId};
use tracing::Instrument;
use uuid::Uuid;

use super::caller::Caller;
use super::refusals::Noted;
use super::request_id::RequestContext;
use crate::app::App;
use crate::audit::{AuditError, Draft, EventError, STAGE_EVENT, new_event_id};
use crate::postgres::TenantTx;
use crate::problem::{Kind, Problem};
use crate::router::{Effect, Spec};

/// Runs the route and records how it ended.
pub async fn audit(
    State((app, spec)): State<(Arc<App>, Spec)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(context) = request.extensions().get::<Arc<RequestContext>>().cloned() else {
        return Problem::new(Kind::Internal, "the request has no id").into_response();
    };
    tracing::Span::current().record("action", spec.action);
    // Nothing is begun whose event would not be acknowledged.
    if app.zones.as_ref().is_some_and(|zones| zones.is_short()) {
        return Problem::from(AuditError::ZoneMissing).into_response();
    }
    let tracker = app.in_flight.clone();
    let work = async move {
        // A handler that panics is answered for, and recorded, as any other failure of ours.
        let run = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let response = run
            .unwrap_or_else(|_| Problem::new(Kind::Internal, "the request failed").into_response());
        settle(&app, spec, &context, response).await
    };
    match spec.effect {
        Effect::Read => work.await,
        // A client that hangs up ends its connection, not the work: half a write is never left,
        // and no write goes unrecorded.
        Effect::Write => {
            let work = tracker.spawn(work.in_current_span());
            work.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a request's task ended badly");
                Problem::new(Kind::Internal, "the request failed").into_response()
            })
        }
    }
}

async fn settle(app: &App, spec: Spec, context: &RequestContext, response: Response) -> Response {
    let Some((tenant, actor)) = context.known() else {
        return response;
    };
    if context.is_recorded() {
        return response;
    }
    let outcome = outcome(&response);
    // Refusals cost who provokes them nothing: beyond a rate they are counted, not appended.
    if let Outcome::Refused(reason) = &outcome
        && app.refusals.note(*tenant, context.key(), reason) == Noted::Count
    {
        return response;
    }
    let recorded = record(
        app,
        context,
        *tenant,
        actor.clone(),
        spec.action,
        None,
        outcome,
    )
    .await;
    match recorded {
        Ok(_) => response,
        Err(problem) => problem.into_response(),
    }
}

fn outcome(response: &Response) -> Outcome {
    let status = response.status().as_u16();
    let slug = response
        .extensions()
        .get::<Problem>()
        .map(|problem| problem.kind().slug());
    let slug = slug.unwrap_or("refused").parse();
    match (status, slug) {
        (..400, _) | (_, Err(_)) => Outcome::Success,
        (400..500, Ok(slug)) => Outcome::Refused(slug),
        (_, Ok(slug)) => Outcome::Failed(slug),
    }
}

/// Appends one event and waits until it is durable; the response then carries its receipt.
///
/// # Errors
/// A problem: without an event there is no answer.
pub async fn record(
    app: &App,
    context: &RequestContext,
    tenant: TenantId,
    actor: Option<Actor>,
    kind: &'static str,
    resource: Option<String>,
    outcome: Outcome,
) -> Result<Receipt, Problem> {
    let draft = Draft {
        kind,
        actor,
        request: context.id,
        resource,
        credential: context.credential(),
        policy: None,
        outcome,
    };
    let made = new_event_id(app.clock.as_ref()).and_then(|id| {
        let leaf = draft.leaf(id, app.clock.unix_micros(), Vec::new())?;
        Ok((id, leaf))
    });
    let (id, leaf) = made.map_err(|error| {
        tracing::error!(%error, kind, "an event was not made");
        unavailable()
    })?;
    let appended = app.sequencer.append(tenant, id, leaf, None).await;
    let receipt = appended.map_err(|error| {
        tracing::error!(%error, kind, "an event was not recorded");
        Problem::from(error)
    })?;
    context.acknowledge(&receipt);
    Ok(receipt)
}

/// Commits a transaction together with its event, and waits until both are durable; the response
/// then carries the receipt.
///
/// # Errors
/// A problem: `outcome-unknown` when the transaction may have been committed, or was and its event
/// is not acknowledged yet. A write that may have happened is never answered as one that failed.
pub async fn commit_recorded(
    app: &App,
    context: &RequestContext,
    caller: &Caller,
    tx: TenantTx,
    kind: &'static str,
    resource: Option<String>,
) -> Result<Receipt, Problem> {
    let actor = caller.actor().clone();
    commit_recorded_by(app, context, actor, tx, kind, resource).await
}

/// The same in the name of one who has proved to be somebody, but is no caller.
///
/// # Errors
/// As of [`commit_recorded`].
pub async fn commit_recorded_by(
    app: &App,
    context: &RequestContext,
    actor: Actor,
    mut tx: TenantTx,
    kind: &'static str,
    resource: Option<String>,
) -> Result<Receipt, Problem> {
    let tenant = tx.tenant();
    let (id, leaf) = success(app, context, actor, kind, resource)?;
    tx.query(STAGE_EVENT, &[tenant.as_uuid(), &id, &leaf.as_bytes()])
        .await?;
    tx.commit().await?;
    // From here on the event is written, by the next sweep at the latest. An operator's write into
    // another tenant's log has an event in the operator's own besides.
    acknowledge(app, context, tenant, id, kind).await
}

/// The event of a change that somebody made, for the transaction that makes it to stage.
pub(crate) fn success(
    app: &App,
    context: &RequestContext,
    actor: Actor,
    kind: &'static str,
    resource: Option<String>,
) -> Result<(Uuid, Leaf), Problem> {
    let internal = |error: EventError| {
        tracing::error!(%error, kind, "an event could not be written");
        Problem::new(Kind::Internal, "an event could not be written")
    };
    let draft = Draft {
        kind,
        actor: Some(actor),
        request: context.id,
        resource,
        credential: context.credential(),
        policy: None,
        outcome: Outcome::Success,
    };
    let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
    let leaf = draft.leaf(id, app.clock.unix_micros(), Vec::new());
    Ok((id, leaf.map_err(internal)?))
}

/// Waits until an event is durable that a job's transaction staged in the caller's own log, with
/// what it wrote; the response then carries its receipt.
///
/// # Errors
/// As [`commit_recorded`].
pub async fn acknowledge_staged(
    app: &App,
    context: &RequestContext,
    id: Uuid,
    kind: &'static str,
) -> Result<(), Problem> {
    let Some((tenant, _)) = context.known() else {
        return Err(Problem::new(Kind::Internal, "the request has no tenant"));
    };
    acknowledge(app, context, *tenant, id, kind).await.map(drop)
}

async fn acknowledge(
    app: &App,
    context: &RequestContext,
    tenant: TenantId,
    id: Uuid,
    kind: &'static str,
) -> Result<Receipt, Problem> {
    let own = context.known().is_some_and(|(known, _)| *known == tenant);
    if own {
        context.conclude();
    }
    let receipt = app.sequencer.staged(tenant, id).await.map_err(|error| {
        tracing::error!(%error, kind, "a staged event is not acknowledged");
        Problem::new(
            Kind::OutcomeUnknown,
            "the write happened and its event is not acknowledged yet: read the object before you \
             repeat it",
        )
    })?;
    if own {
        context.acknowledge(&receipt);
    }
    Ok(receipt)
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::SetBack => Self::new(
                Kind::AuditSetBack,
                "the audit log takes no events until its operator has looked at it",
            ),
            _ => unavailable(),
        }
    }
}

fn unavailable() -> Problem {
    Problem::new(Kind::AuditUnavailable, "the audit log is not available").with_retry_after(1)
}
