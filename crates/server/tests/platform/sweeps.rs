//! Sweeps: nobody's locks keep what is another's, and no node's clock ends what is young.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use strongroom_server::clock::{Clock, SystemClock};
use strongroom_server::jobs::Sweep;
use strongroom_server::postgres::{Access, Job, Role};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, begin, folder};
use crate::key_rotation::on_own_platform;
use crate::platform::{node, on_runtime};
use crate::webhook_operations::until;

/// A revocation and three families of a tenant, which nobody else could write with such times:
/// one idle, one at its end, one with a sealed successor; and none of them is over before `now`.
async fn stored(superuser: &Client, tenant: TenantId, number: usize, now: &str) {
    let sql = format!(
        "set session_replication_role = replica; \
         insert into app.token_revocations values ('{tenant}', 'token', 'over', {now} - 200000); \
         insert into app.refresh_families (tenant_id, id, version, actors, capabilities, \
           session_id, client_id, auth_time, auth_methods, epoch, lineage, generation, newest, \
           successor, begun_at, rotated_at) \
         select '{tenant}', 'family' || lpad('{number}', 5, '0') || kind, 1, '{{a}}', '', \
           gen_random_uuid(), 'tests:console', 1, '{{}}', 0, decode(repeat('00', 32), 'hex'), 1, \
           decode(repeat('00', 32), 'hex'), successor, begun, rotated \
         from (values ('i', null, {now}, {now} - 16 * 86400), ('e', null, {now} - 32 * 86400, {now}), \
           ('s', decode(repeat('00', 60), 'hex'), {now} - 60, {now} - 60)) \
           as f (kind, successor, begun, rotated); \
         set session_replication_role = origin"
    );
    superuser.batch_execute(&sql).await.unwrap();
}

/// What is left of a tenant: revocations, families, sealed successors.
async fn left(superuser: &Client, tenant: TenantId) -> (i64, i64, i64) {
    let sql = "select (select count(*) from app.token_revocations where tenant_id = $1), \
         count(*), count(successor) from app.refresh_families where tenant_id = $1";
    let row = superuser.query_one(sql, &[tenant.as_uuid()]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

pub(crate) async fn swept(database: &Database) {
    let job = Job::new(database.pool(Role::Sweeper, 1));
    let stop = CancellationToken::new();
    for sweep in [Sweep::successors(job.clone()), Sweep::tokens(job)] {
        sweep.sweep(&stop).await.unwrap();
    }
}

#[test]
fn what_one_tenant_holds_keeps_no_token_of_anothers() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let superuser = database.sql("postgres").await;
        let now = "extract(epoch from clock_timestamp())::bigint";
        let (holder, other) = (
            database.tenant("holds").await,
            database.tenant("other").await,
        );
        stored(&superuser, holder, 1, now).await;
        stored(&superuser, other, 2, now).await;
        let mut hold = begin(&database.gateway(1), holder, Access::Write).await;
        // The weakest locks that each is waited for.
        for lock in [
            "select from app.token_revocations for key share",
            "select from app.refresh_families where id like '%s' for share",
            "select from app.refresh_families where id not like '%s' for key share",
        ] {
            assert!(!hold.query(lock, &[]).await.unwrap().is_empty());
        }
        swept(&database).await;
        assert_eq!(left(&superuser, holder).await, (1, 3, 1));
        assert_eq!(left(&superuser, other).await, (0, 1, 0));
        hold.rollback().await;
        swept(&database).await;
        assert_eq!(left(&superuser, holder).await, (0, 1, 0));
    });
}

/// The machine's clock; forty days ahead of it from the second time that it is asked, since no node
/// starts with such a clock.
#[derive(Default)]
struct Ahead(AtomicBool);

impl Clock for Ahead {
    fn unix_micros(&self) -> u64 {
        let ahead = if self.0.swap(true, Ordering::SeqCst) {
            40 * 86_400 * 1_000_000
        } else {
            0
        };
        SystemClock.unix_micros() + ahead
    }
}

#[test]
fn a_node_whose_clock_is_ahead_ends_nothing_that_is_young() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let (young, over) = (running.tenant("young").await, running.tenant("over").await);
        let now = "extract(epoch from clock_timestamp())::bigint";
        stored(&superuser, over.id, 1, now).await;
        // Young for as long as this takes, and over by a clock that is forty days ahead.
        stored(&superuser, young.id, 2, &format!("({now} + 30 * 86400)")).await;
        superuser
            .batch_execute(&format!(
                "insert into app.webhook_receipts values \
                 ('{}', 'e', 'm', 1, '{{1}}', 'committed', 1, {now} + 4 * 86400), \
                 ('{}', 'e', 'm', 1, '{{1}}', 'committed', 1, {now} - 1)",
                young.id, over.id
            ))
            .await
            .unwrap();
        let config = running.app.config.clone();
        let _ahead = node(&database, &running, config, Arc::new(Ahead::default())).await;
        let receipts = async |tenant: TenantId| {
            let sql = "select count(*) from app.webhook_receipts where tenant_id = $1";
            let row = superuser.query_one(sql, &[tenant.as_uuid()]).await.unwrap();
            row.get::<_, i64>(0)
        };
        // A node that starts looks at once.
        until("what is over is gone", || async {
            let (revocations, families, _) = left(&superuser, over.id).await;
            let is_gone = revocations == 0 && families <= 1 && receipts(over.id).await == 0;
            is_gone.then_some(())
        })
        .await;
        assert_eq!(left(&superuser, young.id).await, (1, 3, 1));
        assert_eq!(receipts(young.id).await, 1);
    });
}
