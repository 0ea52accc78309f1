//! Logins that can still be renewed, and the end of tokens by whoever runs the tenant.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_tenancy::{ActorId, CapabilitySet};
use strongroom_tenant_token::refresh::FamilyId;
use uuid::Uuid;

use super::{column, internal, seconds, webhooks};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::generations::revoked_everywhere;
use crate::postgres::{Access, actor};
use crate::problem::{Kind, Problem};
use crate::tokens::{self, Ended};

/// The most sessions of an answer.
const MAX_PAGE: i64 = 1000;

/// Which sessions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Of this actor only.
    actor: Option<String>,
    /// At most so many; 100 when absent.
    limit: Option<i64>,
    /// After this one, by its `id` in the answer before.
    after: Option<String>,
}

/// What is to end: one of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// An access token, by its `jti`.
    token: Option<String>,
    /// A login, by its `sid`.
    session: Option<String>,
    /// All that an actor uses, or in whose chain it stands.
    actor: Option<String>,
    /// All of the tenant's: `true`.
    everything: Option<bool>,
}

/// Lists the tenant's logins that are not deleted yet, the newest first.
///
/// # Errors
/// A problem.
pub async fn list(
    tenant: TenantContext,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    const LIST: &str = "select f.id, f.session_id, f.actors, f.client_id, f.capabilities, \
         f.auth_time, f.begun_at, f.rotated_at, f.generation, \
         case when f.epoch < e.epoch then coalesce(f.revoked_at, 0) else f.revoked_at end, \
         case when f.epoch < e.epoch then coalesce(f.revoked_reason, 'request') \
              else f.revoked_reason end \
         from app.refresh_families f left join app.token_epochs e on e.tenant_id = f.tenant_id \
         where ($1::text is null or $1 = any (f.actors)) \
         and ($2::text is null or (f.begun_at, f.id) < \
           (select g.begun_at, g.id from app.refresh_families g where g.id = $2)) \
         order by f.begun_at desc, f.id desc limit $3";
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=MAX_PAGE).contains(&limit) {
        let problem = Problem::new(Kind::InvalidField, "expected 1 to 1000");
        return Err(problem.with_param("limit"));
    }
    if wanted
        .actor
        .as_ref()
        .is_some_and(|id| id.parse::<ActorId>().is_err())
    {
        let problem = Problem::new(Kind::InvalidField, "expected an actor, as user:<uuid>");
        return Err(problem.with_param("actor"));
    }
    let is_id = |id: &String| id.parse::<FamilyId>().is_ok();
    if !wanted.after.as_ref().is_none_or(is_id) {
        let problem = Problem::new(Kind::InvalidField, "expected an id of this list");
        return Err(problem.with_param("after"));
    }
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx
        .query(LIST, &[&wanted.actor, &wanted.after, &limit])
        .await?;
    tx.rollback().await;
    let mut sessions = Vec::with_capacity(rows.len());
    for row in &rows {
        let chain = actor(&column::<Vec<String>>(row, 2)?)?;
        let capabilities: String = column(row, 4)?;
        let revoked_at: Option<i64> = column(row, 9)?;
        sessions.push(json!({
            "id": column::<String>(row, 0)?,
            "session_id": column::<Uuid>(row, 1)?.to_string(),
            "actor": chain.id(),
            "on_behalf_of": chain.on_behalf_of(),
            "client_id": column::<String>(row, 3)?,
            "capabilities": capabilities.parse::<CapabilitySet>().map_err(internal)?,
            "authenticated_at": column::<i64>(row, 5)?,
            "began_at": column::<i64>(row, 6)?,
            "renewed_at": column::<i64>(row, 7)?,
            "renewals": column::<i64>(row, 8)?,
            "revoked": revoked_at.is_some(),
            "revoked_reason": column::<Option<String>>(row, 10)?,
        }));
    }
    Ok(axum::Json(json!({ "data": sessions })).into_response())
}

/// Ends tokens: when it answers, no node accepts them, and nothing renews them.
///
/// # Errors
/// A problem.
pub async fn revoke(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<Revocation>,
) -> Result<Response, Problem> {
    let ended = asked.ended()?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    webhooks::enqueue(&app, &mut tx, "tokens.revoked", told(&ended)).await?;
    tokens::end(&mut tx, &ended, now).await?;
    let resource = Some(ended.resource());
    commit_recorded(&app, &request, &caller, tx, "tokens.revoke", resource).await?;
    revoked_everywhere().await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn told(ended: &Ended) -> Value {
    match ended {
        Ended::Token(id) => json!({ "token": id.to_string() }),
        Ended::Session(id) => json!({ "session": id.to_string() }),
        Ended::Actor(id) => json!({ "actor": id }),
        Ended::Everything => json!({ "everything": true }),
    }
}

impl Revocation {
    fn ended(&self) -> Result<Ended, Problem> {
        let refuse = |field: &'static str, reason: &'static str| {
            Problem::new(Kind::InvalidField, reason).with_param(field)
        };
        let id = |field: &'static str, text: &str| {
            text.parse::<Uuid>()
                .map_err(|_| refuse(field, "expected a UUID"))
        };
        let one = "expected exactly one of token, session, actor, everything";
        match (&self.token, &self.session, &self.actor, self.everything) {
            (Some(token), None, None, None) => id("token", token).map(Ended::Token),
            (None, Some(session), None, None) => id("session", session).map(Ended::Session),
            (None, None, Some(actor), None) => actor
                .parse()
                .map(Ended::Actor)
                .map_err(|_| refuse("actor", "expected an actor, as user:<uuid>")),
            (None, None, None, Some(true)) => Ok(Ended::Everything),
            (None, None, None, Some(false)) => Err(refuse("everything", "expected true")),
            _ => Err(Problem::new(Kind::InvalidBody, one)),
        }
    }
}
