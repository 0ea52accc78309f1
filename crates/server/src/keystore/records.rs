//! KEK versions and data keys as rows.

use strongroom_envelope::{
    DekId, KekRecord, KekState, KeyRef, KeyRefError, KmsError, Provider, SealError, WrappedDek,
};
use strongroom_tenancy::TenantId;
use tokio_postgres::types::ToSql;

use super::cache::Whose;
use crate::postgres::{CommitError, JobTx, QueryError, column};

pub(super) const INSERT: &str = "insert into app.tenant_keks (tenant_id, name, version, state, \
     created_at, check_value, provider, root_key, root_version, wrapped) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// The first version of a KEK that two nodes may make at once.
pub(super) const INSERT_FIRST: &str = "insert into app.tenant_keks (tenant_id, name, version, \
     state, created_at, check_value, provider, root_key, root_version, wrapped) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing";

const IS_KNOWN: &str = "select from app.tenant_keks where tenant_id = $1 and name = $2 limit 1";

const READ: &str = "select version, state, created_at, check_value, provider, root_key, \
     root_version, wrapped from app.tenant_keks \
     where tenant_id = $1 and name = $2 and state <> 'destroyed' order by version";

const IS_LIVE: &str = "select from app.tenant_keks \
     where tenant_id = $1 and name = $2 and version = $3 and state <> 'destroyed'";

const INSERT_DEK: &str = "insert into app.tenant_deks \
     (tenant_id, dek_id, kek, kek_version, wrapped, created_at) values ($1, $2, $3, $4, $5, $6)";

const READ_DEK: &str = "select kek, kek_version, wrapped from app.tenant_deks \
     where tenant_id = $1 and dek_id = $2";

/// Why a key's row was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The row may not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A column does not hold what it should.
    #[error("a key's row is malformed: {0}")]
    Malformed(&'static str),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] KeyRefError),
    /// The KMS did not unwrap a key.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// A key was not made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A KEK version as the row's columns take it.
pub(super) struct Row<'a> {
    record: &'a KekRecord,
    version: i32,
    state: &'static str,
    created_at: i64,
    check: &'a [u8],
    provider: i16,
    root_key: &'a str,
    root_version: i64,
    wrapped: &'a [u8],
    name: &'a str,
}

impl<'a> Row<'a> {
    /// The row of a version that is not destroyed.
    pub(super) fn of(record: &'a KekRecord) -> Result<Self, RecordError> {
        let wrapped = record.wrapped.as_ref();
        let wrapped = wrapped.ok_or(RecordError::Malformed("wrapped"))?;
        Ok(Self {
            version: column_of(record.version)?,
            state: state_text(record.state),
            created_at: i64::try_from(record.created_at).unwrap_or(i64::MAX),
            check: &record.check,
            provider: i16::from(wrapped.provider.number()),
            root_key: wrapped.key_ref.as_str(),
            root_version: i64::from(wrapped.key_version),
            wrapped: &wrapped.bytes,
            name: record.name.as_str(),
            record,
        })
    }

    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            self.record.tenant.as_uuid(),
            &self.name,
            &self.version,
            &self.state,
            &self.created_at,
            &self.check,
            &self.provider,
            &self.root_key,
            &self.root_version,
            &self.wrapped,
        ]
    }
}

/// Every version of a KEK that is not destroyed.
pub(super) async fn read(
    tx: &mut JobTx,
    tenant: &TenantId,
    name: &KeyRef,
) -> Result<Vec<KekRecord>, RecordError> {
    let rows = tx.query(READ, &[tenant.as_uuid(), &name.as_str()]).await?;
    rows.iter().map(|row| record(tenant, name, row)).collect()
}

fn record(
    tenant: &TenantId,
    name: &KeyRef,
    row: &tokio_postgres::Row,
) -> Result<KekRecord, RecordError> {
    let provider = u8::try_from(column::<i16>(row, 4)?).ok();
    let provider = provider.and_then(Provider::from_number);
    let wrapped = WrappedDek {
        provider: provider.ok_or(RecordError::Malformed("provider"))?,
        key_ref: column::<String>(row, 5)?.parse()?,
        key_version: number(column::<i64>(row, 6)?, "root_version")?,
        bytes: column(row, 7)?,
    };
    Ok(KekRecord {
        tenant: *tenant,
        name: name.clone(),
        version: number(column::<i32>(row, 0)?, "version")?,
        state: state(&column::<String>(row, 1)?)?,
        created_at: number(column::<i64>(row, 2)?, "created_at")?,
        wrapped: Some(wrapped),
        check: column::<Vec<u8>>(row, 3)?
            .try_into()
            .map_err(|_| RecordError::Malformed("check_value"))?,
    })
}

/// Whether a KEK of this name is or was.
pub(super) async fn is_known(tx: &mut JobTx, whose: &Whose) -> Result<bool, QueryError> {
    let tenant = whose.tenant;
    let rows = tx
        .query(IS_KNOWN, &[tenant.as_uuid(), &whose.name.as_str()])
        .await?;
    Ok(!rows.is_empty())
}

/// Whether there is such a version and it is not destroyed.
pub(super) async fn is_live(
    tx: &mut JobTx,
    whose: &Whose,
    version: u32,
) -> Result<bool, QueryError> {
    // A number that no row can have is no row's.
    let Ok(version) = i32::try_from(version) else {
        return Ok(false);
    };
    let tenant = whose.tenant;
    let rows = tx
        .query(IS_LIVE, &[tenant.as_uuid(), &whose.name.as_str(), &version])
        .await?;
    Ok(!rows.is_empty())
}

/// Stores a new data key.
pub(super) async fn insert_dek(
    tx: &mut JobTx,
    tenant: &TenantId,
    id: &DekId,
    wrapped: &WrappedDek,
    now: u64,
) -> Result<(), RecordError> {
    let version = column_of(wrapped.key_version)?;
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    tx.query(
        INSERT_DEK,
        &[
            tenant.as_uuid(),
            &id.as_bytes().as_slice(),
            &wrapped.key_ref.as_str(),
            &version,
            &wrapped.bytes,
            &now,
        ],
    )
    .await?;
    Ok(())
}

/// A data key as its row has it, if there is one.
pub(super) async fn read_dek(
    tx: &mut JobTx,
    tenant: &TenantId,
    id: &DekId,
) -> Result<Option<WrappedDek>, RecordError> {
    let id = id.as_bytes().as_slice();
    let rows = tx.query(READ_DEK, &[tenant.as_uuid(), &id]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(WrappedDek {
        provider: Provider::TENANT_KEK,
        key_ref: column::<String>(row, 0)?.parse()?,
        key_version: number(column::<i32>(row, 1)?, "kek_version")?,
        bytes: column(row, 2)?,
    }))
}

pub(super) const fn state_text(state: KekState) -> &'static str {
    match state {
        KekState::Active => "active",
        KekState::DecryptOnly => "decrypt-only",
        KekState::Destroyed => "destroyed",
    }
}

fn state(text: &str) -> Result<KekState, RecordError> {
    match text {
        "active" => Ok(KekState::Active),
        "decrypt-only" => Ok(KekState::DecryptOnly),
        "destroyed" => Ok(KekState::Destroyed),
        _ => Err(RecordError::Malformed("state")),
    }
}

pub(super) fn column_of(version: u32) -> Result<i32, RecordError> {
    i32::try_from(version).map_err(|_| RecordError::Malformed("version"))
}

pub(super) fn number<T: TryFrom<V>, V>(value: V, column: &'static str) -> Result<T, RecordError> {
    T::try_from(value).map_err(|_| RecordError::Malformed(column))
}
