//! Which zones count: what PostgreSQL says of them is not enough.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use strongroom_server::audit::{AuditError, Sequencer, ZoneSet};
use strongroom_server::config::{Config, ZoneMode};
use strongroom_server::postgres::{CommitError, Job, Pool, Role, zones_check};
use strongroom_tenancy::TenantId;

use crate::database::{folder, spec};
use crate::platform::on_runtime;
use crate::sequencing::leaf;
use crate::three_zones::{
    append, append_to, held, lost, moved, superuser, three, three_of, until, until_all_is_sequenced,
};

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
             where wait_event = 'SyncRep' and usename = 'strongroom_sequencer' \
             and (pid = $1) = $2";
        let cancelled = async |ours: i32, is_ours: bool| {
            let row = primary.query_one(cancel, &[&ours, &is_ours]).await.unwrap();
            row.get::<_, i64>(0) > 0
        };
        until_all_is_sequenced(&primary).await;

        kill_process(receiver, Signal::STOP).unwrap();
        // A transaction of our own, where nothing but the warning says it.
        let endpoint = zones.endpoint(0, "strongroom").unwrap();
        let job = Job::new(Pool::new(endpoint, Role::Sequencer, 1).unwrap());
        let mut tx = job.begin().await.unwrap();
        let touch = "update app.audit_logs set size = size where tenant_id = $1";
        let platform = TenantId::PLATFORM;
        tx.query(touch, &[platform.as_uuid()]).await.unwrap();
        let ours = tx.query("select pg_backend_pid()", &[]).await.unwrap();
        let ours = ours[0].get(0);
        let ended = tokio::spawn(tx.commit());
        until("waiting", async || cancelled(ours, true).await).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        assert!(matches!(ended.unwrap().unwrap(), Err(CommitError::Unknown)));

        // The sequencer's, which is told so and repeats it until the zone has it.
        let (id, leaf) = leaf(&running.app);
        let sequencer = running.app.sequencer.clone();
        let tenant_id = tenant.id;
        let appended =
            tokio::spawn(async move { sequencer.append(tenant_id, id, leaf, None).await });
        until("waiting", async || cancelled(ours, false).await).await;
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
        let z1 = ["z1".parse().unwrap()];
        let zone_set = app.zones.as_ref().unwrap();
        until("looked at", async || zone_set.lost() == z1).await;
        append_to(&app, tenant.id).await.unwrap();

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
        // It was committed.
        until("there", async || held(&zones, 0).await.contains(&id)).await;
        let again = running.app.sequencer.append(platform, id, leaf, None);
        again.await.unwrap();
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
