//! The outbox under load: no tenant waits for another's backlog, nothing is read that cannot be
//! sent, and no row fails another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_server::clock::{Clock as _, SystemClock};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::database::database;
use crate::key_rotation::on_own_platform;
use crate::platform::{Running, Tenant, on_platform};
use crate::webhook_delivery::{create, tarpit};
use crate::webhook_operations::{
    Hook, endpoint, message, post, received, subscribe, trigger, until, until_waiting,
};

pub(crate) fn now() -> i64 {
    i64::try_from(SystemClock.unix_seconds()).unwrap()
}

/// Messages that wait, as so many calls would have left them.
pub(crate) async fn backlog(
    superuser: &Client,
    tenant: &Tenant,
    endpoint: &str,
    count: i32,
    due: i64,
) {
    let endpoint: Uuid = endpoint.parse().unwrap();
    superuser
        .execute(
            "insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, next_attempt_at) \
             select $1, gen_random_uuid(), $2, '{}', $4 from generate_series(1, $3)",
            &[tenant.id.as_uuid(), &endpoint, &count, &due],
        )
        .await
        .unwrap();
}

/// How many of an endpoint's messages wait for their time, and how many are parked.
pub(crate) async fn waiting(superuser: &Client, hook: &Hook) -> (i64, i64) {
    let id: Uuid = hook.id.parse().unwrap();
    let sql = "select count(next_attempt_at), count(parked_at) from app.webhook_outbox \
         where endpoint_id = $1";
    let row = superuser.query_one(sql, &[&id]).await.unwrap();
    (row.get(0), row.get(1))
}

