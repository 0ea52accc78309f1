//! Whom a pseudonym stands for: an auditor's to know, and after an erasure nobody's.

use std::sync::Arc;

use serde_json::{Value, json};
use strongroom_server::login::derived_person;
use strongroom_tenancy::{ActorId, TenantId};
use tokio_postgres::Client;

use crate::database::{Database, database};
use crate::key_rotation::{on_own_platform, post};
use crate::login::{connected, connection, renew, store};
use crate::platform::{events_of, last_event, on_platform};
use crate::subjects::{erase, get, logged_in};
use crate::webhook_operations::{until, until_waiting};

/// A row as the database has it: whether anything of a person is left, and when it was erased.
async fn is_emptied(superuser: &Client, tenant: TenantId, actor: &ActorId) -> bool {
    let sql = "select erased_at is not null, num_nonnulls(tag, bound, sealed, kek, kek_version), \
         not exists (select from app.tenant_keks k where k.tenant_id = s.tenant_id \
           and k.name = 'subject/' || s.pseudonym::text and k.wrapped is not null) \
         from app.subjects s where tenant_id = $1 and pseudonym = $2";
    let row = superuser
        .query_one(sql, &[tenant.as_uuid(), actor.id()])
        .await
        .unwrap();
    let (is_erased, left, is_key_gone): (bool, i32, bool) = (row.get(0), row.get(1), row.get(2));
    assert_eq!((is_erased, left == 0), (is_key_gone, is_key_gone));
    is_erased
}

#[test]
fn an_auditor_learns_who_it_is_and_the_log_says_that_they_asked() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "auditing").await;
        let stranger = running.tenant("not auditing").await;
        let (_, alice) = logged_in(running, &tenant, &issuer, "alice").await;
        let shown = get(running, &tenant.key, alice).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        let body = shown.json();
        assert_eq!(body["user"], json!(alice));
        assert_eq!(
            body["identity"],
            json!({ "iss": issuer.base, "sub": "alice" })
        );
        // What entries of earlier versions call the same person.
        let former = derived_person(&tenant.id, &issuer.base, "alice").unwrap();
        assert_eq!(body["former_user"], json!(former));
        assert_eq!(body["erased_at"], Value::Null);
        assert!(!shown.header("strongroom-receipt").is_empty());
        let entries = running.entries(&tenant.token).await;
        let event = last_event(&entries, "subject.resolve");
        assert_eq!(event["resource"], format!("actor/{alice}"));
        assert_eq!(event["outcome"], "success");
        // The other way round, for who has to end somebody's logins.
        let find = async |credential: &str, sub: &str| {
            let body = Some(json!({ "iss": issuer.base, "sub": sub }));
            running
                .send("POST", "/v1/subjects/find", Some(credential), body)
                .await
        };
        assert_eq!(
            find(&tenant.key, "alice").await.json(),
            json!({ "user": alice })
        );
        assert_eq!(find(&tenant.key, "bob").await.slug(), "not-found");
        assert_eq!(find(&stranger.key, "alice").await.slug(), "not-found");
        assert_eq!(find(&tenant.key, "").await.slug(), "invalid-field");
        let entries = running.entries(&tenant.token).await;
        let found = entries.iter().map(|entry| &entry["event"]);
        let found = found.filter(|event| event["kind"] == "subject.find");
        assert_eq!(found.clone().count(), 3);
        let named = found.filter(|event| event["resource"] == format!("actor/{alice}"));
        assert_eq!(named.count(), 1);
        // To read the log is not to know who is in it.
        let reader = json!({ "capabilities": ["audit:read", "audit:operate"] });
        let reader = running
            .send("POST", "/v1/api-keys", Some(&tenant.token), Some(reader))
            .await;
        let reader = reader.json()["key"].as_str().unwrap().to_owned();
        for refused in [
            get(running, &reader, alice).await,
            find(&reader, "alice").await,
        ] {
            assert_eq!(refused.slug(), "capability-missing");
        }
        // Another tenant's is as one that never was, and as what is no pseudonym at all.
        let mut answers = Vec::new();
        for (key, id) in [
            (&stranger.key, alice.to_string()),
            (
                &tenant.key,
                "user:3d813cbb-47fb-42ba-91df-831e1593ac29".to_owned(),
            ),
            (&tenant.key, format!("agent:{}", alice.id())),
            (&tenant.key, alice.id().to_string()),
            (&tenant.key, "alice".to_owned()),
        ] {
            let refused = get(running, key, id).await;
            let mut problem = refused.problem();
            problem["request_id"] = Value::Null;
            problem["instance"] = Value::Null;
            answers.push((refused.status, problem));
        }
        answers.dedup();
        assert_eq!((answers.len(), answers[0].0), (1, 404), "{answers:?}");
    });
}

