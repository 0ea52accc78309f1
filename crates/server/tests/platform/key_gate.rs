//! API keys that are kept in memory: revoked at once on every node, rotated with an overlap, bound
//! to networks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_apikey::ApiKey;
use strongroom_server::clock::{Clock, SystemClock};
use tokio_postgres::error::SqlState;

use crate::acceptance::{Asking, accepts};
use crate::database::database;
use crate::key_rotation::on_own_platform;
use crate::platform::{Answer, Running, Tenant, node, on_platform, second_node};

async fn post(running: &Running, tenant: &Tenant, path: &str, body: Value) -> Answer {
    let path = format!("/v1/api-keys{path}");
    running
        .send("POST", &path, Some(&tenant.token), Some(body))
        .await
}

/// A new key of the tenant, and its id.
async fn issue(running: &Running, tenant: &Tenant, more: Value) -> (String, String) {
    let mut body = json!({ "capabilities": ["policy:manage", "api_keys:manage"] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = post(running, tenant, "", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

async fn listed(running: &Running, tenant: &Tenant, id: &str) -> Value {
    let path = "/v1/api-keys";
    let listed = running.send("GET", path, Some(&tenant.token), None).await;
    let listed = listed.json();
    let all = listed["data"].as_array().unwrap();
    all.iter().find(|key| key["id"] == id).unwrap().clone()
}

/// On every node, each of which has it in memory: once the answer is there, and never after.
#[test]
fn a_revoked_key_is_accepted_nowhere_once_the_call_returns() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("revoking").await;
        let second = second_node(&database, &running).await;
        for round in 0..3 {
            let (key, id) = issue(&running, &tenant, json!({})).await;
            let token = running.token(&key).await;
            let bases = [running.base.as_str(), &second.base];
            // Asked for all the time, so that it is kept, and looked up, as it is revoked.
            let asking = Asking::begin(&bases, &[&key, &token]).await;
            let path = format!("/v1/api-keys/{id}");
            let revoked = running.send("DELETE", &path, Some(&tenant.token), None);
            assert_eq!(revoked.await.status, 204);
            let returned = Instant::now();
            for node in [&running, &second] {
                for credential in [&key, &token] {
                    assert!(!accepts(&node.base, credential).await, "{round}");
                }
            }
            assert!(asking.last_accepted().await < returned, "{round}");
        }
        let refused = listed(&running, &tenant, &tenant.key_id()).await;
        assert_eq!(refused["revoked_at"], Value::Null);
    });
}

#[test]
fn a_key_is_replaced_with_an_overlap() {
    on_platform(|running| async move {
        let tenant = running.tenant("replacing").await;
        let (key, id) = issue(running, &tenant, json!({})).await;
        assert!(accepts(&running.base, &key).await);
        let path = format!("/{id}/rotate");
        let rotated = post(running, &tenant, &path, json!({})).await;
        assert_eq!(rotated.status, 201, "{}", rotated.text);
        let rotated = rotated.json();
        let (new, new_id) = (rotated["key"].as_str().unwrap(), &rotated["id"]);
        assert_eq!(rotated["replaces"], id.as_str());
        assert!(accepts(&running.base, &key).await && accepts(&running.base, new).await);
        let old = listed(running, &tenant, &id).await;
        assert_eq!(old["successor"], *new_id);
        let end = old["retires_at"].as_u64().unwrap();
        let week = running.app.clock.unix_seconds() + 7 * 24 * 3600;
        assert!(end.abs_diff(week) < 60);
        let successor = listed(running, &tenant, new_id.as_str().unwrap()).await;
        for same in ["actor", "capabilities", "environment", "networks"] {
            assert_eq!(successor[same], old[same], "{same}");
        }
        let again = post(running, &tenant, &path, json!({})).await;
        assert_eq!(again.slug(), "conflict");

        // Without an overlap the old key is refused everywhere when the call returns.
        let path = format!("/{}/rotate", new_id.as_str().unwrap());
        let body = json!({ "overlap_seconds": 0 });
        let rotated = post(running, &tenant, &path, body).await;
        assert_eq!(rotated.status, 201, "{}", rotated.text);
        assert!(!accepts(&running.base, new).await);
        assert!(accepts(&running.base, rotated.json()["key"].as_str().unwrap()).await);

        // Nodes' clocks may differ by more than the shortest of these.
        for overlap in [1, 59, 2_592_001] {
            let body = json!({ "overlap_seconds": overlap });
            let refused = post(running, &tenant, &format!("/{id}/rotate"), body).await;
            assert_eq!(refused.slug(), "invalid-field", "{overlap}");
            assert_eq!(refused.json()["error"]["param"], "overlap_seconds");
        }
        let other = running.tenant("replacing-nothing").await;
        let theirs = post(running, &other, &format!("/{id}/rotate"), json!({})).await;
        assert_eq!(theirs.slug(), "not-found");
    });
}

#[test]
fn a_key_is_used_from_its_networks_and_hands_on_no_others() {
    on_platform(|running| async move {
        let tenant = running.tenant("networked").await;
        let here = json!({ "networks": ["127.0.0.0/8", "2001:db8::/32"] });
        let (key, id) = issue(running, &tenant, here.clone()).await;
        assert!(accepts(&running.base, &key).await);
        let elsewhere = json!({ "networks": ["203.0.113.0/24"] });
        let (far, far_id) = issue(running, &tenant, elsewhere.clone()).await;
        assert!(!accepts(&running.base, &far).await);
        let found = listed(running, &tenant, &far_id).await;
        assert_eq!(found["networks"], elsewhere["networks"]);
        assert_eq!(
            listed(running, &tenant, &id).await["networks"],
            here["networks"]
        );

        // What it issues is within its own; where nothing is said, it is its own.
        let issue_with = |body: Value| {
            let key = key.clone();
            async move {
                running
                    .send("POST", "/v1/api-keys", Some(&key), Some(body))
                    .await
            }
        };
        let mut body = json!({ "capabilities": ["policy:manage"] });
        let made = issue_with(body.clone()).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json()["networks"], here["networks"]);
        body["networks"] = json!(["127.0.0.1/32"]);
        assert_eq!(issue_with(body.clone()).await.status, 201);
        for wider in ["0.0.0.0/0", "203.0.113.0/24"] {
            body["networks"] = json!([wider]);
            let refused = issue_with(body.clone()).await;
            assert_eq!(refused.slug(), "capability-missing", "{wider}");
        }
        for malformed in [json!([]), json!(["127.0.0.1/33"]), json!(["127.0.0.1/8"])] {
            body["networks"] = malformed;
            assert_eq!(issue_with(body.clone()).await.slug(), "invalid-field");
        }
    });
}

