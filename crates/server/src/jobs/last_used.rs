//! When API keys were last used: stored in batches, apart from the requests.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Holdup;
use crate::app::App;

/// How often a batch is stored.
const EVERY: Duration = Duration::from_secs(5);

/// Stores batches until told to stop, and then the last one. What a crash loses is a few seconds
/// of last uses: each use is in its request's own event.
pub(super) async fn store(app: Arc<App>, stop: CancellationToken) {
    let holdup = Holdup::of(app.zones.clone());
    loop {
        let is_over = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        if holdup.is_on() && !is_over {
            continue;
        }
        let batch = app.last_used.take();
        if !batch.is_empty()
            && let Err(error) = app.lookup.note_uses(&batch).await
        {
            tracing::error!(%error, "last uses of api keys were not stored");
            if app.last_used.put_back(batch).is_err() {
                tracing::error!("last uses of api keys were lost");
            }
        }
        if is_over {
            return;
        }
    }
}
