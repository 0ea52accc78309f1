//! The cosigner: says of a log's checkpoint when it stood, and that it follows from all before.

use std::fmt;
use std::sync::Arc;

use crate::cosignature::{MAX_TIME, message};
use crate::{
    Checkpoint, ConsistencyProof, CosignatureError, Hash, Note, NoteError, Origin, Signer,
    VerifierKey,
};

/// Signs, of a log's checkpoints, that they stood at a time.
///
/// It holds a [`Signer`], so that its key may be wherever a log's may be, and signs under that
/// one's name with a key id of its own type.
///
/// ```
/// use std::sync::Arc;
/// use strongroom_auditchain::{
///     Checkpoint, CosignaturePolicy, Cosigner, Ed25519Signer, Hash, Origin, Witnessed,
/// };
///
/// let origin: Origin = "audit.example.com/platform".parse()?;
/// let log = Ed25519Signer::from_seed(origin.as_str(), &[1; 32])?;
/// let clock = Ed25519Signer::from_seed("audit.example.com/clock", &[2; 32])?;
/// let cosigner = Cosigner::new(Arc::new(clock))?;
///
/// let head = Checkpoint { origin: origin.clone(), size: 1, root: Hash::of_leaf(b"a") };
/// let note = head.sign(&log)?.parse()?;
/// let nothing = Witnessed::nothing(origin.clone());
/// let (note, last) = cosigner.cosign(&note, log.verifier_key(), &nothing, &[], 1_700_000_000)?;
/// // The log is idle: the same checkpoint is cosigned again, and takes no proof.
/// let (note, _) = cosigner.cosign(&note, log.verifier_key(), &last, &[], 1_700_000_300)?;
///
/// // Whoever trusts this one cosigner learns since when the checkpoint has stood.
/// let keys = vec![cosigner.verifier_key().clone()];
/// let policy = CosignaturePolicy::new(origin, log.verifier_key().clone(), keys, 1)?;
/// let cosigned = policy.verify(&note.to_string())?;
/// assert_eq!((cosigned.checkpoint(), cosigned.by()), (&head, Some(1_700_000_300)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cosigner {
    signer: Arc<dyn Signer>,
    verifier_key: VerifierKey,
}

/// What a cosigner said last of a log: the checkpoint, and when.
///
/// # Security
/// This is what keeps a cosigner from vouching for two histories. It must be durable, apart from
/// the log's own data, and replaced by compare-and-swap, before the cosigned note is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The last checkpoint that was cosigned.
    pub checkpoint: Checkpoint,
    /// When, in Unix seconds; 0 if none was.
    pub time: u64,
}

impl Witnessed {
    /// Of this log nothing was cosigned yet.
    #[must_use]
    pub const fn nothing(origin: Origin) -> Self {
        Self {
            checkpoint: Checkpoint {
                origin,
                size: 0,
                root: Hash::EMPTY,
            },
            time: 0,
        }
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
    /// cosignature of the same key gives way. Answers the note, and what to pass as `last` the
    /// next time.
    ///
    /// `consistency` are the hashes of the proof from the last checkpoint to this one; none where
    /// the last was of the same size, or of the empty tree.
    ///
    /// # Errors
    /// [`CosignatureError`], and nothing is signed, unless the log signed the checkpoint and it is
    /// consistent with the last one; for a time of zero, beyond 2^63 - 1 or before the last; when
    /// the note has no room, and when signing fails.
    ///
    /// # Security
    /// Keep what is answered as [`Witnessed`] says before the note leaves your hands.
    pub fn cosign(
        &self,
        note: &Note,
        log: &VerifierKey,
        last: &Witnessed,
        consistency: &[Hash],
        time: u64,
    ) -> Result<(Note, Witnessed), CosignatureError> {
        let checkpoint = Checkpoint::of_note(note, log, &last.checkpoint.origin)?;
        if !(1..=MAX_TIME).contains(&time) {
            return Err(CosignatureError::Time);
        }
        if time < last.time {
            return Err(CosignatureError::Backwards);
        }
        let proof = ConsistencyProof {
            old: last.checkpoint.size,
            new: checkpoint.size,
            hashes: consistency.to_vec(),
        };
        proof
            .verify(&last.checkpoint.root, &checkpoint.root)
            .map_err(CosignatureError::Consistency)?;
        let text = note.unverified_text();
        let signature = self
            .signer
            .sign(message(time, text).as_bytes())
            .map_err(NoteError::from)?;
        let signature = [time.to_be_bytes().as_slice(), &signature].concat();
        if self.verifier_key.accepts(text, &signature).is_none() {
            return Err(NoteError::Signing.into());
        }
        let note = note.with_signature(&self.verifier_key, &signature)?;
        Ok((note, Witnessed { checkpoint, time }))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.verifier_key)
    }
}
