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
     select t, i, e, l, h, s from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[], \
     $5::bytea[], $6::text[]) as u (t, i, e, l, h, s)";

const INSERT_PAYLOADS: &str = "insert into app.audit_payloads \
     (tenant_id, event_id, sealed, dek_id) \
     select t, e, p, d from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) \
     as u (t, e, p, d)";

const STORE_HEADS: &str = "update app.audit_logs l set size = u.s, frontier = u.f, \
     whole = least(u.s, greatest(l.whole, u.w)) \
     from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[]) as u (t, s, f, w) \
     where l.tenant_id = u.t";

type Value<'a> = &'a (dyn ToSql + Sync);

/// New rows, by columns: of all logs, or of one.
#[derive(Default)]
struct Columns<'a> {
    tenants: Vec<Uuid>,
    indices: Vec<i64>,
    ids: Vec<Uuid>,
    leaves: Vec<&'a [u8]>,
    hashes: Vec<&'a [u8]>,
    slices: Vec<Option<&'a str>>,
    payload_tenants: Vec<Uuid>,
    payload_ids: Vec<Uuid>,
    payloads: Vec<&'a [u8]>,
    payload_keys: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    /// The log has grown by `list` to `head`.
    fn add(&mut self, tenant: TenantId, head: &Head, list: &'a [Entry]) -> Result<(), BatchError> {
        let full = || BatchError::Log(tenant, "it is full".to_owned());
        let length = u64::try_from(list.len()).unwrap_or(u64::MAX);
        let start = head.frontier.size().checked_sub(length).ok_or_else(full)?;
        for (index, entry) in (start..head.frontier.size()).zip(list) {
            self.tenants.push(*tenant.as_uuid());
            self.indices.push(i64::try_from(index).map_err(|_| full())?);
            self.ids.push(entry.event_id);
            self.leaves.push(entry.leaf.as_slice());
            self.hashes.push(entry.leaf_hash.as_bytes().as_slice());
            self.slices.push(slice_of(&entry.leaf));
            if let Some(payload) = &entry.payload {
                self.payload_tenants.push(*tenant.as_uuid());
                self.payload_ids.push(entry.event_id);
                self.payloads.push(payload.bytes.as_slice());
                self.payload_keys.push(payload.dek.as_bytes().as_slice());
            }
        }
        Ok(())
    }

    fn statements(&self) -> impl Iterator<Item = (&'static str, Vec<Value<'_>>)> {
        let leaves: Vec<Value<'_>> = vec![
            &self.tenants,
            &self.indices,
            &self.ids,
            &self.leaves,
            &self.hashes,
            &self.slices,
        ];
        let payloads: Vec<Value<'_>> = vec![
            &self.payload_tenants,
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
///
/// All logs' rows go in one statement, unless they are to be told `apart`: that names the log whose row
/// is refused.
pub(super) async fn commit(
    tx: JobTx,
    heads: &BTreeMap<TenantId, Head>,
    grown: &BTreeMap<TenantId, Vec<Entry>>,
    zones: Option<&ZoneSet>,
    apart: bool,
) -> Result<u8, BatchError> {
    let logs = grown
        .iter()
        .filter_map(|(tenant, list)| Some((tenant, heads.get(tenant)?, list)));
    let mut columns: Vec<(Option<TenantId>, Columns<'_>)> = Vec::new();
    let (mut tenants, mut sizes, mut frontiers) = (Vec::new(), Vec::new(), Vec::new());
    // What every zone held before this batch: of this one nobody knows yet.
    let mut wholes = Vec::new();
    for (tenant, head, list) in logs {
        if apart || columns.is_empty() {
            columns.push((apart.then_some(*tenant), Columns::default()));
        }
        if let Some((_, rows)) = columns.last_mut() {
            rows.add(*tenant, head, list)?;
        }
        let size = i64::try_from(head.frontier.size())
            .map_err(|_| BatchError::Log(*tenant, "it is full".to_owned()))?;
        tenants.push(*tenant.as_uuid());
        sizes.push(size);
        frontiers.push(head.frontier.to_bytes());
        let whole = zones.map_or(0, |zones| zones.whole_of(*tenant));
        wholes.push(i64::try_from(whole).unwrap_or(0));
    }
    let mut statements: Vec<(Option<TenantId>, &'static str, Vec<Value<'_>>)> = Vec::new();
    for (log, rows) in &columns {
        let each = rows.statements();
        statements.extend(each.map(|(sql, values)| (*log, sql, values)));
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
    let statement = number.and_then(|number| statements.get(number));
    let log = statement.and_then(|(log, ..)| *log);
    Err(match (log, error) {
        // A row that a constraint refuses is the one log's fault, anything else the batch's.
        (Some(tenant), CommitError::RolledBack(QueryError::Constraint(what))) => {
            BatchError::Log(tenant, what)
        }
        (None, CommitError::RolledBack(QueryError::Constraint(what))) if !apart => {
            BatchError::Row(what)
        }
        (_, error) => error.into(),
    })
}
