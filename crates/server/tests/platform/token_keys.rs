//! Keys of access tokens: rotated over their overlaps, and withdrawn at once on every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use strongroom_apikey::RevocationFeed as _;
use strongroom_server::clock::SystemClock;
use strongroom_server::generations::revoked_everywhere;
use strongroom_server::postgres::Role;
use strongroom_server::token_keys::Cause;
use strongroom_tenancy::{Actor, RequestId};
use strongroom_tenant_token::{Algorithm, JwkSet, Verifier};
use tokio_postgres::Client;

use crate::acceptance::{Asking, accepts};
use crate::database::actor;
use crate::key_rotation::on_own_platform;
use crate::platform::{Answer, Running, Tenant, node, second_node};
use crate::webhook_operations::{until, until_waiting};

pub(crate) const WEEK: i64 = 7 * 24 * 3_600;

/// No node learns what was revoked, until it may ask again.
const NO_POLLS: &str = "revoke select on app.generations from strongroom_watcher";

const POLLS_AGAIN: &str = "grant select on app.generations to strongroom_watcher";

/// Makes every key so many seconds older.
pub(crate) async fn age(superuser: &Client, seconds: i64) {
    let sql = "update app.token_keys set since = since - $1";
    superuser.execute(sql, &[&seconds]).await.unwrap();
}

pub(crate) async fn ask(running: &Running, method: &str, path: &str) -> Answer {
    let path = format!("/v1/token-keys{path}");
    let key = running.admin_key.as_str();
    running.send(method, &path, Some(key), None).await
}

/// The keys and their states, the oldest first.
pub(crate) async fn states(running: &Running) -> Vec<(String, String)> {
    let listed = ask(running, "GET", "").await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    let listed = listed.json();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let keys = listed["data"].as_array().unwrap().iter();
    keys.map(|key| (text(key, "kid"), text(key, "state")))
        .collect()
}

/// The one key in a state.
pub(crate) async fn only(running: &Running, state: &str) -> String {
    let mut found = states(running).await;
    found.retain(|(_, is)| is == state);
    assert_eq!(found.len(), 1, "{state}: {found:?}");
    found.remove(0).0
}

