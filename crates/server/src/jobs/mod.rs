//! Work without a request: checkpoints on schedule, webhook deliveries, key rotations, token keys,
//! counts, deletion of what is over.

mod delivery;
mod destination;
mod holdup;
mod last_used;
mod refusals;
mod rehash;
mod retention;
mod rotation;
mod sweep;
mod token_keys;

use std::sync::Arc;
use std::time::Duration;

use strongroom_tenancy::RequestId;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::audit::EventError;
use crate::clock::Clock;
use crate::postgres::Job;

pub use delivery::{Deliverer, next_attempt, secret_context};
pub(crate) use destination::resolve;
pub use destination::{DestinationError, check_address, check_url};
pub use holdup::Holdup;
pub use refusals::write_refusals;
pub use rehash::Rehashes;
pub(crate) use rehash::columns as hash_columns;
pub use retention::{Retainer, RetainerError};
pub use sweep::{Sweep, SweepError};

/// How often the schedule looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// After how many seconds a cosignature that failed is tried again.
const COSIGNED_AGAIN: u64 = 10;

/// The running jobs.
pub struct Jobs {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Starts them. They hold the app's parts that they need, not the app.
    #[must_use]
    pub fn start(app: &Arc<App>, deliveries: Job, sweeps: Job, retainer: Retainer) -> Self {
        let stop = CancellationToken::new();
        let holdup = Holdup::of(app.zones.clone());
        let swept = |sweep: Sweep| sweep.held_up_by(holdup.clone()).run(stop.clone());
        let webhooks = swept(Sweep::webhooks(deliveries.clone()));
        let deliverer = Deliverer::new(app, deliveries);
        let checkpointer = app.checkpointer.clone();
        let mut last = app.clock.unix_seconds();
        let checkpoints = every(stop.clone(), async move || {
            if let Err(error) = checkpointer.tick(&mut last).await {
                tracing::error!(%error, "checkpoints were not signed");
            }
        });
        let cosigner = app.checkpointer.clone();
        let clock = Arc::clone(&app.clock);
        let mut due = 0;
        let cosignatures = every(stop.clone(), async move || {
            if clock.unix_seconds() < due {
                return;
            }
            match cosigner.cosign().await {
                Ok(next) => due = next,
                Err(error) => {
                    due = clock.unix_seconds().saturating_add(COSIGNED_AGAIN);
                    tracing::error!(%error, "the platform's log was not cosigned");
                }
            }
        });
        let deliveries = deliverer.run(stop.clone());
        let rotations = rotation::Rotator::new(app).run(stop.clone());
        let token_keys = token_keys::advance(app.token_keys.clone(), holdup.clone(), stop.clone());
        let uses = last_used::store(Arc::clone(app), stop.clone());
        let refused = refusals::write(Arc::clone(app), stop.clone());
        let rehashed = rehash::store(Arc::clone(app), stop.clone());
        let successors = swept(Sweep::successors(sweeps.clone()));
        let tokens = swept(Sweep::tokens(sweeps));
        let retained = retainer.run(holdup.clone(), stop.clone());
        Self {
            stop,
            tasks: vec![
                tokio::spawn(checkpoints),
                tokio::spawn(cosignatures),
                tokio::spawn(deliveries),
                tokio::spawn(rotations),
                tokio::spawn(uses),
                tokio::spawn(refused),
                tokio::spawn(rehashed),
                tokio::spawn(token_keys),
                tokio::spawn(webhooks),
                tokio::spawn(successors),
                tokio::spawn(tokens),
                tokio::spawn(retained),
            ],
        }
    }

    /// Lets each job finish what it is at.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// A request id for what no client asked for.
pub(crate) fn request_id(clock: &dyn Clock) -> Result<RequestId, EventError> {
    let mut random = [0_u8; 10];
    getrandom::fill(&mut random).map_err(|_| EventError::Randomness)?;
    Ok(RequestId::from_parts(clock.unix_millis(), &random))
}

async fn every(stop: CancellationToken, mut work: impl AsyncFnMut()) {
    let mut ticks = ticks();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => work().await,
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
