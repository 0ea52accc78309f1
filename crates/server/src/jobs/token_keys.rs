//! The keys of access tokens: moved on by the clock, and this node's copy kept current.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Holdup, ticks};
use crate::token_keys::TokenKeys;

/// How often the ring is looked at, whatever was announced.
const EVERY: Duration = Duration::from_secs(60);

/// How long a change is left alone that failed.
const PUT_OFF: Duration = Duration::from_secs(5);

/// Runs until told to stop.
pub(super) async fn advance(keys: TokenKeys, holdup: Holdup, stop: CancellationToken) {
    let mut ticks = ticks();
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if Instant::now() < due || holdup.is_on() {
            // Read where another node changed something, so that no request waits for it.
            let _ = keys.verifier().await;
            continue;
        }
        due = Instant::now() + EVERY;
        if let Err(error) = keys.advance().await {
            tracing::error!(%error, "the keys of access tokens do not go on");
            due = Instant::now() + PUT_OFF;
        }
        // What failed is logged, and this node's copy holds as long as its lease does.
        let _ = keys.read_again().await;
    }
}
