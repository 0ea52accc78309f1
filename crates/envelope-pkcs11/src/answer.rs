//! The answer that a caller waits for and a thread gives, or a deadline.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use strongroom_envelope::KmsError;

/// Where an answer is put, once; a second one is dropped.
pub(crate) struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    answer: Option<Result<T, KmsError>>,
    is_waited_for: bool,
    waker: Option<Waker>,
}

/// The answer to come. Dropped, it is waited for no more.
pub(crate) struct Answer<T>(Arc<Slot<T>>);

/// What a deadline does to an answer that did not come.
pub(crate) trait Expire: Send + Sync {
    /// Answers with `Unavailable`; says whether somebody still waited.
    fn expire(&self) -> bool;
}

/// Makes a slot, and the answer that will be in it.
pub(crate) fn channel<T>() -> (Arc<Slot<T>>, Answer<T>) {
    let slot = Arc::new(Slot(Mutex::new(State {
        answer: None,
        is_waited_for: true,
        waker: None,
    })));
    (Arc::clone(&slot), Answer(slot))
}

impl<T> Slot<T> {
    /// Whether an answer would still reach somebody.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lock().is_waited_for
    }

    /// Puts the answer, unless there is one or nobody waits; says whether it did.
    pub(crate) fn put(&self, answer: Result<T, KmsError>) -> bool {
        let mut state = self.lock();
        if !state.is_waited_for {
            return false;
        }
        state.is_waited_for = false;
        state.answer = Some(answer);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Expire for Slot<T> {
    fn expire(&self) -> bool {
        self.put(Err(KmsError::Unavailable))
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, KmsError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_waited_for = false;
        state.waker = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_counts() {
        let (slot, answer) = channel();
        assert!(slot.is_waited_for());
        assert!(slot.put(Ok(1)));
        assert!(!slot.put(Ok(2)));
        assert!(!slot.expire());
        assert_eq!(pollster::block_on(answer), Ok(1));
    }

    #[test]
    fn a_deadline_answers_whoever_waits() {
        let (slot, answer) = channel::<u8>();
        let waiting = std::thread::spawn(move || pollster::block_on(answer));
        assert!(slot.expire());
        assert_eq!(waiting.join().unwrap(), Err(KmsError::Unavailable));
    }

    #[test]
    fn a_dropped_answer_is_not_waited_for() {
        let (slot, answer) = channel::<u8>();
        drop(answer);
        assert!(!slot.is_waited_for());
        assert!(!slot.put(Ok(1)));
    }
}
