//! The follower: what batches signed goes to the checkpoint store behind their acknowledgement.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_auditchain::{BatchLine, Hash, Origin};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::checkpoint_store::CheckpointStore;
use super::history::blocking;

/// Between two writes, so that what was acknowledged is in the store within a second.
const EVERY: Duration = Duration::from_millis(500);

/// The newest line of each log that no checkpoint covers, on its way to the store.
pub(super) struct Follower {
    store: Arc<CheckpointStore>,
    pending: Mutex<Pending>,
    changed: Notify,
    ending: CancellationToken,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

#[derive(Default)]
struct Pending {
    lines: BTreeMap<Origin, (u64, Hash)>,
    /// In how many zones all of them are, at least.
    zones: Option<u8>,
    is_new: bool,
}

impl Follower {
    pub(super) fn start(store: Arc<CheckpointStore>) -> Arc<Self> {
        let follower = Arc::new(Self {
            store,
            pending: Mutex::default(),
            changed: Notify::new(),
            ending: CancellationToken::new(),
            task: Mutex::default(),
        });
        let task = tokio::spawn(Arc::clone(&follower).run());
        let mut slot = follower.task.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(task);
        drop(slot);
        follower
    }

    /// Takes what a batch signed. Nobody waits for what becomes of it.
    pub(super) fn note(&self, lines: &[BatchLine], zones: u8) {
        let mut pending = self.pending();
        for line in lines {
            match pending.lines.get_mut(&line.origin) {
                Some(newest) if newest.0 > line.size => {}
                Some(newest) => *newest = (line.size, line.root),
                None => {
                    let newest = (line.size, line.root);
                    pending.lines.insert(line.origin.clone(), newest);
                }
            }
        }
        pending.zones = Some(pending.zones.map_or(zones, |least| least.min(zones)));
        pending.is_new = true;
        drop(pending);
        self.changed.notify_one();
    }

    /// Writes the last of it, and ends.
    pub(super) async fn finish(&self) {
        self.ending.cancel();
        let task = {
            let mut slot = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            slot.take()
        };
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    async fn run(self: Arc<Self>) {
        loop {
            let is_last = tokio::select! {
                biased;
                () = self.ending.cancelled() => true,
                () = self.changed.notified() => false,
            };
            self.write().await;
            if is_last {
                return;
            }
            tokio::select! {
                () = self.ending.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn write(self: &Arc<Self>) {
        if !std::mem::take(&mut self.pending().is_new) {
            return;
        }
        let this = Arc::clone(self);
        let written = blocking(move || {
            this.forget_covered();
            let (lines, zones) = {
                let pending = this.pending();
                (pending.lines.clone(), pending.zones.unwrap_or(1))
            };
            this.store.keep_lines(&lines, zones)
        });
        if let Err(error) = written.await {
            tracing::error!(%error, "the checkpoint store does not follow the log");
            self.pending().is_new = true;
            self.changed.notify_one();
        }
    }

    /// A checkpoint says it by itself.
    fn forget_covered(&self) {
        let covered = self.store.take_covered();
        let mut pending = self.pending();
        for (origin, size) in covered {
            if pending.lines.get(&origin).is_some_and(|it| it.0 <= size) {
                pending.lines.remove(&origin);
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
