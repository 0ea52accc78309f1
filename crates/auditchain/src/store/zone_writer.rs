//! A zone's writer: a thread of its own, so that zones are written side by side.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::history::WalFile;
use super::zone::{Frames, Zone};

/// The frames that may wait for a zone. One that lags further behind is lost: it must not hold up
/// the others, nor take all memory.
const BEHIND: usize = 64;

/// What a zone's writer is told, in order.
pub(super) enum Work {
    /// Begin the file whose first frame has this sequence.
    Begin(u64),
    /// Write a frame.
    Frame(u64, Arc<Vec<u8>>),
}

/// What a zone's writer says.
pub(super) enum Said {
    /// Everything up to this sequence is on disk.
    Written { zone: usize, sequence: u64 },
    /// The zone is lost.
    Lost { zone: usize, why: String },
}

/// One zone's writer; it ends when this is dropped.
pub(super) struct ZoneWriter {
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl ZoneWriter {
    pub(super) fn start(
        zone: usize,
        storage: Arc<dyn Zone>,
        said: Sender<Said>,
    ) -> std::io::Result<Self> {
        let (work, jobs) = sync_channel(BEHIND);
        let thread = std::thread::Builder::new()
            .name(format!("audit-zone-{zone}"))
            .spawn(move || {
                if let Err(error) = run(zone, storage.as_ref(), &jobs, &said) {
                    let why = error.to_string();
                    let _ = said.send(Said::Lost { zone, why });
                }
            })?;
        Ok(Self {
            work: Some(work),
            thread: Some(thread),
        })
    }

    /// Whether it was taken. A zone that is lost, or too far behind, takes nothing.
    pub(super) fn give(&self, work: Work) -> Result<(), &'static str> {
        let Some(sender) = &self.work else {
            return Err("it is lost");
        };
        sender.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => "it lags too far behind",
            TrySendError::Disconnected(_) => "it is lost",
        })
    }
}

impl ZoneWriter {
    /// Lets it end by itself: it may hang in a write that never returns.
    pub(super) fn abandon(mut self) {
        self.work = None;
        self.thread = None;
    }
}

impl Drop for ZoneWriter {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    zone: usize,
    storage: &dyn Zone,
    jobs: &Receiver<Work>,
    said: &Sender<Said>,
) -> std::io::Result<()> {
    let mut frames: Option<Box<dyn Frames>> = None;
    let mut next = jobs.recv().ok();
    while let Some(work) = next.take() {
        match work {
            Work::Begin(first) => frames = Some(storage.begin(&WalFile::path(first))?),
            Work::Frame(mut last, first) => {
                // What waited behind it goes with it, so that a zone that lagged catches up.
                let mut waiting = Vec::new();
                while let Ok(work) = jobs.try_recv() {
                    match work {
                        Work::Frame(sequence, frame) => {
                            last = sequence;
                            waiting.push(frame);
                        }
                        begin => {
                            next = Some(begin);
                            break;
                        }
                    }
                }
                let file = frames
                    .as_mut()
                    .ok_or_else(|| std::io::Error::other("no file was begun"))?;
                if waiting.is_empty() {
                    file.append(&first)?;
                } else {
                    let all: Vec<u8> = std::iter::once(&first)
                        .chain(&waiting)
                        .flat_map(|frame| frame.iter().copied())
                        .collect();
                    file.append(&all)?;
                }
                let sequence = last;
                if said.send(Said::Written { zone, sequence }).is_err() {
                    return Ok(());
                }
            }
        }
        if next.is_none() {
            next = jobs.recv().ok();
        }
    }
    Ok(())
}
