//! Checkpoints: every log that grew is signed, every five minutes or when asked.

use std::sync::Arc;

use strongroom_auditchain::{Checkpoint, Ed25519Signer, Frontier, Origin};
use strongroom_tenancy::TenantId;
use tokio_postgres::Row;

use crate::clock::Clock;
use crate::postgres::{CommitError, Job, QueryError};

/// Signs logs' heads; the one key signs each log under the log's own name.
#[derive(Clone)]
pub struct Checkpointer {
    job: Job,
    signer: Arc<Ed25519Signer>,
    clock: Arc<dyn Clock>,
    every_seconds: u64,
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
}

const GROWN: &str = "select l.tenant_id, l.origin, l.size, l.frontier, \
     (select max(c.size) from app.audit_checkpoints c where c.tenant_id = l.tenant_id) \
     from app.audit_logs l where l.size > 0 and ($1::uuid is null or l.tenant_id = $1) \
     and l.size <> coalesce((select max(c.size) from app.audit_checkpoints c \
     where c.tenant_id = l.tenant_id), 0) order by l.tenant_id limit 256";

const STORE: &str = "insert into app.audit_checkpoints (tenant_id, size, note, signed_at) \
     values ($1, $2, $3, $4) on conflict (tenant_id, size) do nothing";

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
        }
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
        let signed = self.sign(None).await?;
        *last = now;
        Ok(signed)
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
        loop {
            let mut tx = self.job.begin().await?;
            let rows = tx.query(GROWN, &[&only]).await?;
            let mut stored = 0;
            for row in &rows {
                match self.note(row) {
                    Ok((tenant, size, note)) => {
                        let now = i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX);
                        tx.query(STORE, &[&tenant, &size, &note, &now]).await?;
                        stored += 1;
                    }
                    // One log that was tampered with must not keep the others unsigned.
                    Err(error) => {
                        tracing::error!(%error, "a log was not signed");
                        failure = Some(error);
                    }
                }
            }
            tx.commit().await?;
            signed += stored;
            if stored == 0 || rows.len() < 256 {
                break;
            }
        }
        failure.map_or(Ok(signed), Err)
    }

    fn note(&self, row: &Row) -> Result<(uuid::Uuid, i64, String), CheckpointError> {
        let shape = |error: tokio_postgres::Error| QueryError::Row(error.to_string());
        let tenant: uuid::Uuid = row.try_get(0).map_err(shape)?;
        let origin: String = row.try_get(1).map_err(shape)?;
        let size: i64 = row.try_get(2).map_err(shape)?;
        let bytes: Vec<u8> = row.try_get(3).map_err(shape)?;
        let last: Option<i64> = row.try_get(4).map_err(shape)?;
        let refuse = |reason| CheckpointError::Inconsistent {
            origin: origin.clone(),
            reason,
        };
        if size < last.unwrap_or(0) {
            return Err(refuse("it shrank"));
        }
        let length = u64::try_from(size).map_err(|_| refuse("its size is negative"))?;
        let frontier = Frontier::from_bytes(length, &bytes)
            .map_err(|_| refuse("its frontier is malformed"))?;
        let name: Origin = origin
            .parse()
            .map_err(|_| refuse("its origin is malformed"))?;
        let signer = self.signer.with_name(name.as_str());
        let signer = signer.map_err(|error| CheckpointError::Sign(error.to_string()))?;
        let checkpoint = Checkpoint {
            origin: name,
            size: length,
            root: frontier.root(),
        };
        let note = checkpoint
            .sign(&signer)
            .map_err(|error| CheckpointError::Sign(error.to_string()))?;
        Ok((tenant, size, note))
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
