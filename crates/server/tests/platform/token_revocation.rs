//! Revocation of a token, a session, a user, everything: over on every node when it is answered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_server::generations::LEASE;

use crate::acceptance::{Asking, accepts};
use crate::key_rotation::on_own_platform;
use crate::platform::{Answer, Running, Tenant, on_platform, second_node};
use crate::token_renewal::{CLIENT, Session, form, login, renew, user};
use crate::webhook_operations::until_waiting;

pub(crate) async fn revoke(running: &Running, tenant: &Tenant, what: Value) -> Answer {
    // By the key: what it is exchanged for may end with the rest.
    running
        .send("POST", "/v1/revocations", Some(&tenant.key), Some(what))
        .await
}

pub(crate) fn claim(token: &str, name: &str) -> String {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

/// Each in turn, while both nodes are asked all the time: none accepts after the answer, and
/// whoever was not meant goes on.
#[test]
fn what_is_revoked_is_accepted_nowhere_once_the_call_returns() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("ending").await;
        let second = second_node(&database, &running).await;
        let other = second.base.clone();
        let bases = [running.base.clone(), other];
        let bystander = login(&running, &tenant, user(9)).await;
        for (n, what) in (1..).zip(["token", "session", "actor", "everything"]) {
            let session = login(&running, &tenant, user(n)).await;
            let asked = match what {
                "token" => json!({ "token": claim(&session.access, "jti") }),
                "session" => json!({ "session": session.id }),
                "actor" => json!({ "actor": user(n) }),
                _ => json!({ "everything": true }),
            };
            for base in &bases {
                assert!(accepts(base, &bystander.access).await, "{what}");
            }
            let asking = Asking::begin(&[&bases[0], &bases[1]], &[&session.access]).await;
            let answer = revoke(&running, &tenant, asked).await;
            assert_eq!(answer.status, 204, "{what}: {}", answer.text);
            let returned = Instant::now();
            for base in &bases {
                assert!(!accepts(base, &session.access).await, "{what}");
                let goes_on = accepts(base, &bystander.access).await;
                assert_eq!(goes_on, what != "everything", "{what}");
            }
            assert!(asking.last_accepted().await < returned, "{what}");
            let renewed = renew(&running.base, &session.refresh).await;
            assert_eq!(renewed.status == 200, what == "token", "{what}");
        }
        // Everything that was there: what comes now is of the next epoch.
        let fresh = running.token(&tenant.key).await;
        assert!(accepts(&running.base, &fresh).await);
        let entries = running.entries(&fresh).await;
        let ended = entries
            .iter()
            .filter(|entry| entry["event"]["kind"] == "tokens.revoke");
        assert_eq!(ended.count(), 4);
    });
}