#[test]
fn when_a_key_was_last_used_is_stored_in_batches() {
    on_platform(|running| async move {
        let tenant = running.tenant("used").await;
        let (key, id) = issue(running, &tenant, json!({})).await;
        assert_eq!(
            listed(running, &tenant, &id).await["last_used_at"],
            Value::Null
        );
        let before = running.app.clock.unix_seconds();
        assert!(accepts(&running.base, &key).await);
        let after = running.app.clock.unix_seconds();
        for _ in 0..200 {
            let used = listed(running, &tenant, &id).await["last_used_at"].as_u64();
            if let Some(used) = used {
                assert!((before..=after).contains(&used));
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the use was never stored");
    });
}

/// A key is found by its id alone: even who can write rows takes no other tenant's.
#[test]
fn nobody_takes_another_tenants_key_id() {
    on_platform(|running| async move {
        let (owner, thief) = (running.tenant("owner").await, running.tenant("thief").await);
        let superuser = database().sql("postgres").await;
        let copy = "insert into app.api_keys (tenant_id, id, environment, scheme, hash, actor, \
             capabilities, issued_at) select $2, id, environment, scheme, sha256('x'), actor, \
             capabilities, 0 from app.api_keys where tenant_id = $1";
        let copied = superuser
            .execute(copy, &[owner.id.as_uuid(), thief.id.as_uuid()])
            .await;
        let refused = copied.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::UNIQUE_VIOLATION));
        assert!(accepts(&running.base, &owner.key).await);
    });
}

