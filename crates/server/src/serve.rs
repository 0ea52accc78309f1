//! Serving: the router on a listener, until told to stop, losing nothing that was acknowledged.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::app::Platform;
use crate::metrics;
use crate::router::router;

/// How long a request's head may take, and a connection between two requests.
const HEAD: Duration = Duration::from_secs(10);

/// Most headers of a request. The request-id gate refuses far fewer with a document of its own.
const HEADERS: usize = 1024;

/// Where to listen.
pub struct Listeners {
    /// The gateway's.
    pub gateway: TcpListener,
    /// The metrics', where they are read.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    /// The gateway alone.
    fn from(gateway: TcpListener) -> Self {
        let metrics = None;
        Self { gateway, metrics }
    }
}

/// Serves until `stop` is done, then lets what began come to its end. The listeners' errors are
/// logged and waited out, since they pass.
pub async fn serve(
    platform: Platform,
    listeners: impl Into<Listeners>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let Listeners { gateway, metrics } = listeners.into();
    let (closing, closed) = (CancellationToken::new(), CancellationToken::new());
    let watched = {
        let router = metrics::router(Arc::clone(&platform.app.metrics));
        let closed = closed.clone();
        async move {
            if let Some(listener) = metrics {
                accept(router, listener, WATCHING, closed).await;
            }
        }
    };
    let served = accept(router(&platform.app), gateway, SERVING, closing.clone());
    let work = async move {
        tokio::join!(served, async {
            stop.await;
            closing.cancel();
        });
        platform.stop().await;
        // Until here somebody may watch how it ends.
        closed.cancel();
    };
    tokio::join!(watched, work);
    tracing::info!("stopped");
}

/// How connections are held.
#[derive(Clone, Copy)]
struct Manner {
    /// Most of them at once; further ones wait to be accepted.
    most: usize,
    /// Whether one is for many requests.
    is_kept: bool,
    /// How long open ones may take to come to their end.
    drain: Duration,
}

const SERVING: Manner = Manner {
    most: 4096,
    is_kept: true,
    drain: Duration::from_secs(30),
};

/// Those who read metrics cannot keep others away by staying.
const WATCHING: Manner = Manner {
    most: 16,
    is_kept: false,
    drain: Duration::from_secs(1),
};

/// Accepts connections until it is told that all is closing, then waits for those that are open.
async fn accept(router: Router, listener: TcpListener, manner: Manner, closing: CancellationToken) {
    let places = Arc::new(Semaphore::new(manner.most));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = closing.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = connection(stream, peer, router.clone(), manner, closing.clone());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(manner.drain, drained).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "connections were cut after the drain"
        );
    }
    // Cut connections end here; what their requests began goes on in tasks of its own.
    connections.shutdown().await;
}

/// One connection, to its end or, once we are closing, to the end of the request in hand.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    manner: Manner,
    closing: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|e| match e {})) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(manner.is_kept)
        .max_headers(HEADERS);
    let served = http.serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = closing.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Done when the process is asked to stop (SIGTERM, SIGINT).
///
/// # Errors
/// When the signals cannot be watched.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
