//! What is over is deleted, in batches, and nothing else is.

use strongroom_server::clock::{Clock as _, SystemClock};
use strongroom_server::jobs::Sweep;
use strongroom_server::postgres::{Access, Job, Owner, Role};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::{Database, begin, folder};
use crate::platform::on_runtime;

const KEPT: i64 = 30 * 24 * 60 * 60;

/// A tenant's endpoint, on a database that no platform works on.
async fn endpoint(superuser: &Client, tenant: TenantId) -> Uuid {
    let sql = "insert into app.webhook_endpoints (tenant_id, id, url, sealed_secret, created_at, \
         kek, kek_version) values ($1, gen_random_uuid(), 'https://example.com/', 'x', 0, 'tenant', \
         1) returning id";
    let row = superuser.query_one(sql, &[tenant.as_uuid()]).await.unwrap();
    row.get(0)
}

fn now() -> i64 {
    i64::try_from(SystemClock.unix_seconds()).unwrap()
}

async fn swept(database: &Database) {
    let sweep = Sweep::webhooks(Job::new(database.pool(Role::Deliverer, 2)));
    sweep.sweep(&CancellationToken::new()).await.unwrap();
}

async fn texts(superuser: &Client, sql: &str) -> Vec<String> {
    let rows = superuser.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn what_is_over_is_deleted_and_nothing_else() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let tenant = database.tenant("keeps").await;
        let superuser = database.sql("postgres").await;
        let endpoint = endpoint(&superuser, tenant).await;
        let now = now();
        // A minute is more than the test takes.
        let (over, recent) = (now - KEPT, now - KEPT + 60);
        for (body, next, parked, settled, attempt) in [
            ("settled-old", None, None, Some(over), Some(over)),
            ("settled-recently", None, None, Some(recent), Some(over)),
            ("parked-old", None, Some(over), None, Some(over)),
            ("parked-recently", None, Some(recent), None, None),
            ("waits", Some(0_i64), None, None, Some(recent)),
            (
                "settled-old-sent-again",
                None,
                None,
                Some(over),
                Some(recent),
            ),
        ] {
            let made = superuser
                .query_one(
                    "insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, \
                     next_attempt_at, parked_at, settled_at) \
                     values ($1, gen_random_uuid(), $2, $3, $4, $5, $6) returning id",
                    &[tenant.as_uuid(), &endpoint, &body, &next, &parked, &settled],
                )
                .await
                .unwrap();
            let message: Uuid = made.get(0);
            if let Some(at) = attempt {
                let sql = "insert into app.webhook_attempts (tenant_id, id, message_id, at, \
                     took_ms) values ($1, gen_random_uuid(), $2, $3, 1)";
                let row: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                    [tenant.as_uuid(), &message, &at];
                superuser.execute(sql, &row).await.unwrap();
            }
        }
        for (id, until) in [("over", now - 1), ("remembered", now + 60)] {
            let sql = "insert into app.webhook_receipts \
                 values ($1, 'e', $2, 1, '{1}', 'committed', 1, $3)";
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [tenant.as_uuid(), &id, &until];
            superuser.execute(sql, &row).await.unwrap();
        }
        for (sealed, expires_at) in [("over", now), ("signs", now + 60)] {
            let sql = "insert into app.webhook_old_secrets \
                 values ($1, $2, gen_random_uuid(), convert_to($3, 'UTF8'), $4, 'tenant', 1)";
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [tenant.as_uuid(), &endpoint, &sealed, &expires_at];
            superuser.execute(sql, &row).await.unwrap();
        }
        swept(&database).await;
        let messages = "select body from app.webhook_outbox order by body";
        let kept = texts(&superuser, messages).await;
        let expected = [
            "parked-recently",
            "settled-old-sent-again",
            "settled-recently",
            "waits",
        ];
        assert_eq!(kept, expected);
        let attempts = "select o.body from app.webhook_attempts a \
             join app.webhook_outbox o on o.id = a.message_id order by o.body";
        let kept = texts(&superuser, attempts).await;
        assert_eq!(kept, ["settled-old-sent-again", "waits"]);
        let receipts = texts(&superuser, "select id from app.webhook_receipts").await;
        assert_eq!(receipts, ["remembered"]);
        let secrets = "select convert_from(sealed, 'UTF8') from app.webhook_old_secrets";
        assert_eq!(texts(&superuser, secrets).await, ["signs"]);
    });
}

#[test]
fn more_than_a_batch_goes_in_batches() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let tenant = database.tenant("much").await;
        let superuser = database.sql("postgres").await;
        let endpoint = endpoint(&superuser, tenant).await;
        superuser
            .execute(
                "with made as (insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, \
                   settled_at) select $1, gen_random_uuid(), $2, '{}', 0 \
                   from generate_series(1, 2400) returning id) \
                 insert into app.webhook_attempts (tenant_id, id, message_id, at, took_ms) \
                 select $1, gen_random_uuid(), id, 0, 1 from made",
                &[tenant.as_uuid(), &endpoint],
            )
            .await
            .unwrap();
        // No transaction deletes more than a batch.
        superuser
            .batch_execute(
                "create table app.test_batches (rows bigint); \
                 grant insert on app.test_batches to public; \
                 create function app.test_count() returns trigger language plpgsql as $$ begin \
                   insert into app.test_batches select count(*) from old; return null; end $$; \
                 create trigger test_count after delete on app.webhook_outbox \
                 referencing old table as old for each statement execute function app.test_count()",
            )
            .await
            .unwrap();
        swept(&database).await;
        let rows = superuser
            .query("select rows from app.test_batches where rows > 0", &[])
            .await
            .unwrap();
        let batches: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(batches, [1_000, 1_000, 400]);
        let left = superuser.query_one("select count(*) from app.webhook_outbox", &[]);
        assert_eq!(left.await.unwrap().get::<_, i64>(0), 0);
    });
}

