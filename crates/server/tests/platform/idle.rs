//! Logs that nobody writes to: what the database is asked meanwhile, the rows that it reads for it, and
//! what is signed, is the same for one tenant as for many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use strongroom_auditchain::{Ed25519Signer, Frontier, Hash};
use strongroom_server::audit::Checkpointer;
use strongroom_server::clock::{Clock, SystemClock};
use strongroom_server::postgres::{Job, Role};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::database::{Database, folder};
use crate::key_rotation::post;
use crate::platform::{Running, on_runtime, start};

/// The shortest that the configuration takes.
const CHECKPOINTS_EVERY: u64 = 10;
const MANY: usize = 24;

/// How often a statement may be begun in one span when it is begun so often in another: a tenth of a
/// busy timer's ticks may be late, and what is done once a minute is done in one of them. Both are less
/// than once for each tenant. The same of rows read.
const fn at_most(times: usize) -> usize {
    times + times / 10 + MANY / 2
}

/// What was done in a span while nobody calls.
struct Span {
    /// How often each statement was begun.
    asked: BTreeMap<String, usize>,
    /// How many rows were read of each table of logs.
    read: BTreeMap<String, usize>,
}

/// What is done while nobody calls, in a span of the clock that holds one time at which checkpoints are
/// due. One that a busy machine draws out may hold two: it is taken again.
async fn span(database: &Database, superuser: &Client) -> Span {
    for _ in 0..2 {
        if let (span, true) = one_span(database, superuser).await {
            return span;
        }
    }
    one_span(database, superuser).await.0
}

/// A span, and whether it ended in time.
async fn one_span(database: &Database, superuser: &Client) -> (Span, bool) {
    // The middle between two: what was due is signed, and what is due is signed long before the end.
    let now = SystemClock.unix_seconds();
    let past = CHECKPOINTS_EVERY / 2;
    let wait = (CHECKPOINTS_EVERY + past - now % CHECKPOINTS_EVERY) % CHECKPOINTS_EVERY;
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let (before, read) = (database.said().len(), rows_read(superuser).await);
    tokio::time::sleep(Duration::from_secs(CHECKPOINTS_EVERY)).await;
    let (said, rows) = (database.said(), rows_read(superuser).await);
    let took = SystemClock.unix_seconds() - now - wait;
    let since = |(table, rows): (String, usize)| {
        let rows = rows - read.get(&table).copied().unwrap_or_default();
        (table, rows)
    };
    let read = rows.into_iter().map(since).collect();
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
    (Span { asked, read }, took <= CHECKPOINTS_EVERY + 3)
}

/// How many rows were read so far of each table that has any of logs, by whoever asked. Of tenants' keys
/// it is looked once a minute which are old.
async fn rows_read(superuser: &Client) -> BTreeMap<String, usize> {
    let sql = "select relname::text, seq_tup_read + coalesce(idx_tup_fetch, 0) \
         from pg_stat_user_tables where schemaname = 'app' and (relname like 'audit%' \
         or relname in ('verification_runs', 'retention_runs', 'retention', 'erasures'))";
    let rows = superuser.query(sql, &[]).await.unwrap();
    let read = |row: &tokio_postgres::Row| usize::try_from(row.get::<_, i64>(1)).unwrap();
    rows.iter().map(|row| (row.get(0), read(row))).collect()
}

async fn checkpoints(superuser: &Client) -> i64 {
    // The rows of this count are not to be noted in the middle of a span.
    let sql = "select count(*), pg_stat_force_next_flush() from app.audit_checkpoints";
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
        let superuser = database.sql("postgres").await;
        // As if tables were large: of a few rows the database would read each, whatever is asked.
        for set in ["log_statement = 'all'", "enable_seqscan = off"] {
            let set = format!("alter system set {set}");
            superuser.batch_execute(&set).await.unwrap();
        }
        superuser
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        let running = start(database.endpoint(), &environment).await;

        add_tenants(&running, 0..1).await;
        // What their beginnings left to be signed is signed.
        span(&database, &superuser).await;
        let one = span(&database, &superuser).await;
        add_tenants(&running, 1..MANY).await;
        span(&database, &superuser).await;
        // A connection tells what it read up to ten seconds later.
        span(&database, &superuser).await;
        let signed = checkpoints(&superuser).await;
        assert!(signed >= i64::try_from(MANY).unwrap());
        let many = span(&database, &superuser).await;
        assert_eq!(
            checkpoints(&superuser).await,
            signed,
            "an idle log was signed"
        );

        // Each is verified in a day, and not before.
        let due = "select count(*) from app.verification_runs \
             where due_at > extract(epoch from clock_timestamp()) + 80000";
        let due: i64 = superuser.query_one(due, &[]).await.unwrap().get(0);
        assert!(due >= i64::try_from(MANY).unwrap(), "{due} are due");

        // The platform was at work: it looked which logs grew, twice (theirs, and its own).
        let looked = |asked: &BTreeMap<String, usize>| -> usize {
            let of_logs = |text: &str| text.starts_with("select l.tenant_id, l.origin, l.size");
            let looks = asked.iter().filter(|(text, _)| of_logs(text));
            looks.map(|(_, times)| times).sum()
        };
        let looks = (looked(&one.asked), looked(&many.asked));
        assert_eq!(looks, (2, 2), "{:#?}", many.asked);
        for (text, times) in &many.asked {
            let with_one = one.asked.get(text).copied().unwrap_or_default();
            assert!(
                *times <= at_most(with_one),
                "asked {times} times with {MANY} tenants, {with_one} times with one: {text}"
            );
        }
        for (table, rows) in &many.read {
            let with_one = one.read.get(table).copied().unwrap_or_default();
            assert!(
                *rows <= at_most(with_one),
                "{rows} rows of {table} read with {MANY} tenants, {with_one} with one"
            );
        }
    });
}

