//! SIGKILL in the middle of a rotation: the next process goes on, repeats no more than the batches
//! that were cut off, and everything opens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_server::clock::SystemClock;
use strongroom_server::config::Config;
use strongroom_server::init::init;
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::database::{Database, folder};
use crate::key_rotation::count;
use crate::kills::{Server, send};
use crate::platform::{Answer, config, on_runtime, start_provider};
use crate::stored_keys::StoredKeys;
use crate::webhook_operations::until_waiting;

/// Data keys to be wrapped again.
const ROWS: i64 = 20_000;

/// Most rows of one batch.
const BATCH: i64 = 2_000;

const KILLS: i64 = 3;

/// Counts each write of a wrapped data key, also those that are rolled back, and holds a batch that
/// has written for as long as the test has the lock.
const WATCH_WRITES: &str = "create schema probe; \
     grant usage on schema probe to strongroom_keymaster; \
     create sequence probe.writes; \
     grant usage on sequence probe.writes to strongroom_keymaster; \
     create function probe.note_write() returns trigger language plpgsql as \
       $$ begin perform nextval('probe.writes'); return null; end $$; \
     create function probe.linger() returns trigger language plpgsql as \
       $$ begin perform pg_advisory_xact_lock(7); return null; end $$; \
     create trigger note_write after update of wrapped on app.tenant_deks \
       for each row execute function probe.note_write(); \
     create trigger linger after update of wrapped on app.tenant_deks \
       for each statement execute function probe.linger()";

