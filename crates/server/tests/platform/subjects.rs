//! Pseudonyms: what the log says of people can be computed from nothing, and is one person's on
//! every node.

use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use strongroom_server::login::derived_person;
use strongroom_tenancy::{ActorId, TenantId};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::database::{Database, database};
use crate::fake_issuer::FakeIssuer;
use crate::key_rotation::{chat, on_own_platform, post};
use crate::login::{connected, log_in, renew};
use crate::platform::{Answer, Running, Tenant, events_of, last_event, on_platform, second_node};
use crate::webhook_operations::until;

/// Somebody of whom the issuer says more than it has to.
const ALICE: &str = "alice@people.example";

pub(crate) fn id_token(running: &Running, issuer: &FakeIssuer, subject: &str) -> String {
    let mut claims = issuer.claims(running.app.clock.unix_seconds());
    claims["sub"] = json!(subject);
    claims["email"] = json!(ALICE);
    issuer.sign("ec", &claims)
}

/// A login that works: its answer, and who it is.
pub(crate) async fn logged_in(
    running: &Running,
    tenant: &Tenant,
    issuer: &FakeIssuer,
    subject: &str,
) -> (Value, ActorId) {
    let token = id_token(running, issuer, subject);
    let answer = log_in(running, &tenant.id.to_string(), "staff", &token).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    let access = answer["access_token"].as_str().unwrap();
    let verifier = running.app.token_keys.verifier().await.unwrap();
    let now = running.app.clock.unix_seconds();
    let actor = *verifier.verify(access, now).unwrap().claims().actor.id();
    (answer, actor)
}

pub(crate) async fn get(
    running: &Running,
    credential: &str,
    user: impl std::fmt::Display,
) -> Answer {
    let path = format!("/v1/subjects/{user}");
    running.send("GET", &path, Some(credential), None).await
}

pub(crate) async fn erase(running: &Running, tenant: &Tenant, mut body: Value) -> Answer {
    if body.get("reason").is_none() {
        body["reason"] = json!("they asked for it");
    }
    let path = "/v1/subjects/erase";
    running
        .send("POST", path, Some(&tenant.key), Some(body))
        .await
}

/// The exact bytes of a tenant's entries, and of what waits for its place.
async fn leaves(superuser: &Client, tenant: TenantId) -> Vec<Vec<u8>> {
    let sql = "select leaf from app.audit_leaves where tenant_id = $1 \
         union all select leaf from app.audit_staged where tenant_id = $1";
    let rows = superuser.query(sql, &[tenant.as_uuid()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Ids that somebody who knows tenant, issuer, subject and address could come to.
fn computed(tenant: &Tenant, issuer: &str, subject: &str) -> Vec<Vec<u8>> {
    let id = tenant.id.as_uuid();
    let uuid_text = id.to_string();
    let parts: [&[u8]; 5] = [
        id.as_bytes(),
        uuid_text.as_bytes(),
        issuer.as_bytes(),
        subject.as_bytes(),
        b"strongroom/login/person/v1",
    ];
    let with_length = |part: &[u8]| {
        let length = (part.len() as u64).to_be_bytes();
        [length.as_slice(), part].concat()
    };
    let context = [with_length(b"email"), with_length(ALICE.as_bytes())].concat();
    let mut inputs: Vec<Vec<u8>> = vec![subject.into(), ALICE.into(), context];
    for (a, first) in parts.iter().enumerate() {
        for (b, second) in parts.iter().enumerate() {
            for (c, third) in parts.iter().enumerate() {
                if a == b || b == c || a == c {
                    continue;
                }
                for between in [b"".as_slice(), b"|", b":", b"/", b"\n", b"\0", b" "] {
                    inputs.push([*first, *second].join(between));
                    inputs.push([*first, *second, *third].join(between));
                }
                let both = [first, second].map(|part| with_length(part)).concat();
                inputs.push([both.clone(), with_length(third)].concat());
                inputs.push([parts[4], &both, &with_length(third)].concat());
                inputs.push(both);
            }
        }
    }
    let mut ids = Vec::new();
    for input in &inputs {
        for algorithm in [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256, &SHA384, &SHA512] {
            let named = [Uuid::NAMESPACE_OID.as_bytes(), input.as_slice()].concat();
            let url = [Uuid::NAMESPACE_URL.as_bytes(), input.as_slice()].concat();
            for hashed in [input, &named, &url] {
                ids.extend(shapes(digest(algorithm, hashed).as_ref()));
            }
        }
        for key in parts {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            ids.extend(shapes(hmac::sign(&key, input).as_ref()));
        }
    }
    ids
}

/// A hash as an id: its bytes, as a UUID of any version, in hexadecimal.
fn shapes(hash: &[u8]) -> Vec<Vec<u8>> {
    let mut first: [u8; 16] = hash[..16].try_into().unwrap();
    let mut shapes = vec![first.to_vec(), hex::encode(&hash[..8]).into_bytes()];
    first[8] = first[8] & 0x3f | 0x80;
    for version in [3, 4, 5, 8] {
        first[6] = first[6] & 0x0f | version << 4;
        shapes.push(first.to_vec());
        shapes.push(Uuid::from_bytes(first).to_string().into_bytes());
    }
    shapes
}

#[test]
fn no_leaf_says_of_anybody_what_can_be_computed() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "computing").await;
        let (session, alice) = logged_in(running, &tenant, &issuer, ALICE).await;
        assert_eq!(alice.id().get_version_num(), 4, "of random bits");
        // It was staged, and comes by itself: not between the two looks that are compared.
        until("the log has that she was made", || async {
            let entries = running.entries(&tenant.key).await;
            (events_of(&entries, "subject.made") == 1).then_some(())
        })
        .await;
        // Calls by a session, an API key and a token; what is refused; what is ended.
        let access = session["access_token"].as_str().unwrap();
        assert_eq!(
            running.entries(access).await.len(),
            running.entries(&tenant.key).await.len() - 1
        );
        assert_eq!(chat(running, &tenant).await.status, 200);
        assert_eq!(renew(running, &session).await.status, 200);
        let denied = get(running, access, alice).await;
        assert_eq!(denied.slug(), "capability-missing");
        let stale = {
            let mut claims = issuer.claims(running.app.clock.unix_seconds() - 900);
            claims["sub"] = json!(ALICE);
            issuer.sign("rsa", &claims)
        };
        let refused = log_in(running, &tenant.id.to_string(), "staff", &stale).await;
        assert_eq!(refused.slug(), "credential-refused");
        assert_eq!(get(running, &tenant.key, alice).await.status, 200);
        // What a service seals for her, by a name of its own, and its end.
        let sealing =
            json!({ "context": { "email": ALICE }, "plaintext": "", "subject": "user:alice" });
        let sealed = post(running, &tenant, "/v1/seal", sealing).await;
        assert_eq!(sealed.status, 200, "{}", sealed.text);
        let body = json!({ "subject": "user:alice", "reason": "alice asked for it" });
        let shredded = post(running, &tenant, "/v1/keys/shred", body).await;
        assert_eq!(shredded.status, 200, "{}", shredded.text);
        let named = json!({ "iss": issuer.base, "sub": ALICE });
        assert_eq!(erase(running, &tenant, named).await.status, 200);

        let superuser = database().sql("postgres").await;
        let all = leaves(&superuser, tenant.id).await;
        assert!(all.len() > 12, "{}", all.len());
        let text = alice.id().to_string();
        let is_hers =
            |leaf: &&Vec<u8>| has(leaf, alice.id().as_bytes()) || has(leaf, text.as_bytes());
        let of_alice = all.iter().filter(is_hers).count();
        assert!(of_alice >= 8, "{of_alice}");
        let ids = computed(&tenant, &issuer.base, ALICE);
        let derived = derived_person(&tenant.id, &issuer.base, ALICE).unwrap();
        assert!(
            ids.contains(&derived.id().as_bytes().to_vec()),
            "what earlier versions wrote"
        );
        let said = [
            ALICE,
            "alice",
            "people.example",
            issuer.base.as_str(),
            "127.0.0.1",
        ];
        for leaf in &all {
            for text in said {
                assert!(!has(leaf, text.as_bytes()), "{text}");
            }
            let windows: HashSet<&[u8]> = leaf.windows(16).chain(leaf.windows(36)).collect();
            let found = ids.iter().find(|id| windows.contains(id.as_slice()));
            assert_eq!(found, None);
        }
    });
}

