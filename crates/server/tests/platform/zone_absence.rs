//! While a zone is missing: what is told of it is told once, nothing is begun that would wait for it,
//! and who starts meanwhile knows what every zone held.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_server::audit::AuditError;
use strongroom_server::config::ZoneMode;
use strongroom_server::postgres::Access;
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use crate::database::{actor, request_id};
use crate::platform::on_runtime;
use crate::sequencing::leaf;
use crate::three_zones::{
    append, append_to, lost, moved, news, superuser, three, until, until_each_is_held,
};

/// Three nodes notice it; the log says it once.
#[test]
fn a_loss_that_several_nodes_notice_is_one_event() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any1).await;
        let others = [
            moved(&zones, &running, ZoneMode::Any1).await,
            moved(&zones, &running, ZoneMode::Any1).await,
        ];
        for app in &others {
            until_each_is_held(app).await;
        }
        let count = async |kind: &str| {
            let said = news(&running, 0).await;
            let of_z3 = |(what, zone): &&(String, String)| what == kind && zone == "z3";
            said.iter().filter(of_z3).count()
        };
        let sql = superuser(&zones, 0, "strongroom").await;
        let untold = "select count(*) from app.zone_losses where not (lost_told and back_told)";
        let untold = async || -> i64 { sql.query_one(untold, &[]).await.unwrap().get(0) };
        // If it was late for a first look it was lost and came back.
        until("told", async || untold().await == 0).await;
        let late = count("zone.lost").await;
        assert_eq!(count("zone.back").await, late);
        for round in late + 1..=late + 2 {
            zones.kill(2).unwrap();
            let latest = moved(&zones, &running, ZoneMode::Any1).await;
            let z3 = ["z3".parse().unwrap()];
            until("noticed by each", async || {
                let noticed = |app: &strongroom_server::app::App| {
                    let zones = app.zones.as_ref().unwrap();
                    zones.lost() == z3
                };
                others.iter().all(|app| noticed(app))
                    && noticed(&latest)
                    && !lost(&running).is_empty()
            })
            .await;
            zones.restart(2).await.unwrap();
            until("told", async || count("zone.back").await >= round).await;
            // Whoever would say it again has had the time.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(count("zone.lost").await, round);
            assert_eq!(count("zone.back").await, round);
        }
        until("told", async || untold().await == 0).await;
    });
}

/// A node noticed a loss and is gone before the log took the event: the next one writes it.
#[test]
fn what_a_node_did_not_come_to_say_the_next_one_says() {
    on_runtime(async {
        let (zones, running) = three(ZoneMode::Any2).await;
        let (id, leaf) = leaf(&running.app);
        let sql = superuser(&zones, 0, "strongroom").await;
        let noticed = "insert into app.zone_losses (zone, walsender, since, lost_id, lost_leaf) \
             values ('z3', 7, now(), $1, $2)";
        sql.execute(noticed, &[&id, &leaf.as_bytes()])
            .await
            .unwrap();
        let _next = moved(&zones, &running, ZoneMode::Any2).await;
        let said = "select count(*) from app.audit_leaves l join app.zone_losses z \
             on l.event_id = z.lost_id where l.event_id = $1 and z.lost_told";
        until("said", async || {
            let row = sql.query_one(said, &[&id]).await.unwrap();
            row.get::<_, i64>(0) == 1
        })
        .await;
    });
}

/// A node that starts while a zone is missing signs as degraded what that zone held, and not only what
/// was signed before.
#[test]
fn a_node_that_starts_meanwhile_knows_what_every_zone_held() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any2).await;
        let tenant = running.tenant("remembered").await;
        append(&running, &tenant).await.unwrap();
        assert_eq!(
            running
                .app
                .checkpointer
                .sign(Some(tenant.id))
                .await
                .unwrap(),
            1
        );
        let sql = superuser(&zones, 0, "strongroom").await;
        let number = async |what: &str| -> i64 {
            let row = sql.query_one(what, &[tenant.id.as_uuid()]).await;
            row.unwrap().get(0)
        };
        let signed = "select max(size) from app.audit_checkpoints where tenant_id = $1";
        let signed = number(signed).await;
        for _ in 0..5 {
            append(&running, &tenant).await.unwrap();
        }
        zones.kill(2).unwrap();
        until("said to be lost", async || lost(&running) == ["z3"]).await;
        let started = Instant::now();
        let next = moved(&zones, &running, ZoneMode::Any2).await;
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "its start waits"
        );
        let (seen, z3) = (next.zones.as_ref().unwrap(), ["z3".parse().unwrap()]);
        until("looked at", async || seen.lost() == z3).await;
        let degraded = "select max(size) from app.audit_degraded_checkpoints where tenant_id = $1";
        let unsigned = next.checkpointer.sign(Some(tenant.id)).await;
        assert!(unsigned.unwrap_err().to_string().ends_with("missing: z3"));
        // All but the last batch, which no later one says is whole.
        let by_next = number(degraded).await;
        assert_eq!(by_next, signed + 4);
        // The node that saw it knows of that too, and what it signed is known from then on.
        running
            .app
            .checkpointer
            .sign(Some(tenant.id))
            .await
            .unwrap_err();
        assert_eq!(number(degraded).await, signed + 5);
    });
}

