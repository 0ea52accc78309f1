//! The transaction under all three handles: what makes its end certain.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::maybe_done;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::pool::{Lease, Pool};
use super::session::Session;

/// Takes away what a session could keep past its transaction, for its next borrower to trip over.
///
/// The last statement fails when SQL, and not our driver, prepared a statement: it may stand under
/// the name of one of ours, and take the next claim.
const CLEAN: &str = "close all; unlisten *; reset all; \
     select pg_catalog.pg_advisory_unlock_all(); \
     select 1 / (case when exists (select from pg_catalog.pg_prepared_statements \
     where from_sql) then 0 else 1 end)";

/// A statement's parameters.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Why a statement failed. What the database said goes to the log, not to a caller.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No connection came free in time.
    #[error("every database connection is in use")]
    Busy,
    /// The database cannot be reached.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The transaction's time was up.
    #[error("the database did not answer within the transaction's time")]
    Deadline,
    /// The statement would break a constraint: the row is there already, or refers to none.
    #[error("a constraint refused the row: {0}")]
    Constraint(String),
    /// The database does not see the tenant that the claim was made for.
    #[error("the database did not accept the tenant claim")]
    ClaimRefused,
    /// The claim could not be minted.
    #[error(transparent)]
    Claim(#[from] strongroom_rls::ClaimError),
    /// Any other refusal.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// A row did not have the shape that the statement promises.
    #[error("a row had an unexpected shape: {0}")]
    Row(String),
    /// An earlier statement failed or was given up: the transaction can only be dropped.
    #[error("the transaction already failed")]
    Failed,
}

/// Why a commit did not answer success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing was written.
    #[error("the transaction was not committed: {0}")]
    RolledBack(QueryError),
    /// The connection broke with the COMMIT on the wire: it may have been written, or not.
    #[error("the outcome of the commit is not known")]
    Unknown,
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Unavailable(error.to_string());
        };
        let code = db.code();
        // Only the code and the constraint's name: a message or detail may quote the row.
        let text = format!("{} {}", code.code(), db.constraint().unwrap_or_default());
        if *code == SqlState::QUERY_CANCELED {
            Self::Deadline
        } else if code.code().starts_with("23") {
            Self::Constraint(text)
        } else {
            Self::Refused(text)
        }
    }
}

/// Which of several queries failed first, where it was one of them, and why.
pub(crate) struct FailedQuery {
    /// Its place among them.
    pub(crate) number: Option<usize>,
    /// Why.
    pub(crate) error: QueryError,
}

/// Which of the queries before a commit failed first, where it was one of them, and what that means.
pub(crate) struct FailedCommit {
    /// Its place among them.
    pub(crate) number: Option<usize>,
    /// Whether anything was written.
    pub(crate) error: CommitError,
}

/// An open transaction on a leased connection.
///
/// Unless every statement was answered and COMMIT or ROLLBACK was acknowledged, the connection
/// does not go back to the pool, whatever await point the work was dropped at.
pub(super) struct Transaction {
    lease: Option<Lease>,
    deadline: Instant,
    state: State,
    /// How many warnings the connection had had when it began.
    warnings: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every statement so far was answered.
    Idle,
    /// A statement is on the wire.
    InStatement,
    /// A statement failed or timed out.
    Failed,
}

impl Transaction {
    /// Leases a connection; nothing is on the wire yet.
    pub(super) async fn lease(pool: &Pool, time: Duration) -> Result<Self, QueryError> {
        let lease = pool.lease().await?;
        let warnings = lease.session()?.warnings();
        Ok(Self {
            lease: Some(lease),
            deadline: Instant::now() + time,
            state: State::Idle,
            warnings,
        })
    }

    pub(super) fn pid(&self) -> Result<i32, QueryError> {
        Ok(self.leased()?.session()?.pid())
    }

    pub(super) fn connection(&self) -> Result<u64, QueryError> {
        Ok(self.leased()?.session()?.number())
    }

    /// Sends the opening statement and the first queries in one go, and waits for all of them.
    pub(super) async fn open(
        &mut self,
        begin: &'static str,
        first: &[(&'static str, Params<'_>)],
    ) -> Result<Vec<Vec<Row>>, QueryError> {
        let opened = self.open_with(begin, first).await;
        opened.map_err(|failed| failed.error)
    }

