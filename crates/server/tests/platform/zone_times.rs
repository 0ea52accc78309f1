//! How many events a second are acknowledged, with their receipts, in one zone and in three: by the
//! sequencer's batches, and by a transaction for each event.
//!
//! `cargo xtask bench auditchain --postgres`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strongroom_server::app::App;
use strongroom_server::audit::STAGE_EVENT;
use strongroom_server::config::ZoneMode;
use strongroom_server::postgres::Access;
use strongroom_tenancy::TenantId;

use crate::database::{actor, request_id};
use crate::platform::{Running, on_runtime};
use crate::sequencing::leaf;
use crate::single_rows::{Single, bare_insert, prepare};
use crate::three_zones::{append_to, superuser, three};

const WRITERS: usize = 64;
const TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

/// How often the batches must be as fast.
const GOAL: f64 = 5.0;

/// What these writers do a second, all together.
async fn rate<F: Future<Output = ()> + Send + 'static>(
    writers: impl Iterator<Item = impl FnOnce(Arc<AtomicU64>, Instant) -> F>,
) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + TIME;
    let tasks: Vec<_> = writers
        .map(|writer| tokio::spawn(writer(Arc::clone(&done), until)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / TIME.as_secs_f64()
}

/// What is repeated until the time is over.
macro_rules! writer {
    ($work:expr) => {{
        let work = $work;
        move |done: Arc<AtomicU64>, until: Instant| async move {
            while Instant::now() < until {
                work().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }};
}

/// Staged in a transaction of the writer's own, as a route does, and then sequenced.
async fn stage(app: &App, tenant: TenantId) {
    let (id, leaf) = leaf(app);
    let request = request_id();
    let begun = app.gateway.begin(tenant, actor(), &request, Access::Write);
    let mut tx = begun.await.unwrap();
    tx.query(STAGE_EVENT, &[tenant.as_uuid(), &id, &leaf.as_bytes()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app.sequencer.staged(tenant, id).await.unwrap();
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// One row of the table.
fn row(name: &str, ours: &[f64], peer: &[f64], peer_name: &str, goal: Option<f64>) {
    let least = |rates: &[f64]| rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    let ratio = median(ours) / median(peer);
    let goal = goal.map_or_else(String::new, |goal| {
        let verdict = if ratio >= goal { "met" } else { "missed" };
        format!("goal {goal:.0} {verdict}")
    });
    println!(
        "{name:44} {:>7.0} /s ({:.0}-{:.0}) {:>7.0} /s ({:.0}-{:.0}) ratio {ratio:>5.2} {goal:13} {peer_name}",
        median(ours),
        least(ours),
        most(ours),
        median(peer),
        least(peer),
        most(peer),
    );
}

async fn measure(mode: ZoneMode, running: &Running, singles: &[Arc<Single>]) {
    let mut tenants = Vec::new();
    for number in 0..WRITERS {
        tenants.push(running.tenant(&format!("measured-{number}")).await.id);
    }
    let zones = match mode {
        ZoneMode::One => "1 zone",
        ZoneMode::Any1 | ZoneMode::Any2 => "3 zones",
    };
    let single_row = "a transaction for each event: head locked, leaf, head, receipt";
    let (mut of_one, mut bare, mut ours_of_one) = (Vec::new(), Vec::new(), Vec::new());
    for logs in [1, WRITERS] {
        let (mut ours, mut peer, mut staged) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let writers = (0..WRITERS).map(|number| {
                let (app, tenant) = (Arc::clone(&running.app), tenants[number % logs]);
                writer!(move || {
                    let app = Arc::clone(&app);
                    async move { append_to(&app, tenant).await.unwrap() }
                })
            });
            ours.push(rate(writers).await);
            let writers = singles.iter().enumerate().map(|(number, single)| {
                let (single, app) = (Arc::clone(single), Arc::clone(&running.app));
                writer!(move || {
                    let (single, app) = (Arc::clone(&single), Arc::clone(&app));
                    async move { single.append(number % logs, leaf(&app).1).await }
                })
            });
            peer.push(rate(writers).await);
            let writers = (0..WRITERS).map(|number| {
                let (app, tenant) = (Arc::clone(&running.app), tenants[number % logs]);
                writer!(move || {
                    let app = Arc::clone(&app);
                    async move { stage(&app, tenant).await }
                })
            });
            staged.push(rate(writers).await);
            if logs == 1 {
                let writers = singles.iter().map(|single| {
                    let single = Arc::clone(single);
                    writer!(move || {
                        let single = Arc::clone(&single);
                        async move { bare_insert(&single).await }
                    })
                });
                bare.push(rate(writers).await);
            }
        }
        let of = format!(
            "postgres, {zones}, 64 writers, {logs} log{}",
            if logs == 1 { "" } else { "s" }
        );
        row(&of, &ours, &peer, single_row, Some(GOAL));
        row(&format!("{of}, staged"), &staged, &peer, single_row, None);
        if logs == 1 {
            (of_one, ours_of_one) = (peer, ours);
        }
    }
    let name = format!("postgres, {zones}, 64 writers, 1 log");
    let bare_name = "rows inserted singly: no log, no place, no receipt";
    row(&name, &ours_of_one, &bare, bare_name, None);
    row(
        &format!("single-row transactions, {zones}, 1 log"),
        &of_one,
        &bare,
        bare_name,
        None,
    );
}

#[test]
#[ignore = "a measurement"]
fn events_a_second() {
    on_runtime(async {
        println!("{:44} ours, events/s      the peer, events/s", "auditchain");
        for mode in [ZoneMode::One, ZoneMode::Any2] {
            let (zones, running) = three(mode).await;
            let mut singles = Vec::new();
            for number in 0..WRITERS {
                let sql = superuser(&zones, 0, "strongroom").await;
                if number == 0 {
                    prepare(&sql, WRITERS).await;
                }
                let signer = Arc::clone(&running.app.batch_signer);
                singles.push(Arc::new(Single::new(sql, signer).await));
            }
            measure(mode, &running, &singles).await;
        }
    });
}
