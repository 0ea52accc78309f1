//! A tenant's keys: their versions, rotation ahead of schedule, and destruction.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_auditchain::{Commitments, Outcome, Receipt};
use strongroom_envelope::{Destruction, KeyRef, KmsError, ShredReceipt};
use strongroom_tenancy::TenantId;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{column, internal, not_found, seconds};
use crate::app::App;
use crate::audit::{Draft, new_event_id, seal_payload};
use crate::body::Json;
use crate::gates::{Caller, RequestContext, RequestHandle, TenantContext, commit_recorded};
use crate::keystore::{Doomed, Exposed, KeyStoreError};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};

/// The longest reason, in bytes.
const MAX_REASON: usize = 2000;

/// A rotation to be started.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRotation {
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
    /// What was read by somebody who should not have: `none`, the default, `old_wraps`, `kek`,
    /// `dek`.
    exposed: Option<String>,
    /// Whether data is encrypted again, not only its keys.
    #[serde(default)]
    reencrypt: bool,
}

/// A schedule to be put in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// After how many days a key is rotated, 1 to 365.
    rotation_days: i32,
}

/// A subject's keys to be destroyed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewShredding {
    /// The subject, `user:` and an opaque id.
    subject: String,
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
}

/// A tenant's keys to be destroyed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTenantShredding {
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
}

/// Lists the versions of the tenant's keys and their states.
///
/// # Errors
/// A problem.
pub async fn list(tenant: TenantContext) -> Result<Response, Problem> {
    // Not those of people's identities, one each: they come and go with their people.
    const LIST: &str = "select name, version, state, created_at from app.tenant_keks \
         where name not like 'subject/%' order by name, version desc limit 1000";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(LIST, &[]).await?;
    tx.rollback().await;
    let mut versions = Vec::with_capacity(rows.len());
    for row in &rows {
        versions.push(json!({
            "name": column::<String>(row, 0)?,
            "version": column::<i32>(row, 1)?,
            "state": column::<String>(row, 2)?,
            "created_at": column::<i64>(row, 3)?,
        }));
    }
    Ok(axum::Json(json!({ "data": versions })).into_response())
}

/// Changes how old the tenant's keys may become.
///
/// # Errors
/// A problem.
pub async fn schedule(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewSchedule>,
) -> Result<Response, Problem> {
    const UPSERT: &str = "insert into app.key_schedules (tenant_id, rotation_days) values ($1, $2) \
         on conflict (tenant_id) do update set rotation_days = excluded.rotation_days";
    let days = asked.rotation_days;
    if !(1..=365).contains(&days) {
        let problem = Problem::new(Kind::InvalidField, "expected 1 to 365");
        return Err(problem.with_param("rotation_days"));
    }
    let mut tx = tenant.begin(Access::Write).await?;
    tx.query(UPSERT, &[tenant.tenant().as_uuid(), &days])
        .await?;
    let resource = Some(format!("key-schedule/{days}"));
    commit_recorded(&app, &request, &caller, tx, "keys.schedule", resource).await?;
    Ok(axum::Json(json!({ "rotation_days": days })).into_response())
}

/// Break-glass: rotates every key of the tenant now. The reason is recorded first, in the log's own
/// slice; a rotation by the schedule that is under way is taken over.
///
/// # Errors
/// `reason-required` without a reason, `conflict` while another one runs.
pub async fn rotate(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewRotation>,
) -> Result<Response, Problem> {
    const TAKE_OVER: &str = "update app.key_rotations set phase = 'superseded', finished_at = $1 \
         where finished_at is null and cause = 'schedule'";
    const INSERT: &str = "insert into app.key_rotations \
         (tenant_id, id, cause, exposed, reencrypt, request_id, cutoff, started_at) \
         values ($1, $2, 'break-glass', $3, $4, $5, $6, $6)";
    check_reason(&asked.reason)?;
    let exposed: Exposed = asked
        .exposed
        .as_deref()
        .unwrap_or("none")
        .parse()
        .map_err(|()| {
            let problem = Problem::new(Kind::InvalidField, "expected none, old_wraps, kek or dek");
            problem.with_param("exposed")
        })?;
    let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
    let resource = format!("rotation/{id}");
    let owner = tenant.tenant();
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    recorded
        .append(
            owner,
            "break_glass.rotation_requested",
            Outcome::Attempt,
            &resource,
            &[("reason", &asked.reason)],
        )
        .await?;
    let now = seconds(app.clock.unix_seconds());
    let mut tx = tenant.begin(Access::Write).await?;
    tx.query(TAKE_OVER, &[&now]).await?;
    tx.query(
        INSERT,
        &[
            owner.as_uuid(),
            &id,
            &exposed.as_str(),
            &asked.reencrypt,
            &request.id.to_string(),
            &now,
        ],
    )
    .await?;
    let kind = "break_glass.rotation_started";
    commit_recorded(&app, &request, &caller, tx, kind, Some(resource)).await?;
    let body = json!({
        "id": id.to_string(),
        "exposed": exposed.as_str(),
        "reencrypt": asked.reencrypt,
        "reencryption_needed": exposed.needs_reencryption() && !asked.reencrypt,
        "not_undone": not_undone(exposed, asked.reencrypt),
    });
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

/// What this rotation does not take back.
fn not_undone(exposed: Exposed, reencrypt: bool) -> Vec<&'static str> {
    let mut said = Vec::new();
    if exposed.needs_reencryption() && !reencrypt {
        said.push(
            "who read the key still opens what was sealed under it: ask again with \"reencrypt\": \
             true",
        );
    }
    if exposed.needs_reencryption() {
        said.push("records that services keep must be opened and sealed again by them");
        said.push("what was already decrypted, and backups, stay as they are");
    }
    said.push("exports are wrapped outside: their keys' old versions stay, to open them");
    said
}

