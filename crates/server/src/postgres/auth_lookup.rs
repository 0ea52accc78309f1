//! The handle of the authenticator: one row by key id and hash.

use std::time::Duration;

use strongroom_tenancy::TenantId;
use tokio_postgres::Row;

use super::pool::Pool;
use super::transaction::{QueryError, Transaction};

const FIND_API_KEY: &str = "select tenant_id, environment, scheme, hash, actor, capabilities, \
     expires_at, revoked_at from app.find_api_key($1, $2)";

/// How long a look-up may take.
const TIME: Duration = Duration::from_secs(5);

/// Looks up credentials, before a tenant is known.
#[derive(Clone)]
pub struct AuthLookup {
    pool: Pool,
}

/// An API key's row, as stored.
#[derive(Debug)]
pub struct StoredKey {
    /// Whose key it is.
    pub tenant: TenantId,
    /// `live` or `test`.
    pub environment: String,
    /// How the hash was made.
    pub scheme: i16,
    /// The hash, 32 bytes.
    pub hash: Vec<u8>,
    /// The actor that the key stands for, `kind:uuid`.
    pub actor: String,
    /// Capability names, a space apart.
    pub capabilities: String,
    /// Unix seconds.
    pub expires_at: Option<i64>,
    /// Unix seconds.
    pub revoked_at: Option<i64>,
}

impl AuthLookup {
    /// A look-up over the authenticator's pool.
    #[must_use]
    pub const fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The key of this id and hash, if there is one.
    ///
    /// # Errors
    /// [`QueryError`] when the database does not answer.
    pub async fn api_key(&self, id: &str, hash: &[u8]) -> Result<Option<StoredKey>, QueryError> {
        let mut transaction = Transaction::lease(&self.pool, TIME).await?;
        transaction.open("begin read only", &[]).await?;
        let rows = transaction.query(FIND_API_KEY, &[&id, &hash]).await?;
        transaction.rollback().await;
        rows.first().map(stored_key).transpose()
    }
}

fn stored_key(row: &Row) -> Result<StoredKey, QueryError> {
    let shape = |error: tokio_postgres::Error| QueryError::Row(error.to_string());
    let tenant = TenantId::from_uuid(row.try_get(0).map_err(shape)?)
        .map_err(|error| QueryError::Row(error.to_string()))?;
    Ok(StoredKey {
        tenant,
        environment: row.try_get(1).map_err(shape)?,
        scheme: row.try_get(2).map_err(shape)?,
        hash: row.try_get(3).map_err(shape)?,
        actor: row.try_get(4).map_err(shape)?,
        capabilities: row.try_get(5).map_err(shape)?,
        expires_at: row.try_get(6).map_err(shape)?,
        revoked_at: row.try_get(7).map_err(shape)?,
    })
}
