//! A fake of AWS KMS on loopback, written from AWS's API documentation; not AWS KMS.
//!
//! It speaks JSON 1.1 over HTTP, encrypts with AES-256-GCM over the encryption context, keeps the
//! states that a key has, lets two IAM roles do what their policies in
//! `docs/operating/kms-aws.md` let them, and fails as it is told to. It checks no signature.

mod faults;
mod keys;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use strongroom_envelope_aws::aws_sdk_kms::config::Builder;
use tokio::net::TcpListener;

pub(crate) use self::faults::Fault;
use self::faults::{Body, Faults};
use self::keys::Keys;
use crate::target::{Target, config};

/// The access key of what seals and opens, and that of what administers.
pub(crate) const SERVICE: &str = "AKIAFAKESERVICE";
pub(crate) const ADMIN: &str = "AKIAFAKEADMIN";

pub(crate) const SERVICE_MAY: &[&str] = &["Encrypt", "Decrypt", "ReEncrypt", "DescribeKey"];
pub(crate) const ADMIN_MAY: &[&str] = &[
    "CreateKey",
    "CreateAlias",
    "DescribeKey",
    "RotateKeyOnDemand",
    "DisableKey",
    "EnableKey",
    "ScheduleKeyDeletion",
];

pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    keys: Mutex<Keys>,
    faults: Mutex<Faults>,
    calls: Mutex<Vec<(String, Value)>>,
}

impl Fake {
    /// Starts one on the test's runtime, with which it ends.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            keys: Mutex::new(Keys::new(&region(address))),
            faults: Mutex::default(),
            calls: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, state }
    }

    /// Each fake is a Region of its own: the SDK counts failures by Region, not by client.
    pub(crate) fn config(&self, access_key: &str) -> Builder {
        let endpoint = format!("http://{}", self.address);
        config(&endpoint, &region(self.address), access_key)
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(self.config(SERVICE), self.config(ADMIN))
    }

    /// Makes the next calls of an action fail.
    pub(crate) fn plant(&self, action: &'static str, times: usize, fault: Fault) {
        self.state
            .faults
            .lock()
            .unwrap()
            .plant(action, times, fault);
    }

    /// Takes back what was planted and has not happened.
    pub(crate) fn forget_faults(&self) {
        *self.state.faults.lock().unwrap() = Faults::default();
    }

    /// The requests so far, of one action.
    pub(crate) fn calls(&self, action: &str) -> Vec<Value> {
        let calls = self.state.calls.lock().unwrap();
        let of_action = calls.iter().filter(|(name, _)| name == action);
        of_action.map(|(_, request)| request.clone()).collect()
    }

    /// How many requests there were, of any action.
    pub(crate) fn total(&self) -> usize {
        self.state.calls.lock().unwrap().len()
    }

    /// A key made by somebody else: its ARN.
    pub(crate) fn foreign_key(&self) -> String {
        let made = self.state.keys.lock().unwrap().act("CreateKey", &json!({}));
        made.unwrap()["KeyMetadata"]["Arn"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The states of all keys, in the order in which they were made.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.state.keys.lock().unwrap().states()
    }
}

fn region(address: SocketAddr) -> String {
    format!("fake-{}", address.port())
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let header = |name: &str| {
        let value = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (target, authorization) = (header("x-amz-target"), header("authorization"));
    let content_type = header("content-type");
    let body = request.into_body().collect().await?.to_bytes();

    let action = target
        .strip_prefix("TrentService.")
        .unwrap_or_default()
        .to_owned();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    state
        .calls
        .lock()
        .unwrap()
        .push((action.clone(), asked.clone()));
    let fault = state.faults.lock().unwrap().take(&action);

    let access_key = authorization
        .strip_prefix("AWS4-HMAC-SHA256 Credential=")
        .and_then(|rest| rest.split('/').next());
    let allowed = match access_key {
        Some(SERVICE) => SERVICE_MAY,
        Some(ADMIN) => ADMIN_MAY,
        _ => &[],
    };
    let result = if content_type != "application/x-amz-json-1.1" {
        Err("SerializationException")
    } else if !allowed.contains(&action.as_str()) {
        Err("AccessDeniedException")
    } else {
        match &fault {
            Some(Fault::Refuse(name)) => Err(*name),
            Some(Fault::Answer(..)) => Ok(Value::Null),
            _ => state.keys.lock().unwrap().act(&action, &asked),
        }
    };
    let (status, mut answered) = match result {
        Ok(answered) => (200, answered),
        Err(name) => (faults::status(name), json!({ "__type": name })),
    };
    let body = match fault {
        Some(Fault::Edit(edit)) => {
            edit(&mut answered);
            Body::whole(answered.to_string())
        }
        Some(Fault::Answer(status, text)) => return Ok(response(status, Body::whole(text))),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Disconnect) => return Err("planted".into()),
        Some(Fault::StallInBody) => Body::stalling(answered.to_string()),
        Some(Fault::Refuse(_)) | None => Body::whole(answered.to_string()),
    };
    Ok(response(status, body))
}

fn response(status: u16, body: Body) -> Response<Body> {
    let response = Response::builder().status(status);
    let response = response.header("content-type", "application/x-amz-json-1.1");
    response.body(body).unwrap()
}
