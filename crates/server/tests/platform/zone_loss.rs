//! The platform in three zones: what it acknowledges is in each, and the loss of one is said at once
//! and costs nothing that was acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use strongroom_auditchain::{Checkpoint, Note};
use strongroom_server::audit::AuditError;
use strongroom_server::config::ZoneMode;
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use crate::database::{folder, spec};
use crate::metrics::value_of;
use crate::platform::{Running, Tenant, on_runtime};
use crate::sequencing::leaf;
use crate::three_zones::{
    append, held, lost, news, superuser, three, three_of, until, until_all_is_sequenced,
    until_each_is_held,
};

/// In how many zones the receipt of an event says that it is.
async fn zones_of(running: &Running, tenant: &Tenant) -> u8 {
    let (id, leaf) = leaf(&running.app);
    let appended = running
        .app
        .sequencer
        .append(tenant.id, id, leaf, None)
        .await;
    let key = running.app.batch_signer.verifier_key();
    appended.unwrap().verify(key).unwrap().zones()
}

const ACKNOWLEDGING: &str = "strongroom_audit_acknowledging";

fn held_line(zone: &str) -> String {
    format!(r#"strongroom_zone_held{{zone="{zone}"}}"#)
}

/// What the metrics say.
fn counted(running: &Running, line: &str) -> Option<f64> {
    value_of(&running.app.metrics.render().unwrap(), line)
}

/// What was acknowledged is on three disks: the primary dies in the middle of load, and the zone that
/// is promoted has all of it; the other too.
#[test]
fn a_failover_loses_nothing_that_was_acknowledged() {
    on_runtime(async {
        let (mut zones, running) = three(ZoneMode::Any2).await;
        let running = Arc::new(running);
        let tenant = Arc::new(running.tenant("failed-over").await);
        let count = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (running, tenant) = (Arc::clone(&running), Arc::clone(&tenant));
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    while let Ok(id) = append(&running, &tenant).await {
                        acknowledged.push(id);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    acknowledged
                })
            })
            .collect();
        until("under load", async || count.load(Ordering::Relaxed) > 200).await;
        zones.kill(0).unwrap();
        let mut acknowledged = BTreeSet::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        assert!(acknowledged.len() > 200, "{}", acknowledged.len());
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
        assert_eq!(zones_of(&running, &tenant).await, 3);
        let last = append(&running, &tenant).await.unwrap();
        let token = running.token(&running.admin_key).await;
        // What starting staged has its place; that entries were read is the next.
        let activated = "token_key.activated";
        until("quiet", async || {
            let said = news(&running, 0).await;
            said.iter().any(|(kind, _)| kind == activated)
        })
        .await;
        let entries = running.entries(&token).await.len() + 1;

        let losses = r#"strongroom_zone_losses_total{zone="z3"}"#;
        let lost_before = counted(&running, losses).unwrap();
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
        // Whoever waits for the zone waits ten seconds.
        assert!(began.elapsed() < Duration::from_secs(9));
        let refused = append(&running, &tenant).await;
        assert_eq!(refused.unwrap_err(), AuditError::ZoneMissing);
        assert_eq!(counted(&running, ACKNOWLEDGING), Some(0.0));
        let zones_now = ["z2", "z3"].map(|zone| counted(&running, &held_line(zone)));
        assert_eq!(zones_now, [Some(1.0), Some(0.0)]);
        let refusals = r#"strongroom_audit_events_total{fate="zone_missing"}"#;
        assert_eq!(counted(&running, refusals), Some(1.0));

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
        // It covers all that was acknowledged before.
        let index = "select idx from app.audit_leaves where tenant_id = $1 and event_id = $2";
        let index = sql.query_one(index, &[tenant.id.as_uuid(), &last]).await;
        let index: i64 = index.unwrap().get(0);
        assert!(size > index, "{size} entries, of which {index} came before");
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
        let loss = ("zone.lost".to_owned(), "z3".to_owned());
        assert_eq!(said[0], loss, "{said:?}");
        let of_zones: Vec<_> = said.iter().filter(|it| it.0.starts_with("zone.")).collect();
        assert_eq!(of_zones, [&loss, &back], "{said:?}");
        assert_eq!(sign().await.unwrap(), 1);
        assert_eq!(counted(&running, ACKNOWLEDGING), Some(1.0));
        assert_eq!(counted(&running, &held_line("z3")), Some(1.0));
        assert_eq!(counted(&running, losses), Some(lost_before + 1.0));
        // Whoever cannot see the primary knows of nothing that is acknowledged.
        zones.kill(0).unwrap();
        until("said not to acknowledge", async || {
            counted(&running, ACKNOWLEDGING) == Some(0.0)
        })
        .await;
        assert_eq!(counted(&running, &held_line("z2")), Some(0.0));
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
        let said = ("zone.lost".to_owned(), "z2".to_owned());
        let count = async || {
            let news = news(&running, 0).await;
            news.iter().filter(|it| **it == said).count()
        };
        // Once, perhaps, when it was late for the first look.
        let before = count().await;
        zones.kill(1).unwrap();
        until("said to be lost", async || lost(&running) == ["z2"]).await;
        assert_eq!(zones_of(&running, &tenant).await, 2);
        let id = append(&running, &tenant).await.unwrap();
        until("in the zone that is left", async || {
            held(&zones, 2).await.contains(&id)
        })
        .await;
        until("in the log", async || count().await == before + 1).await;
        let unsigned = running.app.checkpointer.sign(Some(tenant.id)).await;
        assert!(unsigned.unwrap_err().to_string().ends_with("missing: z2"));
        zones.kill(2).unwrap();
        until("short", async || {
            append(&running, &tenant).await == Err(AuditError::ZoneMissing)
        })
        .await;
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
        let primary = superuser(&zones, 0, "strongroom").await;
        until_all_is_sequenced(&primary).await;
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
        let waits = "select count(*) from pg_stat_activity \
             where wait_event = 'SyncRep' and usename = 'strongroom_sequencer'";
        until("on its way", async || {
            let row = primary.query_one(waits, &[]).await.unwrap();
            row.get::<_, i64>(0) > 0
        })
        .await;
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
            .rposition(|it| it["kind"] == "zone.lost" && it["resource"] == "z3")
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
        until_each_is_held(&running.app).await;
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
