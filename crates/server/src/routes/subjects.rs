//! People behind pseudonyms: whom one stands for, and an end to that.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use strongroom_auditchain::Outcome;
use strongroom_envelope::ShredReceipt;
use strongroom_tenancy::{ActorId, ActorKind};
use uuid::Uuid;

use super::keys::{Recorded, check_reason};
use super::{internal, not_found, seconds, webhooks};
use crate::app::App;
use crate::audit::STAGE_EVENT;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, record};
use crate::keystore::{Doomed, KeyStoreError};
use crate::postgres::{Access, TenantTx};
use crate::problem::{Kind, Problem};
use crate::subjects::{Identity, actor};
use crate::tokens;

/// The longest `iss`, in bytes, as a connection's.
const MAX_ISSUER: usize = 2048;

/// The longest `sub`, in bytes, as of an ID token.
const MAX_SUBJECT: usize = 255;

/// Somebody to be erased: by the id that the log has, or by what the identity provider says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// `user:` and a pseudonym.
    user: Option<String>,
    /// `iss`, beside `sub`.
    iss: Option<String>,
    /// `sub`, beside `iss`.
    sub: Option<String>,
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
}

/// Whom a pseudonym stands for. The event of it is durable before the answer leaves. An erased one
/// is told from one that never was: the log says the same to whoever may ask.
///
/// # Errors
/// `not-found` for another tenant's as for none.
pub async fn resolve(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let pseudonym = pseudonym(&id).ok_or_else(not_found)?;
    let mut tx = tenant.begin(Access::Read).await?;
    let found = app.subjects.resolve(&mut tx, &pseudonym).await;
    tx.rollback().await;
    let subject = found?.ok_or_else(not_found)?;
    let former = subject
        .identity
        .as_ref()
        .map(|who| who.former(&tenant.tenant()));
    let former = former.transpose().map_err(internal)?;
    let user = actor(pseudonym).map_err(internal)?;
    let (asked_by, outcome) = (Some(caller.actor().clone()), Outcome::Success);
    let resource = Some(format!("actor/{user}"));
    let owner = tenant.tenant();
    record(
        &app,
        &request,
        owner,
        asked_by,
        "subject.resolve",
        resource,
        outcome,
    )
    .await?;
    let identity = subject.identity.as_ref();
    let body = json!({
        "user": user,
        "identity": identity.map(|who| json!({ "iss": who.issuer(), "sub": who.subject() })),
        "former_user": former,
        "made_at": subject.made_at,
        "erased_at": subject.erased_at,
    });
    Ok(axum::Json(body).into_response())
}

/// Erases what a pseudonym stands for, with all that is sealed under that person's keys, and ends
/// their logins. The pseudonym stays in the log, and nobody is behind it: who comes back gets
/// another. Safe to repeat.
///
/// # Errors
/// `reason-required` without a reason, `not-found` for somebody who has no pseudonym.
pub async fn erase(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewErasure>,
) -> Result<Response, Problem> {
    check_reason(&asked.reason)?;
    let owner = tenant.tenant();
    let user = match asked.who()? {
        Who::User(user) => user,
        Who::Identity(who) => {
            let known = app.subjects.known(owner, &who, &request.id).await?;
            known.ok_or_else(not_found)?
        }
    };
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    let resource = format!("actor/{user}");
    let reason = [("reason", asked.reason.as_str())];
    let (kind, attempt) = ("subject.erasure_requested", Outcome::Attempt);
    recorded
        .append(owner, kind, attempt, &resource, &reason)
        .await?;
    // Their logins first: one that is under way finds them ended, or ends with them.
    let mut tx = tenant.begin(Access::Write).await?;
    webhooks::enqueue(&app, &mut tx, "tokens.revoked", json!({ "actor": user })).await?;
    let now = seconds(app.clock.unix_seconds());
    end_logins(&recorded, tx, &[user], &resource, now).await?;
    let name = user.to_string().parse().map_err(internal)?;
    let event = recorded.event("subject.erased", &resource)?;
    let destroyed = app
        .keys
        .destroy(&owner, &Doomed::Subject(name), event)
        .await;
    let destroyed = destroyed.map_err(|error| match error {
        KeyStoreError::NoKey => not_found(),
        error => error.into(),
    })?;
    let retention = app.config.keys.backup_retention_days;
    let receipts = app.keys.shredded(destroyed, retention, None).await;
    let gone = receipts.iter().map(ShredReceipt::gone_at).max();
    let done = recorded
        .append(owner, "subject.erase", Outcome::Success, &resource, &[])
        .await?;
    request.acknowledge(&done);
    let body = json!({ "user": user, "backups_gone_at": gone });
    Ok(axum::Json(body).into_response())
}

