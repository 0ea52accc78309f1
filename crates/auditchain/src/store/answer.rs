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
        if self.0.give(said) {
            self.0.given.notify_one();
        }
    }

    /// Answers several, and wakes those who wait once all are answered: one that was woken before
    /// takes its answer, waits for the next, and has to be woken again.
    pub(super) fn give_all(answers: impl Iterator<Item = (Self, Said)>) {
        let given = answers.filter_map(|(answer, said)| answer.0.give(said).then_some(answer));
        let awaited: Vec<Self> = given.collect();
        for answer in awaited {
            answer.0.given.notify_one();
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.0.give(Err(AppendError::Closed)) {
            self.0.given.notify_one();
        }
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
    /// The first answer holds. Answers whether somebody must be woken.
    fn give(&self, said: Said) -> bool {
        let mut state = locked(&self.state);
        state.said.get_or_insert(said);
        std::mem::take(&mut state.is_awaited)
    }
}
