//! A client that hangs up can neither skip the audit nor leave half a write.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use serde_json::json;
use strongroom_server::router::router;
use tower::ServiceExt;

use crate::database::{Database, database, folder};
use crate::platform::{Running, client, events_of, on_platform, on_runtime, start};

fn request(method: &str, path: &str, token: &str, body: String) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let peer: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

/// Polls a request at most so many times, then drops it. Whether it came to its end.
async fn dropped_after(running: &Running, request: Request<Body>, polls: usize) -> bool {
    let mut left = polls;
    let mut work = pin!(router(&running.app).oneshot(request));
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(cx).map(|_| true)
    })
    .await
}

/// Waits for the work that its clients gave up; what is counted before has not all happened.
async fn settled(running: &Running) {
    let started = Instant::now();
    while !running.app.in_flight.is_empty() {
        let left = running.app.in_flight.len();
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{left} left in flight"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Drops a request at each of its await points in turn, until one comes to its end.
async fn dropped_everywhere(running: &Running, make: impl Fn(usize) -> Request<Body>) {
    for tried in 0..300 {
        if dropped_after(running, make(tried), tried).await {
            settled(running).await;
            return;
        }
    }
    panic!("no request came to its end in 300 polls");
}

#[test]
fn a_write_dropped_at_every_await_point_has_its_event_or_no_row() {
    on_platform(|running| async move {
        let tenant = running.tenant("dropped-write").await;
        let put = |tried| {
            let path = format!("/v1/providers/drop-{tried}/credential");
            let body = json!({ "credential": "sk-dropped" }).to_string();
            request("PUT", &path, &tenant.token, body)
        };
        dropped_everywhere(running, put).await;
        let superuser = database().sql("postgres").await;
        let rows = superuser
            .query(
                "select name from app.provider_credentials where tenant_id = $1 and name like 'drop-%'",
                &[tenant.id.as_uuid()],
            )
            .await
            .unwrap();
        let entries = running.entries(&tenant.token).await;
        for row in &rows {
            let resource = format!("provider/{}", row.get::<_, String>(0));
            let events = entries
                .iter()
                .filter(|e| e["event"]["resource"] == resource)
                .count();
            assert_eq!(events, 1, "{resource}");
        }
        assert!(!rows.is_empty());
    });
}

#[test]
fn a_call_dropped_at_every_await_point_never_reaches_the_provider_unrecorded() {
    on_platform(|running| async move {
        let tenant = running.tenant("dropped-call").await;
        let call = |_| {
            let body = json!({
                "model": format!("gpt-dropped-{}", tenant.id),
                "messages": [{ "role": "user", "content": "hello" }],
            });
            let path = "/v1/chat/completions";
            request("POST", path, &tenant.token, body.to_string())
        };
        // So that some of them are dropped while the provider is asked.
        *running.provider.delay.lock().unwrap() = Duration::from_millis(20);
        dropped_everywhere(running, call).await;
        *running.provider.delay.lock().unwrap() = Duration::ZERO;
        let model = format!("gpt-dropped-{}", tenant.id);
        let received = running.provider.received.lock().unwrap().clone();
        let calls = received
            .iter()
            .filter(|(_, body)| body["model"] == model)
            .count();
        let entries = running.entries(&tenant.token).await;
        let count = |kind| events_of(&entries, kind);
        assert!(calls > 0);
        // Once begun, each call ran to its end: as many attempts and outcomes as calls.
        assert_eq!(
            (count("chat.attempt"), count("chat.outcome")),
            (calls, calls)
        );
    });
}

#[test]
fn a_client_that_hangs_up_in_mid_call_still_has_its_outcome_recorded() {
    on_platform(|running| async move {
        let tenant = running.tenant("hung-up").await;
        let body = json!({
            "model": "gpt-hung-up",
            "messages": [{ "role": "user", "content": "hello" }],
        });
        let call = client()
            .post(running.url("/v1/chat/completions"))
            .header("authorization", format!("Bearer {}", tenant.token))
            .header("content-type", "application/json")
            .body(body.to_string())
            .timeout(Duration::from_millis(30));
        let _ = call.send().await;
        for _ in 0..200 {
            let entries = running.entries(&tenant.token).await;
            if events_of(&entries, "chat.attempt") == events_of(&entries, "chat.outcome") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("an attempt has no outcome");
    });
}

#[test]
fn two_hundred_clients_that_hang_up_in_mid_statement_leave_no_backend_and_no_lock() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("two-hundred").await;
        let slots = i64::try_from(running.app.config.database_connections).unwrap();
        // Whoever reads this table now waits in mid-statement.
        let blocker = database.sql("postgres").await;
        let lock = "begin; lock table app.provider_credentials in access exclusive mode";
        blocker.batch_execute(lock).await.unwrap();
        let watch = database.sql("postgres").await;

        let clients: Vec<_> = (0..200_u64)
            .map(|number| {
                let (url, token) = (running.url("/v1/providers"), tenant.token.clone());
                tokio::spawn(async move {
                    let patience = Duration::from_millis(100 + 5 * number);
                    let call = client().get(url).bearer_auth(token).timeout(patience);
                    assert!(call.send().await.is_err_and(|error| error.is_timeout()));
                })
            })
            .collect();
        let (mut most, mut waited) = (0, 0);
        while clients.iter().any(|client| !client.is_finished()) {
            most = most.max(count(&watch, BACKENDS).await);
            waited = waited.max(count(&watch, WAITING).await);
        }
        for client in clients {
            client.await.unwrap();
        }
        assert!(waited > 0, "nobody was in mid-statement");
        assert!(most <= slots, "{most} backends for {slots} slots");
        // The lock they waited for is still held, and soon nobody waits any more. Whoever was not
        // given up would wait for ten seconds.
        let gone = Instant::now();
        while count(&watch, WAITING).await > 0 {
            assert!(gone.elapsed() < Duration::from_secs(5), "they wait on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        blocker.batch_execute("rollback").await.unwrap();
        let listed = running
            .send("GET", "/v1/providers", Some(&tenant.token), None)
            .await;
        assert_eq!(listed.status, 200);
    });
}

const BACKENDS: &str = "select count(*) from pg_stat_activity where usename = 'strongroom_gateway'";

const WAITING: &str = "select count(*) from pg_locks l join pg_stat_activity a using (pid) \
     where not l.granted and a.usename = 'strongroom_gateway'";

async fn count(watch: &tokio_postgres::Client, sql: &str) -> i64 {
    watch.query_one(sql, &[]).await.unwrap().get(0)
}
