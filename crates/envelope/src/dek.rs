//! The data-encryption key.

use secrecy::{ExposeSecret as _, SecretBox};

/// A data-encryption key: 32 secret bytes that seal one record; wiped when dropped.
pub struct Dek(SecretBox<[u8; 32]>);

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
        let key = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| filled = getrandom::fill(bytes));
        filled.map(|()| Self(key)).map_err(|_| RandomnessError)
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

impl std::fmt::Debug for Dek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dek(..)")
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
    fn generated_keys_differ() {
        let (a, b) = (Dek::generate().unwrap(), Dek::generate().unwrap());
        assert_ne!(a.expose_bytes(), b.expose_bytes());
    }
}
