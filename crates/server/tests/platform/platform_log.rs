//! The platform's log: every tenant's checkpoint is an entry of it, and says nothing of whose it is;
//! its own checkpoint has a time at least every five minutes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use strongroom_auditchain::store::{Export, ReadOnlyDirectory, Scrub, Scrubbed, scrub};
use strongroom_auditchain::{
    Anchor, CADENCE_SECONDS, CosignaturePolicy, PlatformEntry, VerifierKey, cadence,
};
use strongroom_envelope::EncryptionContext;
use strongroom_server::audit::Checkpointer;
use strongroom_server::clock::{Clock, ManualClock, SystemClock};
use strongroom_server::keystore::EXPORT;
use strongroom_server::postgres::{Job, Role};
use strongroom_tenancy::TenantId;

use crate::audit_export::{export, grow, untar};
use crate::database::{Database, folder};
use crate::key_rotation::post;
use crate::platform::{Running, Tenant, client, on_runtime, start};

/// A checkpointer with a clock of its own, over the platform's store and log.
fn checkpointer(running: &Running, database: &Database, clock: &Arc<ManualClock>) -> Checkpointer {
    let app = &running.app;
    let job = Job::new(database.pool(Role::Checkpointer, 1));
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Checkpointer::new(job, Arc::clone(&app.checkpoint_signer), clock, 300)
        .with_store(Some(Arc::clone(&app.checkpoint_store)))
        .with_platform_log(Arc::clone(&app.platform_log))
}

/// Ahead of the platform's own clock, which therefore cosigns nothing meanwhile.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.unix_seconds() + 1000))
}

async fn log(running: &Running, tenant: &Tenant) -> Value {
    let log = running.send("GET", "/v1/audit/log", Some(&tenant.token), None);
    log.await.json()
}

fn policy(log: &Value) -> CosignaturePolicy {
    let key = |name: &str| -> VerifierKey { log[name].as_str().unwrap().parse().unwrap() };
    let platform = key("platform_key");
    let origin = platform.name().parse().unwrap();
    CosignaturePolicy::new(origin, platform, vec![key("cosigner_key")], 1).unwrap()
}

async fn cosigned(database: &Database) -> Vec<(u64, String)> {
    let superuser = database.sql("postgres").await;
    let sql = "select time, note from app.audit_cosigned order by time";
    let rows = superuser.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| (row.get::<_, i64>(0).unsigned_abs(), row.get(1)))
        .collect()
}

async fn entries(database: &Database) -> i64 {
    let superuser = database.sql("postgres").await;
    let sql = "select size from app.audit_logs where tenant_id = $1";
    let log = TenantId::PLATFORM_LOG;
    superuser
        .query_one(sql, &[log.as_uuid()])
        .await
        .unwrap()
        .get(0)
}

async fn sign(running: &Running, tenant: &Tenant) {
    let signed = post(running, tenant, "/v1/audit/checkpoints", json!({})).await;
    assert_eq!(signed.status, 200, "{}", signed.text);
}

/// A pass over an export, with the platform's keys.
fn pass(files: &BTreeMap<String, Vec<u8>>, policy: &CosignaturePolicy) -> Scrubbed {
    let root: PathBuf = folder();
    for (path, bytes) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let export = Export::open(Box::new(ReadOnlyDirectory::new(&root))).unwrap();
    let manifest = export.manifest().clone();
    let done = scrub(&Scrub {
        zone: &export,
        origin: &manifest.origin,
        key: &manifest.log_key,
        entries: manifest.entries,
        payloads: manifest.payloads,
        classes: &manifest.classes().unwrap(),
        kept: &[],
        platform: Some(policy),
        cadence: None,
        cursor: None,
        threads: NonZeroUsize::MIN,
        progress: &|_, _| {},
    });
    std::fs::remove_dir_all(&root).unwrap();
    done.unwrap()
}

