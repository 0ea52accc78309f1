//! One call through every gate: redacted both ways, between two durable events, with a receipt.

use serde_json::{Value, json};
use strongroom_auditchain::Receipt;

use crate::database::{Database, database, folder};
use crate::platform::{Running, last_event, on_platform, on_runtime, start};
use crate::three_zones::until;

const EMAIL: &str = "john.planted@example.com";
const SSN: &str = "536-90-4399";

fn prompt() -> Value {
    json!({
        "model": "gpt-test",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": format!("My email is {EMAIL} and SSN is {SSN}") },
        ],
        "user": "john.planted",
        "metadata": { "who": "john" },
    })
}

async fn received(running: &Running, model: &str) -> Vec<(Option<String>, Value)> {
    let all = running.provider.received.lock().unwrap().clone();
    all.into_iter()
        .filter(|(_, body)| body["model"] == model)
        .collect()
}

#[test]
fn a_call_passes_every_gate() {
    on_platform(|running| async move {
        let tenant = running.tenant("acme").await;
        let mut body = prompt();
        body["model"] = json!("gpt-first");
        let answer = running
            .send(
                "POST",
                "/v1/chat/completions",
                Some(&tenant.token),
                Some(body),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);

        // The answer is redacted, its shape is OpenAI's.
        let content = answer.json()["choices"][0]["message"]["content"].clone();
        assert_eq!(content, "You said it. Write to [EMAIL] or call [PHONE].");
        assert_eq!(answer.json()["usage"]["total_tokens"], 21);

        // The provider got the tenant's credential and the redacted prompt, and nothing else.
        let calls = received(running, "gpt-first").await;
        let [(bearer, sent)] = calls.as_slice() else {
            panic!("{} calls", calls.len())
        };
        assert_eq!(bearer.as_deref(), Some("Bearer sk-tests-own-provider"));
        assert_eq!(
            sent["messages"][1]["content"],
            "My email is [EMAIL] and SSN is [US_SSN]"
        );
        assert_eq!(sent.get("user"), None);
        assert_eq!(sent.get("metadata"), None);

        // The receipt is good offline, with the public key alone.
        let log = running
            .send("GET", "/v1/audit/log", Some(&tenant.token), None)
            .await
            .json();
        let key = log["batch_key"].as_str().unwrap().parse().unwrap();
        let receipt = Receipt::from_header(answer.header("strongroom-receipt")).unwrap();
        let verified = receipt.verify(&key).unwrap();
        assert_eq!(verified.origin().as_str(), log["origin"].as_str().unwrap());

        // Two events, the attempt before the outcome, threaded by the request's id.
        let request_id = answer.header("x-request-id").to_owned();
        let entries = running.entries(&tenant.token).await;
        let mine: Vec<_> = entries
            .iter()
            .filter(|entry| entry["event"]["request_id"] == request_id)
            .collect();
        let kinds: Vec<_> = mine
            .iter()
            .map(|entry| entry["event"]["kind"].clone())
            .collect();
        assert_eq!(kinds, ["chat.attempt", "chat.outcome"]);
        assert_eq!(mine[1]["index"], verified.index().to_string());
        assert_eq!(mine[1]["leaf_hash"], verified.leaf().to_string());
        assert!(mine[0]["event"]["policy"].is_string());

        // Their payloads are the redacted texts, and fit their commitments.
        for (entry, field, text) in [
            (mine[0], "prompt", "SSN is [US_SSN]"),
            (mine[0], "model", "gpt-first"),
            (mine[1], "answer", "Write to [EMAIL]"),
            (mine[1], "model", "gpt-first"),
            (mine[1], "input_tokens", "9"),
            (mine[1], "output_tokens", "12"),
        ] {
            let path = format!(
                "/v1/audit/entries/{}/payload",
                entry["index"].as_str().unwrap()
            );
            let payload = running.send("GET", &path, Some(&tenant.token), None).await;
            let said = payload.json()["fields"][field].as_str().unwrap().to_owned();
            assert!(said.contains(text), "{said}");
        }
    });
}

