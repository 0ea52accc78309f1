//! A key ends when it says, and nothing that came of it goes on without it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use strongroom_tenancy::{Actor, Role};
use strongroom_tenant_token::{Authentication, Claims, mint};
use uuid::Uuid;

use crate::database::actor;
use crate::platform::{Answer, Running, Tenant, on_platform};

const MANAGE: &str = "api_keys:manage";

async fn issue(running: &Running, credential: &str, expires_in: Option<u64>) -> Answer {
    let mut body = json!({ "capabilities": [MANAGE, "chat:create"] });
    if let Some(life) = expires_in {
        body["expires_in"] = json!(life);
    }
    running
        .send("POST", "/v1/api-keys", Some(credential), Some(body))
        .await
}

async fn issued(running: &Running, credential: &str, expires_in: Option<u64>) -> (String, Value) {
    let made = issue(running, credential, expires_in).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    (made["key"].as_str().unwrap().to_owned(), made)
}

async fn keys(running: &Running, tenant: &Tenant) -> Vec<Value> {
    let listed = running
        .send("GET", "/v1/api-keys", Some(&tenant.token), None)
        .await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    listed.json()["data"].as_array().unwrap().clone()
}

fn refused(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (401, "credential-refused"),
        "{}",
        answer.text
    );
}

#[test]
fn a_token_ends_with_its_key() {
    on_platform(|running| async move {
        let tenant = running.tenant("brief").await;
        let (key, made) = issued(running, &tenant.token, Some(60)).await;
        let answer = running
            .send("POST", "/v1/token", Some(&key), None)
            .await
            .json();
        let token = answer["access_token"].as_str().unwrap();
        let claims = URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["exp"], made["expires_at"]);
        assert!((1..=60).contains(&answer["expires_in"].as_u64().unwrap()));
        // A key that outlives them leaves tokens their own time.
        let (key, _) = issued(running, &tenant.token, Some(100_000)).await;
        let answer = running.send("POST", "/v1/token", Some(&key), None).await;
        assert_eq!(answer.json()["expires_in"], 900);
    });
}

#[test]
fn a_key_does_not_outlive_its_issuer() {
    on_platform(|running| async move {
        let tenant = running.tenant("heirs").await;
        let (parent, made) = issued(running, &tenant.token, Some(600)).await;
        let token = running.token(&parent).await;
        for credential in [&parent, &token] {
            let longer = issue(running, credential, Some(601 + 60)).await;
            assert_eq!(
                (longer.status, longer.slug().as_str()),
                (400, "invalid-field")
            );
            assert_eq!(longer.json()["error"]["param"], "expires_in");
            let (_, heir) = issued(running, credential, None).await;
            assert_eq!(heir["expires_at"], made["expires_at"]);
            let (_, brief) = issued(running, credential, Some(60)).await;
            assert!(brief["expires_at"].as_u64() < made["expires_at"].as_u64());
            let listed = keys(running, &tenant).await;
            for child in [&heir, &brief] {
                let listed = listed.iter().find(|key| key["id"] == child["id"]).unwrap();
                assert_eq!(listed["issued_by"], made["id"]);
            }
        }
        // The first key has no issuer, and its own heirs no end.
        let listed = keys(running, &tenant).await;
        let first: Vec<_> = listed.iter().filter(|k| k["issued_by"].is_null()).collect();
        assert_eq!(first.len(), 1);
        let (_, endless) = issued(running, &tenant.token, None).await;
        assert!(endless["expires_at"].is_null());
    });
}

