//! Standing: whether a caller's credential is good still, in the transaction that leaves something
//! behind.

use strongroom_apikey::{Environment, KeyId, Networks};

use crate::gates::{Caller, Credential};
use crate::postgres::{QueryError, TenantTx, actors, column, integer};
use crate::problem::{Kind, Problem};

/// What the API key behind a caller is bound to, besides its capabilities.
#[derive(Clone, Debug)]
pub struct KeyBounds {
    /// When it ends, or is replaced, in Unix seconds.
    pub expires_at: Option<u64>,
    /// Its environment.
    pub environment: Environment,
    /// From where it may be used.
    pub networks: Networks,
}

impl KeyBounds {
    /// Whether it is good for ever, from anywhere, and not for tests.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.expires_at.is_none()
            && self.environment == Environment::Live
            && matches!(self.networks, Networks::Anywhere)
    }
}

/// Holds off, until the transaction ends, whoever would revoke or leave behind a credential of this
/// tenant. It comes before any row of a key or a connection is locked, by everybody alike: so
/// nobody waits for one who waits for them.
///
/// # Errors
/// [`QueryError`].
pub async fn hold_credentials(tx: &mut TenantTx) -> Result<(), QueryError> {
    const HOLD: &str = "select from app.generations where tenant_id = $1 for no key update";
    lock(tx, HOLD).await
}

/// As [`hold_credentials`], beside others who do this: for logins, of which many come at once.
pub(super) async fn beside_credentials(tx: &mut TenantTx) -> Result<(), QueryError> {
    const BESIDE: &str = "select from app.generations where tenant_id = $1 for share";
    lock(tx, BESIDE).await
}

async fn lock(tx: &mut TenantTx, sql: &'static str) -> Result<(), QueryError> {
    const MAKE: &str = "insert into app.generations (tenant_id) values ($1) \
         on conflict (tenant_id) do nothing";
    let tenant = *tx.tenant().as_uuid();
    tx.query(MAKE, &[&tenant]).await?;
    tx.query(sql, &[&tenant]).await?;
    Ok(())
}

/// Refuses a caller whose credential was revoked, or is over, since it was accepted. What the
/// caller leaves behind, such as a key, is there before its revoker looks, or never. Answers what
/// the API key behind the caller is bound to; none behind a login.
///
/// # Errors
/// A problem.
pub async fn require_standing(
    tx: &mut TenantTx,
    caller: &Caller,
    now: u64,
) -> Result<Option<KeyBounds>, Problem> {
    hold_credentials(tx).await?;
    if let Credential::Token {
        id,
        session,
        issued_at,
        epoch,
        ..
    } = caller.credential()
    {
        const IS_REVOKED: &str = "select exists (select from app.token_revocations r \
             where (r.kind = 'token' and r.subject = $1) \
             or (r.kind = 'session' and r.subject = $2) \
             or (r.kind = 'actor' and r.subject = any ($3) and $4 <= r.revoked_at + 30)) \
             or exists (select from app.token_epochs e where e.epoch > $5)";
        let (id, session) = (id.to_string(), session.to_string());
        let actors = actors(caller.actor());
        let (issued_at, epoch) = (integer(*issued_at), integer(*epoch));
        let asked = tx
            .query(IS_REVOKED, &[&id, &session, &actors, &issued_at, &epoch])
            .await?;
        let is_revoked = asked.first().map(|row| column(row, 0)).transpose()?;
        if is_revoked.unwrap_or(true) {
            tracing::info!("the access token was revoked in the course of its request");
            return Err(refused());
        }
    }
    match caller.key() {
        None => Ok(None),
        Some(key) => bounds(tx, key, now).await.map(Some),
    }
}

async fn bounds(tx: &mut TenantTx, key: &KeyId, now: u64) -> Result<KeyBounds, Problem> {
    const KEY: &str = "select expires_at, revoked_at, environment, networks, retires_at \
         from app.api_keys where id = $1 for share";
    let rows = tx.query(KEY, &[&key.as_str()]).await?;
    let row = rows.first().ok_or_else(refused)?;
    let time = |at: Option<i64>| at.map(|at| u64::try_from(at).unwrap_or(0));
    let ends = [time(column(row, 0)?), time(column(row, 4)?)];
    let expires_at = ends.into_iter().flatten().min();
    let is_revoked = column::<Option<i64>>(row, 1)?.is_some();
    if is_revoked || expires_at.is_some_and(|end| now >= end) {
        tracing::info!(key_id = %key, "the caller's key is revoked or over");
        return Err(refused());
    }
    let malformed = |what: &'static str| QueryError::Row(format!("{what}: malformed"));
    let environment: String = column(row, 2)?;
    let networks: Option<String> = column(row, 3)?;
    Ok(KeyBounds {
        expires_at,
        environment: environment.parse().map_err(|_| malformed("environment"))?,
        networks: match networks {
            None => Networks::Anywhere,
            Some(list) => list.parse().map_err(|_| malformed("networks"))?,
        },
    })
}

fn refused() -> Problem {
    Problem::new(Kind::CredentialRefused, "the credential is not accepted")
}
