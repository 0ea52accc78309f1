//! The platform in three zones: what it acknowledges is in each, and the loss of one is said at once
//! and costs nothing that was acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use strongroom_auditchain::{Checkpoint, Note};
use strongroom_server::app::{App, Platform};
use strongroom_server::audit::{AuditError, Sequencer, ZoneSet};
use strongroom_server::clock::SystemClock;
use strongroom_server::config::{Config, ZoneMode};
use strongroom_server::postgres::{
    ClusterSpec, CommitError, Job, Owner, Pool, Role, ThreeZones, zones_check,
};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use crate::database::{folder, spec};
use crate::platform::{Running, Tenant, on_runtime, start};
use crate::sequencing::leaf;
use crate::three_zones::superuser;

/// What a platform on whichever zone leads is told of them.
fn environment(zones: &ThreeZones, mode: ZoneMode) -> [(&'static str, String); 2] {
    let standbys: Vec<String> = zones
        .followers()
        .map(|zone| {
            let url = zones.url(zone, "strongroom").unwrap();
            format!("{}={url}", ThreeZones::names()[zone])
        })
        .collect();
    let standbys = if mode == ZoneMode::One {
        String::new()
    } else {
        standbys.join(",")
    };
    [
        ("STRONGROOM_ZONES_MODE", mode.to_string()),
        ("STRONGROOM_ZONES_STANDBYS", standbys),
    ]
}

pub(crate) async fn three(mode: ZoneMode) -> (ThreeZones, Running) {
    three_of(&spec(folder()), mode).await
}

async fn three_of(template: &ClusterSpec, mode: ZoneMode) -> (ThreeZones, Running) {
    let zones = ThreeZones::start(template, mode).await.unwrap();
    let owner = Owner::connect(&zones.endpoint(0, "postgres").unwrap(), "postgres").await;
    owner.unwrap().create_database().await.unwrap();
    let environment = environment(&zones, mode);
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let running = start(zones.endpoint(0, "strongroom").unwrap(), &environment).await;
    (zones, running)
}

/// The same platform, with its keys, on the zone that leads by now.
async fn moved(zones: &ThreeZones, before: &Running, mode: ZoneMode) -> Arc<App> {
    let told = environment(zones, mode).map(|(name, value)| (name.to_owned(), value));
    let mut config = before.app.config.clone();
    config.zones = Config::from_sources(None, told).unwrap().zones;
    let endpoint = zones.endpoint(zones.leader(), "strongroom").unwrap();
    let platform = Platform::start(config, endpoint, Arc::new(SystemClock))
        .await
        .unwrap();
    Arc::clone(&platform.app)
}

pub(crate) async fn append_to(app: &App, tenant: TenantId) -> Result<Uuid, AuditError> {
    let (id, leaf) = leaf(app);
    app.sequencer
        .append(tenant, id, leaf, None)
        .await
        .map(|_| id)
}

async fn append(running: &Running, tenant: &Tenant) -> Result<Uuid, AuditError> {
    append_to(&running.app, tenant.id).await
}

/// The events that a zone holds.
async fn held(zones: &ThreeZones, zone: usize) -> BTreeSet<Uuid> {
    let sql = superuser(zones, zone, "strongroom").await;
    let rows = sql
        .query("select event_id from app.audit_leaves", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What the platform's own log says of zones, in its order, from an entry on.
async fn news(running: &Running, from: usize) -> Vec<(String, String)> {
    let token = running.token(&running.admin_key).await;
    let entries = running.entries(&token).await;
    let said = entries[from..].iter().map(|entry| &entry["event"]);
    said.map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("resource"))
    })
    .collect()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {what}");
}

fn lost(running: &Running) -> Vec<String> {
    let zones = running.app.zones.as_ref().unwrap();
    zones.lost().iter().map(ToString::to_string).collect()
}

/// What was acknowledged is on three disks: the primary dies in the middle of load, and the zone that
/// is promoted has all of it; the other too.
#[test]
fn a_failover_loses_nothing_that_was_acknowledged() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any2).await;
        let running = Arc::new(running);
        let tenant = Arc::new(running.tenant("failed-over").await);
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (running, tenant) = (Arc::clone(&running), Arc::clone(&tenant));
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    while let Ok(id) = append(&running, &tenant).await {
                        acknowledged.push(id);
                    }
                    acknowledged
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(2)).await;
        zones.kill(0).unwrap();
        let mut acknowledged = BTreeSet::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        assert!(acknowledged.len() > 100, "{}", acknowledged.len());
        let leader = zones.promote().await.unwrap();
        let other = 3 - leader;
        assert!(held(&zones, leader).await.is_superset(&acknowledged));
        zones.until_streaming(other).await.unwrap();
        until("in the other zone", async || {
            held(&zones, other).await.is_superset(&acknowledged)
        })
        .await;
    });
}

