//! Intake: what a batch finds in the database; what was queued, in one round trip.

use std::collections::{BTreeMap, HashMap};

use strongroom_auditchain::{Frontier, Hash};
use strongroom_tenancy::TenantId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::batch::{BatchError, Head, Keys, tenant_of};
use super::items::{Entry, Item};
use super::renewals::{RENEW, Renewals};
use crate::postgres::{FailedQuery, Job, JobTx, Params, QueryError, column};

const FORGOTTEN: &str = "with taken as (select tenant_id, event_id from app.audit_staged \
     where staged_at < clock_timestamp() - interval '2 seconds' and not (tenant_id = any($1)) \
     order by staged_at limit 512 for update skip locked) \
     delete from app.audit_staged s using taken t \
     where s.tenant_id = t.tenant_id and s.event_id = t.event_id \
     returning s.tenant_id, s.event_id, s.leaf, s.staged_at";

const ANNOUNCED: &str = "delete from app.audit_staged s \
     using unnest($1::uuid[], $2::uuid[]) as u (t, e) \
     where s.tenant_id = u.t and s.event_id = u.e \
     returning s.tenant_id, s.event_id, s.leaf, s.staged_at";

/// In one order, so that two sequencers never wait for each other.
const LOCK_HEADS: &str = "select tenant_id, origin, size, frontier from app.audit_logs \
     where tenant_id = any($1) order by tenant_id for update";

/// Each by its own probe: by a list of ids a log is read whole while the planner knows nothing of
/// its size.
const KNOWN: &str = "select u.t, u.e, (select l.idx from app.audit_leaves l \
     where l.tenant_id = u.t and l.event_id = u.e) \
     from unnest($1::uuid[], $2::uuid[]) as u (t, e)";

/// What a batch goes on without, since it stood in the way of the rest.
#[derive(Default)]
pub(super) struct Without {
    /// The logs of these tenants.
    pub(super) logs: Vec<Uuid>,
    /// Renewals.
    pub(super) renewals: bool,
    /// One statement for the rows of all logs: apart, it shows whose are refused.
    pub(super) together: bool,
}

/// What a batch works on. The heads are locked.
pub(super) struct Intake {
    pub(super) tx: JobTx,
    pub(super) heads: BTreeMap<TenantId, Head>,
    /// The events to be written.
    pub(super) entries: Vec<Entry>,
    /// Which of them, and of what else was asked about, have their place already: a retry must
    /// never write one twice.
    pub(super) known: HashMap<Keys, u64>,
}

/// Takes what was queued: events in memory, staged ones that their writers announced, and renewals
/// with theirs. Nothing, when nothing is left of it.
pub(super) async fn announced(
    job: &Job,
    batch: &[Item],
    without: &Without,
) -> Result<Option<Intake>, BatchError> {
    let is_in = |item: &&Item| !without.logs.contains(item.key().0.as_uuid());
    let batch: Vec<&Item> = batch.iter().filter(is_in).collect();
    if batch.is_empty() {
        return Ok(None);
    }
    let keys = |items: &[&Item]| -> (Vec<Uuid>, Vec<Uuid>) {
        let keys = items.iter().map(|item| item.key());
        keys.map(|(tenant, event)| (*tenant.as_uuid(), event))
            .unzip()
    };
    let (tenants, events) = keys(&batch);
    let staged: Vec<&Item> = batch
        .iter()
        .copied()
        .filter(|item| matches!(item, Item::Staged { .. }))
        .collect();
    let (staged_tenants, staged_events) = keys(&staged);
    let renewals = Renewals::among(if without.renewals { &[] } else { &batch });

    let staged: Params<'_> = &[&staged_tenants, &staged_events];
    let (renew, heads, known) = (
        renewals.params(),
        tenants_once(&tenants),
        (&tenants, &events),
    );
    let mut first: Vec<(&'static str, Params<'_>)> = Vec::with_capacity(4);
    if !renewals.is_empty() {
        first.push((RENEW, &renew));
    }
    if !staged_events.is_empty() {
        first.push((ANNOUNCED, staged));
    }
    let heads: Params<'_> = &[&heads];
    let known: Params<'_> = &[known.0, known.1];
    first.push((LOCK_HEADS, heads));
    first.push((KNOWN, known));
    let begun = job.begin_with(&first).await;
    let (tx, rows) = begun.map_err(|FailedQuery { number, error }| {
        let is_said = !matches!(error, QueryError::Unavailable(_));
        if number == Some(0) && is_said && !renewals.is_empty() {
            BatchError::Renewals(error)
        } else {
            error.into()
        }
    })?;
    let mut rows = rows.into_iter();
    let mut next = || rows.next().unwrap_or_default();
    let mut renewed = Vec::new();
    if !renewals.is_empty() {
        for row in next() {
            renewed.push(column::<Uuid>(&row, 0)?);
        }
    }
    let mut entries = if staged_events.is_empty() {
        Vec::with_capacity(batch.len())
    } else {
        staged_entries(next())?
    };
    let heads = read_heads(&next())?;
    let known = read_known(&next())?;
    for item in batch {
        let (leaf, payload) = match item {
            Item::Append { leaf, payload, .. } => (leaf, payload.clone()),
            Item::Renew { event_id, leaf, .. } if renewed.contains(event_id) => (leaf, None),
            Item::Renew { .. } | Item::Staged { .. } => continue,
        };
        let (tenant, event_id) = item.key();
        entries.push(Entry {
            tenant,
            event_id,
            leaf_hash: leaf.hash(),
            leaf: leaf.as_bytes().to_vec(),
            payload,
        });
    }
    Ok(Some(Intake {
        tx,
        heads,
        entries,
        known,
    }))
}

