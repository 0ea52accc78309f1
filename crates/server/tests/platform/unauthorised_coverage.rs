//! Every route, asked without each of the things it needs: the right problem, the request's id,
//! and an event where a tenant is known.

use serde_json::json;
use strongroom_server::router::{Need, Route, routes};
use strongroom_tenancy::{Actor, CapabilitySet};
use strongroom_tenant_token::{Authentication, Claims, SigningKey, mint};
use uuid::Uuid;

use crate::database::{Database, actor, folder};
use crate::platform::{Running, Tenant, on_platform, on_runtime, start};
use crate::refusals::refused;

fn path(route: &Route) -> String {
    route
        .path
        .replace("{index}", "0")
        .replace("{name}", "default")
        .replace("{id}", "0190b2a4-8c7e-7d3a-9f00-0242ac120002")
}

pub(crate) fn claims(running: &Running, tenant: &Tenant) -> Claims {
    let now = running.app.clock.unix_seconds();
    Claims {
        issuer: running.app.config.issuer.clone(),
        audience: running.app.config.audience.clone(),
        tenant: tenant.id,
        actor: Actor::new(actor()),
        capabilities: strongroom_tenancy::Role::Owner.capabilities(),
        issued_at: now,
        expires_at: now + 900,
        token_id: Uuid::from_u128(1),
        session_id: Uuid::from_u128(2),
        client_id: tenant.key_id(),
        authentication: Authentication::at(now),
        epoch: 0,
    }
}

pub(crate) async fn signed(running: &Running, claims: &Claims) -> String {
    let key = running.app.token_keys.signing().await.unwrap();
    mint(&key, claims).unwrap()
}

/// Asks every route that needs a caller, and checks the problem that each answers.
async fn every_route(
    running: &Running,
    credential: Option<&str>,
    expected: impl Fn(&Route) -> Option<(u16, &'static str)>,
) -> usize {
    let mut asked = 0;
    for route in routes() {
        let Some((status, slug)) = expected(&route) else {
            continue;
        };
        let body = (route.method != http::Method::GET).then(|| json!({}));
        let answer = running
            .send(route.method.as_str(), &path(&route), credential, body)
            .await;
        let place = format!("{} {}", route.method, route.path);
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (status, slug),
            "{place}"
        );
        asked += 1;
    }
    asked
}

fn guarded(route: &Route, status: u16, slug: &'static str) -> Option<(u16, &'static str)> {
    (!matches!(route.spec.need, Need::Nothing | Need::Proof)).then_some((status, slug))
}

#[test]
fn without_a_token() {
    on_platform(|running| async move {
        let asked = every_route(running, None, |route| {
            guarded(route, 401, "unauthenticated")
        })
        .await;
        assert!(asked >= 20, "{asked} routes");
    });
}

#[test]
fn with_an_expired_token_and_the_tenant_s_log_says_so() {
    on_platform(|running| async move {
        let tenant = running.tenant("expired").await;
        let mut late = claims(running, &tenant);
        late.issued_at -= 1000;
        late.expires_at = late.issued_at + 900;
        late.authentication = Authentication::at(late.issued_at);
        let token = signed(running, &late).await;
        let asked = every_route(running, Some(&token), |route| {
            guarded(route, 401, "token-expired")
        })
        .await;
        let entries = running.entries(&tenant.token).await;
        let refused = entries
            .iter()
            .filter(|entry| entry["event"]["reason"] == "token-expired")
            .count();
        assert_eq!(refused, asked);
    });
}

#[test]
fn with_a_token_for_another_audience() {
    on_platform(|running| async move {
        let tenant = running.tenant("audience").await;
        let mut other = claims(running, &tenant);
        other.audience = "reports".to_owned();
        let token = signed(running, &other).await;
        every_route(running, Some(&token), |route| {
            guarded(route, 401, "wrong-audience")
        })
        .await;
        let entries = running.entries(&tenant.token).await;
        assert!(
            entries
                .iter()
                .any(|entry| entry["event"]["reason"] == "wrong-audience")
        );
    });
}

