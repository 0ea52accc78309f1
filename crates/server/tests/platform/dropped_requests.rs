//! A request may be dropped at any await point, and a client may hang up at any moment: the next
//! borrower of a connection finds it clean, and there are never more backends than slots.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use strongroom_server::postgres::{Access, CommitError, Gateway, QueryError};
use strongroom_tenancy::TenantId;

use crate::database::{Database, begin, database, folder};

/// What a request does: opens, writes, commits.
async fn request(gateway: &Gateway, tenant: TenantId, name: &'static str) -> Result<(), String> {
    let mut tx = gateway
        .begin(
            tenant,
            crate::database::actor(),
            &crate::database::request_id(),
            Access::Write,
        )
        .await
        .map_err(|error| error.to_string())?;
    tx.query(
        "insert into app.provider_credentials values ($1, $2, '', 0) \
         on conflict (tenant_id, name) do update set stored_at = 1",
        &[tenant.as_uuid(), &name],
    )
    .await
    .map_err(|error| error.to_string())?;
    tx.query("select from app.tenants", &[])
        .await
        .map_err(|error| error.to_string())?;
    tx.commit().await.map_err(|error| error.to_string())
}

/// What the next borrower sees.
async fn assert_clean(gateway: &Gateway, tenant: TenantId) {
    let mut tx = begin(gateway, tenant, Access::Write).await;
    // A transaction that was inherited would have its number already.
    let inherited = tx
        .query(
            "select pg_catalog.pg_current_xact_id_if_assigned() is not null",
            &[],
        )
        .await
        .unwrap();
    assert!(
        !inherited[0].get::<_, bool>(0),
        "the next borrower is in another's transaction"
    );
    let rows = tx
        .query(
            "select tenant_id from app.tenants where tenant_id <> $1",
            &[tenant.as_uuid()],
        )
        .await
        .unwrap();
    assert!(
        rows.is_empty(),
        "the next borrower sees another tenant's row"
    );
    tx.rollback().await;
}

#[tokio::test]
async fn dropped_at_every_await_point_leaves_a_clean_connection() {
    let database = database();
    let (victim, next) = (
        database.tenant("victim").await,
        database.tenant("next").await,
    );
    let gateway = database.gateway(1);
    request(&gateway, victim, "warm-up").await.unwrap();
    let mut completed = false;
    // Polled at most n times, then dropped: n = 0, 1, 2 … until the request comes to its end.
    for polls in 0..400 {
        let mut left = polls;
        let finished = {
            let mut work = pin!(request(&gateway, victim, "dropped"));
            std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                work.as_mut().poll(cx).map(Some)
            })
            .await
        };
        assert_clean(&gateway, next).await;
        if let Some(result) = finished {
            result.unwrap();
            completed = true;
            break;
        }
    }
    assert!(completed, "the request never came to its end");
}

#[tokio::test]
async fn a_future_that_is_polled_once_and_dropped_does_not_panic_outside_a_runtime() {
    let database = database();
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(1);
    let theirs = gateway.clone();
    let mut work = Box::pin(async move { request(&theirs, tenant, "once").await });
    assert!(
        work.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    std::thread::spawn(move || drop(work)).join().unwrap();
    assert_clean(&gateway, tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_hang_ups_in_mid_statement_never_exceed_the_slots() {
    const SLOTS: usize = 4;
    // A cluster of its own: every backend of the gateway's role is one of this pool's.
    let database = Database::start(folder()).await;
    let tenant = database.tenant("hang-up").await;
    let gateway = database.gateway(SLOTS);
    let watch = database.sql("postgres").await;
    // The backend that made the tenant was another pool's; it must not be counted.
    let sql = "select count(*) from pg_stat_activity where usename = 'strongroom_gateway'";
    while watch.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut tasks = Vec::new();
    for client in 0..200_u64 {
        let gateway = gateway.clone();
        tasks.push(tokio::spawn(async move {
            // Waits for a slot as long as it takes, as a queue of clients would.
            let mut tx = loop {
                let id = crate::database::request_id();
                let actor = crate::database::actor();
                match gateway.begin(tenant, actor, &id, Access::Write).await {
                    Ok(tx) => break tx,
                    Err(QueryError::Busy) => {}
                    Err(error) => panic!("{error}"),
                }
            };
            let slow = tx.query(
                "update app.provider_credentials set stored_at = 2 \
                 where name = 'default' and pg_sleep(20) is not null",
                &[],
            );
            let patience = Duration::from_millis(5 + client % 7);
            assert!(tokio::time::timeout(patience, slow).await.is_err());
        }));
    }
    let mut most = 0;
    while tasks.iter().any(|task| !task.is_finished()) {
        let sql = "select count(*) from pg_stat_activity where usename = 'strongroom_gateway'";
        most = most.max(watch.query_one(sql, &[]).await.unwrap().get::<_, i64>(0));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(
        most > 0 && most <= SLOTS as i64,
        "{most} backends for {SLOTS} slots"
    );

    // No lock outlives its request for long. A statement that was not cancelled holds its own for
    // twenty seconds, of which it is waited for ten.
    let gone = Instant::now();
    let mut tx = begin(&gateway, tenant, Access::Write).await;
    tx.query(
        "update app.provider_credentials set stored_at = 3 where name = 'default'",
        &[],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert!(
        gone.elapsed() < Duration::from_secs(8),
        "{:?}",
        gone.elapsed()
    );
}

#[tokio::test]
async fn a_commit_after_a_failed_statement_is_not_a_success() {
    let database = database();
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(1);
    let mut tx = begin(&gateway, tenant, Access::Write).await;
    let sql = "insert into app.provider_credentials values ($1, 'Not A Name', '', 0)";
    let error = tx.query(sql, &[tenant.as_uuid()]).await.unwrap_err();
    assert!(matches!(error, QueryError::Constraint(_)), "{error}");
    let error = tx.commit().await.unwrap_err();
    assert!(
        matches!(error, CommitError::RolledBack(QueryError::Failed)),
        "{error}"
    );
    assert_clean(&gateway, tenant).await;
}

#[tokio::test]
async fn a_transaction_that_is_only_dropped_writes_nothing() {
    let database = database();
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(2);
    let mut tx = begin(&gateway, tenant, Access::Write).await;
    tx.query(
        "insert into app.provider_credentials values ($1, 'never', '', 0)",
        &[tenant.as_uuid()],
    )
    .await
    .unwrap();
    drop(tx);
    let mut tx = begin(&gateway, tenant, Access::Read).await;
    let sql = "select from app.provider_credentials where name = 'never'";
    assert!(tx.query(sql, &[]).await.unwrap().is_empty());
    tx.rollback().await;
}

#[tokio::test]
async fn a_read_transaction_cannot_write() {
    let database = database();
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(1);
    let mut tx = begin(&gateway, tenant, Access::Read).await;
    let error = tx
        .query("update app.provider_credentials set stored_at = 9", &[])
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::Refused(_)), "{error}");
    tx.rollback().await;
}
