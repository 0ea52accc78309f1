//! A batch between being gathered and being acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::SyncSender;

use super::{AppendError, Appended};
use crate::{Hash, InclusionProof, Origin, SignedBatch};

pub(super) type Answer = SyncSender<Result<Appended, AppendError>>;

/// Who waits for what.
#[derive(Default)]
pub(super) struct BatchInHand {
    logs: HashMap<Origin, BatchLog>,
    answers: Vec<(Origin, u64, Answer)>,
    is_fresh: bool,
}

/// What a batch does to one log.
#[derive(Default)]
pub(super) struct BatchLog {
    /// The size before the batch.
    pub(super) start: u64,
    /// The leaf hashes of its new entries.
    pub(super) leaves: Vec<Hash>,
    /// Their proofs.
    pub(super) proofs: Vec<InclusionProof>,
    /// Entries that were there before, or stand in the batch twice: where, and their proofs.
    pub(super) known: BTreeMap<u64, Option<(Hash, InclusionProof)>>,
    /// Its line in the signed batch.
    pub(super) line: usize,
}

impl BatchLog {
    /// An entry's leaf hash and proof, whether it is new or was known.
    fn proof(&self, index: u64) -> Option<(Hash, &InclusionProof)> {
        if let Some(known) = self.known.get(&index) {
            let (leaf, proof) = known.as_ref()?;
            return Some((*leaf, proof));
        }
        let offset = usize::try_from(index.checked_sub(self.start)?).ok()?;
        let leaf = self.leaves.get(offset)?;
        Some((*leaf, self.proofs.get(offset)?))
    }
}

impl BatchInHand {
    pub(super) fn fresh(&mut self, origin: &Origin, size: u64, leaf: Hash, answer: Answer) -> u64 {
        self.is_fresh = true;
        let log = self.log(origin, size);
        let index = log.start + log.leaves.len() as u64;
        log.leaves.push(leaf);
        self.answers.push((origin.clone(), index, answer));
        index
    }

    pub(super) fn known(&mut self, origin: &Origin, size: u64, index: u64, answer: Answer) {
        self.log(origin, size).known.insert(index, None);
        self.answers.push((origin.clone(), index, answer));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether there is anything to be written.
    pub(super) const fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    pub(super) fn logs(&mut self) -> &mut HashMap<Origin, BatchLog> {
        &mut self.logs
    }

    pub(super) fn fail(self, error: &AppendError) {
        for (_, _, answer) in self.answers {
            let _ = answer.send(Err(error.again()));
        }
    }

    /// Answers everyone: each entry is in so many zones at least.
    pub(super) fn acknowledge(self, signed: &SignedBatch, zones: u8) {
        for (origin, index, answer) in &self.answers {
            let receipt = self.logs.get(origin).and_then(|log| {
                let (leaf, proof) = log.proof(*index)?;
                signed.receipt(log.line, leaf, proof).ok()
            });
            // The caller may be gone; the entry is there all the same.
            let _ = answer.send(match receipt {
                Some(receipt) => Ok(Appended { receipt, zones }),
                None => Err(AppendError::Busy(super::RETRY_AFTER)),
            });
        }
    }

    fn log(&mut self, origin: &Origin, size: u64) -> &mut BatchLog {
        if !self.logs.contains_key(origin) {
            let start = BatchLog {
                start: size,
                ..BatchLog::default()
            };
            self.logs.insert(origin.clone(), start);
        }
        self.logs.entry(origin.clone()).or_default()
    }
}
