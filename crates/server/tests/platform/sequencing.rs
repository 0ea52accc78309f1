//! The sequencer: what was staged and forgotten is taken up, nothing is written twice, and while
//! the log takes no events nothing is answered.

use serde_json::json;
use strongroom_auditchain::Outcome;
use strongroom_server::app::App;
use strongroom_server::audit::{Draft, STAGE_EVENT, new_event_id};
use strongroom_server::postgres::{Access, QueryError};
use strongroom_tenancy::TenantId;

use crate::database::{Database, actor, begin, database, folder, request_id};
use crate::platform::{Running, on_platform, on_runtime, start};
use crate::three_zones::append_to;

pub(crate) fn leaf(app: &App) -> (uuid::Uuid, strongroom_auditchain::Leaf) {
    let id = new_event_id(app.clock.as_ref()).unwrap();
    let draft = Draft {
        kind: "tests.event",
        actor: None,
        request: request_id(),
        resource: Some(id.to_string()),
        credential: None,
        policy: None,
        outcome: Outcome::Success,
    };
    (
        id,
        draft.leaf(id, app.clock.unix_micros(), Vec::new()).unwrap(),
    )
}

async fn written(running: &Running, token: &str, id: uuid::Uuid) -> usize {
    let entries = running.entries(token).await;
    entries
        .iter()
        .filter(|entry| entry["event"]["id"] == id.to_string())
        .count()
}

#[test]
fn a_staged_event_that_nobody_announced_is_taken_up() {
    on_platform(|running| async move {
        let tenant = running.tenant("forgotten").await;
        let (id, leaf) = leaf(&running.app);
        let gateway = &running.app.gateway;
        let mut tx = gateway
            .begin(tenant.id, actor(), &request_id(), Access::Write)
            .await
            .unwrap();
        tx.query(STAGE_EVENT, &[tenant.id.as_uuid(), &id, &leaf.as_bytes()])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        for _ in 0..60 {
            if written(running, &tenant.token, id).await == 1 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the staged event never got its place");
    });
}

#[test]
fn an_event_that_is_appended_again_keeps_its_one_place() {
    on_platform(|running| async move {
        let tenant = running.tenant("again").await;
        let (id, leaf) = leaf(&running.app);
        let append = || {
            running
                .app
                .sequencer
                .append(tenant.id, id, leaf.clone(), None)
        };
        let key = running.app.batch_signer.verifier_key();
        let (first, same_batch) = tokio::join!(append(), append());
        let later = append().await.unwrap().verify(key).unwrap();
        for receipt in [first.unwrap(), same_batch.unwrap()] {
            let verified = receipt.verify(key).unwrap();
            assert_eq!(
                (verified.index(), verified.leaf()),
                (later.index(), later.leaf())
            );
        }
        assert_eq!(written(running, &tenant.token, id).await, 1);
    });
}

#[test]
fn nothing_is_answered_while_the_log_takes_no_events() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("silent").await;
        let superuser = database.sql("postgres").await;
        superuser
            .batch_execute("revoke insert on app.audit_leaves from strongroom_sequencer")
            .await
            .unwrap();
        let sent = running.provider.received.lock().unwrap().len();
        let call = json!({
            "model": "gpt-silent",
            "messages": [{ "role": "user", "content": "hello" }],
        });
        let store = json!({ "credential": "sk-x" });
        // The third was written, and its event will be: it is not answered as a failure.
        for (method, path, body, slug) in [
            ("GET", "/v1/audit/log", json!({}), "audit-unavailable"),
            ("POST", "/v1/chat/completions", call, "audit-unavailable"),
            (
                "PUT",
                "/v1/providers/x/credential",
                store,
                "outcome-unknown",
            ),
        ] {
            let answer = running
                .send(method, path, Some(&tenant.token), Some(body))
                .await;
            assert_eq!(
                (answer.status, answer.slug().as_str()),
                (503, slug),
                "{path}"
            );
            assert_eq!(
                answer.header("retry-after").is_empty(),
                slug == "outcome-unknown"
            );
        }
        assert_eq!(
            running.provider.received.lock().unwrap().len(),
            sent,
            "a call went out unrecorded"
        );
    });
}

/// One tenant's log that cannot go on keeps nobody else's waiting.
#[test]
fn a_log_that_is_broken_stops_its_own_tenant_alone() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let (broken, whole) = (
            running.tenant("broken").await,
            running.tenant("whole").await,
        );
        let superuser = database.sql("postgres").await;
        let garble = "update app.audit_logs set frontier = '\\x00' where tenant_id = $1";
        superuser
            .execute(garble, &[broken.id.as_uuid()])
            .await
            .unwrap();
        let asks = (0..10).map(|number| {
            let tenant = if number % 2 == 0 { &broken } else { &whole };
            running.send("GET", "/v1/api-keys", Some(&tenant.token), None)
        });
        for (number, answer) in futures_util::future::join_all(asks)
            .await
            .iter()
            .enumerate()
        {
            let expected = if number % 2 == 0 { 503 } else { 200 };
            assert_eq!(answer.status, expected, "{}", answer.text);
        }
    });
}

/// A log whose next place is taken refuses its events alone, and says so.
#[test]
fn a_row_that_is_refused_stops_its_own_tenant_alone() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let mut tenants = Vec::new();
        for number in 0..40 {
            tenants.push(running.tenant(&format!("log-{number}")).await);
        }
        let superuser = database.sql("postgres").await;
        let plant = "insert into app.audit_leaves (tenant_id, idx, event_id, leaf, leaf_hash) \
             select tenant_id, size, gen_random_uuid(), '', decode(repeat('00', 32), 'hex') \
             from app.audit_logs where tenant_id = $1";
        let planted = tenants[7].id;
        superuser
            .execute(plant, &[planted.as_uuid()])
            .await
            .unwrap();
        // All in one batch, but for the first.
        let appends = tenants
            .iter()
            .map(|tenant| append_to(&running.app, tenant.id));
        let appended = futures_util::future::join_all(appends).await;
        for (tenant, appended) in tenants.iter().zip(appended) {
            assert_eq!(appended.is_err(), tenant.id == planted, "{appended:?}");
        }
    });
}

/// Zero rows is for attackers: a gateway whose key the database does not know is told so.
#[tokio::test]
async fn a_claim_that_the_database_refuses_is_an_error_of_ours() {
    let database = database();
    let tenant: TenantId = database.tenant("acme").await;
    let stranger = database.gateway_with_key([7; 32]);
    let refused = stranger
        .begin(tenant, actor(), &request_id(), Access::Read)
        .await;
    assert!(matches!(refused.err(), Some(QueryError::ClaimRefused)));
    // And its connection is good for the next.
    let tx = begin(&database.gateway(1), tenant, Access::Read).await;
    tx.rollback().await;
}
