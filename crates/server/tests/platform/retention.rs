//! Retention: what is due goes, with an entry that says so, and nothing else; whoever has the
//! eraser's password can hasten nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_auditchain::{Ed25519Signer, Field, Leaf, Outcome, Payload};
use strongroom_envelope::DekId;
use strongroom_server::audit::{
    Draft, PayloadReport, SealedPayload, Sequencer, SequencerHandle, new_event_id, verify_tenant,
};
use strongroom_server::clock::{Clock, ManualClock, SystemClock};
use strongroom_server::jobs::Retainer;
use strongroom_server::postgres::{Job, Pool, Role};
use strongroom_tenancy::{Actor, ActorId, ActorKind, TenantId};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::database::{Database, actor, folder, request_id};
use crate::platform::on_runtime;

const DAY: u64 = 86_400;
const DEK: [u8; 16] = [7; 16];
const MARKED: Uuid = Uuid::from_u128(0xa9);

/// A tenant with a log, on a cluster of its own, without the platform whose own job would look too.
struct Log {
    database: Database,
    superuser: Client,
    tenant: TenantId,
    signer: Arc<Ed25519Signer>,
    sequencer: Sequencer,
    _handle: SequencerHandle,
}

impl Log {
    async fn start() -> Self {
        let database = Database::start(folder()).await;
        let superuser = database.sql("postgres").await;
        let signer = Arc::new(Ed25519Signer::generate("tests.example/batch").unwrap());
        let dedicated = Pool::dedicated(database.endpoint(), Role::Sequencer).unwrap();
        let (sequencer, handle) = Sequencer::start(Job::new(dedicated), signer.clone(), None);
        let tenant = database.tenant("retained").await;
        let log = Self {
            database,
            superuser,
            tenant,
            signer,
            sequencer,
            _handle: handle,
        };
        log.open(tenant).await;
        log
    }

    async fn open(&self, tenant: TenantId) {
        let origin = format!(
            "tests.example/log/{}",
            hex::encode(tenant.as_uuid().as_bytes())
        );
        let sql = "insert into app.audit_logs values ($1, $2, 0, '')";
        self.superuser
            .execute(sql, &[tenant.as_uuid(), &origin])
            .await
            .unwrap();
        let sql = "insert into app.tenant_deks \
             (tenant_id, dek_id, kek, kek_version, wrapped, created_at) \
             values ($1, $2, 'tenant', 1, '\\x01', 0)";
        self.superuser
            .execute(sql, &[tenant.as_uuid(), &DEK.as_slice()])
            .await
            .unwrap();
    }

    /// An event with a payload, so many days ago.
    async fn event(&self, kind: &'static str, agent: Option<Uuid>, days: u64) {
        let at = SystemClock.unix_micros() - days * DAY * 1_000_000;
        self.event_of(self.tenant, kind, agent, at, None).await;
    }

    async fn event_of(
        &self,
        tenant: TenantId,
        kind: &'static str,
        agent: Option<Uuid>,
        at_us: u64,
        resource: Option<String>,
    ) -> Uuid {
        let id = new_event_id(&SystemClock).unwrap();
        let user = ActorId::new(ActorKind::User, Uuid::from_u128(5)).unwrap();
        let actor = match agent {
            None => Actor::new(user),
            Some(agent) => {
                let agent = ActorId::new(ActorKind::Agent, agent).unwrap();
                let service = ActorId::new(ActorKind::Service, Uuid::from_u128(6)).unwrap();
                Actor::delegated(service, vec![agent, user]).unwrap()
            }
        };
        let field: Field = "text".parse().unwrap();
        let payload = Payload::generate(id, vec![(field, Zeroizing::new(vec![1]))]).unwrap();
        let is_bare = kind == "payload.erased";
        let draft = Draft {
            kind,
            actor: Some(actor),
            request: request_id(),
            resource,
            credential: Some("api_key/abcdefghijkl".to_owned()),
            policy: Some([3; 32]),
            outcome: Outcome::Success,
        };
        let leaf = if is_bare {
            draft.leaf(id, at_us, Vec::new())
        } else {
            draft.leaf(id, at_us, payload.commitments())
        };
        let sealed = (!is_bare).then(|| SealedPayload {
            bytes: b"sealed".to_vec(),
            dek: DekId::from_bytes(DEK),
        });
        let appended = self.sequencer.append(tenant, id, leaf.unwrap(), sealed);
        appended.await.unwrap();
        id
    }

