//! The anchor: that one log's checkpoint stood in the platform log by a time,
//! `docs/spec/audit-log.md`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::lines::{Lines, decimal};
use crate::note::MAX_NOTE_BYTES;
use crate::{
    Checkpoint, CheckpointError, ConsistencyProof, CosignatureError, CosignaturePolicy, Cosigned,
    Hash, InclusionProof, Note, Origin, PlatformEntry, PlatformError, PlatformSalt, ProofError,
    VerifierKey,
};

/// The first line of an anchor.
pub const ANCHOR_LABEL: &str = "strongroom.dev/audit-anchor/v1";

/// The longest anchor, in bytes of its text: two notes and a proof.
pub const MAX_ANCHOR_BYTES: usize = 3 * MAX_NOTE_BYTES;

/// The most hashes of an inclusion proof.
const MAX_HASHES: usize = 63;

/// A tenant's evidence that its log had come to a checkpoint by a time that others vouch for: the
/// checkpoint, the opening of its entry in the platform log, the entry's inclusion proof, and the
/// platform's checkpoint with its cosignatures, in one text.
///
/// # Security
/// It holds the entry's salt, which is wiped on drop and not printed by `Debug`; the text shows it.
/// Whoever is handed the text learns of this one log, and nothing of another.
pub struct Anchor {
    salt: PlatformSalt,
    index: u64,
    hashes: Vec<Hash>,
    log: Note,
    platform: Note,
}

/// What a verified anchor proves; only [`Anchor::verify`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    checkpoint: Checkpoint,
    index: u64,
    platform: Cosigned,
}

/// Why an anchor is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Longer than [`MAX_ANCHOR_BYTES`].
    #[error("anchor: longer than 192 KiB")]
    TooLong,
    /// The first line is another.
    #[error("anchor: unknown format")]
    Label,
    /// The salt line.
    #[error("anchor: malformed salt")]
    Salt,
    /// The index line.
    #[error("anchor: malformed index")]
    Index,
    /// No empty line where a hash or the empty line should be.
    #[error("anchor: malformed hashes")]
    Hashes,
    /// No empty line between text, signatures and the second note.
    #[error("anchor: expected two checkpoints, parted by an empty line")]
    Checkpoints,
    /// The log's checkpoint.
    #[error("anchor: the log's {0}")]
    Log(CheckpointError),
    /// The platform log's checkpoint, or its cosignatures.
    #[error("anchor: the platform's {0}")]
    Platform(CosignatureError),
    /// The checkpoint's entry is not in the platform log.
    #[error("anchor: inclusion: {0}")]
    Inclusion(ProofError),
}

/// Why two anchors are not of one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// They are of two logs, or in two platform logs.
    #[error("anchors: of two logs")]
    OtherLog,
    /// The later one does not stand after the earlier one in the platform log.
    #[error("anchors: the later one must stand after the earlier one")]
    Order,
    /// The log shrank or changed in between: it was rolled back, or has two histories.
    #[error("anchors: the log is not what it was: {0}")]
    Consistency(ProofError),
}

impl Anchor {
    /// Puts an anchor together, once its proof is seen to hold.
    ///
    /// # Errors
    /// [`AnchorError`] if one of the notes is not of a checkpoint, or the proof does not lead from
    /// the one to the other. Signatures are for [`Self::verify`].
    pub fn new(
        salt: PlatformSalt,
        inclusion: &InclusionProof,
        log: Note,
        platform: Note,
    ) -> Result<Self, AnchorError> {
        let checkpoint: Result<Checkpoint, CheckpointError> = log.unverified_text().parse();
        let checkpoint = checkpoint.map_err(AnchorError::Log)?;
        let head: Result<Checkpoint, CheckpointError> = platform.unverified_text().parse();
        let head = head.map_err(|error| AnchorError::Platform(error.into()))?;
        if inclusion.size != head.size {
            return Err(AnchorError::Inclusion(ProofError::SizeMismatch));
        }
        let anchor = Self {
            salt,
            index: inclusion.index,
            hashes: inclusion.hashes.clone(),
            log,
            platform,
        };
        anchor.includes(&checkpoint, &head)?;
        Ok(anchor)
    }

