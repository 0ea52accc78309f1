//! The proof file: C2SP tlog-proof, one entry's evidence in one text.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::lines::{Lines, decimal};
use crate::note::MAX_NOTE_BYTES;
use crate::{
    Checkpoint, CheckpointError, Hash, InclusionProof, Note, NoteError, Origin, ProofError,
    VerifierKey,
};

/// The first line of a proof file.
pub const PROOF_LABEL: &str = "c2sp.org/tlog-proof@v1";

/// The longest proof file, in bytes.
const MAX_PROOF_BYTES: usize = 2 * MAX_NOTE_BYTES;

/// The most hashes of an inclusion proof.
const MAX_HASHES: usize = 63;

/// An inclusion proof together with the signed checkpoint that it leads to (`.tlog-proof`).
///
/// ```
/// use strongroom_auditchain::{Checkpoint, Ed25519Signer, Hash, Origin, ProofFile};
/// use strongroom_auditchain::{prove_inclusion, root};
///
/// let origin: Origin = "audit.example.com/t/acme".parse()?;
/// let signer = Ed25519Signer::from_seed(origin.as_str(), &[1; 32])?;
/// let leaves = [Hash::of_leaf(b"a"), Hash::of_leaf(b"b")];
/// let head = Checkpoint { origin, size: 2, root: root(&leaves) };
/// let proof = prove_inclusion(&leaves, 1, 2)?;
/// let file = ProofFile {
///     extra: None,
///     index: proof.index,
///     hashes: proof.hashes,
///     checkpoint: head.sign(&signer)?.parse()?,
/// };
/// let again: ProofFile = file.to_string().parse()?;
/// assert_eq!(again.verify(&leaves[1], signer.verifier_key(), &head.origin)?, head);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Whatever the application put in; nobody vouches for it.
    pub extra: Option<Vec<u8>>,
    /// The entry's index.
    pub index: u64,
    /// The sibling hashes, the leaf's first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a proof file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// Longer than 128 KiB.
    #[error("proof file: longer than 128 KiB")]
    TooLong,
    /// The first line is another.
    #[error("proof file: unknown format")]
    Label,
    /// The extra line is not padded standard base64.
    #[error("proof file: malformed extra data")]
    Extra,
    /// The index line.
    #[error("proof file: malformed index")]
    Index,
    /// No empty line where a hash or the empty line should be.
    #[error("proof file: malformed hashes")]
    Hashes,
    /// The note around the checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in the tree.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl ProofFile {
    /// Verifies that the leaf is in the log of this origin, and gives what the log signed.
    ///
    /// # Errors
    /// [`ProofFileError`] unless the key signed the checkpoint and the proof leads to it.
    pub fn verify(
        &self,
        leaf: &Hash,
        key: &VerifierKey,
        origin: &Origin,
    ) -> Result<Checkpoint, ProofFileError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint.to_string(), key, origin)?;
        let proof = InclusionProof {
            index: self.index,
            size: checkpoint.size,
            hashes: self.hashes.clone(),
        };
        proof.verify(leaf, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_LABEL}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for ProofFile {
    type Err = ProofFileError;

    /// Reads the form (tlog-proof, "Format"); says nothing about whether it holds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(ProofFileError::TooLong);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(PROOF_LABEL) {
            return Err(ProofFileError::Label);
        }
        let extra = match lines.keyed("extra") {
            Some(extra) => Some(STANDARD.decode(extra).map_err(|_| ProofFileError::Extra)?),
            None => None,
        };
        let index = lines.keyed("index").and_then(decimal);
        let index = index.ok_or(ProofFileError::Index)?;
        let hashes = lines.hashes(MAX_HASHES);
        if lines.line() != Some("") {
            return Err(ProofFileError::Hashes);
        }
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint: lines.rest().parse()?,
        })
    }
}
