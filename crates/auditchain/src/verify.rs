//! The verification pass: a whole log, entry by entry, against all that was signed about it.

use std::collections::VecDeque;

use crate::{
    Checkpoint, CheckpointError, Finding, Frontier, Hash, LeafView, Note, Origin, VerifierKey,
};

/// The most findings that a report lists; the rest are counted.
pub const MAX_FINDINGS: usize = 64;

/// One entry as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredEntry<'a> {
    /// Its index, from 0.
    pub index: u64,
    /// The leaf's bytes.
    pub leaf: &'a [u8],
    /// The leaf hash that is stored beside them.
    pub leaf_hash: Hash,
}

/// What a pass has seen and found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// The log.
    pub origin: Origin,
    /// How many entries were read.
    pub entries: u64,
    /// How many checkpoints were given.
    pub checkpoints: usize,
    /// How many entries are covered by a signed checkpoint that their stored hashes match.
    pub covered: u64,
    /// The findings in the order in which they came up, checkpoints first; at most
    /// [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many findings are not listed.
    pub omitted: u64,
}

/// The log is not what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("audit log not intact: {first}")]
pub struct NotIntact {
    /// The first finding.
    pub first: Finding,
}

/// The verification pass, fed entry by entry.
///
/// Between two entries it keeps a [`Frontier`] and the checkpoints still to come, nothing of the
/// entries. [`verify_log`] feeds it from an iterator.
#[derive(Debug)]
pub struct LogVerifier {
    report: Report,
    /// The sizes and roots that are signed and still to come, ascending.
    expected: VecDeque<(u64, Hash)>,
    head: Option<(u64, Hash)>,
    /// Whether the head is what the entries gave at its size.
    head_holds: bool,
    tree: Frontier,
    next: u64,
    /// Whether the stored hashes may still add up to what was signed.
    comparable: bool,
}

/// Verifies a log's entries, in order, against its checkpoints, oldest first, and against the head
/// (size and root) that is stored with it.
///
/// ```
/// use strongroom_auditchain::{
///     Checkpoint, Ed25519Signer, Finding, Hash, Origin, StoredEntry, root, verify_log,
/// };
///
/// let origin: Origin = "audit.example.com/t/acme".parse()?;
/// let signer = Ed25519Signer::from_seed(origin.as_str(), &[1; 32])?;
/// # let leaf: &[u8] = b"a";
/// let leaf_hash = Hash::of_leaf(leaf);
/// let signed = Checkpoint { origin, size: 1, root: root(&[leaf_hash]) };
/// let notes = [signed.sign(&signer)?];
///
/// // Somebody changed the bytes of entry 0.
/// let rows = [StoredEntry { index: 0, leaf: b"b", leaf_hash }];
/// let report = verify_log(&signed.origin, signer.verifier_key(), rows, &notes, None);
/// assert_eq!(report.findings, [Finding::Leaf { index: 0 }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// Entries after the last checkpoint are held by the head alone, which nobody signed;
/// [`Report::covered`] says how far the signatures reach. And a log that was rewritten together
/// with all its checkpoints by whoever has the key verifies: give checkpoints that were kept
/// elsewhere.
pub fn verify_log<'a>(
    origin: &Origin,
    key: &VerifierKey,
    entries: impl IntoIterator<Item = StoredEntry<'a>>,
    checkpoints: &[String],
    head: Option<(u64, Hash)>,
) -> Report {
    let mut verifier = LogVerifier::new(origin, key, checkpoints, head);
    for entry in entries {
        verifier.push(&entry);
    }
    verifier.finish()
}

impl LogVerifier {
    /// Begins a pass, and verifies the checkpoints' signatures and order.
    #[must_use]
    pub fn new(
        origin: &Origin,
        key: &VerifierKey,
        checkpoints: &[String],
        head: Option<(u64, Hash)>,
    ) -> Self {
        let mut pass = Self {
            report: Report {
                origin: origin.clone(),
                entries: 0,
                checkpoints: checkpoints.len(),
                covered: 0,
                findings: Vec::new(),
                omitted: 0,
            },
            expected: VecDeque::with_capacity(checkpoints.len()),
            head,
            head_holds: false,
            tree: Frontier::new(),
            next: 0,
            comparable: true,
        };
        for (position, note) in checkpoints.iter().enumerate() {
            pass.report.expect(&mut pass.expected, position, note, key);
        }
        pass.compare();
        pass
    }

