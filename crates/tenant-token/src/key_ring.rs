//! The issuer's keys over time: Next, Active, Retiring, Gone.

use crate::jwks::JwkSet;
use crate::public_key::PublicKey;
use crate::verifier::{LEEWAY, MAX_LIFETIME};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// How many keys that are gone are remembered, so that none of them comes back.
const MAX_GONE: usize = 64;

/// Where a key is in its life; it only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyState {
    /// Published, so that every verifier has it before it signs.
    Next,
    /// Published, and the one that signs.
    Active,
    /// Published until the last token that it signed has expired; signs no more.
    Retiring,
    /// Not published: no token of it verifies.
    Gone,
}

/// A key and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key.
    pub key: PublicKey,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when, in Unix seconds.
    pub since: u64,
}

/// How long a key stays in each state, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    rotate_after: u64,
    publish_ahead: u64,
    retire_for: u64,
}

/// Why durations are no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationPolicyError {
    /// Not between a day and 30 days.
    #[error("rotation policy: a key signs for 24 hours to 30 days")]
    Rotation,
    /// Not between a second and [`MAX_LIFETIME`].
    #[error("rotation policy: tokens live 1 to 3600 seconds")]
    TokenLifetime,
    /// Longer than an hour.
    #[error("rotation policy: verifiers keep a key set for at most 3600 seconds")]
    VerifierCache,
}

/// Why keys do not form a ring, or a ring does not take a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The key is in the ring, perhaps gone; no key comes back.
    #[error("key ring: the key is or was in the ring")]
    Known,
    /// There is a next key already.
    #[error("key ring: there is a next key already")]
    NextExists,
    /// Two keys are active.
    #[error("key ring: two active keys")]
    TwoActive,
    /// No key has that name, or it is gone already.
    #[error("key ring: no such key")]
    Unknown,
}

/// The keys of one issuer, with the states and times that they are in; holds no secret.
///
/// It is a plain value: the caller stores what [`entries`](Self::entries) and
/// [`generation`](Self::generation) say, and tells the time.
///
/// ```
/// use strongroom_tenant_token::{KeyRing, KeyState, RotationPolicy, SigningKey};
///
/// let mut now = 1_800_000_000;
/// let mut ring = KeyRing::new(RotationPolicy::default());
/// let first = SigningKey::generate()?.public_key();
/// ring.add(first.clone(), now)?; // Nothing was active: it signs at once.
///
/// now += 7 * 24 * 3_600 - 600;
/// assert!(ring.wants_key(now));
/// let second = SigningKey::generate()?.public_key();
/// ring.add(second.clone(), now)?;
/// ring.advance(now + 599);
/// assert_eq!(ring.active(), Some(&first));
/// ring.advance(now + 600);
/// assert_eq!(ring.active(), Some(&second));
/// // Tokens of the first still verify.
/// assert_eq!(ring.published().iter().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    policy: RotationPolicy,
    entries: Vec<KeyEntry>,
    generation: u64,
}

impl RotationPolicy {
    /// A policy for keys that sign for `rotate_after` seconds, tokens that live at most
    /// `token_lifetime` seconds, and verifiers that keep a key set for `verifier_cache` seconds.
    ///
    /// The overlaps follow: a key is published twice the verifiers' time before it signs, and
    /// stays for a token's life, the leeway and the verifiers' time after; at least ten minutes
    /// and half an hour.
    ///
    /// # Errors
    /// [`RotationPolicyError`] naming the duration that is out of bounds.
    pub const fn new(
        rotate_after: u64,
        token_lifetime: u64,
        verifier_cache: u64,
    ) -> Result<Self, RotationPolicyError> {
        if rotate_after < DAY || rotate_after > 30 * DAY {
            return Err(RotationPolicyError::Rotation);
        }
        if token_lifetime == 0 || token_lifetime > MAX_LIFETIME {
            return Err(RotationPolicyError::TokenLifetime);
        }
        if verifier_cache > HOUR {
            return Err(RotationPolicyError::VerifierCache);
        }
        let ahead = 2 * verifier_cache;
        let retire = token_lifetime + LEEWAY + verifier_cache;
        Ok(Self {
            rotate_after,
            publish_ahead: if ahead > 600 { ahead } else { 600 },
            retire_for: if retire > 1_800 { retire } else { 1_800 },
        })
    }

