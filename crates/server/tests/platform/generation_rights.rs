//! Who may say that something was revoked: a tenant of itself, and who watches nothing at all.

use strongroom_server::generations::BUMP_GENERATION;
use strongroom_server::postgres::{Access, Role};
use strongroom_tenancy::TenantId;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::database::{begin, database};
use crate::generations::bump;

#[tokio::test]
async fn a_tenant_bumps_itself_and_nobody_else() {
    let database = database();
    let (acme, globex) = (
        database.tenant("acme").await,
        database.tenant("globex").await,
    );
    let superuser = database.sql("postgres").await;
    let row = async |tenant: TenantId| -> (Uuid, String) {
        let row = superuser
            .query_one(
                "select stamp, changed_in::text from app.generations where tenant_id = $1",
                &[tenant.as_uuid()],
            )
            .await
            .unwrap();
        (row.get(0), row.get(1))
    };
    bump(&database.gateway(1), globex).await;
    let theirs = row(globex).await;

    let (client, pid) = database.attacker().await;
    let denied = async |sql: &str| {
        let error = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{sql}"
        );
    };
    let insert = |tenant| format!("insert into app.generations (tenant_id) values ('{tenant}')");
    let upsert = |tenant| BUMP_GENERATION.replace("$1", &format!("'{tenant}'"));
    for tenant in [acme, globex] {
        denied(&insert(tenant)).await;
        denied(&upsert(tenant)).await;
    }
    let claim = database.claim(acme, pid).expose().to_owned();
    client
        .query(
            "select set_config('strongroom.claim', $1, false)",
            &[&claim],
        )
        .await
        .unwrap();
    denied(&insert(globex)).await;
    denied(&upsert(globex)).await;
    for sql in [
        "select stamp from app.generations",
        "update app.generations set changed_in = '3'",
        "update app.generations set tenant_id = tenant_id",
        "delete from app.generations",
        "do $$ begin lock table app.generations in share mode; end $$",
        "alter table app.generations disable trigger user",
    ] {
        denied(sql).await;
    }
    client.batch_execute(&upsert(acme)).await.unwrap();
    let first = row(acme).await;
    // What it writes is not what is stored: it cannot put an earlier stamp back.
    let forge = format!("update app.generations set stamp = '{}'", Uuid::nil());
    assert_eq!(client.execute(&forge, &[]).await.unwrap(), 1, "its own row");
    let second = row(acme).await;
    assert!(!second.0.is_nil() && second.0 != first.0 && second.1 != first.1);
    let visible = client.query("select tenant_id from app.generations", &[]);
    let visible = visible.await.unwrap();
    assert_eq!(visible.len(), 1);
    assert_eq!(visible[0].get::<_, Uuid>(0), *acme.as_uuid());
    assert_eq!(row(globex).await, theirs);

    // A gateway's commits do not wait for the disk. One that other nodes act on does.
    let mut tx = begin(&database.gateway(1), acme, Access::Write).await;
    for expected in ["off", "on"] {
        let rows = tx.query("show synchronous_commit", &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, &str>(0), expected);
        tx.query(BUMP_GENERATION, &[acme.as_uuid()]).await.unwrap();
    }
    tx.rollback().await;
}

#[tokio::test]
async fn the_watcher_reads_one_table_and_writes_none() {
    let client = database().sql(Role::Watcher.name()).await;
    for table in ["tenants", "api_keys", "audit_leaves", "platform_keys"] {
        let read = format!("select from app.{table}");
        let error = client.batch_execute(&read).await.expect_err(table);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    }
    for sql in [
        "insert into app.generations (tenant_id) values (gen_random_uuid())",
        "update app.generations set stamp = default",
        "delete from app.generations",
    ] {
        let error = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    }
    client
        .batch_execute("select tenant_id, stamp, changed_in from app.generations")
        .await
        .unwrap();
}
