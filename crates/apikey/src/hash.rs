//! The hashed key: what a server stores.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::{Hasher, PepperId};

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
    /// HMAC-SHA-256 of the whole key text under a pepper, whose id is stored too.
    ///
    /// Who reads the database alone can then not even try a key that they found elsewhere.
    Peppered = 2,
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
    pepper: Option<PepperId>,
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
    /// The scheme has a pepper: [`HashedKey::from_stored_peppered`] takes its id.
    #[error("hashed key: no pepper id")]
    NoPepper,
}

impl HashedKey {
    /// Takes what was stored of a key without a pepper.
    ///
    /// # Errors
    /// [`StoredHashError`] for another scheme or another length.
    pub fn from_stored(scheme: u8, bytes: &[u8]) -> Result<Self, StoredHashError> {
        match scheme {
            1 => Self::of(None, bytes),
            2 => Err(StoredHashError::NoPepper),
            _ => Err(StoredHashError::UnknownScheme),
        }
    }

    /// Takes what was stored of a key under a pepper.
    ///
    /// # Errors
    /// [`StoredHashError::Length`].
    pub fn from_stored_peppered(pepper: PepperId, bytes: &[u8]) -> Result<Self, StoredHashError> {
        Self::of(Some(pepper), bytes)
    }

    /// How the key was hashed.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        match self.pepper {
            None => Scheme::Sha256,
            Some(_) => Scheme::Peppered,
        }
    }

    /// The pepper under which it was hashed, to be stored.
    #[must_use]
    pub const fn pepper(&self) -> Option<PepperId> {
        self.pepper
    }

    /// The hash, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// A hash of no known key, for comparisons whose outcome is settled.
    pub(crate) const fn of_nobody(pepper: Option<PepperId>) -> Self {
        let bytes = [0; 32];
        Self { pepper, bytes }
    }

    pub(crate) const fn peppered(pepper: PepperId, bytes: [u8; 32]) -> Self {
        let pepper = Some(pepper);
        Self { pepper, bytes }
    }

    pub(crate) fn sha256(text: &str) -> Self {
        Self {
            pepper: None,
            bytes: Sha256::digest(text.as_bytes()).into(),
        }
    }

    /// Whether the presented text is the one that was hashed, in constant time; `None` when its
    /// pepper is not there.
    pub(crate) fn matches(&self, presented: &str, hasher: &Hasher) -> Option<Choice> {
        let hashed = match self.pepper {
            None => Self::sha256(presented),
            Some(pepper) => hasher.hash_under(pepper, presented)?,
        };
        let words = hashed.words().zip(self.words());
        Some(words.fold(Choice::from(1), |equal, (made, stored)| {
            equal & made.ct_eq(&stored)
        }))
    }

    /// The bytes, eight at a time: a comparison in constant time is slow by the piece.
    fn words(&self) -> impl Iterator<Item = u64> {
        let (words, _) = self.bytes.as_chunks();
        words.iter().copied().map(u64::from_ne_bytes)
    }

    fn of(pepper: Option<PepperId>, bytes: &[u8]) -> Result<Self, StoredHashError> {
        let bytes = bytes.try_into().map_err(|_| StoredHashError::Length)?;
        Ok(Self { pepper, bytes })
    }
}

impl fmt::Debug for HashedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pepper {
            None => f.write_str("HashedKey(Sha256)"),
            Some(pepper) => write!(f, "HashedKey(Peppered by {})", pepper.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiKey, TEST_KEY};

    #[test]
    fn rejections() {
        let length = Some(StoredHashError::Length);
        for bytes in [0, 31, 33, 64] {
            let refused = HashedKey::from_stored(1, &vec![0; bytes]).err();
            assert_eq!(refused, length);
            let refused = HashedKey::from_stored_peppered(PepperId(1), &vec![0; bytes]).err();
            assert_eq!(refused, length);
        }
        for scheme in [0, 3, 255] {
            let refused = HashedKey::from_stored(scheme, &[0; 32]).err();
            assert_eq!(refused, Some(StoredHashError::UnknownScheme));
        }
        let refused = HashedKey::from_stored(2, &[0; 32]).err();
        assert_eq!(refused, Some(StoredHashError::NoPepper));
    }

    #[test]
    fn debug_shows_the_scheme_alone() {
        let hash = TEST_KEY.parse::<ApiKey>().unwrap().hash();
        assert_eq!(format!("{hash:?}"), "HashedKey(Sha256)");
        let hash = HashedKey::of_nobody(Some(PepperId(7)));
        assert_eq!(format!("{hash:?}"), "HashedKey(Peppered by 7)");
    }
}