    async fn choose(&self, days: i32) {
        let sql = "insert into app.retention values ($1, $2, array[$3::uuid], 0) \
             on conflict (tenant_id) do update set agent_days = excluded.agent_days";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [self.tenant.as_uuid(), &days, &MARKED];
        self.superuser.execute(sql, &params).await.unwrap();
    }

    async fn look(&self, clock: Arc<dyn Clock>) -> u64 {
        let job = Job::new(self.database.pool(Role::Eraser, 1));
        let retainer = Retainer::new(job, self.sequencer.clone(), clock).unwrap();
        retainer.look(&CancellationToken::new()).await.unwrap()
    }

    /// The days ago of each payload that is left, by its kind.
    async fn left(&self) -> BTreeMap<String, Vec<u64>> {
        let sql = "select l.leaf from app.audit_leaves l join app.audit_payloads p \
             using (tenant_id, event_id) where tenant_id = $1 order by l.idx";
        let rows = self.superuser.query(sql, &[self.tenant.as_uuid()]).await;
        let mut left: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for row in rows.unwrap() {
            let event = Leaf::decode(row.get(0)).unwrap();
            let days = (SystemClock.unix_micros() - event.time_us) / 1_000_000 / DAY;
            left.entry(event.kind.to_string()).or_default().push(days);
        }
        left
    }

    async fn erasures(&self) -> Vec<String> {
        let sql = "select leaf from app.audit_leaves where tenant_id = $1 order by idx";
        let rows = self.superuser.query(sql, &[self.tenant.as_uuid()]).await;
        let events = rows
            .unwrap()
            .into_iter()
            .map(|row| Leaf::decode(row.get(0)).unwrap());
        let erased = events.filter(|event| event.kind.as_str() == "payload.erased");
        erased.filter_map(|event| event.resource).collect()
    }

    async fn verified(&self) -> PayloadReport {
        let gateway = self.database.gateway(1);
        let (signer, request) = (self.signer.as_ref(), request_id());
        let report = verify_tenant(&gateway, signer, self.tenant, actor(), &request).await;
        let report = report.unwrap();
        report.report.intact().unwrap();
        report.payloads
    }
}

fn at(days_ago: u64) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.unix_seconds() - days_ago * DAY))
}

#[test]
fn what_is_due_goes_by_class_choice_and_mark_and_the_log_says_so() {
    on_runtime(async {
        let log = Log::start().await;
        log.choose(30).await;
        for (kind, agent, days) in [
            ("keys.shred", None, 2558),
            ("keys.shred", None, 2556),
            ("chat.attempt", Some(MARKED), 185),
            ("chat.attempt", Some(MARKED), 183),
            ("chat.attempt", Some(Uuid::from_u128(1)), 31),
            ("chat.outcome", None, 31),
            ("keys.shred", None, 31),
            ("chat.outcome", None, 31),
            ("chat.attempt", None, 29),
        ] {
            log.event(kind, agent, days).await;
        }
        assert_eq!(log.look(Arc::new(SystemClock)).await, 5);
        let left = log.left().await;
        assert_eq!(left["keys.shred"], [2556, 31]);
        assert_eq!(left["chat.attempt"], [183, 29]);
        assert!(!left.contains_key("chat.outcome"));
        let mut said = log.erasures().await;
        said.sort_unstable();
        let expected = [
            "entries/0-1/compliance",
            "entries/2-3/agent",
            "entries/4-8/agent",
        ];
        assert_eq!(said, expected);

        let report = log.verified().await;
        assert_eq!((report.present, report.erased, report.missing), (4, 5, 0));
        let ranges: Vec<_> = report.erased_by.iter().map(|r| (r.from, r.to)).collect();
        assert_eq!(ranges, [(0, 1), (2, 3), (4, 8)]);

        // Once a day, and no entry where nothing goes.
        let entries = log.erasures().await.len();
        assert_eq!(log.look(Arc::new(SystemClock)).await, 0);
        log.superuser
            .batch_execute("update app.retention_runs set due_at = 0")
            .await
            .unwrap();
        assert_eq!(log.look(Arc::new(SystemClock)).await, 0);
        assert_eq!(log.erasures().await.len(), entries);

        // A payload that went without a word is missing, not erased.
        let sql = "delete from app.audit_payloads p using app.audit_leaves l \
             where l.tenant_id = p.tenant_id and l.event_id = p.event_id and l.idx = 6";
        log.superuser.execute(sql, &[]).await.unwrap();
        let report = log.verified().await;
        assert_eq!((report.missing, report.missing_at), (1, vec![6]));
    });
}

