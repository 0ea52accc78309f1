//! SIGKILL in the middle of load: every acknowledged event is there and the chain verifies.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_auditchain::{Receipt, VerifierKey};
use strongroom_server::clock::SystemClock;
use strongroom_server::init::init;

use crate::database::{Database, folder};
use crate::platform::{Answer, Provider, client, config, on_runtime, start_provider};

const ROUNDS: usize = 25;

/// In these rounds PostgreSQL is killed as well.
const DATABASE_ROUNDS: [usize; 4] = [6, 12, 18, 24];

/// How long a round may take to be acknowledged what it waits for; it takes a second or two.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
}

impl Server {
    /// The real program, as a process of its own.
    pub(crate) fn start(state: &Path, database_url: &str, provider: &str) -> Self {
        Self::start_with(state, database_url, provider, &[])
    }

    /// The same, told more.
    pub(crate) fn start_with(
        state: &Path,
        database_url: &str,
        provider: &str,
        environment: &[(&str, String)],
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom-server"))
            .arg("serve")
            .env("DATABASE_URL", database_url)
            .env("STRONGROOM_STATE_DIR", state)
            .env("STRONGROOM_LISTEN", "127.0.0.1:0")
            .env("STRONGROOM_UPSTREAM_BASE_URL", provider)
            .env("STRONGROOM_LIMITS_EDGE_PER_10_SECONDS", "1000000")
            .env("STRONGROOM_LIMITS_PROXY_PER_SECOND", "100000")
            .env("STRONGROOM_LIMITS_PROXY_BURST", "100000")
            .env("STRONGROOM_LIMITS_CALLER_PER_SECOND", "100000")
            .env("STRONGROOM_LIMITS_CALLER_BURST", "100000")
            .env("STRONGROOM_KEYS_OVERLAP_SECONDS", "1")
            .env("STRONGROOM_LOG", "off")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let base = lines.by_ref().map_while(Result::ok).find_map(|line| {
            said.push_str(&line);
            line.strip_prefix("serving on ").map(str::to_owned)
        });
        let base = base.unwrap_or_else(|| panic!("the server ended before it served: {said}"));
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base }
    }

    pub(crate) fn kill(self) {
        drop(self);
    }
}

