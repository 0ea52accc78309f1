//! Passwords: argon2id with the parameters of RFC 9106.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::argon::{ArgonHash, OutOfMemory};
use crate::{Cost, StoredArgonError};

/// The longest password, in bytes.
const MAX_PASSWORD: usize = 1024;

/// Hashes and verifies passwords by argon2id.
///
/// One hash takes 64 MiB and tens of milliseconds: let few run at a time, on threads that may block.
///
/// ```
/// use strongroom_apikey::{Cost, PasswordHasher};
///
/// let cheap = Cost { memory: 64, passes: 1, lanes: 1 }; // the default is RFC 9106's
/// let hasher = PasswordHasher::new(cheap)?;
/// let stored = hasher.generate_hash("correct horse battery staple")?;
/// assert!(hasher.verify("correct horse battery staple", &stored).is_ok());
/// assert!(hasher.verify("another", &stored).is_err());
/// assert!(PasswordHasher::default().needs_rehash(&stored));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PasswordHasher {
    cost: Cost,
}

/// Why a password is not hashed, or not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It is not the password.
    #[error("the password is not accepted")]
    Mismatch,
    /// It is longer than 1,024 bytes.
    #[error("the password is too long")]
    TooLong,
    /// What is stored is no hash that is checked.
    #[error(transparent)]
    Stored(#[from] StoredArgonError),
    /// Argon2 has no such cost, or it is beyond RFC 9106's first option.
    #[error("the cost is out of bounds")]
    Cost,
    /// There is not enough memory.
    #[error("not enough memory")]
    OutOfMemory,
    /// The operating system gave no random bytes.
    #[error("no randomness available")]
    Randomness,
}

impl Default for PasswordHasher {
    /// RFC 9106's second recommended option.
    fn default() -> Self {
        let cost = Cost::RFC_9106_SECOND;
        Self { cost }
    }
}

impl PasswordHasher {
    /// Hashes at another cost.
    ///
    /// # Errors
    /// [`PasswordError::Cost`] beyond 2 GiB, 16 passes or 16 lanes.
    ///
    /// # Security
    /// Below [`Cost::RFC_9106_SECOND`], passwords are guessed faster.
    pub const fn new(cost: Cost) -> Result<Self, PasswordError> {
        if !cost.is_possible() {
            return Err(PasswordError::Cost);
        }
        Ok(Self { cost })
    }

    /// Hashes a password with a new salt; the text is what is stored.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn generate_hash(&self, password: &str) -> Result<String, PasswordError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| PasswordError::Randomness)?;
        self.hash(password, &salt)
    }

    /// Hashes a password with this salt.
    ///
    /// # Errors
    /// [`PasswordError`].
    ///
    /// # Security
    /// The salt must be random, and used for one password.
    pub fn hash(&self, password: &str, salt: &[u8; 16]) -> Result<String, PasswordError> {
        bounded(password)?;
        let made = ArgonHash::make(password.as_bytes(), salt, self.cost)?;
        let (salt, tag) = (&made.salt, &made.tag);
        Ok(format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            self.cost.memory,
            self.cost.passes,
            self.cost.lanes,
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(tag),
        ))
    }

    /// Verifies a password against what is stored.
    ///
    /// # Errors
    /// [`PasswordError::Mismatch`] for another password; a stored hash is not checked that would
    /// cost more than 256 MiB, 1 GiB in all passes, or this hasher's own cost where that is more.
    pub fn verify(&self, password: &str, stored: &str) -> Result<(), PasswordError> {
        bounded(password)?;
        let stored: ArgonHash = stored.parse()?;
        if !stored.cost.is_bounded() && !stored.cost.is_at_most(&self.cost) {
            return Err(StoredArgonError::Cost.into());
        }
        if stored.matches(password.as_bytes())? {
            Ok(())
        } else {
            Err(PasswordError::Mismatch)
        }
    }

    /// Whether what is stored is not as it would be made now: hash the password anew once it was
    /// verified.
    #[must_use]
    pub fn needs_rehash(&self, stored: &str) -> bool {
        !stored
            .parse::<ArgonHash>()
            .is_ok_and(|stored| stored.is_made_with(&self.cost))
    }

    /// Refuses a password of nobody, at the price of one of somebody.
    #[must_use]
    pub fn reject_unknown(&self, password: &str) -> PasswordError {
        let password = password.get(..MAX_PASSWORD).unwrap_or(password);
        let _ = std::hint::black_box(self.hash(password, &[0; 16]));
        PasswordError::Mismatch
    }
}

fn bounded(password: &str) -> Result<(), PasswordError> {
    if password.len() > MAX_PASSWORD {
        return Err(PasswordError::TooLong);
    }
    Ok(())
}

impl From<OutOfMemory> for PasswordError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
