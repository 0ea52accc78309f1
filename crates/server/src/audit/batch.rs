//! One batch: how it can fail, and the proofs of what earlier ones wrote.

use strongroom_auditchain::{Frontier, Hash, InclusionProof, Origin, prove_inclusion};
use strongroom_tenancy::TenantId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::checkpoint_store::StoreError;
use crate::postgres::{CommitError, JobTx, QueryError, column};

/// A log's head, locked by the batch in hand.
pub(super) struct Head {
    pub(super) origin: Origin,
    pub(super) frontier: Frontier,
}

/// The proof of one entry in the log as it is after the batch.
pub(super) struct Placed {
    pub(super) leaf: Hash,
    pub(super) proof: InclusionProof,
}

/// Why one attempt at a batch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// One tenant's log cannot take the batch; the others' can.
    #[error("the log of {0} is inconsistent: {1}")]
    Log(TenantId, String),
    /// The families were not renewed; events alone can be written.
    #[error("refresh tokens were not renewed: {0}")]
    Renewals(QueryError),
    #[error("a batch could not be signed: {0}")]
    Sign(String),
    /// These logs do not go on from what was signed of them.
    #[error("logs were set back: {}", .0.len())]
    SetBack(Vec<TenantId>),
    /// What was signed is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is here, and not in the zones that it must be in.
    #[error("a batch is not in its zones")]
    Zones,
}

pub(super) type Keys = (TenantId, Uuid);

/// Proofs for entries that earlier batches wrote; rare, so each such log is read whole, once.
pub(super) async fn prove_known(
    tx: &mut JobTx,
    tenant: TenantId,
    head: &Head,
    entries: &[(Uuid, u64)],
) -> Result<Vec<(Keys, Placed)>, BatchError> {
    const HASHES: &str = "select leaf_hash from app.audit_leaves where tenant_id = $1 order by idx";
    let mut hashes = Vec::new();
    for row in tx.query(HASHES, &[tenant.as_uuid()]).await? {
        let bytes: Vec<u8> = column(&row, 0)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| BatchError::Log(tenant, "a leaf hash is malformed".to_owned()))?;
        hashes.push(Hash::from_bytes(bytes));
    }
    let mut placed = Vec::with_capacity(entries.len());
    for (event_id, index) in entries {
        let proof = prove_inclusion(&hashes, *index, head.frontier.size())
            .map_err(|error| BatchError::Log(tenant, error.to_string()))?;
        let leaf = usize::try_from(*index)
            .ok()
            .and_then(|index| hashes.get(index))
            .copied()
            .ok_or_else(|| BatchError::Log(tenant, "an entry lies beyond the log".to_owned()))?;
        placed.push(((tenant, *event_id), Placed { leaf, proof }));
    }
    Ok(placed)
}

pub(super) fn tenant_of(row: &Row, index: usize) -> Result<TenantId, BatchError> {
    TenantId::from_uuid(column(row, index)?)
        .map_err(|error| QueryError::Row(error.to_string()).into())
}
