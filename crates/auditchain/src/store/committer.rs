//! The committer: gathers what is queued into batches, and acknowledges each once it is durable in a
//! quorum.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::answer::Answer;
use super::batch_in_hand::BatchInHand;
use super::history::FILE_BYTES;
use super::inbox::{Inbox, Next};
use super::integration::CutLog;
use super::log_state::Tail;
use super::logs::Logs;
use super::quorum::Quorum;
use super::retry::is_same_event;
use super::wal::{FrameWriter, StoreId};
use super::{AppendError, Limits, locked};
use crate::batch::sign_lines;
use crate::{BatchLine, Hash, Origin, SignedBatch, Signer};

/// What the committer is told.
pub(super) enum Command {
    /// Begin a new file of frames, and hand out what the others hold.
    Cut(SyncSender<Result<Cut, AppendError>>),
    /// These logs' entries are in tiles up to these sizes, with these greatest event ids; so many
    /// bytes of them were cut.
    Integrated {
        logs: Vec<(Origin, u64, Uuid)>,
        bytes: usize,
    },
    /// What was cut could not be taken into tiles.
    Poison(String),
    /// Look which zones were lost.
    Look,
    Stop,
}

/// An entry on its way.
pub(super) struct Append {
    pub(super) origin: Origin,
    pub(super) entry: Tail,
    /// Hashed by whoever appends: the committer has all of them to see to.
    pub(super) leaf: Hash,
    pub(super) answer: Answer,
}

/// What is in files of frames that take no more.
pub(super) struct Cut {
    /// The epoch and sequence of their last frame.
    pub(super) base: (u64, u64),
    pub(super) logs: Vec<CutLog>,
    /// The bytes of their entries.
    pub(super) bytes: usize,
}

impl Append {
    pub(super) fn bytes(&self) -> usize {
        self.entry.bytes()
    }
}

/// What the committer and its store look at together.
#[derive(Default)]
pub(super) struct Shared {
    /// The bytes of what is durable and not in tiles yet.
    pub(super) behind: AtomicUsize,
    /// The newest line of each log that grew since they were last kept.
    pub(super) lines: Mutex<HashMap<Origin, BatchLine>>,
    /// Why nothing is appended any more, once that is so.
    pub(super) poisoned: Mutex<Option<String>>,
    /// The zones that are not in use, and why.
    pub(super) lost: Mutex<Vec<(usize, String)>>,
}

pub(super) struct Committer {
    pub(super) store: StoreId,
    pub(super) epoch: u64,
    /// The last frame's sequence.
    pub(super) sequence: u64,
    /// The frame up to which all are in a quorum.
    pub(super) acknowledged: u64,
    pub(super) quorum: Quorum,
    pub(super) logs: Logs,
    /// How many logs have a number in the file in hand.
    pub(super) numbered: u32,
    /// The bytes of the file in hand.
    pub(super) file_bytes: usize,
    /// The bytes of the entries since the last cut.
    pub(super) tail_bytes: usize,
    pub(super) signer: Arc<dyn Signer>,
    /// What its batches say: in how many zones each is durable, at least.
    pub(super) zones: u8,
    pub(super) limits: Limits,
    pub(super) shared: Arc<Shared>,
    /// Asks for what is written to be integrated.
    pub(super) full: Box<dyn Fn() + Send>,
}

impl Committer {
    pub(super) fn run(mut self, inbox: &Inbox) {
        let reader = inbox.reader();
        let mut expected = 1;
        let mut took = Duration::ZERO;
        loop {
            let linger = self.limits.linger.min(took / 4);
            match reader.next(expected, linger) {
                Next::Batch(batch) => {
                    expected = batch.len();
                    let began = Instant::now();
                    self.commit(batch);
                    took = began.elapsed();
                }
                Next::Command(Command::Cut(answer)) => {
                    let cut = self.cut();
                    let _ = answer.send(cut);
                }
                Next::Command(Command::Integrated { logs, bytes }) => {
                    self.logs.integrated(&logs);
                    self.shared.behind.fetch_sub(bytes, Ordering::Relaxed);
                }
                Next::Command(Command::Poison(why)) => *locked(&self.shared.poisoned) = Some(why),
                Next::Command(Command::Look) => self.note_losses(),
                Next::Command(Command::Stop) => break,
            }
        }
        // So that nobody takes the last frame for one that may have been cut off.
        if self.poisoned().is_none() {
            let mut frame = FrameWriter::new();
            frame.stop();
            let _ = self.write(frame);
        }
    }

