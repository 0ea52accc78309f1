//! No refusal is lost: few are events of their own, the others are counted in one.

use serde_json::{Value, json};
use strongroom_apikey::ApiKey;
use strongroom_server::jobs::write_refusals;
use strongroom_tenancy::CapabilitySet;

use crate::key_rotation::on_own_platform;
use crate::platform::{Running, Tenant, on_platform};
use crate::unauthorised_coverage::{claims, signed};

/// How many refusals for a reason a log has as events of their own, and how many counted, once
/// they are `expected` together.
pub(crate) async fn refused(
    running: &Running,
    credential: &str,
    reason: &str,
    expected: usize,
) -> (usize, usize) {
    let mut found = (0, 0);
    for _ in 0..50 {
        write_refusals(&running.app).await;
        found = (0, 0);
        for entry in running.entries(credential).await {
            let event = &entry["event"];
            if event["reason"] != reason {
                continue;
            }
            assert_eq!(event["outcome"], "refused");
            if event["kind"] == "access.refused" {
                found.1 += count(event);
            } else {
                found.0 += 1;
            }
        }
        if found.0 + found.1 >= expected {
            break;
        }
        // Another test ended the minute, and is still writing. Nobody may look more often.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(found.0 + found.1, expected, "{reason}");
    found
}

fn count(event: &Value) -> usize {
    let resource = event["resource"].as_str().unwrap();
    let (_, count) = resource.rsplit_once('/').unwrap();
    count.parse().unwrap()
}

/// A token that may do nothing.
async fn weak(running: &Running, tenant: &Tenant) -> String {
    let mut weak = claims(running, tenant);
    weak.capabilities = CapabilitySet::EMPTY;
    signed(running, &weak).await
}

#[test]
fn refusals_without_end_do_not_fill_the_log_and_are_all_counted() {
    on_own_platform(|_, running| async move {
        let tenant = running.tenant("insistent").await;
        let token = weak(&running, &tenant).await;
        for _ in 0..15 {
            let asks = (0..20).map(|_| running.send("GET", "/v1/policy", Some(&token), None));
            for answer in futures_util::future::join_all(asks).await {
                let answer = (answer.status, answer.slug());
                assert_eq!(answer, (403, "capability-missing".to_owned()));
            }
        }
        // Ten of the key; the minute may have ended meanwhile.
        let (single, _) = refused(&running, &tenant.token, "capability-missing", 300).await;
        assert!((10..=40).contains(&single), "{single}");
        let entries = running.entries(&tenant.token).await;
        let counted = entries
            .iter()
            .find(|entry| entry["event"]["kind"] == "access.refused");
        let event = &counted.unwrap()["event"];
        let resource = event["resource"].as_str().unwrap();
        assert!(resource.starts_with(&format!("api_key/{}/refusals/", tenant.key_id())));
        assert_eq!(event["actor"], Value::Null);
        // Another minute, in which there was nothing to count.
        let before = entries.len();
        write_refusals(&running.app).await;
        assert_eq!(running.entries(&tenant.token).await.len(), before + 1);
    });
}

#[test]
fn a_key_s_refusals_leave_another_key_its_own() {
    on_platform(|running| async move {
        let tenant = running.tenant("two-keys").await;
        let body = json!({ "capabilities": ["policy:manage"] });
        let made = running.send("POST", "/v1/api-keys", Some(&tenant.token), Some(body));
        let made = made.await.json();
        let key = made["key"].as_str().unwrap();
        for _ in 0..20 {
            let answer = running.send("GET", "/v1/audit/log", Some(key), None).await;
            assert_eq!(answer.slug(), "capability-missing");
        }
        let token = weak(running, &tenant).await;
        running.send("GET", "/v1/policy", Some(&token), None).await;
        let entries = running.entries(&tenant.token).await;
        // The end of a minute writes what was counted in it, whenever that comes.
        let is_single =
            |event: &&Value| event["outcome"] == "refused" && event["kind"] != "access.refused";
        let last = entries.iter().map(|entry| &entry["event"]).rfind(is_single);
        assert_eq!(last.unwrap()["kind"], "policy.read");
        // One that is revoked is still the tenant's own.
        let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
        let gone = running.send("DELETE", &path, Some(&tenant.token), None);
        assert_eq!(gone.await.status, 204);
        for _ in 0..15 {
            running.send("GET", "/v1/audit/log", Some(key), None).await;
        }
        refused(running, &tenant.token, "credential-refused", 15).await;
        refused(running, &tenant.token, "capability-missing", 21).await;
    });
}

/// Nobody's log can say who they were; the platform's says how many, and why.
#[test]
fn calls_of_nobody_are_counted_in_the_platform_s_log() {
    on_own_platform(|_, running| async move {
        let tenant = running.tenant("impersonated").await;
        let genuine: ApiKey = tenant.key.parse().unwrap();
        let (prefix, environment) = (genuine.prefix(), genuine.environment());
        let unknown = ApiKey::generate(prefix, environment).unwrap();
        let forged = ApiKey::from_parts(prefix, environment, genuine.id(), &[7; 32]);
        let before = running.entries(&tenant.token).await.len();
        for credential in [unknown.expose(), forged.expose(), "no-key"] {
            running
                .send("GET", "/v1/policy", Some(credential), None)
                .await;
        }
        for _ in 0..2 {
            running.send("GET", "/v1/policy", None, None).await;
        }
        running.send("GET", "/v1/nonsense", None, None).await;
        let path = format!("/v1/policy?api_key={}", tenant.key);
        running.send("GET", &path, Some(&tenant.key), None).await;
        running.send("GET", "/healthz", None, None).await;
        // A look at the log is an entry itself: just the one of `before`.
        assert_eq!(running.entries(&tenant.token).await.len(), before + 1);

        let admin = running.admin_key.as_str();
        for (reason, expected) in [
            ("credential-refused", 3),
            ("unauthenticated", 2),
            ("route-unknown", 1),
            ("credential-in-url", 1),
        ] {
            let (single, _) = refused(&running, admin, reason, expected).await;
            assert_eq!(single, 0, "{reason}");
        }
        let counted = |entries: Vec<Value>| {
            let counted = entries.into_iter().map(|entry| entry["event"].clone());
            counted
                .filter(|event| event["kind"] == "access.refused")
                .count()
        };
        let written = counted(running.entries(admin).await);
        write_refusals(&running.app).await;
        assert_eq!(counted(running.entries(admin).await), written);
    });
}
