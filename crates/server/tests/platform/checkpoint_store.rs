//! A database that was set back to an older state signs no second history, and takes no events.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_auditchain::{Frontier, Hash, Origin};
use strongroom_server::app::Platform;
use strongroom_server::clock::SystemClock;
use strongroom_server::init::adopt_checkpoints;
use strongroom_tenancy::TenantId;

use crate::audit_export::grow;
use crate::database::{Database, folder};
use crate::key_rotation::post;
use crate::platform::{Answer, Running, Tenant, on_runtime, second_node, start};
use crate::three_zones::until;

/// A log's row as a dump has it.
struct Dump {
    size: i64,
    frontier: Vec<u8>,
}

async fn dump(database: &Database, tenant: TenantId) -> Dump {
    let superuser = database.sql("postgres").await;
    let sql = "select size, frontier from app.audit_logs where tenant_id = $1";
    let row = superuser.query_one(sql, &[tenant.as_uuid()]).await.unwrap();
    Dump {
        size: row.get(0),
        frontier: row.get(1),
    }
}

/// The head that a log's rows would have.
async fn head_of_rows(database: &Database, tenant: TenantId) -> Dump {
    let superuser = database.sql("postgres").await;
    let sql = "select leaf_hash from app.audit_leaves where tenant_id = $1 order by idx";
    let rows = superuser.query(sql, &[tenant.as_uuid()]).await.unwrap();
    let mut tree = Frontier::new();
    for row in &rows {
        let hash: Vec<u8> = row.get(0);
        tree.push(Hash::from_bytes(hash.try_into().unwrap()));
    }
    Dump {
        size: i64::try_from(tree.size()).unwrap(),
        frontier: tree.to_bytes(),
    }
}

/// Sets one log back, as the restoring of a dump does to all, and ends the sequencer's connection.
async fn restore(database: &Database, tenant: TenantId, dump: &Dump) {
    let superuser = database.sql("postgres").await;
    superuser
        .batch_execute(&format!(
            "set session_replication_role = replica; \
             delete from app.audit_leaves where tenant_id = '{tenant}' and idx >= {size}; \
             delete from app.audit_checkpoints where tenant_id = '{tenant}' and size > {size}; \
             delete from app.audit_anchors where tenant_id = '{tenant}' and size > {size}; \
             set session_replication_role = origin",
            size = dump.size
        ))
        .await
        .unwrap();
    superuser
        .execute(
            "update app.audit_logs set size = $2, frontier = $3 where tenant_id = $1",
            &[tenant.as_uuid(), &dump.size, &dump.frontier],
        )
        .await
        .unwrap();
    end_sequencers(database).await;
}

async fn end_sequencers(database: &Database) {
    let superuser = database.sql("postgres").await;
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
               where usename = 'strongroom_sequencer'";
    superuser.query(end, &[]).await.unwrap();
}

async fn sign(running: &Running, tenant: &Tenant) -> Answer {
    post(running, tenant, "/v1/audit/checkpoints", json!({})).await
}

async fn ask(running: &Running, tenant: &Tenant) -> Answer {
    running
        .send("GET", "/v1/api-keys", Some(&tenant.token), None)
        .await
}

/// Until what batches signed so far, of every log, is in the store; how long that took. A node knows of
/// its own lines.
async fn followed(database: &Database, nodes: &[&Running]) -> Duration {
    let begun = Instant::now();
    let superuser = database.sql("postgres").await;
    let logs = superuser.query("select origin, size from app.audit_logs", &[]);
    for row in logs.await.unwrap() {
        let log: [Origin; 1] = [row.get::<_, &str>(0).parse().unwrap()];
        let size = u64::try_from(row.get::<_, i64>(1)).unwrap();
        let is_kept = |node: &&Running| {
            let known = node.app.checkpoint_store.known(&log).unwrap();
            let kept = known[&log[0]].signed().last().map(|(size, _)| *size);
            kept.unwrap_or(0) >= size
        };
        until("kept", async || nodes.iter().any(is_kept)).await;
    }
    begun.elapsed()
}

