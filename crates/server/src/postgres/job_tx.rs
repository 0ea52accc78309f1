//! The handle of the jobs: a transaction of a role with policies for just what its job needs.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::pool::Pool;
use super::transaction::{
    CommitError, Committed, FailedCommit, FailedQuery, Params, QueryError, Transaction,
};
use super::zone_views::{PrimaryView, ZONES};

/// How long one batch of a job may take.
const TIME: Duration = Duration::from_secs(30);

/// The sequencer's role writes nothing but in such a transaction: what it sends along with a BEGIN
/// that fails is refused.
const BEGIN: &str = "begin read write";

/// For what is read of a standby, where nothing can be written. All of it is of one moment.
const BEGIN_READING: &str = "begin isolation level repeatable read read only";

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

    /// Begins a transaction that reads, and reads as of its beginning; on a standby too.
    pub(crate) async fn begin_reading(&self) -> Result<JobTx, QueryError> {
        let mut inner = Transaction::lease(&self.pool, TIME).await?;
        inner.open(BEGIN_READING, &[]).await?;
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

    /// Runs the last statements, commits, and asks what is known of the zones, in one round trip.
    /// COMMIT may take until `patience` is over.
    pub(crate) async fn commit_in_zones(
        self,
        last: &[(&'static str, Params<'_>)],
        patience: Duration,
    ) -> Result<InZones, FailedCommit> {
        let committed = self.inner.commit_then(last, ZONES, patience).await?;
        Ok(InZones { committed })
    }

    /// Gives the transaction up and keeps the connection.
    pub async fn rollback(self) {
        self.inner.rollback().await;
    }
}

/// A commit that this database holds, and what is known of the zones since.
pub(crate) struct InZones {
    committed: Committed,
}

impl InZones {
    /// What the primary says.
    pub(crate) fn view(&self) -> Result<PrimaryView, QueryError> {
        PrimaryView::of(self.committed.rows())
    }

    /// Asks it again.
    pub(crate) async fn look_again(&mut self) -> Result<(), QueryError> {
        self.committed.ask_again().await
    }

    /// Gives the connection back to its pool; dropped otherwise, its backend is ended.
    pub(crate) fn done(self) {
        self.committed.give_back();
    }
}