/// A database, one tenant on it, and the real program as often as it is started.
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) superuser: Client,
    pub(crate) config: Config,
    pub(crate) tenant: TenantId,
    upstream: String,
    key: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        strongroom_server::upstream::install_tls();
        let database = Database::start(folder()).await;
        let address = start_provider(Arc::default()).await;
        let config = config(address, &[]);
        let clock = Arc::new(SystemClock);
        let done = init(&config, &database.endpoint(), "postgres", None, clock).await;
        let admin = done.unwrap().admin_key.unwrap();
        let upstream = format!("http://{address}/v1");
        let state: PathBuf = config.state_dir.clone();
        let server = Server::start(&state, &database.url(), &upstream);
        let body = json!({ "name": "rotated" });
        let made = send(&server.base, "POST", "/v1/tenants", admin.expose(), body);
        let made = made.await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        let site = Self {
            superuser: database.sql("postgres").await,
            database,
            config,
            tenant: made["tenant_id"].as_str().unwrap().parse().unwrap(),
            upstream,
            key: made["owner_key"]["key"].as_str().unwrap().to_owned(),
        };
        let body = json!({ "credential": "sk-rotated" });
        let path = "/v1/providers/default/credential";
        assert_eq!(site.ask(&server, "PUT", path, body).await.status, 204);
        // The first record makes a data key.
        let body = json!({ "context": { "record": "first" }, "plaintext": "" });
        assert_eq!(
            site.ask(&server, "POST", "/v1/seal", body).await.status,
            200
        );
        server.kill();
        site
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(&self.config.state_dir, &self.database.url(), &self.upstream)
    }

    pub(crate) async fn ask(
        &self,
        server: &Server,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let answer = send(&server.base, method, path, &self.key, body).await;
        answer.expect("the server does not answer")
    }

    /// Stores so many data keys more.
    pub(crate) async fn add_data_keys(&self, rows: i64) {
        let keyrings = self.config.keyrings();
        let stored = StoredKeys {
            superuser: &self.superuser,
            keyrings: &keyrings,
            tenant: self.tenant,
        };
        stored.add_data_keys(rows.try_into().unwrap()).await;
    }

    pub(crate) async fn rotate(&self, server: &Server, body: Value) -> Uuid {
        let answer = self.ask(server, "POST", "/v1/keys/rotate", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn progress(&self, rotation: Uuid) -> Progress {
        let sql = "select phase, rows_done, rows_total from app.key_rotations where id = $1";
        let row = self.superuser.query_one(sql, &[&rotation]).await.unwrap();
        Progress {
            phase: row.get(0),
            done: row.get(1),
            total: row.get(2),
        }
    }

    async fn finished(&self, rotation: Uuid) -> Progress {
        let started = Instant::now();
        loop {
            let progress = self.progress(rotation).await;
            if progress.phase == "finished" {
                return progress;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{progress:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// What a rotation's row says.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) phase: String,
    pub(crate) done: i64,
    pub(crate) total: Option<i64>,
}

#[test]
fn a_rotation_goes_on_after_sigkills_and_repeats_no_more_than_their_batches() {
    on_runtime(async {
        let site = Site::start().await;
        let mut server = site.serve();
        let mut records = Vec::new();
        for number in 0..6 {
            let mut body = json!({
                "context": { "record": number.to_string() },
                "plaintext": STANDARD.encode(format!("record {number}")),
            });
            // Under the tenant's own KEK and under others.
            if number > 0 {
                body["subject"] = json!(format!("user:{number}"));
            }
            let sealed = site.ask(&server, "POST", "/v1/seal", body).await;
            assert_eq!(sealed.status, 200, "{}", sealed.text);
            records.push(sealed.json()["sealed"].clone());
        }
        site.add_data_keys(ROWS).await;
        site.superuser.batch_execute(WATCH_WRITES).await.unwrap();
        let (hold, free) = ("select pg_advisory_lock(7)", "select pg_advisory_unlock(7)");
        // Locks are given in turn: who waits has it now, and the test again when they have ended.
        let let_one_on = format!("{free}; {hold}");
        site.superuser.batch_execute(hold).await.unwrap();
        let all = "select count(*) from app.tenant_deks where tenant_id = $1";
        let all = count(&site.superuser, all, site.tenant).await;
        assert!(all > ROWS);

        let id = site.rotate(&server, json!({ "reason": "kills" })).await;
        let mut before = 0;
        for _ in 0..KILLS {
            // One batch is committed; the next has written, and has not.
            until_waiting(&site.superuser, "advisory").await;
            site.superuser.batch_execute(&let_one_on).await.unwrap();
            until_waiting(&site.superuser, "advisory").await;
            let progress = site.progress(id).await;
            assert!(progress.done > before, "{progress:?}");
            assert_eq!(progress.phase, "rewrapping", "it ended unkilled");
            server.kill();
            // What was cut off is over before the next server begins.
            site.superuser.batch_execute(&let_one_on).await.unwrap();
            before = site.progress(id).await.done;
            assert_eq!(before, progress.done, "it was cut off");
            server = site.serve();
        }
        site.superuser.batch_execute(free).await.unwrap();
        let done = site.finished(id).await;
        // The tenant's credential is wrapped again too; its row has no data key of a table's.
        assert_eq!((done.done, done.total), (all + 1, Some(all + 1)));
        let old = "select count(*) from app.tenant_deks where tenant_id = $1 and kek_version <> 2";
        assert_eq!(count(&site.superuser, old, site.tenant).await, 0);
        let writes = "select last_value from probe.writes";
        let writes = number(&site.superuser, writes).await;
        assert!(
            (all + KILLS..=all + KILLS * BATCH).contains(&writes),
            "{writes} writes of {all} rows"
        );

        for (record, sealed) in records.iter().enumerate() {
            let mut body = json!({ "context": { "record": record.to_string() }, "sealed": sealed });
            if record > 0 {
                body["subject"] = json!(format!("user:{record}"));
            }
            let opened = site.ask(&server, "POST", "/v1/open", body).await;
            assert_eq!(opened.status, 200, "{}", opened.text);
            let plaintext = opened.json()["plaintext"].as_str().map(ToOwned::to_owned);
            assert_eq!(plaintext, Some(STANDARD.encode(format!("record {record}"))));
        }
        // Every other row opens: one that did not would keep the next rotation from its end.
        let silent = "alter table app.tenant_deks disable trigger linger";
        site.superuser.batch_execute(silent).await.unwrap();
        let id = site.rotate(&server, json!({ "reason": "again" })).await;
        let done = site.finished(id).await;
        assert!(done.done > all, "{done:?}");
    });
}