#[test]
fn originals_and_secrets_are_nowhere_in_the_database() {
    on_platform(|running| async move {
        let tenant = running.tenant("dump").await;
        let made = running
            .send(
                "POST",
                "/v1/api-keys",
                Some(&tenant.token),
                Some(json!({ "capabilities": ["chat:create"] })),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        let key = made.json()["key"].as_str().unwrap().to_owned();
        let call = running
            .send("POST", "/v1/chat/completions", Some(&key), Some(prompt()))
            .await;
        assert_eq!(call.status, 200, "{}", call.text);

        let superuser = database().sql("postgres").await;
        let tables = superuser
            .query(
                "select tablename from pg_tables where schemaname = 'app'",
                &[],
            )
            .await
            .unwrap();
        let secret = key.rsplit('_').next().unwrap();
        let needles = [
            EMAIL,
            SSN,
            "sk-tests-own-provider",
            secret,
            "bob@answers.example",
        ];
        let mut searched = 0;
        for table in tables {
            let table: String = table.get(0);
            let rows = superuser
                .query(&format!("select t::text from app.{table} t"), &[])
                .await
                .unwrap();
            for row in rows {
                let text: String = row.get(0);
                searched += 1;
                for needle in needles {
                    let hex: String = needle.bytes().map(|b| format!("{b:02x}")).collect();
                    assert!(
                        !text.contains(needle) && !text.contains(&hex),
                        "{table} holds {needle}"
                    );
                }
            }
        }
        assert!(searched > 10);
        // The control: what the database does hold of the key is its id and its hash.
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let row = superuser
            .query_one(
                "select length(hash) from app.api_keys where id = $1",
                &[&id],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i32>(0), 32);
    });
}

#[test]
fn no_endpoint_returns_the_credential_or_a_hash() {
    on_platform(|running| async move {
        let tenant = running.tenant("mum").await;
        for route in strongroom_server::router::routes() {
            if route.method != http::Method::GET {
                continue;
            }
            let path = route
                .path
                .replace("{index}", "0")
                .replace("{name}", "default");
            let path = path.replace("{id}", "0190b2a4-8c7e-7d3a-9f00-0242ac120002");
            let answer = running.send("GET", &path, Some(&tenant.token), None).await;
            assert!(!answer.text.contains("sk-tests-own-provider"), "{path}");
            assert!(
                !answer.text.contains("\"hash\":\"") || path == "/v1/policy",
                "{path}"
            );
        }
    });
}

#[test]
fn another_tenant_sees_none_of_it() {
    on_platform(|running| async move {
        let (acme, globex) = (running.tenant("acme").await, running.tenant("globex").await);
        let made = running
            .send(
                "POST",
                "/v1/api-keys",
                Some(&acme.token),
                Some(json!({ "capabilities": ["audit:read"] })),
            )
            .await
            .json();
        let key_id = made["id"].as_str().unwrap();
        let delete = format!("/v1/api-keys/{key_id}");
        let theirs = running
            .send("DELETE", &delete, Some(&globex.token), None)
            .await;
        assert_eq!((theirs.status, theirs.slug().as_str()), (404, "not-found"));
        let listed = running
            .send("GET", "/v1/api-keys", Some(&globex.token), None)
            .await;
        assert!(!listed.text.contains(key_id));
        for entry in running.entries(&globex.token).await {
            assert_ne!(entry["event"]["resource"], acme.id.to_string());
        }
        let mine = running
            .send("DELETE", &delete, Some(&acme.token), None)
            .await;
        assert_eq!(mine.status, 204);
        // Revoked is revoked at once.
        let key = made["key"].as_str().unwrap();
        let refused = running.send("GET", "/v1/audit/log", Some(key), None).await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (401, "credential-refused")
        );
    });
}

#[test]
fn a_provider_that_refuses_is_recorded_and_its_words_stay_here() {
    on_platform(|running| async move {
        let tenant = running.tenant("refused").await;
        let body = json!({ "credential": "sk-refused" });
        let path = "/v1/providers/default/credential";
        running
            .send("PUT", path, Some(&tenant.token), Some(body))
            .await;
        let answer = running
            .send(
                "POST",
                "/v1/chat/completions",
                Some(&tenant.token),
                Some(prompt()),
            )
            .await;
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (502, "upstream-failed")
        );
        assert!(!answer.text.contains("sk-refused"));
        assert_eq!(answer.json()["error"]["code"], "upstream-failed");
        let entries = running.entries(&tenant.token).await;
        let last = last_event(&entries, "chat.outcome");
        assert_eq!(last["outcome"], "failed");
        assert_eq!(last["reason"], "upstream-refused");
    });
}

