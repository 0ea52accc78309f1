//! How long a break-glass rotation takes, one SIGKILL of the server included: what
//! `cargo xtask bench envelope --break-glass` runs, as a release build.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_server::app::Platform;
use strongroom_server::audit::{new_event_id, seal_payload};
use strongroom_server::clock::SystemClock;
use zeroize::Zeroizing;

use crate::key_rotation::count;
use crate::platform::on_runtime;
use crate::rotation_kills::Site;

/// How many rows, if not a million.
const ROWS: &str = "BREAK_GLASS_ROWS";

const MILLION: i64 = 1_000_000;

/// Payloads that are stored in one go.
const CHUNK: i64 = 1_000;

/// The length of a payload's text, in bytes.
const TEXT: usize = 1 << 10;

fn rows() -> i64 {
    std::env::var(ROWS).map_or(MILLION, |rows| rows.parse().expect(ROWS))
}

/// Rotates, kills the server half-way, and says how long it was until everything was under the new
/// version.
async fn measure(site: &Site, what: &str, reencrypt: bool, goal: Duration) {
    for upkeep in ["vacuum analyze", "checkpoint"] {
        site.superuser.batch_execute(upkeep).await.unwrap();
    }
    let mut server = site.serve();
    let body = json!({ "reason": "measured", "reencrypt": reencrypt });
    let begun = Instant::now();
    let id = site.rotate(&server, body).await;
    let (mut killed, mut said) = (None, 0);
    loop {
        let progress = site.progress(id).await;
        if ["overlapping", "finished"].contains(&progress.phase.as_str()) {
            break;
        }
        let percent = progress
            .total
            .map_or(0, |total| progress.done * 100 / total.max(1));
        if percent >= said + 10 {
            said = percent;
            let (seconds, phase) = (begun.elapsed().as_secs_f64(), progress.phase);
            println!("{seconds:7.1} s  {percent:3} %  {phase}");
        }
        if percent >= 50 && killed.is_none() {
            server.kill();
            server = site.serve();
            killed = Some(percent);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed();
    let left = "select (select count(*) from app.tenant_deks where tenant_id = $1 and kek_version = 1) \
         + (select count(*) from app.tenant_deks d join app.audit_payloads p using (tenant_id, dek_id) \
            where d.tenant_id = $1 and d.state = 'retired')";
    assert_eq!(count(&site.superuser, left, site.tenant).await, 0);
    let rows = rows();
    let goal = goal.mul_f64((rows as f64 / MILLION as f64).max(1.0));
    let verdict = if took < goal { "met" } else { "missed" };
    let killed = killed.map_or("not killed".to_owned(), |at| format!("killed at {at} %"));
    println!(
        "break-glass, {what}: {rows} rows in {:.1} s, {killed}; goal {} s: {verdict}",
        took.as_secs_f64(),
        goal.as_secs()
    );
    assert!(took < goal, "the goal is missed");
}

#[test]
#[ignore = "a measurement: cargo xtask bench envelope --break-glass"]
fn how_long_data_keys_take_to_be_wrapped_again() {
    on_runtime(async {
        let site = Site::start().await;
        site.add_data_keys(rows()).await;
        let goal = Duration::from_secs(5 * 60);
        measure(&site, "data keys wrapped again", false, goal).await;
    });
}

#[test]
#[ignore = "a measurement: cargo xtask bench envelope --break-glass"]
fn how_long_payloads_take_to_be_encrypted_again() {
    on_runtime(async {
        let site = Site::start().await;
        store_payloads(&site, rows()).await;
        let goal = Duration::from_secs(20 * 60);
        measure(&site, "payloads of 1 KiB encrypted again", true, goal).await;
    });
}

/// Each sealed for its own event, as those of prompts and answers are.
async fn store_payloads(site: &Site, rows: i64) {
    const INSERT: &str = "insert into app.audit_payloads (tenant_id, event_id, sealed, dek_id) \
         select $1, e, s, d from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u (e, s, d)";
    let platform = Platform::start(
        site.config.clone(),
        site.database.endpoint(),
        std::sync::Arc::new(SystemClock),
    );
    let platform = platform.await.unwrap();
    let keys = &platform.app.keys;
    for from in (0..rows).step_by(CHUNK as usize) {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for _ in from..rows.min(from + CHUNK) {
            let event = new_event_id(&SystemClock).unwrap();
            let text = Zeroizing::new(vec![b'x'; TEXT]);
            let field = "prompt".parse().unwrap();
            let sealed = seal_payload(keys, &site.tenant, event, vec![(field, text)]).await;
            let (payload, _) = sealed.unwrap();
            columns.0.push(event);
            columns.1.push(payload.bytes);
            columns.2.push(payload.dek.as_bytes().to_vec());
        }
        let tenant = site.tenant.as_uuid();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [tenant, &columns.0, &columns.1, &columns.2];
        site.superuser.execute(INSERT, &params).await.unwrap();
    }
    platform.stop().await;
}