async fn signed_sizes(database: &Database, tenant: TenantId) -> Vec<i64> {
    let superuser = database.sql("postgres").await;
    let sql = "select size from app.audit_checkpoints where tenant_id = $1 order by size";
    let rows = superuser.query(sql, &[tenant.as_uuid()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_log_that_was_set_back_gets_no_second_history() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let (back, other) = (running.tenant("back").await, running.tenant("other").await);
        assert_eq!(sign(&running, &back).await.status, 200);
        let signed = signed_sizes(&database, back.id).await;
        let old = dump(&database, back.id).await;
        grow(&running, &back, 5).await;
        assert_eq!(sign(&running, &back).await.status, 200);
        restore(&database, back.id, &old).await;

        let refused = ask(&running, &back).await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (503, "audit-set-back")
        );
        assert_eq!(dump(&database, back.id).await.size, old.size);
        // What grew again all the same is not signed, at no size.
        let superuser = database.sql("postgres").await;
        for more in 1..8 {
            let grown = format!(
                "with head as (select size from app.audit_logs where tenant_id = '{0}') \
                 insert into app.audit_leaves (tenant_id, idx, event_id, leaf, leaf_hash) \
                 select '{0}', size, gen_random_uuid(), '', sha256('\\x00') from head",
                back.id
            );
            superuser.batch_execute(&grown).await.unwrap();
            let head = head_of_rows(&database, back.id).await;
            restore(&database, back.id, &head).await;
            let again = running.app.checkpointer.sign(Some(back.id)).await;
            let again = again.unwrap_err().to_string();
            assert!(
                again.contains("is not what was signed before"),
                "{more}: {again}"
            );
        }
        assert_eq!(signed_sizes(&database, back.id).await, signed);
        // Nobody else waits for it.
        assert_eq!(ask(&running, &other).await.status, 200);
        assert_eq!(sign(&running, &other).await.status, 200);
    });
}

#[test]
fn what_batches_signed_follows_within_a_second() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("truncated").await;
        assert_eq!(sign(&running, &tenant).await.status, 200);
        grow(&running, &tenant, 3).await;
        let old = dump(&database, tenant.id).await;
        followed(&database, &[&running]).await;
        // A busy machine takes longer now and then, and not each time.
        let mut took = Duration::MAX;
        for _ in 0..10 {
            grow(&running, &tenant, 2).await;
            took = took.min(followed(&database, &[&running]).await);
            if took < Duration::from_secs(1) {
                break;
            }
        }
        assert!(took < Duration::from_secs(1), "{took:?}");
        // No checkpoint covers those that went: the lines of their batches do.
        restore(&database, tenant.id, &old).await;
        let refused = ask(&running, &tenant).await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (503, "audit-set-back")
        );
        let unsigned = running.app.checkpointer.sign(Some(tenant.id)).await;
        assert!(unsigned.is_err());
        let unsigned = sign(&running, &tenant).await;
        assert_eq!(
            (unsigned.status, unsigned.slug().as_str()),
            (503, "audit-set-back")
        );

        // Of one that is as it was, a new connection is no doubt.
        let whole = running.tenant("whole").await;
        followed(&database, &[&running]).await;
        end_sequencers(&database).await;
        assert_eq!(ask(&running, &whole).await.status, 200);
    });
}

#[test]
fn entries_beyond_what_was_signed_are_held_against_it() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("replaced").await;
        grow(&running, &tenant, 5).await;
        followed(&database, &[&running]).await;
        // As many entries and one more, one of them another than was acknowledged.
        let superuser = database.sql("postgres").await;
        superuser
            .batch_execute(&format!(
                "set session_replication_role = replica; \
                 update app.audit_leaves set leaf_hash = sha256('other') \
                   where tenant_id = '{0}' and idx = 4; \
                 insert into app.audit_leaves (tenant_id, idx, event_id, leaf, leaf_hash) \
                   select '{0}', size, gen_random_uuid(), '', sha256('\\x00') \
                   from app.audit_logs where tenant_id = '{0}'; \
                 set session_replication_role = origin",
                tenant.id
            ))
            .await
            .unwrap();
        let replaced = head_of_rows(&database, tenant.id).await;
        restore(&database, tenant.id, &replaced).await;
        let refused = ask(&running, &tenant).await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (503, "audit-set-back")
        );
        assert!(
            running
                .app
                .checkpointer
                .sign(Some(tenant.id))
                .await
                .is_err()
        );
        assert_eq!(signed_sizes(&database, tenant.id).await, [0_i64; 0]);
    });
}