    /// The same; says which query failed first.
    pub(super) async fn open_with(
        &mut self,
        begin: &'static str,
        first: &[(&'static str, Params<'_>)],
    ) -> Result<Vec<Vec<Row>>, FailedQuery> {
        let mut number = None;
        let opened = self
            .guarded(async |lease| {
                let session = lease.session()?;
                let client = session.client();
                let prepared = prepare(session, first).await.map_err(|failed| {
                    number = failed.number;
                    failed.error
                })?;
                // Polled in order, so that they go out in order and share one round trip.
                let (begun, rows) =
                    futures_util::join!(client.batch_execute(begin), all(client, &prepared));
                begun?;
                rows.map_err(|failed| {
                    number = failed.number;
                    failed.error
                })
            })
            .await;
        opened.map_err(|error| FailedQuery { number, error })
    }

    /// Runs one prepared statement and waits for all its rows.
    pub(super) async fn query(
        &mut self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        self.guarded(async |lease| {
            let session = lease.session()?;
            let statement = session.statement(sql).await?;
            Ok(session.client().query(&statement, params).await?)
        })
        .await
    }

    /// Commits, and gives the connection back once the database said so.
    pub(super) async fn commit(mut self) -> Result<(), CommitError> {
        if self.state != State::Idle {
            return Err(CommitError::RolledBack(QueryError::Failed));
        }
        self.finish("commit").await.map_err(|error| match error {
            // The server answered: it did not commit.
            QueryError::Refused(_) | QueryError::Constraint(_) => CommitError::RolledBack(error),
            _ => CommitError::Unknown,
        })
    }

    /// Sends queries and COMMIT in one go, and gives the connection back once the database said so.
    pub(super) async fn commit_with(
        mut self,
        last: &[(&'static str, Params<'_>)],
    ) -> Result<(), FailedCommit> {
        let (clean, _) = self.commit_and(last, None).await?;
        self.give_back(clean);
        Ok(())
    }

    /// Sends queries, COMMIT and one query more in one go; COMMIT may take until `patience` is
    /// over. The connection is kept, to ask the last query again.
    pub(super) async fn commit_then(
        mut self,
        last: &[(&'static str, Params<'_>)],
        then: &'static str,
        patience: Duration,
    ) -> Result<Committed, FailedCommit> {
        self.deadline = Instant::now() + patience;
        let (_, rows) = self.commit_and(last, Some(then)).await?;
        Ok(Committed {
            connection: self,
            then,
            rows,
        })
    }

    async fn commit_and(
        &mut self,
        last: &[(&'static str, Params<'_>)],
        then: Option<&'static str>,
    ) -> Result<(bool, Vec<Row>), FailedCommit> {
        let mut number = None;
        let mut is_answered = false;
        let warnings = self.warnings;
        let ended = self
            .guarded(async |lease| {
                let session = lease.session()?;
                let client = session.client();
                let prepared = prepare(session, last).await.map_err(|failed| {
                    number = failed.number;
                    is_answered = true; // there was no COMMIT
                    failed.error
                })?;
                let then = match then {
                    Some(sql) => Some(session.statement(sql).await.inspect_err(|_| {
                        is_answered = true;
                    })?),
                    None => None,
                };
                let (rows, committed, after, clean) = futures_util::join!(
                    all(client, &prepared),
                    client.batch_execute("commit"),
                    async {
                        match &then {
                            Some(statement) => client.query(statement, &[]).await,
                            None => Ok(Vec::new()),
                        }
                    },
                    clean(lease, client)
                );
                // A COMMIT after a statement that failed is a rollback, and says so by its tag only.
                rows.map_err(|failed| {
                    number = failed.number;
                    let is_said = !matches!(failed.error, QueryError::Unavailable(_));
                    is_answered = is_said && committed.is_ok();
                    failed.error
                })?;
                committed.inspect_err(|error| is_answered = error.as_db_error().is_some())?;
                is_unwarned(session, warnings)?;
                Ok((clean, after?))
            })
            .await;
        ended.map_err(|error| FailedCommit {
            number,
            error: if is_answered {
                CommitError::RolledBack(error)
            } else {
                CommitError::Unknown
            },
        })
    }

    /// Rolls back, and gives the connection back once the database said so.
    pub(super) async fn rollback(mut self) {
        if self.state != State::InStatement {
            self.state = State::Idle;
            let _ = self.finish("rollback").await;
        }
    }

    async fn finish(&mut self, sql: &'static str) -> Result<(), QueryError> {
        let warnings = self.warnings;
        let clean = self
            .guarded(async |lease| {
                let session = lease.session()?;
                let client = session.client();
                let (ended, clean) =
                    futures_util::join!(client.batch_execute(sql), clean(lease, client));
                ended?;
                is_unwarned(session, warnings)?;
                Ok(clean)
            })
            .await?;
        self.give_back(clean);
        Ok(())
    }

