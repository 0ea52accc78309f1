//! The handle of the jobs: a transaction of a role with policies for just what its job needs.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::pool::Pool;
use super::transaction::{CommitError, FailedCommit, FailedQuery, Params, QueryError, Transaction};

/// How long one batch of a job may take.
const TIME: Duration = Duration::from_secs(30);

/// The sequencer's role writes nothing but in such a transaction: what it sends along with a BEGIN
/// that fails is refused.
const BEGIN: &str = "begin read write";

/// One job's way to the database.
#[derive(Clone)]
pub struct Job {
    pool: Pool,
}

/// A transaction of a job.
pub struct JobTx {
    inner: Transaction,
}

impl Job {
    /// A job that works as the pool's role.
    #[must_use]
    pub const fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`QueryError`] when no connection is to be had.
    pub async fn begin(&self) -> Result<JobTx, QueryError> {
        let mut inner = Transaction::lease(&self.pool, TIME).await?;
        inner.open(BEGIN, &[]).await?;
        Ok(JobTx { inner })
    }

    /// Begins a transaction and runs its first statements, in one round trip.
    pub(crate) async fn begin_with(
        &self,
        first: &[(&'static str, Params<'_>)],
    ) -> Result<(JobTx, Vec<Vec<Row>>), FailedQuery> {
        let leased = Transaction::lease(&self.pool, TIME).await;
        let number = None;
        let mut inner = leased.map_err(|error| FailedQuery { number, error })?;
        let rows = inner.open_with(BEGIN, first).await?;
        Ok((JobTx { inner }, rows))
    }
}

impl JobTx {
    /// Which of this process's connections it is on. No number comes twice, so that what was read
    /// over one connection is not taken for the state of a database behind another.
    ///
    /// # Errors
    /// [`QueryError`] when the transaction is over.
    pub fn connection(&self) -> Result<u64, QueryError> {
        self.inner.connection()
    }

    /// Runs one statement; its text is a constant, its values are parameters.
    ///
    /// # Errors
    /// [`QueryError`]; the transaction can then only be dropped or rolled back.
    pub async fn query(
        &mut self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        self.inner.query(sql, params).await
    }

    /// Commits.
    ///
    /// # Errors
    /// [`CommitError::Unknown`] when the connection broke with the COMMIT on the wire.
    pub async fn commit(self) -> Result<(), CommitError> {
        self.inner.commit().await
    }

    /// Runs the last statements and commits, in one round trip.
    pub(crate) async fn commit_with(
        self,
        last: &[(&'static str, Params<'_>)],
    ) -> Result<(), FailedCommit> {
        self.inner.commit_with(last).await
    }

    /// Gives the transaction up and keeps the connection.
    pub async fn rollback(self) {
        self.inner.rollback().await;
    }
}