#[test]
fn a_checkpoint_that_was_kept_and_not_published_is_published_as_it_was() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("unpublished").await;
        let note = sign(&running, &tenant).await.text;
        let size = signed_sizes(&database, tenant.id).await;
        let superuser = database.sql("postgres").await;
        let lose = |table: &str| {
            let tenant = tenant.id;
            format!("delete from app.audit_{table} where tenant_id = '{tenant}'")
        };
        superuser.batch_execute(&lose("checkpoints")).await.unwrap();
        superuser.batch_execute(&lose("anchors")).await.unwrap();
        grow(&running, &tenant, 3).await;
        assert_eq!(sign(&running, &tenant).await.status, 200);
        let sizes = signed_sizes(&database, tenant.id).await;
        assert_eq!((sizes.len(), sizes[0]), (2, size[0]));
        let sql = "select note from app.audit_checkpoints where tenant_id = $1 and size = $2";
        let row = superuser
            .query_one(sql, &[tenant.id.as_uuid(), &size[0]])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), note);
    });
}

#[test]
fn a_lost_directory_is_replaced_when_somebody_says_so() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("lost").await;
        assert_eq!(sign(&running, &tenant).await.status, 200);
        let mut config = running.app.config.clone();
        let clock = || Arc::new(SystemClock);
        config.checkpoints = folder();
        let refused = Platform::start(config.clone(), database.endpoint(), clock()).await;
        let refused = refused.err().unwrap().to_string();
        assert!(refused.contains("checkpoints adopt"), "{refused}");

        let adopted = adopt_checkpoints(&config, &database.endpoint(), clock())
            .await
            .unwrap();
        assert!(
            adopted.logs > 0 && adopted.refused.is_empty(),
            "{adopted:?}"
        );
        let again = adopt_checkpoints(&config, &database.endpoint(), clock())
            .await
            .unwrap();
        assert!(again.logs > 0 && again.refused.is_empty(), "{again:?}");
        let platform = Platform::start(config.clone(), database.endpoint(), clock())
            .await
            .unwrap();
        grow(&running, &tenant, 2).await;
        assert_eq!(
            platform
                .app
                .checkpointer
                .sign(Some(tenant.id))
                .await
                .unwrap(),
            1
        );
        platform.stop().await;
        // It takes nothing that does not go on from what it has.
        let sizes = signed_sizes(&database, tenant.id).await;
        let superuser = database.sql("postgres").await;
        superuser
            .batch_execute(&format!(
                "delete from app.audit_checkpoints where tenant_id = '{}' and size = {}",
                tenant.id, sizes[1]
            ))
            .await
            .unwrap();
        let behind = adopt_checkpoints(&config, &database.endpoint(), clock())
            .await
            .unwrap();
        assert_eq!(behind.refused.len(), 1, "{behind:?}");
    });
}

#[test]
fn nodes_that_share_the_store_sign_one_history() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("shared").await;
        let other = second_node(&database, &running).await;
        for _ in 0..4 {
            grow(&running, &tenant, 2).await;
            grow(&other, &tenant, 2).await;
            let (one, two) = tokio::join!(
                running.app.checkpointer.sign(None),
                other.app.checkpointer.sign(None),
            );
            // Whoever came second left it to the first.
            assert!(one.unwrap() + two.unwrap() > 0);
        }
        let last = sign(&other, &tenant).await;
        assert_eq!(last.status, 200);
        let intact = post(&running, &tenant, "/v1/audit/verify", json!({})).await;
        assert_eq!(intact.json()["intact"], true, "{}", intact.text);
        // Each has the other's lines when it looks again.
        followed(&database, &[&running, &other]).await;
        end_sequencers(&database).await;
        assert_eq!(ask(&running, &tenant).await.status, 200);
        assert_eq!(ask(&other, &tenant).await.status, 200);
    });
}

#[test]
fn nothing_is_acknowledged_that_the_store_cannot_follow() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("followed").await;
        followed(&database, &[&running]).await;
        let directory = running.app.checkpoint_store.directory();
        let (lines, away) = (directory.join("lines"), directory.join("away"));
        {
            // A write that lost its folder half-way would be the last one.
            let lock = OpenOptions::new().append(true).open(directory.join("lock"));
            let lock = lock.unwrap();
            lock.lock().unwrap();
            std::fs::rename(&lines, &away).unwrap();
        }
        // The first is acknowledged: nobody waits for the store.
        assert_eq!(ask(&running, &tenant).await.status, 200);
        tokio::time::sleep(Duration::from_millis(5600)).await;
        let late = ask(&running, &tenant).await;
        assert_eq!(
            (late.status, late.slug().as_str()),
            (503, "audit-unavailable")
        );
        std::fs::rename(&away, &lines).unwrap();
        until("followed again", async || {
            ask(&running, &tenant).await.status == 200
        })
        .await;
    });
}