/// SIGKILL; also when a test fails, so that nothing stays behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn send(
    base: &str,
    method: &str,
    path: &str,
    key: &str,
    body: Value,
) -> Option<Answer> {
    let call = client()
        .request(method.parse().unwrap(), format!("{base}{path}"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(body.to_string());
    let response = call.send().await.ok()?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    // An answer that was cut off acknowledges nothing.
    let text = response.text().await.ok()?;
    Some(Answer {
        status,
        headers,
        text,
    })
}

/// Writes and calls until the server is gone; what was acknowledged goes on the list.
async fn load(base: String, key: String, worker: usize, acknowledged: Arc<Mutex<Vec<String>>>) {
    for number in 0.. {
        let answer = if (number + worker).is_multiple_of(2) {
            let body = json!({ "credential": "sk-load" });
            let path = format!("/v1/providers/load-{worker}/credential");
            send(&base, "PUT", &path, &key, body).await
        } else {
            let body = json!({
                "model": "gpt-kill",
                "messages": [{ "role": "user", "content": "hello" }],
            });
            send(&base, "POST", "/v1/chat/completions", &key, body).await
        };
        let Some(answer) = answer else { return };
        if answer.status < 300 {
            acknowledged
                .lock()
                .unwrap()
                .push(answer.header("strongroom-receipt").to_owned());
        }
    }
}

#[test]
fn no_acknowledged_event_is_lost_in_twenty_five_kills() {
    on_runtime(async {
        strongroom_server::upstream::install_tls();
        let mut database = Database::start(folder()).await;
        let provider = Arc::new(Provider::default());
        let address = start_provider(Arc::clone(&provider)).await;
        let config = config(address, &[]);
        let state = config.state_dir.clone();
        let endpoint = database.endpoint();
        let done = init(&config, &endpoint, "postgres", None, Arc::new(SystemClock))
            .await
            .unwrap();
        let admin = done.admin_key.unwrap();
        let upstream = format!("http://{address}/v1");

        let server = Server::start(&state, &database.url(), &upstream);
        let body = json!({ "name": "killed" });
        let made = send(&server.base, "POST", "/v1/tenants", admin.expose(), body)
            .await
            .unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
        let key = made.json()["owner_key"]["key"].as_str().unwrap().to_owned();
        let body = json!({ "credential": "sk-kill" });
        let path = "/v1/providers/default/credential";
        send(&server.base, "PUT", path, &key, body).await.unwrap();
        server.kill();

        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        for round in 0..ROUNDS {
            let server = Server::start(&state, &database.url(), &upstream);
            let workers: Vec<_> = (0..8)
                .map(|worker| {
                    let list = Arc::clone(&acknowledged);
                    tokio::spawn(load(server.base.clone(), key.clone(), worker, list))
                })
                .collect();
            let so_far = acknowledged.lock().unwrap().len();
            // Killed at another moment each time, but never before something was acknowledged.
            let wanted = so_far + 5 + 3 * round;
            let enough = async {
                while acknowledged.lock().unwrap().len() < wanted {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            };
            // A log that lost acknowledged events takes no more of them: that is an answer too.
            let patience = tokio::time::timeout(PATIENCE, enough).await;
            assert!(patience.is_ok(), "round {round}: nothing is acknowledged");
            if DATABASE_ROUNDS.contains(&round) {
                database = database.crash_and_restart();
            }
            server.kill();
            for worker in workers {
                worker.await.unwrap();
            }
        }

        // A last server sweeps up what was staged and never announced, and signs.
        let server = Server::start(&state, &database.url(), &upstream);
        tokio::time::sleep(Duration::from_millis(3500)).await;
        let get = async |path: &str| {
            send(&server.base, "GET", path, &key, json!({}))
                .await
                .unwrap()
        };
        let post = async |path: &str| {
            send(&server.base, "POST", path, &key, json!({}))
                .await
                .unwrap()
        };
        assert_eq!(post("/v1/audit/checkpoints").await.status, 200);
        let report = post("/v1/audit/verify").await.json();
        assert_eq!(report["intact"], true, "{report}");

        let log = get("/v1/audit/log").await.json();
        let batch_key: VerifierKey = log["batch_key"].as_str().unwrap().parse().unwrap();
        let superuser = database.sql("postgres").await;
        let stored = superuser
            .query(
                "select idx, leaf_hash from app.audit_leaves where tenant_id = $1::text::uuid",
                &[&made.json()["tenant_id"].as_str().unwrap()],
            )
            .await
            .unwrap();
        let stored: std::collections::HashMap<i64, Vec<u8>> =
            stored.iter().map(|row| (row.get(0), row.get(1))).collect();
        let receipts = acknowledged.lock().unwrap().clone();
        assert!(
            receipts.len() > ROUNDS * 5,
            "{} acknowledged",
            receipts.len()
        );
        for receipt in &receipts {
            let verified = Receipt::from_header(receipt)
                .unwrap()
                .verify(&batch_key)
                .unwrap();
            let index = i64::try_from(verified.index()).unwrap();
            let hash = stored
                .get(&index)
                .unwrap_or_else(|| panic!("entry {index} is lost"));
            assert_eq!(hash.as_slice(), verified.leaf().as_bytes());
        }

        // No row and no outward call without its event.
        let staged: i64 = superuser
            .query_one("select count(*) from app.audit_staged", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(staged, 0);
        let calls = provider.received.lock().unwrap().len();
        let mut attempts = 0;
        let mut from = 0;
        loop {
            let page = get(&format!("/v1/audit/entries?from={from}&limit=1000"))
                .await
                .json();
            let entries = page["data"].as_array().unwrap();
            attempts += entries
                .iter()
                .filter(|e| e["event"]["kind"] == "chat.attempt")
                .count();
            from += entries.len();
            if entries.len() < 1000 {
                break;
            }
        }
        assert!(
            calls > 0 && calls <= attempts,
            "{calls} calls, {attempts} attempts"
        );
        server.kill();
    });
}
