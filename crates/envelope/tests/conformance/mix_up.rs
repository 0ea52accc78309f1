//! How calls at once mix up their keys: those of one task, and those of several threads.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::{Condvar, Mutex};
use std::task::Poll;
use std::time::Duration;

thread_local! {
    /// What the calls of one thread mix up.
    static SCRATCH: Cell<[u8; 32]> = const { Cell::new([0; 32]) };
}

/// The key of whichever call of this thread came last. Other threads have no part in it, whenever they run.
pub(crate) async fn mixed_up(dek: [u8; 32]) -> [u8; 32] {
    SCRATCH.set(dek);
    yield_once().await;
    SCRATCH.get()
}

/// Where the calls of several threads mix up their keys.
#[derive(Default)]
pub(crate) struct Meeting {
    scratch: Mutex<([u8; 32], bool)>,
    came: Condvar,
}

impl Meeting {
    /// The key of the thread that comes next, once. It is waited for, so that on a machine that has much
    /// else to do two threads meet as well.
    pub(crate) fn mixed_up(&self, dek: [u8; 32], patience: Duration) -> [u8; 32] {
        let mut scratch = self.scratch.lock().unwrap();
        scratch.0 = dek;
        self.came.notify_all();
        let is_alone = |(last, is_over): &mut ([u8; 32], bool)| *last == dek && !*is_over;
        let waited = self.came.wait_timeout_while(scratch, patience, is_alone);
        let (mut scratch, _) = waited.unwrap();
        if scratch.1 {
            return dek;
        }
        scratch.1 = true;
        self.came.notify_all();
        scratch.0
    }
}

/// Lets the other calls of the task go first.
pub(crate) async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
