//! The rotation job: starts what is due by the schedule, and works on what was started.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Holdup, ticks};
use crate::app::App;
use crate::clock::Clock;
use crate::config::KeyTimes;
use crate::keystore::KeyStore;

/// How often the schedule is looked at, in seconds.
const SCHEDULE_SECONDS: u64 = 60;

/// Rotates tenants' keys.
pub(super) struct Rotator {
    keys: KeyStore,
    clock: Arc<dyn Clock>,
    times: KeyTimes,
    holdup: Holdup,
}

impl Rotator {
    pub(super) fn new(app: &App) -> Self {
        Self {
            keys: app.keys.clone(),
            clock: Arc::clone(&app.clock),
            times: app.config.keys,
            holdup: Holdup::of(app.zones.clone()),
        }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut ticks = ticks();
        let mut next = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if self.holdup.is_on() {
                continue;
            }
            let now = self.clock.unix_seconds();
            if now >= next {
                next = now.saturating_add(SCHEDULE_SECONDS);
                let started = self.keys.start_due_rotations(self.times.rotation_days);
                match started.await {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "key rotations are due"),
                    Err(error) => tracing::error!(%error, "key rotations were not started"),
                }
            }
            while !stop.is_cancelled() && !self.holdup.is_on() {
                match self.keys.rotate_a_batch(self.times.overlap_seconds).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(%error, "a key rotation does not go on");
                        break;
                    }
                }
            }
        }
    }
}
