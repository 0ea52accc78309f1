//! Sealing for services, and shredding: what is destroyed is unreadable on every node.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_tenancy::TenantId;

use crate::key_rotation::{chat, count, on_own_platform, open, plaintext, post, seal, sealing};
use crate::platform::{on_platform, second_node};

#[test]
fn services_seal_and_open_and_their_log_says_so() {
    on_platform(|running| async move {
        let tenant = running.tenant("services").await;
        let other = running.tenant("other-services").await;
        for more in [
            json!({}),
            json!({ "form": "inline" }),
            json!({ "subject": "user:17" }),
            json!({ "subject": "user:17", "form": "inline" }),
        ] {
            let sealed = seal(running, &tenant, "ada@example.com", more.clone()).await;
            let subject = more.get("subject").cloned();
            let expected = subject.map_or(json!({}), |subject| json!({ "subject": subject }));
            let opened = open(running, &tenant, &sealed, expected.clone()).await;
            assert_eq!(plaintext(&opened), "ada@example.com");
            let mut altered = STANDARD.decode(&sealed).unwrap();
            *altered.last_mut().unwrap() ^= 1;
            let wrong_context = json!({ "context": { "table": "users", "id": "18" } });
            let mut elsewhere = expected.clone();
            let (Some(map), Value::Object(wrong)) = (elsewhere.as_object_mut(), wrong_context)
            else {
                panic!("no object");
            };
            map.extend(wrong);
            for (who, record, more) in [
                (&other, sealed.clone(), expected.clone()),
                (&tenant, STANDARD.encode(&altered), expected.clone()),
                (&tenant, sealed.clone(), elsewhere),
                (&tenant, sealed.clone(), json!({ "subject": "user:18" })),
                (&tenant, STANDARD.encode("no record"), json!({})),
            ] {
                let refused = open(running, who, &record, more).await;
                let said = (refused.status, refused.slug());
                assert_eq!(said, (400, "record-unopened".to_owned()));
            }
        }
        for (body, field) in [
            (json!({ "context": {}, "plaintext": "" }), "context"),
            (
                json!({ "context": { "strongroom:use": "x" }, "plaintext": "" }),
                "context",
            ),
            (
                json!({ "context": { "a": "b" }, "plaintext": "?" }),
                "plaintext",
            ),
            (
                json!({ "context": { "a": "b" }, "plaintext": STANDARD.encode(vec![0; 65537]) }),
                "plaintext",
            ),
            (
                json!({ "context": { "a": "b" }, "plaintext": "", "form": "other" }),
                "form",
            ),
            (
                json!({ "context": { "a": "b" }, "plaintext": "", "subject": "tenant" }),
                "subject",
            ),
        ] {
            let refused = post(running, &tenant, "/v1/seal", body).await;
            assert_eq!(refused.slug(), "invalid-field", "{field}");
            assert_eq!(refused.json()["error"]["param"], field);
        }
        let entries = running.entries(&tenant.token).await;
        let of_kind = |kind: &str| {
            let of_kind = entries.iter().filter(|entry| {
                entry["event"]["kind"] == kind && entry["event"]["outcome"] == "success"
            });
            of_kind
                .map(|entry| entry["index"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let (sealed, opened) = (of_kind("keys.seal"), of_kind("keys.open"));
        assert_eq!((sealed.len(), opened.len()), (4, 4));
        let mut hashes = HashSet::new();
        for index in sealed.into_iter().chain(opened) {
            let path = format!("/v1/audit/entries/{index}/payload");
            let payload = running.send("GET", &path, Some(&tenant.token), None).await;
            let hash = payload.json()["fields"]["context"].clone();
            hashes.insert(hash.as_str().unwrap().to_owned());
        }
        assert_eq!(hashes.len(), 1, "one context");
        let hash = hashes.into_iter().next().unwrap();
        assert_eq!(hash.len(), 64);
        let text = serde_json::to_string(&entries).unwrap();
        assert!(!text.contains("users"), "no value of a context");
        assert!(!text.contains(&hash), "nor what can be computed of it");
    });
}

#[test]
fn services_cannot_open_what_the_platform_sealed() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("insider").await;
        let superuser = database.sql("postgres").await;
        let sealed: Vec<u8> = superuser
            .query_one(
                "select sealed from app.provider_credentials where tenant_id = $1",
                &[tenant.id.as_uuid()],
            )
            .await
            .unwrap()
            .get(0);
        let record = STANDARD.encode(sealed);
        let context = json!({ "context": { "purpose": "provider-credential", "name": "default" } });
        let refused = open(&running, &tenant, &record, context).await;
        assert_eq!(refused.slug(), "record-unopened");
        assert_eq!(chat(&running, &tenant).await.status, 200);
        let row = superuser
            .query_one(
                "select event_id::text, sealed from app.audit_payloads where tenant_id = $1 limit 1",
                &[tenant.id.as_uuid()],
            )
            .await
            .unwrap();
        let (event, sealed): (String, Vec<u8>) = (row.get(0), row.get(1));
        let context = json!({ "context": { "purpose": "audit-payload", "event": event } });
        let refused = open(&running, &tenant, &STANDARD.encode(sealed), context).await;
        assert_eq!(refused.slug(), "record-unopened");
    });
}

