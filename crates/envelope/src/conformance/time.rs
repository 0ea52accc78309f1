//! Time without a runtime: a thread that wakes whoever waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::trial::Stop;

/// What the thread and the one that waits share.
#[derive(Default)]
struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    has_fired: bool,
    is_dropped: bool,
    waker: Option<Waker>,
}

/// Ends the thread early when nobody waits any more.
struct Waiting(Arc<Timer>);

/// Drives a future, which fails the check when it does not end in time.
pub(super) async fn within<F: Future>(
    limit: Duration,
    what: &str,
    future: F,
) -> Result<F::Output, Stop> {
    let late = || Stop::Failed(format!("{what} did not end within {limit:?}"));
    let begun = Instant::now();
    let waiting = Waiting::start(limit)?;
    let mut future = pin!(future);
    let ended = poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let mut state = waiting.0.lock();
        if state.has_fired {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    });
    let output = ended.await.ok_or_else(late)?;
    // A future that blocks its thread lets no timer come between.
    if begun.elapsed() > limit.saturating_add(Duration::from_secs(1)) {
        return Err(late());
    }
    Ok(output)
}

/// Waits.
pub(super) async fn pause(time: Duration) {
    let _ = within(time, "", std::future::pending::<()>()).await;
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, limit: Duration) {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| !state.is_dropped)
            .unwrap_or_else(PoisonError::into_inner);
        state.has_fired = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Waiting {
    fn start(limit: Duration) -> Result<Self, Stop> {
        let timer = Arc::<Timer>::default();
        let theirs = Arc::clone(&timer);
        thread::Builder::new()
            .name("conformance-timer".into())
            .spawn(move || theirs.wait(limit))
            .map_err(|error| Stop::NotRun(format!("no thread for a timer: {error}")))?;
        Ok(Self(timer))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_dropped = true;
        state.waker = None;
        drop(state);
        self.0.changed.notify_one();
    }
}
