//! Checkpoints: C2SP tlog-checkpoint, a log's size and root as a signed note.

use std::str::FromStr;

use crate::lines::{Lines, decimal};
use crate::merkle::MAX_TREE_SIZE;
use crate::{Hash, Note, NoteError, Origin, Signer, VerifierKey};

/// What a log says of itself at one size: its origin, its size and its root hash.
///
/// Its text form is three lines, and nothing more: extension lines, which no monitor can audit,
/// are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity.
    pub origin: Origin,
    /// The number of entries.
    pub size: u64,
    /// The root hash of the tree over them.
    pub root: Hash,
}

/// Why a checkpoint is refused, or not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The first line is not an origin.
    #[error("checkpoint: malformed origin")]
    Origin,
    /// The second line is not a canonical decimal of at most 2^63 - 1.
    #[error("checkpoint: malformed tree size")]
    Size,
    /// The third line is not a hash, or not the empty tree's at size 0.
    #[error("checkpoint: malformed root hash")]
    Root,
    /// Something follows the third line.
    #[error("checkpoint: extension lines are not accepted")]
    Extension,
    /// The checkpoint is another log's.
    #[error("checkpoint: of another log")]
    OriginMismatch,
    /// The key that should sign has another name than the log's origin.
    #[error("checkpoint: the signing key's name must be the origin")]
    SignerName,
}

impl Checkpoint {
    /// The text that is signed.
    ///
    /// # Errors
    /// [`CheckpointError::Size`] above 2^63 - 1, [`CheckpointError::Root`] for an empty tree with
    /// another root than [`Hash::EMPTY`].
    pub fn to_text(&self) -> Result<String, CheckpointError> {
        if self.size > MAX_TREE_SIZE {
            return Err(CheckpointError::Size);
        }
        if self.size == 0 && self.root != Hash::EMPTY {
            return Err(CheckpointError::Root);
        }
        Ok(format!("{}\n{}\n{}\n", self.origin, self.size, self.root))
    }

    /// Signs the checkpoint, as the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError`] as [`Self::to_text`], [`CheckpointError::SignerName`] for a key whose
    /// name is not the origin (tlog-checkpoint, "Signatures"), and when signing fails.
    ///
    /// # Security
    /// A log must never sign two checkpoints of which one is not the beginning of the other. What
    /// keeps you from it is not here: compare with the last one signed, kept outside the database
    /// and its backups, before you sign the next.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, CheckpointError> {
        let text = self.to_text()?;
        if signer.name() != self.origin.as_str() {
            return Err(CheckpointError::SignerName);
        }
        Ok(Note::sign(&text, signer)?.to_string())
    }

    /// Reads a signed checkpoint of this log.
    ///
    /// # Errors
    /// [`CheckpointError`] unless the key signed it, it is well-formed and of this origin.
    pub fn verify(note: &str, key: &VerifierKey, origin: &Origin) -> Result<Self, CheckpointError> {
        Self::of_note(&note.parse()?, key, origin)
    }

    pub(crate) fn of_note(
        note: &Note,
        key: &VerifierKey,
        origin: &Origin,
    ) -> Result<Self, CheckpointError> {
        let checkpoint: Self = note.verify_author(key)?.text().parse()?;
        if checkpoint.origin != *origin {
            return Err(CheckpointError::OriginMismatch);
        }
        Ok(checkpoint)
    }
}

impl Checkpoint {
    /// Reads the three lines, and leaves what follows them.
    pub(crate) fn read(lines: &mut Lines<'_>) -> Result<Self, CheckpointError> {
        let origin = lines.line().ok_or(CheckpointError::Origin)?;
        let origin = origin.parse().map_err(|_| CheckpointError::Origin)?;
        let size = lines.line().and_then(decimal);
        let size = size.ok_or(CheckpointError::Size)?;
        let root = lines.line().ok_or(CheckpointError::Root)?;
        let root = root.parse().map_err(|_| CheckpointError::Root)?;
        if size == 0 && root != Hash::EMPTY {
            return Err(CheckpointError::Root);
        }
        Ok(Self { origin, size, root })
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads an unsigned text (tlog-checkpoint, "Note text").
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut lines = Lines::new(text);
        let checkpoint = Self::read(&mut lines)?;
        if !lines.rest().is_empty() {
            return Err(CheckpointError::Extension);
        }
        Ok(checkpoint)
    }
}
