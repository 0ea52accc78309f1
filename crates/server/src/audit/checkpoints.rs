//! Checkpoints: every log that grew is signed, every five minutes or when asked; none other is read.

mod one_log;
mod platform;
mod publication;

use std::sync::Arc;

use strongroom_auditchain::Ed25519Signer;
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use self::one_log::{Done, Signed};
use super::checkpoint_store::{CheckpointStore, StoreError};
use super::history::blocking;
use super::platform_log::PlatformLog;
use super::zones::{DegradedNote, ZoneSet};
use crate::clock::Clock;
use crate::postgres::{CommitError, Job, QueryError, column, integer};

/// Signs logs' heads; the one key signs each log under the log's own name.
#[derive(Clone)]
pub struct Checkpointer {
    job: Job,
    signer: Arc<Ed25519Signer>,
    clock: Arc<dyn Clock>,
    every_seconds: u64,
    zones: Option<Arc<ZoneSet>>,
    store: Option<Arc<CheckpointStore>>,
    platform: Option<Arc<PlatformLog>>,
}

/// Why a log was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The checkpoint may not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The log is smaller than what was signed, or its head is malformed: it is not signed.
    #[error("log {origin} is not what was signed before: {reason}")]
    Inconsistent {
        /// Which.
        origin: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The signer failed.
    #[error("signing failed: {0}")]
    Sign(String),
    /// What was signed before is not known, or a new checkpoint was not kept: it is not published.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The salt of a log's entry in the platform's log was not sealed: the log is not signed.
    #[error("log {0} is not signed: its entry's salt was not sealed: {1}")]
    Salt(String, String),
    /// The platform's log was not cosigned.
    #[error("the platform's log is not cosigned: {0}")]
    Cosign(String),
    /// A zone holds other entries than the primary: the log is not signed.
    #[error("log {origin} is not signed: zone {zone}'s entries are not those of its head")]
    ZoneDiffers {
        /// Which log.
        origin: String,
        /// Which zone.
        zone: String,
    },
    /// A zone is missing: what all held before was signed as degraded, and under no other name.
    #[error("logs are not signed while zones are missing: {}", .0.join(" "))]
    ZoneMissing(Vec<String>),
}

/// Which logs' heads are looked at, with their last checkpoints and what every zone is known to hold:
/// by the last batch, and by what was signed as degraded before. Not those whose last checkpoint has
/// not come to its place in the platform's log: there they stand in the order of their sizes.
macro_rules! heads {
    ($which:literal) => {
        concat!(
            "select l.tenant_id, l.origin, l.size, l.frontier, c.size, c.note, c.frontier, \
             greatest(l.whole, (select max(d.size) from app.audit_degraded_checkpoints d \
             where d.tenant_id = l.tenant_id)) from app.audit_logs l left join lateral ( \
             select k.size, k.note, k.frontier from app.audit_checkpoints k \
             where k.tenant_id = l.tenant_id order by k.size desc limit 1) c on true where ",
            $which,
            " and l.size > 0 and l.size <> coalesce(c.size, 0) and not (l.tenant_id = any($1)) \
             and not exists (select from app.audit_staged s \
               where s.tenant_id = '00000000-0000-8000-8000-000000000002' and s.event_id = ( \
                 select a.entry_id from app.audit_anchors a where a.tenant_id = l.tenant_id \
                 order by a.size desc limit 1)) \
             order by l.tenant_id limit 256"
        )
    };
}

/// Those that grew: an idle log's row is not read.
const GROWN: &str = heads!("l.grown");

const ONE: &str = heads!("l.tenant_id = $2");

/// Those that did not grow since they were signed. One that a batch holds is about to.
const SETTLED: &str = "with settled as (select l.tenant_id from app.audit_logs l \
       where l.grown and l.size = coalesce((select k.size from app.audit_checkpoints k \
         where k.tenant_id = l.tenant_id order by k.size desc limit 1), 0) \
       order by l.tenant_id for no key update skip locked) \
     update app.audit_logs l set grown = false from settled s where l.tenant_id = s.tenant_id";

impl Checkpointer {
    /// A checkpointer that is due every so many seconds.
    #[must_use]
    pub fn new(
        job: Job,
        signer: Arc<Ed25519Signer>,
        clock: Arc<dyn Clock>,
        every_seconds: u64,
    ) -> Self {
        Self {
            job,
            signer,
            clock,
            every_seconds,
            zones: None,
            store: None,
            platform: None,
        }
    }

    /// The same, which signs what goes on from what the store has, and keeps it there first.
    #[must_use]
    pub fn with_store(mut self, store: Option<Arc<CheckpointStore>>) -> Self {
        self.store = store;
        self
    }

    /// The same, which makes an entry of the platform's log of what it signs.
    #[must_use]
    pub fn with_platform_log(mut self, log: Arc<PlatformLog>) -> Self {
        self.platform = Some(log);
        self
    }

    /// The same, which signs what each of the zones holds.
    #[must_use]
    pub fn with_zones(mut self, zones: Option<Arc<ZoneSet>>) -> Self {
        self.zones = zones;
        self
    }

    /// The next moment at which checkpoints are due, given the last one, in Unix seconds: the
    /// next whole multiple of the interval, so that a restart does not delay it.
    #[must_use]
    pub const fn next_due(last: u64, every_seconds: u64) -> u64 {
        match last.checked_div(every_seconds) {
            Some(periods) => periods.saturating_add(1).saturating_mul(every_seconds),
            None => last,
        }
    }