#[test]
fn while_a_zone_is_missing_nothing_is_acknowledged_and_what_all_held_is_signed_as_degraded() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any2).await;
        let tenant = running.tenant("bereaved").await;
        let sign = async || running.app.checkpointer.sign(Some(tenant.id)).await;
        append(&running, &tenant).await.unwrap();
        assert_eq!(sign().await.unwrap(), 1);
        let before = running.entries(&tenant.token).await.len() as u64;
        let call = running
            .send("GET", "/v1/api-keys", Some(&tenant.token), None)
            .await;
        assert!(!call.header("strongroom-receipt").is_empty());
        assert_eq!(call.header("strongroom-receipt-zones"), "3");
        append(&running, &tenant).await.unwrap();
        let token = running.token(&running.admin_key).await;
        // What starting staged has its place; that entries were read is the next.
        let activated = "token_key.activated";
        until("quiet", async || {
            let said = news(&running, 0).await;
            said.iter().any(|(kind, _)| kind == activated)
        })
        .await;
        let entries = running.entries(&token).await.len() + 1;

        zones.kill(2).unwrap();
        until("said to be lost", async || lost(&running) == ["z3"]).await;
        let began = Instant::now();
        let call = running
            .send("GET", "/v1/api-keys", Some(&tenant.token), None)
            .await;
        assert_eq!(
            (call.status, call.slug().as_str()),
            (503, "audit-unavailable")
        );
        assert!(!call.header("retry-after").is_empty());
        assert!(began.elapsed() < Duration::from_secs(1));
        let refused = append(&running, &tenant).await;
        assert_eq!(refused.unwrap_err(), AuditError::ZoneMissing);

        // Nothing under the normal name; what every zone held has another, and says who is missing.
        let unsigned = sign().await.unwrap_err().to_string();
        assert!(unsigned.ends_with("missing: z3"), "{unsigned}");
        let sql = superuser(&zones, 0, "strongroom").await;
        let normal = "select max(size) from app.audit_checkpoints where tenant_id = $1";
        let normal: i64 = sql
            .query_one(normal, &[tenant.id.as_uuid()])
            .await
            .unwrap()
            .get(0);
        let rows = "select d.note, d.size, l.origin, l.size from app.audit_degraded_checkpoints d \
             join app.audit_logs l using (tenant_id) \
             where tenant_id = $1 and missing = '{z3}'";
        let row = sql.query_one(rows, &[tenant.id.as_uuid()]).await.unwrap();
        let (note, size, origin): (String, i64, String) = (row.get(0), row.get(1), row.get(2));
        assert!(size > normal && size as u64 > before && size <= row.get::<_, i64>(3));
        let key = running.app.checkpoint_signer.with_name(&origin).unwrap();
        let origin = origin.parse().unwrap();
        assert!(Checkpoint::verify(&note, key.verifier_key(), &origin).is_err());
        let named = key.with_name(&format!("{origin}/degraded")).unwrap();
        let note: Note = note.parse().unwrap();
        assert!(note.verify(&[named.verifier_key().clone()]).is_ok());

        // It comes back by itself. That it was lost stands first, whatever else waited.
        zones.restart(2).await.unwrap();
        until("back", async || append(&running, &tenant).await.is_ok()).await;
        let back = ("zone.back".to_owned(), "z3".to_owned());
        until("told", async || {
            news(&running, entries).await.contains(&back)
        })
        .await;
        let said = news(&running, entries).await;
        assert_eq!(
            said[0],
            ("zone.lost".to_owned(), "z3".to_owned()),
            "{said:?}"
        );
        assert_eq!(said[1], back, "{said:?}");
        assert_eq!(sign().await.unwrap(), 1);
    });
}