/// Nothing is kept of somebody who was never let in.
#[test]
fn a_refused_login_names_nobody_whom_the_platform_does_not_know() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "strangers").await;
        let mut claims = issuer.claims(running.app.clock.unix_seconds());
        claims["nonce"] = json!("n-1");
        let token = issuer.sign("rsa", &claims);
        let refused = log_in(running, &tenant.id.to_string(), "staff", &token).await;
        assert_eq!(refused.slug(), "credential-refused");
        let entries = running.entries(&tenant.token).await;
        let event = last_event(&entries, "login");
        assert_eq!(
            (&event["outcome"], &event["actor"]),
            (&json!("refused"), &Value::Null)
        );
        let superuser = database().sql("postgres").await;
        let sql = "select from app.subjects where tenant_id = $1";
        let kept = superuser.query(sql, &[tenant.id.as_uuid()]).await.unwrap();
        assert!(kept.is_empty());
    });
}

#[test]
fn many_logins_at_once_on_two_nodes_are_one_person() {
    on_own_platform(|database: Arc<Database>, running| async move {
        let (tenant, issuer) = connected(&running, "two nodes").await;
        let other = second_node(&database, &running).await;
        let superuser = database.sql("postgres").await;
        for person in 0..4 {
            let subject = format!("person-{person}");
            let logins = (0..8).map(|number| {
                let node = if number % 2 == 0 { &running } else { &other };
                logged_in(node, &tenant, &issuer, &subject)
            });
            let mut actors: Vec<_> = futures_util::future::join_all(logins)
                .await
                .into_iter()
                .map(|(_, actor)| actor)
                .collect();
            actors.dedup();
            assert_eq!(actors.len(), 1, "{subject}");
            let sql = "select count(*) from app.subjects where tenant_id = $1";
            let rows = superuser.query_one(sql, &[tenant.id.as_uuid()]).await;
            assert_eq!(rows.unwrap().get::<_, i64>(0), person + 1);
        }
        // Each was made once, and the log says so.
        until("the log has what was made", || async {
            let entries = running.entries(&tenant.token).await;
            (events_of(&entries, "subject.made") == 4).then_some(())
        })
        .await;
    });
}
