//! Checkpoints: every log that grew is signed, every five minutes or when asked.

use std::sync::Arc;

use strongroom_auditchain::{Checkpoint, Ed25519Signer, Frontier, Hash, Origin};
use strongroom_tenancy::TenantId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::zones::{Agreement, DegradedNote, Reading, ZoneSet, root_in};
use crate::clock::Clock;
use crate::postgres::{CommitError, Job, JobTx, QueryError, column, integer};

/// Signs logs' heads; the one key signs each log under the log's own name.
#[derive(Clone)]
pub struct Checkpointer {
    job: Job,
    signer: Arc<Ed25519Signer>,
    clock: Arc<dyn Clock>,
    every_seconds: u64,
    zones: Option<Arc<ZoneSet>>,
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

/// What every zone is known to hold: by the last batch, and by what was signed as degraded before.
const GROWN: &str = "select l.tenant_id, l.origin, l.size, l.frontier, c.size, c.note, c.frontier, \
     greatest(l.whole, (select max(d.size) from app.audit_degraded_checkpoints d \
     where d.tenant_id = l.tenant_id)) from app.audit_logs l left join lateral (select k.size, k.note, k.frontier \
     from app.audit_checkpoints k where k.tenant_id = l.tenant_id order by k.size desc limit 1) c \
     on true where l.size > 0 and ($1::uuid is null or l.tenant_id = $1) \
     and l.size <> coalesce(c.size, 0) and not (l.tenant_id = any($2)) \
     order by l.tenant_id limit 256";

const HASHES: &str = "select leaf_hash from app.audit_leaves \
     where tenant_id = $1 and idx >= $2 and idx < $3 order by idx";

const STORE: &str = "insert into app.audit_checkpoints (tenant_id, size, note, frontier, signed_at) \
     values ($1, $2, $3, $4, $5) on conflict (tenant_id, size) do nothing";

/// Leaf hashes read in one go.
const PAGE: u64 = 8192;

/// What is to be stored of a new checkpoint.
struct Signed {
    tenant: Uuid,
    size: i64,
    note: String,
    frontier: Vec<u8>,
}

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
        }
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
        self.sign(None).await
    }

    /// Signs the logs that grew since their last checkpoint, or the one of this tenant. Answers
    /// how many were signed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn sign(&self, only: Option<TenantId>) -> Result<usize, CheckpointError> {
        let only = only.map(|tenant| *tenant.as_uuid());
        let mut signed = 0;
        let mut failure = None;
        let mut refused: Vec<Uuid> = Vec::new();
        loop {
            let mut tx = self.job.begin().await?;
            let rows = tx.query(GROWN, &[&only, &refused]).await?;
            let full = rows.len() == 256;
            let reading = match &self.zones {
                Some(zones) if !rows.is_empty() => Some(zones.reading(&mut tx).await?),
                _ => None,
            };
            let mut degraded = Vec::new();
            for row in &rows {
                let tenant: Uuid = column(row, 0)?;
                match self
                    .checkpoint(&mut tx, tenant, row, reading.as_ref())
                    .await
                {
                    Ok(Done::Degraded { note, missing }) => {
                        degraded.extend(note);
                        refused.push(tenant);
                        failure = Some(CheckpointError::ZoneMissing(missing));
                    }
                    Ok(Done::Signed(new)) => {
                        let now = i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX);
                        let Signed {
                            tenant,
                            size,
                            note,
                            frontier,
                        } = new;
                        tx.query(STORE, &[&tenant, &size, &note, &frontier, &now])
                            .await?;
                        if let (Some(zones), Ok(tenant)) =
                            (&self.zones, TenantId::from_uuid(tenant))
                        {
                            zones.forget_whole(tenant, size.unsigned_abs());
                        }
                        signed += 1;
                    }
                    // One log that was tampered with must not keep the others unsigned.
                    Err(
                        error @ (CheckpointError::Inconsistent { .. }
                        | CheckpointError::ZoneDiffers { .. }),
                    ) => {
                        tracing::error!(%error, "a log was not signed");
                        refused.push(tenant);
                        failure = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            tx.commit().await?;
            self.store_degraded(degraded).await?;
            if !full {
                break;
            }
        }
        failure.map_or(Ok(signed), Err)
    }

    /// Signs a log's head, if it extends what was signed before.
    async fn checkpoint(
        &self,
        tx: &mut JobTx,
        tenant: Uuid,
        row: &Row,
        reading: Option<&Reading<'_>>,
    ) -> Result<Done, CheckpointError> {
        let origin: String = column(row, 1)?;
        let size: i64 = column(row, 2)?;
        let refuse = |reason| CheckpointError::Inconsistent {
            origin: origin.clone(),
            reason,
        };
        let length = u64::try_from(size).map_err(|_| refuse("its size is negative"))?;
        let frontier = Frontier::from_bytes(length, &column::<Vec<u8>>(row, 3)?)
            .map_err(|_| refuse("its frontier is malformed"))?;
        let name: Origin = origin
            .parse()
            .map_err(|_| refuse("its origin is malformed"))?;
        let signer = self.signer.with_name(name.as_str());
        let signer = signer.map_err(|error| CheckpointError::Sign(error.to_string()))?;

        let mut tree = match column::<Option<String>>(row, 5)? {
            None => Frontier::new(),
            Some(note) => {
                let before = Checkpoint::verify(&note, signer.verifier_key(), &name)
                    .map_err(|_| refuse("its last checkpoint is not ours"))?;
                let kept: Option<Vec<u8>> = column(row, 6)?;
                let kept = Frontier::from_bytes(before.size, &kept.unwrap_or_default())
                    .map_err(|_| refuse("the frontier of its last checkpoint is malformed"))?;
                if kept.root() != before.root || length < before.size {
                    return Err(refuse("it shrank, or what was signed was changed"));
                }
                kept
            }
        };
        let before = tree.clone();
        // From the entries themselves: a head alone could say anything.
        while tree.size() < length {
            let start = tree.size();
            let end = length.min(start.saturating_add(PAGE));
            let bounds = [start, end].map(|bound| i64::try_from(bound).unwrap_or(i64::MAX));
            let hashes = tx.query(HASHES, &[&tenant, &bounds[0], &bounds[1]]).await?;
            if hashes.len() as u64 != end - start {
                return Err(refuse("entries are missing"));
            }
            for hash in &hashes {
                let hash = <[u8; 32]>::try_from(column::<&[u8]>(hash, 0)?)
                    .map_err(|_| refuse("a leaf hash is malformed"))?;
                tree.push(Hash::from_bytes(hash));
            }
        }
        if tree.root() != frontier.root() {
            return Err(refuse("its entries are not those of its head"));
        }
        if let Some(reading) = reading {
            match reading
                .agree(tx, tenant, &before, length, tree.root())
                .await?
            {
                Agreement::All => {}
                Agreement::Differs(zone) => {
                    return Err(CheckpointError::ZoneDiffers { origin, zone });
                }
                Agreement::Missing(missing) => {
                    let known: i64 = column(row, 7)?;
                    let known = before.size().max(known.unsigned_abs());
                    let size = reading.held_by_all(tenant, known, length);
                    let root = root_in(tx, tenant, &before, size).await?;
                    let root = root.ok_or_else(|| refuse("entries are missing"))?;
                    let note = (size > 0).then(|| {
                        DegradedNote::sign(&self.signer, tenant, &name, (size, root), &missing)
                    });
                    let note = note.transpose();
                    return Ok(Done::Degraded {
                        note: note.map_err(|error| CheckpointError::Sign(error.to_string()))?,
                        missing: missing.iter().map(ToString::to_string).collect(),
                    });
                }
            }
        }
        let checkpoint = Checkpoint {
            origin: name,
            size: length,
            root: tree.root(),
        };
        let note = checkpoint
            .sign(&signer)
            .map_err(|error| CheckpointError::Sign(error.to_string()))?;
        Ok(Done::Signed(Signed {
            tenant,
            size,
            note,
            frontier: tree.to_bytes(),
        }))
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

/// What came of one log.
enum Done {
    Signed(Signed),
    /// Zones are missing; nothing is signed of a log that nobody held anything of.
    Degraded {
        note: Option<DegradedNote>,
        missing: Vec<String>,
    },
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
