//! One batch in the database: what it takes along, the heads that it locks, the rows it writes.

use std::collections::{BTreeMap, HashMap};

use strongroom_auditchain::{Frontier, Hash, InclusionProof, Origin, prove_inclusion};
use strongroom_tenancy::TenantId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::events::slice_of;
use super::items::{Entry, Item};
use crate::postgres::{CommitError, JobTx, QueryError};

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
    #[error("a batch could not be signed: {0}")]
    Sign(String),
}

pub(super) type Keys = (TenantId, Uuid);

/// Which staged events a batch takes along.
#[derive(Clone, Copy)]
pub(super) enum Staged {
    /// Those that their writers announced.
    Announced,
    /// Those that nobody announced in time: their writer died, or gave up waiting.
    Forgotten,
}

/// The batch's own events, and the staged ones that it is to take.
pub(super) async fn gather(
    tx: &mut JobTx,
    batch: &[Item],
    staged: Staged,
    excluded: &[Uuid],
) -> Result<Vec<Entry>, BatchError> {
    const TAKE_ANNOUNCED: &str = "delete from app.audit_staged s \
         using unnest($1::uuid[], $2::uuid[]) as u (t, e) \
         where s.tenant_id = u.t and s.event_id = u.e \
         returning s.tenant_id, s.event_id, s.leaf, s.staged_at";
    // Younger rows are about to be announced: taken now, their writers would have to wait for a
    // proof from the whole log.
    const TAKE_FORGOTTEN: &str = "with taken as (select tenant_id, event_id from app.audit_staged \
         where staged_at < clock_timestamp() - interval '2 seconds' \
         and not (tenant_id = any($1)) \
         order by staged_at limit 512 for update skip locked) \
         delete from app.audit_staged s using taken t \
         where s.tenant_id = t.tenant_id and s.event_id = t.event_id \
         returning s.tenant_id, s.event_id, s.leaf, s.staged_at";
    let mut entries = Vec::with_capacity(batch.len());
    let mut rows = match staged {
        Staged::Forgotten => tx.query(TAKE_FORGOTTEN, &[&excluded]).await?,
        Staged::Announced => {
            let (tenants, events): (Vec<Uuid>, Vec<Uuid>) = batch
                .iter()
                .filter(|item| matches!(item, Item::Staged { .. }))
                .filter(|item| !excluded.contains(item.key().0.as_uuid()))
                .map(|item| (*item.key().0.as_uuid(), item.key().1))
                .unzip();
            if tenants.is_empty() {
                Vec::new()
            } else {
                tx.query(TAKE_ANNOUNCED, &[&tenants, &events]).await?
            }
        }
    };
    rows.sort_by_key(|row| row.try_get::<_, std::time::SystemTime>(3).ok());
    for row in rows {
        let tenant = tenant_of(&row, 0)?;
        let leaf: Vec<u8> = column(&row, 2)?;
        entries.push(Entry {
            tenant,
            event_id: column(&row, 1)?,
            leaf_hash: Hash::of_leaf(&leaf),
            leaf,
            payload: None,
        });
    }
    for item in batch {
        if let Item::Append {
            tenant,
            event_id,
            leaf,
            payload,
            ..
        } = item
            && !excluded.contains(tenant.as_uuid())
        {
            entries.push(Entry {
                tenant: *tenant,
                event_id: *event_id,
                leaf_hash: leaf.hash(),
                leaf: leaf.as_bytes().to_vec(),
                payload: payload.clone(),
            });
        }
    }
    Ok(entries)
}

/// Locks the logs' heads, in one order, so that two sequencers never wait for each other.
pub(super) async fn lock_heads(
    tx: &mut JobTx,
    tenants: &[Uuid],
) -> Result<BTreeMap<TenantId, Head>, BatchError> {
    const LOCK_HEADS: &str = "select tenant_id, origin, size, frontier from app.audit_logs \
         where tenant_id = any($1) order by tenant_id for update";
    let mut heads = BTreeMap::new();
    for row in tx.query(LOCK_HEADS, &[&tenants]).await? {
        let origin: String = column(&row, 1)?;
        let size: i64 = column(&row, 2)?;
        let bytes: Vec<u8> = column(&row, 3)?;
        let tenant = tenant_of(&row, 0)?;
        let inconsistent = |what: &str| BatchError::Log(tenant, format!("{origin}: {what}"));
        let size = u64::try_from(size).map_err(|_| inconsistent("negative size"))?;
        let frontier = Frontier::from_bytes(size, &bytes)
            .map_err(|_| inconsistent("frontier of another size"))?;
        let origin = origin
            .parse()
            .map_err(|_| inconsistent("malformed origin"))?;
        heads.insert(tenant, Head { origin, frontier });
    }
    Ok(heads)
}

