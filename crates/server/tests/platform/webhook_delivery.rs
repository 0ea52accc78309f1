//! Webhooks: signed, delivered once each, retried when refused, to public addresses only.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use strongroom_server::app::Platform;
use strongroom_server::clock::SystemClock;
use strongroom_server::init::init;
use strongroom_server::serve::serve;
use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier, WebhookError};

use crate::database::{Database, database, folder};
use crate::platform::{Answer, Running, Tenant, config, on_platform, on_runtime, start_provider};
use crate::webhook_operations::until;

#[derive(Default)]
struct Subscriber {
    received: Mutex<Vec<(HeaderMap, Bytes)>>,
    refuse_first: Mutex<u32>,
    pause: Mutex<std::time::Duration>,
}

async fn take(
    State(subscriber): State<Arc<Subscriber>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    subscriber.received.lock().unwrap().push((headers, body));
    let pause = *subscriber.pause.lock().unwrap();
    tokio::time::sleep(pause).await;
    let mut left = subscriber.refuse_first.lock().unwrap();
    if *left > 0 {
        *left -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::NO_CONTENT
}

async fn subscribe(
    running: &Running,
    tenant: &Tenant,
    refuse_first: u32,
) -> (Arc<Subscriber>, String, SigningSecret) {
    let subscriber = Arc::new(Subscriber::default());
    *subscriber.refuse_first.lock().unwrap() = refuse_first;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .route("/hook", axum::routing::post(take))
        .with_state(Arc::clone(&subscriber));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let body = json!({ "url": url });
    let made = running
        .send("POST", "/v1/webhooks", Some(&tenant.token), Some(body))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = made.json()["secret"].as_str().unwrap().parse().unwrap();
    (
        subscriber,
        made.json()["id"].as_str().unwrap().to_owned(),
        secret,
    )
}

async fn trigger(running: &Running, tenant: &Tenant) {
    let body = json!({ "capabilities": ["chat:create"] });
    let made = running
        .send("POST", "/v1/api-keys", Some(&tenant.token), Some(body))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
}

async fn arrived(subscriber: &Subscriber, count: usize) -> Vec<(HeaderMap, Bytes)> {
    until("deliveries arrived", || async {
        let received = subscriber.received.lock().unwrap().clone();
        (received.len() >= count).then_some(received)
    })
    .await
}

fn header_set(headers: &HeaderMap) -> HeaderSet {
    HeaderSet::collect(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    )
    .unwrap()
}

#[test]
fn a_delivery_is_signed_and_its_window_is_five_minutes() {
    on_platform(|running| async move {
        let tenant = running.tenant("hooked").await;
        let (subscriber, _, secret) = subscribe(running, &tenant, 0).await;
        trigger(running, &tenant).await;
        let received = arrived(&subscriber, 1).await;
        let (headers, body) = &received[0];
        let set = header_set(headers);
        let verifier = Verifier::new(vec![secret]).unwrap();
        let sent = set.timestamp();
        assert!(verifier.verify(&set, body, sent + 300).is_ok());
        assert_eq!(
            verifier.verify(&set, body, sent + 301).unwrap_err(),
            WebhookError::TooOld
        );
        let mut altered = body.to_vec();
        altered[5] ^= 1;
        let refused = verifier.verify(&set, &altered, sent).unwrap_err();
        assert_eq!(refused, WebhookError::SignatureMismatch);
        let message: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(message["type"], "api_key.issued");

        // The attempt was in the tenant's log before the message set out; the outcome follows the
        // subscriber's answer, which the message's arrival comes before.
        let pair = |outcome: &str| (outcome.to_owned(), String::new());
        assert_eq!(outcomes(running, &tenant, 1).await[0], pair("attempt"));
        let both = outcomes(running, &tenant, 2).await;
        assert_eq!(both, [pair("attempt"), pair("success")]);
    });
}

#[test]
fn a_refused_delivery_is_tried_again_under_the_same_id() {
    on_platform(|running| async move {
        let tenant = running.tenant("retried").await;
        let (subscriber, endpoint, secret) = subscribe(running, &tenant, 1).await;
        trigger(running, &tenant).await;
        let received = arrived(&subscriber, 2).await;
        let (first, second) = (header_set(&received[0].0), header_set(&received[1].0));
        assert_eq!(first.message_id(), second.message_id());
        assert!(
            second.timestamp() >= first.timestamp() + 5,
            "the first pause is five seconds"
        );
        let verifier = Verifier::new(vec![secret]).unwrap();
        assert!(
            verifier
                .verify(&second, &received[1].1, second.timestamp())
                .is_ok()
        );
        let path = format!("/v1/webhooks/{endpoint}/deliveries");
        let settled = until("the delivery is settled", || async {
            let listed = running.send("GET", &path, Some(&tenant.token), None).await;
            let newest = listed.json()["data"][0].clone();
            newest["delivered_at"].is_i64().then_some(newest)
        })
        .await;
        assert_eq!(settled["attempts"], 2);
        assert_eq!(settled["last_status"], 204);
    });
}

pub(crate) async fn create(running: &Running, tenant: &Tenant, url: &str) -> Answer {
    let body = json!({ "url": url });
    running
        .send("POST", "/v1/webhooks", Some(&tenant.token), Some(body))
        .await
}

/// The address of a subscriber who takes connections and never answers.
pub(crate) async fn tarpit() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(taken) = listener.accept().await {
            held.push(taken);
        }
    });
    url
}

#[test]
fn a_tenant_has_twenty_endpoints_and_no_more() {
    on_platform(|running| async move {
        let tenant = running.tenant("many").await;
        let creations = (0..25).map(|_| create(running, &tenant, "https://example.com/"));
        let answers = futures_util::future::join_all(creations).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(made, 20);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((answer.status, answer.slug().as_str()), (409, "conflict"));
        }
        let other = running.tenant("few").await;
        let made = create(running, &other, "https://example.com/").await;
        assert_eq!(made.status, 201, "{}", made.text);
    });
}

