//! What a store remembers of one log while it is open.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::wal::EntryRecord;
use crate::{Frontier, Hash, Origin};

/// The folder of all logs.
pub(super) const FOLDER: &str = "log";

/// A log's folder in each zone.
#[must_use]
pub fn log_folder(origin: &Origin) -> String {
    let digest: [u8; 32] = Sha256::digest(origin.as_str()).into();
    let mut name = format!("{FOLDER}/");
    for byte in digest.iter().take(16) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// An entry that is not in tiles yet.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) event_id: Uuid,
    pub(super) leaf: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Tail {
    /// What it takes of a frame, and of memory.
    pub(super) fn bytes(&self) -> usize {
        self.leaf.len() + self.payload.len() + 64
    }

    pub(super) fn record(&self, log: u32) -> EntryRecord<'_> {
        EntryRecord {
            log,
            event_id: self.event_id,
            leaf: &self.leaf,
            payload: &self.payload,
        }
    }
}

/// A log: its frontier, and what is not in tiles yet. Under a kilobyte but for that.
#[derive(Debug)]
pub(super) struct LogState {
    pub(super) frontier: Frontier,
    /// The greatest event id so far.
    pub(super) last: Uuid,
    /// Its number in the file of frames in hand.
    pub(super) number: Option<u32>,
    /// Its place in the batch in hand.
    pub(super) in_hand: Option<u32>,
    /// The entries since the last cut.
    pub(super) tail: Vec<Tail>,
    /// The size up to which its entries are in tiles for sure.
    pub(super) integrated: u64,
    /// The greatest event id of those.
    pub(super) integrated_last: Uuid,
    /// The leaf hashes of the others.
    pub(super) hashes: Vec<Hash>,
    /// Where the others stand, by event id.
    pub(super) recent: BTreeMap<Uuid, u64>,
}

impl LogState {
    pub(super) fn new(frontier: Frontier, last: Uuid) -> Self {
        Self {
            integrated: frontier.size(),
            frontier,
            last,
            number: None,
            in_hand: None,
            tail: Vec::new(),
            integrated_last: last,
            hashes: Vec::new(),
            recent: BTreeMap::new(),
        }
    }

    /// Takes an entry at the log's end. The frontier grows when the batch is whole.
    pub(super) fn push(&mut self, leaf_hash: Hash, entry: Tail) {
        if !entry.event_id.is_nil() {
            let index = self.integrated + self.hashes.len() as u64;
            self.recent.insert(entry.event_id, index);
            self.last = self.last.max(entry.event_id);
        }
        self.hashes.push(leaf_hash);
        self.tail.push(entry);
    }

    /// Its entries are in tiles up to this size, whose greatest event id is this.
    pub(super) fn integrated(&mut self, size: u64, last: Uuid) {
        let more = size.saturating_sub(self.integrated);
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        self.hashes.drain(..more.min(self.hashes.len()));
        self.integrated = size;
        self.integrated_last = last;
        self.recent.retain(|_, index| *index >= size);
        if self.hashes.is_empty() {
            self.hashes.shrink_to_fit();
            // An emptied map keeps a node, and there may be very many logs.
            self.recent = BTreeMap::new();
        }
    }
}
