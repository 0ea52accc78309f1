//! Rotation: under load, over crashes, by the schedule and as break-glass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;

use crate::database::{Database, folder};
use crate::platform::{Answer, Running, Tenant, events_of, on_runtime, start};
use crate::stored_keys::StoredKeys;

/// Runs a test on a platform of its own, whose tenants nobody else's job works on.
pub(crate) fn on_own_platform<F>(
    test: impl FnOnce(Arc<Database>, Arc<Running>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    with_overlap("1", test);
}

/// The same, where an old version that nothing is wrapped under is kept for so many seconds.
fn with_overlap<F>(
    seconds: &'static str,
    test: impl FnOnce(Arc<Database>, Arc<Running>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    on_runtime(async move {
        let database = Arc::new(Database::start(folder()).await);
        let overlap = ("STRONGROOM_KEYS_OVERLAP_SECONDS", seconds);
        let running = Arc::new(start(database.endpoint(), &[overlap]).await);
        test(Arc::clone(&database), running).await;
        // The cluster goes with the last of these.
        drop(database);
    });
}

pub(crate) async fn post(running: &Running, tenant: &Tenant, path: &str, body: Value) -> Answer {
    running
        .send("POST", path, Some(&tenant.token), Some(body))
        .await
}

pub(crate) async fn chat(running: &Running, tenant: &Tenant) -> Answer {
    let body =
        json!({ "model": "m", "messages": [{ "role": "user", "content": "what was said" }] });
    post(running, tenant, "/v1/chat/completions", body).await
}

pub(crate) async fn rotate(running: &Running, tenant: &Tenant, body: Value) -> Value {
    let answer = post(running, tenant, "/v1/keys/rotate", body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()
}

/// Waits for a rotation to end.
pub(crate) async fn finished(running: &Running, tenant: &Tenant, id: &str) -> Value {
    let started = Instant::now();
    loop {
        let path = format!("/v1/keys/rotations/{id}");
        let answer = running.send("GET", &path, Some(&tenant.token), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        if answer.json()["phase"] == "finished" {
            return answer.json();
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{}",
            answer.text
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn versions(running: &Running, tenant: &Tenant) -> Vec<(String, i64, String)> {
    let answer = running
        .send("GET", "/v1/keys", Some(&tenant.token), None)
        .await;
    let data = answer.json()["data"].as_array().unwrap().clone();
    data.iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap().to_owned(),
                row["version"].as_i64().unwrap(),
                row["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn version(name: &str, number: i64, state: &str) -> (String, i64, String) {
    (name.to_owned(), number, state.to_owned())
}

pub(crate) fn sealing(plaintext: &str, more: Value) -> Value {
    let mut body = json!({
        "context": { "table": "users", "id": "17" },
        "plaintext": STANDARD.encode(plaintext),
    });
    let (Some(body_map), Value::Object(more)) = (body.as_object_mut(), more) else {
        panic!("no object");
    };
    body_map.extend(more);
    body
}

pub(crate) async fn seal(
    running: &Running,
    tenant: &Tenant,
    plaintext: &str,
    more: Value,
) -> String {
    let answer = post(running, tenant, "/v1/seal", sealing(plaintext, more)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["sealed"].as_str().unwrap().to_owned()
}

pub(crate) async fn open(running: &Running, tenant: &Tenant, sealed: &str, more: Value) -> Answer {
    let mut body = json!({ "context": { "table": "users", "id": "17" }, "sealed": sealed });
    let (Some(body_map), Value::Object(more)) = (body.as_object_mut(), more) else {
        panic!("no object");
    };
    body_map.extend(more);
    post(running, tenant, "/v1/open", body).await
}

pub(crate) fn plaintext(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let json = answer.json();
    let bytes = STANDARD.decode(json["plaintext"].as_str().unwrap());
    String::from_utf8(bytes.unwrap()).unwrap()
}

pub(crate) async fn count(client: &Client, sql: &str, tenant: TenantId) -> i64 {
    client
        .query_one(sql, &[tenant.as_uuid()])
        .await
        .unwrap()
        .get(0)
}

#[test]
fn a_rotation_under_load_fails_no_read() {
    // Who has read a row opens it within the overlap: on a busy machine that takes its time.
    with_overlap("5", |database, running| async move {
        let tenant = Arc::new(running.tenant("rotating").await);
        let sealed = seal(&running, &tenant, "kept", json!({})).await;
        let exported = seal(&running, &tenant, "exported", json!({ "form": "inline" })).await;
        assert_eq!(chat(&running, &tenant).await.status, 200);
        let (stop, reads) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let work = (0..4).map(|number| {
            let (running, tenant) = (Arc::clone(&running), Arc::clone(&tenant));
            let (stop, reads, sealed) = (Arc::clone(&stop), Arc::clone(&reads), sealed.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    match number {
                        0 => assert_eq!(chat(&running, &tenant).await.status, 200),
                        1 => {
                            let path = "/v1/providers/default/credential";
                            let body = Some(json!({ "credential": "sk-tests-own-provider" }));
                            let token = Some(tenant.token.as_str());
                            let stored = running.send("PUT", path, token, body).await;
                            assert_eq!(stored.status, 204, "{}", stored.text);
                        }
                        2 => {
                            let opened = open(&running, &tenant, &sealed, json!({})).await;
                            assert_eq!(plaintext(&opened), "kept");
                        }
                        _ => {
                            let new = seal(&running, &tenant, "new", json!({})).await;
                            let opened = open(&running, &tenant, &new, json!({})).await;
                            assert_eq!(plaintext(&opened), "new");
                        }
                    }
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        let work: Vec<_> = work.collect();
        for round in 1..=2 {
            let body = json!({ "reason": "load", "reencrypt": round == 2, "exposed": "dek" });
            let started = rotate(&running, &tenant, body).await;
            let done = finished(&running, &tenant, started["id"].as_str().unwrap()).await;
            assert!(done["rows_done"].as_i64().unwrap() >= 1, "{done}");
        }
        stop.store(true, Ordering::SeqCst);
        for done in work {
            done.await.unwrap();
        }
        assert!(reads.load(Ordering::SeqCst) >= 20);
        let all = versions(&running, &tenant).await;
        assert_eq!(
            all,
            [
                version("export", 3, "active"),
                version("export", 2, "decrypt-only"),
                version("export", 1, "decrypt-only"),
                version("tenant", 3, "active"),
                version("tenant", 2, "destroyed"),
                version("tenant", 1, "destroyed"),
            ]
        );
        let opened = open(&running, &tenant, &exported, json!({})).await;
        assert_eq!(plaintext(&opened), "exported");
        // Every payload that was ever recorded opens, under a data key that is not retired.
        let superuser = database.sql("postgres").await;
        let retired = "select count(*) from app.audit_payloads join app.tenant_deks d \
             using (tenant_id, dek_id) where tenant_id = $1 and (d.kek_version <> 3)";
        assert_eq!(count(&superuser, retired, tenant.id).await, 0);
        let mut opened = 0;
        for entry in running.entries(&tenant.token).await {
            let kind = entry["event"]["kind"].as_str().unwrap_or_default();
            if kind.starts_with("chat.") && opened < 40 {
                let index = entry["index"].as_str().unwrap();
                let path = format!("/v1/audit/entries/{index}/payload");
                let payload = running.send("GET", &path, Some(&tenant.token), None).await;
                assert_eq!(payload.status, 200, "{}", payload.text);
                opened += 1;
            }
        }
        assert!(opened >= 4);
    });
}

#[test]
fn break_glass_wants_a_reason_and_has_a_slice_of_the_log() {
    on_own_platform(|_, running| async move {
        let tenant = running.tenant("broken-glass").await;
        for body in [json!({}), json!({ "reason": " " })] {
            let refused = post(&running, &tenant, "/v1/keys/rotate", body).await;
            assert_eq!(refused.slug(), "reason-required");
        }
        let bad = json!({ "reason": "x", "exposed": "everything" });
        let refused = post(&running, &tenant, "/v1/keys/rotate", bad).await;
        assert_eq!(refused.slug(), "invalid-field");
        let body = json!({ "reason": "a laptop was stolen", "exposed": "kek" });
        let started = rotate(&running, &tenant, body.clone()).await;
        assert_eq!(started["reencryption_needed"], true);
        assert!(!started["not_undone"].as_array().unwrap().is_empty());
        let second = post(&running, &tenant, "/v1/keys/rotate", body).await;
        assert_eq!(second.slug(), "conflict", "one at a time");
        let id = started["id"].as_str().unwrap();
        let done = finished(&running, &tenant, id).await;
        assert_eq!(done["cause"], "break-glass");
        let resource = format!("rotation/{id}");
        let begun = Instant::now();
        let slice = loop {
            let path = "/v1/audit/entries?slice=break-glass";
            let answer = running.send("GET", path, Some(&tenant.token), None).await;
            let slice = answer.json()["data"].as_array().unwrap().clone();
            let of_this = |entry: &&Value| entry["event"]["resource"] == resource.as_str();
            let slice: Vec<_> = slice.iter().filter(of_this).cloned().collect();
            if slice.len() == 3 {
                break slice;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{slice:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let kinds: Vec<_> = slice
            .iter()
            .map(|entry| entry["event"]["kind"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            [
                "break_glass.rotation_requested",
                "break_glass.rotation_started",
                "break_glass.rotation_finished",
            ]
        );
        let request = &done["request_id"];
        assert!(
            slice
                .iter()
                .all(|entry| entry["event"]["request_id"] == *request)
        );
        let index = slice[0]["index"].as_str().unwrap();
        let path = format!("/v1/audit/entries/{index}/payload");
        let payload = running.send("GET", &path, Some(&tenant.token), None).await;
        assert_eq!(payload.json()["fields"]["reason"], "a laptop was stolen");
        let path = "/v1/audit/entries?slice=other";
        let refused = running.send("GET", path, Some(&tenant.token), None).await;
        assert_eq!(refused.slug(), "invalid-field");
        let other = running.tenant("nobody's").await;
        let path = format!("/v1/keys/rotations/{id}");
        let theirs = running.send("GET", &path, Some(&other.token), None).await;
        assert_eq!(theirs.slug(), "not-found");
    });
}

#[test]
fn keys_older_than_their_schedule_are_rotated_and_no_others() {
    on_own_platform(|database, running| async move {
        let (old, young) = (running.tenant("old").await, running.tenant("young").await);
        let own = running.tenant("own-schedule").await;
        for tenant in [&old, &young, &own] {
            assert_eq!(chat(&running, tenant).await.status, 200);
        }
        let days = json!({ "rotation_days": 1 });
        let path = "/v1/keys/schedule";
        let set = running.send("PUT", path, Some(&own.token), Some(days));
        assert_eq!(set.await.status, 200);
        let refused = json!({ "rotation_days": 0 });
        let refused = running.send("PUT", path, Some(&own.token), Some(refused));
        assert_eq!(refused.await.slug(), "invalid-field");
        let superuser = database.sql("postgres").await;
        let keyrings = running.app.config.keyrings();
        for (tenant, days) in [(&old, 90), (&young, 89), (&own, 1)] {
            let stored = StoredKeys {
                superuser: &superuser,
                keyrings: &keyrings,
                tenant: tenant.id,
            };
            stored.age_kek(days * 86_400).await;
        }
        assert_eq!(running.app.keys.start_due_rotations(90).await.unwrap(), 2);
        assert_eq!(running.app.keys.start_due_rotations(90).await.unwrap(), 0);
        for tenant in [&old, &own] {
            let id: uuid::Uuid = superuser
                .query_one(
                    "select id from app.key_rotations where tenant_id = $1",
                    &[tenant.id.as_uuid()],
                )
                .await
                .unwrap()
                .get(0);
            let done = finished(&running, tenant, &id.to_string()).await;
            assert_eq!(
                (&done["cause"], &done["rows_total"]),
                (&json!("schedule"), &done["rows_done"])
            );
            let mut all = versions(&running, tenant).await;
            // When a checkpoint came due meanwhile, it made a key of its own, which is young.
            all.retain(|key| *key != version("export", 1, "active"));
            assert_eq!(
                all,
                [
                    version("tenant", 2, "active"),
                    version("tenant", 1, "destroyed")
                ]
            );
            assert_eq!(chat(&running, tenant).await.status, 200);
            // They are staged, and written soon after; none of them is written again.
            let kinds = ["keys.rotation_started", "keys.rotation_finished"];
            let begun = Instant::now();
            loop {
                let entries = running.entries(&tenant.token).await;
                if kinds.iter().all(|kind| events_of(&entries, kind) == 1) {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(60), "{entries:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            let entries = running.entries(&tenant.token).await;
            for kind in kinds {
                assert_eq!(events_of(&entries, kind), 1, "{kind}");
            }
        }
        let mut all = versions(&running, &young).await;
        all.retain(|key| *key != version("export", 1, "active"));
        assert_eq!(all, [version("tenant", 1, "active")]);
    });
}

/// Its worker dies at any moment, and another goes on.
#[test]
fn a_rotation_goes_on_after_each_of_many_kills() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("killed").await;
        assert_eq!(chat(&running, &tenant).await.status, 200);
        let sealed = seal(&running, &tenant, "kept", json!({})).await;
        let superuser = database.sql("postgres").await;
        let stored = StoredKeys {
            superuser: &superuser,
            keyrings: &running.app.config.keyrings(),
            tenant: tenant.id,
        };
        stored.add_data_keys(30_000).await;
        let rows = "select count(*) from app.tenant_deks where tenant_id = $1";
        let all = count(&superuser, rows, tenant.id).await;
        let body = json!({ "reason": "kills", "reencrypt": true, "exposed": "dek" });
        let started = rotate(&running, &tenant, body).await;
        let id = started["id"].as_str().unwrap().to_owned();
        for kill in 0..30_u64 {
            // Dropped at an await point, and its connection cut from the database's side.
            let keys = running.app.keys.clone();
            let after = Duration::from_millis(20 + 37 * (kill % 8));
            let _ = tokio::time::timeout(after, async move {
                while keys.rotate_a_batch(1).await.is_ok() {}
            })
            .await;
            if kill % 3 == 0 {
                superuser
                    .batch_execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity \
                         where usename = 'strongroom_keymaster'; \
                         update app.key_rotations set due_at = 0 where phase <> 'overlapping'",
                    )
                    .await
                    .unwrap();
            }
        }
        finished(&running, &tenant, &id).await;
        let new = "select count(*) from app.tenant_deks where tenant_id = $1 and kek_version = 2";
        assert!(
            count(&superuser, new, tenant.id).await >= all,
            "no row was left behind"
        );
        let retired = "select count(*) from app.audit_payloads join app.tenant_deks d \
             using (tenant_id, dek_id) where tenant_id = $1 and d.state = 'retired'";
        assert_eq!(count(&superuser, retired, tenant.id).await, 0);
        let opened = open(&running, &tenant, &sealed, json!({})).await;
        assert_eq!(plaintext(&opened), "kept");
        assert_eq!(chat(&running, &tenant).await.status, 200);
    });
}