/// Nothing is begun whose event would not be acknowledged; what waits already holds one connection.
#[test]
fn while_a_zone_is_missing_nothing_is_begun_and_reads_are_answered() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any2).await;
        let tenant = running.tenant("held-up").await;
        let sql = superuser(&zones, 0, "strongroom").await;
        zones.kill(2).unwrap();
        until("said to be lost", async || lost(&running) == ["z3"]).await;
        // It has under way what nobody is told of.
        let refused = append_to(&running.app, TenantId::PLATFORM).await;
        assert_eq!(refused.unwrap_err(), AuditError::ZoneMissing);

        let began = Instant::now();
        let asks = (0..60).map(|number| {
            let body = json!({ "credential": "sk-x" });
            let path = format!("/v1/providers/held-up-{number}/credential");
            let (token, key) = (&tenant.token, &tenant.key);
            let running = &running;
            async move {
                match number % 3 {
                    0 => running.send("PUT", &path, Some(token), Some(body)).await,
                    1 => running.send("POST", "/v1/token", Some(key), None).await,
                    _ => running.send("GET", "/v1/api-keys", Some(key), None).await,
                }
            }
        });
        for answer in futures_util::future::join_all(asks).await {
            let slug = (answer.status, answer.slug());
            assert_eq!(
                slug,
                (503, "audit-unavailable".to_owned()),
                "{}",
                answer.text
            );
            assert!(!answer.header("retry-after").is_empty());
        }
        // Whoever waits for the zone waits ten seconds.
        assert!(
            began.elapsed() < Duration::from_secs(9),
            "{:?}",
            began.elapsed()
        );
        let written = "select count(*) from app.provider_credentials where name like 'held-up-%'";
        let written: i64 = sql.query_one(written, &[]).await.unwrap().get(0);
        assert_eq!(written, 0, "it was begun");

        let key: strongroom_apikey::ApiKey = tenant.key.parse().unwrap();
        let now = running.app.clock.unix_seconds();
        running.app.last_used.note(key.id(), now).unwrap();
        // The jobs' turns come and go; nobody's connection waits for the zone but the sequencer's.
        let waiting = "select coalesce(string_agg(distinct usename, ' '), '') from pg_stat_activity \
             where wait_event = 'SyncRep'";
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let row = sql.query_one(waiting, &[]).await.unwrap();
            let waiting: String = row.get(0);
            assert!(
                ["", "strongroom_sequencer"].contains(&waiting.as_str()),
                "{waiting}"
            );
            let asked = Instant::now();
            let ready = running.send("GET", "/readyz", None, None).await;
            assert_eq!(
                ready.text,
                "ready\nzones: any_2, z2 held, z3 lost\nacknowledges: no\n"
            );
            let jwks = running
                .send("GET", "/.well-known/jwks.json", None, None)
                .await;
            assert_eq!(jwks.status, 200);
            let read = async |tenant| {
                let request = request_id();
                let begun = running
                    .app
                    .gateway
                    .begin(tenant, actor(), &request, Access::Read);
                begun.await.unwrap().rollback().await;
            };
            futures_util::future::join_all((0..20).map(|_| read(tenant.id))).await;
            // Whoever waits for a connection waits five.
            assert!(
                asked.elapsed() < Duration::from_millis(4500),
                "{:?}",
                asked.elapsed()
            );
        }

        zones.restart(2).await.unwrap();
        until("back", async || append(&running, &tenant).await.is_ok()).await;
        let ready = running.send("GET", "/readyz", None, None).await;
        assert!(
            ready.text.ends_with("z3 held\nacknowledges: yes\n"),
            "{}",
            ready.text
        );
        let body = json!({ "credential": "sk-x" });
        let path = format!("/v1/providers/{}/credential", Uuid::nil());
        let stored = running
            .send("PUT", &path, Some(&tenant.token), Some(body))
            .await;
        assert_eq!(stored.status, 204, "{}", stored.text);
    });
}
