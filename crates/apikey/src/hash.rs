//! The hashed key: what a server stores.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::ApiKey;

/// How a key was hashed; stored beside the hash, so that later schemes can join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Scheme {
    /// SHA-256 of the whole key text.
    ///
    /// A fast hash is enough for a secret of 256 random bits, and a slow one would let anybody
    /// occupy the server with made-up keys.
    Sha256 = 1,
}

/// A key's hash, from which the key cannot be found.
///
/// It has no equality: only [`KeyRecord::authenticate`](crate::KeyRecord::authenticate) compares
/// it, in constant time.
///
/// ```
/// use strongroom_apikey::{ApiKey, HashedKey, TEST_KEY};
///
/// let hash = TEST_KEY.parse::<ApiKey>()?.hash();
/// let (scheme, bytes) = (hash.scheme() as u8, hash.as_bytes().to_vec());
/// assert!(HashedKey::from_stored(scheme, &bytes).is_ok());
/// # Ok::<(), strongroom_apikey::ParseError>(())
/// ```
#[derive(Clone)]
pub struct HashedKey {
    scheme: Scheme,
    bytes: [u8; 32],
}

/// Why what was stored is not a hashed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredHashError {
    /// The scheme is none that this version knows.
    #[error("hashed key: unknown scheme")]
    UnknownScheme,
    /// The hash is not 32 bytes long.
    #[error("hashed key: expected 32 bytes")]
    Length,
}

impl HashedKey {
    /// A hash of no known key, for comparisons whose outcome is settled.
    pub(crate) const NOBODY: Self = Self {
        scheme: Scheme::Sha256,
        bytes: [0; 32],
    };

    /// Takes what was stored.
    ///
    /// # Errors
    /// [`StoredHashError`] for an unknown scheme or another length.
    pub fn from_stored(scheme: u8, bytes: &[u8]) -> Result<Self, StoredHashError> {
        let scheme = match scheme {
            1 => Scheme::Sha256,
            _ => return Err(StoredHashError::UnknownScheme),
        };
        let bytes = bytes.try_into().map_err(|_| StoredHashError::Length)?;
        Ok(Self { scheme, bytes })
    }

    /// How the key was hashed.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The hash, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(crate) fn of(key: &ApiKey) -> Self {
        Self {
            scheme: Scheme::Sha256,
            bytes: Sha256::digest(key.expose().as_bytes()).into(),
        }
    }

    /// Whether the presented key is the one that was hashed; in constant time.
    pub(crate) fn matches(&self, presented: &ApiKey) -> Choice {
        match self.scheme {
            Scheme::Sha256 => Self::of(presented).bytes.ct_eq(&self.bytes),
        }
    }
}

impl fmt::Debug for HashedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashedKey({:?})", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TEST_KEY;

    #[test]
    fn rejections() {
        let length = Some(StoredHashError::Length);
        for bytes in [0, 31, 33, 64] {
            let refused = HashedKey::from_stored(1, &vec![0; bytes]).err();
            assert_eq!(refused, length);
        }
        for scheme in [0, 2, 255] {
            let refused = HashedKey::from_stored(scheme, &[0; 32]).err();
            assert_eq!(refused, Some(StoredHashError::UnknownScheme));
        }
    }

    #[test]
    fn debug_shows_the_scheme_alone() {
        let hash = TEST_KEY.parse::<ApiKey>().unwrap().hash();
        assert_eq!(format!("{hash:?}"), "HashedKey(Sha256)");
    }
}
