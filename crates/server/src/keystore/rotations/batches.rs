//! One batch of a rotation: wraps that are replaced, payloads that are encrypted again.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use strongroom_envelope::{
    ContextError, DekId, EncryptionContext, KeyRef, Provider, Purpose, Recipient, WrappedDek,
    rewrap,
};
use strongroom_tenancy::TenantId;

use super::{Rotation, RotationError};
use crate::audit::payload_context;
use crate::jobs::secret_context;
use crate::keystore::cache::{Held, Whose};
use crate::keystore::records::{self, RecordError};
use crate::keystore::{KeyStore, KeyStoreError, Sealed};
use crate::postgres::{JobTx, column};
use crate::routes::providers;
use crate::subjects;
use crate::vault;

/// Most bytes of payloads in one batch, the first one apart.
const BATCH_BYTES: i64 = 32 << 20;

/// A lock that lets rows refer to the data key meanwhile.
const DEKS: &str = "select d.dek_id, d.kek, d.kek_version, d.wrapped \
     from app.tenant_keks k join app.tenant_deks d \
     on d.tenant_id = k.tenant_id and d.kek = k.name and d.kek_version = k.version \
     where k.tenant_id = $1 and k.state = 'decrypt-only' \
     limit 2000 for no key update of d skip locked";

const STORE_DEKS: &str = "update app.tenant_deks d set kek_version = u.v, wrapped = u.w \
     from unnest($2::bytea[], $3::int[], $4::bytea[]) as u (id, v, w) \
     where d.tenant_id = $1 and d.dek_id = u.id";

const LEFT: &str = "select exists (select from app.tenant_keks k \
     where k.tenant_id = $1 and k.state = 'decrypt-only' and ( \
     exists (select from app.tenant_deks d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version) \
     or exists (select from app.provider_credentials d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version) \
     or exists (select from app.webhook_endpoints d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version) \
     or exists (select from app.webhook_old_secrets d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version) \
     or exists (select from app.subjects d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version) \
     or exists (select from app.pii_linking_keys d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version) \
     or exists (select from app.platform_keys d where d.tenant_id = k.tenant_id \
       and d.kek = k.name and d.kek_version = k.version)))";

const PAYLOAD_LEFT: &str = "select exists (select from app.tenant_deks d \
     where d.tenant_id = $1 and d.state = 'retired' and ( \
     exists (select from app.audit_payloads p \
       where p.tenant_id = d.tenant_id and p.dek_id = d.dek_id) \
     or exists (select from app.pii_values v \
       where v.tenant_id = d.tenant_id and v.dek_id = d.dek_id)))";

const COUNT: &str = "update app.key_rotations set rows_total = rows_done + ( \
     select count(*) from app.tenant_keks k join ( \
       select tenant_id, kek, kek_version from app.tenant_deks where tenant_id = $1 \
       union all select tenant_id, kek, kek_version from app.provider_credentials \
         where tenant_id = $1 \
       union all select tenant_id, kek, kek_version from app.webhook_endpoints \
         where tenant_id = $1 \
       union all select tenant_id, kek, kek_version from app.webhook_old_secrets \
         where tenant_id = $1 \
       union all select tenant_id, kek, kek_version from app.subjects where tenant_id = $1 \
       union all select tenant_id, kek, kek_version from app.pii_linking_keys \
         where tenant_id = $1 \
       union all select tenant_id, kek, kek_version from app.platform_keys where tenant_id = $1) d \
     on d.kek = k.name and d.kek_version = k.version \
     where k.tenant_id = $1 and k.state = 'decrypt-only') + ( \
     select count(*) from app.tenant_deks d join app.audit_payloads p using (tenant_id, dek_id) \
     where d.tenant_id = $1 and d.state = 'retired') + ( \
     select count(*) from app.tenant_deks d join app.pii_values v using (tenant_id, dek_id) \
     where d.tenant_id = $1 and d.state = 'retired' \
     and v.ends_at > extract(epoch from clock_timestamp())) where tenant_id = $1 and id = $2";

/// A table of records that name a data key, which many share.
struct Shared {
    /// Those under data keys that are retired, with their lengths.
    find: &'static str,
    /// Each with its key, two more texts that it is bound to, and its record.
    take: &'static str,
    store: &'static str,
    context: fn(&str, &str, &str) -> Result<EncryptionContext, ContextError>,
}

