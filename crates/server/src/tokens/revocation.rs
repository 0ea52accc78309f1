//! Revocation: the rows that end tokens, and the families that would renew them.

use strongroom_tenancy::ActorId;
use uuid::Uuid;

use super::standing::hold_credentials;
use crate::generations::BUMP_GENERATION;
use crate::postgres::{QueryError, TenantTx};

/// The database dates them, by the clock that all nodes share.
const REVOKE: &str = "insert into app.token_revocations (tenant_id, kind, subject) \
     select $1, $2, named from unnest($3::text[]) as named \
     on conflict (tenant_id, kind, subject) do update set revoked_at = excluded.revoked_at";

/// What of a tenant's tokens is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// One access token, by its `jti`.
    Token(Uuid),
    /// A login: its access tokens, and what renews them.
    Session(Uuid),
    /// Whatever an actor uses, or in whose chain it stands.
    Actor(ActorId),
    /// All there is.
    Everything,
}

impl Ended {
    /// What the audit event names.
    #[must_use]
    pub fn resource(&self) -> String {
        match self {
            Self::Token(id) => format!("token/{id}"),
            Self::Session(id) => format!("session/{id}"),
            Self::Actor(id) => format!("actor/{id}"),
            Self::Everything => "tokens".to_owned(),
        }
    }
}

/// Ends tokens in the caller's transaction. Once that is committed and
/// [`revoked_everywhere`](crate::generations::revoked_everywhere) is over, no node accepts them.
///
/// It holds and bumps the tenant's generation: before any row of a family, key or connection is
/// locked, with only staged events after it.
///
/// # Errors
/// [`QueryError`].
pub async fn end(tx: &mut TenantTx, ended: &Ended, now: i64) -> Result<(), QueryError> {
    const SESSION: &str = "update app.refresh_families set version = version + 1, \
         successor = null, revoked_at = $2, revoked_reason = 'request' \
         where session_id = $1 and revoked_at is null";
    const EPOCH: &str = "insert into app.token_epochs (tenant_id) values ($1) \
         on conflict (tenant_id) do update set epoch = excluded.epoch";
    let tenant = *tx.tenant().as_uuid();
    // A login that is under way comes before, and is ended, or after, and finds what was ended.
    hold_credentials(tx).await?;
    let (kind, subject) = match ended {
        Ended::Token(id) => ("token", id.to_string()),
        Ended::Session(id) => {
            tx.query(SESSION, &[id, &now]).await?;
            ("session", id.to_string())
        }
        Ended::Actor(id) => return end_actors(tx, &[*id], now).await,
        Ended::Everything => {
            tx.query(EPOCH, &[&tenant]).await?;
            tx.query(BUMP_GENERATION, &[&tenant]).await?;
            return Ok(());
        }
    };
    tx.query(REVOKE, &[&tenant, &kind, &[subject].as_slice()])
        .await?;
    tx.query(BUMP_GENERATION, &[&tenant]).await?;
    Ok(())
}

/// As [`end`], for all that several actors use. The caller holds the tenant's credentials.
///
/// # Errors
/// [`QueryError`].
pub async fn end_actors(tx: &mut TenantTx, actors: &[ActorId], now: i64) -> Result<(), QueryError> {
    // Locked in one order, so that two who end the same ones wait for one another.
    const FAMILIES: &str = "with held as (select f.id from app.refresh_families f \
         where f.actors && $1::text[] and f.revoked_at is null order by f.id for no key update) \
         update app.refresh_families f set version = f.version + 1, successor = null, \
         revoked_at = $2, revoked_reason = 'request' from held where f.id = held.id";
    let tenant = *tx.tenant().as_uuid();
    let mut names: Vec<String> = actors.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    tx.query(FAMILIES, &[&names, &now]).await?;
    tx.query(REVOKE, &[&tenant, &"actor", &names]).await?;
    tx.query(BUMP_GENERATION, &[&tenant]).await?;
    Ok(())
}
