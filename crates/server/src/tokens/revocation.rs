//! Revocation: the rows that end tokens, and the families that would renew them.

use strongroom_tenancy::ActorId;
use uuid::Uuid;

use super::proof::hold_logins;
use crate::gates::{Caller, Credential};
use crate::generations::BUMP_GENERATION;
use crate::postgres::{QueryError, TenantTx, actors};
use crate::problem::{Kind, Problem};

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
/// It bumps the tenant's generation: only staged events come after it.
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
    if matches!(ended, Ended::Actor(_) | Ended::Everything) {
        hold_logins(tx).await?;
    }
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

/// Refuses a caller whose token was revoked since it was accepted, and holds off those who would
/// revoke it until the transaction ends: what it leaves behind, such as a key, is there before they
/// look. Before the first write of the transaction.
///
/// # Errors
/// A problem.
pub async fn require_standing(tx: &mut TenantTx, caller: &Caller) -> Result<(), Problem> {
    // Whoever revokes changes this row.
    const MAKE: &str = "insert into app.generations (tenant_id) values ($1) \
         on conflict (tenant_id) do nothing";
    const HOLD: &str = "select from app.generations where tenant_id = $1 for no key update";
    const IS_REVOKED: &str = "select exists (select from app.token_revocations r \
         where (r.kind = 'token' and r.subject = $1) or (r.kind = 'session' and r.subject = $2) \
         or (r.kind = 'actor' and r.subject = any ($3) and $4 <= r.revoked_at + 30)) \
         or exists (select from app.token_epochs e where e.epoch > $5)";
    let Credential::Token {
        id,
        session,
        issued_at,
        epoch,
        ..
    } = caller.credential()
    else {
        return Ok(());
    };
    let tenant = *tx.tenant().as_uuid();
    tx.query(MAKE, &[&tenant]).await?;
    tx.query(HOLD, &[&tenant]).await?;
    let integer = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let rows = tx
        .query(
            IS_REVOKED,
            &[
                &id.to_string(),
                &session.to_string(),
                &actors(caller.actor()),
                &integer(*issued_at),
                &integer(*epoch),
            ],
        )
        .await?;
    let is_revoked = rows
        .first()
        .is_none_or(|row| row.try_get(0).unwrap_or(true));
    if is_revoked {
        tracing::info!("the access token was revoked in the course of its request");
        return Err(Problem::new(
            Kind::CredentialRefused,
            "the credential is not accepted",
        ));
    }
    Ok(())
}
