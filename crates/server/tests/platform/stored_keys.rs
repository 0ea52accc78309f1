//! A tenant's stored keys, as a test wants them: more data keys, or an older KEK.

use std::path::Path;

use strongroom_envelope::{
    Dek, DekId, KekRecord, KekState, KeyRef, Kms as _, LocalKms, Provider, Purpose, Recipient,
    TenantKeys, WrappedDek, hazmat,
};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;

/// Rows that are stored in one go.
const CHUNK: usize = 10_000;

/// Who holds the keyrings, and may write every row.
pub(crate) struct StoredKeys<'a> {
    pub(crate) superuser: &'a Client,
    pub(crate) keyrings: &'a Path,
    pub(crate) tenant: TenantId,
}

impl StoredKeys<'_> {
    /// Stores so many data keys more under the tenant's KEK, each wrapped for its own row. The key
    /// is the same in all: wrapping it is as much work.
    pub(crate) async fn add_data_keys(&self, rows: usize) {
        let kek = self.kek().await;
        let (kms, root) = (self.kms(), key_ref("root"));
        let root = Recipient::new(&kms, &root);
        let loaded = TenantKeys::load(root, &self.tenant, std::slice::from_ref(&kek)).await;
        let (keys, dek) = (loaded.unwrap(), Dek::generate().unwrap());
        let version = i32::try_from(kek.version).unwrap();
        let created_at = i64::try_from(kek.created_at).unwrap();
        for first in (0..rows).step_by(CHUNK) {
            let (mut ids, mut wraps) = (Vec::new(), Vec::new());
            for _ in first..rows.min(first + CHUNK) {
                let id = DekId::generate().unwrap();
                let wrapped = keys.wrap_now(&kek.name, &Purpose::Dek(id), &dek);
                ids.push(id.as_bytes().to_vec());
                wraps.push(wrapped.unwrap().bytes);
            }
            let insert = "insert into app.tenant_deks \
                 select $1, id, 'tenant', $2, wrapped, 'active', $3 \
                 from unnest($4::bytea[], $5::bytea[]) as u (id, wrapped)";
            let tenant = self.tenant.as_uuid();
            self.superuser
                .execute(insert, &[tenant, &version, &created_at, &ids, &wraps])
                .await
                .unwrap();
        }
    }

    /// Makes the tenant's KEK so many seconds older: who has the root key can, with the trigger
    /// turned off.
    pub(crate) async fn age_kek(&self, seconds: u64) {
        let (kms, kek) = (self.kms(), self.kek().await);
        let made_at = |created_at| Purpose::Kek {
            name: kek.name.clone(),
            version: kek.version,
            created_at,
        };
        let purpose = made_at(kek.created_at);
        let wrapped = kek.wrapped.as_ref().unwrap();
        let key = kms.unwrap(&self.tenant, &purpose, wrapped).await.unwrap();
        let created_at = kek.created_at - seconds;
        let purpose = made_at(created_at);
        let root = key_ref("root");
        let wrapped = kms.wrap(&self.tenant, &root, &purpose, &key).await.unwrap();
        let check = hazmat::kek_check(&key, &self.tenant, &kek.name, kek.version, created_at);
        let sql = format!(
            "alter table app.tenant_keks disable trigger user; \
             update app.tenant_keks set created_at = {created_at}, check_value = '\\x{}', \
             wrapped = '\\x{}' where tenant_id = '{}' and name = 'tenant'; \
             alter table app.tenant_keks enable trigger user",
            hex::encode(check),
            hex::encode(wrapped.bytes),
            self.tenant,
        );
        self.superuser.batch_execute(&sql).await.unwrap();
    }

    /// The tenant's first KEK.
    async fn kek(&self) -> KekRecord {
        let sql = "select created_at, check_value, root_version, wrapped from app.tenant_keks \
             where tenant_id = $1 and name = 'tenant' and version = 1";
        let tenant = self.tenant.as_uuid();
        let row = self.superuser.query_one(sql, &[tenant]).await.unwrap();
        KekRecord {
            tenant: self.tenant,
            name: key_ref("tenant"),
            version: 1,
            state: KekState::Active,
            created_at: row.get::<_, i64>(0).try_into().unwrap(),
            check: row.get::<_, Vec<u8>>(1).try_into().unwrap(),
            wrapped: Some(WrappedDek {
                provider: Provider::LOCAL,
                key_ref: key_ref("root"),
                key_version: row.get::<_, i64>(2).try_into().unwrap(),
                bytes: row.get(3),
            }),
        }
    }

    fn kms(&self) -> LocalKms {
        LocalKms::open(self.keyrings).unwrap()
    }
}

fn key_ref(name: &str) -> KeyRef {
    name.parse().unwrap()
}
