//! The range file: everything from one index to another, proved by one text.

use std::fmt;
use std::str::FromStr;

use crate::lines::{Lines, decimal};
use crate::note::MAX_NOTE_BYTES;
use crate::{
    Checkpoint, CheckpointError, Hash, Note, NoteError, Origin, ProofError, RangeProof, VerifierKey,
};

/// The first line of a range file.
pub const RANGE_LABEL: &str = "strongroom.dev/audit-range/v1";

/// The longest range file, in bytes.
const MAX_FILE_BYTES: usize = 2 * MAX_NOTE_BYTES;

/// The most hashes on either side of a range.
const MAX_SIDE: usize = 63;

/// A range proof together with the signed checkpoint that it leads to (`docs/spec/audit-tree.md`,
/// section 4).
///
/// ```
/// use strongroom_auditchain::{Checkpoint, Ed25519Signer, Hash, Origin, RangeFile, Tree};
///
/// let origin: Origin = "audit.example.com/t/acme".parse()?;
/// let signer = Ed25519Signer::from_seed(origin.as_str(), &[1; 32])?;
/// let leaves: Vec<Hash> = ["a", "b", "c"].iter().map(|e| Hash::of_leaf(e.as_bytes())).collect();
/// let mut tree = Tree::new();
/// tree.extend(&leaves);
/// let old = Checkpoint { origin, size: 1, root: tree.root_at(1)? };
/// let new = Checkpoint { size: 3, root: tree.root(), ..old.clone() };
///
/// // Who has the older checkpoint learns what came after it, and that nothing is left out.
/// let file = RangeFile::new(tree.prove_range(1, 3, 3)?, new.sign(&signer)?.parse()?);
/// let again: RangeFile = file.to_string().parse()?;
/// let after = leaves[1..].iter().copied();
/// assert_eq!(again.verify_after(&old, after, signer.verifier_key())?, new);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeFile {
    /// The index of the first leaf.
    pub from: u64,
    /// The index after the last leaf.
    pub to: u64,
    /// The hashes left of the range, as [`RangeProof::left`].
    pub left: Vec<Hash>,
    /// The hashes right of the range, as [`RangeProof::right`].
    pub right: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a range file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeFileError {
    /// Longer than 128 KiB.
    #[error("range file: longer than 128 KiB")]
    TooLong,
    /// The first line is another.
    #[error("range file: unknown format")]
    Label,
    /// The line of the first index.
    #[error("range file: malformed first index")]
    From,
    /// The line of the index after the last, or one that is not above the first.
    #[error("range file: malformed last index")]
    To,
    /// Fewer hashes than are left of the range, or no empty line where a hash or the empty line
    /// should be.
    #[error("range file: malformed hashes")]
    Hashes,
    /// The note around the checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The leaves are not those of the range.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl RangeFile {
    /// Puts a proof beside the signed checkpoint of the tree of its size.
    #[must_use]
    pub fn new(proof: RangeProof, checkpoint: Note) -> Self {
        Self {
            from: proof.from,
            to: proof.to,
            left: proof.left,
            right: proof.right,
            checkpoint,
        }
    }

    /// Verifies that these are the leaves of the range in the log of this origin, all of them, and
    /// gives what the log signed.
    ///
    /// # Errors
    /// [`RangeFileError`] unless the key signed the checkpoint and the proof leads to it.
    pub fn verify(
        &self,
        leaves: impl IntoIterator<Item = Hash>,
        key: &VerifierKey,
        origin: &Origin,
    ) -> Result<Checkpoint, RangeFileError> {
        let (checkpoint, proof) = self.read(key, origin)?;
        proof.verify(leaves, &checkpoint.root)?;
        Ok(checkpoint)
    }

    /// Verifies that these leaves, and no others, came after an older checkpoint of the same log,
    /// and gives what the log signed then.
    ///
    /// # Errors
    /// [`RangeFileError`] as [`Self::verify`], and unless the range begins where the older
    /// checkpoint ends and ends where the newer does.
    pub fn verify_after(
        &self,
        older: &Checkpoint,
        leaves: impl IntoIterator<Item = Hash>,
        key: &VerifierKey,
    ) -> Result<Checkpoint, RangeFileError> {
        let (checkpoint, proof) = self.read(key, &older.origin)?;
        if older.size != self.from {
            return Err(ProofError::SizeMismatch.into());
        }
        proof.verify_between(&older.root, &checkpoint.root, leaves)?;
        Ok(checkpoint)
    }

    fn read(
        &self,
        key: &VerifierKey,
        origin: &Origin,
    ) -> Result<(Checkpoint, RangeProof), RangeFileError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint.to_string(), key, origin)?;
        let proof = RangeProof {
            from: self.from,
            to: self.to,
            size: checkpoint.size,
            left: self.left.clone(),
            right: self.right.clone(),
        };
        Ok((checkpoint, proof))
    }
}

impl fmt::Display for RangeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{RANGE_LABEL}\nfrom {}\nto {}", self.from, self.to)?;
        for hash in self.left.iter().chain(&self.right) {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for RangeFile {
    type Err = RangeFileError;

    /// Reads the form; says nothing about whether it holds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_FILE_BYTES {
            return Err(RangeFileError::TooLong);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(RANGE_LABEL) {
            return Err(RangeFileError::Label);
        }
        let from = lines.keyed("from").and_then(decimal);
        let from = from.ok_or(RangeFileError::From)?;
        let to = lines.keyed("to").and_then(decimal);
        let to = to.filter(|to| from < *to).ok_or(RangeFileError::To)?;
        // The first index says how many hashes are left of it.
        let count = from.count_ones() as usize;
        let left = lines.hashes(count);
        let right = lines.hashes(MAX_SIDE);
        if left.len() != count || lines.line() != Some("") {
            return Err(RangeFileError::Hashes);
        }
        Ok(Self {
            from,
            to,
            left,
            right,
            checkpoint: lines.rest().parse()?,
        })
    }
}
