//! The subscriber as a sender meets it, over a socket.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use strongroom::webhook_sig::{SigningSecret, sign};

struct Subscriber {
    process: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Subscriber {
    fn start(clock_offset: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_webhook_subscriber"))
            .args([
                "--port",
                "0",
                "--secret-file",
                "secret",
                "--record",
                "records",
            ])
            .args(["--clock-offset", clock_offset])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self {
            process,
            address,
            directory,
        }
    }

    fn share(&self, secret: &SigningSecret) {
        let text = format!("{}\n", *secret.expose_text());
        fs::write(self.directory.path().join("secret"), text).unwrap();
    }

    /// Sends one request, and gives the status and the body of the answer.
    fn send(&self, method: &str, headers: &[(&str, String)], body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut head = format!("{method} / HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(
            status == 204,
            !head.contains("application/problem+json"),
            "{head}"
        );
        (status, body.to_owned())
    }

    fn record(&self, number: u32) -> Value {
        let path = self.directory.path().join(format!("records/{number}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn signed(secret: &SigningSecret, id: &str, at: u64, body: &[u8]) -> Vec<(&'static str, String)> {
    sign(secret, &id.parse().unwrap(), at, body).headers()
}

#[test]
fn deliveries_are_verified_answered_and_recorded() {
    let (subscriber, secret) = (Subscriber::start("0"), SigningSecret::generate().unwrap());
    let (body, at) = (br#"{"order":17}"#, now());
    let first = signed(&secret, "msg_1", at, body);

    // Before the endpoint's owner has put the secret there.
    assert_eq!(subscriber.send("POST", &first, body).0, 503);
    subscriber.share(&secret);
    assert_eq!(subscriber.send("POST", &first, body).0, 204);
    let (status, problem) = subscriber.send("POST", &first, body);
    assert_eq!(status, 401);
    assert!(problem.contains("webhook-replayed"), "{problem}");
    let retry = signed(&secret, "msg_1", at + 1, body);
    assert_eq!(subscriber.send("POST", &retry, body).0, 204);
    let (status, problem) = subscriber.send("POST", &signed(&secret, "msg_2", at, body), b"{}");
    assert_eq!(status, 401);
    assert!(problem.contains("webhook-signature-mismatch"), "{problem}");

    for (number, status) in [(1, 503), (2, 204), (3, 401), (4, 204), (5, 401)] {
        assert_eq!(subscriber.record(number)["status"], status);
    }
    let record = subscriber.record(2);
    assert_eq!(record["headers"]["webhook-id"], "msg_1");
    assert_eq!(record["body_base64"], STANDARD.encode(body));
}

#[test]
fn a_wrong_clock_refuses_what_is_in_time() {
    let secret = SigningSecret::generate().unwrap();
    for (offset, problem) in [("400", "webhook-too-old"), ("-400", "webhook-too-new")] {
        let subscriber = Subscriber::start(offset);
        subscriber.share(&secret);
        let (status, told) =
            subscriber.send("POST", &signed(&secret, "msg_1", now(), b"{}"), b"{}");
        assert_eq!(status, 401);
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn what_is_no_delivery_is_refused() {
    let subscriber = Subscriber::start("0");
    assert_eq!(subscriber.send("GET", &[], b"").0, 405);
    let twice = [("content-length", "0".to_owned())];
    assert_eq!(subscriber.send("POST", &twice, b"").0, 400);
    let long = [("x-padding", "x".repeat(70_000))];
    assert_eq!(subscriber.send("POST", &long, b"").0, 431);
}
