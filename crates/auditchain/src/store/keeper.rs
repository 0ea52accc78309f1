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

/// Keeps the newest line of each log that grew; what could not be kept is tried again. What comes
/// meanwhile waits for the next time: one batch a second says as much as a hundred.
fn keep(shared: &Shared, guard: &Guard, zones: u8) -> Result<(), String> {
    let mut lines: Vec<BatchLine> = {
        let mut lines = locked(&shared.lines);
        std::mem::take(&mut *lines).into_values().collect()
    };
    while !lines.is_empty() {
        let rest = lines.split_off(lines.len().min(MAX_BATCH_LINES));
        if let Err(error) = keep_batch(&lines, guard, zones) {
            let mut waiting = locked(&shared.lines);
            for line in lines.into_iter().chain(rest) {
                // Not over one that has come since.
                waiting.entry(line.origin.clone()).or_insert(line);
            }
            return Err(error);
        }
        lines = rest;
    }
    Ok(())
}

fn keep_batch(lines: &[BatchLine], guard: &Guard, zones: u8) -> Result<(), String> {
    let signed = sign_batch(lines, zones, guard.keys.batches().as_ref());
    let signed = signed.map_err(|error| error.to_string())?;
    let kept = guard.checkpoints.keep(&signed);
    kept.map(drop).map_err(|error| error.to_string())
}