#[test]
fn a_shredded_subject_is_unreadable_on_a_second_node_when_the_call_returns() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("shredding").await;
        let second = second_node(&database, &running).await;
        let of = |subject: &str| json!({ "subject": subject });
        let mut doomed = Vec::new();
        for form in ["detached", "inline"] {
            let more = json!({ "subject": "user:17", "form": form });
            doomed.push(seal(&running, &tenant, "forget me", more).await);
        }
        let kept = seal(&running, &tenant, "keep me", of("user:18")).await;
        for sealed in &doomed {
            // In the second node's memory.
            let opened = open(&second, &tenant, sealed, of("user:17")).await;
            assert_eq!(plaintext(&opened), "forget me");
        }
        let refused = post(&running, &tenant, "/v1/keys/shred", of("user:17")).await;
        assert_eq!(refused.slug(), "reason-required");
        let stranger = json!({ "subject": "user:nobody", "reason": "x" });
        let refused = post(&running, &tenant, "/v1/keys/shred", stranger).await;
        assert_eq!(refused.slug(), "not-found");
        let body = json!({ "subject": "user:17", "reason": "erasure request 4" });
        let asked = Instant::now();
        let shredded = post(&running, &tenant, "/v1/keys/shred", body).await;
        assert_eq!(shredded.status, 200, "{}", shredded.text);
        assert!(
            asked.elapsed() >= Duration::from_secs(2),
            "every lease is over"
        );
        for node in [&*running, &second] {
            for sealed in &doomed {
                let refused = open(node, &tenant, sealed, of("user:17")).await;
                assert_eq!(refused.slug(), "record-unopened");
            }
            let opened = open(node, &tenant, &kept, of("user:18")).await;
            assert_eq!(plaintext(&opened), "keep me");
            let again = post(node, &tenant, "/v1/seal", sealing("x", of("user:17"))).await;
            let said = (again.status, again.slug());
            assert_eq!(
                said,
                (410, "key-destroyed".to_owned()),
                "it does not come back"
            );
        }
        let receipts = shredded.json()["receipts"].as_array().unwrap().clone();
        let names: Vec<_> = receipts
            .iter()
            .map(|receipt| receipt["key"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["export/user:17", "user:17"]);
        for receipt in &receipts {
            let at = receipt["destroyed_at"].as_u64().unwrap();
            assert_eq!(receipt["versions"], json!([1]));
            assert!(receipt["copies_gone_at"].as_u64().unwrap() >= at + 2);
            assert_eq!(receipt["backups_gone_at"], at + 35 * 86_400);
        }
        let entries = running.entries(&tenant.token).await;
        let event = entries.iter().find(|entry| {
            entry["event"]["kind"] == "keys.shred" && entry["event"]["outcome"] == "success"
        });
        let resource = event.unwrap()["event"]["resource"].as_str().unwrap();
        assert!(resource.starts_with("shredding/"), "{resource}");
        let of_it = |entry: &&Value| entry["event"]["resource"] == resource;
        assert_eq!(entries.iter().filter(of_it).count(), 3);
        let leaves = serde_json::to_string(&entries).unwrap();
        assert!(!leaves.contains("user:17"), "whose keys is not for ever");
        let index = event.unwrap()["index"].as_str().unwrap();
        let path = format!("/v1/audit/entries/{index}/payload");
        let payload = running.send("GET", &path, Some(&tenant.token), None).await;
        let payload = payload.json();
        let receipt = payload["fields"]["receipt"].as_str().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(receipt).unwrap(),
            shredded.json()
        );
    });
}

#[test]
fn a_shredded_tenant_is_unreadable_and_stays_so() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("leaving").await;
        let other = running.tenant("staying").await;
        let sealed = seal(&running, &tenant, "gone", json!({})).await;
        assert_eq!(chat(&running, &tenant).await.status, 200);
        let path = format!("/v1/tenants/{}/shred", tenant.id);
        let body = json!({ "reason": "contract ended" });
        let theirs = running.send("POST", &path, Some(&other.token), Some(body.clone()));
        assert_eq!(theirs.await.slug(), "capability-missing");
        let own = format!("/v1/tenants/{}/shred", TenantId::PLATFORM);
        let admin = Some(running.admin_key.as_str());
        let own = running.send("POST", &own, admin, Some(body.clone())).await;
        assert_eq!(
            own.slug(),
            "not-found",
            "the platform does not destroy itself"
        );
        for _ in 0..2 {
            let shredded = running.send("POST", &path, admin, Some(body.clone())).await;
            assert_eq!(shredded.status, 200, "{}", shredded.text);
            assert_eq!(shredded.json()["receipts"][0]["root"], "destroyed");
        }
        let refused = open(&running, &tenant, &sealed, json!({})).await;
        assert_eq!(refused.slug(), "record-unopened");
        assert_eq!(chat(&running, &tenant).await.slug(), "key-destroyed");
        let subject = sealing("x", json!({ "subject": "user:new" }));
        let refused = post(&running, &tenant, "/v1/seal", subject).await;
        assert_eq!(refused.slug(), "key-destroyed");
        assert_eq!(chat(&running, &other).await.status, 200);
        let superuser = database.sql("postgres").await;
        let wrapped = "select count(*) from app.tenant_keks \
             where tenant_id = $1 and (wrapped is not null or state <> 'destroyed')";
        assert_eq!(count(&superuser, wrapped, tenant.id).await, 0);
        let kinds: Vec<_> = running
            .entries(&running.token(&running.admin_key).await)
            .await
            .iter()
            .map(|entry| {
                entry["event"]["kind"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        for kind in ["tenant.shred_requested", "tenant.shred"] {
            assert!(kinds.iter().any(|known| known == kind), "{kind}");
        }
    });
}