pub(crate) async fn published(running: &Running) -> Vec<String> {
    let answer = running
        .send("GET", "/.well-known/jwks.json", None, None)
        .await;
    assert_eq!(answer.header("cache-control"), "max-age=300");
    let json = answer.json();
    let keys = json["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// The key that a token names.
pub(crate) fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The private halves that are stored.
pub(crate) async fn halves(superuser: &Client) -> Vec<String> {
    let sql = "select kid from app.platform_keys where purpose = 'token'";
    let rows = superuser.query(sql, &[]).await.unwrap();
    let mut kids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    kids.sort();
    kids
}

/// Waits until all that was staged is in the logs: what nobody announces is taken up seconds later.
pub(crate) async fn swept(superuser: &Client) {
    until("what was staged is in the logs", || async {
        let sql = "select from app.audit_staged limit 1";
        let staged = superuser.query(sql, &[]).await.unwrap();
        staged.is_empty().then_some(())
    })
    .await;
}

/// How often an event stands in the platform's log, of one key.
pub(crate) async fn written(running: &Running, kind: &str, kid: &str) -> usize {
    let resource = format!("token_key/{kid}");
    let entries = running.entries(&running.admin_key).await;
    let is = |entry: &&Value| {
        entry["event"]["kind"] == kind && entry["event"]["resource"] == resource.as_str()
    };
    entries.iter().filter(is).count()
}

pub(crate) fn cause() -> Cause {
    Cause {
        actor: Actor::new(actor()),
        request: RequestId::from_parts(1, &[7; 10]),
        kind: "token_key.withdraw",
    }
}

#[test]
fn a_key_goes_through_its_life_and_its_tokens_verify_until_it_is_gone() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("rotated").await;
        let second = second_node(&database, &running).await;
        let nodes = [&running, &second];
        let first = only(&running, "active").await;
        let old = tenant.token.clone();
        assert_eq!(kid(&old), first);
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(states(&running).await.len(), 1);

        // Ten minutes before its week is over the next one is published, and does not sign.
        age(&superuser, WEEK - 600).await;
        running.app.token_keys.advance().await.unwrap();
        let next = only(&running, "next").await;
        revoked_everywhere().await;
        for node in nodes {
            assert_eq!(published(node).await, [first.clone(), next.clone()]);
            assert_eq!(kid(&node.token(&tenant.key).await), first);
        }
        // What the test itself takes counts too.
        age(&superuser, 500).await;
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "active").await, first);

        // Then it signs, and tokens of both verify, on a node that reads nothing anew too.
        age(&superuser, 100).await;
        running.app.token_keys.advance().await.unwrap();
        running.app.token_keys.read_again().await.unwrap();
        assert_eq!(only(&running, "active").await, next);
        assert_eq!(only(&running, "retiring").await, first);
        let new = running.token(&tenant.key).await;
        assert_eq!(kid(&new), next);
        for node in nodes {
            assert!(accepts(&node.base, &old).await && accepts(&node.base, &new).await);
            assert!(node.app.tokens.len() >= 2);
            assert_eq!(published(node).await.len(), 2);
        }
        assert_eq!(halves(&superuser).await, std::slice::from_ref(&next));
        age(&superuser, 1_700).await;
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "retiring").await, first);
        assert!(accepts(&second.base, &old).await);

        age(&superuser, 100).await;
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "gone").await, first);
        revoked_everywhere().await;
        for node in nodes {
            assert!(!accepts(&node.base, &old).await && accepts(&node.base, &new).await);
            assert_eq!(published(node).await, std::slice::from_ref(&next));
        }
        swept(&superuser).await;
        for (kind, key) in [
            ("activated", &first),
            ("published", &next),
            ("activated", &next),
            ("retired", &first),
            ("gone", &first),
        ] {
            let kind = format!("token_key.{kind}");
            assert_eq!(written(&running, &kind, key).await, 1, "{kind}");
        }
        assert_eq!(written(&running, "token_key.published", &first).await, 0);
    });
}

/// On every node, each of which keeps the token as verified: once the answer is there, and never
/// after. With no next key a new one signs, and other nodes accept it before they were told.
#[test]
fn a_withdrawn_keys_tokens_are_accepted_nowhere_once_the_call_returns() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("withdrawn").await;
        let second = second_node(&database, &running).await;
        for round in 0..2 {
            let token = running.token(&tenant.key).await;
            let withdrawn = kid(&token);
            let asking = Asking::begin(&[&running.base, &second.base], &[&token]).await;
            let path = format!("/{withdrawn}/withdraw");
            let answer = ask(&running, "POST", &path).await;
            let returned = Instant::now();
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert!(!answer.header("strongroom-receipt").is_empty());
            for node in [&running, &second] {
                assert!(!accepts(&node.base, &token).await, "{round}");
                assert!(!published(node).await.contains(&withdrawn));
            }
            assert!(asking.last_accepted().await < returned, "{round}");
            let active = only(&running, "active").await;
            assert_eq!(answer.json()["active"]["kid"], active.as_str());
            assert_eq!(kid(&second.token(&tenant.key).await), active);
            // Once more changes nothing, and says so as well.
            let again = ask(&second, "POST", &path).await;
            assert_eq!(again.status, 200, "{}", again.text);
            assert_eq!(only(&running, "active").await, active);
            assert_eq!(written(&running, "token_key.withdraw", &withdrawn).await, 2);
            assert_eq!(written(&running, "token_key.gone", &withdrawn).await, 1);
        }
        let superuser = database.sql("postgres").await;
        assert_eq!(halves(&superuser).await, [only(&running, "active").await]);
        for unknown in ["x", "0123456789012345678901234567890123456789012"] {
            let answer = ask(&running, "POST", &format!("/{unknown}/withdraw")).await;
            assert_eq!(answer.slug(), "not-found");
        }
    });
}