#[test]
fn any_1_goes_on_with_a_zone_missing_and_says_so_at_once() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any1).await;
        let tenant = running.tenant("going-on").await;
        append(&running, &tenant).await.unwrap();
        // A zone that flushes nothing any more says nothing of it: it is asked from time to time.
        let careless = superuser(&zones, 2, "postgres").await;
        for (fsync, is_lost) in [("off", vec!["z3".to_owned()]), ("on", Vec::new())] {
            let set = format!("alter system set fsync = {fsync}");
            careless.batch_execute(&set).await.unwrap();
            careless
                .batch_execute("select pg_reload_conf()")
                .await
                .unwrap();
            until("noticed", async || lost(&running) == is_lost).await;
        }
        zones.kill(1).unwrap();
        until("said to be lost", async || lost(&running) == ["z2"]).await;
        let id = append(&running, &tenant).await.unwrap();
        until("in the zone that is left", async || {
            held(&zones, 2).await.contains(&id)
        })
        .await;
        let said = ("zone.lost".to_owned(), "z2".to_owned());
        until("in the log", async || {
            news(&running, 0).await.contains(&said)
        })
        .await;
        let unsigned = running.app.checkpointer.sign(Some(tenant.id)).await;
        assert!(unsigned.unwrap_err().to_string().ends_with("missing: z2"));
        zones.kill(2).unwrap();
        until("short", async || {
            append(&running, &tenant).await == Err(AuditError::ZoneMissing)
        })
        .await;
    });
}

/// `pg_cancel_backend` ends the wait for the zones, and COMMIT succeeds with a warning.
#[test]
fn a_wait_that_is_cancelled_is_no_acknowledgement() {
    on_runtime(async {
        let (zones, running) = three(ZoneMode::Any2).await;
        let tenant = running.tenant("cancelled").await;
        append(&running, &tenant).await.unwrap();
        let standby = superuser(&zones, 2, "strongroom").await;
        let receiver = "select pid from pg_stat_wal_receiver";
        let receiver: i32 = standby.query_one(receiver, &[]).await.unwrap().get(0);
        let receiver = Pid::from_raw(receiver).unwrap();
        let primary = superuser(&zones, 0, "strongroom").await;
        let cancel = "select count(pg_cancel_backend(pid)) from pg_stat_activity \
             where wait_event = 'SyncRep' and usename = 'strongroom_sequencer'";
        let cancelled = async || {
            let row = primary.query_one(cancel, &[]).await.unwrap();
            row.get::<_, i64>(0) > 0
        };

        kill_process(receiver, Signal::STOP).unwrap();
        // A transaction of our own, where nothing but the warning says it.
        let endpoint = zones.endpoint(0, "strongroom").unwrap();
        let job = Job::new(Pool::new(endpoint, Role::Sequencer, 1).unwrap());
        let mut tx = job.begin().await.unwrap();
        let touch = "update app.audit_logs set size = size where tenant_id = $1";
        let platform = TenantId::PLATFORM;
        tx.query(touch, &[platform.as_uuid()]).await.unwrap();
        let ended = tokio::spawn(tx.commit());
        until("waiting", cancelled).await;
        let ended = tokio::time::timeout(Duration::from_secs(2), ended).await;
        assert!(matches!(ended.unwrap().unwrap(), Err(CommitError::Unknown)));

        // The sequencer's, which is told so and repeats it until the zone has it.
        let (id, leaf) = leaf(&running.app);
        let sequencer = running.app.sequencer.clone();
        let tenant_id = tenant.id;
        let appended =
            tokio::spawn(async move { sequencer.append(tenant_id, id, leaf, None).await });
        until("waiting", cancelled).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!appended.is_finished(), "{:?}", appended.await);
        kill_process(receiver, Signal::CONT).unwrap();
        appended.await.unwrap().unwrap();
        let entries = running.entries(&tenant.token).await;
        let id = id.to_string();
        assert_eq!(
            entries.iter().filter(|it| it["event"]["id"] == id).count(),
            1
        );
    });
}

/// PostgreSQL believes a former primary that was not rewound. The platform does not.
#[test]
fn a_former_primary_is_not_believed_until_it_is_rewound() {
    on_runtime(async {
        let (mut zones, before) = three(ZoneMode::Any1).await;
        let tenant = before.tenant("believing").await;
        append(&before, &tenant).await.unwrap();
        // A standby asks from the beginning of a segment on: the fork is to be near one, and the old
        // primary ahead in the same.
        let first = superuser(&zones, 0, "postgres").await;
        first
            .batch_execute("select pg_switch_wal(); create table t ()")
            .await
            .unwrap();
        zones.kill(1).unwrap();
        zones.kill(2).unwrap();
        let alone = "set synchronous_commit = local; create table alone as \
             select g, repeat('x', 1000) from generate_series(1, 8000) g";
        first.batch_execute(alone).await.unwrap();
        zones.kill(0).unwrap();
        zones.restart(1).await.unwrap();
        zones.restart(2).await.unwrap();
        let leader = zones.promote().await.unwrap();
        let other = 3 - leader;
        zones.until_streaming(other).await.unwrap();
        let app = moved(&zones, &before, ZoneMode::Any1).await;
        append_to(&app, tenant.id).await.unwrap();
        let zone_set = app.zones.as_ref().unwrap();
        assert_eq!(zone_set.lost(), ["z1".parse().unwrap()]);

        zones.kill(other).unwrap();
        until("short", async || {
            append_to(&app, tenant.id).await == Err(AuditError::ZoneMissing)
        })
        .await;
        zones.restart(0).await.unwrap();
        let leading = superuser(&zones, leader, "postgres").await;
        let believed = leading.batch_execute("create table believed ()");
        let believed = tokio::time::timeout(Duration::from_secs(15), believed).await;
        believed
            .expect("the database is wiser than it was")
            .unwrap();
        // The database has acknowledged that; the platform acknowledges nothing.
        for _ in 0..10 {
            let refused = append_to(&app, tenant.id).await;
            assert!(refused.is_err(), "acknowledged, and in one place alone");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }

        zones.kill(0).unwrap();
        zones.rejoin(0).await.unwrap();
        let mut id = None;
        until("admitted", async || {
            id = append_to(&app, tenant.id).await.ok();
            id.is_some()
        })
        .await;
        until("there", async || {
            held(&zones, 0).await.contains(&id.unwrap())
        })
        .await;
    });
}

