//! Peppers, and the hasher that says how keys are hashed now.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::shown::Shown;
use crate::{HashedKey, KeyError};

/// Names one pepper; stored beside each hash that was made under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PepperId(pub u32);

/// A secret that hashes keys together with them, kept outside the database.
///
/// Only the keyed state of HMAC is kept, which is wiped when dropped.
pub struct Pepper {
    id: PepperId,
    mac: Hmac<Sha256>,
}

/// Why a pepper, or a set of them, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PepperError {
    /// A pepper has 32 to 64 bytes.
    #[error("pepper: expected 32 to 64 bytes")]
    Length,
    /// Two peppers have one id.
    #[error("pepper: an id stands twice")]
    Twice,
}

/// How keys are hashed now, and every pepper under which stored ones may have been.
///
/// ```
/// use strongroom_apikey::{ApiKey, Hasher, Pepper, PepperId, Scheme, TEST_KEY};
///
/// let key: ApiKey = TEST_KEY.parse()?;
/// let old = Hasher::default().hash(&key);
/// let hasher = Hasher::peppered(Pepper::new(PepperId(1), &[7; 32])?, Vec::new())?;
/// assert!(hasher.is_outdated(&old));
/// assert_eq!(hasher.hash(&key).scheme(), Scheme::Peppered);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Hasher {
    /// Without one, keys are hashed by SHA-256.
    current: Option<Pepper>,
    known: Vec<Pepper>,
}

impl Pepper {
    /// Takes a pepper's secret.
    ///
    /// # Errors
    /// [`PepperError::Length`].
    ///
    /// # Security
    /// The secret must come from a cryptographically secure generator. Keys that were hashed under
    /// it are lost with it.
    pub fn new(id: PepperId, secret: &[u8]) -> Result<Self, PepperError> {
        // Beyond 64 bytes HMAC would hash the secret first, and mean another one by it.
        if !(32..=64).contains(&secret.len()) {
            return Err(PepperError::Length);
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| PepperError::Length)?;
        Ok(Self { id, mac })
    }

    /// The pepper's id.
    #[must_use]
    pub const fn id(&self) -> PepperId {
        self.id
    }

    fn hash(&self, text: &str) -> HashedKey {
        let mac = self.mac.clone().chain_update(text.as_bytes());
        HashedKey::peppered(self.id, mac.finalize().into_bytes().into())
    }
}

impl Hasher {
    /// Hashes under `current`, and knows what was hashed under the `retired` ones or under none.
    ///
    /// # Errors
    /// [`PepperError::Twice`].
    pub fn peppered(current: Pepper, retired: Vec<Pepper>) -> Result<Self, PepperError> {
        Self::of(Some(current), retired)
    }

    /// Hashes by SHA-256, and knows what was hashed under these: so that every node knows a pepper
    /// before the first one hashes under it, and after the last one does.
    ///
    /// # Errors
    /// [`PepperError::Twice`].
    pub fn unpeppered(known: Vec<Pepper>) -> Result<Self, PepperError> {
        Self::of(None, known)
    }

    fn of(current: Option<Pepper>, known: Vec<Pepper>) -> Result<Self, PepperError> {
        let mut ids: Vec<_> = current.iter().chain(&known).map(Pepper::id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(PepperError::Twice);
        }
        Ok(Self { current, known })
    }

