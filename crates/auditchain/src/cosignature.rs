//! Cosignatures: C2SP tlog-cosignature with Ed25519 (signature type 0x04), and whose a verifier
//! asks for.

use std::collections::BTreeMap;

use crate::merkle::MAX_TREE_SIZE;
use crate::verifier_key::Statement;
use crate::{
    Checkpoint, CheckpointError, Note, NoteError, Origin, ProofError, SignatureType, VerifierKey,
};

/// The first line of what a cosigner signs.
pub(crate) const COSIGNATURE_LABEL: &str = "cosignature/v1\n";

/// The latest time, in Unix seconds: 2^63 - 1.
pub(crate) const MAX_TIME: u64 = MAX_TREE_SIZE;

/// Whose word a verifier wants about a log's checkpoints: the log's own, and that of so many of
/// these cosigners. [`crate::Cosigner`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignaturePolicy {
    origin: Origin,
    log: VerifierKey,
    cosigners: Vec<VerifierKey>,
    quorum: usize,
}

/// A checkpoint that its log signed and a quorum of cosigners saw; only
/// [`CosignaturePolicy::verify`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    checkpoint: Checkpoint,
    cosignatures: Vec<Cosignature>,
    by: Option<u64>,
}

/// One cosigner's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The cosigner's name.
    pub name: String,
    /// Its key id, for several keys of one name.
    pub key_id: [u8; 4],
    /// When it saw the checkpoint as the log's latest, in Unix seconds.
    pub time: u64,
}

/// Why a checkpoint is not cosigned, or not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The checkpoint, its note or one of its signatures.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A time outside 1 to 2^63 - 1.
    #[error("cosignature: the time must be 1 to 2^63 - 1 Unix seconds")]
    Time,
    /// A time before that of the last cosignature: a clock went back.
    #[error("cosignature: the time is before that of the last cosignature")]
    Backwards,
    /// The checkpoint does not follow from the last one that was cosigned.
    #[error("cosignature: not consistent with the last checkpoint that was cosigned: {0}")]
    Consistency(ProofError),
    /// Fewer cosigners than the policy asks for.
    #[error("cosignature: {have} of the {need} cosigners that are needed")]
    Quorum {
        /// How many of the policy's cosigners signed.
        have: usize,
        /// How many it takes.
        need: usize,
    },
}

/// Why keys and a number are no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The log's key is a cosigner's.
    #[error("cosignature policy: the log's key is a cosigner's")]
    LogKey,
    /// A cosigner's key is not of signature type 0x04.
    #[error("cosignature policy: a key that is not a cosigner's")]
    CosignerKey,
    /// One public key twice, under whichever names, or as the log's too.
    #[error("cosignature policy: a public key that is there already")]
    RepeatedKey,
    /// More cosigners are needed than there are.
    #[error("cosignature policy: a quorum larger than the number of cosigners")]
    Quorum,
}

impl From<NoteError> for CosignatureError {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl CosignaturePolicy {
    /// Takes the log, and the cosigners of whom `quorum` are needed.
    ///
    /// # Errors
    /// [`PolicyError`]; each public key counts once.
    pub fn new(
        origin: Origin,
        log: VerifierKey,
        cosigners: Vec<VerifierKey>,
        quorum: usize,
    ) -> Result<Self, PolicyError> {
        if log.signature_type() == SignatureType::Cosignature {
            return Err(PolicyError::LogKey);
        }
        let mut seen = vec![log.public_key()];
        for key in &cosigners {
            if key.signature_type() != SignatureType::Cosignature {
                return Err(PolicyError::CosignerKey);
            }
            // The name is not signed: one key under two names would be two witnesses.
            if seen.contains(&key.public_key()) {
                return Err(PolicyError::RepeatedKey);
            }
            seen.push(key.public_key());
        }
        if quorum > cosigners.len() {
            return Err(PolicyError::Quorum);
        }
        Ok(Self {
            origin,
            log,
            cosigners,
            quorum,
        })
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The log's own key.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        &self.log
    }

    /// Reads a checkpoint with its cosignatures.
    ///
    /// # Errors
    /// [`CosignatureError`] unless the log signed it, no signature of a key of this policy fails,
    /// and so many of the cosigners signed it.
    ///
    /// # Security
    /// Times are the cosigners' word. A time ahead of your own clock is yours to refuse.
    pub fn verify(&self, note: &str) -> Result<Cosigned, CosignatureError> {
        let note: Note = note.parse()?;
        self.verify_note(&note)
    }

    pub(crate) fn verify_note(&self, note: &Note) -> Result<Cosigned, CosignatureError> {
        let checkpoint = Checkpoint::of_note(note, &self.log, &self.origin)?;
        let mut cosignatures = Vec::new();
        let mut earliest: BTreeMap<&[u8; 32], u64> = BTreeMap::new();
        for (key, statement) in note.statements(&self.cosigners)? {
            if let Statement::Cosigned { time } = statement {
                let first = earliest.entry(key.public_key()).or_insert(time);
                *first = time.min(*first);
                cosignatures.push(Cosignature {
                    name: key.name().to_owned(),
                    key_id: key.key_id(),
                    time,
                });
            }
        }
        let have = earliest.len();
        if have < self.quorum {
            let need = self.quorum;
            return Err(CosignatureError::Quorum { have, need });
        }
        let mut times: Vec<u64> = earliest.into_values().collect();
        times.sort_unstable();
        let last = self.quorum.checked_sub(1);
        Ok(Cosigned {
            checkpoint,
            cosignatures,
            by: last.and_then(|last| times.get(last)).copied(),
        })
    }
}

impl Cosigned {
    /// What the log signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The policy's cosigners that signed it, in the order of the note.
    #[must_use]
    pub fn cosignatures(&self) -> &[Cosignature] {
        &self.cosignatures
    }

    /// The time, in Unix seconds, by which the checkpoint stood: when the last of the first quorum
    /// signed it. As long as fewer cosigners lie than the quorum has, it did. None for a quorum of
    /// none.
    #[must_use]
    pub const fn by(&self) -> Option<u64> {
        self.by
    }
}

/// What is signed (tlog-cosignature, "Ed25519 signed message").
pub(crate) fn message(time: u64, text: &str) -> String {
    format!("{COSIGNATURE_LABEL}time {time}\n{text}")
}

/// Parts a signature into its time and what follows (tlog-cosignature, "Format").
pub(crate) fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = signature.split_first_chunk()?;
    let time = u64::from_be_bytes(*time);
    (time <= MAX_TIME).then_some((time, signature))
}
