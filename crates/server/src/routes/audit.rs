//! The tenant's audit log: entries, proofs, checkpoints, and the verification pass.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_auditchain::{Checkpoint, Hash, Leaf, Origin, ProofFile, prove_inclusion};
use strongroom_tenancy::{RequestId, TenantId};
use uuid::Uuid;

use super::{column, internal, not_found};
use crate::app::App;
use crate::audit::{
    BREAK_GLASS, ExportError, Exporter, PayloadReport, open_payload, verify_tenant,
};
use crate::gates::{Caller, RequestHandle, TenantContext};
use crate::postgres::{Access, TenantTx};
use crate::problem::{Kind, Problem};

const ORIGIN: &str = "select origin, size from app.audit_logs";
const LATEST: &str = "select note from app.audit_checkpoints order by size desc limit 1";

/// Which entries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The first index; 0 when absent.
    from: Option<u64>,
    /// How many, 1 to 1000; 100 when absent.
    limit: Option<u16>,
    /// `break-glass` for those events alone; all when absent.
    slice: Option<String>,
}

/// What goes into an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// Whether payloads go with it, opened; they do not when absent.
    #[serde(default)]
    payloads: bool,
}

/// The log's name, its size and the public keys that verify it.
///
/// # Errors
/// A problem.
pub async fn log(State(app): State<Arc<App>>, tenant: TenantContext) -> Result<Response, Problem> {
    let mut tx = tenant.begin(Access::Read).await?;
    let (origin, size) = origin(&mut tx).await?;
    tx.rollback().await;
    let signer = app
        .checkpoint_signer
        .with_name(origin.as_str())
        .map_err(internal)?;
    let body = json!({
        "origin": origin.as_str(),
        "size": size.to_string(),
        "checkpoint_key": signer.verifier_key().to_string(),
        "batch_key": app.batch_signer.verifier_key().to_string(),
        "platform_key": app.platform_log.log_key().to_string(),
        "cosigner_key": app.platform_log.cosigner().verifier_key().to_string(),
    });
    Ok(axum::Json(body).into_response())
}

/// A page of entries: exact leaf bytes in base64, their hashes, and what they say.
///
/// # Errors
/// A problem.
pub async fn entries(tenant: TenantContext, Query(page): Query<Page>) -> Result<Response, Problem> {
    const ENTRIES: &str = "select idx, leaf, leaf_hash from app.audit_leaves \
         where idx >= $1 and ($3::text is null or slice = $3) order by idx limit $2";
    let from = i64::try_from(page.from.unwrap_or(0)).map_err(|_| not_found())?;
    let limit = page.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        let problem = Problem::new(Kind::InvalidField, "expected 1 to 1000");
        return Err(problem.with_param("limit"));
    }
    if page
        .slice
        .as_deref()
        .is_some_and(|slice| slice != BREAK_GLASS)
    {
        let problem = Problem::new(Kind::InvalidField, "expected break-glass");
        return Err(problem.with_param("slice"));
    }
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx
        .query(ENTRIES, &[&from, &i64::from(limit), &page.slice])
        .await?;
    tx.rollback().await;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let leaf: Vec<u8> = column(row, 1)?;
        let hash: Vec<u8> = column(row, 2)?;
        entries.push(json!({
            "index": column::<i64>(row, 0)?.to_string(),
            "leaf": STANDARD.encode(&leaf),
            "leaf_hash": STANDARD.encode(&hash),
            // An entry that was tampered with is still served, as it is, and says nothing.
            "event": Leaf::decode(&leaf).map_or(Value::Null, |event| event.to_json()),
        }));
    }
    Ok(axum::Json(json!({ "data": entries })).into_response())
}