    /// What is stored of a key.
    #[must_use]
    pub fn hash<'a>(&self, key: impl Into<Shown<'a>>) -> HashedKey {
        self.hash_text(key.into().text)
    }

    /// Whether a stored hash is not as it would be made now: hash the key anew at its next use.
    #[must_use]
    pub fn is_outdated(&self, stored: &HashedKey) -> bool {
        stored.pepper() != self.current()
    }

    /// Refuses a key whose id has no record, at the price of one that has.
    #[must_use]
    pub fn reject_unknown<'a>(&self, presented: impl Into<Shown<'a>>) -> KeyError {
        let nobody = HashedKey::of_nobody(self.current());
        let _ = std::hint::black_box(nobody.matches(presented.into().text, self));
        KeyError::Unknown
    }

    pub(crate) fn hash_text(&self, text: &str) -> HashedKey {
        match &self.current {
            None => HashedKey::sha256(text),
            Some(pepper) => pepper.hash(text),
        }
    }

    pub(crate) fn hash_under(&self, id: PepperId, text: &str) -> Option<HashedKey> {
        let peppers = &mut self.current.iter().chain(&self.known);
        let pepper = peppers.find(|pepper| pepper.id == id)?;
        Some(pepper.hash(text))
    }

    fn current(&self) -> Option<PepperId> {
        self.current.as_ref().map(Pepper::id)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({})", self.id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiKey, TEST_KEY};

    fn pepper(id: u32, byte: u8) -> Pepper {
        Pepper::new(PepperId(id), &[byte; 32]).unwrap()
    }

    #[test]
    fn pepper_rejections() {
        for length in [0, 16, 31, 65, 128] {
            let refused = Pepper::new(PepperId(1), &vec![0; length]).err();
            assert_eq!(refused, Some(PepperError::Length), "{length}");
        }
        let twice = Hasher::peppered(pepper(1, 1), vec![pepper(2, 2), pepper(1, 3)]);
        assert_eq!(twice.err(), Some(PepperError::Twice));
        let twice = Hasher::unpeppered(vec![pepper(2, 2), pepper(1, 1), pepper(2, 3)]);
        assert_eq!(twice.err(), Some(PepperError::Twice));
    }

    #[test]
    fn a_hash_holds_under_its_own_pepper_alone() {
        let key: ApiKey = TEST_KEY.parse().unwrap();
        let hashed = Hasher::peppered(pepper(1, 1), Vec::new())
            .unwrap()
            .hash(&key);
        let matches = |hasher: Hasher| hashed.matches(key.expose(), &hasher).map(bool::from);
        let rotated = Hasher::peppered(pepper(2, 2), vec![pepper(1, 1)]).unwrap();
        assert_eq!(matches(rotated), Some(true));
        let other_secret = Hasher::peppered(pepper(1, 2), Vec::new()).unwrap();
        assert_eq!(matches(other_secret), Some(false));
        let gone = Hasher::peppered(pepper(2, 1), Vec::new()).unwrap();
        assert_eq!(matches(gone), None);
        assert_eq!(matches(Hasher::default()), None);
    }

    #[test]
    fn what_is_not_hashed_as_now_is_outdated() {
        let key: ApiKey = TEST_KEY.parse().unwrap();
        let first = || Hasher::peppered(pepper(1, 1), Vec::new()).unwrap();
        let second = Hasher::peppered(pepper(2, 2), vec![pepper(1, 1)]).unwrap();
        let hashes = [
            Hasher::default().hash(&key),
            first().hash(&key),
            second.hash(&key),
        ];
        let outdated = |hasher: &Hasher| hashes.each_ref().map(|hash| hasher.is_outdated(hash));
        assert_eq!(outdated(&Hasher::default()), [false, true, true]);
        assert_eq!(outdated(&first()), [true, false, true]);
        assert_eq!(outdated(&second), [true, true, false]);
        let before = Hasher::unpeppered(vec![pepper(1, 1)]).unwrap();
        assert_eq!(outdated(&before), [false, true, true]);
        let matches = |hash: &HashedKey| hash.matches(key.expose(), &before).map(bool::from);
        assert_eq!(
            hashes.each_ref().map(matches),
            [Some(true), Some(true), None]
        );
    }

    #[test]
    fn debug_shows_ids_alone() {
        let hasher = Hasher::peppered(pepper(7, 0x41), vec![pepper(6, 0x42)]).unwrap();
        assert_eq!(
            format!("{hasher:?}"),
            "Hasher { current: Some(Pepper(7)), known: [Pepper(6)] }"
        );
    }
}
