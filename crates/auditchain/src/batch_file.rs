//! The batch file: a batch note with all its lines, `docs/spec/audit-receipt.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::batch::BatchText;
use crate::frontier::Frontier;
use crate::lines::Lines;
use crate::note::MAX_NOTE_BYTES;
use crate::{
    BatchLine, Checkpoint, CheckpointError, Hash, MAX_BATCH_LINES, Note, NoteError, Origin,
    SignedBatch, VerifierKey,
};

/// The longest line of a batch: an origin, a size and a root, each with its line feed.
const MAX_LINE_BYTES: usize = 255 + 1 + 19 + 1 + 44 + 1;

/// The longest batch file, in bytes of its text: 20.1 MiB.
pub const MAX_BATCH_FILE_BYTES: usize = MAX_NOTE_BYTES + 1 + MAX_BATCH_LINES * MAX_LINE_BYTES;

/// A batch note followed by its lines, parsed and not yet verified.
///
/// Kept apart from the logs' own store, batch files say what was signed of each log: a database
/// that was rolled back has less than its last line says.
///
/// ```
/// use strongroom_auditchain::{BatchFile, BatchLine, Ed25519Signer, Hash, sign_batch};
///
/// let signer = Ed25519Signer::from_seed("audit.example.com/batch", &[1; 32])?;
/// let line = BatchLine {
///     origin: "audit.example.com/t/acme".parse()?,
///     size: 1,
///     root: Hash::of_leaf(b"a"),
/// };
/// let text = BatchFile::from(&sign_batch(std::slice::from_ref(&line), 1, &signer)?).to_string();
///
/// let file: BatchFile = text.parse()?;
/// let verified = file.verify(signer.verifier_key())?;
/// assert_eq!(verified.line(&line.origin), Some(&line));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFile {
    note: Note,
    lines: Vec<BatchLine>,
}

/// Lines that are all that one batch note signed; only [`BatchFile::verify`] makes it.
#[derive(Clone, Debug)]
pub struct VerifiedBatch<'a> {
    zones: u8,
    lines: &'a [BatchLine],
    by_origin: BTreeMap<&'a Origin, &'a BatchLine>,
}

/// Why a batch file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchFileError {
    /// Longer than [`MAX_BATCH_FILE_BYTES`].
    #[error("batch file: longer than 20.1 MiB")]
    TooLong,
    /// No empty line between text, signatures and lines.
    #[error("batch file: expected a note, an empty line and the batch's lines")]
    Framing,
    /// The batch note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is no batch note.
    #[error("batch file: the note is not of a batch")]
    NotABatch,
    /// A line of the batch.
    #[error("batch file: line {line}: {error}")]
    Line {
        /// Which line, from 0.
        line: u64,
        /// What is wrong with it.
        error: CheckpointError,
    },
    /// More lines, or fewer, than the note says.
    #[error("batch file: another number of lines than the note says")]
    Count,
    /// Two lines of one log.
    #[error("batch file: two lines of one origin")]
    RepeatedOrigin,
    /// The lines are not those that were signed.
    #[error("batch file: the lines are not the note's")]
    Root,
}

impl BatchFile {
    /// The batch note.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Verifies that the key signed exactly these lines, in this order.
    ///
    /// # Errors
    /// [`BatchFileError`] unless it did.
    pub fn verify(&self, batch_key: &VerifierKey) -> Result<VerifiedBatch<'_>, BatchFileError> {
        let signed = self.note.verify_author(batch_key)?;
        let batch = BatchText::parse(signed.text()).ok_or(BatchFileError::NotABatch)?;
        let mut tree = Frontier::new();
        let mut by_origin = BTreeMap::new();
        for (line, number) in self.lines.iter().zip(0..) {
            let error = |error| BatchFileError::Line {
                line: number,
                error,
            };
            tree.push(Hash::of_leaf(line.to_text().map_err(error)?.as_bytes()));
            // Two lines of one log could be two histories under one signature.
            if by_origin.insert(&line.origin, line).is_some() {
                return Err(BatchFileError::RepeatedOrigin);
            }
        }
        if tree.root() != batch.root {
            return Err(BatchFileError::Root);
        }
        Ok(VerifiedBatch {
            zones: batch.zones,
            lines: &self.lines,
            by_origin,
        })
    }
}

impl From<&SignedBatch> for BatchFile {
    fn from(batch: &SignedBatch) -> Self {
        Self {
            note: batch.signed_note().clone(),
            lines: batch.lines().to_vec(),
        }
    }
}

impl fmt::Display for BatchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.note)?;
        for line in &self.lines {
            writeln!(f, "{}\n{}\n{}", line.origin, line.size, line.root)?;
        }
        Ok(())
    }
}

impl FromStr for BatchFile {
    type Err = BatchFileError;

    /// Reads the form (audit-receipt, "Batch file"); says nothing about who signed it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_BATCH_FILE_BYTES {
            return Err(BatchFileError::TooLong);
        }
        // A batch note's text has no empty line: the first one ends it, the second its signatures.
        let framing = BatchFileError::Framing;
        let (note, rest) = text.split_once("\n\n").ok_or(framing)?;
        let (signatures, lines) = rest.split_once("\n\n").ok_or(framing)?;
        let note: Note = format!("{note}\n\n{signatures}\n").parse()?;
        let batch = BatchText::parse(note.unverified_text()).ok_or(BatchFileError::NotABatch)?;
        let mut rest = Lines::new(lines);
        let mut lines = Vec::new();
        for line in 0..batch.size {
            if rest.rest().is_empty() {
                return Err(BatchFileError::Count);
            }
            let error = |error| BatchFileError::Line { line, error };
            lines.push(Checkpoint::read(&mut rest).map_err(error)?);
        }
        if !rest.rest().is_empty() {
            return Err(BatchFileError::Count);
        }
        Ok(Self { note, lines })
    }
}

impl<'a> VerifiedBatch<'a> {
    /// In how many zones every entry of the lines is durable, as the operator says.
    #[must_use]
    pub const fn zones(&self) -> u8 {
        self.zones
    }

    /// All lines, in the order of the batch.
    #[must_use]
    pub const fn lines(&self) -> &'a [BatchLine] {
        self.lines
    }

    /// What the batch says of a log, if anything.
    #[must_use]
    pub fn line(&self, origin: &Origin) -> Option<&'a BatchLine> {
        self.by_origin.get(origin).copied()
    }
}