#[test]
fn an_erasure_leaves_a_pseudonym_with_nobody_behind_it() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "erasing").await;
        let superuser = database().sql("postgres").await;
        let (session, alice) = logged_in(running, &tenant, &issuer, "alice").await;
        let (_, bob) = logged_in(running, &tenant, &issuer, "bob").await;
        let refused = erase(running, &tenant, json!({ "user": alice, "reason": " " })).await;
        assert_eq!(refused.slug(), "reason-required");
        let nobody = json!({ "iss": issuer.base, "sub": "carol" });
        assert_eq!(erase(running, &tenant, nobody).await.slug(), "not-found");
        assert!(!is_emptied(&superuser, tenant.id, &alice).await);

        let named = json!({ "iss": issuer.base, "sub": "alice" });
        let erased = erase(running, &tenant, named.clone()).await;
        assert_eq!(erased.status, 200, "{}", erased.text);
        assert_eq!(erased.json()["user"], json!(alice));
        assert!(is_emptied(&superuser, tenant.id, &alice).await);
        assert!(!is_emptied(&superuser, tenant.id, &bob).await);
        // Who it was is nobody's to know; that it was erased is an auditor's.
        let shown = get(running, &tenant.key, alice).await.json();
        assert_eq!(
            (&shown["identity"], &shown["former_user"]),
            (&Value::Null, &Value::Null)
        );
        assert!(shown["erased_at"].is_i64() && !shown.to_string().contains("alice"));
        assert_eq!(
            renew(running, &session).await.json()["error"],
            "invalid_grant"
        );
        let access = session["access_token"].as_str().unwrap();
        let call = running
            .send("GET", "/v1/audit/log", Some(access), None)
            .await;
        assert_eq!(call.slug(), "credential-refused");
        // The event that was staged with the erasure has its place when the sequencer takes it up.
        let entries = until("the log says that it was done", || async {
            let entries = running.entries(&tenant.key).await;
            (events_of(&entries, "subject.erased") == 1).then_some(entries)
        })
        .await;
        for (kind, outcome) in [
            ("subject.erasure_requested", "attempt"),
            ("subject.erased", "success"),
            ("subject.erase", "success"),
        ] {
            let event = last_event(&entries, kind);
            assert_eq!(event["resource"], format!("actor/{alice}"), "{kind}");
            assert_eq!(event["outcome"], outcome, "{kind}");
            assert!(
                event["actor"].as_str().unwrap().starts_with("service:"),
                "{kind}"
            );
        }
        let verified = running.send(
            "POST",
            "/v1/audit/verify",
            Some(&tenant.key),
            Some(json!({})),
        );
        assert_eq!(verified.await.json()["intact"], true);

        // Asked again it is as it was, by the pseudonym; nobody is of that name any more.
        assert_eq!(
            erase(running, &tenant, json!({ "user": alice }))
                .await
                .status,
            200
        );
        assert_eq!(erase(running, &tenant, named).await.slug(), "not-found");
        let (_, again) = logged_in(running, &tenant, &issuer, "alice").await;
        assert_ne!(again, alice, "who comes back is somebody else");
        assert_eq!(logged_in(running, &tenant, &issuer, "bob").await.1, bob);
    });
}