    /// Signs what grew, if it is due by the clock. `last` is when it was last due.
    ///
    /// # Errors
    /// [`CheckpointError`]; what was signed before the failing log stays signed.
    pub async fn tick(&self, last: &mut u64) -> Result<usize, CheckpointError> {
        let now = self.clock.unix_seconds();
        if now < Self::next_due(*last, self.every_seconds) {
            return Ok(0);
        }
        // A log that is not signed must not bring the others' schedule forward.
        *last = now;
        let signed = self.sign(None).await;
        self.cosign().await?;
        signed
    }

    /// Signs the logs that grew since their last checkpoint, or the one of this tenant; and then, for
    /// all, the platform's log of these. Answers how many tenants' were signed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn sign(&self, only: Option<TenantId>) -> Result<usize, CheckpointError> {
        let platforms = TenantId::PLATFORM_LOG;
        if let (None, Some(store)) = (only, self.store.clone()) {
            // Other nodes' too.
            blocking(move || store.read_lines_again()).await?;
        }
        let signed = self.sign_logs(only, vec![*platforms.as_uuid()]).await;
        if only.is_none() && self.platform.is_some() {
            self.sign_logs(Some(platforms), Vec::new()).await?;
        }
        if only.is_none() {
            self.settle().await?;
        }
        signed
    }

    /// Has nobody look again at logs that are signed as they are. Apart from their signing, which waits
    /// for zones, since batches wait for it.
    async fn settle(&self) -> Result<(), CheckpointError> {
        let mut tx = self.job.begin().await?;
        tx.query(DegradedNote::LOCALLY, &[]).await?;
        tx.query(SETTLED, &[]).await?;
        Ok(tx.commit().await?)
    }

    async fn sign_logs(
        &self,
        only: Option<TenantId>,
        mut refused: Vec<Uuid>,
    ) -> Result<usize, CheckpointError> {
        let only = only.map(|tenant| *tenant.as_uuid());
        let mut count = 0;
        let mut failure = None;
        loop {
            // Before the heads are: a line that is noted later may be of a later head.
            let lines = self.store.as_ref().map(|store| store.newest_lines());
            let mut tx = self.job.begin().await?;
            let rows = match &only {
                None => tx.query(GROWN, &[&refused]).await?,
                Some(tenant) => tx.query(ONE, &[&refused, tenant]).await?,
            };
            let full = rows.len() == 256;
            let reading = match &self.zones {
                Some(zones) if !rows.is_empty() => Some(zones.reading(&mut tx).await?),
                _ => None,
            };
            let known = self.known(&rows, lines.unwrap_or_default()).await?;
            let mut degraded = Vec::new();
            let mut signed: Vec<Signed> = Vec::new();
            for row in &rows {
                let tenant: Uuid = column(row, 0)?;
                let known = known.get(&column::<String>(row, 1)?);
                let done = self.checkpoint(&mut tx, tenant, row, known, reading.as_ref());
                let done = match done.await {
                    Ok(Done::Signed(new)) => self.anchored(new).await,
                    done => done,
                };
                match done {
                    Ok(Done::Degraded { note, missing }) => {
                        degraded.extend(note);
                        refused.push(tenant);
                        failure = Some(CheckpointError::ZoneMissing(missing));
                    }
                    Ok(Done::Signed(new)) => signed.extend(new),
                    // One log that was tampered with must not keep the others unsigned.
                    Err(
                        error @ (CheckpointError::Inconsistent { .. }
                        | CheckpointError::ZoneDiffers { .. }
                        | CheckpointError::Salt(..)),
                    ) => {
                        tracing::error!(%error, "a log was not signed");
                        refused.push(tenant);
                        failure = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            // There first: what is here may be set back.
            for tenant in self.keep(&mut signed).await? {
                tracing::info!(%tenant, "another node signs this log");
                refused.push(tenant);
            }
            let entries = self.publish(&mut tx, &signed).await?;
            tx.commit().await?;
            count += signed.len();
            self.store_degraded(degraded).await?;
            self.placed(entries).await;
            if !full {
                break;
            }
        }
        failure.map_or(Ok(count), Err)
    }

    /// In a transaction of its own, which waits for no zone.
    async fn store_degraded(&self, notes: Vec<DegradedNote>) -> Result<(), CheckpointError> {
        if notes.is_empty() {
            return Ok(());
        }
        let now = integer(self.clock.unix_seconds());
        let mut tx = self.job.begin().await?;
        tx.query(DegradedNote::LOCALLY, &[]).await?;
        for degraded in notes {
            let DegradedNote {
                tenant,
                size,
                missing,
                note,
            } = degraded;
            tx.query(
                DegradedNote::STORE,
                &[&tenant, &size, &missing, &note, &now],
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_at_every_whole_interval() {
        assert_eq!(Checkpointer::next_due(0, 300), 300);
        assert_eq!(Checkpointer::next_due(299, 300), 300);
        assert_eq!(Checkpointer::next_due(300, 300), 600);
        assert_eq!(Checkpointer::next_due(301, 300), 600);
        assert_eq!(Checkpointer::next_due(u64::MAX, 300), u64::MAX);
    }
}