    /// How long a key signs.
    #[must_use]
    pub const fn rotate_after(&self) -> u64 {
        self.rotate_after
    }

    /// How long a key is published before it signs.
    #[must_use]
    pub const fn publish_ahead(&self) -> u64 {
        self.publish_ahead
    }

    /// How long a key is published after it signed last.
    #[must_use]
    pub const fn retire_for(&self) -> u64 {
        self.retire_for
    }
}

impl Default for RotationPolicy {
    /// A week of signing, tokens of 900 s, key sets kept for 300 s.
    fn default() -> Self {
        Self {
            rotate_after: 7 * DAY,
            publish_ahead: 600,
            retire_for: 1_800,
        }
    }
}

impl KeyRing {
    /// A ring without keys.
    #[must_use]
    pub const fn new(policy: RotationPolicy) -> Self {
        Self {
            policy,
            entries: Vec::new(),
            generation: 0,
        }
    }

    /// Takes what was stored.
    ///
    /// # Errors
    /// [`KeyRingError`] when a key is there twice, or two are active or next.
    pub fn restore(
        policy: RotationPolicy,
        entries: Vec<KeyEntry>,
        generation: u64,
    ) -> Result<Self, KeyRingError> {
        let count = |state| entries.iter().filter(|entry| entry.state == state).count();
        if count(KeyState::Active) > 1 {
            return Err(KeyRingError::TwoActive);
        }
        if count(KeyState::Next) > 1 {
            return Err(KeyRingError::NextExists);
        }
        let mut kids: Vec<_> = entries.iter().map(|entry| entry.key.kid()).collect();
        kids.sort_unstable();
        if kids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(KeyRingError::Known);
        }
        Ok(Self {
            policy,
            entries,
            generation,
        })
    }

    /// Whether it is time to make a key and [`add`](Self::add) it.
    #[must_use]
    pub fn wants_key(&self, now: u64) -> bool {
        let ends_soon = |active: &KeyEntry| {
            let age = now.saturating_sub(active.since);
            age.saturating_add(self.policy.publish_ahead) >= self.policy.rotate_after
        };
        match self.in_state(KeyState::Active) {
            None => true,
            Some(active) => self.in_state(KeyState::Next).is_none() && ends_soon(active),
        }
    }

    /// Publishes a key as the next one; with none active, it signs at once.
    ///
    /// # Errors
    /// [`KeyRingError::Known`] for a key that is or was here, [`KeyRingError::NextExists`].
    pub fn add(&mut self, key: PublicKey, now: u64) -> Result<(), KeyRingError> {
        if self
            .entries
            .iter()
            .any(|entry| entry.key.kid() == key.kid())
        {
            return Err(KeyRingError::Known);
        }
        let state = match self.in_state(KeyState::Active) {
            None => KeyState::Active,
            Some(_) if self.in_state(KeyState::Next).is_some() => {
                return Err(KeyRingError::NextExists);
            }
            Some(_) => KeyState::Next,
        };
        self.entries.push(KeyEntry {
            key,
            state,
            since: now,
        });
        Ok(())
    }

    /// Moves on every key whose time has come. Call it before each look at the ring, or on a
    /// timer: a key's time in a state begins when this moved it there, so that a late call makes
    /// an overlap longer and never shorter.
    pub fn advance(&mut self, now: u64) {
        let policy = self.policy;
        let is_due = |entry: Option<&KeyEntry>, after: u64| {
            entry.is_some_and(|entry| now.saturating_sub(entry.since) >= after)
        };
        let is_turn = is_due(self.in_state(KeyState::Active), policy.rotate_after)
            && is_due(self.in_state(KeyState::Next), policy.publish_ahead);
        // With none active the next one is all there is, as after a withdrawal.
        if is_turn || self.active().is_none() {
            self.replace_active(KeyState::Retiring, now);
        }
        let retired = |entry: &&mut KeyEntry| {
            entry.state == KeyState::Retiring
                && now.saturating_sub(entry.since) >= policy.retire_for
        };
        let mut left = false;
        for entry in self.entries.iter_mut().filter(retired) {
            entry.enter(KeyState::Gone, now);
            left = true;
        }
        if left {
            self.left();
        }
    }

    /// Has the next key sign before the active one's time is over, if it was published long enough;
    /// whether it does.
    pub fn replace_early(&mut self, now: u64) -> bool {
        let next = self.in_state(KeyState::Next);
        let is_ready =
            next.is_some_and(|e| now.saturating_sub(e.since) >= self.policy.publish_ahead);
        if is_ready {
            self.replace_active(KeyState::Retiring, now);
        }
        is_ready
    }

    /// Withdraws a key that may have leaked: it is gone at once, with every token that it signed.
    /// Was it the active one, then the next one signs from now on, if there is one.
    ///
    /// # Errors
    /// [`KeyRingError::Unknown`].
    ///
    /// # Security
    /// Verifiers that keep a published set learn of it when they fetch the set again. Those that
    /// learn the [`generation`](Self::generation) by a feed learn of it at once.
    pub fn withdraw(&mut self, kid: &str, now: u64) -> Result<(), KeyRingError> {
        let mut present = self.entries.iter_mut();
        let entry = present.find(|entry| entry.key.kid() == kid && entry.state != KeyState::Gone);
        let entry = entry.ok_or(KeyRingError::Unknown)?;
        if entry.state == KeyState::Active {
            self.replace_active(KeyState::Gone, now);
        } else {
            entry.enter(KeyState::Gone, now);
        }
        self.left();
        Ok(())
    }

    /// The key that signs.
    #[must_use]
    pub fn active(&self) -> Option<&PublicKey> {
        self.in_state(KeyState::Active).map(|entry| &entry.key)
    }

    /// The keys to publish and to verify with: all that are not gone.
    #[must_use]
    pub fn published(&self) -> JwkSet {
        let present = self.entries.iter().filter(|e| e.state != KeyState::Gone);
        let keys: Vec<_> = present.map(|entry| entry.key.clone()).collect();
        JwkSet::of(&keys)
    }

    /// Grows each time that a key is gone: what was verified before is to be verified anew.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Every key with its state, to be stored.
    #[must_use]
    pub fn entries(&self) -> &[KeyEntry] {
        &self.entries
    }

    fn in_state(&self, state: KeyState) -> Option<&KeyEntry> {
        self.entries.iter().find(|entry| entry.state == state)
    }

    fn replace_active(&mut self, after: KeyState, now: u64) {
        for entry in &mut self.entries {
            match entry.state {
                KeyState::Active => entry.enter(after, now),
                KeyState::Next => entry.enter(KeyState::Active, now),
                KeyState::Retiring | KeyState::Gone => {}
            }
        }
    }

    fn left(&mut self) {
        self.generation = self.generation.saturating_add(1);
        let gone = |entry: &&KeyEntry| entry.state == KeyState::Gone;
        let mut since: Vec<_> = self.entries.iter().filter(gone).map(|e| e.since).collect();
        // Those that are gone the longest, wherever they stand.
        since.sort_unstable();
        let mut surplus = since.len().saturating_sub(MAX_GONE);
        let last = surplus
            .checked_sub(1)
            .and_then(|last| since.get(last))
            .copied();
        self.entries.retain(|entry| {
            let is_old = gone(&entry) && last.is_some_and(|last| entry.since <= last);
            let is_kept = !is_old || surplus == 0;
            surplus -= usize::from(!is_kept);
            is_kept
        });
    }
}

impl KeyEntry {
    const fn enter(&mut self, state: KeyState, now: u64) {
        self.state = state;
        self.since = now;
    }
}