/// Takes staged events that nobody announced in time: their writer died, or gave up waiting. Younger
/// ones are about to be announced: taken now, their writers would have to wait for a proof from the
/// whole log.
pub(super) async fn forgotten(job: &Job, without: &Without) -> Result<Option<Intake>, BatchError> {
    let first: &[(&'static str, Params<'_>)] = &[(FORGOTTEN, &[&without.logs])];
    let begun = job.begin_with(first).await;
    let (mut tx, rows) = begun.map_err(|failed| BatchError::from(failed.error))?;
    let entries = staged_entries(rows.into_iter().next().unwrap_or_default())?;
    if entries.is_empty() {
        tx.rollback().await;
        return Ok(None);
    }
    let keys = entries
        .iter()
        .map(|entry| (*entry.tenant.as_uuid(), entry.event_id));
    let (tenants, events): (Vec<Uuid>, Vec<Uuid>) = keys.unzip();
    let heads = read_heads(&tx.query(LOCK_HEADS, &[&tenants_once(&tenants)]).await?)?;
    let known = read_known(&tx.query(KNOWN, &[&tenants, &events]).await?)?;
    Ok(Some(Intake {
        tx,
        heads,
        entries,
        known,
    }))
}

fn tenants_once(tenants: &[Uuid]) -> Vec<Uuid> {
    let mut once = tenants.to_vec();
    once.sort_unstable();
    once.dedup();
    once
}

fn staged_entries(mut rows: Vec<Row>) -> Result<Vec<Entry>, BatchError> {
    rows.sort_by_key(|row| row.try_get::<_, std::time::SystemTime>(3).ok());
    rows.iter()
        .map(|row| {
            let leaf: Vec<u8> = column(row, 2)?;
            Ok(Entry {
                tenant: tenant_of(row, 0)?,
                event_id: column(row, 1)?,
                leaf_hash: Hash::of_leaf(&leaf),
                leaf,
                payload: None,
            })
        })
        .collect()
}

fn read_heads(rows: &[Row]) -> Result<BTreeMap<TenantId, Head>, BatchError> {
    let mut heads = BTreeMap::new();
    for row in rows {
        let origin: String = column(row, 1)?;
        let size: i64 = column(row, 2)?;
        let bytes: Vec<u8> = column(row, 3)?;
        let tenant = tenant_of(row, 0)?;
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

fn read_known(rows: &[Row]) -> Result<HashMap<Keys, u64>, BatchError> {
    let mut known = HashMap::new();
    for row in rows {
        if let Some(index) = column::<Option<i64>>(row, 2)? {
            let key = (tenant_of(row, 0)?, column(row, 1)?);
            known.insert(key, index.unsigned_abs());
        }
    }
    Ok(known)
}
