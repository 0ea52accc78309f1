//! Logging in with another issuer's ID token: who is let in, as whom, to do what; and that every
//! refusal looks the same from outside.

use serde_json::{Value, json};
use strongroom_server::subjects::Identity;
use strongroom_tenancy::ActorId;
use strongroom_tenant_token::Claims;

use crate::database::{Database, database, folder, request_id};
use crate::fake_issuer::{Answer as IssuerAnswer, FakeIssuer};
use crate::platform::{Answer, Running, Tenant, on_platform, on_runtime, start};
use crate::token_renewal::form;

/// A connection to the fake issuer.
pub(crate) fn connection(issuer: &FakeIssuer) -> Value {
    json!({
        "profile": "oidc",
        "issuer": issuer.base,
        "client_id": "console",
        "jwks_url": issuer.url().as_str(),
        "algorithms": ["RS256", "ES256"],
        "capabilities": ["chat:create", "audit:read"],
    })
}

pub(crate) async fn store(running: &Running, tenant: &Tenant, name: &str, body: Value) -> Answer {
    let path = format!("/v1/identity-providers/{name}");
    running
        .send("PUT", &path, Some(&tenant.token), Some(body))
        .await
}

pub(crate) async fn log_in(running: &Running, tenant: &str, provider: &str, token: &str) -> Answer {
    let body = json!({ "tenant_id": tenant, "id_token": token });
    let path = format!("/v1/login/{provider}");
    running.send("POST", &path, None, Some(body)).await
}

/// Who somebody is in the tenant's log.
pub(crate) async fn person(
    running: &Running,
    tenant: &Tenant,
    issuer: &str,
    subject: &str,
) -> ActorId {
    let who = Identity::new(issuer, subject);
    let request = request_id();
    let actor = running.app.subjects.actor(tenant.id, &who, &request);
    actor.await.unwrap()
}

/// The claims of the access token that a login was answered with.
async fn session(running: &Running, answer: &Answer) -> Claims {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let now = running.app.clock.unix_seconds();
    let verified = running
        .app
        .token_keys
        .verifier()
        .await
        .unwrap()
        .verify(&token, now)
        .unwrap();
    verified.claims().clone()
}

/// A tenant that lets the fake issuer's people in.
pub(crate) async fn connected(running: &Running, name: &str) -> (Tenant, FakeIssuer) {
    let tenant = running.tenant(name).await;
    let issuer = FakeIssuer::start().await;
    let made = store(running, &tenant, "staff", connection(&issuer)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (tenant, issuer)
}

/// The events of one kind in the tenant's log.
async fn events(running: &Running, tenant: &Tenant, kind: &str) -> Vec<Value> {
    let entries = running.entries(&tenant.token).await;
    let events = entries.iter().map(|entry| entry["event"].clone());
    events.filter(|event| event["kind"] == kind).collect()
}

#[test]
fn an_id_token_of_either_kind_begins_a_session() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "logging in").await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let alice = person(running, &tenant, &issuer.base, "alice").await;
        for kid in ["rsa", "ec"] {
            let token = issuer.sign(kid, &issuer.claims(now));
            let claims = session(running, &log_in(running, &id, "staff", &token).await).await;
            assert_eq!(claims.tenant, tenant.id);
            assert_eq!(claims.actor.id(), &alice, "the same at each login");
            assert_eq!(claims.capabilities.to_string(), "chat:create audit:read");
            assert_eq!(claims.client_id, "login:staff");
            assert_eq!(claims.authentication.time, now - 5);
            assert_eq!(claims.authentication.methods, ["pwd"]);
        }
        // The session is one of the platform's own.
        let token = issuer.sign("rsa", &issuer.claims(now));
        let answer = log_in(running, &id, "staff", &token).await.json();
        let access = answer["access_token"].as_str().unwrap();
        assert!(answer["refresh_token"].is_string());
        let log = "/v1/audit/log";
        let read = running.send("GET", log, Some(access), None).await;
        assert_eq!(read.status, 200, "{}", read.text);
        let policy = running.send("GET", "/v1/policy", Some(access), None).await;
        assert_eq!(policy.slug(), "capability-missing");
        let logins = events(running, &tenant, "login").await;
        assert_eq!(logins.len(), 3);
        for login in logins {
            assert_eq!(login["outcome"], "success");
            assert!(login.to_string().contains(&alice.to_string()));
        }
        let mut bob = issuer.claims(now);
        bob["sub"] = json!("bob");
        let answer = log_in(running, &id, "staff", &issuer.sign("ec", &bob)).await;
        assert_ne!(session(running, &answer).await.actor.id(), &alice);
        // The same person of another tenant is another actor.
        let other = running.tenant("logging in elsewhere").await;
        assert_eq!(
            store(running, &other, "staff", connection(&issuer))
                .await
                .status,
            201
        );
        let token = issuer.sign("rsa", &issuer.claims(now));
        let answer = log_in(running, &other.id.to_string(), "staff", &token).await;
        let claims = session(running, &answer).await;
        assert_eq!(claims.tenant, other.id);
        assert_ne!(claims.actor.id(), &alice);
    });
}