pub(crate) async fn call(running: &Running, tenant: &Tenant, hook: &Hook, verb: &str) {
    let path = format!("/{}/{verb}", hook.id);
    let answer = post(running, tenant, &path, json!({})).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

/// Entries of the table and of its indexes that were read since it was made.
async fn read(superuser: &Client) -> i64 {
    let sql = "select (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint \
         + (select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid)::bigint \
         from pg_stat_user_tables t where relname = 'webhook_outbox'";
    superuser.query_one(sql, &[]).await.unwrap().get(0)
}

#[test]
fn a_backlog_is_not_read_to_deliver_anothers() {
    on_own_platform(|database, running| async move {
        const BACKLOG: i32 = 50_000;
        let (stuck, brisk) = (running.tenant("stuck").await, running.tenant("brisk").await);
        let made = create(&running, &stuck, &tarpit().await).await;
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let hook = subscribe(&running, &brisk, vec![]).await;
        let superuser = database.sql("postgres").await;
        backlog(&superuser, &stuck, &id, BACKLOG, 0).await;
        superuser.batch_execute("analyze").await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = read(&superuser).await;
        for count in 1..=5 {
            trigger(&running, &brisk).await;
            received(&hook, count).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let read = read(&superuser).await - before;
        assert!(read < i64::from(BACKLOG), "{read} rows were read");
    });
}

/// `cargo test -p strongroom-server --test platform how_long_a_delivery -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_long_a_delivery_takes_beside_a_million() {
    on_own_platform(|database, running| async move {
        let (stuck, brisk) = (running.tenant("stuck").await, running.tenant("brisk").await);
        let made = create(&running, &stuck, &tarpit().await).await;
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let hook = subscribe(&running, &brisk, vec![]).await;
        let superuser = database.sql("postgres").await;
        for backlog_of in [0, 1_000_000] {
            backlog(&superuser, &stuck, &id, backlog_of, 0).await;
            superuser.batch_execute("analyze").await.unwrap();
            let (mut times, already) = (Vec::new(), hook.subscriber.received.lock().unwrap().len());
            for count in 1..=15 {
                trigger(&running, &brisk).await;
                let begun = std::time::Instant::now();
                while hook.subscriber.received.lock().unwrap().len() < already + count {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                times.push(begun.elapsed().as_millis());
            }
            times.sort_unstable();
            println!(
                "beside {backlog_of}: median {} ms, longest {} ms",
                times[7], times[14]
            );
        }
    });
}

#[test]
fn tenants_take_turns() {
    on_own_platform(|database, running| async move {
        const TENANTS: usize = 40;
        const EACH: i32 = 50;
        // A subscriber of all of them, who counts and is slow.
        let count = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let counted = Arc::clone(&count);
        let take = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                http::StatusCode::NO_CONTENT
            }
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let superuser = database.sql("postgres").await;
        let mut tenants = Vec::new();
        for number in 0..TENANTS {
            let tenant = running.tenant(&format!("turn-{number}")).await;
            let made = create(&running, &tenant, &url).await;
            tenants.push((tenant, made.json()["id"].as_str().unwrap().to_owned()));
        }
        tenants.sort_by_key(|(tenant, _)| *tenant.id.as_uuid());
        for (tenant, endpoint) in &tenants {
            // Due all at once, in a moment.
            backlog(&superuser, tenant, endpoint, EACH, now() + 5).await;
        }
        let last = *tenants[TENANTS - 1].0.id.as_uuid();
        until("the last tenant's first delivery", || async {
            let sql = "select from app.webhook_outbox where tenant_id = $1 and attempts > 0";
            let taken = superuser.query(sql, &[&last]).await.unwrap();
            (!taken.is_empty()).then_some(())
        })
        .await;
        // The other thirty-nine have nearly all of theirs before them still.
        let count = count.load(Ordering::Relaxed);
        assert!(count < TENANTS * EACH as usize / 2, "{count} came first");
    });
}

#[test]
fn messages_of_a_disabled_endpoint_are_parked_and_resumed() {
    on_platform(|running| async move {
        let tenant = running.tenant("parks").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        let superuser = database().sql("postgres").await;
        call(running, &tenant, &hook, "disable").await;
        backlog(&superuser, &tenant, &hook.id, 10, now() + 3600).await;
        backlog(&superuser, &tenant, &hook.id, 10, 0).await;
        until("all are parked", || async {
            (waiting(&superuser, &hook).await == (0, 20)).then_some(())
        })
        .await;
        let listed = message(running, &tenant, &hook, |_| true).await;
        assert!(listed["parked_at"].is_i64() && listed["next_attempt_at"].is_null());
        assert_eq!(listed["attempts"], 0, "waiting is no attempt");
        assert!(hook.subscriber.received.lock().unwrap().is_empty());

        call(running, &tenant, &hook, "enable").await;
        received(&hook, 20).await;
        until("nothing waits", || async {
            (waiting(&superuser, &hook).await == (0, 0)).then_some(())
        })
        .await;
    });
}

/// The endpoint is disabled while a message is under way: it comes to its end.
#[test]
fn what_is_under_way_is_not_parked() {
    on_platform(|running| async move {
        let tenant = running.tenant("under-way").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        let superuser = database().sql("postgres").await;
        call(running, &tenant, &hook, "disable").await;
        backlog(&superuser, &tenant, &hook.id, 1, now() + 30).await;
        backlog(&superuser, &tenant, &hook.id, 1, 0).await;
        until("the other is parked", || async {
            (waiting(&superuser, &hook).await == (1, 1)).then_some(())
        })
        .await;
    });
}

/// The endpoint is enabled while its messages are found to be a disabled one's.
#[test]
fn nothing_is_parked_behind_who_enables() {
    on_platform(|running| async move {
        let tenant = running.tenant("enables").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        let superuser = database().sql("postgres").await;
        call(running, &tenant, &hook, "disable").await;
        let enabling = database().sql("postgres").await;
        let enable = format!(
            "begin; update app.webhook_endpoints set disabled_at = null, disabled_reason = null \
             where id = '{}'",
            hook.id
        );
        enabling.batch_execute(&enable).await.unwrap();
        backlog(&superuser, &tenant, &hook.id, 1, 0).await;
        let id: Uuid = hook.id.parse().unwrap();
        until("the message was taken", || async {
            let sql = "select next_attempt_at from app.webhook_outbox where endpoint_id = $1";
            let row = superuser.query_one(sql, &[&id]).await.unwrap();
            (row.get::<_, Option<i64>>(0) != Some(0)).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        enabling.batch_execute("commit").await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        // It waits for the end of its lease, and not for ever.
        assert_eq!(waiting(&superuser, &hook).await, (1, 0));
    });
}

#[test]
fn beyond_five_thousand_that_wait_none_is_stored_and_all_are_counted() {
    on_platform(|running| async move {
        let tenant = running.tenant("bounded").await;
        let full = subscribe(running, &tenant, vec![]).await;
        let other = subscribe(running, &tenant, vec![]).await;
        trigger(running, &tenant).await;
        let settled = message(running, &tenant, &full, |it| it["delivered_at"].is_i64()).await;
        let superuser = database().sql("postgres").await;
        backlog(&superuser, &tenant, &full.id, 4_999, now() + 3600).await;
        let found = endpoint(running, &tenant, &full).await;
        assert_eq!(
            (&found["dropped"], &found["dropped_at"]),
            (&json!(0), &Value::Null)
        );
        trigger(running, &tenant).await;
        received(&full, 2).await;

        // It was delivered, and another takes its place.
        backlog(&superuser, &tenant, &full.id, 1, now() + 3600).await;
        until("five thousand wait", || async {
            (waiting(&superuser, &full).await == (5_000, 0)).then_some(())
        })
        .await;
        for _ in 0..2 {
            trigger(running, &tenant).await;
        }
        received(&other, 4).await;
        let found = endpoint(running, &tenant, &full).await;
        assert_eq!(found["dropped"], 2);
        assert!(found["dropped_at"].as_i64().unwrap().abs_diff(now()) < 60);
        assert_eq!(waiting(&superuser, &full).await, (5_000, 0));
        assert_eq!(endpoint(running, &tenant, &other).await["dropped"], 0);

        let id = settled["id"].as_str().unwrap();
        let path = format!("/{}/deliveries/{id}/resend", full.id);
        let refused = post(running, &tenant, &path, json!({})).await;
        assert_eq!(refused.slug(), "conflict");
    });
}

/// What the platform itself tells of an endpoint that it gave up is bounded too.
#[test]
fn what_the_platform_tells_is_not_stored_beyond_five_thousand() {
    on_platform(|running| async move {
        let tenant = running.tenant("told").await;
        let full = subscribe(running, &tenant, vec![]).await;
        let superuser = database().sql("postgres").await;
        let give_up = async || {
            let gone = subscribe(running, &tenant, vec![(410, None)]).await;
            backlog(&superuser, &tenant, &gone.id, 1, 0).await;
            until("it is given up", || async {
                let found = endpoint(running, &tenant, &gone).await;
                (found["disabled_reason"] == "gone").then_some(())
            })
            .await;
        };
        backlog(&superuser, &tenant, &full.id, 4_999, now() + 3600).await;
        give_up().await;
        received(&full, 1).await;
        assert_eq!(endpoint(running, &tenant, &full).await["dropped"], 0);

        // It was delivered, and another takes its place.
        backlog(&superuser, &tenant, &full.id, 1, now() + 3600).await;
        until("five thousand wait", || async {
            (waiting(&superuser, &full).await == (5_000, 0)).then_some(())
        })
        .await;
        give_up().await;
        let found = endpoint(running, &tenant, &full).await;
        assert_eq!(found["dropped"], 1);
        assert!(found["dropped_at"].as_i64().unwrap().abs_diff(now()) < 60);
        assert_eq!(waiting(&superuser, &full).await, (5_000, 0));
    });
}

#[test]
fn a_malformed_row_is_given_up_alone() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("well-formed").await;
        let hook = subscribe(&running, &tenant, vec![]).await;
        let superuser = database.sql("postgres").await;
        // No tenant has this id, which sorts before every other.
        superuser
            .batch_execute(
                "begin; set local session_replication_role = replica; \
                 insert into app.webhook_endpoints (tenant_id, id, url, sealed_secret, created_at, \
                   kek, kek_version) \
                 select '00000000-0000-0000-0000-000000000000', id, url, sealed_secret, created_at, \
                   kek, kek_version from app.webhook_endpoints; \
                 insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, next_attempt_at) \
                 select tenant_id, gen_random_uuid(), id, '{}', 0 from app.webhook_endpoints; \
                 commit",
            )
            .await
            .unwrap();
        received(&hook, 1).await;
        let sql = "select o.next_attempt_at, o.settled_at, o.delivered_at, a.reason \
             from app.webhook_outbox o join app.webhook_attempts a on a.message_id = o.id \
             where o.tenant_id = '00000000-0000-0000-0000-000000000000'";
        let rows = until("it is settled", || async {
            let rows = superuser.query(sql, &[]).await.unwrap();
            (!rows.is_empty()).then_some(rows)
        })
        .await;
        let row = &rows[0];
        assert_eq!(row.get::<_, Option<i64>>(0), None);
        assert!(row.get::<_, Option<i64>>(1).is_some());
        assert_eq!(row.get::<_, Option<i64>>(2), None);
        assert_eq!(row.get::<_, &str>(3), "malformed");
    });
}