#[test]
fn whoever_holds_a_token_ends_it() {
    on_platform(|running| async move {
        let tenant = running.tenant("logging-out").await;
        let session = login(running, &tenant, user(1)).await;
        let end = async |token: &str, client: &str| {
            let fields = [("token", token), ("client_id", client)];
            form(&running.base, "/oauth/revoke", &fields).await
        };
        for token in [&session.access, &session.refresh] {
            let stranger = end(token, "another").await;
            assert_eq!(stranger.json()["error"], "invalid_grant");
        }
        assert!(accepts(&running.base, &session.access).await);
        assert_eq!(end(&session.access, CLIENT).await.status, 200);
        assert!(!accepts(&running.base, &session.access).await);
        let renewed = renew(&running.base, &session.refresh).await;
        let renewed = Session::of(&renewed.json());
        assert!(accepts(&running.base, &renewed.access).await);
        // An old token of the family is as good for that as the newest.
        assert_eq!(end(&session.refresh, CLIENT).await.status, 200);
        assert!(!accepts(&running.base, &renewed.access).await);
        let again = renew(&running.base, &renewed.refresh).await;
        assert_eq!(again.json()["error"], "invalid_grant");
        // RFC 7009, section 2.2: there is nothing to learn.
        for token in [&renewed.refresh, "cust_rt_nonsense", "a.b.c", &tenant.key] {
            assert_eq!(end(token, CLIENT).await.status, 200);
        }
        let missing = form(&running.base, "/oauth/revoke", &[("client_id", CLIENT)]).await;
        assert_eq!(missing.json()["error"], "invalid_request");
        let entries = running.entries(&tenant.token).await;
        let kind = |entry: &&Value| entry["event"]["kind"] == "token.revoke";
        let outcomes = entries.iter().filter(kind);
        let outcomes: Vec<_> = outcomes
            .map(|entry| entry["event"]["outcome"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(outcomes, ["refused", "refused", "success", "success"]);
    });
}

#[test]
fn sessions_are_listed_and_say_which_are_over() {
    on_platform(|running| async move {
        let tenant = running.tenant("listing-sessions").await;
        let other = running.tenant("other-sessions").await;
        login(running, &other, user(1)).await;
        let mut sessions = Vec::new();
        for n in [1, 2, 1] {
            sessions.push(login(running, &tenant, user(n)).await);
        }
        let ended = json!({ "session": sessions[0].id });
        assert_eq!(revoke(running, &tenant, ended).await.status, 204);
        let list = async |query: &str| {
            let path = format!("/v1/sessions{query}");
            running.send("GET", &path, Some(&tenant.key), None).await
        };
        let all = list("").await.json();
        assert_eq!(all["data"].as_array().unwrap().len(), 3);
        let mine = list(&format!("?actor={}", user(1))).await.json();
        let revoked: Vec<_> = mine["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| {
                (
                    session["session_id"].as_str().unwrap(),
                    session["revoked"] == true,
                )
            })
            .collect();
        assert_eq!(revoked.len(), 2);
        for (id, is_revoked) in revoked {
            assert_eq!(is_revoked, id == sessions[0].id);
        }
        let first = list("?limit=2").await.json();
        let last = first["data"][1]["id"].as_str().unwrap().to_owned();
        let rest = list(&format!("?after={last}")).await.json();
        assert_eq!(rest["data"].as_array().unwrap().len(), 1);
        for bad in ["?limit=0", "?limit=1001", "?actor=x"] {
            assert_eq!(list(bad).await.slug(), "invalid-field", "{bad}");
        }
        for bad in [
            json!({}),
            json!({ "token": "x" }),
            json!({ "everything": false }),
            json!({ "actor": "root:1" }),
            json!({ "session": sessions[1].id, "everything": true }),
        ] {
            assert_eq!(revoke(running, &tenant, bad).await.status, 400);
        }
    });
}

#[test]
fn a_login_issues_keys_within_what_it_may_do() {
    on_platform(|running| async move {
        let tenant = running.tenant("issuing-login").await;
        let session = login(running, &tenant, user(1)).await;
        let issue = async |capability: &str| {
            let body = json!({ "capabilities": [capability], "environment": "test" });
            let token = Some(session.access.as_str());
            running
                .send("POST", "/v1/api-keys", token, Some(body))
                .await
        };
        let made = issue("policy:manage").await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(issue("webhooks:manage").await.slug(), "capability-missing");
        // A login's token is not traded for another one.
        let traded = running.send("POST", "/v1/token", Some(&session.access), None);
        assert_eq!(traded.await.slug(), "credential-refused");
    });
}

/// What cannot be asked is not accepted.
#[test]
fn without_an_answer_or_a_lease_no_token_is_accepted() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("unanswered").await;
        let (kept, fresh) = (
            login(&running, &tenant, user(1)).await,
            login(&running, &tenant, user(1)).await,
        );
        assert!(accepts(&running.base, &kept.access).await);
        let superuser = database.sql("postgres").await;
        let function = "app.token_is_revoked(uuid, text, text, text[], bigint, bigint)";
        let sql = format!("revoke execute on function {function} from strongroom_auth");
        superuser.batch_execute(&sql).await.unwrap();
        let ask = async |token: &str| {
            let answer = running.send("GET", "/v1/policy", Some(token), None).await;
            (
                answer.status,
                answer.status != 503 || answer.slug() == "unavailable",
            )
        };
        assert_eq!(ask(&fresh.access).await, (503, true));
        assert!(
            accepts(&running.base, &kept.access).await,
            "it was asked before"
        );
        superuser
            .batch_execute(
                "alter role strongroom_watcher nologin; select pg_terminate_backend(pid) \
                 from pg_stat_activity where usename = 'strongroom_watcher'",
            )
            .await
            .unwrap();
        tokio::time::sleep(LEASE + Duration::from_millis(500)).await;
        assert_eq!(ask(&kept.access).await, (503, true));
        superuser
            .batch_execute("alter role strongroom_watcher login")
            .await
            .unwrap();
    });
}