/// A made-up secret under a real id is refused, and keeps nobody out.
#[test]
fn a_wrong_secret_does_not_shut_out_the_right_one() {
    on_platform(|running| async move {
        let tenant = running.tenant("guessed").await;
        let (key, id) = issue(running, &tenant, json!({})).await;
        let right: ApiKey = key.parse().unwrap();
        let (prefix, environment) = (right.prefix(), right.environment());
        // Another secret behind this id, with a checksum of its own.
        let forged = ApiKey::from_parts(prefix, environment, right.id(), &[7; 32]);
        for _ in 0..3 {
            assert!(!accepts(&running.base, forged.expose()).await);
        }
        assert!(accepts(&running.base, &key).await);
        let unknown = ApiKey::generate(prefix, environment).unwrap();
        assert!(!accepts(&running.base, unknown.expose()).await);
        assert_eq!(
            listed(running, &tenant, &id).await["revoked_at"],
            Value::Null
        );
    });
}

/// Not even beside a good header: what is in a URL is in logs and histories by then.
#[test]
fn a_credential_in_a_url_is_refused() {
    on_platform(|running| async move {
        let tenant = running.tenant("in-url").await;
        for query in [
            format!("api_key={}", tenant.key),
            format!("after={}", tenant.key),
            format!("access_token={}", tenant.token),
        ] {
            let path = format!("/v1/policy?{query}");
            for credential in [Some(tenant.key.as_str()), Some(&tenant.token), None] {
                let refused = running.send("GET", &path, credential, None).await;
                let answer = (refused.status, refused.slug());
                assert_eq!(answer, (400, "credential-in-url".to_owned()));
                assert!(!refused.text.contains(&query));
            }
        }
        assert!(accepts(&running.base, &tenant.key).await);
    });
}

/// The machine's clock, and so many seconds behind it.
#[derive(Default)]
struct Behind(AtomicU64);

impl Clock for Behind {
    fn unix_micros(&self) -> u64 {
        SystemClock.unix_micros() - self.0.load(Ordering::SeqCst) * 1_000_000
    }
}

/// At once is at once on a node, too, by whose clock the moment has not come.
#[test]
fn a_key_that_is_replaced_at_once_is_refused_by_a_clock_that_is_behind() {
    on_own_platform(|database, running| async move {
        let clock = Arc::new(Behind::default());
        let config = running.app.config.clone();
        let behind = Arc::clone(&clock) as _;
        let slow = node(&database, &running, config, behind).await;
        let tenant = running.tenant("clocks").await;
        let (key, id) = issue(&running, &tenant, json!({})).await;
        // No node starts with such a clock; one may come to have it.
        clock.0.store(20, Ordering::SeqCst);
        assert!(accepts(&slow.base, &key).await);
        let body = json!({ "overlap_seconds": 0 });
        let rotated = post(&running, &tenant, &format!("/{id}/rotate"), body).await;
        assert_eq!(rotated.status, 201, "{}", rotated.text);
        assert!(!accepts(&slow.base, &key).await);
        assert!(accepts(&slow.base, rotated.json()["key"].as_str().unwrap()).await);
    });
}