/// Of the vault's values those that are not over: the others wait for the sweep, and what they were
/// sealed under waits with them.
const SHARED: [Shared; 2] = [
    Shared {
        find: "select p.event_id::text, octet_length(p.sealed)::bigint \
               from app.tenant_deks d join app.audit_payloads p using (tenant_id, dek_id) \
               where d.tenant_id = $1 and d.state = 'retired' limit 512",
        take: "select event_id::text, '', '', sealed from app.audit_payloads \
               where tenant_id = $1 and event_id = any ($2::text[]::uuid[]) \
               for no key update skip locked",
        store: "update app.audit_payloads p set sealed = u.s, dek_id = u.d \
                from unnest($2::text[], $3::bytea[], $4::bytea[]) as u (k, s, d) \
                where p.tenant_id = $1 and p.event_id = u.k::uuid",
        context: |event, _, _| payload_context(event.parse().unwrap_or_default()),
    },
    Shared {
        find: "select v.token, octet_length(v.sealed)::bigint \
               from app.tenant_deks d join app.pii_values v using (tenant_id, dek_id) \
               where d.tenant_id = $1 and d.state = 'retired' \
               and v.ends_at > extract(epoch from clock_timestamp()) limit 512",
        take: "select token, class, channel, sealed from app.pii_values \
               where tenant_id = $1 and token = any ($2) for no key update skip locked",
        store: "update app.pii_values v set sealed = u.s, dek_id = u.d \
                from unnest($2::text[], $3::bytea[], $4::bytea[]) as u (k, s, d) \
                where v.tenant_id = $1 and v.token = u.k",
        context: |token, class, channel| vault::context(class, channel, token),
    },
];

/// A column of records that carry their data key.
struct Column {
    take: &'static str,
    store: &'static str,
    /// What a row's record is bound to; none where it is not encrypted again.
    context: fn(&str) -> Option<Result<EncryptionContext, ContextError>>,
}

const COLUMNS: [Column; 6] = [
    Column {
        take: "select d.name, d.sealed, d.kek from app.tenant_keks k \
               join app.provider_credentials d on d.tenant_id = k.tenant_id \
               and d.kek = k.name and d.kek_version = k.version \
               where k.tenant_id = $1 and k.state = 'decrypt-only' \
               limit 100 for no key update of d skip locked",
        store: "update app.provider_credentials set sealed = $3, kek = $4, kek_version = $5 \
                where tenant_id = $1 and name = $2",
        context: |name| Some(providers::context(name)),
    },
    Column {
        take: "select d.id::text, d.sealed_secret, d.kek from app.tenant_keks k \
               join app.webhook_endpoints d on d.tenant_id = k.tenant_id \
               and d.kek = k.name and d.kek_version = k.version \
               where k.tenant_id = $1 and k.state = 'decrypt-only' \
               limit 100 for no key update of d skip locked",
        store: "update app.webhook_endpoints set sealed_secret = $3, kek = $4, kek_version = $5 \
                where tenant_id = $1 and id::text = $2",
        context: |id| Some(secret_context(id.parse().unwrap_or_default())),
    },
    Column {
        take: "select d.endpoint_id || '/' || d.id, d.sealed, d.kek from app.tenant_keks k \
               join app.webhook_old_secrets d on d.tenant_id = k.tenant_id \
               and d.kek = k.name and d.kek_version = k.version \
               where k.tenant_id = $1 and k.state = 'decrypt-only' \
               limit 100 for no key update of d skip locked",
        store: "update app.webhook_old_secrets set sealed = $3, kek = $4, kek_version = $5 \
                where tenant_id = $1 and endpoint_id || '/' || id = $2",
        context: |key| {
            let endpoint = key.split_once('/').and_then(|(id, _)| id.parse().ok());
            Some(secret_context(endpoint.unwrap_or_default()))
        },
    },
    Column {
        take: "select d.pseudonym::text, d.sealed, d.kek from app.tenant_keks k \
               join app.subjects d on d.tenant_id = k.tenant_id \
               and d.kek = k.name and d.kek_version = k.version \
               where k.tenant_id = $1 and k.state = 'decrypt-only' \
               limit 100 for no key update of d skip locked",
        store: "update app.subjects set sealed = $3, kek = $4, kek_version = $5 \
                where tenant_id = $1 and pseudonym = $2::text::uuid",
        context: |id| Some(subjects::context(&id.parse().unwrap_or_default())),
    },
    Column {
        take: "select 'linking', d.sealed, d.kek from app.tenant_keks k \
               join app.pii_linking_keys d on d.tenant_id = k.tenant_id \
               and d.kek = k.name and d.kek_version = k.version \
               where k.tenant_id = $1 and k.state = 'decrypt-only' \
               limit 100 for no key update of d skip locked",
        store: "update app.pii_linking_keys set sealed = $3, kek = $4, kek_version = $5 \
                where tenant_id = $1 and $2::text = 'linking'",
        context: |_| Some(vault::linking_context()),
    },
    Column {
        take: "select d.purpose || '/' || d.kid, d.sealed, d.kek from app.tenant_keks k \
               join app.platform_keys d on d.tenant_id = k.tenant_id \
               and d.kek = k.name and d.kek_version = k.version \
               where k.tenant_id = $1 and k.state = 'decrypt-only' \
               limit 100 for no key update of d skip locked",
        store: "update app.platform_keys set sealed = $3, kek = $4, kek_version = $5 \
                where tenant_id = $1 and purpose || '/' || kid = $2",
        context: |_| None,
    },
];

