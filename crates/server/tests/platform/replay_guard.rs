//! The replay guard in PostgreSQL: each message handled once, on whatever node of its tenant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use strongroom_server::postgres::{Access, Gateway};
use strongroom_server::replay_guard::PostgresReplayGuard;
use strongroom_tenancy::TenantId;
use strongroom_webhook_sig::conformance::{Terms, run};
use strongroom_webhook_sig::{
    Claim, DEFAULT_LEASE, DEFAULT_TOLERANCE, HeaderSet, MemoryReplayGuard, ReplayGuard as _,
    SigningSecret, Verified, Verifier, WebhookError, sign,
};
use tokio::task::JoinSet;

use crate::database::{Database, actor, begin, database, folder, random};
use crate::platform::on_runtime;

/// In the future: a running platform deletes receipts that are over by the clock.
const NOW: u64 = 4_000_000_000;
const DAY: u64 = 24 * 60 * 60;

/// Long ago, and the far end of what the database can keep.
const TIMES: [u64; 3] = [i64::MAX as u64 - 1, i64::MAX as u64 + 1, u64::MAX];

fn guard(gateway: Gateway, tenant: TenantId) -> PostgresReplayGuard {
    PostgresReplayGuard::new(gateway, tenant, actor(), DEFAULT_TOLERANCE)
}

fn delivery(id: &str, timestamp: u64) -> Verified {
    let secret = || SigningSecret::from_bytes(&[7; 32]).unwrap();
    let sent = sign(&secret(), &id.parse().unwrap(), timestamp, b"").headers();
    let sent = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
    let verifier = Verifier::new([secret()]).unwrap();
    let headers = HeaderSet::collect(sent).unwrap();
    verifier.verify(&headers, b"", timestamp).unwrap()
}

#[test]
fn it_conforms() {
    // On a cluster of its own: the checks live in a time that a running platform calls past or
    // future.
    on_runtime(async {
        let database = Database::start(folder()).await;
        let tenant = database.tenant("conforms").await;
        let guard = guard(database.gateway(8), tenant);
        let terms = Terms {
            tolerance: DEFAULT_TOLERANCE,
            lease: DEFAULT_LEASE,
        };
        assert_eq!(run(&guard, terms, "orders").await, Ok(()));
        let guard = PostgresReplayGuard::new(database.gateway(8), tenant, actor(), 3 * DAY);
        let terms = Terms {
            tolerance: 3 * DAY,
            lease: 10,
        };
        assert_eq!(run(&guard.with_lease(10), terms, "slow").await, Ok(()));
    });
}

/// Whatever is asked of it, in whatever order, it answers as the guard in memory does.
#[test]
fn it_answers_as_the_guard_in_memory_does() {
    on_runtime(async {
        let tenant = database().tenant("agrees").await;
        let guard = guard(database().gateway(2), tenant);
        let memory = MemoryReplayGuard::new(10_000, DEFAULT_TOLERANCE);
        let (mut now, mut met) = (NOW, BTreeSet::new());
        for step in 0..10_000 {
            if step >= 1_000 && met.len() == 8 {
                break;
            }
            let [what, endpoint, id, timestamp, later] = random::<5>().map(u64::from);
            // Within ten minutes, the memory of both; every claim lapses a few times.
            now = (now + later % 8 / 5).min(NOW + 600);
            let message = delivery(&format!("m{}", step / 40 * 3 + id % 3), now - timestamp % 8);
            let endpoint = ["orders", "returns"][(endpoint % 2) as usize];
            let (theirs, ours) = match what % 4 {
                0 | 1 => (
                    memory.claim(endpoint, &message, now).map(Some),
                    guard.claim(endpoint, &message, now).await.map(Some),
                ),
                2 => (
                    memory.commit(endpoint, &message, now).map(|()| None),
                    guard.commit(endpoint, &message, now).await.map(|()| None),
                ),
                _ => (
                    memory.release(endpoint, &message, now).map(|()| None),
                    guard.release(endpoint, &message, now).await.map(|()| None),
                ),
            };
            assert_eq!(ours, theirs, "{what} {endpoint} {message:?} at {now}");
            met.insert(format!(
                "{:?} {ours:?}",
                ["claim", "claim", "commit", "release"][(what % 4) as usize]
            ));
        }
        assert!(met.len() == 8, "{met:?}");
    });
}

