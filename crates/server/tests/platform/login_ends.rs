//! What a login leaves, and how long: beside revocations, and while its connection is changed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use strongroom_server::postgres::Access;
use strongroom_server::tokens::{Ended, end};
use tokio::sync::Semaphore;

use crate::database::request_id;
use crate::fake_issuer::{Answer as IssuerAnswer, FakeIssuer};
use crate::key_rotation::on_own_platform;
use crate::login::{connected, connection, log_in, person, renew, revoke, sessions, store};
use crate::platform::on_platform;
use crate::webhook_operations::{until, until_waiting};

#[test]
fn a_login_under_way_does_not_outlive_its_connection() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "slow issuer").await;
        let id = tenant.id.to_string();
        let path = "/v1/identity-providers/staff";
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        let mut replaced = connection(&issuer);
        replaced["jwks_url"] = json!(format!("{}/keys?2", issuer.base));
        for (method, body) in [("PUT", Some(replaced)), ("DELETE", None)] {
            // The issuer answers when the connection was changed.
            let word = Arc::new(Semaphore::new(0));
            issuer.answer(IssuerAnswer::Held(issuer.jwks(), Arc::clone(&word)));
            let asked = issuer.asked();
            let changing = async {
                until("the issuer is asked", || async {
                    (issuer.asked() != asked).then_some(())
                })
                .await;
                let changed = running.send(method, path, Some(&tenant.token), body).await;
                word.close();
                changed
            };
            let slow = log_in(running, &id, "staff", &token);
            let (refused, changed) = futures_util::future::join(slow, changing).await;
            assert!(changed.status < 300, "{}", changed.text);
            assert_eq!(refused.slug(), "credential-refused", "{method}");
        }
        assert_eq!(sessions(running, &tenant).await, 0);
    });
}

/// A revocation that has looked for sessions and is not committed yet.
#[test]
fn a_login_waits_for_a_revocation_under_way() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "revoked meanwhile").await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let actor = person(running, &tenant, &issuer.base, "alice").await;
        for (subject, ended) in [("alice", Ended::Actor(actor)), ("bob", Ended::Everything)] {
            let mut claims = issuer.claims(now);
            claims["sub"] = json!(subject);
            let token = issuer.sign("rsa", &claims);
            let request = request_id();
            let begun = running
                .app
                .gateway
                .begin(tenant.id, actor, &request, Access::Write);
            let mut tx = begun.await.unwrap();
            let seconds = i64::try_from(now).unwrap();
            end(&mut tx, &ended, seconds).await.unwrap();
            let ending = async {
                tokio::time::sleep(Duration::from_millis(400)).await;
                tx.commit().await.unwrap();
            };
            let login = log_in(running, &id, "staff", &token);
            let (refused, ()) = futures_util::future::join(login, ending).await;
            assert_eq!(refused.slug(), "credential-refused", "{ended:?}");
        }
        assert_eq!(sessions(running, &tenant).await, 0);
    });
}

/// A login that has looked at what was revoked and is not committed yet: its session is ended.
#[test]
fn a_revocation_waits_for_a_login_under_way() {
    on_own_platform(|database, running| async move {
        let (tenant, issuer) = connected(&running, "begun meanwhile").await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        let actor = person(&running, &tenant, &issuer.base, "alice").await;
        let superuser = database.sql("postgres").await;
        let hold = "begin; lock table app.refresh_family_ids in share mode";
        superuser.batch_execute(hold).await.unwrap();
        let login = log_in(&running, &id, "staff", &token);
        let ending = async {
            until_waiting(&superuser, "relation").await;
            let asked = Some(json!({ "actor": actor }));
            let path = "/v1/revocations";
            let ended = running.send("POST", path, Some(&tenant.key), asked);
            let letting = async {
                // The revocation waits for the login's transaction.
                until_waiting(&superuser, "transactionid").await;
                superuser.batch_execute("commit").await.unwrap();
            };
            tokio::join!(ended, letting).0
        };
        let (begun, ended) = tokio::join!(login, ending);
        assert_eq!((begun.status, ended.status), (200, 204), "{}", begun.text);
        let renewed = renew(&running, &begun.json()).await;
        assert_eq!(renewed.json()["error"], "invalid_grant");
    });
}

