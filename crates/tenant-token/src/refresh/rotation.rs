//! Beginning, rotating and revoking families in a store.

use zeroize::Zeroizing;

use super::error::RefreshError;
use super::family::{Decision, ENTROPY, Family, Grant};
use super::store::RefreshStore;
use super::token::{FamilyId, RefreshToken, RefreshTokenError, is_prefix};

/// How often a row is read again because somebody else changed it first. Each time somebody else
/// was done, and nobody asks that often for one family.
const TRIES: usize = 4;

/// What a rotation gave.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotated {
    /// The successor, for the client.
    pub token: RefreshToken,
    /// What to mint an access token from.
    pub grant: Grant,
    /// Which rotation of the family it was.
    pub generation: u64,
    /// Whether this successor was given out before: to be written as an event.
    pub is_repeat: bool,
}

/// Begins a family after a login, and gives its first token. The prefix is 2 to 12 lower-case
/// letters and digits, a letter first.
///
/// # Errors
/// [`RefreshError::Malformed`] for another prefix, [`RefreshError::Unavailable`].
pub async fn begin(
    store: &dyn RefreshStore,
    prefix: &str,
    grant: Grant,
    now: u64,
) -> Result<RefreshToken, RefreshError> {
    if !is_prefix(prefix) {
        return Err(RefreshTokenError::Prefix.into());
    }
    let mut lineage = Zeroizing::new([0; 32]);
    let (mut id, mut random) = ([0; 9], [0; 16]);
    for bytes in [lineage.as_mut_slice(), &mut id, &mut random] {
        getrandom::fill(bytes).map_err(|_| RefreshError::Unavailable)?;
    }
    let id = FamilyId::from_bytes(&id);
    let (family, token) = Family::first(prefix, grant, now, id, lineage, random);
    store.insert(&family).await?;
    Ok(token)
}

/// Rotates the token that `client`, who has authenticated as that, presents at `now`.
///
/// ```
/// use strongroom_tenant_token::refresh::{Grant, MemoryRefreshStore, begin, rotate};
/// # use strongroom_tenant_token::{Authentication, refresh::RefreshError};
/// # use strongroom_tenancy::{Actor, CapabilitySet};
/// # let grant = Grant {
/// #     tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
/// #     actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?),
/// #     capabilities: CapabilitySet::of(&[]),
/// #     session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse()?,
/// #     client_id: "console".to_owned(),
/// #     authentication: Authentication::at(1_800_000_000),
/// # };
/// # pollster::block_on(async {
/// let store = MemoryRefreshStore::default();
/// let now = 1_800_000_000;
/// let first = begin(&store, "acme", grant, now).await?;
/// let second = rotate(&store, first.expose(), "console", now + 60).await?;
/// // The answer was lost: once, within ten seconds, it is given again.
/// let again = rotate(&store, first.expose(), "console", now + 65).await?;
/// assert_eq!(again.token.expose(), second.token.expose());
/// // A third time is somebody else.
/// let reuse = rotate(&store, first.expose(), "console", now + 66).await.unwrap_err();
/// assert_eq!(reuse.code(), "refresh_reuse_detected");
/// assert!(rotate(&store, second.token.expose(), "console", now + 67).await.is_err());
/// # Ok::<(), RefreshError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RefreshError`]. After [`ReuseDetected`](RefreshError::ReuseDetected) the family is revoked in
/// the store already.
pub async fn rotate(
    store: &dyn RefreshStore,
    presented: &str,
    client: &str,
    now: u64,
) -> Result<Rotated, RefreshError> {
    let presented = RefreshToken::parse(presented)?;
    for _ in 0..TRIES {
        let mut random = Zeroizing::new([0; ENTROPY]);
        getrandom::fill(random.as_mut_slice()).map_err(|_| RefreshError::Unavailable)?;
        let row = store.read(&presented.family()).await?;
        let row = row.ok_or(RefreshError::Unknown)?;
        let now = store.clock().unwrap_or(now);
        let (next, answer) = match row.decide(&presented, client, now, &random) {
            Decision::Rotate { next, token } => (next, Ok((token, false))),
            Decision::Repeat { next, token } => (next, Ok((token, true))),
            Decision::Revoke { next, error } => (next, Err(error)),
            Decision::Refuse(error) => return Err(error),
        };
        if store.swap(row.version, &next).await? {
            return answer.map(|(token, is_repeat)| Rotated {
                token,
                grant: next.grant,
                generation: next.generation,
                is_repeat,
            });
        }
    }
    Err(RefreshError::Unavailable)
}

/// Revokes the family of a token (RFC 7009): any that it gave out, used or not, by its client.
/// Tells what it was for, so that its session's access tokens can be denied too; nothing when
/// there was nothing to revoke.
///
/// # Errors
/// [`RefreshError::Malformed`], [`RefreshError::WrongClient`], [`RefreshError::Unavailable`].
pub async fn revoke(
    store: &dyn RefreshStore,
    presented: &str,
    client: &str,
    now: u64,
) -> Result<Option<Grant>, RefreshError> {
    let presented = RefreshToken::parse(presented)?;
    for _ in 0..TRIES {
        let row = store.read(&presented.family()).await?;
        let Some(row) = row.filter(|row| row.gave_out(&presented)) else {
            return Ok(None);
        };
        if row.grant.client_id != client {
            return Err(RefreshError::WrongClient);
        }
        let now = store.clock().unwrap_or(now);
        let Some(next) = row.revoke(now) else {
            return Ok(None);
        };
        if store.swap(row.version, &next).await? {
            return Ok(Some(next.grant));
        }
    }
    Err(RefreshError::Unavailable)
}
