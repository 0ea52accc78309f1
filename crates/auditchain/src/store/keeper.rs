//! The keeper: once a second, what was acknowledged is signed as one batch and kept apart.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::committer::Shared;
use super::guard::Guard;
use super::locked;
use crate::{BatchLine, MAX_BATCH_LINES, sign_batch};

/// How long an acknowledged entry may not be known to the checkpoint store.
const EVERY: Duration = Duration::from_millis(900);

pub(super) struct Keeper {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Keeper {
    pub(super) fn start(shared: Arc<Shared>, guard: Arc<Guard>, zones: u8) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("audit-keeper".to_owned())
            .spawn(move || {
                loop {
                    let ended = stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
                    *locked(&told) = keep(&shared, &guard, zones).err();
                    if let Some(why) = guard.checkpoints.failure() {
                        // Nothing more is signed, neither here nor there.
                        let why = format!("checkpoint store: {why}");
                        locked(&shared.poisoned).get_or_insert(why);
                    }
                    if ended {
                        return;
                    }
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            failure,
        })
    }

    pub(super) fn failure(&self) -> Option<String> {
        locked(&self.failure).clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Keeps the newest line of each log that grew; what could not be kept is tried again.
fn keep(shared: &Shared, guard: &Guard, zones: u8) -> Result<(), String> {
    loop {
        let lines: Vec<BatchLine> = {
            let lines = locked(&shared.lines);
            lines.values().take(MAX_BATCH_LINES).cloned().collect()
        };
        if lines.is_empty() {
            return Ok(());
        }
        let signed = sign_batch(&lines, zones, guard.keys.batches().as_ref());
        let signed = signed.map_err(|error| error.to_string())?;
        let kept = guard.checkpoints.keep(&signed);
        kept.map_err(|error| error.to_string())?;
        let mut waiting = locked(&shared.lines);
        for line in lines {
            // Not one that has come since.
            if waiting.get(&line.origin) == Some(&line) {
                waiting.remove(&line.origin);
            }
        }
    }
}