/// The withdrawal does not wait for the platform's root key; issuing tokens does.
#[test]
fn a_key_is_withdrawn_where_no_other_can_be_made() {
    const SWAP: &str = "alter table app.tenant_keks disable trigger user; \
         update app.tenant_keks set wrapped = reverse(encode(wrapped, 'hex'))::bytea \
           where tenant_id = '00000000-0000-8000-8000-000000000001'; \
         alter table app.tenant_keks enable trigger user";
    const MEND: &str = "alter table app.tenant_keks disable trigger user; \
         update app.tenant_keks set wrapped = decode(reverse(convert_from(wrapped, 'UTF8')), 'hex') \
           where tenant_id = '00000000-0000-8000-8000-000000000001'; \
         alter table app.tenant_keks enable trigger user";
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("no-root").await;
        superuser.batch_execute(SWAP).await.unwrap();
        let path = format!("/{}/withdraw", kid(&tenant.token));
        let answer = ask(&running, "POST", &path).await;
        assert_eq!(
            (answer.status, &answer.json()["active"]),
            (200, &Value::Null)
        );
        assert!(!accepts(&running.base, &tenant.token).await);
        assert!(published(&running).await.is_empty());
        let path = "/v1/token";
        let refused = running.send("POST", path, Some(&tenant.key), None).await;
        assert_eq!(refused.slug(), "unavailable");
        superuser.batch_execute(MEND).await.unwrap();
        running.app.token_keys.advance().await.unwrap();
        running.app.token_keys.read_again().await.unwrap();
        let token = running.token(&tenant.key).await;
        assert!(accepts(&running.base, &token).await);
        assert!(!accepts(&running.base, &tenant.token).await);
    });
}

#[test]
fn keys_are_made_for_the_chosen_algorithm_and_all_are_accepted() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("algorithms").await;
        let mut config = running.app.config.clone();
        config.token_algorithm = Algorithm::Es256;
        let second = node(&database, &running, config, Arc::new(SystemClock)).await;
        let signed_by = async |node: &Running| {
            let token = running.token(&tenant.key).await;
            assert!(accepts(&running.base, &token).await && accepts(&second.base, &token).await);
            let set = node.send("GET", "/.well-known/jwks.json", None, None).await;
            let set = set.json();
            let keys = set["keys"].as_array().unwrap().iter();
            let mut keys = keys.filter(|key| key["kid"] == *kid(&token));
            let key = keys.next().unwrap();
            let verifier = Verifier::new(
                &*running.app.config.issuer,
                &*running.app.config.audience,
                JwkSet::parse(&set.to_string()).unwrap(),
            );
            let now = running.app.clock.unix_seconds();
            assert_eq!(
                verifier.verify(&token, now).unwrap().claims().tenant,
                tenant.id
            );
            (kid(&token), key["alg"].as_str().unwrap().to_owned())
        };
        // Whoever makes a key chooses; the others take it.
        for (maker, name) in [(&second, "ES256"), (&running, "EdDSA")] {
            let active = only(&running, "active").await;
            let keys = &maker.app.token_keys;
            keys.withdraw(&active, &cause()).await.unwrap();
            running.app.token_keys.read_again().await.unwrap();
            second.app.token_keys.read_again().await.unwrap();
            let (kid, algorithm) = signed_by(&second).await;
            assert_eq!(
                (&kid, algorithm.as_str()),
                (&only(&running, "active").await, name)
            );
        }
    });
}

#[test]
fn a_key_that_was_made_this_moment_is_known_to_a_node_that_was_not_told() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("made-now").await;
        let second = second_node(&database, &running).await;
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            assert!(accepts(&second.base, &running.token(&tenant.key).await).await);
            let keys = &running.app.token_keys;
            let active = only(&running, "active").await;
            keys.withdraw(&active, &cause()).await.unwrap();
            keys.read_again().await.unwrap();
            let token = running.token(&tenant.key).await;
            assert_ne!(kid(&token), active);
            assert!(accepts(&second.base, &token).await);
        }
    });
}

