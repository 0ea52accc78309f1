//! Renewals together: many families in the commit that writes their events, and none of them in the
//! others' way.

use std::time::Duration;

use serde_json::Value;
use strongroom_auditchain::Outcome;
use strongroom_server::audit::{Draft, Renewal, new_event_id};
use strongroom_server::gates::{RequestContext, record};
use strongroom_tenant_token::refresh::{Family, RefreshToken};
use tokio_postgres::error::SqlState;

use crate::database::request_id;
use crate::key_rotation::on_own_platform;
use crate::metrics::value_of;
use crate::platform::{Running, Tenant, on_platform};
use crate::token_renewal::{Session, login, renew, user};

/// Less than the ten seconds that a statement waits for a lock, by what passes before the count.
const SOON: Duration = Duration::from_secs(8);

/// How many `token.refresh` events a session has.
async fn renewals(running: &Running, tenant: &Tenant, session: &Session) -> usize {
    let resource = format!("session/{}", session.id);
    let entries = running.entries(&tenant.token).await;
    let is_one = |entry: &&Value| {
        entry["event"]["kind"] == "token.refresh" && entry["event"]["resource"] == *resource
    };
    entries.iter().filter(is_one).count()
}

/// A session's family as it is.
async fn stored(running: &Running, session: &Session) -> Family {
    let family = RefreshToken::parse(&session.refresh).unwrap().family();
    let found = running.app.lookup.refresh_family(&family).await;
    found.unwrap().unwrap().family
}

/// Renews a family of which that row was read, with others that come at this time; whether it was.
async fn swap(running: &Running, before: &Family, newest: [u8; 32]) -> bool {
    let mut next = before.clone();
    (next.version, next.generation) = (before.version + 1, before.generation + 1);
    (next.parent, next.current) = (Some(before.current), newest);
    (next.successor, next.revoked) = (Some([0; 60]), None);
    let renewal = Renewal::of(before.version, &next).unwrap();
    let clock = running.app.clock.as_ref();
    let id = new_event_id(clock).unwrap();
    let draft = Draft {
        kind: "token.refresh",
        actor: Some(before.grant.actor.clone()),
        request: request_id(),
        resource: Some(format!("session/{}", before.grant.session_id)),
        credential: None,
        policy: None,
        outcome: Outcome::Success,
    };
    let leaf = draft.leaf(id, clock.unix_micros(), Vec::new()).unwrap();
    let renewed = running.app.sequencer.renew(renewal, id, leaf).await;
    renewed.unwrap().is_some()
}

#[test]
fn many_at_once_have_each_their_own_successor_and_event() {
    on_platform(|running| async move {
        let tenants = [
            running.tenant("together").await,
            running.tenant("beside").await,
        ];
        let mut asked = Vec::new();
        for n in 0..24 {
            let tenant = &tenants[usize::from(n % 2)];
            let session = login(running, tenant, user(n + 10)).await;
            asked.push((tenant, session));
        }
        let answers = asked
            .iter()
            .map(|(_, it)| renew(&running.base, &it.refresh));
        let answers = futures_util::future::join_all(answers).await;
        for ((tenant, session), answer) in asked.iter().zip(answers) {
            assert_eq!(answer.status, 200, "{}", answer.text);
            let next = Session::of(&answer.json());
            assert_eq!(next.id, session.id);
            assert_eq!(answer.json()["tenant_id"], *tenant.id.to_string());
            let again = renew(&running.base, &next.refresh).await;
            assert_eq!(again.status, 200, "{}", again.text);
            assert_eq!(renewals(running, tenant, session).await, 2);
        }
    });
}

#[test]
fn a_family_that_somebody_holds_holds_up_itself_alone() {
    on_own_platform(|database, running| async move {
        let (one, other) = (running.tenant("one").await, running.tenant("other").await);
        let held = login(&running, &one, user(1)).await;
        let free = login(&running, &other, user(2)).await;
        let holder = database.sql("postgres").await;
        let sql = format!(
            "begin; select from app.refresh_families where session_id = '{}' for update",
            held.id
        );
        holder.batch_execute(&sql).await.unwrap();
        // Together nobody is waited for, nor are the others kept from it.
        let rows = (stored(&running, &held).await, stored(&running, &free).await);
        let swapped = futures_util::join!(
            swap(&running, &rows.0, [1; 32]),
            swap(&running, &rows.1, rows.1.current.map(|byte| !byte)),
        );
        assert_eq!(swapped, (false, true));
        // By itself the one waits, and the others do not.
        let free = login(&running, &other, user(2)).await;
        let base = running.base.clone();
        let (waiting, token) = (base.clone(), held.refresh.clone());
        let waiting = tokio::spawn(async move { renew(&waiting, &token).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answer = tokio::time::timeout(SOON, renew(&base, &free.refresh));
        assert_eq!(answer.await.unwrap().status, 200);
        assert_eq!(renewals(&running, &other, &free).await, 1);
        assert!(!waiting.is_finished());
        holder.batch_execute("rollback").await.unwrap();
        let answer = waiting.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(renewals(&running, &one, &held).await, 1);
    });
}

#[test]
fn when_families_cannot_be_renewed_together_each_is_by_itself_and_no_event_is_lost() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("apart").await;
        let session = login(&running, &tenant, user(3)).await;
        let superuser = database.sql("postgres").await;
        let sql = "revoke execute on function app.renew_families from strongroom_sequencer";
        superuser.batch_execute(sql).await.unwrap();
        let answers = futures_util::join!(
            renew(&running.base, &session.refresh),
            running.send("GET", "/v1/policy", Some(&tenant.token), None),
        );
        assert_eq!(answers.0.status, 200, "{}", answers.0.text);
        assert_eq!(answers.1.status, 200, "{}", answers.1.text);
        assert_eq!(renewals(&running, &tenant, &session).await, 1);
    });
}

