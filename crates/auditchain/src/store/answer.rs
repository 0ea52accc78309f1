//! One answer, from the committer to whoever waits for it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::batch_in_hand::Place;
use super::{AppendError, locked};

type Said = Result<Place, AppendError>;

/// What gives the answer. One that is dropped says that the store is closed.
pub(super) struct Answer(Arc<Slot>);

/// What waits for it.
#[derive(Debug)]
pub(super) struct Awaited(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Debug, Default)]
struct State {
    said: Option<Said>,
    /// Somebody must be woken: to wake nobody costs as much.
    is_awaited: bool,
}

/// An answer, and what waits for it.
pub(super) fn answer() -> (Answer, Awaited) {
    let slot = Arc::new(Slot::default());
    (Answer(Arc::clone(&slot)), Awaited(slot))
}

impl Answer {
    /// Answers. Whoever waited may be gone.
    pub(super) fn give(self, said: Said) {
        self.0.give(said);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.give(Err(AppendError::Closed));
    }
}

impl Awaited {
    pub(super) fn wait(self) -> Said {
        let mut state = locked(&self.0.state);
        loop {
            if let Some(said) = state.said.take() {
                return said;
            }
            state.is_awaited = true;
            let woken = self.0.given.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Slot {
    /// The first answer holds.
    fn give(&self, said: Said) {
        let mut state = locked(&self.state);
        let is_awaited = std::mem::take(&mut state.is_awaited);
        state.said.get_or_insert(said);
        drop(state);
        if is_awaited {
            self.given.notify_one();
        }
    }
}