#[test]
fn nothing_goes_before_its_day_by_whichever_clock_is_behind() {
    on_runtime(async {
        let log = Log::start().await;
        // Of a log that has nothing chosen, ninety days.
        log.event("chat.attempt", None, 120).await;
        log.event("chat.attempt", None, 89).await;
        // The node's clock as it was 31 days ago: the first is 89 days old.
        let clock = at(31);
        assert_eq!(log.look(clock.clone()).await, 0);
        // A day later it is 90, and it is a day later that it is looked at again.
        clock.advance(DAY - 60);
        assert_eq!(log.look(clock.clone()).await, 0);
        clock.advance(120);
        assert_eq!(log.look(clock.clone()).await, 1);
        assert_eq!(log.erasures().await, ["entries/0-1/agent"]);
        // Ahead of the database's it makes nothing older.
        clock.advance(1000 * DAY);
        assert_eq!(log.look(clock.clone()).await, 0);
        assert_eq!(log.left().await["chat.attempt"], [89]);
        assert_eq!(log.erasures().await.len(), 1);
    });
}

#[test]
fn an_erasure_that_was_said_and_not_done_is_done() {
    on_runtime(async {
        let log = Log::start().await;
        for _ in 0..3 {
            log.event("chat.attempt", None, 91).await;
        }
        // A crash came between the entry and the deletion.
        let now = SystemClock.unix_micros();
        let resource = Some("entries/0-3/agent".to_owned());
        log.event_of(log.tenant, "payload.erased", None, now, resource)
            .await;
        let report = log.verified().await;
        assert_eq!((report.present, report.erased), (3, 0));
        assert_eq!(log.look(Arc::new(SystemClock)).await, 3);
        let report = log.verified().await;
        assert_eq!((report.present, report.erased, report.missing), (0, 3, 0));
        assert_eq!(report.erased_by.len(), 1);
        assert_eq!(report.erased_by[0].by, 3);
    });
}

#[test]
fn a_tenant_whose_log_takes_nothing_keeps_nobody_else() {
    on_runtime(async {
        let log = Log::start().await;
        let broken = log.database.tenant("broken").await;
        log.open(broken).await;
        let old = SystemClock.unix_micros() - 91 * DAY * 1_000_000;
        log.event_of(broken, "chat.attempt", None, old, None).await;
        log.event("chat.attempt", None, 91).await;
        log.superuser
            .execute(
                "update app.audit_logs set origin = ' ' where tenant_id = $1",
                &[broken.as_uuid()],
            )
            .await
            .unwrap();
        log.superuser
            .batch_execute("update app.retention_runs set due_at = 1")
            .await
            .unwrap();
        log.superuser
            .execute(
                "update app.retention_runs set due_at = 0 where tenant_id = $1",
                &[broken.as_uuid()],
            )
            .await
            .unwrap();
        assert_eq!(log.look(Arc::new(SystemClock)).await, 1);
        assert!(log.left().await.is_empty());
    });
}

#[test]
fn a_long_log_is_looked_at_to_its_end() {
    on_runtime(async {
        let log = Log::start().await;
        log.event("chat.attempt", None, 91).await;
        // More entries without a payload than are looked through at once.
        let draft = Draft {
            kind: "tests.event",
            actor: None,
            request: request_id(),
            resource: None,
            credential: None,
            policy: None,
            outcome: Outcome::Success,
        };
        for _ in 0..17 {
            let appended = (0..1000).map(|_| {
                let id = new_event_id(&SystemClock).unwrap();
                let leaf = draft.leaf(id, SystemClock.unix_micros(), Vec::new());
                log.sequencer.append(log.tenant, id, leaf.unwrap(), None)
            });
            for appended in futures_util::future::join_all(appended).await {
                appended.unwrap();
            }
        }
        log.event("chat.attempt", None, 91).await;
        assert_eq!(log.look(Arc::new(SystemClock)).await, 2);
        let sql = "select due_at > 0 and next_idx = 0 from app.retention_runs";
        let is_done: bool = log.superuser.query_one(sql, &[]).await.unwrap().get(0);
        assert!(is_done);
    });
}

