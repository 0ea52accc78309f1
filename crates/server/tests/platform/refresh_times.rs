//! How many refresh tokens are renewed a second, beside a bare UPDATE of one row: what
//! `cargo xtask bench tenant-token --renewals` runs, as a release build.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strongroom_server::gates::RequestContext;
use strongroom_server::tokens::Families;
use strongroom_tenant_token::refresh::rotate;

use crate::database::{Database, folder, request_id};
use crate::platform::{on_runtime, start};
use crate::token_renewal::{CLIENT, login, user};

const CLIENTS: usize = 64;

/// Each of the two, so often, in turn.
const ROUNDS: usize = 7;

const ROUND: Duration = Duration::from_secs(3);

/// Runs as many workers as there are clients for one round; answers what they did a second.
async fn round<F: Future<Output = ()> + Send + 'static>(
    worker: impl Fn(usize, Arc<AtomicBool>, Arc<AtomicU64>) -> F,
) -> f64 {
    let (stop, done) = (Arc::default(), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(worker(n, Arc::clone(&stop), Arc::clone(&done))))
        .collect();
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement: cargo xtask bench tenant-token --renewals"]
fn how_many_renewals_a_second() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        // The cluster has a hundred backends for both.
        let environment = [("STRONGROOM_DATABASE_CONNECTIONS", "16")];
        let running = Arc::new(start(database.endpoint(), &environment).await);
        let tenant = running.tenant("measured").await;
        let superuser = database.sql("postgres").await;
        superuser
            .batch_execute(
                "create table public.bare (id int primary key, n bigint not null); \
                 insert into public.bare select g, 0 from generate_series(0, 63) g",
            )
            .await
            .unwrap();
        let mut bare = Vec::new();
        let mut newest = Vec::new();
        for _ in 0..CLIENTS {
            bare.push(Arc::new(database.sql("postgres").await));
            let session = login(&running, &tenant, user(1)).await;
            newest.push(Arc::new(tokio::sync::Mutex::new(session.refresh)));
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(
                round(|n, stop, done| {
                    let client = Arc::clone(&bare[n]);
                    async move {
                        let sql = "update public.bare set n = n + 1 where id = $1";
                        let update = client.prepare(sql).await.unwrap();
                        let id = i32::try_from(n).unwrap();
                        while !stop.load(Ordering::Relaxed) {
                            client.execute(&update, &[&id]).await.unwrap();
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
                .await,
            );
            ours.push(
                round(|n, stop, done| {
                    let (running, newest) = (Arc::clone(&running), Arc::clone(&newest[n]));
                    async move {
                        let mut newest = newest.lock().await;
                        while !stop.load(Ordering::Relaxed) {
                            let request = RequestContext::new(request_id(), None);
                            let families = Families::new(&running.app, &request);
                            let now = running.app.clock.unix_seconds();
                            let rotated = rotate(&families, &newest, CLIENT, now).await.unwrap();
                            rotated.token.expose().clone_into(&mut newest);
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
                .await,
            );
            let (ours, theirs) = (ours.last().unwrap(), theirs.last().unwrap());
            println!(
                "{ours:8.0} renewals/s {theirs:8.0} updates/s {:5.2}",
                ours / theirs
            );
        }
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[ROUNDS / 2]
        };
        let ratio = median(ours) / median(theirs);
        let verdict = if ratio >= 0.5 { "met" } else { "missed" };
        println!(
            "refresh rotation, {CLIENTS} clients, of a bare update: {ratio:.2} (goal 0.5: {verdict})"
        );
    });
}
