//! The data-encryption key.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::{ExposeSecret as _, SecretBox};

use crate::derive;
use crate::random;
use crate::wipe::Secret;

/// A data-encryption key: 32 secret bytes, wiped when dropped.
pub struct Dek {
    key: SecretBox<[u8; 32]>,
    /// Drawn with the key, for its first wrap, to save a call for randomness.
    ///
    /// It is handed out once. Should a fork or a snapshot hand it out again, then to wrap the same
    /// key, under the same KEK or another: the same bytes, or ones under another key.
    wrap_nonce: [u8; WRAP_NONCE],
    has_nonce: AtomicBool,
}

/// The part of a wrap's nonce that is new for each wrap.
pub(crate) const WRAP_NONCE: usize = 12;

/// The name of a data-encryption key that is kept, wrapped, beside its records: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DekId([u8; 16]);

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct RandomnessError;

impl Dek {
    /// Makes a key from the operating system's randomness.
    ///
    /// # Errors
    /// [`RandomnessError`] when there is none.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut drawn = Secret([0; 32 + WRAP_NONCE]);
        random::fill(&mut drawn.0)?;
        let key = drawn.first_chunk().zip(drawn.last_chunk());
        let (key, nonce) = key.ok_or(RandomnessError)?;
        Ok(Self::from_drawn(key, nonce))
    }

    /// Takes a key and a nonce that were drawn for it.
    pub(crate) fn from_drawn(key: &[u8; 32], wrap_nonce: &[u8; WRAP_NONCE]) -> Self {
        Self {
            wrap_nonce: *wrap_nonce,
            has_nonce: AtomicBool::new(true),
            ..Self::from_bytes(key)
        }
    }

    /// The nonce that was drawn for the first wrap; `None` when that was made.
    pub(crate) fn take_wrap_nonce(&self) -> Option<[u8; WRAP_NONCE]> {
        let had = self.has_nonce.swap(false, Ordering::Relaxed);
        had.then_some(self.wrap_nonce)
    }

    /// Takes the bytes that a [`Kms`](crate::Kms) unwrapped; the caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self {
            key: derive::boxed(bytes),
            wrap_nonce: [0; WRAP_NONCE],
            has_nonce: AtomicBool::new(false),
        }
    }

    /// The secret bytes, for a [`Kms`](crate::Kms) to wrap.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; 32] {
        self.key.expose_secret()
    }
}

impl fmt::Debug for Dek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dek(..)")
    }
}

impl DekId {
    /// Draws a new id.
    ///
    /// # Errors
    /// [`RandomnessError`] when there is no randomness.
    pub fn generate() -> Result<Self, RandomnessError> {
        random::bytes().map(Self)
    }

    /// Takes an id as it is stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DekId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_drop_wipes() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let dek = Dek::from_bytes(&[7; 32]);
        wiped(&dek.key);
        assert_eq!(format!("{dek:?}"), "Dek(..)");
    }

    #[test]
    fn generated_keys_and_ids_differ() {
        let (a, b) = (Dek::generate().unwrap(), Dek::generate().unwrap());
        assert_ne!(a.expose_bytes(), b.expose_bytes());
        assert_ne!(DekId::generate().unwrap(), DekId::generate().unwrap());
        let id = DekId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
    }
}