/// What was decided on a row that is another by now does not happen, and has no event; nor is a
/// token that was used made good again.
#[test]
fn a_renewal_of_a_row_that_changed_does_nothing() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("changed").await;
        let session = login(&running, &tenant, user(4)).await;
        let stored = async || stored(&running, &session).await;
        let swap = async |before: &Family, newest| swap(&running, before, newest).await;
        let first = stored().await;
        assert!(swap(&first, [1; 32]).await);
        let acknowledged = || {
            let counted = running.app.metrics.render().unwrap();
            value_of(
                &counted,
                r#"strongroom_audit_events_total{fate="acknowledged"}"#,
            )
        };
        let before = acknowledged();
        assert!(!swap(&first, [2; 32]).await, "of an earlier version");
        assert_eq!(acknowledged(), before, "there is no event");
        let second = stored().await;
        assert_eq!((second.version, second.current), (1, [1; 32]));
        assert_eq!(second.parent, Some(first.current));
        assert!(!swap(&second, first.current).await, "a used token");
        assert!(!swap(&second, second.current).await, "the same token");
        let superuser = database.sql("postgres").await;
        let sql = "update app.refresh_families set version = version + 1, revoked_at = 1, \
             revoked_reason = 'request'";
        superuser.batch_execute(sql).await.unwrap();
        assert!(
            !swap(&stored().await, [3; 32]).await,
            "a session that is over"
        );
        assert_eq!(renewals(&running, &tenant, &session).await, 1);
    });
}

/// Families are read many at a time: one that is too long is none that could be stored.
#[test]
fn no_family_weighs_on_the_look_up_of_others() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("weighing").await;
        login(&running, &tenant, user(5)).await;
        let superuser = database.sql("postgres").await;
        for column in [
            "capabilities = repeat('x', 8193)",
            "auth_class = repeat('x', 8193)",
            "auth_methods = array[repeat('x', 16384)]",
            "actors = array[repeat('x', 1024)]",
        ] {
            let sql = format!("update app.refresh_families set version = version + 1, {column}");
            let refused = superuser.batch_execute(&sql).await.unwrap_err();
            assert_eq!(refused.code(), Some(&SqlState::CHECK_VIOLATION), "{column}");
        }
    });
}

/// A lock on all families, as of a migration, keeps renewals: not the others' events.
#[test]
fn events_do_not_wait_for_families() {
    on_own_platform(|database, running| async move {
        let tenant = running.tenant("beside").await;
        let mut waiting = Vec::new();
        let mut sessions = Vec::new();
        for n in 0..2 {
            sessions.push(login(&running, &tenant, user(6 + n)).await);
        }
        let holder = database.sql("postgres").await;
        let sql = "begin; lock table app.refresh_families in exclusive mode";
        holder.batch_execute(sql).await.unwrap();
        for session in &sessions {
            let (base, token) = (running.base.clone(), session.refresh.clone());
            waiting.push(tokio::spawn(async move { renew(&base, &token).await }));
            tokio::time::sleep(Duration::from_millis(200)).await;
            let event = running.send("GET", "/v1/policy", Some(&tenant.token), None);
            let answer = tokio::time::timeout(SOON, event).await;
            assert_eq!(answer.unwrap().status, 200);
        }
        holder.batch_execute("rollback").await.unwrap();
        for (waiting, session) in waiting.into_iter().zip(&sessions) {
            let answer = waiting.await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(renewals(&running, &tenant, session).await, 1);
        }
    });
}

/// While the planner knows nothing of a table's size it must not read all of a log for each batch.
#[test]
fn a_batch_reads_no_more_of_a_log_than_it_writes() {
    const READS: &str = "select coalesce(sum(idx_tup_read), 0)::bigint \
         + (select seq_tup_read from pg_stat_user_tables where relname = 'audit_leaves') \
         from pg_stat_user_indexes where relname = 'audit_leaves'";
    const BATCHES: i64 = 30;
    const EACH: i64 = 50;
    on_own_platform(|database, running| async move {
        let superuser = database.sql("postgres").await;
        let sql = "alter table app.audit_leaves set (autovacuum_enabled = off)";
        superuser.batch_execute(sql).await.unwrap();
        let tenant = running.tenant("long").await;
        let append = async |count: i64| {
            let append = async || {
                let (id, kind) = (request_id(), "policy.read");
                let request = RequestContext::new(id, None);
                let outcome = Outcome::Success;
                record(&running.app, &request, tenant.id, None, kind, None, outcome).await
            };
            let all = futures_util::future::join_all((0..count).map(|_| append()));
            assert!(all.await.iter().all(Result::is_ok));
        };
        for _ in 0..BATCHES {
            append(EACH).await;
        }
        // What a backend counted it tells when it ends a transaction a second later.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        append(1).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let reads: i64 = superuser.query_one(READS, &[]).await.unwrap().get(0);
        // Others read a log whole, once each: who looks for payloads that are due, and who signs it at
        // a checkpoint's time. Each batch would be about thirty halves.
        let events = BATCHES * EACH;
        assert!(
            reads < 4 * events,
            "{reads} rows were read for {events} events"
        );
    });
}
