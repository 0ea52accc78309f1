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
        #[cfg(test)]
        tests::COMPARISONS.with(|count| count.set(count.get() + 1));
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
    use std::cell::Cell;
    use std::time::Duration;

    use strongroom_tenancy::{Role, TenantId};

    use super::*;
    use crate::{
        ApiKey, KeyError, KeyGate, KeyId, KeyRecord, KeyStore, Pepper, StoreFuture, TEST_KEY,
        TableFeed, Visit,
    };

    thread_local! {
        /// How many keys were hashed and compared with a stored hash.
        pub(super) static COMPARISONS: Cell<u32> = const { Cell::new(0) };
    }

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

    /// One record, or none.
    struct Store(Option<KeyRecord>);

    impl KeyStore for Store {
        fn by_id<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a> {
            let found = self.0.clone().filter(|record| record.id == *id);
            Box::pin(std::future::ready(Ok(found)))
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("nothing here waits"),
        }
    }

    /// Were it fewer, how soon the answer comes would tell which ids exist.
    #[test]
    fn an_unknown_id_costs_as_many_hashes_as_a_known_one() {
        let known: ApiKey = TEST_KEY.parse().unwrap();
        let (prefix, environment) = (known.prefix(), known.environment());
        let forged = ApiKey::from_parts(prefix, environment, known.id(), &[7; 32]);
        let unknown = ApiKey::generate(prefix, environment).unwrap();
        let pepper = Pepper::new(PepperId(1), &[1; 32]).unwrap();
        for hasher in [
            Hasher::default(),
            Hasher::peppered(pepper, Vec::new()).unwrap(),
        ] {
            let all = Role::Admin.capabilities();
            let mut record = KeyRecord::issue(&known, TenantId::PLATFORM, all, &all, None).unwrap();
            record.hash = hasher.hash(&known);
            let store = Store(Some(record));
            let feed = TableFeed::new(|| Duration::ZERO);
            feed.answer(feed.ask(), 0, []);
            let gate = KeyGate::new(hasher, 10);
            let visit = Visit {
                now: 5,
                address: None,
            };
            let asked = |key: &ApiKey, refused: Option<KeyError>| {
                let before = COMPARISONS.get();
                let checked = now(gate.authenticate(key, &visit, &store, &feed));
                assert_eq!(checked.err(), refused);
                COMPARISONS.get() - before
            };
            // Each first from the store, then from memory.
            for _ in 0..2 {
                assert_eq!(asked(&known, None), 1);
                assert_eq!(asked(&forged, Some(KeyError::Mismatch)), 1);
                assert_eq!(asked(&unknown, Some(KeyError::Unknown)), 1);
            }
        }
        let before = COMPARISONS.get();
        let _ = crate::reject_unknown(&unknown);
        assert_eq!(COMPARISONS.get() - before, 1);
    }
}