pub(crate) async fn renew(running: &Running, session: &Value) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "login:staff"),
        ("refresh_token", session["refresh_token"].as_str().unwrap()),
    ];
    form(&running.base, "/oauth/token", &fields).await
}

pub(crate) async fn sessions(running: &Running, tenant: &Tenant) -> usize {
    let token = running.token(&tenant.key).await;
    let listed = running.send("GET", "/v1/sessions", Some(&token), None);
    let listed = listed.await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    listed.json()["data"].as_array().unwrap().len()
}

pub(crate) async fn revoke(running: &Running, tenant: &Tenant, what: Value) {
    let path = "/v1/revocations";
    let ended = running.send("POST", path, Some(&tenant.token), Some(what));
    assert_eq!(ended.await.status, 204);
}

#[test]
fn every_refusal_is_one_answer_and_only_signed_ones_reach_the_log() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "refusing").await;
        let stranger = running.tenant("without a provider").await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let good = issuer.sign("rsa", &issuer.claims(now));
        let with = |name: &str, value: Value| {
            let mut claims = issuer.claims(now);
            claims[name] = value;
            issuer.sign("rsa", &claims)
        };
        let forged = format!("{good}AAAA");
        let nobody = "0190b2a4-8c7e-7d3a-9f00-0242ac120099".to_owned();
        let unsigned = [
            (&id, "staff", forged.clone()),
            (&id, "staff", "nonsense".to_owned()),
            (&id, "staff", "A".repeat(16_385)),
            (&id, "nobody", good.clone()),
            (&id, "No%20Name", good.clone()),
            (&stranger.id.to_string(), "staff", good.clone()),
            (&nobody, "staff", good.clone()),
        ];
        let signed = [
            (&id, "staff", with("iss", json!("https://evil.example"))),
            (&id, "staff", with("aud", json!("other"))),
            (&id, "staff", with("exp", json!(now - 1))),
            (&id, "staff", with("iat", json!(now - 601))),
            (&id, "staff", with("nonce", json!("n-1"))),
            (&id, "staff", with("sub", json!(""))),
        ];
        let alice = person(running, &tenant, &issuer.base, "alice")
            .await
            .to_string();
        let mut answers = Vec::new();
        for (tenant, provider, token) in unsigned.iter().chain(&signed) {
            let answer = log_in(running, tenant, provider, token).await;
            assert_eq!(answer.slug(), "credential-refused", "{provider} {token}");
            let mut document = answer.problem();
            document["request_id"] = Value::Null;
            document["instance"] = Value::Null;
            answers.push((answer.status, document));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        let refused = events(running, &tenant, "login").await;
        assert_eq!(refused.len(), signed.len());
        for event in &refused {
            assert_eq!(event["outcome"], "refused");
            assert_eq!(event["reason"], "credential-refused");
        }
        // Whom the issuer names is in the log once it is the issuer who names them.
        let named = refused
            .iter()
            .filter(|event| event.to_string().contains(&alice));
        assert_eq!(
            named.count(),
            4,
            "not of another issuer's token, nor without a subject"
        );
        assert!(events(running, &stranger, "login").await.is_empty());
    });
}

#[test]
fn a_nonce_binds_a_token_to_its_login() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "nonces").await;
        let now = running.app.clock.unix_seconds();
        let mut claims = issuer.claims(now);
        claims["nonce"] = json!("n-1");
        let token = issuer.sign("ec", &claims);
        let bare = issuer.sign("ec", &issuer.claims(now));
        let ask = async |token: &str, nonce: Value| {
            let body = json!({ "tenant_id": tenant.id, "id_token": token, "nonce": nonce });
            running
                .send("POST", "/v1/login/staff", None, Some(body))
                .await
        };
        assert_eq!(ask(&token, json!("n-1")).await.status, 200);
        assert_eq!(ask(&bare, Value::Null).await.status, 200);
        for (token, nonce) in [
            (&token, json!("n-2")),
            (&token, Value::Null),
            (&bare, json!("n-1")),
        ] {
            assert_eq!(ask(token, nonce).await.slug(), "credential-refused");
        }
        for nonce in ["".to_owned(), "n".repeat(256)] {
            let refused = ask(&token, json!(nonce)).await;
            assert_eq!(refused.slug(), "invalid-field");
            assert_eq!(refused.json()["error"]["param"], "nonce");
        }
        for (field, body) in [
            (
                "tenant_id",
                json!({ "tenant_id": "acme", "id_token": bare }),
            ),
            ("id_token", json!({ "tenant_id": tenant.id })),
            (
                "password",
                json!({ "tenant_id": tenant.id, "id_token": bare, "password": "x" }),
            ),
        ] {
            let refused = running
                .send("POST", "/v1/login/staff", None, Some(body))
                .await;
            assert_eq!(refused.status, 400, "{field}");
        }
    });
}