#[test]
fn with_an_organisation_or_a_tenants_keys_all_its_people_go() {
    on_own_platform(|database: Arc<Database>, running| async move {
        let (tenant, issuer) = connected(&running, "organisation").await;
        let other = running.tenant("another organisation").await;
        let made = store(&running, &other, "staff", connection(&issuer)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let superuser = database.sql("postgres").await;
        let (session, alice) = logged_in(&running, &tenant, &issuer, "alice").await;
        let (_, bob) = logged_in(&running, &tenant, &issuer, "bob").await;
        let (_, theirs) = logged_in(&running, &other, &issuer, "alice").await;
        assert_ne!(alice, theirs);
        let body = json!({ "reason": "the contract ended" });
        let started = post(&running, &tenant, "/v1/erasures", body).await;
        assert_eq!(started.status, 202, "{}", started.text);
        for user in [alice, bob] {
            assert!(is_emptied(&superuser, tenant.id, &user).await);
        }
        assert!(!is_emptied(&superuser, other.id, &theirs).await);
        assert_eq!(
            renew(&running, &session).await.json()["error"],
            "invalid_grant"
        );
        until("the log says so", || async {
            let entries = running.entries(&tenant.key).await;
            let told = [
                events_of(&entries, "subjects.erased"),
                events_of(&entries, "tokens.revoke"),
            ];
            (told == [1, 1]).then_some(())
        })
        .await;
        let (_, again) = logged_in(&running, &tenant, &issuer, "alice").await;
        assert_ne!(again, alice);

        // What is done to a person's keys is done to what they stand for.
        let body = json!({ "subject": again, "reason": "they asked for it" });
        let shredded = post(&running, &tenant, "/v1/keys/shred", body).await;
        assert_eq!(shredded.status, 200, "{}", shredded.text);
        assert!(is_emptied(&superuser, tenant.id, &again).await);
        let path = format!("/v1/tenants/{}/shred", other.id);
        let body = Some(json!({ "reason": "gone" }));
        let shredded = running
            .send("POST", &path, Some(&running.admin_key), body)
            .await;
        assert_eq!(shredded.status, 200, "{}", shredded.text);
        assert!(is_emptied(&superuser, other.id, &theirs).await);
    });
}

/// A login that has looked up who it is and is not committed yet: its session is ended.
#[test]
fn an_erasure_waits_for_a_login_under_way_and_ends_it() {
    on_own_platform(|database: Arc<Database>, running| async move {
        let (tenant, issuer) = connected(&running, "erased meanwhile").await;
        let (_, alice) = logged_in(&running, &tenant, &issuer, "alice").await;
        let superuser = database.sql("postgres").await;
        let hold = "begin; lock table app.refresh_family_ids in share mode";
        superuser.batch_execute(hold).await.unwrap();
        let login = logged_in(&running, &tenant, &issuer, "alice");
        let erasing = async {
            until_waiting(&superuser, "relation").await;
            let erased = erase(&running, &tenant, json!({ "user": alice }));
            let letting = async {
                // The erasure waits for the login's transaction, and that for the table.
                until_waiting(&superuser, "transactionid").await;
                superuser.batch_execute("commit").await.unwrap();
            };
            tokio::join!(erased, letting).0
        };
        let ((session, who), erased) = tokio::join!(login, erasing);
        assert_eq!((who, erased.status), (alice, 200), "{}", erased.text);
        let renewed = renew(&running, &session).await;
        assert_eq!(renewed.json()["error"], "invalid_grant");
        let superuser = database.sql("postgres").await;
        assert!(is_emptied(&superuser, tenant.id, &alice).await);
    });
}