#[test]
fn with_a_token_that_someone_else_signed_nobody_s_log_grows() {
    on_platform(|running| async move {
        let tenant = running.tenant("forged").await;
        let before = running.entries(&tenant.token).await.len();
        let stranger = SigningKey::generate().unwrap();
        let forged = mint(&stranger, &claims(running, &tenant)).unwrap();
        let unsigned = {
            let genuine = signed(running, &claims(running, &tenant)).await;
            let mut parts: Vec<_> = genuine.split('.').collect();
            parts[2] = "";
            parts.join(".")
        };
        for token in [forged, unsigned] {
            every_route(running, Some(&token), |r| {
                guarded(r, 401, "credential-refused")
            })
            .await;
        }
        // Each look at the log is itself an entry: just the one of `before`.
        assert_eq!(running.entries(&tenant.token).await.len(), before + 1);
    });
}

#[test]
fn without_the_capability() {
    on_platform(|running| async move {
        let tenant = running.tenant("weak").await;
        let mut weak = claims(running, &tenant);
        weak.capabilities = CapabilitySet::EMPTY;
        let token = signed(running, &weak).await;
        let asked = every_route(running, Some(&token), |route| match route.spec.need {
            Need::Capability(_) => Some((403, "capability-missing")),
            _ => None,
        })
        .await;
        refused(running, &tenant.token, "capability-missing", asked).await;
    });
}

#[test]
fn a_token_is_not_exchanged_for_a_token() {
    on_platform(|running| async move {
        let tenant = running.tenant("exchange").await;
        let answer = running
            .send("POST", "/v1/token", Some(&tenant.token), None)
            .await;
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (401, "credential-refused")
        );
    });
}

#[test]
fn a_tenant_with_the_capability_in_its_row_still_creates_no_tenants() {
    on_platform(|running| async move {
        let tenant = running.tenant("usurper").await;
        let mut usurper = claims(running, &tenant);
        usurper.capabilities = "tenants:create".parse().unwrap();
        let token = signed(running, &usurper).await;
        let body = json!({ "name": "mine" });
        let answer = running
            .send("POST", "/v1/tenants", Some(&token), Some(body))
            .await;
        assert_eq!((answer.status, answer.slug().as_str()), (404, "not-found"));
    });
}

#[test]
fn too_fast_is_told_when_to_come_back_and_recorded() {
    // A platform of its own, with the burst that users get. Its rate is lower: a slow machine asks
    // faster all the same.
    let limits = [
        ("STRONGROOM_LIMITS_CALLER_PER_SECOND", "2"),
        ("STRONGROOM_LIMITS_CALLER_BURST", "20"),
    ];
    on_runtime(async move {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &limits).await;
        let (tenant, other) = (running.tenant("fast").await, running.tenant("slow").await);
        let asks = (0..60).map(|_| running.send("GET", "/v1/audit/log", Some(&tenant.token), None));
        let answers = futures_util::future::join_all(asks).await;
        let limited: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status != 200)
            .collect();
        assert!(
            !limited.is_empty() && limited.len() <= 40,
            "{} of 60 refused",
            limited.len()
        );
        for answer in &limited {
            assert_eq!(
                (answer.status, answer.slug().as_str()),
                (429, "rate-limited")
            );
            let wait: u32 = answer.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&wait));
        }
        // Another caller is not held up.
        let theirs = running
            .send("GET", "/v1/audit/log", Some(&other.token), None)
            .await;
        assert_eq!(theirs.status, 200);
        refused(&running, &tenant.token, "rate-limited", limited.len()).await;
    });
}

#[test]
fn a_caller_without_the_capability_is_counted_before_it_is_refused() {
    let limits = [
        ("STRONGROOM_LIMITS_CALLER_PER_SECOND", "2"),
        ("STRONGROOM_LIMITS_CALLER_BURST", "2"),
    ];
    on_runtime(async move {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &limits).await;
        let tenant = running.tenant("weak").await;
        let mut weak = claims(&running, &tenant);
        weak.capabilities = CapabilitySet::EMPTY;
        let token = signed(&running, &weak).await;
        let asks = (0..10).map(|_| running.send("GET", "/v1/policy", Some(&token), None));
        let answers = futures_util::future::join_all(asks).await;
        assert!(answers.iter().any(|answer| answer.status == 429));
        assert!(answers.iter().any(|answer| answer.status == 403));
    });
}