/// The signature held, under the last lease from before the withdrawal, when the look-up of the
/// token's API key began; every such lease was over when it ended.
fn withdrawn_in_the_course_of_a_request(lease_at_the_end: bool) {
    // On a busy machine the request may come too late to be one of these.
    let was_in_time = Arc::new(AtomicBool::new(false));
    for _ in 0..5 {
        refused_when_withdrawn(lease_at_the_end, Arc::clone(&was_in_time));
        if was_in_time.load(Ordering::Relaxed) {
            return;
        }
    }
    panic!("no request was in time");
}

fn refused_when_withdrawn(lease_at_the_end: bool, was_in_time: Arc<AtomicBool>) {
    on_own_platform(move |database, running| async move {
        let tenant = running.tenant("held-up").await;
        let second = second_node(&database, &running).await;
        // By then it has read the ring, as it does at its start, and does not come upon the change.
        revoked_everywhere().await;
        let leaked = kid(&tenant.token);
        assert!(published(&second).await.contains(&leaked));
        let (look_ups, polls) = (
            database.sql("postgres").await,
            database.sql("postgres").await,
        );
        let observer = database.sql("postgres").await;
        look_ups
            .batch_execute("begin; lock table app.api_keys in access exclusive mode")
            .await
            .unwrap();
        let generations = &second.app.generations;
        let (before, begun) = (generations.lease_end(), Instant::now());
        while generations.lease_end() == before {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody asks");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The last lease has just begun: no poll sees the withdrawal.
        polls.batch_execute(NO_POLLS).await.unwrap();
        let (keys, cause) = (&running.app.token_keys, cause());
        keys.withdraw(&leaked, &cause).await.unwrap();
        let over = tokio::spawn(revoked_everywhere());
        // Shortly before its end, since a look-up too is good for no longer than a lease.
        let left = generations.lease_end().saturating_sub(generations.clock());
        tokio::time::sleep(left.saturating_sub(Duration::from_millis(300))).await;
        let (node, token) = (Arc::clone(&second), tenant.token.clone());
        let asked = tokio::spawn(async move {
            let answer = node.send("GET", "/v1/policy", Some(&token), None);
            answer.await
        });
        until_waiting(&observer, "relation").await;
        was_in_time.store(generations.lease().is_ok(), Ordering::Relaxed);
        over.await.unwrap();
        assert!(!asked.is_finished());
        // With a lease the change is seen; without one everything is asked again.
        if lease_at_the_end {
            polls.batch_execute(POLLS_AGAIN).await.unwrap();
            assert!(generations.confirm().await.is_ok());
            look_ups.batch_execute("rollback").await.unwrap();
        } else {
            look_ups.batch_execute("rollback").await.unwrap();
            tokio::time::sleep(Duration::from_millis(250)).await;
            polls.batch_execute(POLLS_AGAIN).await.unwrap();
        }
        let answer = asked.await.unwrap();
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (401, "credential-refused")
        );
    });
}

#[test]
fn a_key_that_is_withdrawn_in_the_course_of_a_request_counts_no_more() {
    withdrawn_in_the_course_of_a_request(true);
}

#[test]
fn a_lease_that_lapses_in_the_course_of_a_request_is_asked_for_again() {
    withdrawn_in_the_course_of_a_request(false);
}

#[test]
fn the_operator_has_the_next_key_sign_once_it_was_published_long_enough() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let young = only(&running, "active").await;
        let mut next = None;
        for _ in 0..2 {
            let answer = ask(&running, "POST", "/rotate").await;
            assert_eq!(answer.status, 202, "{}", answer.text);
            let body = answer.json();
            assert_eq!(body["active"]["kid"], young.as_str());
            let since = body["next"]["since"].as_u64().unwrap();
            assert_eq!(body["signs_from"], since + 600);
            let made = body["next"]["kid"].as_str().unwrap().to_owned();
            assert_eq!(*next.get_or_insert(made.clone()), made);
        }
        let next = next.unwrap();
        swept(&superuser).await;
        assert_eq!(written(&running, "token_key.published", &next).await, 1);
        // What the test itself takes counts too.
        age(&superuser, 500).await;
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "active").await, young);
        // Withdrawn before it signed: the wish stays, with another key.
        let withdrawn = ask(&running, "POST", &format!("/{next}/withdraw")).await;
        assert_eq!(withdrawn.json()["active"]["kid"], young.as_str());
        let other = only(&running, "next").await;
        assert_ne!(other, next);
        age(&superuser, 600).await;
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "active").await, other);
        assert_eq!(only(&running, "retiring").await, young);
        // It is fulfilled, once.
        age(&superuser, 600).await;
        running.app.token_keys.advance().await.unwrap();
        assert_eq!(only(&running, "active").await, other);
        assert!(
            states(&running)
                .await
                .iter()
                .all(|(_, state)| state != "next")
        );
    });
}