/// Whatever a zone says of itself, what was just written must be there to see.
#[test]
fn a_zone_that_does_not_show_what_was_just_written_is_not_admitted() {
    on_runtime(async {
        let mut template = spec(folder());
        let late = ("recovery_min_apply_delay".to_owned(), "3s".to_owned());
        template.settings.push(late);
        let (zones, running) = three_of(&template, ZoneMode::Any2).await;
        let platform = TenantId::PLATFORM;
        // The zones have flushed all that the database has, and it is content.
        let primary = superuser(&zones, 0, "strongroom").await;
        primary
            .batch_execute("create table public.flushed ()")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(lost(&running), ["z2", "z3"]);
        let refused = append_to(&running.app, platform).await;
        assert_eq!(refused.unwrap_err(), AuditError::ZoneMissing);
        for zone in [1, 2] {
            let standby = superuser(&zones, zone, "postgres").await;
            let at_once = "alter system set recovery_min_apply_delay = 0";
            standby.batch_execute(at_once).await.unwrap();
            standby
                .batch_execute("select pg_reload_conf()")
                .await
                .unwrap();
        }
        until("back", async || {
            append_to(&running.app, platform).await.is_ok()
        })
        .await;
        assert!(lost(&running).is_empty());

        // And to a sequencer whose zones nobody has looked at, none counts: the database commits,
        // and is not believed.
        let endpoint = || zones.endpoint(0, "strongroom").unwrap();
        let unseen = ZoneSet::new(&running.app.config.zones, endpoint(), None).unwrap();
        let job = Job::new(Pool::new(endpoint(), Role::Sequencer, 1).unwrap());
        let signer = Arc::clone(&running.app.batch_signer);
        let (other, _task) = Sequencer::start(job, signer, unseen.map(Arc::new));
        let (id, leaf) = leaf(&running.app);
        let appended = other.append(platform, id, leaf.clone(), None);
        let waited = tokio::time::timeout(Duration::from_secs(2), appended).await;
        assert!(waited.is_err(), "{waited:?}");
        assert!(held(&zones, 0).await.contains(&id), "it was committed");
        let again = running.app.sequencer.append(platform, id, leaf, None);
        again.await.unwrap();
    });
}

/// What waited while nobody knew yet comes after the event of the loss.
#[test]
fn the_loss_of_a_zone_comes_before_all_that_waits() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any2).await;
        let standby = superuser(&zones, 2, "strongroom").await;
        let receiver = "select pid from pg_stat_wal_receiver";
        let receiver: i32 = standby.query_one(receiver, &[]).await.unwrap().get(0);
        let receiver = Pid::from_raw(receiver).unwrap();
        kill_process(receiver, Signal::STOP).unwrap();
        let app = Arc::clone(&running.app);
        let platform = TenantId::PLATFORM;
        let send = || {
            let app = Arc::clone(&app);
            let (id, leaf) = leaf(&app);
            tokio::spawn(async move { app.sequencer.append(platform, id, leaf, None).await });
            id
        };
        let on_its_way = send();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let waiting: Vec<Uuid> = (0..5).map(|_| send()).collect();
        zones.kill(2).unwrap();
        kill_process(receiver, Signal::KILL).unwrap();
        until("said to be lost", async || lost(&running) == ["z3"]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        zones.restart(2).await.unwrap();
        until("back", async || lost(&running).is_empty()).await;
        let mut said = Vec::new();
        until("written", async || {
            let token = running.token(&running.admin_key).await;
            let entries = running.entries(&token).await;
            said = entries
                .into_iter()
                .map(|entry| entry["event"].clone())
                .collect();
            let place = |id: &Uuid| said.iter().any(|it| it["id"] == id.to_string());
            waiting.iter().all(place)
        })
        .await;
        let place = |id: &Uuid| {
            said.iter()
                .position(|it| it["id"] == id.to_string())
                .unwrap()
        };
        let loss = said
            .iter()
            .position(|it| it["kind"] == "zone.lost")
            .unwrap();
        assert!(place(&on_its_way) < loss);
        assert!(waiting.iter().all(|id| loss < place(id)), "{said:?}");
    });
}

