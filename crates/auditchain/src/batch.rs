//! The batch note: one signature over the new checkpoints of many logs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::frontier::Frontier;
use crate::growth::Growth;
use crate::lines::{Lines, decimal};
use crate::{
    Checkpoint, CheckpointError, Hash, InclusionProof, Note, NoteError, Receipt, ReceiptError,
    Signer,
};

/// The first line of a batch note.
pub const BATCH_LABEL: &str = "strongroom.dev/audit-batch/v1";

/// The most lines of a batch, so that a receipt's path has at most 16 hashes.
pub const MAX_BATCH_LINES: usize = 1 << 16;

/// What a batch says of one log; its text is the text of the log's checkpoint.
pub type BatchLine = Checkpoint;

/// A signed batch: the note, and where each line stands under its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBatch {
    lines: Vec<BatchLine>,
    tree: Growth,
    note: Arc<Note>,
}

/// Why a batch is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is nothing to sign.
    #[error("batch: no lines")]
    Empty,
    /// More than [`MAX_BATCH_LINES`].
    #[error("batch: more than 65536 lines")]
    TooManyLines,
    /// Two lines of one log.
    #[error("batch: two lines of one origin")]
    RepeatedOrigin,
    /// A line that no checkpoint could say.
    #[error(transparent)]
    Line(#[from] CheckpointError),
    /// No zones, in which nothing can be durable.
    #[error("batch: no zones")]
    NoZones,
    /// Signing failed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Signs several logs' new sizes and roots at once (audit-receipt, "Batch note").
///
/// `zones` is in how many zones every entry of the lines is durable, at least: 1 for a single disk.
///
/// # Errors
/// [`BatchError`]; nothing is signed then.
///
/// # Security
/// A line binds its log as a checkpoint does: see [`Checkpoint::sign`]. And the number of zones is a
/// promise: hand nothing of the batch out before it holds.
pub fn sign_batch(
    lines: &[BatchLine],
    zones: u8,
    signer: &dyn Signer,
) -> Result<SignedBatch, BatchError> {
    sign_lines(lines.to_vec(), zones, signer)
}

/// The same of lines that nobody else needs.
pub(crate) fn sign_lines(
    lines: Vec<BatchLine>,
    zones: u8,
    signer: &dyn Signer,
) -> Result<SignedBatch, BatchError> {
    if zones == 0 {
        return Err(BatchError::NoZones);
    }
    if lines.is_empty() {
        return Err(BatchError::Empty);
    }
    if lines.len() > MAX_BATCH_LINES {
        return Err(BatchError::TooManyLines);
    }
    let mut origins = HashSet::with_capacity(lines.len());
    let mut leaves = Vec::with_capacity(lines.len());
    for line in &lines {
        // Two lines of one log in one note could be two histories under one signature.
        if !origins.insert(&line.origin) {
            return Err(BatchError::RepeatedOrigin);
        }
        leaves.push(Hash::of_leaf(line.to_text()?.as_bytes()));
    }
    let (tree, growth) = Frontier::new().grow(&leaves);
    drop(origins);
    let text = format!(
        "{BATCH_LABEL}\n{}\n{}\nzones {zones}\n",
        tree.size(),
        tree.root()
    );
    Ok(SignedBatch {
        lines,
        tree: growth,
        note: Arc::new(Note::sign(&text, signer)?),
    })
}

impl SignedBatch {
    /// The signed note.
    #[must_use]
    pub fn note(&self) -> String {
        self.note.to_string()
    }

    pub(crate) fn signed_note(&self) -> &Note {
        &self.note
    }

    /// The lines, in the order in which they were given.
    #[must_use]
    pub fn lines(&self) -> &[BatchLine] {
        &self.lines
    }

    /// Where a line stands in the tree over all of them; none if there is no such line.
    #[must_use]
    pub fn path(&self, line: usize) -> Option<InclusionProof> {
        self.tree.prove(u64::try_from(line).ok()?)
    }

    /// The receipt of one entry, given its leaf hash and its proof in the tree of this line.
    ///
    /// # Errors
    /// [`ReceiptError`] if there is no such line, or the proof does not lead to its root.
    pub fn receipt(
        &self,
        line: usize,
        leaf: Hash,
        inclusion: &InclusionProof,
    ) -> Result<Receipt, ReceiptError> {
        let (Some(checkpoint), Some(path)) = (self.lines.get(line), self.path(line)) else {
            return Err(ReceiptError::LineIndex);
        };
        Receipt::new(
            checkpoint,
            leaf,
            inclusion.clone(),
            path,
            Arc::clone(&self.note),
        )
    }

    /// The receipt of an entry whose proof was made with this line's root, from one tree: a proof
    /// of a large log takes longer to verify than all else that an entry's receipt takes.
    #[cfg(feature = "std")]
    pub(crate) fn receipt_of_proved(
        &self,
        line: usize,
        leaf: Hash,
        inclusion: InclusionProof,
    ) -> Option<Receipt> {
        let (checkpoint, path) = (self.lines.get(line)?, self.path(line)?);
        let note = Arc::clone(&self.note);
        Some(Receipt::of_proved(checkpoint, leaf, inclusion, path, note))
    }
}

/// What a batch note's text says.
pub(crate) struct BatchText {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) zones: u8,
}

impl BatchText {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = Lines::new(text);
        if lines.line()? != BATCH_LABEL {
            return None;
        }
        let size = decimal(lines.line()?)?;
        let root = lines.line()?.parse().ok()?;
        let zones = decimal(lines.keyed("zones")?)?;
        let zones = u8::try_from(zones).ok().filter(|zones| *zones > 0)?;
        let most = u64::try_from(MAX_BATCH_LINES).ok()?;
        let whole = lines.rest().is_empty() && (1..=most).contains(&size);
        whole.then_some(Self { size, root, zones })
    }
}