#[test]
fn who_has_the_erasers_password_erases_nothing_early_and_nothing_in_silence() {
    on_runtime(async {
        let log = Log::start().await;
        log.choose(365).await;
        log.event("chat.attempt", None, 364).await;
        log.event("chat.attempt", Some(MARKED), 364).await;
        log.event("keys.shred", None, 2556).await;
        log.event("chat.attempt", None, 366).await;
        log.event("chat.attempt", Some(MARKED), 183).await;
        let now = SystemClock.unix_micros();
        let say = async |resource: &str| {
            let resource = Some(resource.to_owned());
            log.event_of(log.tenant, "payload.erased", None, now, resource)
                .await
        };
        let stranger = log.database.sql("strongroom_eraser").await;
        let tenant = log.tenant.as_uuid();
        let every: Vec<i64> = (0..9).collect();
        let erase = async |event: Uuid| {
            let sql = "select app.erase_payloads($1, $2, $3)";
            let row = stranger.query_one(sql, &[tenant, &event, &every]).await;
            row.map(|row| row.get::<_, i64>(0))
        };
        for sql in [
            "delete from app.audit_payloads",
            "update app.audit_payloads set sealed = ''",
            "select sealed from app.audit_payloads",
            "truncate app.audit_payloads",
            "update app.retention set agent_days = 30",
            "insert into app.erasures (tenant_id, id, request_id, below, requested_at) \
             select tenant_id, tenant_id, '', 99, 0 from app.audit_logs",
            "insert into app.audit_staged (tenant_id, event_id, leaf) \
             select tenant_id, event_id, leaf from app.audit_leaves",
        ] {
            let refused = stranger.batch_execute(sql).await.unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "42501", "{sql}");
        }
        // No entry, one of another kind, ones that say it in no way that counts.
        let of_chat = log.event_of(
            log.tenant,
            "chat.call",
            None,
            now,
            Some("entries/0-3/agent".into()),
        );
        for event in [
            Uuid::from_u128(1),
            of_chat.await,
            say("entries/0-3").await,
            say("entries/0-99/agent").await,
            say("entries/0-3/other").await,
            say("entries/00-3/agent").await,
        ] {
            assert!(erase(event).await.is_err());
        }
        // What is said and not due stays; of another class, or outside, too.
        assert_eq!(erase(say("entries/0-3/agent").await).await.unwrap(), 0);
        assert_eq!(erase(say("entries/0-4/compliance").await).await.unwrap(), 0);
        assert_eq!(log.left().await.values().flatten().count(), 6);
        assert_eq!(erase(say("entries/0-4/agent").await).await.unwrap(), 1);
        // The choice counts, and for marked agents the floor.
        log.choose(30).await;
        assert_eq!(erase(say("entries/0-5/agent").await).await.unwrap(), 2);
        let report = log.verified().await;
        assert_eq!((report.erased, report.missing), (3, 0));
    });
}

#[test]
fn the_function_reads_leaves_as_we_write_them() {
    on_runtime(async {
        let log = Log::start().await;
        // Every width of a time, kinds of one byte's head and two's, with parts and without.
        let long = "k".repeat(60);
        let kinds: [&'static str; 3] = ["a", "chat.attempt", Box::leak(long.into_boxed_str())];
        let clock = SystemClock.unix_micros();
        for kind in kinds {
            for time in [
                0,
                23,
                24,
                255,
                256,
                65_535,
                65_536,
                1 << 32,
                clock,
                u64::MAX,
            ] {
                for (actors, resource, policy) in [
                    (0, None, None),
                    (1, Some("entries/0-1/agent".to_owned()), None),
                    (9, Some("r".repeat(128)), Some([0x55; 32])),
                    (9, None, Some([0; 32])),
                ] {
                    let one = ActorId::new(ActorKind::Agent, MARKED).unwrap();
                    let actor =
                        (actors > 0).then(|| Actor::delegated(one, vec![one; actors - 1]).unwrap());
                    let outcome = match actors {
                        0 => Outcome::Refused("no".parse().unwrap()),
                        1 => Outcome::Attempt,
                        _ => Outcome::Success,
                    };
                    let number = match &outcome {
                        Outcome::Success => 0,
                        Outcome::Refused(_) => 1,
                        _ => 3,
                    };
                    let draft = Draft {
                        kind,
                        actor,
                        request: request_id(),
                        resource: resource.clone(),
                        credential: None,
                        policy,
                        outcome,
                    };
                    let id = new_event_id(&SystemClock).unwrap();
                    let leaf = draft.leaf(id, time, Vec::new()).unwrap();
                    let sql =
                        "select kind, time_us::text, resource, outcome from app.leaf_head($1)";
                    let row = log
                        .superuser
                        .query_one(sql, &[&leaf.as_bytes()])
                        .await
                        .unwrap();
                    let read: (&str, String, Option<String>, i32) =
                        (row.get(0), row.get(1), row.get(2), row.get(3));
                    assert_eq!(read, (kind, time.to_string(), resource, number));
                }
            }
        }
    });
}