/// A tenant whose stored row says that it may, sees and changes none.
#[test]
fn token_keys_are_the_operators() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant: Tenant = running.tenant("usurper").await;
        let grant = "update app.api_keys set capabilities = 'token_keys:manage' \
             where tenant_id = $1";
        superuser
            .execute(grant, &[tenant.id.as_uuid()])
            .await
            .unwrap();
        let second = second_node(&database, &running).await;
        let before = states(&running).await;
        let withdraw = format!("/{}/withdraw", before[0].0);
        for (method, path) in [("GET", ""), ("POST", "/rotate"), ("POST", &withdraw)] {
            let path = format!("/v1/token-keys{path}");
            let answer = second.send(method, &path, Some(&tenant.key), None).await;
            assert_eq!((answer.status, answer.slug().as_str()), (404, "not-found"));
        }
        assert_eq!(states(&running).await, before);

        // Nor does who may write the rows take a withdrawal back, or the platform's other keys away.
        let gone = ask(&running, "POST", &withdraw).await;
        assert_eq!(gone.status, 200, "{}", gone.text);
        let keymaster = database.sql(Role::Keymaster.name()).await;
        for sql in [
            "update app.token_keys set state = 'retiring' where state = 'gone'",
            "delete from app.token_keys where state = 'active'",
            "update app.token_keys set jwk = '{}'",
        ] {
            keymaster.batch_execute(sql).await.expect_err(sql);
        }
        let taken = "delete from app.platform_keys where purpose <> 'token'";
        assert_eq!(keymaster.execute(taken, &[]).await.unwrap(), 0);
    });
}

/// Without an answer to what was withdrawn, no token is accepted and no key published.
#[test]
fn without_a_lease_no_token_is_accepted() {
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let tenant = running.tenant("no-lease").await;
        assert!(accepts(&running.base, &tenant.token).await);
        superuser.batch_execute(NO_POLLS).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let path = "/.well-known/jwks.json";
        for (path, token) in [("/v1/policy", Some(tenant.token.as_str())), (path, None)] {
            let refused = running.send("GET", path, token, None).await;
            assert_eq!(refused.slug(), "unavailable", "{path}");
        }
        superuser.batch_execute(POLLS_AGAIN).await.unwrap();
        assert!(accepts(&running.base, &tenant.token).await);
    });
}

/// The JWK Set is what it says, and holds no private half.
#[test]
fn what_is_published_verifies_what_is_signed() {
    on_own_platform(|_, running| async move {
        let tenant = running.tenant("published").await;
        let path = "/.well-known/jwks.json";
        let answer = running.send("GET", path, None, None).await;
        let keys = JwkSet::parse(&answer.text).unwrap();
        let (issuer, audience) = (&running.app.config.issuer, &running.app.config.audience);
        let verifier = Verifier::new(&**issuer, &**audience, keys);
        let now = running.app.clock.unix_seconds();
        let verified = verifier.verify(&tenant.token, now).unwrap();
        assert_eq!(verified.claims().tenant, tenant.id);
        let private = answer.json()["keys"][0].get("d").cloned();
        assert_eq!(private, None);
        let listed = ask(&running, "GET", "").await;
        let fields = listed.json()["data"][0].clone();
        let names: Vec<_> = fields.as_object().unwrap().keys().cloned().collect();
        assert_eq!(json!(names), json!(["kid", "since", "state"]));
    });
}
