//! Three clusters of this machine: what PostgreSQL does when a zone is lost and comes back, and what
//! it does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_server::app::{App, Platform};
use strongroom_server::audit::AuditError;
use strongroom_server::clock::SystemClock;
use strongroom_server::config::{Config, ZoneMode};
use strongroom_server::postgres::{ClusterSpec, Owner, ThreeZones};
use strongroom_tenancy::TenantId;
use tokio_postgres::{Client, Error, NoTls};
use uuid::Uuid;

use crate::database::{folder, spec};
use crate::platform::{Running, Tenant, on_runtime, start};
use crate::sequencing::leaf;

/// A superuser's connection to a zone.
pub(crate) async fn superuser(zones: &ThreeZones, zone: usize, database: &str) -> Client {
    let url = zones.url(zone, database).unwrap();
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.user("postgres").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What a platform on whichever zone leads is told of them.
pub(crate) fn environment(zones: &ThreeZones, mode: ZoneMode) -> [(&'static str, String); 2] {
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
    let (zones, running) = three_of(&spec(folder()), mode).await;
    until_each_is_held(&running.app).await;
    (zones, running)
}

pub(crate) async fn three_of(template: &ClusterSpec, mode: ZoneMode) -> (ThreeZones, Running) {
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
pub(crate) async fn moved(zones: &ThreeZones, before: &Running, mode: ZoneMode) -> Arc<App> {
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

pub(crate) async fn append(running: &Running, tenant: &Tenant) -> Result<Uuid, AuditError> {
    append_to(&running.app, tenant.id).await
}

/// The events that a zone holds.
pub(crate) async fn held(zones: &ThreeZones, zone: usize) -> BTreeSet<Uuid> {
    let sql = superuser(zones, zone, "strongroom").await;
    let rows = sql
        .query("select event_id from app.audit_leaves", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What the platform's own log says of zones, in its order, from an entry on.
pub(crate) async fn news(running: &Running, from: usize) -> Vec<(String, String)> {
    let token = running.token(&running.admin_key).await;
    let entries = running.entries(&token).await;
    let said = entries[from..].iter().map(|entry| &entry["event"]);
    said.map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("resource"))
    })
    .collect()
}

/// The first look of a start may find a zone late that has everything: it counts as lost until the next.
pub(crate) async fn until_each_is_held(app: &App) {
    let zones = app.zones.as_ref().unwrap();
    let held = || zones.to_string().matches(" held").count();
    until("each is held", async || held() == 2).await;
}

/// What was staged has its place in the logs.
pub(crate) async fn until_all_is_sequenced(primary: &Client) {
    until("sequenced", async || {
        count(primary, "app.audit_staged").await.unwrap() == 0
    })
    .await;
}

pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {what}");
}

pub(crate) fn lost(running: &Running) -> Vec<String> {
    let zones = running.app.zones.as_ref().unwrap();
    zones.lost().iter().map(ToString::to_string).collect()
}

async fn count(client: &Client, table: &str) -> Result<i64, Error> {
    let sql = format!("select count(*) from {table}");
    Ok(client.query_one(&sql, &[]).await?.get(0))
}

/// The facts that the rules of `audit/zones.rs` are made for, on bare PostgreSQL.
#[test]
fn an_unrewound_primary_is_believed_by_postgresql_and_a_rewound_one_follows() {
    on_runtime(async {
        let mut zones = ThreeZones::start(&spec(folder()), ZoneMode::Any2)
            .await
            .unwrap();
        let first = superuser(&zones, 0, "postgres").await;
        first.batch_execute("create table t (n int)").await.unwrap();
        for number in 0..20 {
            first
                .execute("insert into t values ($1)", &[&number])
                .await
                .unwrap();
        }
        // What the primary alone has: it is visible there, and nobody acknowledged it.
        zones.kill(1).unwrap();
        zones.kill(2).unwrap();
        let alone = "set synchronous_commit = local; insert into t select 1000 + g \
                     from generate_series(1, 5000) g";
        first.batch_execute(alone).await.unwrap();
        zones.kill(0).unwrap();
        zones.restart(1).await.unwrap();
        zones.restart(2).await.unwrap();
        let leader = zones.promote().await.unwrap();
        zones.set_mode(ZoneMode::Any1).unwrap();
        let other = 3 - leader;
        zones.until_streaming(other).await.unwrap();
        let second = superuser(&zones, leader, "postgres").await;
        assert_eq!(count(&second, "t").await.unwrap(), 20);

        // Nobody but the old primary is there to say that it has the row.
        zones.kill(other).unwrap();
        zones.restart(0).await.unwrap();
        let insert = second.execute("insert into t values (77)", &[]);
        let believed = tokio::time::timeout(Duration::from_secs(15), insert).await;
        assert_eq!(believed.expect("nobody said so").unwrap(), 1);
        let diverged = superuser(&zones, 0, "postgres").await;
        let lacks = "select count(*) from t where n = 77";
        assert_eq!(
            diverged
                .query_one(lacks, &[])
                .await
                .unwrap()
                .get::<_, i64>(0),
            0
        );

        zones.kill(0).unwrap();
        zones.rejoin(0).await.unwrap();
        second
            .execute("insert into t values (78)", &[])
            .await
            .unwrap();
        let follows = superuser(&zones, 0, "postgres").await;
        until("in the rewound zone", async || {
            count(&follows, "t").await.unwrap() == 22
        })
        .await;
    });
}

/// After a restart a standby says that it received less than it has.
#[test]
fn the_standby_that_has_most_is_promoted_also_when_both_were_restarted() {
    on_runtime(async {
        let mut zones = ThreeZones::start(&spec(folder()), ZoneMode::Any1)
            .await
            .unwrap();
        let first = superuser(&zones, 0, "postgres").await;
        first.batch_execute("create table t (n int)").await.unwrap();
        until("in both", async || {
            let one = superuser(&zones, 1, "postgres").await;
            count(&one, "t").await.is_ok()
        })
        .await;
        zones.kill(1).unwrap();
        first
            .batch_execute("insert into t values (1)")
            .await
            .unwrap();
        zones.kill(2).unwrap();
        zones.kill(0).unwrap();
        zones.restart(1).await.unwrap();
        zones.restart(2).await.unwrap();
        assert_eq!(zones.promote().await.unwrap(), 2);
        zones.until_streaming(1).await.unwrap();
        let leader = superuser(&zones, 2, "postgres").await;
        assert_eq!(count(&leader, "t").await.unwrap(), 1);
    });
}
