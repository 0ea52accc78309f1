//! Verified tokens, kept so that the same token is not verified twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use strongroom_tenancy::TenantId;

use crate::claims::Claims;
use crate::error::TokenError;
use crate::revocation::Standing;
use crate::verifier::{MAX_TOKEN_BYTES, Rejection, VerifiedToken, Verifier};

/// How long a token is kept at most, in seconds.
const KEPT_FOR: u64 = 300;

/// Parts with a lock each, so that cores seldom wait for one another.
const SHARDS: usize = 16;

/// A tenant may hold this part of the cache, so that it cannot push out everybody else.
const SHARE: usize = 8;

type Digest = [u8; 32];

/// Verified tokens by the SHA-256 of their whole text.
///
/// A hit saves the signature and the parsing, and nothing else: on each, the issuer, audience and
/// times are checked again, the key must still be in the verifier's set and the set of the same
/// generation, and the caller's revocations are asked. Only what verified is ever put in. It is
/// bounded; a tenant holds at most an eighth of it.
///
/// ```
/// use strongroom_tenant_token::{RevocationList, TokenCache};
/// # use strongroom_tenant_token::{Authentication, Claims, JwkSet, SigningKey, Verifier, mint};
/// # use strongroom_tenancy::{Actor, CapabilitySet};
/// # let key = SigningKey::generate()?;
/// # let now = 1_800_000_000;
/// # let claims = Claims {
/// #     issuer: "i".to_owned(),
/// #     audience: "a".to_owned(),
/// #     tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
/// #     actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?),
/// #     capabilities: CapabilitySet::of(&[]),
/// #     issued_at: now,
/// #     expires_at: now + 900,
/// #     token_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120004".parse()?,
/// #     session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse()?,
/// #     client_id: "console".to_owned(),
/// #     authentication: Authentication::at(now),
/// #     epoch: 0,
/// # };
/// # let token = mint(&key, &claims)?;
/// # let verifier = Verifier::new("i", "a", JwkSet::of(&[key.public_key()]));
/// let cache = TokenCache::new(100_000);
/// let revoked = RevocationList::default();
/// for _ in 0..2 {
///     let verified = cache.verify(&verifier, &token, now, |claims| revoked.standing(claims))?;
///     assert_eq!(verified.claims(), &claims);
/// }
/// assert_eq!(cache.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenCache {
    shards: Vec<Mutex<Shard>>,
    /// Entries in a shard, and of one tenant in a shard.
    capacity: usize,
    share: usize,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Digest, Entry>,
    /// By the order of their coming: the first goes first.
    order: BTreeMap<u64, Digest>,
    tenants: HashMap<TenantId, BTreeSet<u64>>,
    next: u64,
}

struct Entry {
    token: Arc<VerifiedToken>,
    generation: u64,
    verified_at: u64,
    place: u64,
    good_as_of: u64,
}

/// A genuine token in its time, of which is still to be asked whether it was revoked; it is
/// accepted by [`TokenCache::admit`] alone.
#[derive(Debug)]
pub struct Authentic {
    token: Arc<VerifiedToken>,
    digest: Digest,
    generation: u64,
    verified_at: u64,
    good_as_of: Option<u64>,
}

impl Authentic {
    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.token.claims()
    }

    /// The `as_of` that the token was last admitted with; none when it is not kept.
    #[must_use]
    pub const fn good_as_of(&self) -> Option<u64> {
        self.good_as_of
    }
}