    /// Takes the next entry.
    pub fn push(&mut self, entry: &StoredEntry<'_>) {
        self.report.entries += 1;
        if entry.index > self.next {
            self.find(Finding::Missing { index: self.next });
            self.comparable = false;
        } else if entry.index < self.next {
            self.find(Finding::Repeated { index: entry.index });
            return;
        }
        self.next = entry.index.saturating_add(1);
        if Hash::of_leaf(entry.leaf) != entry.leaf_hash {
            self.find(Finding::Leaf { index: entry.index });
        } else if LeafView::parse(entry.leaf).is_err() {
            self.find(Finding::MalformedLeaf { index: entry.index });
        }
        if self.comparable {
            // The stored hash, not the computed one: where only the bytes were changed, the tree
            // still adds up, and the entry that was changed is named exactly.
            self.tree.push(entry.leaf_hash);
            self.compare();
        }
    }

    /// Ends the pass.
    pub fn finish(mut self) -> Report {
        let have = self.next;
        let last = self.expected.back().map_or(0, |(size, _)| *size);
        let head = self.head.map_or(0, |(size, _)| size);
        if last.max(head) > have {
            let signed = last.max(head);
            self.find(Finding::Truncated { have, signed });
        }
        if self.head.is_some() {
            if head < have {
                self.find(Finding::BeyondHead { have, head });
            }
            if self.comparable && head <= have && !self.head_holds {
                let from = self.report.covered;
                self.find(if from < head {
                    Finding::Interval { from, to: head }
                } else {
                    Finding::Head { size: head }
                });
            }
        }
        self.report
    }

    /// Compares the tree with whatever is said of it at its present size.
    fn compare(&mut self) {
        let size = self.tree.size();
        let head = self.head.filter(|(head, _)| *head == size);
        if head.is_none() && self.expected.front().is_none_or(|(next, _)| *next != size) {
            return;
        }
        let root = self.tree.root();
        self.head_holds |= head == Some((size, root));
        while let Some((_, signed)) = self.expected.pop_front_if(|(next, _)| *next == size) {
            if signed != root {
                // Nothing after it can match either.
                self.comparable = false;
                self.find(Finding::Interval {
                    from: self.report.covered,
                    to: size,
                });
                return;
            }
            self.report.covered = size;
        }
    }

    fn find(&mut self, finding: Finding) {
        self.report.find(finding);
    }
}

impl Report {
    /// Whether nothing was found.
    ///
    /// # Errors
    /// [`NotIntact`] with the first finding.
    pub fn intact(&self) -> Result<(), NotIntact> {
        match self.findings.first() {
            None => Ok(()),
            Some(first) => Err(NotIntact { first: *first }),
        }
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    /// Verifies a checkpoint and puts it behind those that are expected; what it says.
    pub(crate) fn expect(
        &mut self,
        expected: &mut VecDeque<(u64, Hash)>,
        position: usize,
        note: &str,
        key: &VerifierKey,
    ) -> Option<Checkpoint> {
        let Ok(checkpoint) = Checkpoint::verify(note, key, &self.origin) else {
            let size = claimed_size(note).ok();
            self.find(Finding::CheckpointSignature { position, size });
            return None;
        };
        let Checkpoint { size, root, .. } = checkpoint;
        let place = expected.partition_point(|(other, _)| *other < size);
        let known = expected.get(place);
        if known.is_some_and(|(other, signed)| *other == size && *signed != root) {
            self.find(Finding::Fork { size });
            return None;
        }
        if expected.back().is_some_and(|(last, _)| *last > size) {
            self.find(Finding::CheckpointOrder { position, size });
            return None;
        }
        expected.push_back((size, root));
        Some(checkpoint)
    }
}

/// What an unverified note says its size is, to find it again among its fellows.
fn claimed_size(note: &str) -> Result<u64, CheckpointError> {
    let note: Note = note.parse()?;
    Ok(note.unverified_text().parse::<Checkpoint>()?.size)
}
