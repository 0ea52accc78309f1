//! A batch between being gathered and being acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::answer::Answer;
use super::{AppendError, Appended};
use crate::{Hash, InclusionProof, Origin, Receipt, SignedBatch};

/// Who waits for what.
#[derive(Default)]
pub(super) struct BatchInHand {
    logs: Vec<BatchLog>,
    numbers: HashMap<Origin, usize>,
    /// Which log, which entry, and who waits for it.
    answers: Vec<(usize, u64, Answer)>,
    is_fresh: bool,
}

/// Entries by index, each with its leaf hash and its proof if it could be proved.
pub(super) type Known = BTreeMap<u64, Option<(Hash, InclusionProof)>>;

/// What a batch does to one log.
#[derive(Debug)]
pub(super) struct BatchLog {
    pub(super) origin: Origin,
    /// The size before the batch.
    start: u64,
    /// The leaf hashes of its new entries.
    pub(super) leaves: Vec<Hash>,
    /// Their proofs.
    pub(super) proofs: Vec<InclusionProof>,
    /// Entries that were there before, or stand in the batch twice: where, and their proofs.
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
        if let Some(known) = self.known.get(&index) {
            let (leaf, proof) = known.as_ref()?;
            // It was made from what is on disk.
            return signed.receipt(self.line, *leaf, proof).ok();
        }
        let offset = usize::try_from(index.checked_sub(self.start)?).ok()?;
        let leaf = self.leaves.get(offset)?;
        signed.receipt_of_proved(self.line, *leaf, self.proofs.get(offset)?)
    }
}

impl BatchInHand {
    /// Takes a new entry of a log that had this size before the batch.
    pub(super) fn fresh(&mut self, origin: &Origin, size: u64, leaf: Hash, answer: Answer) {
        self.is_fresh = true;
        let number = self.number(origin, size);
        if let Some(log) = self.logs.get_mut(number) {
            let index = log.start + log.leaves.len() as u64;
            log.leaves.push(leaf);
            self.answers.push((number, index, answer));
        }
    }

    pub(super) fn known(&mut self, origin: &Origin, size: u64, index: u64, answer: Answer) {
        let number = self.number(origin, size);
        if let Some(log) = self.logs.get_mut(number) {
            log.known.insert(index, None);
            self.answers.push((number, index, answer));
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
        for (log, index, answer) in self.answers {
            let batch = Arc::clone(&batch);
            answer.give(Ok(Place { batch, log, index }));
        }
    }

    /// A log's number in this batch.
    fn number(&mut self, origin: &Origin, size: u64) -> usize {
        if let Some(number) = self.numbers.get(origin) {
            return *number;
        }
        let number = self.logs.len();
        self.numbers.insert(origin.clone(), number);
        self.logs.push(BatchLog {
            origin: origin.clone(),
            start: size,
            leaves: Vec::new(),
            proofs: Vec::new(),
            known: BTreeMap::new(),
            line: 0,
        });
        number
    }
}