#[test]
fn an_endpoint_is_spelled_as_it_is_read() {
    on_platform(|running| async move {
        let tenant = running.tenant("spelled").await;
        for (written, read) in [
            ("https://example.com/a\0b", "https://example.com/a%00b"),
            ("HTTPS://EXAMPLE.com:443/./x", "https://example.com/x"),
            (" https://example.com\n", "https://example.com/"),
        ] {
            let made = create(running, &tenant, written).await;
            assert_eq!(made.status, 201, "{}", made.text);
            assert_eq!(made.json()["url"], read);
            let path = "/v1/webhooks";
            let listed = running.send("GET", path, Some(&tenant.token), None).await;
            let listed = listed.json();
            let all = listed["data"].as_array().unwrap();
            assert!(all.iter().any(|endpoint| endpoint["url"] == read));
        }
    });
}

#[test]
fn a_subscriber_who_never_answers_holds_up_its_own_tenant_only() {
    on_platform(|running| async move {
        let (stuck, brisk) = (running.tenant("stuck").await, running.tenant("brisk").await);
        let made = create(running, &stuck, &tarpit().await).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let endpoint: uuid::Uuid = made.json()["id"].as_str().unwrap().parse().unwrap();
        // Many more messages than are delivered at once altogether, all due before any other.
        let superuser = database().sql("postgres").await;
        superuser
            .execute(
                "insert into app.webhook_outbox (tenant_id, id, endpoint_id, body, \
                 next_attempt_at) select $1, gen_random_uuid(), $2, '{}', 0 \
                 from generate_series(1, 200)",
                &[stuck.id.as_uuid(), &endpoint],
            )
            .await
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let (subscriber, _, _) = subscribe(running, &brisk, 0).await;
        trigger(running, &brisk).await;
        trigger(running, &brisk).await;
        // The first of the others are given up fifteen seconds after they set out.
        let soon = std::time::Duration::from_secs(10);
        let received = tokio::time::timeout(soon, arrived(&subscriber, 2)).await;
        assert_eq!(received.unwrap().len(), 2);
    });
}

async fn outcomes(running: &Running, tenant: &Tenant, count: usize) -> Vec<(String, String)> {
    until("the outcome is recorded", || async {
        let entries = running.entries(&tenant.token).await;
        let found: Vec<_> = entries
            .iter()
            .filter(|entry| entry["event"]["kind"] == "webhook.delivery")
            .map(|entry| {
                let text = |name: &str| entry["event"][name].as_str().unwrap_or("").to_owned();
                (text("outcome"), text("reason"))
            })
            .collect();
        (found.len() >= count).then_some(found)
    })
    .await
}

#[test]
fn a_message_that_could_not_set_out_leaves_its_outcome() {
    on_platform(|running| async move {
        let tenant = running.tenant("inward").await;
        let made = create(running, &tenant, "https://10.0.0.1/hook").await;
        assert_eq!(made.status, 201, "{}", made.text);
        trigger(running, &tenant).await;
        let found = outcomes(running, &tenant, 2).await;
        let pair = |outcome: &str, reason: &str| (outcome.to_owned(), reason.to_owned());
        assert_eq!(found[0], pair("attempt", ""));
        assert_eq!(found[1], pair("refused", "destination-refused"));

        let tenant = running.tenant("sealed").await;
        let (subscriber, endpoint, _) = subscribe(running, &tenant, 0).await;
        let id: uuid::Uuid = endpoint.parse().unwrap();
        let superuser = database().sql("postgres").await;
        superuser
            .execute(
                "update app.webhook_endpoints set sealed_secret = '\\x00' where id = $1",
                &[&id],
            )
            .await
            .unwrap();
        trigger(running, &tenant).await;
        let found = outcomes(running, &tenant, 2).await;
        assert_eq!(found[1], pair("failed", "secret-unopened"));
        assert!(subscriber.received.lock().unwrap().is_empty());
    });
}

#[test]
fn a_platform_that_stops_waits_for_what_is_under_way() {
    on_runtime(async move {
        let database = Database::start(folder()).await;
        let provider = start_provider(Arc::default()).await;
        let config = config(provider, &[]);
        let clock = Arc::new(SystemClock);
        let endpoint = database.endpoint();
        let done = init(&config, &endpoint, "postgres", None, clock.clone());
        let admin_key = done.await.unwrap().admin_key.unwrap();
        let platform = Platform::start(config, endpoint, clock);
        let platform = platform.await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let running = Running {
            app: Arc::clone(&platform.app),
            base: format!("http://{}", listener.local_addr().unwrap()),
            admin_key: admin_key.expose().to_owned(),
            provider: Arc::default(),
            _until: stop,
        };
        let served = tokio::spawn(serve(platform, listener, async {
            let _ = stopped.await;
        }));
        let tenant = running.tenant("parting").await;
        let (subscriber, _, _) = subscribe(&running, &tenant, 0).await;
        *subscriber.pause.lock().unwrap() = std::time::Duration::from_secs(3);
        trigger(&running, &tenant).await;
        arrived(&subscriber, 1).await;
        // The subscriber has it and has not answered.
        drop(running);
        served.await.unwrap();
        let superuser = database.sql("postgres").await;
        let sql = "select delivered_at, last_status from app.webhook_outbox";
        let row = superuser.query_one(sql, &[]).await.unwrap();
        assert!(row.get::<_, Option<i64>>(0).is_some());
        assert_eq!(row.get::<_, Option<i32>>(1), Some(204));
    });
}
