//! A tenant that locks its own rows, which it may, holds up its own webhooks only.

use std::time::Instant;

use strongroom_server::postgres::{Access, TenantTx};
use uuid::Uuid;

use crate::database::{Database, begin, random};
use crate::key_rotation::on_own_platform;
use crate::platform::{Running, Tenant};
use crate::webhook_operations::{Hook, received, subscribe, trigger, until};
use crate::webhook_outbox::{backlog, call, now, waiting};

/// Less than the ten seconds that a statement waits for a lock, by what passes before the count.
const SOON: u64 = 8;

async fn lock(database: &Database, tenant: &Tenant, sql: &'static str, id: &str) -> TenantTx {
    let mut tx = begin(&database.gateway(1), tenant.id, Access::Write).await;
    let id: Uuid = id.parse().unwrap();
    assert_eq!(tx.query(sql, &[&id]).await.unwrap().len(), 1);
    tx
}

/// Another tenant, with a subscriber.
async fn neighbour(running: &Running) -> (Tenant, Hook) {
    let name = format!("neighbour-{}", Uuid::from_bytes(random()));
    let tenant = running.tenant(&name).await;
    let hook = subscribe(running, &tenant, vec![]).await;
    (tenant, hook)
}

async fn delivered_soon(running: &Running, tenant: &Tenant, hook: &Hook) {
    trigger(running, tenant).await;
    let begun = Instant::now();
    received(hook, 1).await;
    let took = begun.elapsed();
    assert!(took.as_secs() < SOON, "it took {took:?}");
}

/// What was due was taken.
async fn taken(superuser: &tokio_postgres::Client, hook: &Hook) {
    let id: Uuid = hook.id.parse().unwrap();
    until("what is due was taken", || async {
        let sql = "select from app.webhook_outbox where endpoint_id = $1 and next_attempt_at = 0";
        let due = superuser.query(sql, &[&id]).await.unwrap();
        due.is_empty().then_some(())
    })
    .await;
}

#[test]
fn a_disabled_endpoint_that_its_tenant_holds_holds_up_nobody_else() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("holds-endpoint").await;
        let hook = subscribe(&running, &tenant, vec![]).await;
        let (brisk, brisk_hook) = neighbour(&running).await;
        call(&running, &tenant, &hook, "disable").await;
        // A message that is stored may refer to it all the same.
        let sql = "select from app.webhook_endpoints where id = $1 for no key update";
        let held = lock(&database, &tenant, sql, &hook.id).await;
        let superuser = database.sql("postgres").await;
        backlog(&superuser, &tenant, &hook.id, 2, 0).await;
        taken(&superuser, &hook).await;
        delivered_soon(&running, &brisk, &brisk_hook).await;
        assert_eq!(waiting(&superuser, &hook).await, (2, 0));
        held.rollback().await;
    });
}

#[test]
fn a_message_of_a_disabled_endpoint_that_its_tenant_holds_is_parked_the_next_time() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("holds-parked").await;
        let hook = subscribe(&running, &tenant, vec![]).await;
        let (brisk, brisk_hook) = neighbour(&running).await;
        call(&running, &tenant, &hook, "disable").await;
        let superuser = database.sql("postgres").await;
        backlog(&superuser, &tenant, &hook.id, 1, now() + 3600).await;
        let sql = "select from app.webhook_outbox where endpoint_id = $1 for update";
        let held = lock(&database, &tenant, sql, &hook.id).await;
        backlog(&superuser, &tenant, &hook.id, 1, 0).await;
        taken(&superuser, &hook).await;
        delivered_soon(&running, &brisk, &brisk_hook).await;
        until("the other is parked", || async {
            (waiting(&superuser, &hook).await == (1, 1)).then_some(())
        })
        .await;
        held.rollback().await;
        backlog(&superuser, &tenant, &hook.id, 1, 0).await;
        until("all are parked", || async {
            (waiting(&superuser, &hook).await == (0, 3)).then_some(())
        })
        .await;
    });
}

#[test]
fn a_due_message_that_its_tenant_holds_is_taken_when_it_is_let_go() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("holds-due").await;
        let hook = subscribe(&running, &tenant, vec![]).await;
        let (brisk, brisk_hook) = neighbour(&running).await;
        let superuser = database.sql("postgres").await;
        // It is held by then.
        let due = now() + 8;
        backlog(&superuser, &tenant, &hook.id, 1, due).await;
        let sql = "select from app.webhook_outbox where endpoint_id = $1 for update";
        let held = lock(&database, &tenant, sql, &hook.id).await;
        until("it is due, and was looked for", || async {
            (now() > due + 2).then_some(())
        })
        .await;
        delivered_soon(&running, &brisk, &brisk_hook).await;
        assert_eq!(waiting(&superuser, &hook).await, (1, 0));
        held.rollback().await;
        received(&hook, 1).await;
    });
}