impl TokenCache {
    /// A cache for about that many tokens, at least 128.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(SHARE);
        Self {
            shards: std::iter::repeat_with(Mutex::default)
                .take(SHARDS)
                .collect(),
            capacity,
            share: capacity / SHARE,
        }
    }

    /// Verifies a token, or finds it verified; `standing` is asked in both cases.
    ///
    /// # Errors
    /// [`Rejection`] as of [`Verifier::verify`], and [`TokenError::Revoked`] or
    /// [`TokenError::Unavailable`] by what `standing` says.
    pub fn verify(
        &self,
        verifier: &Verifier,
        token: &str,
        now: u64,
        standing: impl FnOnce(&Claims) -> Standing,
    ) -> Result<Arc<VerifiedToken>, Rejection> {
        let token = self.authenticate(verifier, token, now)?;
        let standing = standing(token.claims());
        self.admit(token, standing, 0)
    }

    /// The first half of [`verify`](Self::verify): verifies a token, or finds it verified, so that
    /// its standing can be asked of a database before the second half, [`admit`](Self::admit).
    ///
    /// # Errors
    /// [`Rejection`] as of [`Verifier::verify`].
    pub fn authenticate(
        &self,
        verifier: &Verifier,
        token: &str,
        now: u64,
    ) -> Result<Authentic, Rejection> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge.into());
        }
        let digest: Digest = Sha256::digest(token.as_bytes()).into();
        let generation = verifier.generation();
        let (token, good_as_of) = match self.find(&digest, generation, now) {
            Some((found, good_as_of)) => match verifier.recheck(&found, now) {
                Ok(()) => (found, Some(good_as_of)),
                Err(error) => {
                    self.remove(&digest);
                    // A key that has left the set is no longer a reason to believe the claims.
                    return Err(match error {
                        TokenError::UnknownKid => error.into(),
                        _ => found.refuse(error),
                    });
                }
            },
            None => (Arc::new(verifier.verify(token, now)?), None),
        };
        Ok(Authentic {
            token,
            digest,
            generation,
            verified_at: now,
            good_as_of,
        })
    }

    /// The second half of [`verify`](Self::verify): accepts a token whose standing is good, and
    /// keeps it. `as_of` says by what state of the revocations it is good, as any number of the
    /// caller's: [`Authentic::good_as_of`] has it the next time, so that a state which has not
    /// changed is not asked again.
    ///
    /// # Errors
    /// [`TokenError::Revoked`] or [`TokenError::Unavailable`] by what `standing` says.
    pub fn admit(
        &self,
        token: Authentic,
        standing: Standing,
        as_of: u64,
    ) -> Result<Arc<VerifiedToken>, Rejection> {
        match standing {
            Standing::Good => {
                if token.good_as_of != Some(as_of) {
                    self.keep(&token, as_of);
                }
                Ok(token.token)
            }
            Standing::Revoked => {
                self.remove(&token.digest);
                Err(token.token.refuse(TokenError::Revoked))
            }
            Standing::Unknown => Err(token.token.refuse(TokenError::Unavailable)),
        }
    }

    /// How many tokens are held.
    #[must_use]
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).entries.len()).sum()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(
        &self,
        digest: &Digest,
        generation: u64,
        now: u64,
    ) -> Option<(Arc<VerifiedToken>, u64)> {
        let mut shard = self.shard(digest)?;
        let entry = shard.entries.get(digest)?;
        // A clock that was set back makes no entry younger.
        let is_current = entry.generation == generation
            && (entry.verified_at..entry.verified_at.saturating_add(KEPT_FOR)).contains(&now);
        if is_current {
            return Some((Arc::clone(&entry.token), entry.good_as_of));
        }
        shard.remove(digest);
        None
    }

    fn keep(&self, authentic: &Authentic, as_of: u64) {
        let Some(mut shard) = self.shard(&authentic.digest) else {
            return;
        };
        let kept = shard.entries.get_mut(&authentic.digest);
        if let Some(kept) = kept.filter(|kept| kept.generation == authentic.generation) {
            // Good for longer, and verified no later than it was.
            kept.good_as_of = as_of;
            return;
        }
        shard.remove(&authentic.digest);
        let tenant = authentic.claims().tenant;
        let held = shard.tenants.get(&tenant);
        let oldest = if held.is_some_and(|held| held.len() >= self.share) {
            held.and_then(|held| held.first().copied())
        } else if shard.entries.len() >= self.capacity {
            shard.order.keys().next().copied()
        } else {
            None
        };
        let oldest = oldest.and_then(|place| shard.order.get(&place).copied());
        if let Some(oldest) = oldest {
            shard.remove(&oldest);
        }
        let place = shard.next;
        shard.next += 1;
        shard.order.insert(place, authentic.digest);
        shard.tenants.entry(tenant).or_default().insert(place);
        let entry = Entry {
            token: Arc::clone(&authentic.token),
            generation: authentic.generation,
            verified_at: authentic.verified_at,
            place,
            good_as_of: as_of,
        };
        shard.entries.insert(authentic.digest, entry);
    }

    fn remove(&self, digest: &Digest) {
        if let Some(mut shard) = self.shard(digest) {
            shard.remove(digest);
        }
    }

    fn shard(&self, digest: &Digest) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = digest;
        let shard = self.shards.get(usize::from(*first) % SHARDS)?;
        Some(lock(shard))
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({})", self.len())
    }
}

impl Shard {
    fn remove(&mut self, digest: &Digest) {
        let Some(entry) = self.entries.remove(digest) else {
            return;
        };
        self.order.remove(&entry.place);
        let tenant = entry.token.claims().tenant;
        if let Some(places) = self.tenants.get_mut(&tenant) {
            places.remove(&entry.place);
            if places.is_empty() {
                self.tenants.remove(&tenant);
            }
        }
    }
}

/// A thread that panicked under the lock left a map that is at worst short of an entry.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
