//! Webhooks: signed, delivered once each, retried when refused, to public addresses only.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier, WebhookError};

use crate::platform::{Running, Tenant, on_platform};

#[derive(Default)]
struct Subscriber {
    received: Mutex<Vec<(HeaderMap, Bytes)>>,
    refuse_first: Mutex<u32>,
}

async fn take(
    State(subscriber): State<Arc<Subscriber>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    subscriber.received.lock().unwrap().push((headers, body));
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
    for _ in 0..200 {
        let received = subscriber.received.lock().unwrap().clone();
        if received.len() >= count {
            return received;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!(
        "{} of {count} deliveries arrived",
        subscriber.received.lock().unwrap().len()
    );
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

        // The attempt and its outcome are in the tenant's log.
        let entries = running.entries(&tenant.token).await;
        let outcomes: Vec<_> = entries
            .iter()
            .filter(|entry| entry["event"]["kind"] == "webhook.delivery")
            .map(|entry| entry["event"]["outcome"].clone())
            .collect();
        assert_eq!(outcomes, ["attempt", "success"]);
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
        for _ in 0..100 {
            let path = format!("/v1/webhooks/{endpoint}/deliveries");
            let listed = running
                .send("GET", &path, Some(&tenant.token), None)
                .await
                .json();
            if listed["data"][0]["delivered_at"].is_i64() {
                assert_eq!(listed["data"][0]["attempts"], 2);
                assert_eq!(listed["data"][0]["last_status"], 204);
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the delivery was never settled");
    });
}