/// How far a rotation has come.
///
/// # Errors
/// `not-found` for another tenant's as for none.
pub async fn rotation(tenant: TenantContext, Path(id): Path<String>) -> Result<Response, Problem> {
    const READ: &str = "select cause, exposed, reencrypt, phase, rows_done, rows_total, started_at, \
         finished_at, request_id from app.key_rotations where id = $1";
    let id: Uuid = id.parse().map_err(|_| not_found())?;
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(READ, &[&id]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or_else(not_found)?;
    let body = json!({
        "id": id.to_string(),
        "cause": column::<String>(row, 0)?,
        "exposed": column::<String>(row, 1)?,
        "reencrypt": column::<bool>(row, 2)?,
        "phase": column::<String>(row, 3)?,
        "rows_done": column::<i64>(row, 4)?,
        "rows_total": column::<Option<i64>>(row, 5)?,
        "started_at": column::<i64>(row, 6)?,
        "finished_at": column::<Option<i64>>(row, 7)?,
        "request_id": column::<String>(row, 8)?,
    });
    Ok(axum::Json(body).into_response())
}

/// Destroys a subject's keys on every node, and answers with the receipt, which is also the
/// event's payload.
///
/// # Errors
/// `reason-required` without a reason, `not-found` for a subject that has no keys.
pub async fn shred(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<NewShredding>,
) -> Result<Response, Problem> {
    check_reason(&asked.reason)?;
    let name = subject(&asked.subject)?;
    // Whose keys is sealed beside the event: a service's name for somebody is for ever in no leaf.
    let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
    let resource = format!("shredding/{id}");
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    let owner = tenant.tenant();
    let said = [
        ("reason", asked.reason.as_str()),
        ("subject", name.as_str()),
    ];
    let (kind, attempt) = ("keys.shred_requested", Outcome::Attempt);
    recorded
        .append(owner, kind, attempt, &resource, &said)
        .await?;
    let event = recorded.event("keys.destroyed", &resource)?;
    let destroyed = app
        .keys
        .destroy(&owner, &Doomed::Subject(name), event)
        .await
        .map_err(|error| match error {
            KeyStoreError::NoKey => not_found(),
            error => error.into(),
        })?;
    let retention = app.config.keys.backup_retention_days;
    let receipts = app.keys.shredded(destroyed, retention, None).await;
    let body = receipts_json(&receipts);
    let written = body.to_string();
    let receipt = [("receipt", written.as_str())];
    let done = recorded
        .append(owner, "keys.shred", Outcome::Success, &resource, &receipt)
        .await?;
    request.acknowledge(&done);
    Ok(axum::Json(body).into_response())
}

/// Destroys a tenant's keys, its root key included, on every node; the operator's.
///
/// # Errors
/// `reason-required` without a reason, `not-found` for a tenant that is not there.
pub async fn shred_tenant(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    operator: TenantContext,
    Path(id): Path<String>,
    Json(asked): Json<NewTenantShredding>,
) -> Result<Response, Problem> {
    let doomed: TenantId = id.parse().map_err(|_| not_found())?;
    // The capability is in no tenant's role, but a stored row could say anything. And the platform
    // does not destroy itself.
    let own = [TenantId::PLATFORM, TenantId::PLATFORM_LOG];
    if operator.tenant() != TenantId::PLATFORM || own.contains(&doomed) {
        return Err(not_found());
    }
    check_reason(&asked.reason)?;
    let resource = doomed.to_string();
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    let own = TenantId::PLATFORM;
    let reason = [("reason", asked.reason.as_str())];
    let (kind, attempt) = ("tenant.shred_requested", Outcome::Attempt);
    recorded
        .append(own, kind, attempt, &resource, &reason)
        .await?;
    let event = recorded.event("keys.destroyed", &resource)?;
    let destroyed = app.keys.destroy(&doomed, &Doomed::Tenant, event).await;
    let destroyed = destroyed.map_err(|error| match error {
        KeyStoreError::NoKey => not_found(),
        error => error.into(),
    })?;
    let root = match app.key_admin.destroy(&doomed, &app.root).await {
        Ok(destruction) => Some(destruction),
        // An earlier try came this far.
        Err(KmsError::NotFound) => Some(Destruction::Done),
        Err(error) => {
            tracing::error!(%error, tenant = %doomed, "a root key was not destroyed");
            let detail = "the tenant's keys are destroyed and its root key is not: ask again";
            return Err(Problem::new(Kind::Unavailable, detail).with_retry_after(1));
        }
    };
    let retention = app.config.keys.backup_retention_days;
    let receipts = app.keys.shredded(destroyed, retention, root).await;
    let body = receipts_json(&receipts);
    let written = body.to_string();
    let receipt = [("receipt", written.as_str())];
    let done = recorded
        .append(own, "tenant.shred", Outcome::Success, &resource, &receipt)
        .await?;
    request.acknowledge(&done);
    Ok(axum::Json(body).into_response())
}

/// A subject's KEK, by the subject's name.
pub(super) fn subject(text: &str) -> Result<KeyRef, Problem> {
    let id = text.strip_prefix("user:").unwrap_or_default();
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let refused = || {
        let detail = "expected user: and 1 to 64 characters of A-Z a-z 0-9 . _ -";
        Problem::new(Kind::InvalidField, detail).with_param("subject")
    };
    if !(1..=64).contains(&id.len()) || !id.bytes().all(safe) {
        return Err(refused());
    }
    text.parse().map_err(|_| refused())
}

pub(super) fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.trim().is_empty() {
        let problem = Problem::new(Kind::ReasonRequired, "say why");
        return Err(problem.with_param("reason"));
    }
    if reason.len() > MAX_REASON {
        let problem = Problem::new(Kind::InvalidField, "expected at most 2000 bytes");
        return Err(problem.with_param("reason"));
    }
    Ok(())
}