/// Which of these events have their place already: a retry must never write one twice.
pub(super) async fn known_entries(
    tx: &mut JobTx,
    entries: &[Entry],
    asked: &[Keys],
) -> Result<HashMap<Keys, u64>, BatchError> {
    // Each by its own probe: by a list of ids a log is read whole while the planner knows nothing
    // of its size.
    const KNOWN: &str = "select u.t, u.e, (select l.idx from app.audit_leaves l \
         where l.tenant_id = u.t and l.event_id = u.e) \
         from unnest($1::uuid[], $2::uuid[]) as u (t, e)";
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) = entries
        .iter()
        .map(|entry| (*entry.tenant.as_uuid(), entry.event_id))
        .chain(asked.iter().map(|(tenant, id)| (*tenant.as_uuid(), *id)))
        .unzip();
    let mut known = HashMap::new();
    for row in tx.query(KNOWN, &[&tenants, &ids]).await? {
        if let Some(index) = column::<Option<i64>>(&row, 2)? {
            let key = (tenant_of(&row, 0)?, column(&row, 1)?);
            known.insert(key, index.unsigned_abs());
        }
    }
    Ok(known)
}

pub(super) async fn insert(
    tx: &mut JobTx,
    tenant: TenantId,
    start: u64,
    list: &[Entry],
) -> Result<(), BatchError> {
    const INSERT_LEAVES: &str = "insert into app.audit_leaves \
         (tenant_id, idx, event_id, leaf, leaf_hash, slice) \
         select $1, i, e, l, h, s from unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[], \
         $6::text[]) as u (i, e, l, h, s)";
    const INSERT_PAYLOADS: &str = "insert into app.audit_payloads \
         (tenant_id, event_id, sealed, dek_id) \
         select $1, e, p, d from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u (e, p, d)";
    let indices: Vec<i64> = (start..)
        .take(list.len())
        .map(|index| i64::try_from(index).unwrap_or(i64::MAX))
        .collect();
    let ids: Vec<Uuid> = list.iter().map(|entry| entry.event_id).collect();
    let leaves: Vec<&[u8]> = list.iter().map(|entry| entry.leaf.as_slice()).collect();
    let slices: Vec<Option<&str>> = list.iter().map(|entry| slice_of(&entry.leaf)).collect();
    let hashes: Vec<&[u8]> = list
        .iter()
        .map(|entry| entry.leaf_hash.as_bytes().as_slice())
        .collect();
    tx.query(
        INSERT_LEAVES,
        &[tenant.as_uuid(), &indices, &ids, &leaves, &hashes, &slices],
    )
    .await
    .map_err(|error| of_log(tenant, error))?;
    let mut payloads = (Vec::new(), Vec::new(), Vec::new());
    for entry in list {
        if let Some(payload) = &entry.payload {
            payloads.0.push(entry.event_id);
            payloads.1.push(payload.bytes.as_slice());
            payloads.2.push(payload.dek.as_bytes().as_slice());
        }
    }
    if !payloads.0.is_empty() {
        tx.query(
            INSERT_PAYLOADS,
            &[tenant.as_uuid(), &payloads.0, &payloads.1, &payloads.2],
        )
        .await
        .map_err(|error| of_log(tenant, error))?;
    }
    Ok(())
}

pub(super) async fn store_heads(
    tx: &mut JobTx,
    heads: &BTreeMap<TenantId, Head>,
    grown: &BTreeMap<TenantId, Vec<Entry>>,
) -> Result<(), BatchError> {
    const STORE_HEADS: &str = "update app.audit_logs l set size = u.s, frontier = u.f \
         from unnest($1::uuid[], $2::bigint[], $3::bytea[]) as u (t, s, f) where l.tenant_id = u.t";
    let changed = grown
        .keys()
        .filter_map(|tenant| heads.get(tenant).map(|head| (tenant, head)));
    let mut rows = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, head) in changed {
        let size = i64::try_from(head.frontier.size())
            .map_err(|_| BatchError::Log(*tenant, "it is full".to_owned()))?;
        rows.0.push(*tenant.as_uuid());
        rows.1.push(size);
        rows.2.push(head.frontier.to_bytes());
    }
    if !rows.0.is_empty() {
        tx.query(STORE_HEADS, &[&rows.0, &rows.1, &rows.2]).await?;
    }
    Ok(())
}

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

/// A row that a constraint refuses is the one log's fault, anything else the batch's.
fn of_log(tenant: TenantId, error: QueryError) -> BatchError {
    match error {
        QueryError::Constraint(what) => BatchError::Log(tenant, what),
        other => other.into(),
    }
}

fn tenant_of(row: &Row, index: usize) -> Result<TenantId, BatchError> {
    TenantId::from_uuid(column(row, index)?)
        .map_err(|error| QueryError::Row(error.to_string()).into())
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    index: usize,
) -> Result<T, QueryError> {
    row.try_get(index)
        .map_err(|error| QueryError::Row(error.to_string()))
}