/// Counts what there is to do, for the progress that callers see.
pub(super) async fn count(tx: &mut JobTx, rotation: &Rotation) -> Result<(), RotationError> {
    let tenant = rotation.tenant;
    tx.query(COUNT, &[tenant.as_uuid(), &rotation.id]).await?;
    Ok(())
}

/// Whether anything is wrapped under an old version.
pub(super) async fn is_wrap_left(tx: &mut JobTx, tenant: &TenantId) -> Result<bool, RotationError> {
    is_left(tx, LEFT, tenant).await
}

/// Whether a payload is sealed under a data key that is retired.
pub(in crate::keystore) async fn is_payload_left(
    tx: &mut JobTx,
    tenant: &TenantId,
) -> Result<bool, RotationError> {
    is_left(tx, PAYLOAD_LEFT, tenant).await
}

async fn is_left(
    tx: &mut JobTx,
    sql: &'static str,
    tenant: &TenantId,
) -> Result<bool, RotationError> {
    let rows = tx.query(sql, &[tenant.as_uuid()]).await?;
    let row = rows.first().ok_or(RotationError::Malformed("exists"))?;
    Ok(column(row, 0)?)
}

impl KeyStore {
    /// Wraps a batch again under the active versions; how many rows.
    pub(super) async fn rewrap(
        &self,
        tx: &mut JobTx,
        rotation: &Rotation,
    ) -> Result<usize, RotationError> {
        let mut done = self.rewrap_deks(tx, &rotation.tenant).await?;
        for column in &COLUMNS {
            done += self.rewrap_column(tx, rotation, column).await?;
        }
        Ok(done)
    }

    async fn rewrap_deks(&self, tx: &mut JobTx, tenant: &TenantId) -> Result<usize, RotationError> {
        let mut names: BTreeMap<KeyRef, Vec<(DekId, WrappedDek)>> = BTreeMap::new();
        for row in tx.query(DEKS, &[tenant.as_uuid()]).await? {
            let name: KeyRef = column::<String>(&row, 1)?
                .parse()
                .map_err(RecordError::from)?;
            let wrapped = WrappedDek {
                provider: Provider::TENANT_KEK,
                key_ref: name.clone(),
                key_version: records::number(column::<i32>(&row, 2)?, "kek_version")?,
                bytes: column(&row, 3)?,
            };
            let list = names.entry(name).or_default();
            let id = column::<Vec<u8>>(&row, 0)?.try_into();
            let id = id.map_err(|_| RecordError::Malformed("dek_id"))?;
            list.push((DekId::from_bytes(id), wrapped));
        }
        let mut rows = (Vec::new(), Vec::new(), Vec::new());
        for (name, list) in names {
            let whose = Whose::new(*tenant, &name);
            let oldest = list.iter().map(|(_, wrapped)| wrapped.key_version).max();
            let Some(held) = self.newer(&whose, oldest.unwrap_or(0)).await? else {
                continue;
            };
            let rewrapped = self.inner.use_now(&whose, &held, |held| {
                list.into_iter()
                    .map(|(id, wrapped)| (id, held.keys.rewrap_now(&Purpose::Dek(id), &wrapped)))
                    .collect::<Vec<_>>()
            });
            for (id, wrapped) in rewrapped.unwrap_or_default() {
                match wrapped {
                    Ok(wrapped) => {
                        rows.0.push(id.as_bytes().to_vec());
                        rows.1.push(records::column_of(wrapped.key_version)?);
                        rows.2.push(wrapped.bytes);
                    }
                    // It stays, and keeps the old version from being destroyed.
                    Err(error) => {
                        tracing::error!(%error, %tenant, dek = %id, "not wrapped again");
                    }
                }
            }
        }
        if !rows.0.is_empty() {
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [tenant.as_uuid(), &rows.0, &rows.1, &rows.2];
            tx.query(STORE_DEKS, &params).await?;
        }
        Ok(rows.0.len())
    }

