//! Cosignatures: C2SP tlog-cosignature with Ed25519 (signature type 0x04), made and asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::merkle::MAX_TREE_SIZE;
use crate::verifier_key::Statement;
use crate::{
    Checkpoint, CheckpointError, Note, NoteError, Origin, SignatureType, Signer, VerifierKey,
};

/// The first line of what a cosigner signs.
pub(crate) const COSIGNATURE_LABEL: &str = "cosignature/v1\n";

/// The latest time, in Unix seconds: 2^63 - 1.
const MAX_TIME: u64 = MAX_TREE_SIZE;

/// Signs, of checkpoints, that they stood at a time.
///
/// It holds a [`Signer`], so that its key may be wherever a log's may be, and signs under that
/// one's name with a key id of its own type.
///
/// ```
/// use std::sync::Arc;
/// use strongroom_auditchain::{
///     Checkpoint, Cosigner, CosignaturePolicy, Ed25519Signer, Hash, Origin,
/// };
///
/// let origin: Origin = "audit.example.com/platform".parse()?;
/// let log = Ed25519Signer::from_seed(origin.as_str(), &[1; 32])?;
/// let clock = Ed25519Signer::from_seed("audit.example.com/clock", &[2; 32])?;
/// let cosigner = Cosigner::new(Arc::new(clock))?;
///
/// let head = Checkpoint { origin: origin.clone(), size: 0, root: Hash::EMPTY };
/// let note = head.sign(&log)?.parse()?;
/// let note = cosigner.cosign(&note, log.verifier_key(), &origin, 1_700_000_000)?;
///
/// // Whoever trusts this one cosigner learns since when the checkpoint has stood.
/// let keys = vec![cosigner.verifier_key().clone()];
/// let policy = CosignaturePolicy::new(origin, log.verifier_key().clone(), keys, 1)?;
/// let cosigned = policy.verify(&note.to_string())?;
/// assert_eq!((cosigned.checkpoint(), cosigned.by()), (&head, Some(1_700_000_000)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cosigner {
    signer: Arc<dyn Signer>,
    verifier_key: VerifierKey,
}

/// Whose word a verifier wants about a log's checkpoints: the log's own, and that of so many of
/// these cosigners.
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

impl Cosigner {
    /// Makes the cosigner of a signer's key and name.
    ///
    /// # Errors
    /// [`NoteError`] for a name or key that verifies nothing.
    ///
    /// # Security
    /// The key must be no other cosigner's, and no log's whose checkpoints it is to cosign.
    pub fn new(signer: Arc<dyn Signer>) -> Result<Self, NoteError> {
        let key = signer.verifier_key();
        let verifier_key = VerifierKey::cosigner(key.name(), key.public_key())?;
        Ok(Self {
            signer,
            verifier_key,
        })
    }

    /// The public side: a verifier key of type 0x04.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    /// Adds to a log's signed checkpoint that it stood at this time, in Unix seconds; an earlier
    /// cosignature of the same key gives way.
    ///
    /// # Errors
    /// [`CosignatureError`] unless the log signed the checkpoint, for a time of zero or beyond
    /// 2^63 - 1, when the note has no room, and when signing fails.
    ///
    /// # Security
    /// A cosigner says that the checkpoint is the largest that it saw of the log, and consistent
    /// with every one before. What keeps you from saying so of a log that was rolled back is not
    /// here: compare with the last one cosigned, and prove consistency with it, before you cosign.
    pub fn cosign(
        &self,
        note: &Note,
        log: &VerifierKey,
        origin: &Origin,
        time: u64,
    ) -> Result<Note, CosignatureError> {
        Checkpoint::of_note(note, log, origin)?;
        if !(1..=MAX_TIME).contains(&time) {
            return Err(CosignatureError::Time);
        }
        let text = note.unverified_text();
        let signature = self
            .signer
            .sign(message(time, text).as_bytes())
            .map_err(NoteError::from)?;
        let signature = [time.to_be_bytes().as_slice(), &signature].concat();
        if self.verifier_key.accepts(text, &signature).is_none() {
            return Err(NoteError::Signing.into());
        }
        Ok(note.with_signature(&self.verifier_key, &signature)?)
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

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.verifier_key)
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
