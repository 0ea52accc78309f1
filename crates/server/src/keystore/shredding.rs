//! Crypto-shredding: KEKs destroyed on every node, and the receipt of it.

use strongroom_auditchain::Leaf;
use strongroom_envelope::{Destruction, KekRecord, KekState, KeyRef, ShredReceipt};
use strongroom_tenancy::TenantId;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::records::{self, RecordError};
use super::{EXPORT, KeyStore, KeyStoreError, SUBJECT, unavailable};
use crate::audit::STAGE_EVENT;
use crate::generations::{BUMP_GENERATION, revoked_everywhere};
use crate::postgres::column;

const LOCK: &str = "select name, version, created_at, check_value from app.tenant_keks \
     where tenant_id = $1 and ($2::text[] is null or name = any ($2)) \
     order by name, version for update";

const DESTROY: &str = "update app.tenant_keks set state = 'destroyed', wrapped = null \
     where tenant_id = $1 and ($2::text[] is null or name = any ($2)) and state <> 'destroyed'";

/// Whose name is under these keys is nobody any more.
const FORGET: &str = "update app.subjects set tag = null, bound = null, sealed = null, kek = null, \
     kek_version = null, erased_at = $3 \
     where tenant_id = $1 and ($2::text[] is null or kek = any ($2)) and erased_at is null";

const END_ROTATIONS: &str = "update app.key_rotations set phase = 'superseded', finished_at = $2 \
     where tenant_id = $1 and finished_at is null";

/// What is to be destroyed.
#[derive(Clone, Debug)]
pub enum Doomed {
    /// A subject's KEK, that of its exports, and that of its mapping: whom it stood for is nobody's to
    /// know any more.
    Subject(KeyRef),
    /// The mappings of these people.
    People(Vec<Uuid>),
    /// Every KEK of the tenant.
    Tenant,
}

/// Tombstones, and when they became so.
#[derive(Debug)]
pub struct Destroyed {
    tombstones: Vec<KekRecord>,
    at: u64,
}

impl KeyStore {
    /// Destroys every version, with an event in the same transaction. Nothing comes back from
    /// here, but nodes may hold copies until [`KeyStore::shredded`] returns. Safe to repeat.
    ///
    /// # Errors
    /// [`KeyStoreError::NoKey`] when there is no such KEK.
    pub async fn destroy(
        &self,
        tenant: &TenantId,
        doomed: &Doomed,
        event: (Uuid, Leaf),
    ) -> Result<Destroyed, KeyStoreError> {
        let names = match doomed {
            Doomed::Subject(name) => {
                let id = name.as_str().strip_prefix("user:");
                let mapping = id.map(|id| format!("{SUBJECT}/{id}"));
                let mut names = vec![name.as_str().to_owned(), format!("{EXPORT}/{name}")];
                names.extend(mapping);
                Some(names)
            }
            Doomed::People(people) => {
                Some(people.iter().map(|id| format!("{SUBJECT}/{id}")).collect())
            }
            Doomed::Tenant => None,
        };
        let at = self.inner.clock.unix_seconds();
        let destroyed = async {
            let mut tx = self.inner.job.begin().await?;
            let time = i64::try_from(at).unwrap_or(i64::MAX);
            // The rotations first, as their job takes these locks.
            if names.is_none() {
                tx.query(END_ROTATIONS, &[tenant.as_uuid(), &time]).await?;
            }
            // Rows before keys, as a rotation's batch locks them; and again for those that came
            // before the keys were locked.
            let mapped: [&(dyn ToSql + Sync); 3] = [tenant.as_uuid(), &names, &time];
            tx.query(FORGET, &mapped).await?;
            let rows = tx.query(LOCK, &[tenant.as_uuid(), &names]).await?;
            let tombstones: Result<Vec<_>, RecordError> =
                rows.iter().map(|row| tombstone(tenant, row)).collect();
            let tombstones = tombstones?;
            if tombstones.is_empty() {
                tx.rollback().await;
                return Ok(None);
            }
            tx.query(FORGET, &mapped).await?;
            tx.query(DESTROY, &[tenant.as_uuid(), &names]).await?;
            let (id, leaf) = &event;
            tx.query(STAGE_EVENT, &[tenant.as_uuid(), id, &leaf.as_bytes()])
                .await?;
            tx.query(BUMP_GENERATION, &[tenant.as_uuid()]).await?;
            tx.commit().await?;
            Ok::<_, RecordError>(Some(Destroyed { tombstones, at }))
        };
        destroyed
            .await
            .map_err(unavailable)?
            .ok_or(KeyStoreError::NoKey)
    }

    /// Waits until no node uses a copy, and answers a receipt for each KEK.
    pub async fn shredded(
        &self,
        destroyed: Destroyed,
        backup_retention_days: u32,
        root: Option<Destruction>,
    ) -> Vec<ShredReceipt> {
        revoked_everywhere().await;
        let gone = self.inner.clock.unix_seconds();
        let Destroyed { tombstones, at } = destroyed;
        tombstones
            .chunk_by(|a, b| a.name == b.name)
            .filter_map(|of_name| ShredReceipt::new(of_name, at, gone, backup_retention_days, root))
            .collect()
    }
}

fn tombstone(tenant: &TenantId, row: &tokio_postgres::Row) -> Result<KekRecord, RecordError> {
    Ok(KekRecord {
        tenant: *tenant,
        name: column::<String>(row, 0)?.parse()?,
        version: records::number(column::<i32>(row, 1)?, "version")?,
        state: KekState::Destroyed,
        created_at: records::number(column::<i64>(row, 2)?, "created_at")?,
        wrapped: None,
        check: column::<Vec<u8>>(row, 3)?
            .try_into()
            .map_err(|_| RecordError::Malformed("check_value"))?,
    })
}
