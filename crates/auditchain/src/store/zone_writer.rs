//! A zone's writer: a thread of its own, so that zones are written side by side.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::history::WalFile;
use super::zone::{Frames, Zone};

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
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl ZoneWriter {
    pub(super) fn start(
        zone: usize,
        storage: Arc<dyn Zone>,
        said: Sender<Said>,
    ) -> io::Result<Self> {
        let (work, jobs) = channel();
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

    /// Whether it was taken. A zone that is lost takes nothing.
    pub(super) fn give(&self, work: Work) -> bool {
        self.work.as_ref().is_some_and(|it| it.send(work).is_ok())
    }

    /// It ends once it has written what it was given.
    pub(super) fn close(&mut self) {
        self.work = None;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

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

/// Each frame is flushed by itself, however many wait behind it: a later one says that earlier ones
/// were acknowledged, and must not be on disk before they are.
fn run(
    zone: usize,
    storage: &dyn Zone,
    jobs: &Receiver<Work>,
    said: &Sender<Said>,
) -> io::Result<()> {
    let mut frames: Option<Box<dyn Frames>> = None;
    while let Ok(work) = jobs.recv() {
        match work {
            Work::Begin(first) => frames = Some(storage.begin(&WalFile::path(first))?),
            Work::Frame(sequence, frame) => {
                let file = frames.as_mut();
                let file = file.ok_or_else(|| io::Error::other("no file was begun"))?;
                file.append(&frame)?;
                if said.send(Said::Written { zone, sequence }).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
