//! The platform log's entries: salted hashes of the tenants' checkpoints,
//! `docs/spec/audit-log.md`.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretBox};
use zeroize::Zeroizing;

use crate::commitment::{SaltedDigest, same};
use crate::{Checkpoint, CheckpointError, Hash};

/// What separates the platform log's entries from every other use of HMAC-SHA256.
pub const PLATFORM_LABEL: &str = "strongroom/audit-platform/v1";

/// The version of the format.
const VERSION: u8 = 0x01;

/// One entry of the platform log: that a tenant's log stood at some checkpoint, and not which
/// log, nor at what size.
///
/// Whoever holds the salt and the checkpoint can show that the entry means them. Nobody else can
/// tell whose it is, or which other entries are of the same log.
///
/// ```
/// use strongroom_auditchain::{Checkpoint, Hash, PlatformEntry};
///
/// let head = Checkpoint {
///     origin: "audit.example.com/t/5f0c".parse()?,
///     size: 0,
///     root: Hash::EMPTY,
/// };
/// let (entry, salt) = PlatformEntry::generate(&head)?;
/// // The entry goes into the platform log, the salt to the tenant alone.
/// let read = PlatformEntry::decode(&entry.encode())?;
/// assert!(read.verify(&salt, &head).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformEntry([u8; 32]);

/// The salt of one entry of the platform log: its opening, for the tenant alone.
///
/// # Security
/// Whoever has it can test guesses of the tenant's name and the log's size and root.
pub struct PlatformSalt(SecretBox<[u8; 32]>);

/// Why there is no entry, or bytes are not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// Not 33 bytes.
    #[error("platform entry: expected 33 bytes")]
    Length,
    /// Another version of the format.
    #[error("platform entry: unknown version")]
    Version,
    /// A checkpoint that no log could have.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The operating system gave no random bytes for a salt.
    #[error("platform entry: no random bytes from the operating system")]
    Random,
}

/// The entry is of another checkpoint, or under another salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("platform entry: not of this checkpoint")]
pub struct OpeningMismatch;

impl PlatformEntry {
    /// An entry's length in bytes.
    pub const LEN: usize = 33;

    /// Makes the entry of a checkpoint under a new random salt.
    ///
    /// # Errors
    /// [`PlatformError::Checkpoint`] for a checkpoint that no log could have, and
    /// [`PlatformError::Random`].
    pub fn generate(checkpoint: &Checkpoint) -> Result<(Self, PlatformSalt), PlatformError> {
        let salt = PlatformSalt::generate()?;
        Ok((Self::commit(&salt, checkpoint)?, salt))
    }

    /// Makes the entry of a checkpoint under a salt (audit-log, "Entries").
    ///
    /// # Errors
    /// [`PlatformError::Checkpoint`], as [`Self::generate`].
    pub fn commit(salt: &PlatformSalt, checkpoint: &Checkpoint) -> Result<Self, PlatformError> {
        let text = checkpoint.to_text()?;
        let mut digest = SaltedDigest::new(salt.expose(), PLATFORM_LABEL);
        digest.part(checkpoint.origin.as_str().as_bytes());
        digest.part(text.as_bytes());
        Ok(Self(digest.finish()))
    }

    /// Checks that the entry is of this checkpoint.
    ///
    /// # Errors
    /// [`OpeningMismatch`], which does not say why.
    pub fn verify(
        &self,
        salt: &PlatformSalt,
        checkpoint: &Checkpoint,
    ) -> Result<(), OpeningMismatch> {
        let own = Self::commit(salt, checkpoint).map_err(|_| OpeningMismatch)?;
        same(&self.0, &own.0).then_some(()).ok_or(OpeningMismatch)
    }

    /// The entry's bytes, as they stand in the platform log.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [VERSION; Self::LEN];
        for (byte, digest) in bytes.iter_mut().skip(1).zip(self.0) {
            *byte = digest;
        }
        bytes
    }

    /// Reads an entry's bytes.
    ///
    /// # Errors
    /// [`PlatformError`] for another length or version.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlatformError> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| PlatformError::Length)?;
        let [version, digest @ ..] = bytes;
        if *version != VERSION {
            return Err(PlatformError::Version);
        }
        Ok(Self(*digest))
    }

    /// The leaf hash under which the entry stands in the platform log.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_leaf(&self.encode())
    }
}

impl PlatformSalt {
    /// Draws a salt.
    ///
    /// # Errors
    /// [`PlatformError::Random`].
    pub fn generate() -> Result<Self, PlatformError> {
        let mut salt = Zeroizing::new([0; 32]);
        getrandom::fill(salt.as_mut()).map_err(|_| PlatformError::Random)?;
        Ok(Self::from_bytes(&salt))
    }

    /// Takes 32 bytes that were drawn before.
    ///
    /// # Security
    /// Random bytes, used for one entry: two entries under one salt can be told to be of one log.
    #[must_use]
    pub fn from_bytes(salt: &[u8; 32]) -> Self {
        Self(SecretBox::init_with_mut(|boxed: &mut [u8; 32]| {
            *boxed = *salt;
        }))
    }

    /// The salt's bytes, for whoever hands them to the tenant or seals them away.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PlatformSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformSalt(..)")
    }
}
