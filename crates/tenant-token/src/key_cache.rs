//! The client's side of a JWK Set: when to fetch it, and how long to rely on it.

use std::collections::BTreeMap;

use crate::jwks::{JwkSet, JwkSetError};
use crate::public_key::PublicKey;

/// How long a fetched set is relied on without another look, in seconds.
const FRESH_FOR: u64 = 300;

/// How long a set is relied on while fetching fails, in seconds.
const STALE_FOR: u64 = 24 * 3_600;

/// The least time between two fetches, in seconds.
const FETCH_INTERVAL: u64 = 10;

/// How many names without a key are remembered.
const MAX_UNKNOWN: usize = 256;

/// An issuer's JWK Set as a verifier keeps it: fetched every 300 s, once more for a `kid` that is
/// not in it, never twice within 10 s, and relied on for at most 24 hours while fetching fails.
///
/// It fetches nothing itself: it says when to, and takes what came. The caller shares it behind a
/// lock and fetches without holding that.
///
/// ```
/// use strongroom_tenant_token::{JwkSet, KeyCache, SigningKey};
///
/// let key = SigningKey::generate()?;
/// let mut cache = KeyCache::new();
/// let now = 1_800_000_000;
/// let refresh = cache.refresh(now).ok_or("nothing is due")?;
/// let document = JwkSet::of(&[key.public_key()]).to_json(); // Fetched, over TLS.
/// cache.fetched(refresh, &document, now)?;
/// assert!(cache.keys(now).is_some_and(|keys| keys.find(key.kid()).is_some()));
/// assert!(cache.refresh(now + 299).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct KeyCache<S = JwkSet> {
    keys: S,
    /// When the fetch was begun that gave the keys.
    fetched_at: Option<u64>,
    /// The number of that fetch.
    fetched: u64,
    attempted_at: Option<u64>,
    attempts: u64,
    /// Names that a fetched set did not have, with the time of that.
    unknown: BTreeMap<String, u64>,
    generation: u64,
}

/// A set of public keys that a [`KeyCache`] can keep: our own profile's, or
/// [another issuer's](crate::id_token::IssuerKeys).
pub trait KeySet: Default {
    /// Why a document is not such a set.
    type Error;

    /// Reads a whole set.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str) -> Result<Self, Self::Error>;

    /// Whether a key has that name.
    fn has(&self, kid: &str) -> bool;

    /// The names of the keys.
    fn kids(&self) -> impl Iterator<Item = &str>;
}

impl KeySet for JwkSet {
    type Error = JwkSetError;

    fn parse(text: &str) -> Result<Self, JwkSetError> {
        Self::parse(text)
    }

    fn has(&self, kid: &str) -> bool {
        self.find(kid).is_some()
    }

    fn kids(&self) -> impl Iterator<Item = &str> {
        self.iter().map(PublicKey::kid)
    }
}

/// Leave for one fetch; to be handed back with what it gave.
#[derive(Debug)]
#[must_use = "nothing is fetched by asking"]
pub struct Refresh {
    number: u64,
    begun_at: u64,
    kid: Option<String>,
}

impl KeyCache {
    /// A cache of sets of our own profile that has nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S: KeySet> KeyCache<S> {
    /// The keys to verify with; none before the first fetch, nor once the last good one lies more
    /// than 24 hours back.
    #[must_use]
    pub fn keys(&self, now: u64) -> Option<&S> {
        let age = now.saturating_sub(self.fetched_at?);
        (age <= STALE_FOR).then_some(&self.keys)
    }

    /// Whether the set is older than 300 s, or there is none yet.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        let age = |fetched_at| now.saturating_sub(fetched_at);
        self.fetched_at.is_none_or(|at| age(at) >= FRESH_FOR)
    }

    /// Leave to fetch, when the set is older than 300 s and nobody has tried within 10 s.
    pub fn refresh(&mut self, now: u64) -> Option<Refresh> {
        if self.is_due(now) {
            self.begin(now, None)
        } else {
            None
        }
    }

    /// Leave to fetch for a `kid` that is not in the set; once for each in 300 s, and when nobody
    /// has tried within 10 s.
    pub fn refresh_for(&mut self, kid: &str, now: u64) -> Option<Refresh> {
        let is_settled = |at: &u64| now.saturating_sub(*at) < FRESH_FOR;
        if self.keys.has(kid) || self.unknown.get(kid).is_some_and(is_settled) {
            return None;
        }
        self.begin(now, Some(kid))
    }

    /// Takes the document that was fetched. An answer that a later fetch has overtaken is dropped.
    ///
    /// # Errors
    /// [`KeySet::Error`]; the set that was there stays, as after [`failed`](Self::failed).
    pub fn fetched(&mut self, refresh: Refresh, text: &str, now: u64) -> Result<(), S::Error> {
        let keys = S::parse(text)?;
        if refresh.number <= self.fetched {
            return Ok(());
        }
        if self.keys.kids().any(|kid| !keys.has(kid)) {
            self.generation = self.generation.saturating_add(1);
        }
        self.keys = keys;
        self.fetched = refresh.number;
        // From before the request: what the answer says may have changed while it travelled.
        self.fetched_at = Some(refresh.begun_at);
        self.unknown
            .retain(|_, at| now.saturating_sub(*at) < FRESH_FOR);
        if let Some(kid) = refresh.kid.filter(|kid| !self.keys.has(kid)) {
            if self.unknown.len() >= MAX_UNKNOWN {
                self.unknown.pop_first();
            }
            self.unknown.insert(kid, now);
        }
        Ok(())
    }

    /// Hands back a leave whose fetch failed; the set that was there stays.
    pub fn failed(&mut self, refresh: Refresh) {
        // The attempt counts; nothing else happened.
        drop(refresh);
    }

    /// Grows each time that a key has left the set, for
    /// [`Verifier::with_generation`](crate::Verifier::with_generation).
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    fn begin(&mut self, now: u64, kid: Option<&str>) -> Option<Refresh> {
        let is_recent = |at: u64| now.saturating_sub(at) < FETCH_INTERVAL;
        if self.attempted_at.is_some_and(is_recent) {
            return None;
        }
        self.attempted_at = Some(now);
        self.attempts += 1;
        Some(Refresh {
            number: self.attempts,
            begun_at: now,
            kid: kid.map(str::to_owned),
        })
    }
}
