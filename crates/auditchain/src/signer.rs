//! The signer: where a key of the caller's plugs in, and the one that keeps it in memory.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::{NoteError, VerifierKey};

/// Signs notes with one Ed25519 key under one name; a key store or a hardware module implements it.
///
/// The signature must be RFC 8032 Ed25519 over exactly the message, and must verify under
/// [`Signer::verifier_key`]: it is checked before it is published. Calls may come from several
/// threads at once and may block. After an error nothing has been signed as far as the log is
/// concerned, and the caller may ask again: signing the same text twice is harmless.
pub trait Signer: Send + Sync {
    /// The public side, with the name under which it signs.
    fn verifier_key(&self) -> &VerifierKey;

    /// Signs a message.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used just now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;

    /// The name under which it signs.
    fn name(&self) -> &str {
        self.verifier_key().name()
    }

    /// The key id that stands in front of each signature.
    fn key_id(&self) -> [u8; 4] {
        self.verifier_key().key_id()
    }
}

/// The signer could not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing failed")]
pub struct SignError;

/// A [`Signer`] that holds its key in memory, and wipes it when the last name for it is dropped.
///
/// ```
/// use strongroom_auditchain::{Ed25519Signer, Note, Signer as _};
///
/// let platform = Ed25519Signer::from_seed("audit.example.com/batch", &[1; 32])?;
/// // The same key, for the checkpoints of one log.
/// let log = platform.with_name("audit.example.com/t/acme")?;
/// assert_ne!(platform.key_id(), log.key_id());
/// let note = Note::sign("hello\n", &log)?;
/// assert!(note.verify(&[log.verifier_key().clone()]).is_ok());
/// assert!(note.verify(&[platform.verifier_key().clone()]).is_err());
/// # Ok::<(), strongroom_auditchain::NoteError>(())
/// ```
pub struct Ed25519Signer {
    verifier_key: VerifierKey,
    key: Arc<SigningKey>,
}

impl Ed25519Signer {
    /// Makes the signer of a 32-byte seed (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`NoteError::MalformedName`].
    ///
    /// # Security
    /// The seed is the secret: read it from sealed storage and wipe your copy.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::named(name, Arc::new(SigningKey::from_bytes(seed)))
    }

    /// Makes a signer with a new random key.
    ///
    /// # Errors
    /// [`NoteError::MalformedName`], and [`NoteError::Signing`] when the operating system has no
    /// random bytes.
    pub fn generate(name: &str) -> Result<Self, NoteError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| NoteError::Signing)?;
        Self::from_seed(name, &seed)
    }

    /// The same key under another name: each log's checkpoints are signed under its origin.
    ///
    /// # Errors
    /// [`NoteError::MalformedName`].
    pub fn with_name(&self, name: &str) -> Result<Self, NoteError> {
        Self::named(name, Arc::clone(&self.key))
    }

    /// The same key under the same name.
    #[must_use]
    pub fn same(&self) -> Self {
        Self {
            verifier_key: self.verifier_key.clone(),
            key: Arc::clone(&self.key),
        }
    }

    /// The public side.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    /// Hands out the seed, for whoever seals it away; wiped when dropped.
    #[must_use]
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    fn named(name: &str, key: Arc<SigningKey>) -> Result<Self, NoteError> {
        Ok(Self {
            verifier_key: VerifierKey::new(name, key.verifying_key().as_bytes())?,
            key,
        })
    }
}

impl Signer for Ed25519Signer {
    fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let signature = self.key.try_sign(message).map_err(|_| SignError)?;
        Ok(signature.to_bytes())
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Signer({})", self.verifier_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Note;

    /// A signer whose key is not the one that it shows.
    struct Miswired(Ed25519Signer, Ed25519Signer);

    impl Signer for Miswired {
        fn verifier_key(&self) -> &VerifierKey {
            self.0.verifier_key()
        }

        fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
            self.1.sign(message)
        }
    }

    #[test]
    fn a_signature_that_would_not_verify_is_not_published() {
        let name = "audit.example.com/t/acme";
        let right = Ed25519Signer::from_seed(name, &[1; 32]).unwrap();
        let wrong = Ed25519Signer::from_seed(name, &[2; 32]).unwrap();
        let signed = Note::sign("text\n", &Miswired(right, wrong));
        assert_eq!(signed, Err(NoteError::Signing));
    }

    #[test]
    fn debug_shows_the_public_key_alone() {
        let signer = Ed25519Signer::from_seed("example.com/log", &[0; 32]).unwrap();
        assert_eq!(
            format!("{signer:?}"),
            "Ed25519Signer(example.com/log+1dde4531+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop)"
        );
    }

    #[test]
    fn a_generated_key_comes_back_from_its_seed() {
        let signer = Ed25519Signer::generate("example.com/log").unwrap();
        let again = Ed25519Signer::from_seed("example.com/log", &signer.expose_seed()).unwrap();
        assert_eq!(again.verifier_key(), signer.verifier_key());
        let other = Ed25519Signer::generate("example.com/log").unwrap();
        assert_ne!(other.verifier_key(), signer.verifier_key());
    }
}
