//! A server that is told to stop finishes what began and loses no acknowledged event; and every
//! line that it logs of a request bears the request's id.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_auditchain::{Receipt, VerifierKey};

use crate::kills::send;
use crate::platform::{Running, events_of, on_platform};

/// The parts of the server that work for no request, and on tasks of their own.
const OF_NO_REQUEST: [&str; 9] = [
    "strongroom_server::jobs",
    // What jobs have done.
    "strongroom_server::audit::checkpoints",
    "strongroom_server::audit::due",
    "strongroom_server::keystore::rotations",
    // The sequencer's.
    "strongroom_server::audit::follower",
    "strongroom_server::audit::history",
    "strongroom_server::audit::sequencer",
    // The watch's, and the database connections'.
    "strongroom_server::generations::watch",
    "strongroom_server::postgres::session",
];

struct Logged {
    child: Child,
    base: String,
    lines: Arc<Mutex<Vec<Value>>>,
    /// Reads what the server says, to the end.
    reader: Option<JoinHandle<()>>,
}

/// A second server on the platform's database, with everything of ours logged.
fn start(running: &Running) -> Logged {
    let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom-server"))
        .arg("serve")
        .env("DATABASE_URL", crate::database::database().url())
        .env("STRONGROOM_STATE_DIR", &running.app.config.state_dir)
        .env("STRONGROOM_LISTEN", "127.0.0.1:0")
        .env(
            "STRONGROOM_UPSTREAM_BASE_URL",
            running.app.config.upstream.clone().unwrap().as_str(),
        )
        .env("STRONGROOM_LIMITS_PROXY_BURST", "100000")
        .env("STRONGROOM_LIMITS_EDGE_PER_10_SECONDS", "100000")
        .env("STRONGROOM_LIMITS_CALLER_BURST", "100000")
        // It delivers other tests' webhooks too.
        .env("STRONGROOM_WEBHOOKS_ALLOW_LOOPBACK", "true")
        .env("STRONGROOM_LOG", "strongroom_server=trace")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let keep = |line: &str| {
        if let Ok(value) = serde_json::from_str(line) {
            lines.lock().unwrap().push(value);
        }
    };
    let base = errors
        .by_ref()
        .map_while(Result::ok)
        .inspect(|line| keep(line))
        .find_map(|line| line.strip_prefix("serving on ").map(str::to_owned))
        .expect("the server ended before it served");
    let rest = Arc::clone(&lines);
    let reader = std::thread::spawn(move || {
        for line in errors.map_while(Result::ok) {
            if let Ok(value) = serde_json::from_str(&line) {
                rest.lock().unwrap().push(value);
            }
        }
    });
    Logged {
        child,
        base,
        lines,
        reader: Some(reader),
    }
}

impl Logged {
    fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    /// All that it logged, once it has ended.
    fn logged(&mut self) -> Vec<Value> {
        self.terminate();
        self.reader.take().unwrap().join().unwrap();
        self.lines.lock().unwrap().clone()
    }
}