    /// Writes a batch, and answers everyone in it.
    fn commit(&mut self, batch: Vec<Append>) {
        let bytes = batch.iter().map(Append::bytes).sum();
        if let Some(why) = self.poisoned() {
            for append in batch {
                append.answer.give(Err(AppendError::Poisoned(why.clone())));
            }
            return;
        }
        if let Err(error) = self.logs.zones.source() {
            let error = AppendError::Read(Arc::new(error));
            for append in batch {
                append.answer.give(Err(error.again()));
            }
            return;
        }
        let before = self.tail_bytes;
        let mut hand = BatchInHand::with_capacity(batch.len());
        let mut frame = FrameWriter::with_capacity(bytes);
        for append in batch {
            self.place(append, &mut frame, &mut hand);
        }
        let grown = self.tail_bytes - before;
        self.shared.behind.fetch_add(grown, Ordering::Relaxed);
        // A log that was opened for the first time may have shown that a zone is damaged.
        self.note_losses();
        if hand.is_empty() {
            return;
        }
        let sequence = hand.is_fresh().then(|| self.send(frame));
        // While the zones write: nothing of it leaves before they have.
        let signed = self.sign(&mut hand);
        if let Some(sequence) = sequence
            && let Err(error) = self.await_quorum(sequence)
        {
            return hand.fail(&error);
        }
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return hand.fail(&error),
        };
        let mut lines = locked(&self.shared.lines);
        for line in signed.lines() {
            match lines.get_mut(&line.origin) {
                Some(newest) => (newest.size, newest.root) = (line.size, line.root),
                None => drop(lines.insert(line.origin.clone(), line.clone())),
            }
        }
        drop(lines);
        hand.acknowledge(signed, self.zones);
        if self.tail_bytes >= FILE_BYTES.min(self.limits.behind_bytes / 2) {
            (self.full)();
        }
        // However long integration takes, no file grows beyond what an opening reads. What keeps
        // the next from being begun has poisoned the store.
        if self.file_bytes >= FILE_BYTES {
            let _ = self.begin();
        }
    }

    /// Gives an entry its place in its log, or finds the one that it has already.
    fn place(&mut self, append: Append, frame: &mut FrameWriter, hand: &mut BatchInHand) {
        let Append {
            origin,
            entry,
            leaf,
            answer,
        } = append;
        let found = self.logs.open(&origin).and_then(|log| {
            let known = log.find(&entry.event_id)?;
            Ok((log, known))
        });
        let (mut log, known) = match found {
            Ok(found) => found,
            Err(error) => {
                answer.give(Err(error));
                return;
            }
        };
        if let Some((index, before)) = known {
            let same = if leaf == before {
                Ok(true)
            } else {
                let there = log.leaf(index);
                there.map(|there| is_same_event(&there, &entry.leaf))
            };
            match same {
                Ok(true) => hand.known(&mut log, index, answer),
                Ok(false) => answer.give(Err(AppendError::Conflict { index })),
                Err(error) => answer.give(Err(error)),
            }
            return;
        }
        hand.fresh(&mut log, leaf, answer);
        let state = log.state;
        let number = *state.number.get_or_insert_with(|| {
            let number = self.numbered;
            self.numbered = number.saturating_add(1);
            frame.log(number, &origin, &state.frontier, &state.last);
            number
        });
        frame.entry(&entry.record(number));
        self.tail_bytes += entry.bytes();
        state.push(leaf, entry);
    }

    /// Grows the logs of the batch in memory, and signs their new lines at once.
    fn sign(&mut self, hand: &mut BatchInHand) -> Result<SignedBatch, AppendError> {
        let mut lines = Vec::with_capacity(hand.logs().len());
        for log in hand.logs() {
            let opened = self.logs.opened(log.number, &log.origin);
            // Its frame is on its way.
            let gone = || AppendError::Unknown("a log is not loaded any more".to_owned());
            let opened = opened.ok_or_else(gone)?;
            opened.state.in_hand = None;
            let (grown, growth) = opened.state.frontier.grow(&log.leaves);
            let root = growth.root().unwrap_or_else(|| grown.root());
            opened.state.frontier = grown;
            log.growth = Some(growth);
            if !log.known.is_empty() {
                // One that cannot be proved now leaves its own caller without a receipt.
                opened.prove(&mut log.known);
            }
            log.line = lines.len();
            lines.push(BatchLine {
                origin: log.origin.clone(),
                size: opened.state.frontier.size(),
                root,
            });
        }
        sign_lines(lines, self.zones, self.signer.as_ref())
            .map_err(|error| AppendError::Sign(Arc::new(error)))
    }

    /// Sends a frame to every zone that is in use; answers its sequence.
    fn send(&mut self, frame: FrameWriter) -> u64 {
        let sequence = self.sequence + 1;
        let bytes = frame.finish(&self.store, self.epoch, sequence, self.acknowledged);
        self.file_bytes += bytes.len();
        self.sequence = sequence;
        self.quorum.give(sequence, &Arc::new(bytes));
        sequence
    }

    fn await_quorum(&mut self, sequence: u64) -> Result<(), AppendError> {
        let reached = self.quorum.wait(sequence);
        self.note_losses();
        match reached {
            Ok(()) => {
                self.acknowledged = sequence;
                Ok(())
            }
            Err(why) => {
                *locked(&self.shared.poisoned) = Some(why.clone());
                Err(AppendError::Unknown(why))
            }
        }
    }

    /// Writes a frame of the committer's own.
    fn write(&mut self, frame: FrameWriter) -> Result<(), AppendError> {
        let sequence = self.send(frame);
        self.await_quorum(sequence)
    }

    /// Begins a new file, and hands out what was written before it.
    fn cut(&mut self) -> Result<Cut, AppendError> {
        if let Some(why) = self.poisoned() {
            return Err(AppendError::Poisoned(why));
        }
        let base = (self.epoch, self.sequence);
        self.begin()?;
        let states = self.logs.states();
        let logs = states.filter_map(|(origin, state)| CutLog::take(origin, state));
        Ok(Cut {
            base,
            logs: logs.collect(),
            bytes: std::mem::take(&mut self.tail_bytes),
        })
    }

    /// Begins the epoch: its first frame must be where any opening to come will see it.
    pub(super) fn open(&mut self, zones: usize) -> Result<(), AppendError> {
        let needed = self.quorum.needed();
        self.quorum.need(needed.max(zones - needed + 1));
        let begun = self.begin();
        self.quorum.need(needed);
        begun
    }

    /// Begins a file of frames, with a frame that says nothing.
    fn begin(&mut self) -> Result<(), AppendError> {
        self.quorum.begin(self.sequence + 1);
        self.numbered = 0;
        self.file_bytes = 0;
        self.logs.states().for_each(|(_, log)| log.number = None);
        self.write(FrameWriter::new())
    }

    fn poisoned(&self) -> Option<String> {
        locked(&self.shared.poisoned).clone()
    }

    fn note_losses(&mut self) {
        for (zone, why) in self.logs.zones.news() {
            self.quorum.lose(zone, why);
        }
        if let Some(news) = self.quorum.losses() {
            for (zone, why) in &news {
                self.logs.zones.lose(*zone, why);
            }
            *locked(&self.shared.lost) = news;
        }
    }
}