/// What ended a key stays, whoever writes the row.
#[test]
fn the_end_of_a_key_is_not_taken_back() {
    on_platform(|running| async move {
        let tenant = running.tenant("ends").await;
        let superuser = database().sql("postgres").await;
        let set = async |id: &str, what: &str| {
            let update = format!("update app.api_keys set {what} where id = $1");
            superuser.execute(update.as_str(), &[&id]).await
        };
        let refused = async |id: &str, what: &str| {
            let error = set(id, what).await.unwrap_err();
            let message = error.as_db_error().unwrap().message();
            assert_eq!(message, "the end of an api key is not taken back", "{what}");
        };
        let (_, id) = issue(running, &tenant, json!({})).await;
        set(&id, "revoked_at = 1000").await.unwrap();
        for what in ["revoked_at = null", "revoked_at = 999", "revoked_at = 1001"] {
            refused(&id, what).await;
        }
        set(&id, "revoked_at = 1000, last_used_at = 5")
            .await
            .unwrap();
        let (_, id) = issue(running, &tenant, json!({})).await;
        set(&id, "successor = 'TestsOwnKey1', retires_at = 1000")
            .await
            .unwrap();
        for what in [
            "successor = 'TestsOwnKey2'",
            "successor = null, retires_at = null",
            "retires_at = 1001",
        ] {
            refused(&id, what).await;
        }
        set(&id, "retires_at = 999").await.unwrap();
    });
}

#[test]
fn a_tenant_has_no_more_than_nine_hundred_keys() {
    on_platform(|running| async move {
        let tenant = running.tenant("collector").await;
        let (_, id) = issue(running, &tenant, json!({})).await;
        let superuser = database().sql("postgres").await;
        let copies = "insert into app.api_keys (tenant_id, id, environment, scheme, hash, actor, \
             capabilities, issued_at) select tenant_id, 'Copy' || lpad(n::text, 8, '0'), \
             environment, scheme, hash, actor, capabilities, issued_at \
             from app.api_keys, generate_series(1, 897) n where id = $1";
        assert_eq!(superuser.execute(copies, &[&id]).await.unwrap(), 897);
        // The owner's, the one that was copied, its copies, and one more.
        let (_, last) = issue(running, &tenant, json!({})).await;
        let body = json!({ "capabilities": ["policy:manage"] });
        let refused = post(running, &tenant, "", body).await;
        assert_eq!(
            (refused.status, refused.slug()),
            (409, "conflict".to_owned())
        );
        let refused = post(running, &tenant, &format!("/{last}/rotate"), json!({})).await;
        assert_eq!(refused.slug(), "conflict");
        let path = format!("/v1/api-keys/{last}");
        let gone = running
            .send("DELETE", &path, Some(&tenant.token), None)
            .await;
        assert_eq!(gone.status, 204);
        issue(running, &tenant, json!({})).await;
    });
}

/// A last use is worth no wait: who holds the row may be rotating the key.
#[test]
fn uses_of_a_key_whose_row_is_held_are_passed_over() {
    on_platform(|running| async move {
        let tenant = running.tenant("held").await;
        let (_, held) = issue(running, &tenant, json!({})).await;
        let (_, free) = issue(running, &tenant, json!({})).await;
        let superuser = database().sql("postgres").await;
        superuser.batch_execute("begin").await.unwrap();
        let lock = "select from app.api_keys where id = $1 for update";
        superuser.execute(lock, &[&held]).await.unwrap();
        let uses = [(held.parse().unwrap(), 17), (free.parse().unwrap(), 17)];
        let noted = running.app.lookup.note_uses(&uses);
        // A lock is waited for ten seconds.
        tokio::time::timeout(Duration::from_secs(8), noted)
            .await
            .unwrap()
            .unwrap();
        let used = async |id: &str| listed(running, &tenant, id).await["last_used_at"].clone();
        assert_eq!(
            (used(&held).await, used(&free).await),
            (Value::Null, json!(17))
        );
        superuser.batch_execute("rollback").await.unwrap();
        running.app.lookup.note_uses(&uses).await.unwrap();
        assert_eq!(used(&held).await, 17);
    });
}
