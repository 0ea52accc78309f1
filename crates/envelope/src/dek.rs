//! The data-encryption key.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretBox};

use crate::random;

/// A data-encryption key: 32 secret bytes, wiped when dropped.
pub struct Dek(SecretBox<[u8; 32]>);

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
        let mut filled = Ok(());
        let key = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| filled = random::fill(bytes));
        filled.map(|()| Self(key))
    }

    /// Takes the bytes that a [`Kms`](crate::Kms) unwrapped; the caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SecretBox::init_with_mut(|key: &mut [u8; 32]| {
            key.copy_from_slice(bytes);
        }))
    }

    /// The secret bytes, for a [`Kms`](crate::Kms) to wrap.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; 32] {
        self.0.expose_secret()
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
        wiped(&dek.0);
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
