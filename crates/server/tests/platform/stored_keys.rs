//! A tenant's stored keys, as a test wants them: more data keys, or an older KEK.

use std::path::Path;

use strongroom_envelope::{
    Dek, DekId, KekRecord, KekState, KeyRef, LocalKms, Provider, Purpose, Recipient, TenantKeys,
    WrappedDek,
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

    /// Puts another KEK in the place of the tenant's, so many seconds older, with the trigger turned
    /// off: before anything is sealed under it. Who has the root key can.
    pub(crate) async fn make_kek_older(&self, seconds: u64) {
        let created_at = self.kek().await.created_at - seconds;
        let (kms, root, name) = (self.kms(), key_ref("root"), key_ref("tenant"));
        let root = Recipient::new(&kms, &root);
        let made = KekRecord::generate(root, &self.tenant, &name, 1, created_at).await;
        let made = made.unwrap();
        let sql = format!(
            "alter table app.tenant_keks disable trigger user; \
             update app.tenant_keks set created_at = {created_at}, check_value = '\\x{}', \
             wrapped = '\\x{}' where tenant_id = '{}' and name = 'tenant'; \
             alter table app.tenant_keks enable trigger user",
            hex::encode(made.check),
            hex::encode(made.wrapped.unwrap().bytes),
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