/// A log of the database alone: no node writes to it.
struct Rows {
    tenant: TenantId,
    superuser: Client,
}

impl Rows {
    fn leaves() -> [Hash; 3] {
        [b"one", b"two", b"six"].map(|leaf| Hash::of_leaf(leaf))
    }

    async fn begin(database: &Database) -> Self {
        let (tenant, superuser) = (
            database.tenant("rows").await,
            database.sql("postgres").await,
        );
        let sql = "insert into app.audit_logs values ($1, 'tests.example/log/rows', 0, '')";
        superuser.execute(sql, &[tenant.as_uuid()]).await.unwrap();
        Self { tenant, superuser }
    }

    async fn add_leaf(&self, index: usize) {
        let sql = "insert into app.audit_leaves values ($1, $2, gen_random_uuid(), '', $3)";
        let leaves = Self::leaves();
        let hash = leaves[index].as_bytes().as_slice();
        let index = i64::try_from(index).unwrap();
        let params: [&(dyn ToSql + Sync); 3] = [self.tenant.as_uuid(), &index, &hash];
        self.superuser.execute(sql, &params).await.unwrap();
    }

    async fn set_head(&self, size: usize) {
        let sql = "update app.audit_logs set size = $2, frontier = $3 where tenant_id = $1";
        let (tree, _) = Frontier::new().append_batch(&Self::leaves()[..size]);
        let (size, tree) = (i64::try_from(size).unwrap(), tree.to_bytes());
        let params: [&(dyn ToSql + Sync); 3] = [self.tenant.as_uuid(), &size, &tree];
        self.superuser.execute(sql, &params).await.unwrap();
    }
}

#[test]
fn a_log_is_looked_at_until_it_is_signed_as_it_is() {
    on_runtime(async {
        let database = Database::start(folder()).await;
        let rows = Rows::begin(&database).await;
        let signer = Ed25519Signer::generate("tests.example/checkpoint").unwrap();
        let job = Job::new(database.pool(Role::Checkpointer, 1));
        let checkpointer = Checkpointer::new(job, Arc::new(signer), Arc::new(SystemClock), 300);
        // It waits for no batch.
        let sign = async || {
            let signed = tokio::time::timeout(Duration::from_secs(5), checkpointer.sign(None));
            signed.await.expect("it waits for nobody")
        };
        rows.add_leaf(0).await;
        rows.set_head(1).await;
        let batch = database.sql("postgres").await;
        let hold = "begin; select from app.audit_logs for update";
        batch.batch_execute(hold).await.unwrap();
        assert_eq!(sign().await.unwrap(), 1);
        batch.batch_execute("commit").await.unwrap();
        assert_eq!(sign().await.unwrap(), 0);

        // One that cannot be signed yet is looked at again, though nobody writes to it.
        rows.set_head(2).await;
        sign().await.unwrap_err();
        rows.add_leaf(1).await;
        assert_eq!(sign().await.unwrap(), 1);

        // What grows after it was signed is signed.
        rows.add_leaf(2).await;
        rows.set_head(3).await;
        assert_eq!(sign().await.unwrap(), 1);
        assert_eq!(sign().await.unwrap(), 0);
        let grown = "select grown from app.audit_logs";
        let grown: bool = rows.superuser.query_one(grown, &[]).await.unwrap().get(0);
        assert!(!grown);

        // The checkpointer can take the note away, and not write it.
        let own = database.sql(Role::Checkpointer.name()).await;
        let clear = "update app.audit_logs set grown = false";
        assert_eq!(own.execute(clear, &[]).await.unwrap(), 1);
        let set = "update app.audit_logs set grown = true";
        own.execute(set, &[]).await.unwrap_err();
    });
}
