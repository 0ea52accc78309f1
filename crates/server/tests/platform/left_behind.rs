//! What a credential leaves behind that ends in the course of its request: nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::key_rotation::on_own_platform;
use crate::platform::{Answer, Running, Tenant, last_event, on_platform};
use crate::token_renewal::{login, user};
use crate::token_revocation::{claim, revoke};

/// A request whose body is still to come.
struct Slow {
    stream: TcpStream,
    body: String,
}

impl Slow {
    async fn begin(running: &Running, ask: (&str, &str), credential: &str, body: &Value) -> Self {
        let address = running.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (method, path) = ask;
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {credential}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The gates have let it in by now.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Self { stream, body }
    }

    /// Sends the body, and answers the status line. Where the gates were late and refused it, nobody
    /// takes the body, and the line is there all the same.
    async fn finish(mut self) -> String {
        let _ = self.stream.write_all(self.body.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = self.stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

fn provider(capability: &str) -> Value {
    json!({
        "profile": "oidc",
        "issuer": "https://issuer.example",
        "client_id": "console",
        "jwks_url": "https://issuer.example/keys",
        "capabilities": [capability],
    })
}

async fn count(running: &Running, tenant: &Tenant, path: &str) -> usize {
    let listed = running.send("GET", path, Some(&tenant.key), None).await;
    listed.json()["data"].as_array().unwrap().len()
}

/// One way to end a credential, while it makes a key or lets an issuer in.
async fn ends(running: &Running, what: &str) {
    let tenant = running.tenant(what).await;
    let session = login(running, &tenant, user(1)).await;
    let keys = "/v1/api-keys";
    // Good until both requests are under way; their bodies are waited for thirty seconds.
    let has_end = what == "a key with an end";
    let life = if has_end { 8 } else { 3600 };
    let made = json!({
        "capabilities": ["policy:manage", "api_keys:manage", "identity:manage"],
        "expires_in": life,
    });
    let made = running.send("POST", keys, Some(&tenant.key), Some(made));
    let made = made.await.json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let token = if has_end {
        String::new()
    } else {
        running.token(key).await
    };
    let (credential, ended) = match what {
        "a key" | "a key with an end" => (key, json!(null)),
        "a key behind a token" => (token.as_str(), json!(null)),
        "a token of a key" => (token.as_str(), json!({ "token": claim(&token, "jti") })),
        "a session" => (session.access.as_str(), json!({ "session": session.id })),
        "a user" => (session.access.as_str(), json!({ "actor": user(1) })),
        _ => (session.access.as_str(), json!({ "everything": true })),
    };
    let issue = json!({ "capabilities": ["policy:manage"] });
    let store = ("PUT", "/v1/identity-providers/planted");
    let (issuing, storing) = (
        Slow::begin(running, ("POST", keys), credential, &issue).await,
        Slow::begin(running, store, credential, &provider("policy:manage")).await,
    );
    let answer = match ended {
        Value::Null if has_end => {
            let end = made["expires_at"].as_u64().unwrap();
            while running.app.clock.unix_seconds() <= end {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            running.send("GET", keys, Some(&tenant.key), None).await
        }
        Value::Null => {
            let path = format!("{keys}/{id}");
            running.send("DELETE", &path, Some(&tenant.key), None).await
        }
        ended => revoke(running, &tenant, ended).await,
    };
    assert!(
        matches!(answer.status, 200 | 204),
        "{what}: {}",
        answer.text
    );
    for slow in [issuing, storing] {
        let status = slow.finish().await;
        assert!(status.starts_with("HTTP/1.1 401"), "{what}: {status}");
    }
    assert_eq!(count(running, &tenant, keys).await, 2, "{what}");
    assert_eq!(
        count(running, &tenant, "/v1/identity-providers").await,
        0,
        "{what}"
    );
}

#[test]
fn a_credential_that_ends_in_the_course_of_a_request_leaves_nothing() {
    on_platform(|running| async move {
        let ways = [
            "a key",
            "a key with an end",
            "a key behind a token",
            "a token of a key",
            "a session",
            "a user",
            "everything",
        ];
        futures_util::future::join_all(ways.map(|what| ends(running, what))).await;
    });
}

/// People who log in have no end, no network and no environment: a key that has lets none in.
#[test]
fn a_key_with_bounds_lets_nobody_in() {
    on_platform(|running| async move {
        let tenant = running.tenant("bounded").await;
        for (name, bounds) in [
            ("an end", json!({ "expires_in": 3600 })),
            ("networks", json!({ "networks": ["127.0.0.0/8"] })),
            ("tests", json!({ "environment": "test" })),
            ("none", json!({})),
        ] {
            let mut asked = json!({ "capabilities": ["identity:manage", "policy:manage"] });
            asked
                .as_object_mut()
                .unwrap()
                .extend(bounds.as_object().unwrap().clone());
            let made = running.send("POST", "/v1/api-keys", Some(&tenant.key), Some(asked));
            let made = made.await;
            let key = made.json()["key"].as_str().unwrap().to_owned();
            let token = running.token(&key).await;
            for credential in [&key, &token] {
                let path = "/v1/identity-providers/staff";
                let body = Some(provider("policy:manage"));
                let stored = running.send("PUT", path, Some(credential), body).await;
                if name == "none" {
                    assert!(matches!(stored.status, 200 | 201), "{}", stored.text);
                } else {
                    assert_eq!(stored.slug(), "capability-missing", "{name}");
                }
            }
        }
    });
}

/// Whoever issues keys by bursts does not keep a revocation from being carried out.
#[test]
fn a_revocation_and_bursts_of_issues_do_not_lock_one_another_out() {
    on_own_platform(|_database, running| async move {
        let tenant = running.tenant("bursts").await;
        for round in 0..6 {
            let made = json!({ "capabilities": ["policy:manage", "api_keys:manage"] });
            let made = running.send("POST", "/v1/api-keys", Some(&tenant.key), Some(made));
            let made = made.await.json();
            let id = made["id"].as_str().unwrap().to_owned();
            let token = running.token(made["key"].as_str().unwrap()).await;
            let issue = json!({ "capabilities": ["policy:manage"] });
            let burst = (0..12)
                .map(|_| running.send("POST", "/v1/api-keys", Some(&token), Some(issue.clone())));
            let path = format!("/v1/api-keys/{id}");
            let ended = async {
                tokio::time::sleep(Duration::from_millis(5 * round)).await;
                running.send("DELETE", &path, Some(&tenant.key), None).await
            };
            let (ended, issued) = tokio::join!(ended, futures_util::future::join_all(burst));
            assert_eq!(ended.status, 204, "{round}: {}", ended.text);
            let is_plain = |answer: &Answer| matches!(answer.status, 201 | 401);
            assert!(issued.iter().all(is_plain), "{round}");
        }
    });
}

/// Each request's own event: the key that was shown, or that a token came from, or the login.
#[test]
fn an_event_says_which_credential_was_used() {
    on_platform(|running| async move {
        let tenant = running.tenant("which").await;
        let asked = json!({ "capabilities": ["audit:operate", "policy:manage"] });
        let made = running.send("POST", "/v1/api-keys", Some(&tenant.token), Some(asked));
        let made = made.await.json();
        let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
        let token = running.token(key).await;
        let session = login(running, &tenant, user(1)).await;
        let by_key = format!("api_key/{id}");
        let by_session = format!("session/{}", session.id);
        // Accepted or refused: what was shown is known.
        for (credential, expected) in [
            (key, &by_key),
            (token.as_str(), &by_key),
            (session.access.as_str(), &by_session),
        ] {
            running
                .send("GET", "/v1/policy", Some(credential), None)
                .await;
            let entries = running.entries(&tenant.token).await;
            assert_eq!(
                last_event(&entries, "policy.read")["credential"],
                **expected
            );
            running
                .send("GET", "/v1/keys", Some(credential), None)
                .await;
            let entries = running.entries(&tenant.token).await;
            let refused = last_event(&entries, "keys.list");
            assert_eq!(refused["outcome"], "refused");
            assert_eq!(refused["credential"], **expected);
        }
        let path = format!("/v1/api-keys/{id}");
        running
            .send("DELETE", &path, Some(&tenant.token), None)
            .await;
        running.send("GET", "/v1/policy", Some(key), None).await;
        let entries = running.entries(&tenant.token).await;
        let owner = format!("api_key/{}", tenant.key_id());
        assert_eq!(last_event(&entries, "api_key.revoke")["credential"], owner);
        let after = last_event(&entries, "policy.read");
        assert_eq!(
            (&after["outcome"], &after["credential"]),
            (&json!("refused"), &json!(by_key))
        );
        assert_eq!(last_event(&entries, "login")["credential"], by_session);
    });
}
