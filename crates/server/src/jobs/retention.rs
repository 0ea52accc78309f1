//! What is over is deleted, in batches: webhook messages with their attempts, secrets that were
//! replaced, receipts of webhooks that came in.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::Clock;
use crate::postgres::{CommitError, Job, QueryError};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(60);

/// How long a message is kept that was settled, or that waits for a disabled endpoint, and an
/// attempt: thirty days, in seconds.
const KEPT: u64 = 30 * 24 * 60 * 60;

/// Most rows of one batch; each batch is a transaction of its own.
const BATCH: i64 = 5_000;

/// What is deleted: rows whose time, `$1`, has come.
const RULES: &[Rule] = &[
    // Before the messages that they are of.
    Rule {
        what: "webhook attempts",
        kept: KEPT,
        delete: "with old as (select tenant_id, id from app.webhook_attempts \
             where at <= $1 order by at limit $2), \
             gone as (delete from app.webhook_attempts a using old \
             where a.tenant_id = old.tenant_id and a.id = old.id returning 1) \
             select count(*) from gone",
    },
    Rule {
        what: "settled webhook messages",
        kept: KEPT,
        delete: "with old as (select o.tenant_id, o.id from app.webhook_outbox o \
             where o.settled_at <= $1 and not exists (select from app.webhook_attempts a \
             where a.tenant_id = o.tenant_id and a.message_id = o.id) \
             order by o.settled_at limit $2 for update of o skip locked), \
             gone as (delete from app.webhook_outbox o using old \
             where o.tenant_id = old.tenant_id and o.id = old.id returning 1) \
             select count(*) from gone",
    },
    Rule {
        what: "parked webhook messages",
        kept: KEPT,
        delete: "with old as (select o.tenant_id, o.id from app.webhook_outbox o \
             where o.parked_at <= $1 and not exists (select from app.webhook_attempts a \
             where a.tenant_id = o.tenant_id and a.message_id = o.id) \
             order by o.parked_at limit $2 for update of o skip locked), \
             gone as (delete from app.webhook_outbox o using old \
             where o.tenant_id = old.tenant_id and o.id = old.id returning 1) \
             select count(*) from gone",
    },
    Rule {
        what: "old webhook secrets",
        kept: 0,
        delete: "with old as (select tenant_id, endpoint_id, id from app.webhook_old_secrets \
             where expires_at <= $1 order by expires_at limit $2), \
             gone as (delete from app.webhook_old_secrets s using old \
             where s.tenant_id = old.tenant_id and s.endpoint_id = old.endpoint_id \
             and s.id = old.id returning 1) select count(*) from gone",
    },
    Rule {
        what: "webhook receipts",
        kept: 0,
        delete: "with old as (select tenant_id, endpoint, id from app.webhook_receipts \
             where until < $1 order by until limit $2), \
             gone as (delete from app.webhook_receipts r using old \
             where r.tenant_id = old.tenant_id and r.endpoint = old.endpoint \
             and r.id = old.id and r.until < $1 returning 1) select count(*) from gone",
    },
];

/// What is deleted, and when.
struct Rule {
    what: &'static str,
    /// Seconds that it is kept beyond the time that its row names.
    kept: u64,
    delete: &'static str,
}

/// Deletes what is over.
pub struct Retention {
    job: Job,
    clock: Arc<dyn Clock>,
}

/// A batch was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The deletion was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Retention {
    /// Works as the job's role, by this clock.
    #[must_use]
    pub const fn new(job: Job, clock: Arc<dyn Clock>) -> Self {
        Self { job, clock }
    }

    pub(super) fn of(app: &App, job: Job) -> Self {
        Self::new(job, Arc::clone(&app.clock))
    }

    /// Deletes all that is over now; one kind does not wait for another that fails.
    ///
    /// # Errors
    /// The first [`RetentionError`]; what was not deleted is found again.
    pub async fn sweep(&self, stop: &CancellationToken) -> Result<(), RetentionError> {
        let mut outcome = Ok(());
        for rule in RULES {
            let swept = self.sweep_one(rule, stop).await;
            if let Err(error) = &swept {
                tracing::error!(%error, what = rule.what, "not deleted");
            }
            outcome = outcome.and(swept);
        }
        outcome
    }

    async fn sweep_one(&self, rule: &Rule, stop: &CancellationToken) -> Result<(), RetentionError> {
        let until = self.clock.unix_seconds().saturating_sub(rule.kept);
        let until = i64::try_from(until).unwrap_or(i64::MAX);
        while !stop.is_cancelled() {
            let mut tx = self.job.begin().await?;
            let rows = tx.query(rule.delete, &[&until, &BATCH]).await?;
            tx.commit().await?;
            let count = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
            if count.is_none_or(|count| count < BATCH) {
                break;
            }
        }
        Ok(())
    }

    /// Sweeps until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            // What failed is logged, and tried again the next time.
            let _ = self.sweep(&stop).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}
