//! The rows that a batch writes, and its commit: one round trip.

use std::collections::BTreeMap;

use strongroom_tenancy::TenantId;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::batch::{BatchError, Head};
use super::events::slice_of;
use super::items::Entry;
use super::zones::{IN_DOUBT, ZoneSet};
use crate::postgres::{CommitError, FailedCommit, JobTx, Params, QueryError};

const INSERT_LEAVES: &str = "insert into app.audit_leaves \
     (tenant_id, idx, event_id, leaf, leaf_hash, slice) \
     select $1, i, e, l, h, s from unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[], \
     $6::text[]) as u (i, e, l, h, s)";

const INSERT_PAYLOADS: &str = "insert into app.audit_payloads \
     (tenant_id, event_id, sealed, dek_id) \
     select $1, e, p, d from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u (e, p, d)";

const STORE_HEADS: &str = "update app.audit_logs l set size = u.s, frontier = u.f, \
     whole = least(u.s, greatest(l.whole, u.w)) \
     from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[]) as u (t, s, f, w) \
     where l.tenant_id = u.t";

type Value<'a> = &'a (dyn ToSql + Sync);

/// One log's new rows, by columns.
struct Columns<'a> {
    tenant: TenantId,
    indices: Vec<i64>,
    ids: Vec<Uuid>,
    leaves: Vec<&'a [u8]>,
    hashes: Vec<&'a [u8]>,
    slices: Vec<Option<&'a str>>,
    payload_ids: Vec<Uuid>,
    payloads: Vec<&'a [u8]>,
    payload_keys: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    /// The log has grown by `list` to `head`.
    fn of(tenant: TenantId, head: &Head, list: &'a [Entry]) -> Result<Self, BatchError> {
        let length = u64::try_from(list.len()).unwrap_or(u64::MAX);
        let start = head.frontier.size().checked_sub(length);
        let indices = start.map(|start| (start..head.frontier.size()).map(i64::try_from));
        let indices: Option<Vec<i64>> = indices.and_then(|all| all.collect::<Result<_, _>>().ok());
        let payloads = || {
            list.iter()
                .filter_map(|it| Some((it, it.payload.as_ref()?)))
        };
        Ok(Self {
            tenant,
            indices: indices.ok_or_else(|| BatchError::Log(tenant, "it is full".to_owned()))?,
            ids: list.iter().map(|entry| entry.event_id).collect(),
            leaves: list.iter().map(|entry| entry.leaf.as_slice()).collect(),
            hashes: list
                .iter()
                .map(|entry| entry.leaf_hash.as_bytes().as_slice())
                .collect(),
            slices: list.iter().map(|entry| slice_of(&entry.leaf)).collect(),
            payload_ids: payloads().map(|(entry, _)| entry.event_id).collect(),
            payloads: payloads().map(|(_, it)| it.bytes.as_slice()).collect(),
            payload_keys: payloads()
                .map(|(_, it)| it.dek.as_bytes().as_slice())
                .collect(),
        })
    }

    fn statements(&self) -> impl Iterator<Item = (&'static str, Vec<Value<'_>>)> {
        let tenant = self.tenant.as_uuid();
        let leaves: Vec<Value<'_>> = vec![
            tenant,
            &self.indices,
            &self.ids,
            &self.leaves,
            &self.hashes,
            &self.slices,
        ];
        let payloads: Vec<Value<'_>> = vec![
            tenant,
            &self.payload_ids,
            &self.payloads,
            &self.payload_keys,
        ];
        let payloads = (!self.payload_ids.is_empty()).then_some((INSERT_PAYLOADS, payloads));
        [(INSERT_LEAVES, leaves)].into_iter().chain(payloads)
    }
}

/// Writes what the logs have grown by, and their heads, and commits; in the zones too, if there are
/// any. Answers in how many zones all of it is, at least.
pub(super) async fn commit(
    tx: JobTx,
    heads: &BTreeMap<TenantId, Head>,
    grown: &BTreeMap<TenantId, Vec<Entry>>,
    zones: Option<&ZoneSet>,
) -> Result<u8, BatchError> {
    let logs = grown
        .iter()
        .filter_map(|(tenant, list)| Some((tenant, heads.get(tenant)?, list)));
    let mut columns = Vec::new();
    let (mut tenants, mut sizes, mut frontiers) = (Vec::new(), Vec::new(), Vec::new());
    // What every zone held before this batch: of this one nobody knows yet.
    let mut wholes = Vec::new();
    for (tenant, head, list) in logs {
        columns.push(Columns::of(*tenant, head, list)?);
        let size = i64::try_from(head.frontier.size())
            .map_err(|_| BatchError::Log(*tenant, "it is full".to_owned()))?;
        tenants.push(*tenant.as_uuid());
        sizes.push(size);
        frontiers.push(head.frontier.to_bytes());
        let whole = zones.map_or(0, |zones| zones.whole_of(*tenant));
        wholes.push(i64::try_from(whole).unwrap_or(0));
    }
    let mut statements: Vec<(Option<TenantId>, &'static str, Vec<Value<'_>>)> = Vec::new();
    for log in &columns {
        let each = log.statements();
        statements.extend(each.map(|(sql, values)| (Some(log.tenant), sql, values)));
    }
    if !tenants.is_empty() {
        statements.push((
            None,
            STORE_HEADS,
            vec![&tenants, &sizes, &frontiers, &wholes],
        ));
    }
    let last: Vec<(&'static str, Params<'_>)> = statements
        .iter()
        .map(|(_, sql, values)| (*sql, values.as_slice()))
        .collect();
    let committed = match zones {
        None => tx.commit_with(&last).await.map(|()| None),
        Some(_) => tx.commit_in_zones(&last, IN_DOUBT).await.map(Some),
    };
    let FailedCommit { number, error } = match (committed, zones) {
        (Ok(Some(mut here)), Some(zones)) => {
            let holders = zones.until_held(&mut here).await?;
            here.done();
            if holders == zones.standbys() {
                let sizes = heads.iter().map(|(log, head)| (*log, head.frontier.size()));
                zones.note_whole(sizes);
            }
            return Ok(u8::try_from(holders).unwrap_or(u8::MAX).saturating_add(1));
        }
        (Ok(_), _) => return Ok(1),
        (Err(failed), _) => failed,
    };
    let log = number.and_then(|number| statements.get(number)?.0);
    Err(match (log, error) {
        // A row that a constraint refuses is the one log's fault, anything else the batch's.
        (Some(tenant), CommitError::RolledBack(QueryError::Constraint(what))) => {
            BatchError::Log(tenant, what)
        }
        (_, error) => error.into(),
    })
}
