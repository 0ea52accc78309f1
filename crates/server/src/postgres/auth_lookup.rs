//! The handle of the authenticator: a key by its id, an identity provider by its name, and the times
//! of last uses; what it knows of tokens is in `token_lookup.rs`.

use std::time::Duration;

use strongroom_apikey::{
    HashedKey, KeyId, KeyRecord, KeyStore, Networks, PepperId, Retirement, StoreFuture,
    StoreUnavailable,
};
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::refresh::FamilyId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::pool::Pool;
use super::row::column;
use super::together::Together;
use super::token_lookup::{StoredFamily, find_families};
use super::transaction::{Params, QueryError, Transaction};
use crate::login::Connection;

const FIND: &str = "select tenant_id, environment, scheme, hash, actor, capabilities, \
     expires_at, revoked_at, networks, successor, retires_at, pepper from app.find_api_key($1)";

const FIND_IDENTITY_PROVIDER: &str = "select name, profile, issuer, client_id, jwks_url, \
     algorithms, capabilities, max_age_seconds, trust from app.find_identity_provider($1, $2)";

const FIND_SESSION_PROVIDER: &str = "select name, profile, issuer, client_id, jwks_url, \
     algorithms, capabilities, max_age_seconds from app.find_session_provider($1, $2)";

const NOTE: &str = "select app.note_key_uses($1, $2)";

/// How long a look-up may take.
const TIME: Duration = Duration::from_secs(5);

/// Looks up credentials, before a tenant is known.
#[derive(Clone)]
pub struct AuthLookup {
    pool: Pool,
    pub(super) families: Together<FamilyId, Result<Option<StoredFamily>, QueryError>>,
}

impl AuthLookup {
    /// A look-up over the authenticator's pool, within a runtime.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        let of_families = pool.clone();
        Self {
            pool,
            families: Together::start(move |ids| find_families(of_families.clone(), ids)),
        }
    }

    /// The key of this id, if there is one.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer, or a column is malformed.
    pub async fn api_key(&self, id: &KeyId) -> Result<Option<KeyRecord>, QueryError> {
        let rows = self.ask(FIND, &[&id.as_str()]).await?;
        let row = match rows.as_slice() {
            [] => return Ok(None),
            [row] => row,
            _ => return Err(QueryError::Row("two keys have one id".to_owned())),
        };
        let tenant = TenantId::from_uuid(column(row, 0)?)
            .map_err(|error| QueryError::Row(error.to_string()))?;
        key_record(id, tenant, row, 1).map(Some)
    }

    /// The identity provider of that tenant and name, if there is one, and by what whom it
    /// believes is told from whom it believed before or will.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer, or a column is malformed.
    pub async fn identity_provider(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<(Connection, Uuid)>, QueryError> {
        let rows = self
            .ask(FIND_IDENTITY_PROVIDER, &[tenant.as_uuid(), &name])
            .await?;
        let found = |row| Ok((Connection::from_row(row)?, column(row, 8)?));
        rows.first().map(found).transpose()
    }

    /// The identity provider that a session was let in by: none when it is gone, or believes
    /// another issuer by now.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer, or a column is malformed.
    pub async fn session_provider(
        &self,
        tenant: &TenantId,
        session: &Uuid,
    ) -> Result<Option<Connection>, QueryError> {
        let rows = self
            .ask(FIND_SESSION_PROVIDER, &[tenant.as_uuid(), session])
            .await?;
        rows.first().map(Connection::from_row).transpose()
    }

    pub(super) async fn ask(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        ask(&self.pool, sql, params).await
    }

    /// Stores when keys were last used, in Unix seconds.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer; none was stored then.
    pub async fn note_uses(&self, uses: &[(KeyId, u64)]) -> Result<(), QueryError> {
        let ids: Vec<&str> = uses.iter().map(|(id, _)| id.as_str()).collect();
        let times = uses.iter().map(|(_, at)| i64::try_from(*at));
        let times: Vec<i64> = times.map(|at| at.unwrap_or(i64::MAX)).collect();
        let mut transaction = Transaction::lease(&self.pool, TIME).await?;
        transaction.open("begin", &[]).await?;
        transaction.query(NOTE, &[&ids, &times]).await?;
        transaction
            .commit()
            .await
            .map_err(|error| QueryError::Row(error.to_string()))
    }
}

impl KeyStore for AuthLookup {
    fn by_id<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a> {
        Box::pin(async move {
            self.api_key(id).await.map_err(|error| {
                tracing::error!(%error, key_id = %id, "an api key was not looked up");
                StoreUnavailable
            })
        })
    }
}

/// Asks one thing, in a transaction that sees what was committed before it.
pub(super) async fn ask(
    pool: &Pool,
    sql: &'static str,
    params: Params<'_>,
) -> Result<Vec<Row>, QueryError> {
    let mut transaction = Transaction::lease(pool, TIME).await?;
    let rows = transaction
        .open("begin read only", &[(sql, params)])
        .await?;
    transaction.rollback().await;
    Ok(rows.into_iter().next().unwrap_or_default())
}

/// A key's record, from columns that begin at `first`: environment, scheme, hash, actor,
/// capabilities, expires_at, revoked_at, networks, successor, retires_at, pepper.
///
/// # Errors
/// [`QueryError::Row`] when a column is malformed.
pub fn key_record(
    id: &KeyId,
    tenant: TenantId,
    row: &Row,
    first: usize,
) -> Result<KeyRecord, QueryError> {
    let shape = |what: &'static str| QueryError::Row(format!("{what}: malformed"));
    let time = |at: Option<i64>| at.map(|at| u64::try_from(at).unwrap_or(0));
    let text = |index: usize| column::<String>(row, first + index);
    let scheme = u8::try_from(column::<i16>(row, first + 1)?).map_err(|_| shape("scheme"))?;
    let hash: Vec<u8> = column(row, first + 2)?;
    let pepper: Option<i32> = column(row, first + 10)?;
    let hash = match pepper.map(u32::try_from) {
        None => HashedKey::from_stored(scheme, &hash),
        Some(Ok(pepper)) => HashedKey::from_stored_peppered(PepperId(pepper), &hash),
        Some(Err(_)) => return Err(shape("pepper")),
    };
    let networks: Option<String> = column(row, first + 7)?;
    let successor: Option<String> = column(row, first + 8)?;
    let retires_at = time(column(row, first + 9)?);
    let retirement = successor.zip(retires_at).map(|(successor, at)| {
        let successor = successor.parse().map_err(|_| shape("successor"))?;
        Ok::<_, QueryError>(Retirement { successor, at })
    });
    Ok(KeyRecord {
        tenant,
        id: id.clone(),
        environment: text(0)?.parse().map_err(|_| shape("environment"))?,
        hash: hash.map_err(|_| shape("hash"))?,
        actor: Some(text(3)?.parse().map_err(|_| shape("actor"))?),
        capabilities: text(4)?.parse().map_err(|_| shape("capabilities"))?,
        expires_at: time(column(row, first + 5)?),
        revoked_at: time(column(row, first + 6)?),
        networks: match networks {
            None => Networks::Anywhere,
            Some(list) => list.parse().map_err(|_| shape("networks"))?,
        },
        retirement: retirement.transpose()?,
    })
}