#[test]
fn a_policy_decides_for_the_next_call() {
    on_platform(|running| async move {
        let tenant = running.tenant("policy").await;
        let block = "version = 2\n[[rules]]\ntenant = '*'\nclass = 'gov.*'\nchannel = 'prompt'\nmode = 'block'\n";
        let put = running
            .send(
                "PUT",
                "/v1/policy",
                Some(&tenant.token),
                Some(json!({ "source": block })),
            )
            .await;
        assert_eq!(put.status, 200, "{}", put.text);
        let answer = running
            .send(
                "POST",
                "/v1/chat/completions",
                Some(&tenant.token),
                Some(prompt()),
            )
            .await;
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (400, "pii-blocked")
        );
        assert!(!answer.text.contains(SSN));
        let bad = json!({ "source": "version = 1\n[[rules]]\nmode = 'sometimes'\n" });
        let refused = running
            .send("PUT", "/v1/policy", Some(&tenant.token), Some(bad))
            .await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (400, "invalid-field")
        );
        assert!(
            refused.json()["detail"].as_str().unwrap().contains("line"),
            "{}",
            refused.text
        );
    });
}

#[test]
fn an_answer_that_tells_the_credential_is_refused() {
    on_platform(|running| async move {
        let tenant = running.tenant("echo").await;
        // The provider of the tests answers with the model that it was asked for.
        let mut body = prompt();
        body["model"] = json!("sk-tests-own-provider");
        let path = "/v1/chat/completions";
        let answer = running
            .send("POST", path, Some(&tenant.token), Some(body))
            .await;
        assert_eq!(received(running, "sk-tests-own-provider").await.len(), 1);
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (502, "upstream-failed")
        );
        assert!(!answer.text.contains("sk-tests-own-provider"));
        let entries = running.entries(&tenant.token).await;
        let last = last_event(&entries, "chat.outcome");
        assert_eq!(last["outcome"], "failed");
        assert_eq!(last["reason"], "upstream-broken");
    });
}

#[test]
fn a_call_too_many_at_once_is_told_to_come_back() {
    // A platform of its own, with one place.
    let limits = [("STRONGROOM_LIMITS_CONCURRENT_CALLS", "1")];
    on_runtime(async move {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &limits).await;
        let tenant = running.tenant("crowd").await;
        let call = || {
            let path = "/v1/chat/completions";
            running.send("POST", path, Some(&tenant.token), Some(prompt()))
        };
        *running.provider.delay.lock().unwrap() = std::time::Duration::from_secs(8);
        // The place is held while the provider thinks.
        let second = async {
            let received = &running.provider.received;
            until("asked", async || !received.lock().unwrap().is_empty()).await;
            call().await
        };
        let (first, second) = tokio::join!(call(), second);
        *running.provider.delay.lock().unwrap() = std::time::Duration::ZERO;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_eq!(
            (second.status, second.slug().as_str()),
            (503, "unavailable")
        );
        assert_eq!(second.header("retry-after"), "1");
        assert_eq!(running.app.calls.available_permits(), 1);

        // Nor does a text wait for ever to be examined.
        let places = running.app.redactions.available_permits();
        let places = u32::try_from(places).unwrap();
        let held = running.app.redactions.acquire_many(places).await.unwrap();
        let third = call().await;
        assert_eq!((third.status, third.slug().as_str()), (503, "unavailable"));
        drop(held);
        assert_eq!(call().await.status, 200);
    });
}

#[test]
fn who_created_a_tenant_stands_in_both_logs() {
    on_platform(|running| async move {
        let before = running.entries(&running.admin_key).await.len();
        let tenant = running.tenant("twice-told").await;
        let platform = running.entries(&running.admin_key).await;
        let created = |entry: &&Value| entry["event"]["kind"] == "tenant.create";
        assert!(platform[before..].iter().any(|entry| created(&entry)));
        let first = running.entries(&tenant.token).await[0].clone();
        assert_eq!(first["event"]["kind"], "tenant.created");
        assert_eq!(first["event"]["resource"], tenant.id.to_string());
        let theirs = platform.iter().rfind(created).unwrap();
        assert_eq!(first["event"]["actor"], theirs["event"]["actor"]);
    });
}
