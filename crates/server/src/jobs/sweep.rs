//! A sweep: rows that are over go in batches, by rules, and by the database's clock.

mod tokens;
mod webhooks;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Holdup;
use crate::postgres::{CommitError, Job, QueryError};

/// Most rows of one batch; each batch is a transaction of its own.
const BATCH: i64 = 1_000;

/// The database's, which all nodes share: a node's own may be wrong, and this cannot be undone.
const UNTIL: &str = "select extract(epoch from clock_timestamp())::bigint - $1::bigint";

/// What is over, and when.
pub(super) struct Rule {
    pub(super) what: &'static str,
    /// Seconds that it is kept beyond the time that its row names.
    pub(super) kept: u64,
    /// Ends the rows whose time was before `$1`, at most `$2` of them, and returns each. It passes
    /// over rows that others hold: nobody's lock keeps the rest.
    pub(super) sql: &'static str,
}

/// Ends what is over.
pub struct Sweep {
    job: Job,
    rules: &'static [Rule],
    every: Duration,
    holdup: Holdup,
}

/// A batch was not ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The batch was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Sweep {
    /// Webhooks' messages and attempts, old secrets, receipts, as the deliverer.
    #[must_use]
    pub fn webhooks(job: Job) -> Self {
        Self {
            job,
            rules: webhooks::WEBHOOKS,
            every: Duration::from_secs(60),
            holdup: Holdup::default(),
        }
    }

    /// Revocations and families of tokens, as the sweeper.
    #[must_use]
    pub fn tokens(job: Job) -> Self {
        Self {
            job,
            rules: tokens::TOKENS,
            every: Duration::from_secs(60),
            holdup: Holdup::default(),
        }
    }

    /// Sealed successors, whose grace is seconds, as the sweeper.
    #[must_use]
    pub fn successors(job: Job) -> Self {
        Self {
            job,
            rules: tokens::SUCCESSORS,
            every: super::TICK,
            holdup: Holdup::default(),
        }
    }

    /// The same, not while this lasts.
    #[must_use]
    pub(super) fn held_up_by(mut self, holdup: Holdup) -> Self {
        self.holdup = holdup;
        self
    }

    /// Ends all that is over now; one kind does not wait for another that fails.
    ///
    /// # Errors
    /// The first [`SweepError`]; what was not ended is found again.
    pub async fn sweep(&self, stop: &CancellationToken) -> Result<(), SweepError> {
        let mut outcome = Ok(());
        for rule in self.rules {
            let swept = self.sweep_one(rule, stop).await;
            if let Err(error) = &swept {
                tracing::error!(%error, what = rule.what, "what is over was not deleted");
            }
            outcome = outcome.and(swept);
        }
        outcome
    }

    async fn sweep_one(&self, rule: &Rule, stop: &CancellationToken) -> Result<(), SweepError> {
        let kept = i64::try_from(rule.kept).unwrap_or(i64::MAX);
        while !stop.is_cancelled() {
            let mut tx = self.job.begin().await?;
            let until = tx.query(UNTIL, &[&kept]).await?;
            let Some(until) = until.first() else { break };
            let until: i64 = until
                .try_get(0)
                .map_err(|error| QueryError::Row(error.to_string()))?;
            let rows = tx.query(rule.sql, &[&until, &BATCH]).await?;
            tx.commit().await?;
            if i64::try_from(rows.len()).unwrap_or(0) < BATCH {
                break;
            }
        }
        Ok(())
    }

    /// Sweeps until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        while self.holdup.is_over(&stop).await {
            // What failed is logged, and tried again the next time.
            let _ = self.sweep(&stop).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }
}
