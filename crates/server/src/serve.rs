//! Serving: the router on a listener, until told to stop, losing nothing that was acknowledged.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::app::Platform;
use crate::router::router;

/// How long open connections may take to come to their end.
const DRAIN: Duration = Duration::from_secs(30);

/// Serves until `stop` is done, then lets what began come to its end.
///
/// # Errors
/// What the listener says.
pub async fn serve(
    platform: Platform,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = router(&platform.app).into_make_service_with_connect_info::<SocketAddr>();
    let stopping = Arc::new(tokio::sync::Notify::new());
    let signal = Arc::clone(&stopping);
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        signal.notify_one();
    });
    let overdue = async {
        stopping.notified().await;
        tokio::time::sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = server => served,
        () = overdue => {
            tracing::warn!("connections were still open after the drain");
            Ok(())
        }
    };
    platform.stop().await;
    tracing::info!("stopped");
    served
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
