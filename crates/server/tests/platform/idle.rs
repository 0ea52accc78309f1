//! Logs that nobody writes to: what the database is asked meanwhile, and what is signed, is the same
//! for one tenant as for many. How many rows a statement reads is not counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use strongroom_server::clock::{Clock, SystemClock};
use tokio_postgres::Client;

use crate::database::{Database, folder};
use crate::key_rotation::post;
use crate::platform::{Running, on_runtime, start};

/// The shortest that the configuration takes.
const CHECKPOINTS_EVERY: u64 = 10;
const MANY: usize = 24;

/// How often a statement may be begun in one span when it is begun so often in another: timers tick
/// at their ends, and a tenth of a busy one's ticks may be late.
const fn at_most(times: usize) -> usize {
    times + times / 10 + 2
}

/// How often each statement was begun while nobody calls, in a span of the clock that holds one
/// time at which checkpoints are due.
async fn asked(database: &Database) -> BTreeMap<String, usize> {
    // The middle between two: what was due is signed, and what is due is signed long before the end.
    let now = SystemClock.unix_seconds();
    let past = CHECKPOINTS_EVERY / 2;
    let wait = (CHECKPOINTS_EVERY + past - now % CHECKPOINTS_EVERY) % CHECKPOINTS_EVERY;
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let before = database.said().len();
    tokio::time::sleep(Duration::from_secs(CHECKPOINTS_EVERY)).await;
    let said = database.said();
    let mut asked = BTreeMap::new();
    for line in said.get(before..).unwrap().lines() {
        let Some((_, statement)) = line.split_once("LOG:  ") else {
            continue;
        };
        // `statement: text`, or `execute name: text` of a prepared one.
        if let Some((what, text)) = statement.split_once(": ")
            && (what == "statement" || what.starts_with("execute "))
        {
            *asked.entry(text.to_owned()).or_default() += 1;
        }
    }
    asked
}

async fn checkpoints(superuser: &Client) -> i64 {
    let sql = "select count(*) from app.audit_checkpoints";
    superuser.query_one(sql, &[]).await.unwrap().get(0)
}

async fn add_tenants(running: &Running, names: std::ops::Range<usize>) {
    for name in names {
        let tenant = running.tenant(&format!("idle-{name}")).await;
        let signed = post(running, &tenant, "/v1/audit/checkpoints", json!({})).await;
        assert_eq!(signed.status, 200, "{}", signed.text);
    }
}

#[test]
fn idle_logs_are_asked_for_by_nobody() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let every = CHECKPOINTS_EVERY.to_string();
        let environment = [("STRONGROOM_AUDIT_CHECKPOINT_SECONDS", every.as_str())];
        let running = start(database.endpoint(), &environment).await;
        let superuser = database.sql("postgres").await;
        superuser
            .batch_execute("alter system set log_statement = 'all'")
            .await
            .unwrap();
        superuser
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();

        add_tenants(&running, 0..1).await;
        // What their beginnings left to be signed is signed.
        asked(&database).await;
        let one = asked(&database).await;
        add_tenants(&running, 1..MANY).await;
        asked(&database).await;
        let signed = checkpoints(&superuser).await;
        assert!(signed >= i64::try_from(MANY).unwrap());
        let many = asked(&database).await;
        assert_eq!(
            checkpoints(&superuser).await,
            signed,
            "an idle log was signed"
        );

        // The platform was at work: it looked which logs grew, twice (theirs, and its own).
        let looked = |asked: &BTreeMap<String, usize>| -> usize {
            let of_logs = |text: &str| text.starts_with("select l.tenant_id, l.origin, l.size");
            let looks = asked.iter().filter(|(text, _)| of_logs(text));
            looks.map(|(_, times)| times).sum()
        };
        assert_eq!((looked(&one), looked(&many)), (2, 2), "{many:#?}");
        for (text, times) in &many {
            let with_one = one.get(text).copied().unwrap_or_default();
            assert!(
                *times <= at_most(with_one),
                "asked {times} times with {MANY} tenants, {with_one} times with one: {text}"
            );
        }
    });
}