/// An attempt that comes back when another taker has the message is in its own row alone.
#[test]
fn a_late_attempt_does_not_overwrite_another_takers() {
    on_own_platform(|database, running| async move {
        const STATE: &str = "select attempts, next_attempt_at, last_status, settled_at \
             from app.webhook_outbox where endpoint_id = $1";
        let superuser = database.sql("postgres").await;
        // An attempt is stored once the test lets go of a lock.
        superuser
            .batch_execute(
                "create function app.test_slow() returns trigger language plpgsql as \
                 $$ begin perform pg_advisory_xact_lock(9); return new; end $$; \
                 create trigger test_slow before insert on app.webhook_attempts \
                 for each row execute function app.test_slow()",
            )
            .await
            .unwrap();
        for (status, others) in [
            (500, "next_attempt_at = next_attempt_at + 61"),
            (410, "attempts = attempts + 1"),
            (
                204,
                "attempts = attempts + 1, next_attempt_at = next_attempt_at + 61",
            ),
        ] {
            let tenant = running.tenant("fenced").await;
            let hook = subscribe(&running, &tenant, vec![(status, None)]).await;
            let id: Uuid = hook.id.parse().unwrap();
            let (hold, free) = ("select pg_advisory_lock(9)", "select pg_advisory_unlock(9)");
            superuser.batch_execute(hold).await.unwrap();
            trigger(&running, &tenant).await;
            received(&hook, 1).await;
            until_waiting(&superuser, "advisory").await;
            let steal = format!("update app.webhook_outbox set {others} where endpoint_id = $1");
            assert_eq!(superuser.execute(&steal, &[&id]).await.unwrap(), 1);
            let before = superuser.query_one(STATE, &[&id]).await.unwrap();
            superuser.batch_execute(free).await.unwrap();
            let log = |it: &Value| it["log"].as_array().is_some_and(|log| log.len() == 1);
            let late = message(&running, &tenant, &hook, log).await;
            assert_eq!(late["log"][0]["status"], status);
            let after = superuser.query_one(STATE, &[&id]).await.unwrap();
            let all = |row: &tokio_postgres::Row| {
                let time = |index| row.get::<_, Option<i64>>(index);
                (
                    row.get::<_, i32>(0),
                    time(1),
                    row.get::<_, Option<i32>>(2),
                    time(3),
                )
            };
            assert_eq!(all(&after), all(&before), "{status}");
            let found = endpoint(&running, &tenant, &hook).await;
            assert_eq!(found["failing_since"], Value::Null);
            assert_eq!(found["disabled_at"], Value::Null);
        }
    });
}

