//! An endpoint's signing secret, replaced by its tenant.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use strongroom_webhook_sig::{MAX_SIGNATURES, SigningSecret};

use super::parse;
use crate::app::App;
use crate::audit::new_event_id;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext, commit_recorded};
use crate::jobs::secret_context;
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::routes::{column, internal, not_found, seconds};

/// How long messages are signed with the old secret too, in seconds: a day.
const OVERLAP: u64 = 24 * 60 * 60;

/// The longest overlap, in seconds: a week.
const MAX_OVERLAP: u64 = 7 * 24 * 60 * 60;

/// A secret to be replaced.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old one signs too, in seconds: a day when absent. With 0 it signs nothing more, nor
    /// does any older one: for a secret that is known to others.
    overlap_seconds: Option<u64>,
}

/// Replaces an endpoint's secret and shows the new one, once. Until the overlap is over each message
/// carries a signature of the old one too.
///
/// # Errors
/// `not-found`; `conflict` when as many old secrets sign as a receiver takes.
pub async fn rotate(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Path(id): Path<String>,
    Json(asked): Json<Rotation>,
) -> Result<Response, Problem> {
    const HOLD: &str = "select from app.webhook_endpoints where id = $1 for no key update";
    const OLD: &str = "select count(*) from app.webhook_old_secrets \
         where endpoint_id = $1 and expires_at > $2";
    const KEEP: &str = "insert into app.webhook_old_secrets \
         (tenant_id, endpoint_id, id, sealed, expires_at, kek, kek_version) \
         select tenant_id, id, $2, sealed_secret, $3, kek, kek_version \
         from app.webhook_endpoints where id = $1";
    const END: &str = "update app.webhook_old_secrets set expires_at = least(expires_at, $2) \
         where endpoint_id = $1";
    const REPLACE: &str = "update app.webhook_endpoints \
         set sealed_secret = $2, kek = $3, kek_version = $4 where id = $1";
    let id = parse(&id)?;
    let overlap = asked.overlap_seconds.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        let problem = Problem::new(Kind::InvalidField, "expected 0 to 604800 seconds");
        return Err(problem.with_param("overlap_seconds"));
    }
    let secret = SigningSecret::generate().map_err(internal)?;
    let context = secret_context(id).map_err(internal)?;
    let text = secret.expose_text();
    let owner = tenant.tenant();
    let sealed = app.keys.seal(&owner, &context, text.as_bytes());
    let sealed = sealed.await?;
    let now = app.clock.unix_seconds();
    let mut tx = tenant.begin(Access::Write).await?;
    if tx.query(HOLD, &[&id]).await?.is_empty() {
        tx.rollback().await;
        return Err(not_found());
    }
    if overlap == 0 {
        tx.query(END, &[&id, &seconds(now)]).await?;
    } else {
        let rows = tx.query(OLD, &[&id, &seconds(now)]).await?;
        let old: i64 = column(rows.first().ok_or_else(not_found)?, 0)?;
        // One signature of the new secret, and one of each old one.
        if usize::try_from(old).unwrap_or(MAX_SIGNATURES) + 2 > MAX_SIGNATURES {
            tx.rollback().await;
            let detail = "too many old secrets sign still: rotate with overlap_seconds 0, or wait";
            return Err(Problem::new(Kind::Conflict, detail));
        }
        let old = new_event_id(app.clock.as_ref()).map_err(internal)?;
        let end = seconds(now.saturating_add(overlap));
        tx.query(KEEP, &[&id, &old, &end]).await?;
    }
    tx.query(
        REPLACE,
        &[&id, &sealed.bytes, &sealed.kek, &sealed.kek_version],
    )
    .await?;
    let resource = Some(format!("webhook/{id}"));
    let kind = "webhook.rotate_secret";
    commit_recorded(&app, &request, &caller, tx, kind, resource).await?;
    let body = json!({
        "secret": text.as_str(),
        "old_secret_until": now.saturating_add(overlap),
    });
    Ok(axum::Json(body).into_response())
}