#[test]
fn checkpoints_of_tenants_are_anchored_and_their_exports_show_it() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let (one, other) = (running.tenant("one").await, running.tenant("other").await);
        let clock = clock();
        let checkpointer = checkpointer(&running, &database, &clock);
        let policy = policy(&log(&running, &one).await);
        // Two rounds: in the first the log is signed twice.
        for round in 1..=2 {
            clock.advance(1);
            grow(&running, &one, 3).await;
            sign(&running, &one).await;
            grow(&running, &one, 2).await;
            checkpointer.sign(None).await.unwrap();
            checkpointer.cosign().await.unwrap();
            assert!(entries(&database).await >= round * 3);
        }
        let (status, archive) = export(&running, &one, "?payloads=true").await;
        assert_eq!(status, 200);
        let files = untar(&archive);
        let anchors: Vec<&String> = files
            .keys()
            .filter(|it| it.starts_with("anchors/"))
            .collect();
        assert_eq!(anchors.len(), 4);
        let done = pass(&files, &policy);
        assert_eq!((done.anchors, done.anchors_unchecked), (4, 0));
        assert!(done.report.intact().is_ok(), "{:?}", done.report.findings);

        // A salt is its tenant's alone: nobody else's export has it, nor does a row in the clear.
        let (_, archive) = export(&running, &other, "").await;
        let others = untar(&archive);
        let text = String::from_utf8(files[anchors[0]].clone()).unwrap();
        let salt = text.lines().nth(1).unwrap().strip_prefix("salt ").unwrap();
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(salt);
        assert!(!others.values().any(|bytes| holds(bytes)));
        let superuser = database.sql("postgres").await;
        let sql = "select count(*) from app.audit_anchors \
                   where position(decode($1, 'base64') in sealed) > 0";
        let found: i64 = superuser.query_one(sql, &[&salt]).await.unwrap().get(0);
        assert_eq!(found, 0);
        // And each is used once.
        let salts: std::collections::BTreeSet<&str> = anchors
            .iter()
            .map(|path| {
                std::str::from_utf8(&files[*path])
                    .unwrap()
                    .lines()
                    .nth(1)
                    .unwrap()
            })
            .collect();
        assert_eq!(salts.len(), 4);

        // An anchor of another checkpoint of the same log is found.
        let mut swapped = files.clone();
        let (first, second) = (anchors[0].clone(), anchors[1].clone());
        let text = files[&first].clone();
        swapped.insert(second, text);
        assert!(pass(&swapped, &policy).report.intact().is_err());
        assert!(
            String::from_utf8(files[&first].clone())
                .unwrap()
                .parse::<Anchor>()
                .is_ok()
        );
    });
}

#[test]
fn the_platforms_checkpoint_has_a_time_every_five_minutes() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("cadence").await;
        let clock = clock();
        let checkpointer = checkpointer(&running, &database, &clock);
        let policy = policy(&log(&running, &tenant).await);
        let start = clock.unix_seconds();
        checkpointer.cosign().await.unwrap();
        assert!(
            cosigned(&database).await.is_empty(),
            "there is nothing to cosign"
        );
        checkpointer.sign(None).await.unwrap();
        let mut due = checkpointer.cosign().await.unwrap();
        // Idle for half an hour, looked at each second: no log is signed, and the time goes on.
        let before = entries(&database).await;
        let sizes = "select count(*) from app.audit_checkpoints";
        let superuser = database.sql("postgres").await;
        let signed: i64 = superuser.query_one(sizes, &[]).await.unwrap().get(0);
        for _ in 0..1800 {
            clock.advance(1);
            if clock.unix_seconds() >= due {
                due = checkpointer.cosign().await.unwrap();
            }
        }
        // Asked sooner, it has nothing to say.
        checkpointer.cosign().await.unwrap();
        assert_eq!(entries(&database).await, before);
        assert_eq!(
            superuser
                .query_one(sizes, &[])
                .await
                .unwrap()
                .get::<_, i64>(0),
            signed
        );
        let mine: Vec<(u64, String)> = cosigned(&database).await;
        let mine: Vec<_> = mine
            .into_iter()
            .filter(|(time, _)| *time >= start)
            .collect();
        let times: Vec<u64> = mine.iter().map(|(time, _)| *time).collect();
        assert!((6..=9).contains(&times.len()), "{times:?}");
        let report = cadence(&times, start, clock.unix_seconds(), CADENCE_SECONDS, 0).unwrap();
        report.kept().unwrap();
        for (time, note) in &mine {
            let cosigned = policy.verify(note).unwrap();
            assert_eq!(cosigned.by(), Some(*time));
        }

        // The whole of it goes to the platform's operator, and to nobody else.
        let operator = Tenant {
            id: TenantId::PLATFORM,
            token: running.token(&running.admin_key).await,
            key: running.admin_key.clone(),
        };
        let path = "/v1/audit/platform/export";
        let refused = running.send("GET", path, Some(&tenant.token), None).await;
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (404, "not-found")
        );
        let answer = client()
            .get(running.url(path))
            .bearer_auth(&operator.token)
            .send();
        let archive = answer.await.unwrap().bytes().await.unwrap();
        let files = untar(&archive);
        let done = pass(&files, &policy);
        // The platform's own clock may have told one time, long before these.
        let mut found = done.report.findings.iter();
        assert!(
            found.all(|finding| finding.kind() == "cadence"),
            "{:?}",
            done.report.findings
        );
        assert!(done.cadence.unwrap().counted >= times.len() as u64);
        assert_eq!(done.report.entries, before.unsigned_abs());
    });
}