    /// Verifies that the checkpoint of this log stood in the platform log when the policy's quorum
    /// of cosigners saw it.
    ///
    /// # Errors
    /// [`AnchorError`] unless the log signed the checkpoint, the platform and the quorum signed
    /// theirs, and the one's entry is in the other's tree.
    ///
    /// # Security
    /// That the log still says so is another question: ask it for a consistency proof from this
    /// checkpoint to its latest.
    pub fn verify(
        &self,
        log: &VerifierKey,
        origin: &Origin,
        platform: &CosignaturePolicy,
    ) -> Result<Anchored, AnchorError> {
        let checkpoint = Checkpoint::of_note(&self.log, log, origin).map_err(AnchorError::Log)?;
        let platform = platform
            .verify_note(&self.platform)
            .map_err(AnchorError::Platform)?;
        self.includes(&checkpoint, platform.checkpoint())?;
        Ok(Anchored {
            checkpoint,
            index: self.index,
            platform,
        })
    }

    /// The text form, wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let hashes = self.hashes.iter().map(|hash| format!("{hash}\n"));
        let hashes: String = hashes.collect();
        let salt = Zeroizing::new(STANDARD.encode(self.salt.expose()));
        Zeroizing::new(format!(
            "{ANCHOR_LABEL}\nsalt {}\nindex {}\n{hashes}\n{}\n{}",
            *salt, self.index, self.log, self.platform
        ))
    }

    fn includes(&self, checkpoint: &Checkpoint, head: &Checkpoint) -> Result<(), AnchorError> {
        let entry = PlatformEntry::commit(&self.salt, checkpoint).map_err(|error| match error {
            PlatformError::Checkpoint(error) => AnchorError::Log(error),
            _ => AnchorError::Salt,
        })?;
        let proof = InclusionProof {
            index: self.index,
            size: head.size,
            hashes: self.hashes.clone(),
        };
        proof
            .verify(&entry.hash(), &head.root)
            .map_err(AnchorError::Inclusion)
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    /// Reads the text form (audit-log, "Anchor"); says nothing about whether it holds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_ANCHOR_BYTES {
            return Err(AnchorError::TooLong);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(ANCHOR_LABEL) {
            return Err(AnchorError::Label);
        }
        let salt = lines.keyed("salt").and_then(read_salt);
        let salt = salt.ok_or(AnchorError::Salt)?;
        let index = lines.keyed("index").and_then(decimal);
        let index = index.ok_or(AnchorError::Index)?;
        let hashes = lines.hashes(MAX_HASHES);
        if lines.line() != Some("") {
            return Err(AnchorError::Hashes);
        }
        // A checkpoint's text has no empty line: the first one ends it, the second its signatures.
        let broken = AnchorError::Checkpoints;
        let (text, rest) = lines.rest().split_once("\n\n").ok_or(broken)?;
        let (signatures, platform) = rest.split_once("\n\n").ok_or(broken)?;
        let log = format!("{text}\n\n{signatures}\n");
        Ok(Self {
            salt,
            index,
            hashes,
            log: checkpoint_note(&log).map_err(AnchorError::Log)?,
            platform: checkpoint_note(platform)
                .map_err(|error| AnchorError::Platform(error.into()))?,
        })
    }
}

/// A note that can be told from what follows it: its text is a checkpoint's, without an empty line.
fn checkpoint_note(note: &str) -> Result<Note, CheckpointError> {
    let note: Note = note.parse()?;
    note.unverified_text().parse::<Checkpoint>()?;
    Ok(note)
}

fn read_salt(text: &str) -> Option<PlatformSalt> {
    if text.len() != 44 {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    Some(PlatformSalt::from_bytes(bytes.as_slice().try_into().ok()?))
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchor")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Anchored {
    /// What the log signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Where its entry stands in the platform log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// What the platform signed and its cosigners saw.
    #[must_use]
    pub const fn platform(&self) -> &Cosigned {
        &self.platform
    }

    /// Checks that the log went on from an earlier anchor to this one; `consistency` are the hashes
    /// of the proof between their sizes.
    ///
    /// # Errors
    /// [`HistoryError`] if they are not of one history. A log that shrank in between was rolled
    /// back, and no proof can be given.
    pub fn follows(&self, earlier: &Self, consistency: &[Hash]) -> Result<(), HistoryError> {
        let (old, new) = (&earlier.checkpoint, &self.checkpoint);
        let platform = |anchored: &Self| anchored.platform.checkpoint().origin.clone();
        if old.origin != new.origin || platform(earlier) != platform(self) {
            return Err(HistoryError::OtherLog);
        }
        if self.index <= earlier.index {
            return Err(HistoryError::Order);
        }
        let proof = ConsistencyProof {
            old: old.size,
            new: new.size,
            hashes: consistency.to_vec(),
        };
        proof
            .verify(&old.root, &new.root)
            .map_err(HistoryError::Consistency)
    }

    /// The time, in Unix seconds, by which the checkpoint stood; none without a quorum.
    #[must_use]
    pub const fn by(&self) -> Option<u64> {
        self.platform.by()
    }
}
