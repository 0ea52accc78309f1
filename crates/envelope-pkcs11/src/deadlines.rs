//! The deadlines of all calls, watched by one thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::Expire;
use crate::token::TokenError;

/// Answers for a token that does not. Its thread ends when this is dropped.
pub(crate) struct Deadlines {
    watch: Arc<Watch>,
    timeout: Duration,
}

struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// In order, as every call has the same time.
    calls: VecDeque<(Instant, Weak<dyn Expire>)>,
    is_dropped: bool,
}

impl Deadlines {
    /// Starts the thread; `late` is told of each call that it had to answer.
    pub(crate) fn start(
        timeout: Duration,
        late: impl Fn() + Send + 'static,
    ) -> Result<Self, TokenError> {
        let watch = Arc::new(Watch {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&watch);
        thread::Builder::new()
            .name("pkcs11-deadlines".into())
            .spawn(move || theirs.run(&late))
            .map_err(|_| TokenError::Thread)?;
        Ok(Self { watch, timeout })
    }

    /// Gives a call its time, from now on.
    pub(crate) fn set(&self, call: Weak<dyn Expire>) {
        let Some(at) = Instant::now().checked_add(self.timeout) else {
            return;
        };
        let mut state = self.watch.lock();
        // Answered calls need no watching; without this the list would be all calls of a time-out.
        while state
            .calls
            .front()
            .is_some_and(|(_, call)| call.strong_count() == 0)
        {
            state.calls.pop_front();
        }
        let was_empty = state.calls.is_empty();
        state.calls.push_back((at, call));
        drop(state);
        if was_empty {
            self.watch.changed.notify_one();
        }
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, late: &dyn Fn()) {
        let mut state = self.lock();
        while !state.is_dropped {
            let now = Instant::now();
            match state.calls.front().map(|(at, _)| *at) {
                None => {
                    let waited = self.changed.wait(state);
                    state = waited.unwrap_or_else(PoisonError::into_inner);
                }
                Some(at) if at > now => {
                    let waited = self.changed.wait_timeout(state, at - now);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    let call = state.calls.pop_front();
                    drop(state);
                    if call.is_some_and(|(_, call)| call.upgrade().is_some_and(|c| c.expire())) {
                        late();
                    }
                    state = self.lock();
                }
            }
        }
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        self.watch.lock().is_dropped = true;
        self.watch.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use strongroom_envelope::KmsError;

    use super::*;
    use crate::answer::{Slot, channel};

    #[test]
    fn each_call_has_its_time_and_no_more() {
        let late = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&late);
        let timeout = Duration::from_millis(50);
        let deadlines = Deadlines::start(timeout, move || {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
        let begun = Instant::now();
        let calls: Vec<_> = (0..3)
            .map(|number| {
                let (slot, answer) = channel();
                let weak: Weak<Slot<u8>> = Arc::downgrade(&slot);
                // Before its time begins, which is soon over on a busy machine.
                if number == 1 {
                    slot.put(Ok(number));
                }
                deadlines.set(weak);
                // Held on to, as a thread does that hangs in the token.
                (slot, answer)
            })
            .collect();
        let mut answers = Vec::new();
        for (_slot, answer) in calls {
            answers.push(pollster::block_on(answer));
        }
        assert!(begun.elapsed() >= timeout);
        let unavailable = Err(KmsError::Unavailable);
        assert_eq!(answers, [unavailable, Ok(1), unavailable]);
        // Told a moment after the answer.
        while late.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
    }
    #[test]
    fn its_time_is_over_soon_after_its_end() {
        let timeout = Duration::from_millis(50);
        let deadlines = Deadlines::start(timeout, || {}).unwrap();
        // A busy machine is late now and then, and not each time.
        let times = (0..20).map(|_| {
            let begun = Instant::now();
            let (slot, answer) = channel();
            let weak: Weak<Slot<u8>> = Arc::downgrade(&slot);
            deadlines.set(weak);
            assert_eq!(pollster::block_on(answer), Err(KmsError::Unavailable));
            begun.elapsed()
        });
        let least = times.min().unwrap();
        assert!(least < 3 * timeout, "{least:?}");
    }
}
