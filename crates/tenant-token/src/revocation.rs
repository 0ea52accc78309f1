//! What was revoked before it expired.

use std::collections::HashMap;
use std::hash::Hash;

use strongroom_tenancy::{ActorId, TenantId};
use uuid::Uuid;

use crate::claims::Claims;
use crate::verifier::{LEEWAY, MAX_LIFETIME};

/// How long a revocation matters: then every token from before it has expired, even by a clock
/// that lags and for one that a clock ahead has minted.
const REMEMBERED_FOR: u64 = MAX_LIFETIME + 2 * LEEWAY;

/// What is known of a token beyond what it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing of it was revoked.
    Good,
    /// It was revoked.
    Revoked,
    /// That cannot be found out now; the token is refused.
    Unknown,
}

/// One act of revoking, all within one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revocation {
    /// One token, by its `jti`.
    Token(Uuid),
    /// Every token of a login, by its `sid`.
    Session(Uuid),
    /// Every token, minted until now, that the actor uses or in whose chain it stands.
    Actor(ActorId),
    /// Every token of the tenant that was minted in an earlier epoch than this.
    Epoch(u64),
}

/// The revocations that matter, in memory: a node applies to it what its feed brings.
///
/// ```
/// use strongroom_tenant_token::{Revocation, RevocationList, Standing};
/// # use strongroom_tenant_token::{Authentication, Claims};
/// # use strongroom_tenancy::{Actor, CapabilitySet};
/// # let claims = Claims {
/// #     issuer: "i".to_owned(),
/// #     audience: "a".to_owned(),
/// #     tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
/// #     actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?),
/// #     capabilities: CapabilitySet::of(&[]),
/// #     issued_at: 1_800_000_000,
/// #     expires_at: 1_800_000_900,
/// #     token_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120004".parse()?,
/// #     session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse()?,
/// #     client_id: "console".to_owned(),
/// #     authentication: Authentication::at(1_800_000_000),
/// #     epoch: 0,
/// # };
/// let mut list = RevocationList::default();
/// assert_eq!(list.standing(&claims), Standing::Good);
/// list.apply(claims.tenant, Revocation::Session(claims.session_id), 1_800_000_010);
/// assert_eq!(list.standing(&claims), Standing::Revoked);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    tokens: HashMap<(TenantId, Uuid), u64>,
    sessions: HashMap<(TenantId, Uuid), u64>,
    actors: HashMap<(TenantId, ActorId), u64>,
    epochs: HashMap<TenantId, u64>,
}

impl RevocationList {
    /// Adds what was revoked at `at`, in Unix seconds. Twice is as once; order does not matter.
    ///
    /// An actor's tokens are refused up to an `iat` of `at` and the leeway, since the minter's
    /// clock may be ahead: who logs in anew within those 30 s is refused until they are over.
    pub fn apply(&mut self, tenant: TenantId, revocation: Revocation, at: u64) {
        match revocation {
            Revocation::Token(id) => later(&mut self.tokens, (tenant, id), at),
            Revocation::Session(id) => later(&mut self.sessions, (tenant, id), at),
            Revocation::Actor(id) => later(&mut self.actors, (tenant, id), at),
            Revocation::Epoch(epoch) => {
                let known = self.epochs.entry(tenant).or_insert(epoch);
                *known = epoch.max(*known);
            }
        }
    }

    /// Whether a token's claims fall under what was revoked.
    #[must_use]
    pub fn standing(&self, claims: &Claims) -> Standing {
        let tenant = claims.tenant;
        let chain = claims.actor.on_behalf_of().iter();
        let mut actors = chain.chain(std::iter::once(claims.actor.id()));
        let covers = |at: &u64| claims.issued_at <= at.saturating_add(LEEWAY);
        let is_revoked = self.tokens.contains_key(&(tenant, claims.token_id))
            || self.sessions.contains_key(&(tenant, claims.session_id))
            || actors.any(|actor| self.actors.get(&(tenant, *actor)).is_some_and(covers))
            || self
                .epochs
                .get(&tenant)
                .is_some_and(|epoch| claims.epoch < *epoch);
        if is_revoked {
            Standing::Revoked
        } else {
            Standing::Good
        }
    }

    /// Drops what no token can fall under any more: tokens, sessions and actors that were revoked
    /// 3,660 seconds ago. Epochs are kept, one a tenant: a node that has not heard of the new one
    /// may mint under the old one at any time.
    ///
    /// # Security
    /// A session must be found good after the clock was read for `iat`. A token that is minted the
    /// other way round, on a node that stood still between the two, may outlive what is
    /// remembered of its session.
    pub fn forget(&mut self, now: u64) {
        let matters = |at: u64| now <= at.saturating_add(REMEMBERED_FOR);
        self.tokens.retain(|_, at| matters(*at));
        self.sessions.retain(|_, at| matters(*at));
        self.actors.retain(|_, at| matters(*at));
    }

    /// How many revocations are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len() + self.sessions.len() + self.actors.len() + self.epochs.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keeps the later of two times.
fn later<K: Eq + Hash>(map: &mut HashMap<K, u64>, key: K, at: u64) {
    let known = map.entry(key).or_insert(at);
    *known = at.max(*known);
}
