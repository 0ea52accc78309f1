//! The verification pass over one tenant's log, read through the tenant's own claim.

use strongroom_auditchain::{Frontier, Hash, LogVerifier, Origin, Report, StoredEntry};
use strongroom_tenancy::{ActorId, RequestId, TenantId};

use crate::postgres::{Access, Gateway, QueryError};

/// Entries read in one transaction: a long log takes many, each with a claim of its own.
const PAGE: i64 = 2048;

const HEAD: &str = "select origin, size, frontier from app.audit_logs";
const CHECKPOINTS: &str = "select note from app.audit_checkpoints order by size";
const ENTRIES: &str = "select idx, leaf, leaf_hash from app.audit_leaves \
     where idx >= $1 and idx < $3 order by idx limit $2";

/// What a pass found, and what would let anyone repeat it.
pub struct TenantReport {
    /// What the pass found.
    pub report: Report,
    /// The key under which the log's checkpoints are signed, as a vkey.
    pub verifier_key: String,
}

/// Verifies a tenant's log against its checkpoints and its head.
///
/// # Errors
/// [`QueryError`] when the log cannot be read; a log that was tampered with is a report.
pub async fn verify_tenant(
    gateway: &Gateway,
    signer: &strongroom_auditchain::Ed25519Signer,
    tenant: TenantId,
    actor: ActorId,
    request: &RequestId,
) -> Result<TenantReport, QueryError> {
    let row = |error: tokio_postgres::Error| QueryError::Row(error.to_string());
    let mut tx = gateway.begin(tenant, actor, request, Access::Read).await?;
    let heads = tx.query(HEAD, &[]).await?;
    let head = heads
        .first()
        .ok_or_else(|| QueryError::Row("the tenant has no log".to_owned()))?;
    let origin: String = head.try_get(0).map_err(row)?;
    let size: i64 = head.try_get(1).map_err(row)?;
    let bytes: Vec<u8> = head.try_get(2).map_err(row)?;
    let mut notes = Vec::new();
    for checkpoint in tx.query(CHECKPOINTS, &[]).await? {
        notes.push(checkpoint.try_get::<_, String>(0).map_err(row)?);
    }
    tx.rollback().await;

    let malformed = |what: &str| QueryError::Row(format!("log {origin}: {what}"));
    let name: Origin = origin.parse().map_err(|_| malformed("malformed origin"))?;
    let named = signer
        .with_name(name.as_str())
        .map_err(|_| malformed("origin names no key"))?;
    let size = u64::try_from(size).map_err(|_| malformed("negative size"))?;
    // A head that cannot be read vouches for nothing: the root of no tree.
    let root = Frontier::from_bytes(size, &bytes).map_or(Hash::from_bytes([0; 32]), |f| f.root());
    let mut verifier = LogVerifier::new(&name, named.verifier_key(), &notes, Some((size, root)));
    let mut next = 0_i64;
    // The pass covers the log as it was when the head was read.
    let end = i64::try_from(size).unwrap_or(i64::MAX);
    loop {
        let mut tx = gateway.begin(tenant, actor, request, Access::Read).await?;
        let rows = tx.query(ENTRIES, &[&next, &PAGE, &end]).await?;
        tx.rollback().await;
        for entry in &rows {
            let index: i64 = entry.try_get(0).map_err(row)?;
            let leaf: &[u8] = entry.try_get(1).map_err(row)?;
            let hash: &[u8] = entry.try_get(2).map_err(row)?;
            let leaf_hash = Hash::from_bytes(hash.try_into().unwrap_or([0; 32]));
            verifier.push(&StoredEntry {
                index: index.unsigned_abs(),
                leaf,
                leaf_hash,
            });
            next = index.saturating_add(1);
        }
        if (rows.len() as i64) < PAGE || next.unsigned_abs() >= size {
            break;
        }
    }
    Ok(TenantReport {
        report: verifier.finish(),
        verifier_key: named.verifier_key().to_string(),
    })
}
