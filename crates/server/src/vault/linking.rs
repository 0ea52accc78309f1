//! The key of the operator `hmac`: random, one for each tenant, sealed under the tenant's own key.

use std::sync::Arc;

use strongroom_envelope::{ContextError, EncryptionContext};
use strongroom_pii::LinkingKey;
use tokio_postgres::types::ToSql;
use zeroize::Zeroizing;

use super::unavailable;
use crate::app::App;
use crate::gates::TenantContext;
use crate::postgres::{Access, TenantTx, column, integer};
use crate::problem::Problem;

const READ: &str = "select sealed from app.pii_linking_keys";

const INSERT: &str = "insert into app.pii_linking_keys (tenant_id, sealed, made_at, kek, kek_version) \
     values ($1, $2, $3, $4, $5) on conflict (tenant_id) do nothing";

/// What binds the key to its use.
///
/// # Errors
/// Never: the constants are within bounds.
pub(crate) fn linking_context() -> Result<EncryptionContext, ContextError> {
    EncryptionContext::new([("purpose", "pii-linking-key")])
}

/// Makes the tenant's key in the transaction that puts a policy in force which needs it, unless there is
/// one: a value is linked with what was linked before.
///
/// # Errors
/// A problem.
pub(crate) async fn ensure_linking_key(app: &App, tx: &mut TenantTx) -> Result<(), Problem> {
    if !tx.query(READ, &[]).await?.is_empty() {
        return Ok(());
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| unavailable())?;
    let context = linking_context().map_err(|_| unavailable())?;
    let owner = tx.tenant();
    let sealed = app.keys.seal(&owner, &context, key.as_slice()).await?;
    let params: [&(dyn ToSql + Sync); 5] = [
        owner.as_uuid(),
        &sealed.bytes,
        &integer(app.clock.unix_seconds()),
        &sealed.kek,
        &sealed.kek_version,
    ];
    tx.query(INSERT, &params).await?;
    Ok(())
}

/// The tenant's key.
///
/// # Errors
/// A problem when there is none, or it does not open: what should be linked then goes nowhere.
pub(crate) async fn linking_key(
    app: &App,
    tenant: &TenantContext,
) -> Result<Arc<LinkingKey>, Problem> {
    let mut tx = tenant.begin(Access::Read).await?;
    let key = linking_key_in(app, &mut tx).await;
    tx.rollback().await;
    key
}

/// The same, in a transaction that is under way.
///
/// # Errors
/// As of [`linking_key`].
pub(crate) async fn linking_key_in(
    app: &App,
    tx: &mut TenantTx,
) -> Result<Arc<LinkingKey>, Problem> {
    let rows = tx.query(READ, &[]).await?;
    let row = rows.first().ok_or_else(unavailable)?;
    let sealed: Vec<u8> = column(row, 0)?;
    let context = linking_context().map_err(|_| unavailable())?;
    let opened = app.keys.open(&tx.tenant(), &context, &sealed).await?;
    let key = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| unavailable())?;
    Ok(Arc::new(LinkingKey::new(key)))
}