#[test]
fn of_many_tasks_on_two_nodes_one_handles_a_message() {
    on_runtime(async {
        let tenant = database().tenant("races").await;
        let nodes = [(); 2].map(|()| Arc::new(guard(database().gateway(8), tenant)));
        for round in 0..10 {
            let id = format!("m{round}");
            let mut tasks = JoinSet::new();
            for task in 0..48_u64 {
                let node = Arc::clone(&nodes[(task % 2) as usize]);
                // Three tasks have one delivery, as it was recorded; the others are retries.
                let attempt = delivery(&id, NOW + task / 3);
                tasks.spawn(async move {
                    let claim = node.claim("e", &attempt, NOW + 20).await;
                    (attempt, claim)
                });
            }
            let mut first = Vec::new();
            while let Some(ended) = tasks.join_next().await {
                let (attempt, claim) = ended.unwrap();
                match claim {
                    Ok(Claim::First) => first.push(attempt),
                    Err(WebhookError::InFlight | WebhookError::Replayed) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(first.len(), 1, "round {round}");
            // Whoever claimed it commits it, and every node knows.
            nodes[0].commit("e", &first[0], NOW + 21).await.unwrap();
            for (seconds, node) in (30..).zip(&nodes) {
                let retry = delivery(&id, NOW + seconds);
                let claim = node.claim("e", &retry, NOW + seconds).await;
                assert_eq!(claim, Ok(Claim::Duplicate));
            }
        }
    });
}

#[test]
fn of_a_commit_and_a_lapse_one_wins() {
    on_runtime(async {
        let tenant = database().tenant("lapses").await;
        let nodes = [(); 2].map(|()| Arc::new(guard(database().gateway(4), tenant)));
        for round in 0..20 {
            let id = format!("m{round}");
            let (first, retry) = (delivery(&id, NOW), delivery(&id, NOW + 61));
            let claim = nodes[0].claim("e", &first, NOW).await;
            assert_eq!(claim, Ok(Claim::First));
            let (committed, claimed) = tokio::join!(
                nodes[0].commit("e", &first, NOW + 61),
                nodes[1].claim("e", &retry, NOW + 61),
            );
            // Either the commit came first, or the claim was lost and its holder is told.
            assert!(
                matches!(
                    (committed, claimed),
                    (Ok(()), Ok(Claim::Duplicate))
                        | (Err(WebhookError::ClaimLost), Ok(Claim::First))
                ),
                "{committed:?} {claimed:?}"
            );
        }
    });
}

#[test]
fn a_holder_that_died_is_over_after_its_time() {
    on_runtime(async {
        let tenant = database().tenant("dies").await;
        let (dead, alive) = (
            guard(database().gateway(2), tenant),
            guard(database().gateway(2), tenant),
        );
        let (first, retry) = (delivery("m", NOW), delivery("m", NOW + 60));
        assert_eq!(dead.claim("e", &first, NOW).await, Ok(Claim::First));
        let claim = alive.claim("e", &retry, NOW + 60).await;
        assert_eq!(claim, Err(WebhookError::InFlight));
        assert_eq!(alive.claim("e", &retry, NOW + 61).await, Ok(Claim::First));
        let late = dead.commit("e", &first, NOW + 62).await;
        assert_eq!(late, Err(WebhookError::ClaimLost));
        alive.release("e", &retry, NOW + 62).await.unwrap();
        let again = delivery("m", NOW + 63);
        assert_eq!(dead.claim("e", &again, NOW + 63).await, Ok(Claim::First));
    });
}

#[test]
fn without_its_store_nothing_is_claimed_or_settled() {
    on_runtime(async {
        let tenant = database().tenant("closed").await;
        // The database does not take this node's claims: it sees no rows, and may write none.
        let cut_off = guard(database().gateway_with_key(random()), tenant);
        let (message, away) = (delivery("m", NOW), WebhookError::StoreUnavailable);
        assert_eq!(cut_off.claim("e", &message, NOW).await, Err(away));
        assert_eq!(cut_off.commit("e", &message, NOW).await, Err(away));
        assert_eq!(cut_off.release("e", &message, NOW).await, Err(away));

        // What it cannot keep it cannot tell.
        let guard = guard(database().gateway(2), tenant);
        for endpoint in ["", "a\0b", &"e".repeat(257)] {
            let claim = guard.claim(endpoint, &message, NOW).await;
            assert_eq!(claim, Err(away), "{endpoint:?}");
        }
        for now in TIMES {
            let fresh = self::guard(database().gateway(1), tenant);
            let claim = fresh.claim("e", &delivery("m", now), now).await;
            assert_eq!(claim, Err(away), "{now}");
        }
        assert_eq!(guard.claim("e", &message, NOW).await, Ok(Claim::First));
    });
}

#[test]
fn tenants_receipts_never_meet() {
    on_runtime(async {
        let message = delivery("m", NOW);
        let mut guards = Vec::new();
        for name in ["one", "other"] {
            let tenant = database().tenant(name).await;
            let guard = guard(database().gateway(2), tenant);
            assert_eq!(guard.claim("e", &message, NOW).await, Ok(Claim::First));
            guards.push(guard);
        }
        guards[0].release("e", &message, NOW).await.unwrap();
        // The other one's is not released.
        guards[1].commit("e", &message, NOW).await.unwrap();
    });
}

#[test]
fn a_receipt_is_durable_when_it_is_answered() {
    on_runtime(async {
        const SETTING: &str = "select current_setting('synchronous_commit')";
        let tenant = database().tenant("durable").await;
        let mut tx = begin(&database().gateway(1), tenant, Access::Write).await;
        let before: String = tx.query(SETTING, &[]).await.unwrap()[0].get(0);
        tx.query(
            "insert into app.webhook_receipts values ($1, 'e', 'm', 1, '{1}', 'claimed', 1, 1)",
            &[tenant.as_uuid()],
        )
        .await
        .unwrap();
        let after: String = tx.query(SETTING, &[]).await.unwrap()[0].get(0);
        assert_eq!((before.as_str(), after.as_str()), ("off", "on"));
    });
}

#[test]
fn a_caller_who_hangs_up_settles_all_the_same() {
    on_runtime(async {
        let tenant = database().tenant("hangs-up").await;
        let guard = guard(database().gateway(2), tenant);
        let first = delivery("m", NOW);
        assert_eq!(guard.claim("e", &first, NOW).await, Ok(Claim::First));
        let mut commit = guard.commit("e", &first, NOW);
        let polled = commit
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(commit);
        for second in 1..200 {
            let retry = delivery("m", NOW + second);
            match guard.claim("e", &retry, NOW + second.min(59)).await {
                Ok(Claim::Duplicate) => return,
                Err(WebhookError::InFlight) => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{other:?}"),
            }
        }
        panic!("it was never committed");
    });
}

#[test]
fn a_message_has_a_thousand_deliveries_and_forgets_none_before_its_time() {
    on_runtime(async {
        const FILL: &str = "update app.webhook_receipts set timestamps = \
             array(select $2::bigint + i from generate_series(1, 1000) as i) where tenant_id = $1";
        let tenant = database().tenant("thousand").await;
        let guard = guard(database().gateway(2), tenant);
        let superuser = database().sql("postgres").await;
        let first = delivery("m", NOW);
        assert_eq!(guard.claim("e", &first, NOW).await, Ok(Claim::First));
        guard.commit("e", &first, NOW).await.unwrap();

        let recent = i64::try_from(NOW - 2000).unwrap();
        superuser
            .execute(FILL, &[tenant.as_uuid(), &recent])
            .await
            .unwrap();
        let retry = delivery("m", NOW + 1);
        let full = guard.claim("e", &retry, NOW + 1).await;
        assert_eq!(full, Err(WebhookError::StoreUnavailable));
        let known = guard.claim("e", &delivery("m", NOW - 1999), NOW + 1).await;
        assert_eq!(known, Err(WebhookError::Replayed));

        let past = i64::try_from(NOW - 6 * DAY).unwrap();
        superuser
            .execute(FILL, &[tenant.as_uuid(), &past])
            .await
            .unwrap();
        assert_eq!(
            guard.claim("e", &retry, NOW + 1).await,
            Ok(Claim::Duplicate)
        );
    });
}

/// What was deleted meanwhile is not known for a replay any more.
#[test]
fn a_clock_that_steps_back_by_days_is_not_believed() {
    on_runtime(async {
        let tenant = database().tenant("steps-back").await;
        let guard = guard(database().gateway(2), tenant);
        let newest = delivery("m", NOW + 6 * DAY);
        let claim = guard.claim("e", &newest, NOW + 6 * DAY).await;
        assert_eq!(claim, Ok(Claim::First));
        let old = guard.claim("e", &delivery("other", NOW), NOW).await;
        assert_eq!(old, Err(WebhookError::TooOld));
    });
}