#[test]
fn a_key_that_is_over_issues_none_through_its_tokens() {
    on_platform(|running| async move {
        let tenant = running.tenant("over").await;
        let (revoked, made) = issued(running, &tenant.token, None).await;
        let token = running.token(&revoked).await;
        let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
        let gone = running
            .send("DELETE", &path, Some(&tenant.token), None)
            .await;
        assert_eq!(gone.status, 204);
        let (_, brief) = issued(running, &tenant.token, Some(1)).await;
        tokio::time::sleep(Duration::from_millis(2100)).await;

        let before = keys(running, &tenant).await.len();
        refused(&issue(running, &token, None).await);
        // A key that has expired, and one that was never there.
        for key in [brief["id"].as_str().unwrap(), "TestsOwnKey1"] {
            let now = running.app.clock.unix_seconds();
            let claims = Claims {
                issuer: running.app.config.issuer.clone(),
                audience: running.app.config.audience.clone(),
                tenant: tenant.id,
                actor: Actor::new(actor()),
                capabilities: Role::Owner.capabilities(),
                issued_at: now,
                expires_at: now + 900,
                token_id: Uuid::from_u128(1),
                session_id: Uuid::from_u128(2),
                client_id: key.to_owned(),
                authentication: Authentication::at(now),
                epoch: 0,
            };
            let key = running.app.token_keys.signing().await.unwrap();
            let token = mint(&key, &claims).unwrap();
            refused(&issue(running, &token, None).await);
        }
        assert_eq!(keys(running, &tenant).await.len(), before);
    });
}

#[test]
fn keys_are_listed_in_pages_that_lose_none() {
    on_platform(|running| async move {
        let tenant = running.tenant("pages").await;
        let list = async |query: &str| {
            let path = format!("/v1/api-keys?{query}");
            running.send("GET", &path, Some(&tenant.token), None).await
        };
        let ids = |answer: &Answer| -> Vec<String> {
            assert_eq!(answer.status, 200, "{}", answer.text);
            let answer = answer.json();
            let data = answer["data"].as_array().unwrap().iter();
            data.map(|key| key["id"].as_str().unwrap().to_owned())
                .collect()
        };
        // The owner's key is the oldest, so that none of the others is it.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let (parent, made) = issued(running, &tenant.token, None).await;
        let parent_id = made["id"].as_str().unwrap().to_owned();
        let mut heirs = Vec::new();
        for _ in 0..4 {
            let (_, heir) = issued(running, &parent, None).await;
            heirs.push(heir["id"].as_str().unwrap().to_owned());
        }
        let all = ids(&list("").await);
        assert_eq!(all.len(), 6);
        assert_eq!(list("limit=6").await.json()["next"], Value::Null);

        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("limit=2{after}")).await;
            // What is revoked on the way does not move a page's begin.
            if seen.is_empty() {
                let last = ids(&page).pop().unwrap();
                let path = format!("/v1/api-keys/{last}");
                let gone = running
                    .send("DELETE", &path, Some(&tenant.token), None)
                    .await;
                assert_eq!(gone.status, 204);
            }
            seen.extend(ids(&page));
            match page.json()["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen, all);

        heirs.sort();
        let mut by_parent = ids(&list(&format!("issued_by={parent_id}")).await);
        by_parent.sort();
        assert_eq!(by_parent, heirs);
        issued(running, &tenant.token, Some(1)).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let (over, revoked) = (list("state=over").await, list("state=revoked").await);
        assert_eq!((ids(&over).len(), ids(&revoked).len()), (1, 1));
        let accepted = list("state=accepted&limit=1000").await;
        assert_eq!(ids(&accepted).len(), 5);
        for key in accepted.json()["data"].as_array().unwrap() {
            assert_eq!(key["state"], "accepted");
        }

        let stranger = running.tenant("pages-of-another").await;
        for (query, field) in [
            ("limit=0".to_owned(), "limit"),
            ("limit=1001".to_owned(), "limit"),
            ("limit=all".to_owned(), "limit"),
            ("after=TestsOwnKey1".to_owned(), "after"),
            (format!("after={}", stranger.key_id()), "after"),
            ("issued_by=x".to_owned(), "issued_by"),
            ("state=live".to_owned(), "state"),
        ] {
            let refused = list(&query).await;
            assert_eq!(refused.slug(), "invalid-field", "{query}");
            assert_eq!(refused.json()["error"]["param"], field);
        }
        assert_eq!(list("order=id").await.slug(), "malformed-request");
        assert_eq!(
            ids(&list(&format!("issued_by={}", stranger.key_id())).await),
            [""; 0]
        );
    });
}