fn receipts_json(receipts: &[ShredReceipt]) -> Value {
    let one = |receipt: &ShredReceipt| {
        let root = receipt.root.map(|root| match root {
            Destruction::Scheduled { at } => json!({ "scheduled_at": at }),
            _ => json!("destroyed"),
        });
        json!({
            "key": receipt.name.as_str(),
            "versions": receipt.versions,
            "destroyed_at": receipt.destroyed_at,
            "copies_gone_at": receipt.copies_gone_at,
            "backups_gone_at": receipt.backups_gone_at,
            "gone_at": receipt.gone_at(),
            "root": root,
        })
    };
    json!({ "receipts": receipts.iter().map(one).collect::<Vec<_>>() })
}

/// Events of a request beside the one that its gate writes.
pub(super) struct Recorded<'a> {
    pub(super) app: &'a App,
    pub(super) request: &'a RequestContext,
    pub(super) caller: &'a Caller,
}

impl Recorded<'_> {
    /// Appends an event, with texts sealed beside it, and waits until it is durable.
    pub(super) async fn append(
        &self,
        tenant: TenantId,
        kind: &'static str,
        outcome: Outcome,
        resource: &str,
        texts: &[(&'static str, &str)],
    ) -> Result<Receipt, Problem> {
        let app = self.app;
        let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
        let mut fields = Vec::with_capacity(texts.len());
        for (field, text) in texts {
            let value = Zeroizing::new(text.as_bytes().to_vec());
            fields.push((field.parse().map_err(internal)?, value));
        }
        let (payload, commitments) = if fields.is_empty() {
            (None, Commitments::NONE)
        } else {
            let (payload, commitments) = seal_payload(&app.keys, &tenant, id, fields).await?;
            (Some(payload), commitments)
        };
        let leaf = self
            .draft(kind, outcome, resource)
            .leaf(id, app.clock.unix_micros(), commitments)
            .map_err(internal)?;
        Ok(app.sequencer.append(tenant, id, leaf, payload).await?)
    }

    /// An event to be staged.
    pub(super) fn event(
        &self,
        kind: &'static str,
        resource: &str,
    ) -> Result<(Uuid, strongroom_auditchain::Leaf), Problem> {
        let clock = self.app.clock.as_ref();
        let id = new_event_id(clock).map_err(internal)?;
        let draft = self.draft(kind, Outcome::Success, resource);
        let leaf = draft.leaf(id, clock.unix_micros(), Vec::new());
        Ok((id, leaf.map_err(internal)?))
    }

    fn draft(&self, kind: &'static str, outcome: Outcome, resource: impl Display) -> Draft {
        Draft {
            kind,
            actor: Some(self.caller.actor().clone()),
            request: self.request.id,
            resource: Some(resource.to_string()),
            credential: self.request.credential(),
            policy: None,
            outcome,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_users_by_opaque_ids() {
        for good in ["user:1", "user:0190b2a4-8c7e", "user:a.b_c"] {
            assert_eq!(subject(good).unwrap().as_str(), good);
        }
        let long = format!("user:{}", "x".repeat(65));
        for bad in [
            "",
            "user:",
            "tenant",
            "export/user:1",
            "user:a/b",
            "user:é",
            &long,
        ] {
            assert_eq!(subject(bad).unwrap_err().param(), Some("subject"), "{bad}");
        }
    }

    #[test]
    fn what_was_read_decides_what_is_said() {
        assert_eq!(not_undone(Exposed::OldWraps, false).len(), 1);
        assert!(not_undone(Exposed::Dek, false)[0].contains("reencrypt"));
        assert!(!not_undone(Exposed::Kek, true)[0].contains("reencrypt"));
    }
}
