//! A family of refresh tokens: one login's, each the successor of the one before.

use std::fmt;

use strongroom_tenancy::{Actor, CapabilitySet, TenantId};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::{RefreshError, Reuse};
use super::successor::{self, RANDOM, SEALED};
use super::token::{FamilyId, RefreshToken};
use super::{ABSOLUTE, GRACE, IDLE};
use crate::claims::Authentication;

/// How many random bytes [`Family::decide`] takes.
pub const ENTROPY: usize = RANDOM + 12;

/// What a family's access tokens say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The tenant.
    pub tenant: TenantId,
    /// Who acts.
    pub actor: Actor,
    /// What may be done; narrow it again to what the actor may do now, before each minting.
    pub capabilities: CapabilitySet,
    /// `sid`: the login.
    pub session_id: Uuid,
    /// `client_id`: the one client that may present the tokens.
    pub client_id: String,
    /// When and how the login was.
    pub authentication: Authentication,
}

/// Why a family was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevokedBecause {
    /// A token was used twice.
    Reuse,
    /// Somebody asked for it: a logout, RFC 7009, an administrator.
    Request,
}

/// A family's row, as it is stored: no token can be found from it.
#[derive(Clone)]
pub struct Family {
    /// The family.
    pub id: FamilyId,
    /// Counts every change of the row; what [`RefreshStore::swap`](super::RefreshStore::swap)
    /// compares.
    pub version: u64,
    /// What it is for.
    pub grant: Grant,
    /// The key of the tags in the family's tokens. Who has it can have the family revoked, and
    /// nothing else.
    pub lineage: Zeroizing<[u8; 32]>,
    /// How often the token was rotated.
    pub generation: u64,
    /// The SHA-256 of the newest token.
    pub current: [u8; 32],
    /// The SHA-256 of the one before.
    pub parent: Option<[u8; 32]>,
    /// The newest token, sealed for the holder of the one before; until the first use of either,
    /// or the end of the grace.
    pub successor: Option<[u8; SEALED]>,
    /// When the family began, in Unix seconds.
    pub begun_at: u64,
    /// When the newest token was given out, in Unix seconds.
    pub rotated_at: u64,
    /// When and why it was revoked.
    pub revoked: Option<(u64, RevokedBecause)>,
}

/// What is to be done about a presented token. Where there is a `next`, it holds only once it has
/// been swapped in for the row that was decided on; else the row is to be read and decided anew.
#[derive(Debug)]
pub enum Decision {
    /// Hand out the successor.
    Rotate {
        /// The row after.
        next: Box<Family>,
        /// The successor.
        token: RefreshToken,
    },
    /// Hand out the same successor once more: an answer was lost, or two asked at once.
    Repeat {
        /// The row after.
        next: Box<Family>,
        /// The successor.
        token: RefreshToken,
    },
    /// Revoke the family: a token was used twice.
    Revoke {
        /// The row after.
        next: Box<Family>,
        /// What to answer then.
        error: RefreshError,
    },
    /// Refuse; the row stays.
    Refuse(RefreshError),
}

impl Family {
    /// Decides about a token that `client` presents at `now`. `random` is for the successor, fresh
    /// each time.
    ///
    /// `now` is to be one clock's for all nodes, such as the store's: the grace is counted by it.
    #[must_use]
    pub fn decide(
        &self,
        presented: &RefreshToken,
        client: &str,
        now: u64,
        random: &[u8; ENTROPY],
    ) -> Decision {
        // A made-up token revokes nothing: whoever learns of an id could end a session with it.
        if presented.family() != self.id || !self.gave_out(presented) {
            return Decision::Refuse(RefreshError::Unknown);
        }
        if self.revoked.is_some() {
            return Decision::Refuse(RefreshError::Revoked);
        }
        let hash = presented.hash();
        let is_client = client == self.grant.client_id;
        if bool::from(hash.ct_eq(&self.current)) {
            if !is_client {
                return Decision::Refuse(RefreshError::WrongClient);
            }
            if self.is_over(now) {
                return Decision::Refuse(RefreshError::Expired);
            }
            return self.rotated(presented, now, random);
        }
        // The immediate parent only: whoever shows an older one did not miss the last answer.
        let is_parent = self.parent.is_some_and(|parent| hash.ct_eq(&parent).into());
        let in_grace = now.abs_diff(self.rotated_at) <= GRACE;
        if is_parent && in_grace && is_client {
            let sealed = self.successor.as_ref();
            let opened = sealed.and_then(|it| successor::open(presented, self.generation, it));
            if let Some(token) = opened {
                let mut next = self.changed();
                next.successor = None;
                return Decision::Repeat { next, token };
            }
        }
        let mut next = self.changed();
        next.successor = None;
        next.revoked = Some((now, RevokedBecause::Reuse));
        let reuse = Reuse {
            family: self.id,
            grant: self.grant.clone(),
        };
        let error = RefreshError::ReuseDetected(Box::new(reuse));
        Decision::Revoke { next, error }
    }

    /// The row after a revocation that somebody asked for; none if it was revoked before.
    #[must_use]
    pub fn revoke(&self, now: u64) -> Option<Family> {
        if self.revoked.is_some() {
            return None;
        }
        let mut next = self.changed();
        next.successor = None;
        next.revoked = Some((now, RevokedBecause::Request));
        Some(*next)
    }

    /// Whether the family gave out a token, at whatever time.
    pub(crate) fn gave_out(&self, token: &RefreshToken) -> bool {
        let Some(random) = token.secret().first_chunk::<RANDOM>() else {
            return false;
        };
        let genuine = successor::secret(&self.lineage, self.id, *random);
        genuine.ct_eq(token.secret()).into()
    }

    /// A new family and its first token.
    pub(crate) fn first(
        prefix: &str,
        grant: Grant,
        now: u64,
        id: FamilyId,
        lineage: Zeroizing<[u8; 32]>,
        random: [u8; RANDOM],
    ) -> (Self, RefreshToken) {
        let secret = successor::secret(&lineage, id, random);
        let token = RefreshToken::assemble(prefix, id, &secret);
        let family = Self {
            id,
            version: 0,
            grant,
            lineage,
            generation: 0,
            current: token.hash(),
            parent: None,
            successor: None,
            begun_at: now,
            rotated_at: now,
            revoked: None,
        };
        (family, token)
    }

    fn rotated(&self, presented: &RefreshToken, now: u64, random: &[u8; ENTROPY]) -> Decision {
        let (fresh, nonce) = random.split_at(RANDOM);
        let (Ok(fresh), Ok(nonce)) = (fresh.try_into(), nonce.try_into()) else {
            return Decision::Refuse(RefreshError::Unavailable);
        };
        let secret = successor::secret(&self.lineage, self.id, fresh);
        let token = RefreshToken::assemble(presented.prefix(), self.id, &secret);
        let mut next = self.changed();
        next.generation += 1;
        next.parent = Some(self.current);
        next.current = token.hash();
        next.successor = successor::seal(presented, next.generation, &token, nonce);
        next.rotated_at = now;
        Decision::Rotate { next, token }
    }

    fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.rotated_at) >= IDLE || now.saturating_sub(self.begun_at) >= ABSOLUTE
    }

    fn changed(&self) -> Box<Self> {
        let mut next = Box::new(self.clone());
        next.version += 1;
        next
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("generation", &self.generation)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}
