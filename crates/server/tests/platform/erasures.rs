//! An organisation's erasure: what its agents said is gone at once with the keys that sealed it, the
//! log stands, and what an auditor asks for stays.

use serde_json::{Value, json};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;

use crate::database::Database;
use crate::key_rotation::{chat, on_own_platform, post};
use crate::platform::{Answer, Running, Tenant, events_of, on_platform};
use crate::webhook_operations::until;

async fn get(running: &Running, tenant: &Tenant, path: &str) -> Answer {
    running.send("GET", path, Some(&tenant.token), None).await
}

async fn put(running: &Running, tenant: &Tenant, body: Value) -> Answer {
    running
        .send("PUT", "/v1/retention", Some(&tenant.token), Some(body))
        .await
}

async fn verified(running: &Running, tenant: &Tenant) -> Value {
    let answer = post(running, tenant, "/v1/audit/verify", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// How many payloads a tenant has, and how many data keys.
async fn stored(superuser: &Client, tenant: TenantId) -> (i64, i64) {
    let sql = "select (select count(*) from app.audit_payloads where tenant_id = $1), \
         (select count(*) from app.tenant_deks where tenant_id = $1)";
    let row = superuser.query_one(sql, &[tenant.as_uuid()]).await.unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn a_choice_is_within_its_bounds_and_recorded() {
    on_platform(|running| async move {
        let tenant = running.tenant("choosing").await;
        let before = get(running, &tenant, "/v1/retention").await.json();
        assert_eq!(
            (&before["agent_days"], &before["high_risk_days"]),
            (&json!(90), &json!(184))
        );
        assert_eq!(before["compliance_days"], 2557);
        for (body, param, says) in [
            (json!({ "agent_days": 29 }), "agent_days", "at least 30"),
            (json!({ "agent_days": 366 }), "agent_days", "at most 365"),
            (
                json!({ "high_risk_agents": ["user:1"] }),
                "high_risk_agents",
                "agent:<uuid>",
            ),
        ] {
            let refused = put(running, &tenant, body).await;
            assert_eq!(
                (refused.status, refused.slug().as_str()),
                (400, "invalid-field")
            );
            let problem = refused.problem();
            assert_eq!(problem["error"]["param"], param);
            assert!(
                problem["detail"].as_str().unwrap().contains(says),
                "{problem}"
            );
        }
        let compliance = put(running, &tenant, json!({ "compliance_days": 1 })).await;
        assert_eq!(
            (compliance.status, compliance.slug().as_str()),
            (400, "invalid-body")
        );
        let agent = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120002";
        let body = json!({ "agent_days": 365, "high_risk_agents": [agent] });
        let chosen = put(running, &tenant, body).await;
        assert_eq!(chosen.status, 200, "{}", chosen.text);
        let after = get(running, &tenant, "/v1/retention").await.json();
        assert_eq!(chosen.json(), after);
        assert_eq!(
            (&after["agent_days"], &after["high_risk_days"]),
            (&json!(365), &json!(365))
        );
        assert_eq!(after["high_risk_agents"], json!([agent]));
        // What a choice leaves out is as if it had never been chosen.
        let chosen = put(running, &tenant, json!({})).await.json();
        assert_eq!(
            (&chosen["agent_days"], &chosen["high_risk_agents"]),
            (&json!(90), &json!([]))
        );
        let entries = running.entries(&tenant.token).await;
        let stored = entries.iter().map(|entry| &entry["event"]);
        let stored: Vec<_> = stored
            .filter(|e| e["kind"] == "retention.store" && e["outcome"] == "success")
            .map(|event| event["resource"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            stored,
            ["retention/365/high-risk/1", "retention/90/high-risk/0"]
        );
    });
}

#[test]
fn an_organisations_erasure_takes_what_agents_said_with_its_keys_and_leaves_the_log() {
    on_own_platform(|database: std::sync::Arc<Database>, running| async move {
        let superuser = database.sql("postgres").await;
        let (tenant, other) = (
            running.tenant("erased").await,
            running.tenant("other").await,
        );
        for who in [&tenant, &other] {
            for _ in 0..3 {
                assert_eq!(chat(&running, who).await.status, 200);
            }
        }
        // Marked agents are no exception here.
        let agent = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120002";
        put(
            &running,
            &tenant,
            json!({ "agent_days": 365, "high_risk_agents": [agent] }),
        )
        .await;
        let refused = post(&running, &tenant, "/v1/erasures", json!({ "reason": " " })).await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (400, "reason-required")
        );
        assert_eq!(stored(&superuser, tenant.id).await.0, 6);

        let body = json!({ "reason": "the contract ended" });
        let started = post(&running, &tenant, "/v1/erasures", body).await;
        assert_eq!(started.status, 202, "{}", started.text);
        let id = started.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/erasures/{id}");
        let theirs = get(&running, &other, &path).await;
        assert_eq!((theirs.status, theirs.slug().as_str()), (404, "not-found"));
        let done = until("the erasure is finished", || async {
            let shown = get(&running, &tenant, &path).await.json();
            (shown["phase"] == "finished").then_some(shown)
        })
        .await;
        assert_eq!(done["payloads_erased"], "6", "{done}");
        assert_eq!(done["data_keys_destroyed"], "1", "{done}");
        // The reason is an auditor's: it stays, under another key.
        assert_eq!(stored(&superuser, tenant.id).await, (1, 1));
        assert_eq!(stored(&superuser, other.id).await, (6, 1));

        let report = verified(&running, &tenant).await;
        assert_eq!(report["intact"], true, "{report}");
        assert_eq!(report["payloads"]["erased"], "6");
        assert_eq!(report["payloads"]["missing"], "0");
        assert_eq!(report["payloads"]["present"], "1");
        // The last event has its place when the sequencer takes it up.
        let entries = until("the log says that it is done", || async {
            let entries = running.entries(&tenant.token).await;
            (events_of(&entries, "organisation.erased") == 1).then_some(entries)
        })
        .await;
        let by: usize = report["payloads"]["erased_by"][0]["by"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(entries[by]["event"]["kind"], "payload.erased");
        for (kind, count) in [
            ("organisation.erasure_requested", 1),
            ("organisation.erasure_started", 1),
            ("organisation.erased", 1),
        ] {
            assert_eq!(events_of(&entries, kind), count, "{kind}");
        }
        let index = |kind: &str| {
            let found = entries
                .iter()
                .position(|entry| entry["event"]["kind"] == kind);
            format!("/v1/audit/entries/{}/payload", found.unwrap())
        };
        let said = get(&running, &tenant, &index("chat.attempt")).await;
        assert_eq!((said.status, said.slug().as_str()), (404, "not-found"));
        let reason = get(&running, &tenant, &index("organisation.erasure_requested")).await;
        assert_eq!(reason.json()["fields"]["reason"], "the contract ended");

        // Whoever goes on is kept as ever, and can be erased again.
        assert_eq!(chat(&running, &tenant).await.status, 200);
        assert_eq!(stored(&superuser, tenant.id).await.0, 3);
        let body = json!({ "reason": "again" });
        let again = post(&running, &tenant, "/v1/erasures", body).await.json();
        assert_ne!(again["id"], id.as_str());
        until("the payloads are gone", || async {
            (stored(&superuser, tenant.id).await.0 == 2).then_some(())
        })
        .await;
        let report = verified(&running, &other).await;
        assert_eq!(
            (&report["payloads"]["present"], &report["intact"]),
            (&json!("6"), &json!(true))
        );
    });
}

#[test]
fn while_an_erasure_is_under_way_it_is_the_answer() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("twice").await;
        // As if the job could not go on.
        let hold = "insert into app.retention_runs (tenant_id, held_until) values ($1, $2) \
             on conflict (tenant_id) do update set held_until = excluded.held_until";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [tenant.id.as_uuid(), &i64::MAX];
        superuser.execute(hold, &params).await.unwrap();
        let ask = async || {
            let body = json!({ "reason": "the contract ended" });
            let answer = post(&running, &tenant, "/v1/erasures", body).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
            answer.json()["id"].clone()
        };
        assert_eq!(ask().await, ask().await);
        let entries = running.entries(&tenant.token).await;
        assert_eq!(events_of(&entries, "organisation.erasure_requested"), 2);
        assert_eq!(events_of(&entries, "organisation.erasure_started"), 1);
    });
}

#[test]
fn a_payload_that_went_without_a_word_is_a_finding() {
    on_platform(|running| async move {
        let tenant = running.tenant("unsaid").await;
        assert_eq!(chat(running, &tenant).await.status, 200);
        assert_eq!(verified(running, &tenant).await["intact"], true);
        let superuser = crate::database::database().sql("postgres").await;
        let sql = "delete from app.audit_payloads where (tenant_id, event_id) in ( \
             select tenant_id, event_id from app.audit_payloads where tenant_id = $1 limit 1)";
        let gone = superuser.execute(sql, &[tenant.id.as_uuid()]).await;
        assert_eq!(gone.unwrap(), 1);
        let report = verified(running, &tenant).await;
        assert_eq!(
            (&report["intact"], &report["payloads"]["missing"]),
            (&json!(false), &json!("1"))
        );
        let finding = report["findings"][0].as_str().unwrap();
        assert!(
            finding.contains("no entry says that it was erased"),
            "{finding}"
        );
    });
}
