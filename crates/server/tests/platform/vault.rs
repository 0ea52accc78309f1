//! The vault: values that leave as tokens, kept under the tenant's key, shown to who may and says why,
//! and put back for the caller where the policy says so.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;

use crate::database::database;
use crate::key_rotation::{finished, on_own_platform, post, rotate};
use crate::platform::{Answer, Running, Tenant, events_of, last_event, on_platform};
use crate::sweeps::swept;
use crate::webhook_operations::until;

const EMAIL: &str = "john.planted@example.com";

const REVERSIBLE: &str = "[[rules]]\ntenant = '*'\nclass = 'contact.email'\nchannel = 'prompt'\n\
     mode = 'reversible'\n";

async fn activate(running: &Running, tenant: &Tenant, rest: &str) {
    let source = format!("version = 2\n{rest}");
    let body = json!({ "source": source });
    let token = Some(tenant.token.as_str());
    let answer = running.send("PUT", "/v1/policy", token, Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Says something to the provider, which says it again. Answers what it got, and what came back.
async fn call(running: &Running, tenant: &Tenant, text: &str) -> (String, Value) {
    let body = json!({ "model": "gpt-echo", "messages": [{ "role": "user", "content": text }] });
    let answer = post(running, tenant, "/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let received = running.provider.received.lock().unwrap();
    let mine = received.iter().rev().find(|(_, body)| {
        let said = body["messages"][0]["content"].as_str().unwrap_or_default();
        said.starts_with(text.split(' ').next().unwrap())
    });
    let said = mine.unwrap().1["messages"][0]["content"].clone();
    (
        said.as_str().unwrap().to_owned(),
        answer.json()["choices"][0]["message"].clone(),
    )
}

/// The one token of a text.
fn token(text: &str) -> String {
    let rest = text
        .split_once("[EMAIL_")
        .unwrap_or_else(|| panic!("{text}"));
    format!("[EMAIL_{}]", rest.1.split_once(']').unwrap().0)
}

async fn unmask(running: &Running, bearer: &str, token: &str) -> Answer {
    let body = json!({ "token": token, "reason": "ann@example.com asked" });
    let path = "/v1/pii/unmask";
    running.send("POST", path, Some(bearer), Some(body)).await
}

/// A caller of the tenant's who may issue keys, and this.
async fn bearer_of(running: &Running, tenant: &Tenant, capability: &str) -> String {
    let few = json!({ "capabilities": ["api_keys:manage", capability] });
    let made = post(running, tenant, "/v1/api-keys", few).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    running.token(made["key"].as_str().unwrap()).await
}

/// What is sealed beside an entry.
async fn fields(running: &Running, tenant: &Tenant, entry: &Value) -> Value {
    let index = entry["index"].as_str().unwrap();
    let path = format!("/v1/audit/entries/{index}/payload");
    let payload = running.send("GET", &path, Some(&tenant.token), None).await;
    assert_eq!(payload.status, 200, "{}", payload.text);
    payload.json()["fields"].clone()
}

async fn values(superuser: &Client, tenant: TenantId) -> i64 {
    let sql = "select count(*) from app.pii_values where tenant_id = $1";
    let row = superuser.query_one(sql, &[tenant.as_uuid()]).await;
    row.unwrap().get(0)
}

#[test]
fn a_value_is_shown_to_who_may_and_says_why() {
    on_platform(|running| async move {
        let (tenant, other) = (
            running.tenant("vault").await,
            running.tenant("vault-2").await,
        );
        activate(running, &tenant, REVERSIBLE).await;
        let text = format!("shown: I am {EMAIL}, SSN 536-90-4399");
        let (said, message) = call(running, &tenant, &text).await;
        let token = token(&said);
        // What is not reversible is not.
        assert_eq!(said, format!("shown: I am {token}, SSN [US_SSN]"));
        // Nothing is put back without a word of the policy.
        let content = message["content"].as_str().unwrap();
        assert!(content.contains(&token.to_lowercase()), "{content}");

        // It was kept before it was said to anybody, and the log has neither value nor token.
        let entries = running.entries(&tenant.token).await;
        let kinds: Vec<_> = entries.iter().rev().take(3).collect();
        let kinds: Vec<_> = kinds.iter().map(|entry| &entry["event"]["kind"]).collect();
        assert_eq!(kinds, ["chat.outcome", "chat.attempt", "pii.keep"]);
        let kept = last_event(&entries, "pii.keep");
        assert_eq!(kept["resource"], "vault/values/1");
        for (kind, field) in [("chat.attempt", "prompt"), ("chat.outcome", "answer")] {
            let entry = entries.iter().rfind(|entry| entry["event"]["kind"] == kind);
            let said = fields(running, &tenant, entry.unwrap()).await;
            let said = said[field].as_str().unwrap();
            assert!(
                said.to_lowercase().contains("i am [email], ssn [us_ssn]"),
                "{said}"
            );
        }

        let shown = unmask(running, &tenant.token, &token).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert_eq!(shown.json()["value"], EMAIL);
        assert_eq!(shown.json()["class"], "contact.email");
        assert_eq!(shown.json()["event_id"], kept["id"]);
        let entries = running.entries(&tenant.token).await;
        let asked = entries.last().unwrap();
        assert_eq!(asked["event"]["kind"], "pii.unmask");
        assert_eq!(asked["event"]["resource"], "pii/contact.email");
        let why = fields(running, &tenant, asked).await;
        assert_eq!(why["reason"], "[EMAIL] asked");
        let hash = hex::encode(Sha256::digest(&token));
        assert_eq!(
            why,
            json!({ "reason": "[EMAIL] asked", "token_sha256": hash })
        );

        // Refusals, by name.
        let another = token.replace("EMAIL", "PHONE");
        let made_up = "[EMAIL_ZZZZZZZZZZZZZZ]";
        for (bearer, token, slug) in [
            (&other.token, token.as_str(), "not-found"),
            (&tenant.token, made_up, "not-found"),
            (&tenant.token, another.as_str(), "not-found"),
            (&tenant.token, "[EMAIL]", "invalid-field"),
            (&tenant.token, "", "invalid-field"),
        ] {
            let refused = unmask(running, bearer, token).await;
            assert_eq!(refused.slug(), slug, "{token}");
        }
        for body in [
            json!({ "token": token }),
            json!({ "token": token, "reason": " " }),
        ] {
            let refused = post(running, &tenant, "/v1/pii/unmask", body).await;
            assert_eq!(refused.slug(), "reason-required");
        }
        for other in ["pii:unmask:gov", "pii:unmask:contact.phone"] {
            let bearer = bearer_of(running, &tenant, other).await;
            for token in [token.as_str(), made_up] {
                let refused = unmask(running, &bearer, token).await;
                assert_eq!(refused.slug(), "capability-missing", "{other}");
                let param = &refused.problem()["error"]["param"];
                assert_eq!(*param, "pii:unmask:contact.email", "{other}");
            }
        }
        let entries = running.entries(&tenant.token).await;
        let shown = entries.iter().filter(|entry| {
            entry["event"]["kind"] == "pii.unmask" && entry["event"]["outcome"] == "success"
        });
        assert_eq!(shown.count(), 1);
        for capability in ["pii:unmask:contact.email", "pii:unmask:contact"] {
            let bearer = bearer_of(running, &tenant, capability).await;
            let shown = unmask(running, &bearer, &token).await;
            assert_eq!(shown.json()["value"], EMAIL, "{capability}");
        }

        // Who may see a class's values cannot let anybody see another's, and who may see a group's can.
        for (holds, gives, status) in [
            ("pii:unmask:contact.email", "pii:unmask:contact.email", 201),
            ("pii:unmask:contact", "pii:unmask:contact.phone", 201),
            ("pii:unmask:contact.email", "pii:unmask:contact.phone", 403),
            ("pii:unmask:contact.email", "pii:unmask:contact", 403),
            ("pii:unmask:contact", "pii:unmask:gov.ssn.us", 403),
        ] {
            let bearer = bearer_of(running, &tenant, holds).await;
            let asked = Some(json!({ "capabilities": [gives] }));
            let path = "/v1/api-keys";
            let made = running.send("POST", path, Some(&bearer), asked).await;
            assert_eq!(made.status, status, "{holds} {gives} {}", made.text);
        }
    });
}

#[test]
fn values_are_put_back_for_their_caller_where_the_policy_says_so() {
    on_platform(|running| async move {
        let tenant = running.tenant("restored").await;
        let policy = format!("restore = {{ answers = true }}\n{REVERSIBLE}");
        activate(running, &tenant, &policy).await;
        let (said, message) = call(running, &tenant, &format!("restored: {EMAIL}!")).await;
        let token = token(&said);
        // In the text it is put back, though the provider changed its letters; a tool gets none.
        assert_eq!(message["content"], format!("restored: {EMAIL}!"));
        let arguments = message["tool_calls"][0]["function"]["arguments"].as_str();
        assert!(arguments.unwrap().contains(&token), "{message}");
        let entries = running.entries(&tenant.token).await;
        let outcome = fields(running, &tenant, entries.last().unwrap()).await;
        assert_eq!(outcome["restored"], r#"{"contact.email":1}"#);
        assert_eq!(outcome["withheld"], "1");
        let answer = outcome["answer"].as_str().unwrap();
        assert!(
            !answer.contains(EMAIL) && !answer.contains(&token),
            "{answer}"
        );

        let policy = format!("restore = {{ tools = true }}\n{REVERSIBLE}");
        activate(running, &tenant, &policy).await;
        let (said, message) = call(running, &tenant, &format!("tooled: {EMAIL}")).await;
        let arguments = message["tool_calls"][0]["function"]["arguments"].as_str();
        let arguments: Value = serde_json::from_str(arguments.unwrap()).unwrap();
        assert_eq!(arguments, json!({ "text": format!("tooled: {EMAIL}") }));
        let content = message["content"].as_str().unwrap();
        assert_eq!(content, said.to_lowercase());

        // A token of an earlier call is another conversation's.
        let policy =
            format!("restore = {{ answers = true, tools = true, urls = true }}\n{REVERSIBLE}");
        activate(running, &tenant, &policy).await;
        let (_, message) = call(running, &tenant, &format!("earlier: {token}")).await;
        let earlier = format!("earlier: {token}").to_lowercase();
        assert_eq!(message["content"], earlier);
        let entries = running.entries(&tenant.token).await;
        let attempt = entries
            .iter()
            .rfind(|it| it["event"]["kind"] == "chat.attempt");
        let prompt = fields(running, &tenant, attempt.unwrap()).await;
        assert!(
            prompt["prompt"]
                .as_str()
                .unwrap()
                .contains("earlier: [EMAIL]")
        );
    });
}

#[test]
fn what_a_policy_lets_pass_is_not_in_the_log() {
    on_platform(|running| async move {
        let tenant = running.tenant("flagged").await;
        let rules: String = ["flag", "off"]
            .iter()
            .zip(["contact.email", "gov.ssn.us"])
            .map(|(mode, class)| {
                format!(
                    "[[rules]]\ntenant = '*'\nclass = '{class}'\nchannel = '*'\nmode = '{mode}'\n"
                )
            })
            .collect();
        activate(running, &tenant, &rules).await;
        let text = format!("flagged: {EMAIL}, SSN 536-90-4399");
        let (said, message) = call(running, &tenant, &text).await;
        assert_eq!(said, text);
        assert_eq!(message["content"], text.to_lowercase());
        let entries = running.entries(&tenant.token).await;
        for (kind, field) in [("chat.attempt", "prompt"), ("chat.outcome", "answer")] {
            let entry = entries.iter().rfind(|entry| entry["event"]["kind"] == kind);
            let said = fields(running, &tenant, entry.unwrap()).await.to_string();
            let said = said.to_lowercase();
            assert!(
                said.contains("flagged: [email], ssn [us_ssn]"),
                "{field}: {said}"
            );
            assert!(!said.contains(EMAIL) && !said.contains("4399"), "{said}");
        }
        assert_eq!(events_of(&entries, "pii.keep"), 0);
    });
}

#[test]
fn a_linked_value_has_one_name_within_its_tenant() {
    on_platform(|running| async move {
        let policy = "[[rules]]\ntenant = '*'\nclass = 'contact.email'\nchannel = 'prompt'\n\
             mode = 'strict'\noperator = 'hmac'\n";
        let mut names = Vec::new();
        for name in ["linked", "linked-2"] {
            let tenant = running.tenant(name).await;
            activate(running, &tenant, policy).await;
            for call_name in ["one", "two"] {
                let text = format!("{name}-{call_name}: {EMAIL}");
                let (said, _) = call(running, &tenant, &text).await;
                // Put in force again, it has the key that it had.
                activate(running, &tenant, policy).await;
                names.push(said.split(' ').next_back().unwrap().to_owned());
            }
            let entries = running.entries(&tenant.token).await;
            let attempt = entries
                .iter()
                .rfind(|it| it["event"]["kind"] == "chat.attempt");
            let prompt = fields(running, &tenant, attempt.unwrap()).await;
            assert!(prompt["prompt"].as_str().unwrap().contains("two: [EMAIL]"));
        }
        assert!(names[0].starts_with("[EMAIL#"), "{names:?}");
        assert_eq!(names[0], names[1]);
        assert_eq!(names[2], names[3]);
        assert_ne!(names[0], names[2]);
    });
}

#[test]
fn a_row_that_is_not_what_was_sealed_does_not_open() {
    on_platform(|running| async move {
        let superuser = database().sql("postgres").await;
        let tenant = running.tenant("tampered").await;
        activate(running, &tenant, REVERSIBLE).await;
        let (said, _) = call(running, &tenant, &format!("tampered: {EMAIL}")).await;
        let first = token(&said);
        let (said, _) = call(running, &tenant, "second: eve.planted@example.com").await;
        let second = token(&said);
        for (change, slug) in [
            ("class = 'contact.phone'", "record-unopened"),
            ("class = 'gov.ssn.us'", "record-unopened"),
            ("channel = 'output'", "record-unopened"),
            ("token = '[EMAIL_ZZZZZZZZZZZZZZ]'", "not-found"),
            (
                "sealed = (select sealed from app.pii_values o where o.token = $2)",
                "record-unopened",
            ),
        ] {
            let (sql, undo) = (
                format!("update app.pii_values set {change} where token = $1 and $2::text <> ''"),
                "update app.pii_values v set class = k.class, channel = k.channel, \
                 token = k.token, sealed = k.sealed from kept k where v.event_id = k.event_id",
            );
            // No trigger keeps the superuser from it then.
            superuser
                .batch_execute(
                    "set session_replication_role = replica; \
                     create temp table if not exists kept as table app.pii_values",
                )
                .await
                .unwrap();
            let done = superuser.execute(&sql, &[&first, &second]).await.unwrap();
            assert_eq!(done, 1, "{change}");
            let refused = unmask(running, &tenant.token, &first).await;
            assert_eq!(refused.slug(), slug, "{change}: {}", refused.text);
            superuser.batch_execute(undo).await.unwrap();
            assert_eq!(unmask(running, &tenant.token, &first).await.status, 200);
        }
        // Another tenant's row, given to this one.
        let other = running.tenant("tampering").await;
        let sql = "insert into app.pii_values select $1, token, class, channel, sealed, d.dek_id, \
             event_id, kept_at, ends_at from app.pii_values v, lateral (select dek_id \
             from app.tenant_deks where tenant_id = $1 limit 1) d where token = $2";
        activate(running, &other, REVERSIBLE).await;
        call(running, &other, &format!("tampering: {EMAIL}")).await;
        let moved = superuser.execute(sql, &[other.id.as_uuid(), &first]).await;
        assert_eq!(moved.unwrap(), 1);
        let refused = unmask(running, &other.token, &first).await;
        assert_eq!(refused.slug(), "record-unopened");
    });
}

#[test]
fn break_glass_reaches_the_vault() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("glass").await;
        let linked = "[[rules]]\ntenant = '*'\nclass = 'gov.ssn.us'\nchannel = 'prompt'\n\
             mode = 'strict'\noperator = 'hmac'\n";
        activate(&running, &tenant, &format!("{REVERSIBLE}{linked}")).await;
        let text = format!("glass: {EMAIL}, SSN 536-90-4399");
        let (before, _) = call(&running, &tenant, &text).await;
        let token = token(&before);
        let records = async || {
            let sql = "select v.sealed, v.dek_id, k.sealed, k.kek_version \
                 from app.pii_values v join app.pii_linking_keys k using (tenant_id)";
            let row = superuser.query_one(sql, &[]).await.unwrap();
            let bytes = |index: usize| row.get::<_, Vec<u8>>(index);
            (bytes(0), bytes(1), bytes(2), row.get::<_, i32>(3))
        };
        let old = records().await;
        let body = json!({ "reason": "a laptop was stolen", "exposed": "kek", "reencrypt": true });
        let started = rotate(&running, &tenant, body).await;
        let done = finished(&running, &tenant, started["id"].as_str().unwrap()).await;
        assert_eq!(done["rows_done"], done["rows_total"], "{done}");
        let new = records().await;
        assert!(
            old.0 != new.0 && old.1 != new.1 && old.2 != new.2,
            "encrypted again"
        );
        assert_eq!(new.3, old.3 + 1);
        assert_eq!(
            unmask(&running, &tenant.token, &token).await.json()["value"],
            EMAIL
        );
        let (after, _) = call(&running, &tenant, &text).await;
        let code = |text: &str| text.split("SSN ").nth(1).unwrap().to_owned();
        assert_eq!(code(&before), code(&after));
    });
}

#[test]
fn values_go_with_what_agents_said() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("going").await;
        let other = running.tenant("staying").await;
        let mut tokens = Vec::new();
        for who in [&tenant, &other] {
            activate(&running, who, REVERSIBLE).await;
            let (said, _) = call(&running, who, &format!("going-{}: {EMAIL}", who.id)).await;
            tokens.push(token(&said));
        }
        let days = async || -> i64 {
            let sql = "select (ends_at - kept_at) / 86400 from app.pii_values where token = $1";
            superuser
                .query_one(sql, &[&tokens[0]])
                .await
                .unwrap()
                .get(0)
        };
        assert_eq!(days().await, 90);
        for (chosen, kept) in [(30, 30), (365, 30)] {
            let body = json!({ "agent_days": chosen });
            let path = "/v1/retention";
            let answer = running
                .send("PUT", path, Some(&tenant.token), Some(body))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(days().await, kept);
        }
        // What is over is shown no more, and goes.
        let over = "update app.pii_values set kept_at = kept_at - 30 * 86400 - 1, \
             ends_at = ends_at - 30 * 86400 - 1 where token = $1";
        let refused = superuser.execute(over, &[&tokens[0]]).await;
        assert!(refused.is_err(), "a value stays what it is");
        let later = "update app.pii_values set ends_at = ends_at + 1 where token = $1";
        assert!(superuser.execute(later, &[&tokens[0]]).await.is_err());
        let replica = "set session_replication_role = replica";
        superuser.batch_execute(replica).await.unwrap();
        assert_eq!(superuser.execute(over, &[&tokens[0]]).await.unwrap(), 1);
        let gone = unmask(&running, &tenant.token, &tokens[0]).await;
        assert_eq!(gone.slug(), "not-found");
        swept(&database).await;
        assert_eq!(values(&superuser, tenant.id).await, 0);
        assert_eq!(values(&superuser, other.id).await, 1);

        // An organisation's erasure takes its own at once, and the data keys that sealed them.
        let (said, _) = call(&running, &tenant, &format!("erased: {EMAIL}")).await;
        let token = token(&said);
        let stored = async || {
            let sql = "select sealed, dek_id from app.pii_values where token = $1";
            let row = superuser.query_opt(sql, &[&token]).await.unwrap();
            row.map(|row| (row.get::<_, Vec<u8>>(0), row.get::<_, Vec<u8>>(1)))
        };
        let before = stored().await.unwrap();
        let body = json!({ "reason": "the contract ended" });
        let started = post(&running, &tenant, "/v1/erasures", body).await;
        assert_eq!(started.status, 202, "{}", started.text);
        let gone = unmask(&running, &tenant.token, &token).await;
        assert_eq!(gone.slug(), "not-found");
        let bearer = Some(tenant.token.as_str());
        let path = format!("/v1/erasures/{}", started.json()["id"].as_str().unwrap());
        let path = path.as_str();
        let phase = async || {
            let shown = running.send("GET", path, bearer, None).await.json();
            shown["phase"].as_str().unwrap().to_owned()
        };
        until("what is kept is sealed again", || async {
            (phase().await == "resealing").then_some(())
        })
        .await;
        // What is over is not: it goes with what it was sealed under. Nodes have three seconds to hear.
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(after) = stored().await {
            assert!(after == before, "what is over was sealed again");
            assert_eq!(phase().await, "resealing");
        }
        swept(&database).await;
        assert_eq!(values(&superuser, tenant.id).await, 0);
        let shown = unmask(&running, &other.token, &tokens[1]).await;
        assert_eq!(shown.status, 200);
        until("the data key is destroyed", || async {
            let sql = "select count(*) from app.tenant_deks where dek_id = $1";
            let left: i64 = superuser.query_one(sql, &[&before.1]).await.unwrap().get(0);
            (left == 0).then_some(())
        })
        .await;
    });
}
