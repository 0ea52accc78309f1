//! A webhook subscriber: verifies each delivery, answers as a receiver should, and keeps a record.
//!
//! It listens on 127.0.0.1 alone, takes requests of at most 64 KiB, and runs until it is killed.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use strongroom::webhook_sig::{
    Claim, DEFAULT_TOLERANCE, HeaderSet, MemoryReplayGuard, SigningSecret, Verifier, WebhookError,
};

/// The longest request, head and body, in bytes.
const MAX_REQUEST: usize = 64 * 1024;

/// How much of a refused request is read and thrown away, in bytes.
const MAX_DRAIN: u64 = 1024 * 1024;

/// The name under which the replay guard keeps this endpoint's messages.
const ENDPOINT: &str = "subscriber";

#[derive(Parser)]
#[command(about = "Receives webhooks on 127.0.0.1 and verifies them")]
struct Options {
    /// The port; 0 takes a free one, which the first line of output names
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Holds the signing secret (whsec_...); read anew for each request, and may come later
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Seconds to add to the system's clock, to see what a receiver with a wrong clock does
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    clock_offset: i64,
    /// Where each request is written to, as 1.json, 2.json and so on
    #[arg(long, value_name = "DIR")]
    record: PathBuf,
}

struct Subscriber {
    options: Options,
    guard: MemoryReplayGuard,
    received: AtomicU64,
}

/// What came over the wire, headers with lower-case names.
struct Request {
    method: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A status and, unless it is 204, a problem document.
struct Answer {
    status: u16,
    problem: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    fs::create_dir_all(&options.record)?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    println!("listening on {}", listener.local_addr()?);
    let subscriber = Arc::new(Subscriber {
        options,
        guard: MemoryReplayGuard::new(100_000, DEFAULT_TOLERANCE),
        received: AtomicU64::new(0),
    });
    for stream in listener.incoming() {
        let (stream, subscriber) = (stream?, Arc::clone(&subscriber));
        thread::spawn(move || {
            if let Err(error) = subscriber.serve(stream) {
                eprintln!("connection dropped: {error}");
            }
        });
    }
    Ok(())
}

impl Subscriber {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        let answer = match read_request(&mut stream)? {
            Ok(request) if request.method == "POST" => {
                let answer = self.receive(&request);
                // Before the answer: whoever has seen the answer finds the record.
                self.record(&request, answer.status)?;
                answer
            }
            Ok(_) => Answer::plain(405, "Method Not Allowed"),
            Err(answer) => answer,
        };
        answer.write(&mut stream)?;
        // Closing on what was not read would reset the connection, and the answer with it.
        stream.shutdown(Shutdown::Write)?;
        io::copy(&mut stream.take(MAX_DRAIN), &mut io::sink())?;
        Ok(())
    }

    fn receive(&self, request: &Request) -> Answer {
        let Some(verifier) = self.verifier() else {
            return Answer::plain(503, "No signing secret yet");
        };
        match self.accept(&verifier, request) {
            Ok(()) => Answer {
                status: 204,
                problem: String::new(),
            },
            Err(error) => Answer {
                status: error.status(),
                problem: error.problem(),
            },
        }
    }

    fn accept(&self, verifier: &Verifier, request: &Request) -> Result<(), WebhookError> {
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_slice()));
        let now = self.now();
        let verified = verifier.verify(&HeaderSet::collect(headers)?, &request.body, now)?;
        // First delivery or retry of a handled one: the sender hears the same. What there is to
        // do with a first delivery, the record, is done in any case; so it is settled at once.
        match self.guard.claim(ENDPOINT, &verified, now)? {
            Claim::First => self.guard.commit(ENDPOINT, &verified, now),
            Claim::Duplicate => Ok(()),
        }
    }

    fn verifier(&self) -> Option<Verifier> {
        let text = fs::read_to_string(&self.options.secret_file).ok()?;
        let secret: SigningSecret = text.trim_end().parse().ok()?;
        Verifier::new([secret]).ok()
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        seconds.saturating_add_signed(self.options.clock_offset)
    }

    /// Writes the record under another name first, so that nobody reads half of one.
    fn record(&self, request: &Request, status: u16) -> io::Result<()> {
        let mut headers = BTreeMap::<&str, String>::new();
        for (name, value) in &request.headers {
            let value = String::from_utf8_lossy(value);
            let joined = headers.entry(name).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(&value);
        }
        let record = serde_json::json!({
            "headers": headers,
            "body_base64": STANDARD.encode(&request.body),
            "status": status,
        });
        let number = self.received.fetch_add(1, Ordering::Relaxed) + 1;
        let unfinished = self.options.record.join(format!("{number}.part"));
        fs::write(&unfinished, format!("{record}\n"))?;
        fs::rename(
            &unfinished,
            self.options.record.join(format!("{number}.json")),
        )
    }
}

impl Answer {
    fn plain(status: u16, title: &str) -> Self {
        let problem = serde_json::json!({"type": "about:blank", "title": title, "status": status});
        Self {
            status,
            problem: problem.to_string(),
        }
    }

    fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        let status = self.status;
        if status == 204 {
            return stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
        let (problem, length) = (&self.problem, self.problem.len());
        write!(
            stream,
            "HTTP/1.1 {status} Refused\r\ncontent-type: application/problem+json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{problem}"
        )
    }
}

/// Reads one request, or says how to answer what is none.
fn read_request(stream: &mut TcpStream) -> io::Result<Result<Request, Answer>> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let (mut request, body_at, length) = loop {
        match parse_head(&bytes) {
            Ok(Some(head)) => break head,
            Ok(None) if bytes.len() > MAX_REQUEST => {
                return Ok(Err(Answer::plain(431, "Request Header Fields Too Large")));
            }
            Ok(None) => read_some(stream, &mut chunk, &mut bytes)?,
            Err(answer) => return Ok(Err(answer)),
        }
    };
    if length > MAX_REQUEST.saturating_sub(body_at) {
        let error = WebhookError::BodyTooLarge;
        return Ok(Err(Answer {
            status: error.status(),
            problem: error.problem(),
        }));
    }
    while bytes.len() < body_at + length {
        read_some(stream, &mut chunk, &mut bytes)?;
    }
    request.body = bytes
        .get(body_at..body_at + length)
        .unwrap_or_default()
        .to_vec();
    Ok(Ok(request))
}

fn read_some(stream: &mut TcpStream, chunk: &mut [u8], bytes: &mut Vec<u8>) -> io::Result<()> {
    let read = stream.read(chunk)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
    Ok(())
}

/// Reads the head: the request without its body, where the body begins, and its length.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let bad = |_| Answer::plain(400, "Bad Request");
    let httparse::Status::Complete(body_at) = head.parse(bytes).map_err(bad)? else {
        return Ok(None);
    };
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
        .collect();
    let mut lengths = headers.iter().filter(|(name, _)| name == "content-length");
    let length = match (lengths.next(), lengths.next()) {
        (Some((_, length)), None) => {
            let digits = std::str::from_utf8(length)
                .ok()
                .and_then(|text| text.parse().ok());
            digits.ok_or_else(|| Answer::plain(400, "Bad Request"))?
        }
        // A body without a length of its own (chunks) is not read here.
        (None, _) if head.method == Some("POST") => {
            return Err(Answer::plain(411, "Length Required"));
        }
        (None, _) => 0,
        (Some(_), Some(_)) => return Err(Answer::plain(400, "Bad Request")),
    };
    let method = head.method.unwrap_or_default().to_owned();
    Ok(Some((
        Request {
            method,
            headers,
            body: Vec::new(),
        },
        body_at,
        length,
    )))
}