#[test]
fn an_id_token_from_before_a_revocation_begins_nothing() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "revoked people").await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let alice = issuer.sign("rsa", &issuer.claims(now));
        let mut bob = issuer.claims(now);
        bob["sub"] = json!("bob");
        let bob = issuer.sign("rsa", &bob);
        assert_eq!(log_in(running, &id, "staff", &alice).await.status, 200);
        let actor = person(running, &tenant, &issuer.base, "alice").await;
        revoke(running, &tenant, json!({ "actor": actor })).await;
        let refused = log_in(running, &id, "staff", &alice).await;
        assert_eq!(refused.slug(), "credential-refused");
        assert_eq!(log_in(running, &id, "staff", &bob).await.status, 200);
        assert_eq!(sessions(running, &tenant).await, 2);
        // A token of afterwards, by an issuer whose clock is as far ahead as it may be.
        let later = async || {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            let now = running.app.clock.unix_seconds();
            let mut claims = issuer.claims(now);
            claims["iat"] = json!(now + 30);
            issuer.sign("rsa", &claims)
        };
        let again = log_in(running, &id, "staff", &later().await).await;
        assert_eq!(again.status, 200, "{}", again.text);
        revoke(running, &tenant, json!({ "everything": true })).await;
        let refused = log_in(running, &id, "staff", &bob).await;
        assert_eq!(refused.slug(), "credential-refused");
        let again = log_in(running, &id, "staff", &later().await).await;
        assert_eq!(again.status, 200, "{}", again.text);
    });
}

/// What a connection says counts for its sessions too, from their next renewal on.
#[test]
fn a_session_may_do_no_more_than_its_connection_says_now() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "narrowing").await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        let begun = log_in(running, &id, "staff", &token).await.json();
        let same = renew(running, &begun).await.json();
        assert_eq!(same["capabilities"], json!(["chat:create", "audit:read"]));
        let mut narrower = connection(&issuer);
        narrower["capabilities"] = json!(["audit:read", "policy:manage"]);
        let stored = store(running, &tenant, "staff", narrower).await;
        assert_eq!(stored.status, 200, "{}", stored.text);
        let less = renew(running, &same).await.json();
        assert_eq!(less["capabilities"], json!(["audit:read"]), "never wider");
        let path = "/v1/identity-providers/staff";
        let deleted = running.send("DELETE", path, Some(&tenant.token), None);
        assert_eq!(deleted.await.status, 204);
        let gone = renew(running, &less).await;
        assert_eq!(gone.json()["error"], "invalid_grant");
    });
}

/// A name is not what is trusted.
#[test]
fn sessions_of_a_replaced_issuer_are_not_renewed() {
    on_platform(|running| async move {
        let (tenant, issuer) = connected(running, "replacing").await;
        let other = FakeIssuer::start().await;
        let id = tenant.id.to_string();
        let now = running.app.clock.unix_seconds();
        let token = issuer.sign("rsa", &issuer.claims(now));
        let with = |name: &str, value: &str| {
            let mut body = connection(&issuer);
            body[name] = json!(value);
            body
        };
        let elsewhere = format!("{}/keys?2", issuer.base);
        for changed in [
            with("issuer", &other.base),
            with("client_id", "another"),
            with("jwks_url", &elsewhere),
        ] {
            let begun = log_in(running, &id, "staff", &token).await.json();
            // What changes nothing of whom it believes changes nothing for them.
            let mut same = connection(&issuer);
            same["capabilities"] = json!(["audit:read"]);
            same["max_age_seconds"] = json!(300);
            assert_eq!(store(running, &tenant, "staff", same).await.status, 200);
            let renewed = renew(running, &begun).await;
            assert_eq!(renewed.status, 200, "{}", renewed.text);
            let stored = store(running, &tenant, "staff", changed.clone()).await;
            assert_eq!(stored.status, 200, "{}", stored.text);
            let refused = renew(running, &renewed.json()).await;
            assert_eq!(refused.json()["error"], "invalid_grant", "{changed}");
            // Nor when it believes the same again.
            let begun = connection(&issuer);
            assert_eq!(store(running, &tenant, "staff", begun).await.status, 200);
            let refused = renew(running, &renewed.json()).await;
            assert_eq!(refused.json()["error"], "invalid_grant", "{changed}");
        }
        let begun = log_in(running, &id, "staff", &token).await.json();
        let path = "/v1/identity-providers/staff";
        let deleted = running.send("DELETE", path, Some(&tenant.token), None);
        assert_eq!(deleted.await.status, 204);
        let again = store(running, &tenant, "staff", connection(&issuer)).await;
        assert_eq!(again.status, 201);
        let refused = renew(running, &begun).await;
        assert_eq!(refused.json()["error"], "invalid_grant");
    });
}