/// A bit that turned on one zone's disk: nothing is signed that the zones do not agree on.
#[test]
fn a_log_is_signed_only_when_each_zones_own_rows_have_its_root() {
    on_runtime(async {
        let mut template = spec(folder());
        // PostgreSQL would say itself that the page is damaged.
        let ignored = ("ignore_checksum_failure".to_owned(), "on".to_owned());
        template.settings.push(ignored);
        let root = template.root.clone();
        let (mut zones, running) = three_of(&template, ZoneMode::Any2).await;
        let tenant = running.tenant("damaged").await;
        let id = append(&running, &tenant).await.unwrap();
        let primary = superuser(&zones, 0, "strongroom").await;
        // What is written later goes to later pages, and with the first change to a page all of it.
        let later = (0..100).map(|_| append(&running, &tenant));
        assert!(
            futures_util::future::join_all(later)
                .await
                .iter()
                .all(Result::is_ok)
        );
        let row = "select leaf, pg_relation_filepath('app.audit_leaves') \
             from app.audit_leaves where event_id = $1";
        let row = primary.query_one(row, &[&id]).await.unwrap();
        let (leaf, file): (Vec<u8>, String) = (row.get(0), row.get(1));
        until("there", async || held(&zones, 2).await.contains(&id)).await;
        primary.batch_execute("checkpoint").await.unwrap();
        let standby = superuser(&zones, 2, "strongroom").await;
        until("on its disk", async || {
            standby.batch_execute("checkpoint").await.unwrap();
            let file = root.join("z3/data").join(&file);
            std::fs::read(file)
                .unwrap()
                .windows(leaf.len())
                .any(|found| found == leaf)
        })
        .await;
        zones.kill(2).unwrap();
        let file = root.join("z3/data").join(file);
        let mut bytes = std::fs::read(&file).unwrap();
        let place = bytes
            .windows(leaf.len())
            .position(|found| found == leaf)
            .unwrap();
        bytes[place + leaf.len() / 2] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        zones.restart(2).await.unwrap();
        until("back", async || append(&running, &tenant).await.is_ok()).await;
        let unsigned = running
            .app
            .checkpointer
            .sign(Some(tenant.id))
            .await
            .unwrap_err();
        let unsigned = unsigned.to_string();
        assert!(
            unsigned.contains("zone z3's entries are not those of its head"),
            "{unsigned}"
        );
    });
}

/// The database must wait for the zones that are configured, and for no others.
#[test]
fn a_database_that_waits_for_others_is_refused() {
    on_runtime(async {
        let (zones, _running) = three(ZoneMode::Any2).await;
        let endpoint = zones.endpoint(0, "strongroom").unwrap();
        let check = async |file: &str| {
            let config = Config::from_sources(Some(file), []).unwrap();
            zones_check(&endpoint, &config.zones).await
        };
        let named = |mode: &str, other: &str| {
            format!(
                "zones.mode = '{mode}'\n\
                 zones.standbys = ['z2=postgresql:///x?host=/a', '{other}=postgresql:///x?host=/b']"
            )
        };
        assert_eq!(check(&named("any_2", "z3")).await.unwrap(), 3);
        for file in [named("any_1", "z3"), named("any_2", "z4"), String::new()] {
            let refused = check(&file).await.unwrap_err().to_string();
            assert!(
                refused.contains("synchronous_standby_names is 'ANY 2 (z2, z3)'"),
                "{refused}"
            );
        }
        let sql = superuser(&zones, 0, "strongroom").await;
        sql.batch_execute("revoke pg_read_all_stats from strongroom_zones_owner")
            .await
            .unwrap();
        let refused = check(&named("any_2", "z3")).await.unwrap_err().to_string();
        assert!(refused.contains("zones-are-seen"), "{refused}");
        let standby = zones.endpoint(1, "strongroom").unwrap();
        let config = Config::from_sources(Some(&named("any_2", "z3")), []).unwrap();
        let refused = zones_check(&standby, &config.zones)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("must be the primary"), "{refused}");
    });
}