/// Whoever holds rows keeps those, and nobody else's.
#[test]
fn what_one_tenant_holds_keeps_nothing_of_anothers() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let superuser = database.sql("postgres").await;
        let (holder, other) = (
            database.tenant("holds").await,
            database.tenant("other").await,
        );
        for (tenant, name) in [(holder, "held"), (other, "over")] {
            let endpoint = endpoint(&superuser, tenant).await;
            superuser
                .execute(
                    "insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, parked_at, \
                     settled_at) values ($1, gen_random_uuid(), $2, $3 || '-parked', 1, null), \
                     ($1, gen_random_uuid(), $2, $3 || '-settled', null, 1)",
                    &[tenant.as_uuid(), &endpoint, &name],
                )
                .await
                .unwrap();
            let secret = "insert into app.webhook_old_secrets \
                 values ($1, $2, gen_random_uuid(), convert_to($3, 'UTF8'), 1, 'tenant', 1)";
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [tenant.as_uuid(), &endpoint, &name];
            superuser.execute(secret, &row).await.unwrap();
            let receipt = "insert into app.webhook_receipts \
                 values ($1, 'e', $2, 1, '{1}', 'committed', 1, 1)";
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [tenant.as_uuid(), &name];
            superuser.execute(receipt, &row).await.unwrap();
        }
        let left = async || {
            let sql = "select body from app.webhook_outbox \
                 union all select convert_from(sealed, 'UTF8') || '-secret' \
                 from app.webhook_old_secrets \
                 union all select id || '-receipt' from app.webhook_receipts order by 1";
            texts(&superuser, sql).await
        };
        let mut hold = begin(&database.gateway(1), holder, Access::Write).await;
        // The weakest lock that a deletion waits for.
        for lock in [
            "select from app.webhook_outbox for key share",
            "select from app.webhook_old_secrets for key share",
            "select from app.webhook_receipts for key share",
        ] {
            assert!(!hold.query(lock, &[]).await.unwrap().is_empty());
        }
        swept(&database).await;
        let held = ["held-parked", "held-receipt", "held-secret", "held-settled"];
        assert_eq!(left().await, held);
        hold.rollback().await;
        swept(&database).await;
        assert_eq!(left().await, [""; 0]);
    });
}

/// The time from which they are kept was not stored when they were settled.
#[test]
fn what_was_settled_by_an_earlier_version_goes_in_its_time() {
    const UNDO: &str = "delete from app.schema_migrations where name = '0009_outbox'; \
         drop function app.webhook_backlog(uuid); \
         drop function app.webhook_backlog(uuid, uuid); \
         drop policy deliverer_attempts_read on app.webhook_attempts; \
         drop policy deliverer_attempts_old on app.webhook_attempts; \
         drop index app.webhook_attempts_by_time; drop index app.webhook_outbox_turns; \
         alter table app.webhook_outbox drop column parked_at, drop column settled_at; \
         alter table app.webhook_endpoints drop column dropped, drop column dropped_at";
    on_runtime(async {
        let database = Database::start(folder()).await;
        let superuser = database.sql("postgres").await;
        let tenant = database.tenant("settled").await;
        let endpoint = endpoint(&superuser, tenant).await;
        superuser.batch_execute(UNDO).await.unwrap();
        for (body, next, delivered, attempt) in [
            ("delivered", None, Some(5_i64), Some(4_i64)),
            ("failed", None, None, Some(7)),
            ("unknown", None, None, None),
            ("waits", Some(now() + 3600), None, Some(3)),
        ] {
            superuser
                .execute(
                    "with made as (insert into app.webhook_outbox (tenant_id, id, endpoint_id, \
                       body, next_attempt_at, delivered_at) \
                       values ($1, gen_random_uuid(), $2, $3, $4, $5) returning id) \
                     insert into app.webhook_attempts (tenant_id, id, message_id, at, took_ms) \
                     select $1, gen_random_uuid(), id, $6, 1 from made where $6::bigint is not null",
                    &[
                        tenant.as_uuid(),
                        &endpoint,
                        &body,
                        &next,
                        &delivered,
                        &attempt,
                    ],
                )
                .await
                .unwrap();
        }
        let owner = Owner::connect(&database.endpoint(), "postgres").await;
        assert_eq!(owner.unwrap().migrate().await.unwrap(), 1);
        let sql = "select body, settled_at from app.webhook_outbox order by body";
        let rows = superuser.query(sql, &[]).await.unwrap();
        let settled: Vec<(&str, Option<i64>)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(settled[..2], [("delivered", Some(5)), ("failed", Some(7))]);
        assert!(settled[2].1.unwrap().abs_diff(now()) < 60);
        assert_eq!(settled[3], ("waits", None));
        let forced = "select relforcerowsecurity from pg_class \
             where oid in ('app.webhook_outbox'::regclass, 'app.webhook_attempts'::regclass)";
        for table in superuser.query(forced, &[]).await.unwrap() {
            assert!(
                table.get::<_, bool>(0),
                "the owner is under the policies again"
            );
        }
        swept(&database).await;
        let left = texts(
            &superuser,
            "select body from app.webhook_outbox order by body",
        )
        .await;
        assert_eq!(left, ["unknown", "waits"]);
    });
}