#[test]
fn a_connection_lets_nobody_do_more_than_who_made_it() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "narrow").await;
        let body = json!({ "capabilities": ["identity:manage", "chat:create"] });
        let made = running
            .send("POST", "/v1/api-keys", Some(&tenant.token), Some(body))
            .await;
        let weak = made.json()["key"].as_str().unwrap().to_owned();
        let path = "/v1/identity-providers/staff";
        let wider = running
            .send("PUT", path, Some(&weak), Some(connection(&issuer)))
            .await;
        assert_eq!(wider.slug(), "capability-missing");
        assert_eq!(wider.json()["error"]["param"], "capabilities");
        let mut narrow = connection(&issuer);
        narrow["capabilities"] = json!(["chat:create"]);
        let replaced = running.send("PUT", path, Some(&weak), Some(narrow)).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        let answer = log_in(running, &tenant.id.to_string(), "staff", &token).await;
        let claims = session(running, &answer).await;
        assert_eq!(
            claims.capabilities.to_string(),
            "chat:create",
            "at the next login"
        );
    });
}

/// With keys of one's own for an issuer that is trusted one would be anybody whom it knows.
#[test]
fn an_issuer_has_its_keys_in_one_place() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "impostors").await;
        let mut own = connection(&issuer);
        own["jwks_url"] = json!("http://127.0.0.1:1/keys");
        let refused = store(running, &tenant, "impostor", own.clone()).await;
        assert_eq!(refused.slug(), "conflict");
        assert_eq!(refused.json()["error"]["param"], "issuer");
        let mut same = connection(&issuer);
        same["client_id"] = json!("another");
        let made = store(running, &tenant, "same", same).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let replaced = store(running, &tenant, "same", own.clone()).await;
        assert_eq!(replaced.slug(), "conflict");
        // Another tenant's connections are nobody's business, and those that are gone.
        let stranger = running.tenant("no impostor").await;
        let made = store(running, &stranger, "staff", own.clone()).await;
        assert_eq!(made.status, 201, "{}", made.text);
        for name in ["staff", "same"] {
            let path = format!("/v1/identity-providers/{name}");
            let deleted = running.send("DELETE", &path, Some(&tenant.token), None);
            assert_eq!(deleted.await.status, 204);
        }
        let made = store(running, &tenant, "moved", own).await;
        assert_eq!(made.status, 201, "{}", made.text);
    });
}

#[test]
fn many_who_store_at_once_are_counted_one_after_another() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "counting").await;
        for number in 1..19 {
            let name = format!("staff-{number}");
            let made = store(running, &tenant, &name, connection(&issuer)).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        // All have counted before one writes, unless one who counts keeps the others from it. By a
        // key: who comes with a token does so in any case.
        let superuser = database().sql("postgres").await;
        let hold = "begin; lock table app.identity_providers in share mode";
        superuser.batch_execute(hold).await.unwrap();
        let asks = (0..4).map(async |number| {
            let path = format!("/v1/identity-providers/last-{number}");
            let body = connection(&issuer);
            running
                .send("PUT", &path, Some(&tenant.key), Some(body))
                .await
        });
        let letting = async {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            superuser.batch_execute("commit").await.unwrap();
        };
        let asks = futures_util::future::join_all(asks);
        let (answers, ()) = futures_util::future::join(asks, letting).await;
        let made = answers.iter().filter(|answer| answer.status == 201);
        assert_eq!(made.count(), 1);
        let refused = answers.iter().filter(|answer| answer.status != 201);
        for answer in refused {
            assert_eq!(answer.slug(), "conflict");
        }
    });
}