    async fn rewrap_column(
        &self,
        tx: &mut JobTx,
        rotation: &Rotation,
        of: &Column,
    ) -> Result<usize, RotationError> {
        let tenant = rotation.tenant;
        let mut done = 0;
        for row in tx.query(of.take, &[tenant.as_uuid()]).await? {
            let (key, sealed) = (column::<String>(&row, 0)?, column::<Vec<u8>>(&row, 1)?);
            let name: KeyRef = column::<String>(&row, 2)?
                .parse()
                .map_err(RecordError::from)?;
            let whose = Whose::new(tenant, &name);
            let context = (of.context)(&key).filter(|_| rotation.reencrypt);
            let renewed = match context {
                Some(context) => {
                    let context = context.map_err(|_| RotationError::Malformed("context"))?;
                    self.seal_anew(&whose, &context, &sealed).await
                }
                None => self.rewrap_record(&whose, sealed).await,
            };
            match renewed {
                Ok(Some(new)) => {
                    tx.query(
                        of.store,
                        &[
                            tenant.as_uuid(),
                            &key,
                            &new.bytes,
                            &new.kek,
                            &new.kek_version,
                        ],
                    )
                    .await?;
                    done += 1;
                }
                Ok(None) => {}
                Err(KeyStoreError::Failed) => {
                    tracing::error!(%tenant, "a stored record does not open: not wrapped again");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    async fn rewrap_record(
        &self,
        whose: &Whose,
        mut sealed: Vec<u8>,
    ) -> Result<Option<Sealed>, KeyStoreError> {
        let old = crate::keystore::describe(sealed.clone())?.kek_version;
        let old = u32::try_from(old).map_err(|_| KeyStoreError::Failed)?;
        let Some(held) = self.newer(whose, old).await? else {
            return Ok(None);
        };
        let rewrapped = self.inner.use_now(whose, &held, |held| {
            let kek = Recipient::new(&held.keys, &whose.name);
            rewrap(&[kek], &whose.tenant, &mut sealed).now_or_never()
        });
        match rewrapped {
            Some(Some(Ok(_))) => crate::keystore::describe(sealed).map(Some),
            Some(Some(Err(_))) => Err(KeyStoreError::Failed),
            _ => Ok(None),
        }
    }

    async fn seal_anew(
        &self,
        whose: &Whose,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Option<Sealed>, KeyStoreError> {
        let old = crate::keystore::describe(sealed.to_vec())?.kek_version;
        let old = u32::try_from(old).map_err(|_| KeyStoreError::Failed)?;
        if self.newer(whose, old).await?.is_none() {
            return Ok(None);
        }
        let opened = self.inner.open(whose, context, sealed).await?;
        self.inner.seal(whose, context, &opened).await.map(Some)
    }

    /// The keys, if they have an active version above this one; else they are looked for again.
    async fn newer(&self, whose: &Whose, version: u32) -> Result<Option<Arc<Held>>, KeyStoreError> {
        let held = self.inner.held(whose).await?;
        let active = held.keys.active_version(&whose.name);
        if active.is_ok_and(|active| active > version) {
            return Ok(Some(held));
        }
        self.inner.slot(whose).forget(&held);
        Ok(None)
    }

    /// Encrypts a batch of payloads, or of the vault's values, again under data keys that are not
    /// retired; how many.
    pub(in crate::keystore) async fn reencrypt(
        &self,
        tx: &mut JobTx,
        tenant: &TenantId,
    ) -> Result<usize, RotationError> {
        for table in &SHARED {
            let done = self.reencrypt_in(tx, tenant, table).await?;
            if done > 0 {
                return Ok(done);
            }
        }
        Ok(0)
    }

    async fn reencrypt_in(
        &self,
        tx: &mut JobTx,
        tenant: &TenantId,
        table: &Shared,
    ) -> Result<usize, RotationError> {
        let (mut keys, mut bytes): (Vec<String>, i64) = (Vec::new(), 0);
        for row in tx.query(table.find, &[tenant.as_uuid()]).await? {
            bytes = bytes.saturating_add(column(&row, 1)?);
            if !keys.is_empty() && bytes > BATCH_BYTES {
                break;
            }
            keys.push(column(&row, 0)?);
        }
        if keys.is_empty() {
            return Ok(0);
        }
        let mut rows = (Vec::new(), Vec::new(), Vec::new());
        for row in tx.query(table.take, &[tenant.as_uuid(), &keys]).await? {
            let (key, sealed): (String, Vec<u8>) = (column(&row, 0)?, column(&row, 3)?);
            let (one, other): (String, String) = (column(&row, 1)?, column(&row, 2)?);
            let context = (table.context)(&key, &one, &other);
            let context = context.map_err(|_| RotationError::Malformed("context"))?;
            let opened = match self.open_detached(tenant, &context, &sealed).await {
                Ok(opened) => opened,
                Err(KeyStoreError::Failed) => {
                    tracing::error!(%tenant, %key, "a payload or value does not open");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (dek, bytes) = self.seal_detached(tenant, &context, &opened).await?;
            rows.0.push(key);
            rows.1.push(bytes);
            rows.2.push(dek.as_bytes().to_vec());
        }
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [tenant.as_uuid(), &rows.0, &rows.1, &rows.2];
        tx.query(table.store, &params).await?;
        Ok(rows.0.len())
    }
}