/// An entry's payload, opened and checked against the entry's commitments.
///
/// # Errors
/// `not-found` when there is none, or it was erased.
pub async fn payload(
    State(app): State<Arc<App>>,
    tenant: TenantContext,
    Path(index): Path<u64>,
) -> Result<Response, Problem> {
    const READ: &str = "select l.leaf, p.event_id, p.sealed from app.audit_leaves l \
         join app.audit_payloads p on p.tenant_id = l.tenant_id and p.event_id = l.event_id \
         where l.idx = $1";
    let index = i64::try_from(index).map_err(|_| not_found())?;
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(READ, &[&index]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or_else(not_found)?;
    let leaf: Vec<u8> = column(row, 0)?;
    let id: Uuid = column(row, 1)?;
    let sealed: Vec<u8> = column(row, 2)?;
    let event = Leaf::decode(&leaf).map_err(internal)?;
    let payload = open_payload(&app.keys, &tenant.tenant(), id, &sealed).await?;
    payload.verify(&event).map_err(internal)?;
    let mut fields = serde_json::Map::new();
    for field in payload.fields() {
        let value = payload.expose(field).unwrap_or_default();
        fields.insert(
            field.to_string(),
            String::from_utf8_lossy(value).into_owned().into(),
        );
    }
    Ok(axum::Json(json!({ "index": index.to_string(), "fields": fields })).into_response())
}

/// An inclusion proof of an entry under the latest checkpoint, as a C2SP tlog-proof file.
///
/// # Errors
/// `not-found` before the first checkpoint that covers the entry.
pub async fn proof(
    State(app): State<Arc<App>>,
    tenant: TenantContext,
    Path(index): Path<u64>,
) -> Result<Response, Problem> {
    const HASHES: &str = "select leaf_hash from app.audit_leaves where idx < $1 order by idx";
    let mut tx = tenant.begin(Access::Read).await?;
    let (origin, _) = origin(&mut tx).await?;
    let notes = tx.query(LATEST, &[]).await?;
    let Some(note) = notes.first() else {
        tx.rollback().await;
        return Err(not_found());
    };
    let note: String = column(note, 0)?;
    let signer = app
        .checkpoint_signer
        .with_name(origin.as_str())
        .map_err(internal)?;
    let size = Checkpoint::verify(&note, signer.verifier_key(), &origin)
        .map_err(internal)?
        .size;
    let mut hashes = Vec::new();
    for row in tx
        .query(HASHES, &[&i64::try_from(size).unwrap_or(i64::MAX)])
        .await?
    {
        let bytes: Vec<u8> = column(&row, 0)?;
        hashes.push(Hash::from_bytes(
            bytes.try_into().map_err(|_| internal("leaf hash"))?,
        ));
    }
    tx.rollback().await;
    let inclusion = prove_inclusion(&hashes, index, size).map_err(|_| not_found())?;
    let file = ProofFile {
        extra: None,
        index: inclusion.index,
        hashes: inclusion.hashes,
        checkpoint: note.parse().map_err(internal)?,
    };
    Ok(text(file.to_string()))
}

/// The latest checkpoint, a signed note.
///
/// # Errors
/// `not-found` before the first.
pub async fn checkpoint(tenant: TenantContext) -> Result<Response, Problem> {
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(LATEST, &[]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or_else(not_found)?;
    Ok(text(column(row, 0)?))
}

/// Signs the tenant's log now, if it grew, and answers the latest checkpoint.
///
/// # Errors
/// `internal` when the log is not what was signed before: it is not signed then.
pub async fn sign(State(app): State<Arc<App>>, tenant: TenantContext) -> Result<Response, Problem> {
    app.checkpointer
        .sign(Some(tenant.tenant()))
        .await
        .map_err(internal)?;
    checkpoint(tenant).await
}

/// Verifies the tenant's whole log against its checkpoints, and names what does not hold.
///
/// # Errors
/// A problem when the log cannot be read; a log that was tampered with is an answer.
pub async fn verify(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
) -> Result<Response, Problem> {
    let signer = app.checkpoint_signer.as_ref();
    let actor = *caller.actor().id();
    let checked = verify_tenant(&app.gateway, signer, caller.tenant(), actor, &request.id).await?;
    let report = &checked.report;
    for finding in &report.findings {
        tracing::error!(origin = %report.origin, %finding, "audit log not intact");
    }
    let mut findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let payloads = &checked.payloads;
    for index in &payloads.missing_at {
        let finding =
            format!("entry {index}: its payload is missing, and no entry says that it was erased");
        tracing::error!(origin = %report.origin, finding, "audit log not intact");
        findings.push(finding);
    }
    let unlisted = payloads.missing - payloads.missing_at.len() as u64;
    let body = json!({
        "intact": report.intact().is_ok() && payloads.missing == 0,
        "origin": report.origin.as_str(),
        "entries": report.entries.to_string(),
        "covered": report.covered.to_string(),
        "checkpoints": report.checkpoints.to_string(),
        "findings": findings,
        "findings_not_listed": (report.omitted + unlisted).to_string(),
        "payloads": payloads_json(payloads),
        "checkpoint_key": checked.verifier_key,
    });
    Ok(axum::Json(body).into_response())
}

/// The tenant's log as an archive of files, up to its newest checkpoint, with or without what its
/// payloads say. It is sent as it is read: one that breaks off is none.
///
/// # Errors
/// `not-found` before the first checkpoint.
pub async fn export(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    Query(asked): Query<Exported>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant();
    let exporter = exporter(&app, &caller, request.id, tenant, asked.payloads);
    archive(&app, exporter).await
}

/// The platform's log of all tenants' checkpoints as an archive of files, with the times at which
/// its own stood. For the platform's operator: it shows who nobody is, and how often logs grow.
///
/// # Errors
/// As [`export`]; `not-found` for a tenant.
pub async fn export_platform(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
) -> Result<Response, Problem> {
    if caller.tenant() != TenantId::PLATFORM {
        return Err(not_found());
    }
    let exporter = exporter(&app, &caller, request.id, TenantId::PLATFORM_LOG, false);
    archive(&app, exporter).await
}

fn exporter(
    app: &App,
    caller: &Caller,
    request: RequestId,
    tenant: TenantId,
    with_payloads: bool,
) -> Exporter {
    Exporter {
        gateway: app.gateway.clone(),
        keys: app.keys.clone(),
        with_payloads,
        tenant,
        actor: *caller.actor().id(),
        request,
        batch_key: app.batch_signer.verifier_key().clone(),
    }
}

async fn archive(app: &App, exporter: Exporter) -> Result<Response, Problem> {
    let key = |origin: &Origin| {
        let signer = app.checkpoint_signer.with_name(origin.as_str()).ok()?;
        Some(signer.verifier_key().clone())
    };
    let export = exporter.begin(key).await.map_err(|error| match error {
        ExportError::Query(error) => error.into(),
        error => internal(error),
    })?;
    let pieces = export.ok_or_else(not_found)?.send();
    let body = futures_util::stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    let headers = [(header::CONTENT_TYPE, "application/x-tar")];
    Ok((headers, Body::from_stream(body)).into_response())
}

fn payloads_json(payloads: &PayloadReport) -> Value {
    let runs = payloads.erased_by.iter().map(|run| {
        json!({
            "from": run.from.to_string(),
            "to": run.to.to_string(),
            "payloads": run.payloads.to_string(),
            "by": run.by.to_string(),
        })
    });
    json!({
        "present": payloads.present.to_string(),
        "erased": payloads.erased.to_string(),
        "missing": payloads.missing.to_string(),
        "erased_by": runs.collect::<Vec<_>>(),
    })
}

async fn origin(tx: &mut TenantTx) -> Result<(Origin, u64), Problem> {
    let rows = tx.query(ORIGIN, &[]).await?;
    let row = rows.first().ok_or_else(not_found)?;
    let origin: String = column(row, 0)?;
    let size: i64 = column(row, 1)?;
    Ok((origin.parse().map_err(internal)?, size.unsigned_abs()))
}

fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