    /// What is not clean is ended, as anything else that is not known to be in order.
    fn give_back(&mut self, clean: bool) {
        if clean && let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    /// Runs one exchange. While it is on the wire the state says so: if this future is dropped
    /// there, `Drop` finds it and cancels the statement.
    async fn guarded<T>(
        &mut self,
        exchange: impl AsyncFnOnce(&Lease) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.state != State::Idle {
            return Err(QueryError::Failed);
        }
        let Some(lease) = &self.lease else {
            return Err(QueryError::Failed);
        };
        self.state = State::InStatement;
        let Ok(answer) = tokio::time::timeout_at(self.deadline, exchange(lease)).await else {
            return Err(QueryError::Deadline);
        };
        self.state = if answer.is_ok() {
            State::Idle
        } else {
            State::Failed
        };
        answer
    }

    fn leased(&self) -> Result<&Lease, QueryError> {
        self.lease.as_ref().ok_or(QueryError::Failed)
    }
}

/// A commit that is there, and the connection that it was made on.
///
/// Unless it is given back, the connection does not go back to the pool.
pub(super) struct Committed {
    connection: Transaction,
    then: &'static str,
    rows: Vec<Row>,
}

impl Committed {
    /// What the query behind the COMMIT answered.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Asks it again.
    pub(super) async fn ask_again(&mut self) -> Result<(), QueryError> {
        self.rows = self.connection.query(self.then, &[]).await?;
        Ok(())
    }

    pub(super) fn give_back(mut self) {
        self.connection.give_back(true);
    }
}

/// Takes away what could outlast a transaction, where that could be anything. Answers whether
/// nothing is left.
async fn clean(lease: &Lease, client: &Client) -> bool {
    lease.is_dedicated() || client.batch_execute(CLEAN).await.is_ok()
}

/// A commit that was told to wait no longer for the zones says that it succeeded, and warns: what it
/// wrote is here, and whether it is anywhere else nobody knows.
fn is_unwarned(session: &Session, before: u64) -> Result<(), QueryError> {
    if session.warnings() == before {
        return Ok(());
    }
    let what = "the database warned of the transaction";
    Err(QueryError::Unavailable(what.to_owned()))
}

async fn prepare<'a>(
    session: &Session,
    queries: &[(&'static str, Params<'a>)],
) -> Result<Vec<(Statement, Params<'a>)>, FailedQuery> {
    let mut prepared = Vec::with_capacity(queries.len());
    for (number, (sql, params)) in queries.iter().enumerate() {
        let statement = session.statement(sql).await;
        prepared.push((statement.map_err(|error| failed(number, error))?, *params));
    }
    Ok(prepared)
}

/// Sends queries in one go, in order, and waits for all of them.
async fn all(
    client: &Client,
    queries: &[(Statement, Params<'_>)],
) -> Result<Vec<Vec<Row>>, FailedQuery> {
    let queries = queries
        .iter()
        .map(|(sql, params)| client.query(sql, params));
    let answers = in_order(queries).await.into_iter().enumerate();
    answers
        .map(|(number, rows)| rows.map_err(|error| failed(number, error)))
        .collect()
}

/// Waits for all. Each is polled each time, in order, so that all are under way after the first
/// poll: what comes after these, a COMMIT for one, overtakes none of them.
async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.map(|it| Box::pin(maybe_done(it))).collect();
    poll_fn(|context| {
        let mut is_done = true;
        for one in &mut all {
            is_done &= one.as_mut().poll(context).is_ready();
        }
        if is_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    all.iter_mut()
        .filter_map(|one| one.as_mut().take_output())
        .collect()
}

fn failed(number: usize, error: tokio_postgres::Error) -> FailedQuery {
    FailedQuery {
        number: Some(number),
        error: error.into(),
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end(self.state == State::InStatement);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// However many there are: of a hundred logs no row goes out after the commit.
    #[tokio::test]
    async fn all_are_under_way_after_the_first_poll() {
        let begun = Cell::new(0_usize);
        let futures = (0..100).map(|number| {
            let begun = &begun;
            async move {
                assert_eq!(begun.get(), number);
                begun.set(number + 1);
                tokio::task::yield_now().await;
                number
            }
        });
        let mut all = std::pin::pin!(in_order(futures));
        let first = poll_fn(|context| Poll::Ready(all.as_mut().poll(context).is_ready())).await;
        assert_eq!((first, begun.get()), (false, 100));
        assert_eq!(all.await, (0..100).collect::<Vec<_>>());
    }
}
