//! The verification pass over one tenant's log, read through the tenant's own claim.

use strongroom_auditchain::{
    Erasure, Frontier, Hash, Leaf, LogVerifier, Origin, Report, StoredEntry,
};
use strongroom_tenancy::{ActorId, RequestId, TenantId};

use super::payload_pass::{PayloadPass, PayloadReport, erasure};
use crate::postgres::{Access, Gateway, QueryError, TenantTx, column};

/// Entries read in one transaction: a long log takes many, each with a claim of its own.
const PAGE: i64 = 2048;

const HEAD: &str = "select origin, size, frontier from app.audit_logs";
const CHECKPOINTS: &str = "select note from app.audit_checkpoints order by size";
const ENTRIES: &str = "select l.idx, l.leaf, l.leaf_hash, exists ( \
       select from app.audit_payloads p where p.event_id = l.event_id) \
     from app.audit_leaves l where l.idx >= $1 and l.idx < $3 order by l.idx limit $2";

/// Erasures, and whatever else has their name in it: what they are is decided from the leaf.
const ERASURES: &str = "select idx, leaf, leaf_hash from app.audit_leaves \
     where idx >= $1 and idx < $2 and position('payload.erased'::bytea in leaf) > 0 order by idx";

/// Entries in which erasures are looked for in one statement.
const SPAN: i64 = 100_000;

/// What a pass found, and what would let anyone repeat it.
pub struct TenantReport {
    /// What the pass found.
    pub report: Report,
    /// What became of the payloads.
    pub payloads: PayloadReport,
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
    let reader = Reader {
        gateway,
        tenant,
        actor,
        request,
    };
    let said = reader.erasures(0, end_of(size)).await?;
    let failed = |error: &dyn std::fmt::Display| QueryError::Row(error.to_string());
    let mut payloads = PayloadPass::new(said).map_err(|error| failed(&error))?;
    let mut verifier = LogVerifier::new(&name, named.verifier_key(), &notes, Some((size, root)));
    let mut next = 0_i64;
    // The pass covers the log as it was when the head was read.
    let end = end_of(size);
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
            if let Ok(event) = Leaf::decode(leaf) {
                payloads.push(index.unsigned_abs(), &event, entry.try_get(3).map_err(row)?);
            }
            next = index.saturating_add(1);
        }
        if (rows.len() as i64) < PAGE || next.unsigned_abs() >= size {
            break;
        }
    }
    // What went meanwhile, went after an entry that says so.
    let since = if payloads.is_open() {
        reader.erasures(end, reader.size().await?).await?
    } else {
        Vec::new()
    };
    Ok(TenantReport {
        report: verifier.finish(),
        payloads: payloads.finish(&since),
        verifier_key: named.verifier_key().to_string(),
    })
}

/// The tenant's way to its log.
struct Reader<'a> {
    gateway: &'a Gateway,
    tenant: TenantId,
    actor: ActorId,
    request: &'a RequestId,
}

impl Reader<'_> {
    /// What the entries from one index to another say was erased, and where they say so.
    async fn erasures(&self, from: i64, to: i64) -> Result<Vec<(Erasure, u64)>, QueryError> {
        let mut said = Vec::new();
        let mut from = from;
        while from < to {
            let next = from.saturating_add(SPAN).min(to);
            let mut tx = self.begin().await?;
            let rows = tx.query(ERASURES, &[&from, &next]).await?;
            tx.rollback().await;
            for row in &rows {
                let (index, leaf): (i64, &[u8]) = (column(row, 0)?, column(row, 1)?);
                // One that was rewritten excuses nothing.
                if Hash::of_leaf(leaf).as_bytes().as_slice() == column::<&[u8]>(row, 2)? {
                    said.extend(erasure(index.unsigned_abs(), leaf));
                }
            }
            from = next;
        }
        Ok(said)
    }

    async fn size(&self) -> Result<i64, QueryError> {
        let mut tx = self.begin().await?;
        let rows = tx.query(HEAD, &[]).await?;
        tx.rollback().await;
        rows.first().map_or(Ok(0), |row| column(row, 1))
    }

    async fn begin(&self) -> Result<TenantTx, QueryError> {
        let (tenant, actor) = (self.tenant, self.actor);
        self.gateway
            .begin(tenant, actor, self.request, Access::Read)
            .await
    }
}

fn end_of(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
