//! How many events are acknowledged a second, in one zone and in three, beside commits of one row.
//!
//! `cargo test --release -p strongroom-server --test platform zone_times:: -- --ignored --nocapture`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strongroom_server::app::App;
use strongroom_server::config::ZoneMode;
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;

use crate::platform::on_runtime;
use crate::three_zones::{append_to, superuser, three};

const WRITERS: usize = 64;
const TIME: Duration = Duration::from_secs(5);

/// What these writers do a second, all together.
async fn rate<F: Future<Output = ()> + Send + 'static>(
    writers: Vec<impl FnOnce(Arc<AtomicU64>, Instant) -> F>,
) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + TIME;
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|writer| tokio::spawn(writer(Arc::clone(&done), until)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / TIME.as_secs_f64()
}

async fn append(app: Arc<App>, tenant: TenantId, done: Arc<AtomicU64>, until: Instant) {
    while Instant::now() < until {
        append_to(&app, tenant).await.unwrap();
        done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn insert(sql: Arc<Client>, done: Arc<AtomicU64>, until: Instant) {
    let insert = "insert into public.single values (gen_random_uuid(), $1)";
    let insert = sql.prepare(insert).await.unwrap();
    while Instant::now() < until {
        sql.execute(&insert, &[&[7_u8; 230].as_slice()])
            .await
            .unwrap();
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "a measurement"]
fn events_a_second() {
    on_runtime(async {
        for mode in [ZoneMode::One, ZoneMode::Any1, ZoneMode::Any2] {
            let (zones, running) = three(mode).await;
            let tenant = running.tenant("measured").await.id;
            let mut clients = Vec::new();
            for _ in 0..WRITERS {
                clients.push(Arc::new(superuser(&zones, 0, "strongroom").await));
            }
            let table = "create table public.single (id uuid primary key, leaf bytea)";
            clients[0].batch_execute(table).await.unwrap();
            for round in 1..=3 {
                let writers = clients.iter().map(|_| {
                    let app = Arc::clone(&running.app);
                    move |done, until| append(app, tenant, done, until)
                });
                let batched = rate(writers.collect()).await;
                let writers = clients.iter().map(|client| {
                    let client = Arc::clone(client);
                    move |done, until| insert(client, done, until)
                });
                let single = rate(writers.collect()).await;
                let ratio = batched / single;
                println!(
                    "{mode} round {round}: {batched:.0} events/s batched, {single:.0} rows/s singly, \
                     ratio {ratio:.1}"
                );
            }
        }
    });
}