#[test]
fn connections_are_the_tenants_own_listed_and_deleted_at_once() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "connections").await;
        let stranger = running.tenant("other connections").await;
        let path = "/v1/identity-providers/staff";
        let read = running.send("GET", path, Some(&tenant.token), None).await;
        assert_eq!(read.json()["issuer"], issuer.base.as_str());
        assert_eq!(read.json()["max_age_seconds"], 600);
        let all = "/v1/identity-providers";
        let listed = running.send("GET", all, Some(&tenant.token), None).await;
        assert_eq!(listed.json()["data"], json!([read.json()]));
        let theirs = running.send("GET", all, Some(&stranger.token), None).await;
        assert_eq!(theirs.json()["data"], json!([]));
        for method in ["GET", "DELETE"] {
            let refused = running
                .send(method, path, Some(&stranger.token), None)
                .await;
            assert_eq!(refused.slug(), "not-found");
        }
        for name in ["a%00b", "STAFF", "%F0%9F%94%91"] {
            let path = format!("/v1/identity-providers/{name}");
            for method in ["GET", "DELETE"] {
                let refused = running.send(method, &path, Some(&tenant.token), None).await;
                assert_eq!(refused.slug(), "not-found", "{method} {name}");
            }
            let refused = log_in(running, &tenant.id.to_string(), name, "x").await;
            assert_eq!(refused.slug(), "credential-refused", "{name}");
        }
        for (name, field, change) in [
            ("staff", "issuer", json!({ "issuer": "ftp://e.com" })),
            ("staff", "algorithms", json!({ "algorithms": ["none"] })),
            (
                "staff",
                "jwks_url",
                json!({ "jwks_url": "https://u@e.com/" }),
            ),
            ("STAFF", "name", json!({})),
        ] {
            let mut body = connection(&issuer);
            for (name, value) in change.as_object().unwrap() {
                body[name] = value.clone();
            }
            let refused = store(running, &tenant, name, body).await;
            assert_eq!(refused.slug(), "invalid-field", "{field}");
            assert_eq!(refused.json()["error"]["param"], field);
        }
        for number in 0..19 {
            let name = format!("staff-{number}");
            let made = store(running, &tenant, &name, connection(&issuer)).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        let many = store(running, &tenant, "staff-19", connection(&issuer)).await;
        assert_eq!(many.slug(), "conflict");
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        assert_eq!(log_in(running, &id, "staff", &token).await.status, 200);
        let deleted = running
            .send("DELETE", path, Some(&tenant.token), None)
            .await;
        assert_eq!(deleted.status, 204, "{}", deleted.text);
        let refused = log_in(running, &id, "staff", &token).await;
        assert_eq!(refused.slug(), "credential-refused");
        let gone = running
            .send("DELETE", path, Some(&tenant.token), None)
            .await;
        assert_eq!(gone.slug(), "not-found");
        let again = store(running, &tenant, "staff", connection(&issuer)).await;
        assert_eq!(again.status, 201);
        assert_eq!(log_in(running, &id, "staff", &token).await.status, 200);
        for (kind, count) in [
            ("identity_provider.store", 21),
            ("identity_provider.delete", 1),
        ] {
            let done = events(running, &tenant, kind).await;
            let done = done.iter().filter(|event| event["outcome"] == "success");
            assert_eq!(done.count(), count, "{kind}");
        }
    });
}

#[test]
fn without_the_issuers_keys_a_login_is_to_be_tried_again() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "keyless").await;
        issuer.answer(IssuerAnswer::Status(500));
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        let answer = log_in(running, &tenant.id.to_string(), "staff", &token).await;
        assert_eq!(answer.slug(), "unavailable");
        assert_eq!(answer.header("retry-after"), "10");
    });
}

#[test]
fn who_logs_in_too_often_is_told_when_to_come_back() {
    let limits = [
        ("STRONGROOM_LIMITS_CALLER_PER_SECOND", "1"),
        ("STRONGROOM_LIMITS_CALLER_BURST", "2"),
    ];
    on_runtime(async move {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &limits).await;
        let (tenant, issuer) = connected(&running, "often").await;
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("ec", &issuer.claims(now));
        let id = tenant.id.to_string();
        // Who they are and what the issuer's keys are is known by then, and the rest is quick.
        assert_eq!(log_in(&running, &id, "staff", &token).await.status, 200);
        let asks = (0..40).map(|_| log_in(&running, &id, "staff", &token));
        let answers = futures_util::future::join_all(asks).await;
        assert!(answers.iter().any(|answer| answer.status == 200));
        let limited: Vec<_> = answers.iter().filter(|one| one.status == 429).collect();
        assert!(limited.len() >= 5, "{}", limited.len());
        assert!(!limited[0].header("retry-after").is_empty());
    });
}