#[test]
fn attempts_are_counted_to_a_thousand() {
    on_platform(|running| async move {
        let tenant = running.tenant("thousand-attempts").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        let superuser = database().sql("postgres").await;
        let id: Uuid = hook.id.parse().unwrap();
        superuser
            .execute(
                "insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, attempts, \
                 next_attempt_at) values ($1, gen_random_uuid(), $2, '{}', 1000, 0)",
                &[tenant.id.as_uuid(), &id],
            )
            .await
            .unwrap();
        let done = message(running, &tenant, &hook, |it| it["delivered_at"].is_i64()).await;
        assert_eq!(done["attempts"], 1000);
    });
}

/// What every tenant's messages are taken together with is bounded for each of them.
#[test]
fn rows_that_would_weigh_on_all_are_refused() {
    on_platform(|running| async move {
        let tenant = running.tenant("heavy").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        trigger(running, &tenant).await;
        message(running, &tenant, &hook, |it| it["delivered_at"].is_i64()).await;
        let superuser = database().sql("postgres").await;
        let id: Uuid = hook.id.parse().unwrap();
        for (length, is_taken) in [(1024, true), (1025, false)] {
            for sql in [
                "update app.webhook_endpoints set sealed_secret = \
                 convert_to(repeat('x', $2), 'UTF8') where id = $1",
                "insert into app.webhook_old_secrets select tenant_id, id, gen_random_uuid(), \
                 convert_to(repeat('x', $2), 'UTF8'), 1, kek, kek_version \
                 from app.webhook_endpoints where id = $1",
            ] {
                let outcome = superuser.execute(sql, &[&id, &length]).await;
                assert_eq!(outcome.is_ok(), is_taken, "{length}: {sql}");
            }
        }
        for (attempts, is_taken) in [(-1, false), (0, true), (1000, true), (1001, false)] {
            let sql = "update app.webhook_outbox set attempts = $2 where endpoint_id = $1";
            let outcome = superuser.execute(sql, &[&id, &attempts]).await;
            assert_eq!(outcome.is_ok(), is_taken, "{attempts}");
        }
        for (length, is_taken) in [(64, true), (65, false)] {
            let sql = "update app.webhook_attempts set reason = repeat('x', $2) \
                 where message_id in (select id from app.webhook_outbox where endpoint_id = $1)";
            let outcome = superuser.execute(sql, &[&id, &length]).await;
            assert_eq!(outcome.is_ok(), is_taken, "{length}");
        }
    });
}

#[test]
fn of_a_messages_attempts_the_newest_twenty_are_listed() {
    on_platform(|running| async move {
        let tenant = running.tenant("twenty").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        trigger(running, &tenant).await;
        let done = message(running, &tenant, &hook, |it| it["delivered_at"].is_i64()).await;
        let id: Uuid = done["id"].as_str().unwrap().parse().unwrap();
        let superuser = database().sql("postgres").await;
        // Later than the one that there is, by their ids.
        superuser
            .execute(
                "insert into app.webhook_attempts (tenant_id, id, message_id, at, took_ms, status) \
                 select $1, ('ffffffff-ffff-7fff-8fff-' || lpad(to_hex(i), 12, '0'))::uuid, $2, \
                 i, 1, 500 from generate_series(1, 25) as i",
                &[tenant.id.as_uuid(), &id],
            )
            .await
            .unwrap();
        let listed = message(running, &tenant, &hook, |_| true).await;
        let log = listed["log"].as_array().unwrap();
        let times: Vec<_> = log.iter().map(|one| one["at"].as_i64().unwrap()).collect();
        assert_eq!(times, (6..=25).collect::<Vec<_>>());
    });
}