/// The look-up says that nothing was revoked, and its answer comes after the revocation is over.
#[test]
fn an_answer_from_before_the_revocation_accepts_nothing_after_it() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("pausing").await;
        let session = login(&running, &tenant, user(1)).await;
        let superuser = database.sql("postgres").await;
        // The look-up has its answer, and then waits for a lock that the test lets go of.
        superuser
            .batch_execute(
                "select pg_advisory_lock(8); \
                 alter function app.token_is_revoked rename to ask_now; \
                 create function app.token_is_revoked(t uuid, j text, s text, a text[], i bigint, \
                   e bigint) returns boolean language plpgsql security definer \
                   set search_path = pg_catalog, pg_temp as $$ \
                 declare answer constant boolean := app.ask_now(t, j, s, a, i, e); \
                 begin perform pg_advisory_xact_lock(8); return answer; end $$; \
                 grant execute on function app.token_is_revoked to strongroom_auth",
            )
            .await
            .unwrap();
        let asked = {
            let (base, token) = (running.base.clone(), session.access.clone());
            tokio::spawn(async move { accepts(&base, &token).await })
        };
        until_waiting(&superuser, "advisory").await;
        let ended = revoke(&running, &tenant, json!({ "session": session.id })).await;
        assert_eq!(ended.status, 204, "{}", ended.text);
        assert!(!asked.is_finished(), "it is still looked up");
        let let_go = "select pg_advisory_unlock(8)";
        superuser.batch_execute(let_go).await.unwrap();
        assert!(!asked.await.unwrap());
    });
}

/// Two who end one session at once: neither is answered before it is over everywhere.
#[test]
fn who_ends_what_is_being_ended_is_not_answered_sooner() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("ending-twice").await;
        let second = second_node(&database, &running).await;
        let other = second.base.clone();
        let session = login(&running, &tenant, user(1)).await;
        for token in [&session.access, &session.refresh] {
            assert!(accepts(&other, &session.access).await || token == &session.refresh);
            let end = async |wait: u64| {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                let fields = [("token", token.as_str()), ("client_id", CLIENT)];
                let answer = form(&running.base, "/oauth/revoke", &fields).await;
                assert_eq!(answer.status, 200);
                Instant::now()
            };
            let begun = Instant::now();
            let (first, second) = tokio::join!(end(0), end(400));
            assert!(first - begun > LEASE && second - begun > LEASE);
            assert!(!accepts(&other, &session.access).await);
        }
    });
}

/// The minter's clock may be ahead by the leeway, and by no more.
#[test]
fn an_actors_tokens_are_over_up_to_the_leeway_and_not_beyond() {
    on_platform(|running| async move {
        let tenant = running.tenant("leeway").await;
        let session = login(running, &tenant, user(1)).await;
        let ended = revoke(running, &tenant, json!({ "actor": user(1) })).await;
        assert_eq!(ended.status, 204);
        let keys = running.app.token_keys.clone();
        let now = running.app.clock.unix_seconds();
        let verified = keys.verifier().await.unwrap().verify(&session.access, now);
        let claims = verified.unwrap().claims().clone();
        let key = keys.signing().await.unwrap();
        let minted = |issued_at: u64| {
            let mut claims = claims.clone();
            claims.issued_at = issued_at;
            claims.expires_at = issued_at + 600;
            strongroom_tenant_token::mint(&key, &claims).unwrap()
        };
        // It was at least two seconds ago, and no more than a few.
        assert!(!accepts(&running.base, &minted(now - 2 + 20)).await);
        let beyond = running.app.clock.unix_seconds() + 30;
        assert!(accepts(&running.base, &minted(beyond)).await);
    });
}