/// Ends what these people use, with its event in the same transaction.
pub(super) async fn end_logins(
    recorded: &Recorded<'_>,
    mut tx: TenantTx,
    users: &[ActorId],
    resource: &str,
    now: i64,
) -> Result<(), Problem> {
    tokens::hold_credentials(&mut tx).await?;
    tokens::end_actors(&mut tx, users, now).await?;
    let tenant = tx.tenant();
    let (id, leaf) = recorded.event("tokens.revoke", resource)?;
    tx.query(STAGE_EVENT, &[tenant.as_uuid(), &id, &leaf.as_bytes()])
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Whom an erasure is of.
enum Who {
    User(ActorId),
    Identity(Identity),
}

impl NewErasure {
    fn who(&self) -> Result<Who, Problem> {
        let refuse = |field: &'static str, reason: &'static str| {
            Problem::new(Kind::InvalidField, reason).with_param(field)
        };
        match (&self.user, &self.iss, &self.sub) {
            (Some(user), None, None) => {
                let id = pseudonym(user).and_then(|id| actor(id).ok());
                let reason = "expected user: and a UUID";
                id.map(Who::User).ok_or_else(|| refuse("user", reason))
            }
            (None, Some(iss), _) if !(1..=MAX_ISSUER).contains(&iss.len()) => {
                Err(refuse("iss", "expected 1 to 2048 bytes"))
            }
            (None, Some(_), Some(sub)) if !(1..=MAX_SUBJECT).contains(&sub.len()) => {
                Err(refuse("sub", "expected 1 to 255 bytes"))
            }
            (None, Some(iss), Some(sub)) => Ok(Who::Identity(Identity::new(iss, sub))),
            _ => {
                let detail = "expected user, or iss and sub";
                Err(Problem::new(Kind::InvalidBody, detail))
            }
        }
    }
}

/// The UUID of a user's id.
fn pseudonym(text: &str) -> Option<Uuid> {
    let id: ActorId = text.parse().ok()?;
    (id.kind() == ActorKind::User).then(|| *id.id())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::Value;

    use super::*;

    fn asked(body: Value) -> Result<Who, Problem> {
        serde_json::from_value::<NewErasure>(body).unwrap().who()
    }

    #[test]
    fn one_person_is_named_in_one_way() {
        let user = "user:3d813cbb-47fb-42ba-91df-831e1593ac29";
        assert!(matches!(asked(json!({ "user": user })), Ok(Who::User(_))));
        let named = json!({ "iss": "https://e.com", "sub": "alice" });
        assert!(matches!(asked(named), Ok(Who::Identity(_))));
        for (body, param) in [
            (
                json!({ "user": "3d813cbb-47fb-42ba-91df-831e1593ac29" }),
                Some("user"),
            ),
            (
                json!({ "user": "agent:3d813cbb-47fb-42ba-91df-831e1593ac29" }),
                Some("user"),
            ),
            (json!({ "iss": "", "sub": "a" }), Some("iss")),
            (json!({ "iss": "x".repeat(2049), "sub": "a" }), Some("iss")),
            (json!({ "iss": "x", "sub": "" }), Some("sub")),
            (json!({ "iss": "x", "sub": "a".repeat(256) }), Some("sub")),
            (json!({ "iss": "x" }), None),
            (json!({ "sub": "a" }), None),
            (json!({}), None),
            (json!({ "user": user, "iss": "x", "sub": "a" }), None),
        ] {
            let Err(problem) = asked(body.clone()) else {
                panic!("{body}");
            };
            assert_eq!(problem.param(), param, "{body}");
        }
    }
}