#[test]
fn a_platform_log_that_was_set_back_is_not_cosigned() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("older").await;
        let clock = clock();
        let checkpointer = checkpointer(&running, &database, &clock);
        checkpointer.sign(None).await.unwrap();
        checkpointer.cosign().await.unwrap();
        grow(&running, &tenant, 1).await;
        checkpointer.sign(None).await.unwrap();
        clock.advance(1);
        checkpointer.cosign().await.unwrap();
        let before = cosigned(&database).await.len();
        let superuser = database.sql("postgres").await;
        let forget = "delete from app.audit_checkpoints where tenant_id = $1 and size = \
                      (select max(size) from app.audit_checkpoints where tenant_id = $1)";
        let platforms = TenantId::PLATFORM_LOG;
        superuser
            .execute(forget, &[platforms.as_uuid()])
            .await
            .unwrap();
        clock.advance(600);
        let refused = checkpointer.cosign().await.unwrap_err().to_string();
        assert!(refused.contains("not cosigned"), "{refused}");
        assert_eq!(cosigned(&database).await.len(), before);
    });
}

#[test]
fn whose_an_entry_is_goes_with_the_tenants_keys() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("shredded").await;
        sign(&running, &tenant).await;
        let superuser = database.sql("postgres").await;
        let sql = "select a.sealed, l.leaf, a.size from app.audit_anchors a \
                   join app.audit_leaves l on l.event_id = a.entry_id where a.tenant_id = $1";
        let row = superuser
            .query_one(sql, &[tenant.id.as_uuid()])
            .await
            .unwrap();
        let (sealed, leaf): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
        assert_eq!(leaf.len(), PlatformEntry::LEN);
        let context = EncryptionContext::new([
            ("purpose", "audit-anchor".to_owned()),
            ("size", row.get::<_, i64>(2).to_string()),
        ]);
        let (context, name) = (context.unwrap(), EXPORT.parse().unwrap());
        let open = async |tenant: &TenantId| {
            let keys = &running.app.keys;
            keys.open_under(tenant, &name, &context, &sealed).await
        };
        assert_eq!(open(&tenant.id).await.unwrap().len(), 32);
        assert!(open(&TenantId::PLATFORM).await.is_err());

        let shred = async |tenant: TenantId| {
            let path = format!("/v1/tenants/{tenant}/shred");
            let (admin, body) = (
                Some(running.admin_key.as_str()),
                json!({ "reason": "left" }),
            );
            running.send("POST", &path, admin, Some(body)).await
        };
        assert_eq!(shred(tenant.id).await.status, 200);
        assert!(open(&tenant.id).await.is_err());
        // Its log goes on, and is signed: of what follows nobody has the salt.
        grow(&running, &tenant, 2).await;
        let signed = running.app.checkpointer.sign(Some(tenant.id)).await;
        assert_eq!(signed.unwrap(), 1);
        let sql = "select count(*) from app.audit_anchors where tenant_id = $1 and sealed is null";
        let row = superuser.query_one(sql, &[tenant.id.as_uuid()]).await;
        assert_eq!(row.unwrap().get::<_, i64>(0), 1);
        // And nobody destroys the platform's log, which is no tenant.
        assert_eq!(shred(TenantId::PLATFORM_LOG).await.slug(), "not-found");
    });
}

#[test]
fn a_log_whose_last_entry_has_no_place_is_not_signed_again() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let running = start(database.endpoint(), &[]).await;
        let tenant = running.tenant("waiting").await;
        let superuser = database.sql("postgres").await;
        let platforms = TenantId::PLATFORM_LOG;
        sign(&running, &tenant).await;
        let sql = "select frontier from app.audit_logs where tenant_id = $1";
        let row = superuser.query_one(sql, &[platforms.as_uuid()]).await;
        let whole: Vec<u8> = row.unwrap().get(0);
        // The platform's log takes nothing meanwhile; the tenant's does.
        let set = "update app.audit_logs set frontier = $2 where tenant_id = $1";
        let broken = b"\0".as_slice();
        superuser
            .execute(set, &[platforms.as_uuid(), &broken])
            .await
            .unwrap();
        let mut signed = Vec::new();
        for _ in 0..2 {
            grow(&running, &tenant, 2).await;
            let done = running.app.checkpointer.sign(Some(tenant.id)).await;
            signed.push(done.unwrap());
        }
        assert_eq!(signed, [1, 0]);
        superuser
            .execute(set, &[platforms.as_uuid(), &whole])
            .await
            .unwrap();
        // By this, or by the schedule, whose time may come meanwhile.
        let sql = "select l.size = (select max(c.size) from app.audit_checkpoints c \
             where c.tenant_id = l.tenant_id) from app.audit_logs l where l.tenant_id = $1";
        for _ in 0..100 {
            let done = running.app.checkpointer.sign(Some(tenant.id)).await;
            done.unwrap();
            let row = superuser.query_one(sql, &[tenant.id.as_uuid()]).await;
            if row.unwrap().get::<_, Option<bool>>(0) == Some(true) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("it is signed once its entry has its place");
    });
}
