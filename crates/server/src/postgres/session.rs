//! One connection to one backend.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{AsyncMessage, CancelToken, Client, NoTls, Statement};

use super::endpoint::{Endpoint, EndpointError, Stream};

/// How long a rollback may take before the connection is cut without it.
const ROLLBACK_PATIENCE: Duration = Duration::from_secs(5);

/// How long a cancelled statement may go on before it is cancelled again.
const CANCEL_AGAIN: Duration = Duration::from_millis(50);

/// The number of the next session of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A connection, its backend's process id and the statements prepared on it.
pub(super) struct Session {
    client: Client,
    number: u64,
    pid: i32,
    cancel: CancelToken,
    statements: Mutex<HashMap<&'static str, Statement>>,
    driver: tokio::task::JoinHandle<()>,
    /// How many warnings the backend has sent.
    warnings: Arc<AtomicU64>,
    endpoint: Endpoint,
}

/// Why a session could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("the database refused the connection: {0}")]
    Database(#[from] tokio_postgres::Error),
}

impl Session {
    pub(super) async fn connect(endpoint: &Endpoint, role: &str) -> Result<Self, SessionError> {
        let config = endpoint.login(role)?;
        let stream = Lingering {
            inner: endpoint.stream().await.map_err(EndpointError::from)?,
        };
        let (client, mut connection) = config.connect_raw(stream, NoTls).await?;
        let warnings = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&warnings);
        // A notice is counted before the answer that it came before is passed on.
        let driver = tokio::spawn(async move {
            let mut messages = poll_fn(|context| connection.poll_message(context));
            while let Some(message) = messages.next().await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) if is_warning(&notice) => {
                        let code = notice.code();
                        if *code == SqlState::NO_ACTIVE_SQL_TRANSACTION {
                            // Our own rollback, at the end of a connection.
                            tracing::debug!(code = code.code(), "the database warns");
                        } else {
                            tracing::warn!(code = code.code(), "the database warns");
                        }
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "database connection ended");
                        return;
                    }
                }
            }
        });
        let pid = client
            .query_one("select pg_catalog.pg_backend_pid()", &[])
            .await?
            .try_get(0)?;
        let cancel = client.cancel_token();
        Ok(Self {
            client,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            pid,
            cancel,
            statements: Mutex::default(),
            driver,
            warnings,
            endpoint: endpoint.clone(),
        })
    }

    /// How many warnings the backend has sent so far. A COMMIT that gave up waiting for the zones
    /// succeeds with one.
    pub(super) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::SeqCst)
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Which session of this process it is; unlike a pid, no number comes twice.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The prepared form of a statement; prepared once a connection.
    pub(super) async fn statement(
        &self,
        sql: &'static str,
    ) -> Result<Statement, tokio_postgres::Error> {
        let known = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
            .cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql, statement.clone());
        Ok(statement)
    }

    /// Ends the backend, and returns when it is gone and its locks with it.
    ///
    /// A statement that still runs is cancelled: a backend whose client went away would finish it,
    /// locks and all. A cancel that comes before its statement does has no effect, so it is sent
    /// again until the backend answers.
    pub(super) async fn end(self, in_statement: bool) {
        // Answered only after the statement before it ended.
        let rollback = self.client.batch_execute("rollback");
        let cancels = async {
            let mut again = tokio::time::interval(CANCEL_AGAIN);
            loop {
                again.tick().await;
                if in_statement && let Ok(stream) = self.endpoint.stream().await {
                    let _ = self.cancel.cancel_query_raw(stream, NoTls).await;
                }
            }
        };
        tokio::select! {
            biased;
            _ = rollback => {}
            () = cancels => {}
            () = tokio::time::sleep(ROLLBACK_PATIENCE) => {}
        }
        let Self { client, driver, .. } = self;
        drop(client);
        let _ = driver.await;
    }
}

/// By its class too: the severity is in the language of the server.
fn is_warning(notice: &tokio_postgres::error::DbError) -> bool {
    notice.parsed_severity() == Some(Severity::Warning) || *notice.code() == SqlState::WARNING
}

/// A stream whose shutdown waits for the other side to close too.
///
/// PostgreSQL leaves the socket open until its process exits, so that a client that waits for the
/// end of the stream knows that the backend is gone.
struct Lingering {
    inner: Box<dyn Stream>,
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A second shutdown of the writing half is harmless; its error means the peer is gone.
        if ready!(Pin::new(&mut self.inner).poll_shutdown(cx)).is_err() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0_u8; 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
