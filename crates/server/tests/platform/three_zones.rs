//! Three clusters of this machine: what PostgreSQL does when a zone is lost and comes back, and what
//! it does not.

use std::time::Duration;

use strongroom_server::config::ZoneMode;
use strongroom_server::postgres::ThreeZones;
use tokio_postgres::{Client, Error, NoTls};

use crate::database::{folder, spec};
use crate::platform::on_runtime;

/// A superuser's connection to a zone.
pub(crate) async fn superuser(zones: &ThreeZones, zone: usize, database: &str) -> Client {
    let url = zones.url(zone, database).unwrap();
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.user("postgres").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
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
        for _ in 0..100 {
            if count(&follows, "t").await.unwrap() == 22 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the rewound zone has {:?} rows", count(&follows, "t").await);
    });
}
