//! Connections of one role, never more than its slots.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::endpoint::Endpoint;
use super::roles::Role;
use super::session::{Session, SessionError};
use super::transaction::QueryError;

/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pool of one role's connections.
///
/// A connection whose transaction did not end cleanly leaves the pool and is ended, and its slot
/// is free again only when its backend is gone: the slots, not the pool's idle list, bound how
/// many backends there are.
#[derive(Clone)]
pub struct Pool {
    sessions: managed::Pool<Connector>,
    slots: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
    role: Role,
    is_dedicated: bool,
}

pub(super) struct Connector {
    endpoint: Endpoint,
    role: Role,
}

impl managed::Manager for Connector {
    type Type = Session;
    type Error = SessionError;

    async fn create(&self) -> Result<Session, SessionError> {
        Session::connect(&self.endpoint, self.role.name()).await
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<SessionError> {
        if session.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

impl Pool {
    /// A pool with at most `slots` backends. Connections are made when they are needed.
    ///
    /// # Errors
    /// When there is no runtime.
    pub fn new(endpoint: Endpoint, role: Role, slots: usize) -> Result<Self, QueryError> {
        let sessions = managed::Pool::builder(Connector { endpoint, role })
            .max_size(slots)
            .build()
            .map_err(|error| QueryError::Unavailable(error.to_string()))?;
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| QueryError::Unavailable(error.to_string()))?;
        Ok(Self {
            sessions,
            slots: Arc::new(Semaphore::new(slots)),
            runtime,
            role,
            is_dedicated: false,
        })
    }

    /// The one connection of a job whose every statement is a constant of ours: it leaves nothing
    /// behind that would have to be taken away after each transaction.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn dedicated(endpoint: Endpoint, role: Role) -> Result<Self, QueryError> {
        let mut pool = Self::new(endpoint, role, 1)?;
        pool.is_dedicated = true;
        Ok(pool)
    }

    /// Whose connections these are.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    pub(super) async fn lease(&self) -> Result<Lease, QueryError> {
        let waited = tokio::time::timeout(PATIENCE, self.take()).await;
        waited.map_err(|_| QueryError::Busy)?
    }

    async fn take(&self) -> Result<Lease, QueryError> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|error| QueryError::Unavailable(error.to_string()))?;
        // In a task of its own: a connection that is being made when its borrower goes away keeps
        // its slot until its backend is gone.
        let pool = self.clone();
        let made = self.runtime.spawn(async move {
            let object = pool
                .sessions
                .get()
                .await
                .map_err(|error| QueryError::Unavailable(error.to_string()))?;
            Ok(Lease {
                object: Some(object),
                slot: Some(slot),
                runtime: pool.runtime,
                is_dedicated: pool.is_dedicated,
            })
        });
        made.await
            .map_err(|error| QueryError::Unavailable(error.to_string()))?
    }
}

/// A connection on loan. It goes back to the pool only by [`Lease::give_back`]; dropped in any
/// other way, its backend is ended.
pub(super) struct Lease {
    object: Option<managed::Object<Connector>>,
    slot: Option<OwnedSemaphorePermit>,
    runtime: tokio::runtime::Handle,
    is_dedicated: bool,
}

impl Lease {
    pub(super) fn session(&self) -> Result<&Session, QueryError> {
        self.object
            .as_deref()
            .ok_or_else(|| QueryError::Unavailable("lease ended".to_owned()))
    }

    /// Whether the connection's one borrower leaves nothing behind.
    pub(super) const fn is_dedicated(&self) -> bool {
        self.is_dedicated
    }

    /// For a connection that is known to be outside any transaction.
    pub(super) fn give_back(mut self) {
        self.object = None;
        self.slot = None;
    }

    pub(super) fn end(mut self, in_statement: bool) {
        self.discard(in_statement);
    }

    fn discard(&mut self, in_statement: bool) {
        if let Some(object) = self.object.take() {
            let session = managed::Object::take(object);
            let slot = self.slot.take();
            self.runtime.spawn(async move {
                session.end(in_statement).await;
                drop(slot);
            });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.discard(true);
    }
}
