//! Revocation: the rows that end tokens, and the families that would renew them.

use strongroom_tenancy::ActorId;
use uuid::Uuid;

use super::standing::hold_credentials;
use crate::generations::BUMP_GENERATION;
use crate::postgres::{QueryError, TenantTx};

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
    // The database dates it, by the clock that all nodes share.
    const REVOKE: &str = "insert into app.token_revocations (tenant_id, kind, subject) \
         values ($1, $2, $3) on conflict (tenant_id, kind, subject) do update \
         set revoked_at = excluded.revoked_at";
    const SESSION: &str = "update app.refresh_families set version = version + 1, \
         successor = null, revoked_at = $2, revoked_reason = 'request' \
         where session_id = $1 and revoked_at is null";
    // Locked in one order, so that two who end the same ones wait for one another.
    const ACTOR: &str = "with held as (select f.id from app.refresh_families f \
         where $1 = any (f.actors) and f.revoked_at is null order by f.id for no key update) \
         update app.refresh_families f set version = f.version + 1, successor = null, \
         revoked_at = $2, revoked_reason = 'request' from held where f.id = held.id";
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
        Ended::Actor(id) => {
            let subject = id.to_string();
            tx.query(ACTOR, &[&subject, &now]).await?;
            ("actor", subject)
        }
        Ended::Everything => {
            tx.query(EPOCH, &[&tenant]).await?;
            tx.query(BUMP_GENERATION, &[&tenant]).await?;
            return Ok(());
        }
    };
    tx.query(REVOKE, &[&tenant, &kind, &subject]).await?;
    tx.query(BUMP_GENERATION, &[&tenant]).await?;
    Ok(())
}
