//! Retention: once a day each tenant's payloads are looked at, and those that are due go, each with
//! an entry of the log that says so; an organisation's erasure goes before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use strongroom_auditchain::{Classes, ClassesError, Outcome, Retention};
use strongroom_tenancy::{Actor, ActorId, ActorKind, TenantId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Holdup;
use crate::audit::{
    AuditError, Draft, Due, EventError, Plan, Rules, Sequencer, classes, new_event_id,
};
use crate::clock::Clock;
use crate::keystore::{KeyStore, RotationError};
use crate::postgres::{CommitError, Job, JobTx, QueryError, column, integer};

/// How often a tenant's payloads are looked at, in seconds.
const EVERY_SECONDS: u64 = 24 * 60 * 60;

/// How often it is looked whether anything is to be looked at.
const POLL: Duration = Duration::from_secs(2);

/// Most payloads of one batch.
const PAGE: i64 = 2048;

/// Entries among which a batch looks for payloads: a long log has few, far apart.
const WINDOW: i64 = 16_384;

/// How long a tenant is left alone whose batch failed, in seconds.
const HELD_SECONDS: u64 = 60;

/// The kind of what the log says of an erasure.
const ERASED: &str = strongroom_auditchain::ERASED_KIND;

/// The database's clock, which all nodes share: what goes does not come back.
const NOW: &str = "select extract(epoch from clock_timestamp())::bigint";

/// Erasures come before what is due by its day. Each is found without those that are not.
const TAKE: &str = "with erasing as ( \
       select r.tenant_id from app.erasures e join app.retention_runs r using (tenant_id) \
       where e.finished_at is null and e.phase = 'erasing' and r.held_until <= $1 \
       order by r.due_at limit 1 for no key update of r skip locked), \
     due as ( \
       select r.tenant_id from app.retention_runs r where r.due_at <= $1 and r.held_until <= $1 \
       and not exists (select from erasing) order by r.due_at limit 1 for no key update skip locked) \
     select r.tenant_id, r.next_idx, t.agent_days, t.high_risk, e.id, e.below, e.next_idx, l.size \
     from (table erasing union all table due) taken join app.retention_runs r using (tenant_id) \
     join app.audit_logs l using (tenant_id) left join app.retention t using (tenant_id) \
     left join app.erasures e on e.tenant_id = r.tenant_id and e.finished_at is null \
       and e.phase = 'erasing'";

const ENTRIES: &str = "select l.idx, l.leaf from app.audit_leaves l \
     where l.tenant_id = $1 and l.idx >= $2 and l.idx < $4 and exists (select from app.audit_payloads p \
       where p.tenant_id = l.tenant_id and p.event_id = l.event_id) \
     order by l.idx limit $3";

const ERASE: &str = "select app.erase_payloads($1, $2, $3)";

const LOOKED: &str = "update app.retention_runs set next_idx = $2, due_at = greatest(due_at, $3) where tenant_id = $1";

const HOLD: &str = "update app.retention_runs set held_until = $2 where tenant_id = $1";

const ADVANCE: &str = "update app.erasures set next_idx = $3, payloads = payloads + $4, phase = $5 \
     where tenant_id = $1 and id = $2";

/// Erases what is due.
pub struct Retainer {
    job: Job,
    keys: Option<(KeyStore, u64)>,
    sequencer: Sequencer,
    clock: Arc<dyn Clock>,
    classes: Classes,
}

/// Why a batch was not erased. It is found again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetainerError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The batch was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The log took no entry, so nothing was erased.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An event could not be written.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Data keys were not destroyed.
    #[error(transparent)]
    Keys(#[from] RotationError),
}

/// A tenant whose turn it is; its row is locked.
struct Turn {
    tenant: TenantId,
    from: i64,
    /// Where the look ends: the log's size, or what it was when the erasure was asked for.
    end: i64,
    rules: Rules,
    erasure: Option<Uuid>,
}

impl Retainer {
    /// A job that erases as the eraser, by this clock and the database's, whichever is behind.
    ///
    /// # Errors
    /// Never: the list of agents' kinds is well-formed.
    pub fn new(
        job: Job,
        sequencer: Sequencer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClassesError> {
        Ok(Self {
            job,
            keys: None,
            sequencer,
            clock,
            classes: classes()?,
        })
    }

    /// The same, which also has the data keys destroyed that an organisation's erasure leaves
    /// without use, so many seconds after the last use.
    #[must_use]
    pub fn with_keys(self, keys: KeyStore, overlap_seconds: u64) -> Self {
        Self {
            keys: Some((keys, overlap_seconds)),
            ..self
        }
    }

    /// Looks at everything that is to be looked at now. Answers how many payloads went.
    ///
    /// # Errors
    /// [`RetainerError`]; a tenant whose batch fails is left alone for a minute, and the others'
    /// go on.
    pub async fn look(&self, stop: &CancellationToken) -> Result<u64, RetainerError> {
        let mut went = 0;
        while !stop.is_cancelled() {
            match self.batch().await? {
                Some(count) => went += count,
                None => break,
            }
        }
        if let Some((keys, overlap)) = &self.keys {
            while !stop.is_cancelled() && keys.destroy_erased(*overlap).await? {}
        }
        Ok(went)
    }

    /// One tenant's next batch. None when it is nobody's turn.
    async fn batch(&self) -> Result<Option<u64>, RetainerError> {
        let mut tx = self.job.begin().await?;
        let now = self.now(&mut tx).await?;
        let Some(turn) = self.take(&mut tx, now).await? else {
            tx.rollback().await;
            return Ok(None);
        };
        let tenant = turn.tenant;
        let done = self.work(tx, turn, now).await;
        if let Err(error) = &done {
            tracing::error!(%error, %tenant, "payloads that are due were not erased");
            let mut tx = self.job.begin().await?;
            let until = integer(now.saturating_add(HELD_SECONDS));
            tx.query(HOLD, &[tenant.as_uuid(), &until]).await?;
            tx.commit().await?;
            return Ok(Some(0));
        }
        done.map(Some)
    }

    async fn work(&self, mut tx: JobTx, turn: Turn, now: u64) -> Result<u64, RetainerError> {
        let tenant = turn.tenant.as_uuid();
        let until = turn.from.saturating_add(WINDOW).min(turn.end);
        let rows = tx
            .query(ENTRIES, &[tenant, &turn.from, &PAGE, &until])
            .await?;
        let mut page: Vec<(u64, &[u8])> = Vec::with_capacity(rows.len());
        for row in &rows {
            page.push((column::<i64>(row, 0)?.unsigned_abs(), column(row, 1)?));
        }
        let is_full = rows.len() as i64 == PAGE;
        let last = page.last().map(|(index, _)| *index);
        let plan = turn.rules.plan(page, now);
        let went = self.erase(&mut tx, turn.tenant, &plan).await?;

        let is_cut = is_full || last.is_some_and(|last| plan.next <= last);
        let next = if is_cut { integer(plan.next) } else { until };
        if let Some(id) = turn.erasure {
            let is_over = next >= turn.end;
            let phase = if is_over { "retiring" } else { "erasing" };
            tx.query(ADVANCE, &[tenant, &id, &next, &integer(went), &phase])
                .await?;
        } else {
            let is_over = next >= turn.end || plan.is_young;
            let next = if is_over { 0 } else { next };
            let again = now.saturating_add(EVERY_SECONDS);
            let due = if is_over { integer(again) } else { 0 };
            tx.query(LOOKED, &[tenant, &next, &due]).await?;
        }
        tx.commit().await?;
        Ok(went)
    }

    /// Neither by a node whose clock is ahead, nor by a database whose is.
    async fn now(&self, tx: &mut JobTx) -> Result<u64, RetainerError> {
        let rows = tx.query(NOW, &[]).await?;
        let theirs: i64 = match rows.first() {
            Some(row) => column(row, 0)?,
            None => 0,
        };
        Ok(self.clock.unix_seconds().min(theirs.unsigned_abs()))
    }

    async fn take(&self, tx: &mut JobTx, now: u64) -> Result<Option<Turn>, RetainerError> {
        let rows = tx.query(TAKE, &[&integer(now)]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let malformed = |error: &dyn std::fmt::Display| QueryError::Row(error.to_string());
        let tenant = TenantId::from_uuid(column(row, 0)?).map_err(|e| malformed(&e))?;
        let days: Option<i32> = column(row, 2)?;
        let retention = match days {
            None => Retention::default(),
            Some(days) => {
                let days = u16::try_from(days).map_err(|e| malformed(&e))?;
                Retention::new(days).map_err(|e| malformed(&e))?
            }
        };
        let marked: Option<Vec<Uuid>> = column(row, 3)?;
        let erasure: Option<Uuid> = column(row, 4)?;
        let below: Option<i64> = column(row, 5)?;
        let from = column::<Option<i64>>(row, 6)?.unwrap_or(column(row, 1)?);
        Ok(Some(Turn {
            tenant,
            from,
            end: below.unwrap_or(i64::MAX).min(column(row, 7)?),
            rules: Rules {
                classes: self.classes.clone(),
                retention,
                high_risk: BTreeSet::from_iter(marked.unwrap_or_default()),
                below: below.unwrap_or(0).unsigned_abs(),
            },
            erasure,
        }))
    }

    /// The entries of the log first, all of them durable; then the payloads go. After a crash
    /// between, both come again, and the first entry counts.
    async fn erase(
        &self,
        tx: &mut JobTx,
        tenant: TenantId,
        plan: &Plan,
    ) -> Result<u64, RetainerError> {
        let said = plan.due.iter().map(|due| self.say(tenant, due));
        let said = futures_util::future::try_join_all(said).await?;
        let mut went = 0_u64;
        for (due, event) in plan.due.iter().zip(said) {
            let entries: Vec<i64> = due.entries.iter().map(|index| integer(*index)).collect();
            let rows = tx
                .query(ERASE, &[tenant.as_uuid(), &event, &entries])
                .await?;
            let count: i64 = match rows.first() {
                Some(row) => column(row, 0)?,
                None => 0,
            };
            tracing::info!(%tenant, payloads = count, entries = due.erasure.resource(), "erased");
            went = went.saturating_add(count.unsigned_abs());
        }
        Ok(went)
    }

    async fn say(&self, tenant: TenantId, due: &Due) -> Result<Uuid, RetainerError> {
        let clock = self.clock.as_ref();
        let id = new_event_id(clock)?;
        let draft = Draft {
            kind: ERASED,
            actor: ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid())
                .ok()
                .map(Actor::new),
            request: super::request_id(clock)?,
            resource: Some(due.erasure.resource()),
            credential: None,
            policy: None,
            outcome: Outcome::Success,
        };
        let leaf = draft.leaf(id, clock.unix_micros(), Vec::new())?;
        self.sequencer.append(tenant, id, leaf, None).await?;
        Ok(id)
    }

    /// Looks until told to stop.
    pub(super) async fn run(self, holdup: Holdup, stop: CancellationToken) {
        while holdup.is_over(&stop).await {
            if let Err(error) = self.look(&stop).await {
                tracing::error!(%error, "payloads that are due were not erased");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}
