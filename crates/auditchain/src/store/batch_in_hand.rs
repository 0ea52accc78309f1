//! A batch between being gathered and being acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::Answer;
use super::logs::OpenLog;
use super::{AppendError, Appended};
use crate::growth::Growth;
use crate::{Hash, InclusionProof, Origin, Receipt, SignedBatch};

/// Who waits for what.
#[derive(Default)]
pub(super) struct BatchInHand {
    logs: Vec<BatchLog>,
    /// Which log, which entry, and who waits for it.
    answers: Vec<(usize, u64, Answer)>,
    is_fresh: bool,
}

/// Entries by index, each with its leaf hash and its proof if it could be proved.
pub(super) type Known = BTreeMap<u64, Option<(Hash, InclusionProof)>>;

/// What a batch does to one log.
#[derive(Debug)]
pub(super) struct BatchLog {
    /// Its number among the logs that are loaded.
    pub(super) number: usize,
    pub(super) origin: Origin,
    /// The size before the batch.
    start: u64,
    /// The leaf hashes of its new entries.
    pub(super) leaves: Vec<Hash>,
    /// What they add to its tree.
    pub(super) growth: Option<Growth>,
    /// Entries that were there before: where, and their proofs.
    pub(super) known: Known,
    /// Its line in the signed batch.
    pub(super) line: usize,
}

/// A batch that is durable.
#[derive(Debug)]
struct Durable {
    logs: Vec<BatchLog>,
    signed: SignedBatch,
    zones: u8,
}

/// An entry's place in a durable batch. Its receipt is put together by whoever waited for it: the
/// committer has the next batch to see to.
#[derive(Debug)]
pub(super) struct Place {
    batch: Arc<Durable>,
    log: usize,
    index: u64,
}

impl Place {
    pub(super) fn appended(&self) -> Result<Appended, AppendError> {
        let batch = &self.batch;
        let log = batch.logs.get(self.log);
        let receipt = log.and_then(|log| log.receipt(self.index, &batch.signed));
        let receipt = receipt.ok_or(AppendError::Busy(super::RETRY_AFTER))?;
        let zones = batch.zones;
        Ok(Appended { receipt, zones })
    }
}

impl BatchLog {
    /// An entry's receipt, whether it is new or was known.
    fn receipt(&self, index: u64, signed: &SignedBatch) -> Option<Receipt> {
        let Some(offset) = index.checked_sub(self.start) else {
            let (leaf, proof) = self.known.get(&index)?.as_ref()?;
            // It was made from what is on disk.
            return signed.receipt(self.line, *leaf, proof).ok();
        };
        let leaf = self.leaves.get(usize::try_from(offset).ok()?)?;
        let proof = self.growth.as_ref()?.prove(index)?;
        signed.receipt_of_proved(self.line, *leaf, proof)
    }
}

impl BatchInHand {
    /// Takes a new entry.
    pub(super) fn fresh(&mut self, log: &mut OpenLog<'_>, leaf: Hash, answer: Answer) {
        self.is_fresh = true;
        let place = self.place(log);
        if let Some(log) = self.logs.get_mut(place) {
            let index = log.start + log.leaves.len() as u64;
            log.leaves.push(leaf);
            self.answers.push((place, index, answer));
        }
    }

    pub(super) fn known(&mut self, log: &mut OpenLog<'_>, index: u64, answer: Answer) {
        let place = self.place(log);
        if let Some(log) = self.logs.get_mut(place) {
            // What stands in the batch twice is proved as all that is new.
            if index < log.start {
                log.known.insert(index, None);
            }
            self.answers.push((place, index, answer));
        }
    }

    pub(super) fn with_capacity(entries: usize) -> Self {
        Self {
            answers: Vec::with_capacity(entries),
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether there is anything to be written.
    pub(super) const fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    pub(super) fn logs(&mut self) -> &mut [BatchLog] {
        &mut self.logs
    }

    pub(super) fn fail(self, error: &AppendError) {
        for (_, _, answer) in self.answers {
            answer.give(Err(error.again()));
        }
    }

    /// Answers everyone: each entry is in so many zones at least.
    pub(super) fn acknowledge(self, signed: SignedBatch, zones: u8) {
        let batch = Arc::new(Durable {
            logs: self.logs,
            signed,
            zones,
        });
        Answer::give_all(self.answers.into_iter().map(|(log, index, answer)| {
            let batch = Arc::clone(&batch);
            (answer, Ok(Place { batch, log, index }))
        }));
    }

    /// A log's place in this batch.
    fn place(&mut self, log: &mut OpenLog<'_>) -> usize {
        if let Some(place) = log.state.in_hand {
            return place as usize;
        }
        let place = self.logs.len();
        log.state.in_hand = u32::try_from(place).ok();
        self.logs.push(BatchLog {
            number: log.number,
            origin: log.origin.clone(),
            start: log.state.frontier.size(),
            leaves: Vec::new(),
            growth: None,
            known: BTreeMap::new(),
            line: 0,
        });
        place
    }
}
