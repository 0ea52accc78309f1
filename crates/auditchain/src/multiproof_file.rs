//! The multiproof file: many entries of one log, proved by one text.

use std::fmt;
use std::str::FromStr;

use crate::lines::{Lines, decimal};
use crate::{
    Checkpoint, CheckpointError, Hash, MAX_MULTIPROOF_LEAVES, Multiproof, MultiproofError, Note,
    NoteError, Origin, VerifierKey,
};

/// The first line of a multiproof file.
pub const MULTIPROOF_LABEL: &str = "strongroom.dev/audit-multiproof/v1";

/// The longest multiproof file, in bytes: what 1,024 leaves of the largest tree take, and the
/// longest note.
const MAX_FILE_BYTES: usize = 3 * 1024 * 1024;

/// A multiproof together with the signed checkpoint that it leads to (`docs/spec/audit-tree.md`,
/// section 5).
///
/// ```
/// use strongroom_auditchain::{
///     Checkpoint, Ed25519Signer, Hash, Multiproof, MultiproofFile, Origin, root,
/// };
///
/// let origin: Origin = "audit.example.com/t/acme".parse()?;
/// let signer = Ed25519Signer::from_seed(origin.as_str(), &[1; 32])?;
/// let leaves: Vec<Hash> = ["a", "b", "c"].iter().map(|e| Hash::of_leaf(e.as_bytes())).collect();
/// let head = Checkpoint { origin, size: 3, root: root(&leaves) };
/// let proof = Multiproof::prove(&leaves, &[0, 2], 3)?;
/// let file = MultiproofFile::new(proof, head.sign(&signer)?.parse()?);
/// let again: MultiproofFile = file.to_string().parse()?;
/// let signed = again.verify(&[leaves[0], leaves[2]], signer.verifier_key(), &head.origin)?;
/// assert_eq!(signed, head);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiproofFile {
    /// The leaves' indices, each above the one before it.
    pub indices: Vec<u64>,
    /// The hashes, as [`Multiproof::hashes`].
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a multiproof file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiproofFileError {
    /// Longer than 3 MiB.
    #[error("multiproof file: longer than 3 MiB")]
    TooLong,
    /// The first line is another.
    #[error("multiproof file: unknown format")]
    Label,
    /// An index line, or an index that is not above the one before it; or none, or more than
    /// [`MAX_MULTIPROOF_LEAVES`].
    #[error("multiproof file: malformed indices")]
    Indices,
    /// No empty line where a hash or the empty line should be.
    #[error("multiproof file: malformed hashes")]
    Hashes,
    /// The note around the checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The leaves are not in the tree.
    #[error(transparent)]
    Multiproof(#[from] MultiproofError),
}

impl MultiproofFile {
    /// Puts a proof beside the signed checkpoint of the tree of its size.
    #[must_use]
    pub fn new(proof: Multiproof, checkpoint: Note) -> Self {
        Self {
            indices: proof.indices,
            hashes: proof.hashes,
            checkpoint,
        }
    }

    /// Verifies that the leaves, in the order of their indices, are in the log of this origin, and
    /// gives what the log signed.
    ///
    /// # Errors
    /// [`MultiproofFileError`] unless the key signed the checkpoint and the proof leads to it.
    pub fn verify(
        &self,
        leaves: &[Hash],
        key: &VerifierKey,
        origin: &Origin,
    ) -> Result<Checkpoint, MultiproofFileError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint.to_string(), key, origin)?;
        let proof = Multiproof {
            indices: self.indices.clone(),
            size: checkpoint.size,
            hashes: self.hashes.clone(),
        };
        proof.verify(leaves, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for MultiproofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MULTIPROOF_LABEL}")?;
        for index in &self.indices {
            writeln!(f, "index {index}")?;
        }
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for MultiproofFile {
    type Err = MultiproofFileError;

    /// Reads the form; says nothing about whether it holds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_FILE_BYTES {
            return Err(MultiproofFileError::TooLong);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(MULTIPROOF_LABEL) {
            return Err(MultiproofFileError::Label);
        }
        let mut indices = Vec::new();
        while let Some(index) = lines.keyed("index") {
            let index = decimal(index).ok_or(MultiproofFileError::Indices)?;
            let is_above = indices.last().is_none_or(|last| *last < index);
            if !is_above || indices.len() == MAX_MULTIPROOF_LEAVES {
                return Err(MultiproofFileError::Indices);
            }
            indices.push(index);
        }
        if indices.is_empty() {
            return Err(MultiproofFileError::Indices);
        }
        // As many as there are: the text is bounded, and the number is checked by the tree's size.
        let hashes = lines.hashes(usize::MAX);
        if lines.line() != Some("") {
            return Err(MultiproofFileError::Hashes);
        }
        Ok(Self {
            indices,
            hashes,
            checkpoint: lines.rest().parse()?,
        })
    }
}