/// Whether a line is of a part that works for no request, and in no request's span.
fn is_of_no_request(line: &Value) -> bool {
    let target = line["target"].as_str().unwrap_or_default();
    let is_in = |part: &&str| {
        let rest = target.strip_prefix(*part);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    line["span"].is_null() && OF_NO_REQUEST.iter().any(is_in)
}

/// Nothing stays behind when a test fails.
impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn call() -> Value {
    json!({
        "model": "gpt-stop",
        "messages": [{ "role": "user", "content": "mail planted@logs.example" }],
    })
}

#[test]
fn told_to_stop_it_finishes_what_began() {
    on_platform(|running| async move {
        let tenant = running.tenant("stopped").await;
        let mut server = start(running);
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let refused = Arc::new(Mutex::new(Vec::new()));
        let workers: Vec<_> = (0..6)
            .map(|_| {
                let (base, token) = (server.base.clone(), tenant.token.clone());
                let (list, bad) = (Arc::clone(&acknowledged), Arc::clone(&refused));
                tokio::spawn(async move {
                    while let Some(answer) =
                        send(&base, "POST", "/v1/chat/completions", &token, call()).await
                    {
                        if answer.status == 200 {
                            let receipt = answer.header("strongroom-receipt").to_owned();
                            list.lock().unwrap().push(receipt);
                        } else {
                            bad.lock().unwrap().push(answer.text);
                        }
                    }
                })
            })
            .collect();
        while acknowledged.lock().unwrap().len() < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let status = tokio::task::spawn_blocking(move || server.terminate())
            .await
            .unwrap();
        assert!(status.success(), "{status}");
        for worker in workers {
            worker.await.unwrap();
        }
        assert_eq!(*refused.lock().unwrap(), Vec::<String>::new());

        let log = running
            .send("GET", "/v1/audit/log", Some(&tenant.token), None)
            .await
            .json();
        let key: VerifierKey = log["batch_key"].as_str().unwrap().parse().unwrap();
        let entries = running.entries(&tenant.token).await;
        let count = |kind| events_of(&entries, kind);
        assert_eq!(
            count("chat.attempt"),
            count("chat.outcome"),
            "a call was cut off"
        );
        let receipts = acknowledged.lock().unwrap().clone();
        for receipt in receipts {
            let verified = Receipt::from_header(&receipt)
                .unwrap()
                .verify(&key)
                .unwrap();
            let index = verified.index().to_string();
            let entry = entries
                .iter()
                .find(|entry| entry["index"] == index)
                .unwrap();
            assert_eq!(entry["leaf_hash"], verified.leaf().to_string());
        }
    });
}

#[test]
fn every_log_line_of_a_request_bears_its_id_and_no_content() {
    on_platform(|running| async move {
        let tenant = running.tenant("logged").await;
        let mut server = start(running);
        let started = server.lines.lock().unwrap().len();
        let mut ids = Vec::new();
        for (method, path, body) in [
            ("POST", "/v1/chat/completions", call()),
            ("POST", "/v1/chat/completions", json!({ "model": 1 })),
            (
                "POST",
                "/v1/api-keys",
                json!({ "capabilities": ["tenants:create"] }),
            ),
            (
                "PUT",
                "/v1/providers/logs/credential",
                json!({ "credential": "sk-planted-in-logs" }),
            ),
            ("GET", "/v1/nonsense/planted", json!({})),
            ("GET", "/v1/audit/log?api_key=planted", json!({})),
        ] {
            let answer = send(&server.base, method, path, &tenant.token, body)
                .await
                .unwrap();
            ids.push(answer.header("x-request-id").to_owned());
        }
        let bad = send(
            &server.base,
            "GET",
            "/v1/audit/log",
            "cust_live_planted",
            json!({}),
        )
        .await;
        ids.push(bad.unwrap().header("x-request-id").to_owned());
        let lines = tokio::task::spawn_blocking(move || server.logged())
            .await
            .unwrap();
        let mut answered = 0;
        for line in &lines[started..] {
            let text = line.to_string();
            assert!(!text.contains("planted"), "{text}");
            assert!(!text.contains(&tenant.token), "{text}");
            let id = line["span"]["request_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let is_of_the_server = matches!(
                line["message"].as_str(),
                Some("stopped" | "self-check passed")
            );
            assert!(
                is_of_the_server || is_of_no_request(line) || ids.contains(&id),
                "a line without its request's id: {text}"
            );
            answered += usize::from(line["message"] == "answered");
        }
        assert_eq!(answered, ids.len());
    });
}

/// Whoever opens a connection and says no more holds nothing up: neither others nor the end.
#[test]
fn a_silent_connection_holds_nothing_up() {
    use std::io::{Read, Write};

    on_platform(|running| async move {
        let mut server = start(running);
        let address = server.base.strip_prefix("http://").unwrap().to_owned();
        let mut half = std::net::TcpStream::connect(&address).unwrap();
        half.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
            .unwrap();
        let mut idle = std::net::TcpStream::connect(&address).unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut answer = [0_u8; 12];
        idle.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let began = std::time::Instant::now();
        let ended = tokio::task::spawn_blocking(move || server.terminate())
            .await
            .unwrap();
        assert!(ended.success(), "{ended}");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        drop((half, idle));
    });
}
