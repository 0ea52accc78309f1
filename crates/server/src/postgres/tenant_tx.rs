//! The handle for tenants' rows: a transaction that carries a verified claim.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use strongroom_rls::{Backend, ClaimKey, ClaimRequest, MAX_LIFETIME_SECONDS};
use strongroom_tenancy::{ActorId, RequestId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::pool::Pool;
use super::transaction::{CommitError, Params, QueryError, Transaction};
use crate::clock::Clock;

/// The claim, the request's id for the session's name, and how durable the commit must be: a
/// staged event is made durable by the sequencer's own commit, which follows it in the log.
const SET_CLAIM: &str = "select pg_catalog.set_config('strongroom.claim', $1, true), \
     pg_catalog.set_config('application_name', $2, true), \
     pg_catalog.set_config('synchronous_commit', 'off', true)";

/// Zero rows is for attackers; our own mistakes are loud.
const CHECK_CLAIM: &str = "select app.tenant_id() is not distinct from $1";

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look only.
    Read,
    /// Look and change.
    Write,
}

/// The gateway role's pool with the key that makes its claims.
#[derive(Clone)]
pub struct Gateway {
    pool: Pool,
    key: Arc<ArcSwap<ClaimKey>>,
    clock: Arc<dyn Clock>,
}

/// A transaction of one tenant.
///
/// Every row that it can see or write is that tenant's, because PostgreSQL verified the claim.
/// Dropped without [`TenantTx::commit`], it leaves nothing behind.
pub struct TenantTx {
    inner: Transaction,
    tenant: TenantId,
}

impl Gateway {
    /// A gateway that mints claims with this key.
    #[must_use]
    pub fn new(pool: Pool, key: ClaimKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            pool,
            key: Arc::new(ArcSwap::from_pointee(key)),
            clock,
        }
    }

    /// Begins a transaction: one round trip opens it, sets the claim and checks that the database
    /// accepts it.
    ///
    /// # Errors
    /// [`QueryError`]; `ClaimRefused` when the database does not see the tenant.
    pub async fn begin(
        &self,
        tenant: TenantId,
        actor: ActorId,
        request: &RequestId,
        access: Access,
    ) -> Result<TenantTx, QueryError> {
        let begun = self.open(tenant, actor, request, access, &[]).await;
        begun.map(|(tx, _)| tx)
    }

    /// Begins a transaction and asks its first question, in one round trip.
    ///
    /// # Errors
    /// As [`Gateway::begin`].
    pub(crate) async fn begin_with(
        &self,
        tenant: TenantId,
        actor: ActorId,
        request: &RequestId,
        access: Access,
        first: (&'static str, Params<'_>),
    ) -> Result<(TenantTx, Vec<Row>), QueryError> {
        let begun = self.open(tenant, actor, request, access, &[first]).await;
        let (tx, rows) = begun?;
        Ok((tx, rows.into_iter().next().unwrap_or_default()))
    }

    async fn open(
        &self,
        tenant: TenantId,
        actor: ActorId,
        request: &RequestId,
        access: Access,
        first: &[(&'static str, Params<'_>)],
    ) -> Result<(TenantTx, Vec<Vec<Row>>), QueryError> {
        // Done before the claim runs out, with 5 s to spare for a clock that is off.
        let time = Duration::from_secs(MAX_LIFETIME_SECONDS.saturating_sub(5));
        let mut inner = Transaction::lease(&self.pool, time).await?;
        let claim = self.key.load().mint(&ClaimRequest {
            tenant,
            actor,
            backend: Backend::Pid(inner.pid()?),
            now: self.clock.unix_seconds(),
            lifetime: MAX_LIFETIME_SECONDS,
        })?;
        let begin = match access {
            Access::Read => "begin read only",
            Access::Write => "begin",
        };
        let (text, name) = (claim.expose(), request.to_string());
        let claimed: [&(dyn ToSql + Sync); 2] = [&text, &name];
        let owner: [&(dyn ToSql + Sync); 1] = [tenant.as_uuid()];
        let mut asked: Vec<(&'static str, Params<'_>)> =
            vec![(SET_CLAIM, &claimed), (CHECK_CLAIM, &owner)];
        asked.extend_from_slice(first);
        let mut rows = inner.open(begin, &asked).await?;
        let answers = rows.split_off(rows.len().min(2));
        let accepted = match rows.get(1).and_then(|rows| rows.first()) {
            Some(row) => row.try_get::<_, bool>(0).unwrap_or(false),
            None => false,
        };
        if !accepted {
            inner.rollback().await;
            return Err(QueryError::ClaimRefused);
        }
        Ok((TenantTx { inner, tenant }, answers))
    }
}

impl TenantTx {
    /// Whose transaction it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
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

    /// Gives the transaction up and keeps the connection.
    pub async fn rollback(self) {
        self.inner.rollback().await;
    }
}
