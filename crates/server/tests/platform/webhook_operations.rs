//! Webhooks as their tenant runs them: attempts seen, messages sent again, secrets replaced, and
//! endpoints that are given up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use strongroom_server::clock::{Clock as _, SystemClock};
use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier};
use tokio_postgres::Client;

use crate::database::database;
use crate::key_rotation::on_own_platform;
use crate::platform::{Answer, Running, Tenant, on_platform};

/// How long a test waits for what comes by itself, on a machine that has much to do: less than the
/// minute after which a message is taken again that was taken and not settled.
const PATIENCE: Duration = Duration::from_secs(40);

/// A status, and a header of the answer.
pub(crate) type Scripted = (StatusCode, Option<(&'static str, String)>);

/// A subscriber's answers, one after the other; then 204.
#[derive(Default)]
pub(crate) struct Subscriber {
    pub(crate) answers: Mutex<VecDeque<Scripted>>,
    pub(crate) received: Mutex<Vec<(HeaderMap, Bytes)>>,
}

pub(crate) struct Hook {
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) id: String,
    secret: SigningSecret,
}

async fn take(
    State(subscriber): State<Arc<Subscriber>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    subscriber.received.lock().unwrap().push((headers, body));
    match subscriber.answers.lock().unwrap().pop_front() {
        Some((status, Some((name, value)))) => (status, [(name, value)]).into_response(),
        Some((status, None)) => status.into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

pub(crate) async fn subscribe(
    running: &Running,
    tenant: &Tenant,
    answers: Vec<(u16, Option<(&'static str, String)>)>,
) -> Hook {
    let subscriber = Arc::new(Subscriber::default());
    let status = |status| StatusCode::from_u16(status).unwrap();
    let answers = answers
        .into_iter()
        .map(|(code, header)| (status(code), header));
    *subscriber.answers.lock().unwrap() = answers.collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .route("/hook", axum::routing::post(take))
        .with_state(Arc::clone(&subscriber));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let made = post(running, tenant, "", json!({ "url": url })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    Hook {
        subscriber,
        id: made.json()["id"].as_str().unwrap().to_owned(),
        secret: made.json()["secret"].as_str().unwrap().parse().unwrap(),
    }
}

fn answer_next(hook: &Hook, status: StatusCode) {
    let mut answers = hook.subscriber.answers.lock().unwrap();
    answers.push_back((status, None));
}

pub(crate) async fn post(running: &Running, tenant: &Tenant, path: &str, body: Value) -> Answer {
    let path = format!("/v1/webhooks{path}");
    running
        .send("POST", &path, Some(&tenant.token), Some(body))
        .await
}

pub(crate) async fn trigger(running: &Running, tenant: &Tenant) {
    let body = json!({ "capabilities": ["chat:create"] });
    let made = running
        .send("POST", "/v1/api-keys", Some(&tenant.token), Some(body))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
}

/// Waits until there is something to be found.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut find: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = find().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Waits until somebody waits for a lock of this type, as `pg_locks` has it.
pub(crate) async fn until_waiting(client: &Client, locktype: &str) {
    let sql = "select from pg_locks where locktype = $1 and not granted";
    until("somebody waits for a lock", || async {
        let waiting = client.query(sql, &[&locktype]).await.unwrap();
        (!waiting.is_empty()).then_some(())
    })
    .await;
}

pub(crate) async fn received(hook: &Hook, count: usize) -> Vec<(HeaderMap, Bytes)> {
    until("deliveries arrived", || async {
        let received = hook.subscriber.received.lock().unwrap().clone();
        (received.len() >= count).then_some(received)
    })
    .await
}

/// The endpoint's newest message, once it is as wanted.
pub(crate) async fn message(
    running: &Running,
    tenant: &Tenant,
    hook: &Hook,
    is_wanted: impl Fn(&Value) -> bool,
) -> Value {
    let path = format!("/v1/webhooks/{}/deliveries", hook.id);
    until("a message as wanted", || async {
        let listed = running.send("GET", &path, Some(&tenant.token), None).await;
        let newest = listed.json()["data"][0].clone();
        is_wanted(&newest).then_some(newest)
    })
    .await
}

pub(crate) async fn endpoint(running: &Running, tenant: &Tenant, hook: &Hook) -> Value {
    let path = "/v1/webhooks";
    let listed = running.send("GET", path, Some(&tenant.token), None).await;
    let listed = listed.json();
    let all = listed["data"].as_array().unwrap();
    let found = all
        .iter()
        .find(|endpoint| endpoint["id"] == hook.id.as_str());
    found.unwrap().clone()
}

async fn is_in_log(running: &Running, tenant: &Tenant, kind: &str) -> bool {
    let entries = running.entries(&tenant.token).await;
    entries.iter().any(|entry| entry["event"]["kind"] == kind)
}

fn verifies(delivery: &(HeaderMap, Bytes), secret: &SigningSecret) -> bool {
    let headers = delivery.0.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let set = HeaderSet::collect(headers).unwrap();
    let secret: SigningSecret = secret.expose_text().parse().unwrap();
    let verifier = Verifier::new(vec![secret]).unwrap();
    verifier.verify(&set, &delivery.1, set.timestamp()).is_ok()
}

#[test]
fn a_replaced_secret_signs_until_its_overlap_is_over() {
    on_platform(|running| async move {
        let tenant = running.tenant("rotates-secrets").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        let path = format!("/{}/secret", hook.id);
        let rotated = post(running, &tenant, &path, json!({})).await;
        assert_eq!(rotated.status, 200, "{}", rotated.text);
        let second: SigningSecret = rotated.json()["secret"].as_str().unwrap().parse().unwrap();
        let day = 24 * 60 * 60;
        let until = rotated.json()["old_secret_until"].as_u64().unwrap();
        assert!(until.abs_diff(SystemClock.unix_seconds() + day) < 60);
        trigger(running, &tenant).await;
        let first = received(&hook, 1).await.remove(0);
        assert!(verifies(&first, &hook.secret) && verifies(&first, &second));

        // A secret whose time is over signs nothing, and goes.
        let id: uuid::Uuid = hook.id.parse().unwrap();
        let superuser = database().sql("postgres").await;
        let end = "update app.webhook_old_secrets set expires_at = 1 where endpoint_id = $1";
        superuser.execute(end, &[&id]).await.unwrap();
        trigger(running, &tenant).await;
        let next = received(&hook, 2).await.remove(1);
        assert!(verifies(&next, &second) && !verifies(&next, &hook.secret));

        // Known to others: it signs nothing from now on, nor does any older one.
        let body = json!({ "overlap_seconds": 60 });
        let rotated = post(running, &tenant, &path, body).await;
        let third: SigningSecret = rotated.json()["secret"].as_str().unwrap().parse().unwrap();
        let body = json!({ "overlap_seconds": 0 });
        let rotated = post(running, &tenant, &path, body).await;
        let last: SigningSecret = rotated.json()["secret"].as_str().unwrap().parse().unwrap();
        trigger(running, &tenant).await;
        let sent = received(&hook, 3).await.remove(2);
        assert!(verifies(&sent, &last));
        assert!(!verifies(&sent, &second) && !verifies(&sent, &third));

        let refused = json!({ "overlap_seconds": 604_801 });
        let refused = post(running, &tenant, &path, refused).await;
        assert_eq!(refused.slug(), "invalid-field");
        let other = running.tenant("rotates-nothing").await;
        let theirs = post(running, &other, &path, json!({})).await;
        assert_eq!(theirs.slug(), "not-found");
    });
}

/// A rotation of the tenant's keys wraps old secrets again as well.
#[test]
fn old_secrets_sign_over_a_rotation_of_keys() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("rotates-both").await;
        let hook = subscribe(&running, &tenant, vec![]).await;
        let path = format!("/{}/secret", hook.id);
        let rotated = post(&running, &tenant, &path, json!({})).await;
        assert_eq!(rotated.status, 200, "{}", rotated.text);
        let body = json!({ "reason": "both", "reencrypt": true });
        let send = running.send("POST", "/v1/keys/rotate", Some(&tenant.token), Some(body));
        let started = send.await;
        assert_eq!(started.status, 202, "{}", started.text);
        let path = format!(
            "/v1/keys/rotations/{}",
            started.json()["id"].as_str().unwrap()
        );
        let done = until("the rotation is finished", || async {
            let now = running
                .send("GET", &path, Some(&tenant.token), None)
                .await
                .json();
            (now["phase"] == "finished").then_some(now)
        })
        .await;
        assert_eq!(done["rows_done"], done["rows_total"]);
        let superuser = database.sql("postgres").await;
        let versions = "select kek_version from app.webhook_old_secrets \
             union all select kek_version from app.webhook_endpoints";
        let versions = superuser.query(versions, &[]).await.unwrap();
        let versions: Vec<i32> = versions.iter().map(|row| row.get(0)).collect();
        assert_eq!(versions, [2, 2]);
        trigger(&running, &tenant).await;
        assert!(verifies(&received(&hook, 1).await[0], &hook.secret));
    });
}

#[test]
fn no_more_secrets_sign_than_a_receiver_takes() {
    on_platform(|running| async move {
        let tenant = running.tenant("rotates-often").await;
        let hook = subscribe(running, &tenant, vec![]).await;
        let path = format!("/{}/secret", hook.id);
        for _ in 0..15 {
            let rotated = post(running, &tenant, &path, json!({})).await;
            assert_eq!(rotated.status, 200, "{}", rotated.text);
        }
        let refused = post(running, &tenant, &path, json!({})).await;
        assert_eq!(refused.slug(), "conflict");
        trigger(running, &tenant).await;
        let first = received(&hook, 1).await.remove(0);
        assert!(verifies(&first, &hook.secret));
        let signatures = first.0["webhook-signature"].to_str().unwrap();
        assert_eq!(signatures.split(' ').count(), 16);
    });
}

#[test]
fn an_endpoint_that_is_gone_is_given_up_at_once() {
    on_platform(|running| async move {
        let tenant = running.tenant("gone").await;
        let witness = subscribe(running, &tenant, vec![]).await;
        let hook = subscribe(running, &tenant, vec![(410, None)]).await;
        trigger(running, &tenant).await;
        received(&hook, 1).await;
        let gone = message(running, &tenant, &hook, |it| it["last_status"] == 410).await;
        assert_eq!(gone["next_attempt_at"], Value::Null);
        let found = endpoint(running, &tenant, &hook).await;
        assert_eq!(found["disabled_reason"], "gone");
        // The tenant is told, at the endpoint that is left and in the log.
        let told = until("the other endpoint was told", || async {
            let all = witness.subscriber.received.lock().unwrap().clone();
            let bodies = all.iter().map(|(_, body)| serde_json::from_slice(body));
            let mut bodies = bodies.map(|body| body.unwrap());
            bodies.find(|body: &Value| body["type"] == "webhook.disabled")
        });
        let told = told.await;
        assert_eq!(told["data"]["endpoint_id"], hook.id.as_str());
        assert_eq!(told["data"]["reason"], "gone");
        until("the log says so", || async {
            is_in_log(running, &tenant, "webhook.disabled")
                .await
                .then_some(())
        })
        .await;

        // Nothing is sent to it, or again, until the tenant enables it.
        trigger(running, &tenant).await;
        received(&witness, 3).await;
        let id = gone["id"].as_str().unwrap();
        let resend = format!("/{}/deliveries/{id}/resend", hook.id);
        let refused = post(running, &tenant, &resend, json!({})).await;
        assert_eq!(refused.slug(), "conflict");
        assert_eq!(hook.subscriber.received.lock().unwrap().len(), 1);
        let enable = format!("/{}/enable", hook.id);
        assert_eq!(post(running, &tenant, &enable, json!({})).await.status, 204);
        let again = post(running, &tenant, &resend, json!({})).await;
        assert_eq!(again.status, 202, "{}", again.text);
        let all = received(&hook, 2).await;
        assert_eq!(all[0].0["webhook-id"], all[1].0["webhook-id"]);
    });
}

#[test]
fn five_days_without_a_delivery_end_an_endpoint() {
    on_platform(|running| async move {
        const FIVE_DAYS: i64 = 5 * 24 * 60 * 60;
        const SINCE: &str = "update app.webhook_endpoints set first_failure_at = $2 where id = $1";
        let tenant = running.tenant("failing").await;
        // As late as may be, so that the failure is seen before the next attempt makes up for it.
        let later = ("retry-after", "10".to_owned());
        let answers = vec![(500, Some(later)), (200, None)];
        let hook = subscribe(running, &tenant, answers).await;
        let id: uuid::Uuid = hook.id.parse().unwrap();
        let superuser = database().sql("postgres").await;
        let now = || i64::try_from(SystemClock.unix_seconds()).unwrap();
        trigger(running, &tenant).await;
        until("the first failure is remembered", || async {
            let found = endpoint(running, &tenant, &hook).await;
            found["failing_since"].as_i64().filter(|at| now() - at < 60)
        })
        .await;
        // One delivery, and the days are counted anew.
        message(running, &tenant, &hook, |it| it["delivered_at"].is_i64()).await;
        let found = endpoint(running, &tenant, &hook).await;
        assert_eq!(found["failing_since"], Value::Null);

        // Ten minutes before the five days are over it is tried on.
        let nearly = now() - FIVE_DAYS + 600;
        superuser.execute(SINCE, &[&id, &nearly]).await.unwrap();
        answer_next(&hook, StatusCode::INTERNAL_SERVER_ERROR);
        trigger(running, &tenant).await;
        // What was attempted stays in the list, whatever the next attempt comes to.
        let has_failed = |it: &Value| it["log"][0]["status"] == 500;
        message(running, &tenant, &hook, has_failed).await;
        let found = endpoint(running, &tenant, &hook).await;
        assert_eq!(found["disabled_at"], Value::Null);
        message(running, &tenant, &hook, |it| it["delivered_at"].is_i64()).await;

        let over = now() - FIVE_DAYS;
        superuser.execute(SINCE, &[&id, &over]).await.unwrap();
        answer_next(&hook, StatusCode::INTERNAL_SERVER_ERROR);
        trigger(running, &tenant).await;
        message(running, &tenant, &hook, |it| it["last_status"] == 500).await;
        let found = endpoint(running, &tenant, &hook).await;
        assert_eq!(found["disabled_reason"], "failing");
        until("the log says so", || async {
            is_in_log(running, &tenant, "webhook.disabled")
                .await
                .then_some(())
        })
        .await;
    });
}

#[test]
fn a_tenant_sees_each_attempt_and_sends_again() {
    on_platform(|running| async move {
        let tenant = running.tenant("sees").await;
        let elsewhere = ("location", "http://127.0.0.1:1/".to_owned());
        let answers = vec![(307, Some(elsewhere)), (200, None)];
        let hook = subscribe(running, &tenant, answers).await;
        trigger(running, &tenant).await;
        // A redirect is a failure: the message goes where its tenant said, and nowhere else.
        let done = message(running, &tenant, &hook, |it| it["delivered_at"].is_i64()).await;
        let log = done["log"].as_array().unwrap();
        let statuses: Vec<_> = log.iter().map(|one| one["status"].clone()).collect();
        assert_eq!(statuses, [307, 200]);
        assert!(
            log.iter()
                .all(|one| one["took_ms"].is_i64() && one["at"].is_i64())
        );
        assert_eq!(done["type"], "api_key.issued");

        let id = done["id"].as_str().unwrap();
        let resend = format!("/{}/deliveries/{id}/resend", hook.id);
        let again = post(running, &tenant, &resend, json!({})).await;
        assert_eq!(again.status, 202, "{}", again.text);
        let all = received(&hook, 3).await;
        assert_eq!(all[0].0["webhook-id"], all[2].0["webhook-id"]);
        assert_eq!(all[0].1, all[2].1);
        assert!(verifies(&all[2], &hook.secret));
        let sent = |it: &Value| it["log"].as_array().is_some_and(|log| log.len() == 3);
        message(running, &tenant, &hook, sent).await;

        // Not what waits for its next attempt, not another endpoint's, not another tenant's. After
        // two failures it waits for five minutes: nobody is in a hurry.
        for _ in 0..2 {
            answer_next(&hook, StatusCode::BAD_GATEWAY);
        }
        trigger(running, &tenant).await;
        let failed_twice = |it: &Value| it["last_status"] == 502 && it["log"][1].is_object();
        let waiting = message(running, &tenant, &hook, failed_twice).await;
        let waiting = waiting["id"].as_str().unwrap();
        let path = format!("/{}/deliveries/{waiting}/resend", hook.id);
        let refused = post(running, &tenant, &path, json!({})).await;
        assert_eq!(refused.slug(), "conflict");
        let second = subscribe(running, &tenant, vec![]).await;
        let path = format!("/{}/deliveries/{id}/resend", second.id);
        let refused = post(running, &tenant, &path, json!({})).await;
        assert_eq!(refused.slug(), "not-found");
        let other = running.tenant("sees-nothing").await;
        let refused = post(running, &other, &resend, json!({})).await;
        assert_eq!(refused.slug(), "not-found");
    });
}

#[test]
fn a_subscriber_who_asks_for_time_is_given_it() {
    on_platform(|running| async move {
        let tenant = running.tenant("patient").await;
        let asked = (header::RETRY_AFTER.as_str(), "9".to_owned());
        let hook = subscribe(running, &tenant, vec![(503, Some(asked))]).await;
        trigger(running, &tenant).await;
        let waiting = message(running, &tenant, &hook, |it| it["last_status"] == 503).await;
        let at = waiting["log"][0]["at"].as_i64().unwrap();
        let next = waiting["next_attempt_at"].as_i64().unwrap();
        assert!((at + 9..=at + 10).contains(&next), "{at} {next}");

        let disable = format!("/{}/disable", hook.id);
        assert_eq!(
            post(running, &tenant, &disable, json!({})).await.status,
            204
        );
        let found = endpoint(running, &tenant, &hook).await;
        assert_eq!(found["disabled_reason"], "tenant");
    });
}

#[test]
fn a_message_says_names_by_the_policy() {
    on_platform(|running| async move {
        let tenant = running.tenant("names").await;
        let url = "https://hooks.example.com/names";
        let made = post(running, &tenant, "", json!({ "url": url })).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let path = "/v1/providers/card-4111111111111111/credential";
        let credential = Some(json!({ "credential": "sk-named" }));
        let put = running
            .send("PUT", path, Some(&tenant.token), credential)
            .await;
        assert_eq!(put.status, 204, "{}", put.text);
        let superuser = database().sql("postgres").await;
        let sql = "select body::text from app.webhook_outbox where tenant_id = $1 \
             and body::text like '%provider_credential%'";
        let row = superuser.query_one(sql, &[tenant.id.as_uuid()]).await;
        let body: String = row.unwrap().get(0);
        assert!(body.contains("card-[CREDIT_CARD]"), "{body}");
    });
}
