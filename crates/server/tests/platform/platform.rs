//! The whole platform on loopback, one for the tests of this process, with a local provider that
//! records what reaches it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use strongroom_server::app::{App, Platform};
use strongroom_server::clock::{Clock, SystemClock};
use strongroom_server::config::Config;
use strongroom_server::init::init;
use strongroom_server::postgres::Endpoint;
use strongroom_server::serve::serve;
use strongroom_tenancy::TenantId;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::database::{Database, database, folder};

pub(crate) struct Running {
    pub(crate) app: Arc<App>,
    pub(crate) base: String,
    pub(crate) admin_key: String,
    pub(crate) provider: Arc<Provider>,
    /// Dropped with the test that runs it, so that no platform goes on looking for a database that is gone.
    pub(crate) _until: oneshot::Sender<()>,
}

/// The provider that the tests run: it speaks as OpenAI's does and remembers what it was sent.
#[derive(Default)]
pub(crate) struct Provider {
    pub(crate) received: Mutex<Vec<(Option<String>, Value)>>,
    pub(crate) delay: Mutex<std::time::Duration>,
}

pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) token: String,
    /// The owner's key, which the token was exchanged for.
    pub(crate) key: String,
}

/// What the threads of [`runtime`] are called.
const WORKER: &str = "platform";

/// A runtime that outlives each test's own: the platform's tasks live on it.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        say_what_workers_panic_with();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(WORKER)
            .enable_all()
            .build()
            .unwrap()
    })
}

/// Runs a test on its own thread, where a panic is kept with that test's output, and what it
/// spawns on [`runtime`].
pub(crate) fn on_runtime<T>(test: impl Future<Output = T>) -> T {
    runtime().block_on(Box::pin(test))
}

/// Runs a test on the platform that the tests of this process share.
pub(crate) fn on_platform<F: Future>(test: impl FnOnce(&'static Running) -> F) -> F::Output {
    on_runtime(test(running()))
}

/// The harness captures a thread's output for the test that started the thread, and drops it when
/// that test passes: the workers of a shared runtime would panic unheard.
fn say_what_workers_panic_with() {
    let of_tests = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some(WORKER) {
            let _ = writeln!(std::io::stderr(), "a task {panic}");
        } else {
            of_tests(panic);
        }
    }));
}

pub(crate) fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let database = database();
        runtime()
            .block_on(runtime().spawn(start(database.endpoint(), &[])))
            .unwrap()
    })
}

/// A client that every call takes, and a connection for each: to make one is to read all certificates
/// that the system trusts.
pub(crate) fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let client = reqwest::Client::builder().no_proxy();
        client.pool_max_idle_per_host(0).build().unwrap()
    })
}

/// Limits that a busy test does not meet, and loopback everywhere.
pub(crate) fn config(provider: SocketAddr, environment: &[(&str, &str)]) -> Config {
    let state = folder();
    let file = format!(
        "state_dir = '{}'\n\
         upstream.base_url = 'http://{provider}/v1'\n\
         webhooks.allow_loopback = true\n\
         limits.edge_per_10_seconds = 1000000\n\
         limits.proxy_per_second = 100000\n\
         limits.proxy_burst = 100000\n\
         limits.caller_per_second = 100000\n\
         limits.caller_burst = 100000\n",
        state.display()
    );
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_sources(Some(&file), environment).unwrap()
}

/// Checkpoints come by the wall clock, every five minutes, and sign what a test is about to sign: none
/// begins shortly before.
pub(crate) async fn past_a_checkpoint() {
    const SHORTLY: u64 = 30;
    let left = 300 - SystemClock.unix_seconds() % 300;
    if left <= SHORTLY {
        tokio::time::sleep(std::time::Duration::from_secs(left + 1)).await;
    }
}

pub(crate) async fn start(endpoint: Endpoint, environment: &[(&str, &str)]) -> Running {
    past_a_checkpoint().await;
    let provider = Arc::new(Provider::default());
    let provider_address = start_provider(Arc::clone(&provider)).await;
    let config = config(provider_address, environment);
    let clock = Arc::new(SystemClock);
    let done = init(&config, &endpoint, "postgres", None, clock.clone())
        .await
        .unwrap();
    let admin_key = done
        .admin_key
        .map(|key| key.expose().to_owned())
        .unwrap_or_default();
    let platform = Platform::start(config, endpoint, clock).await.unwrap();
    serve_it(platform, admin_key, provider).await
}

async fn serve_it(platform: Platform, admin_key: String, provider: Arc<Provider>) -> Running {
    let app = Arc::clone(&platform.app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (until, is_over) = oneshot::channel();
    let is_over = async { is_over.await.unwrap_or_default() };
    tokio::spawn(serve(platform, listener, is_over));
    Running {
        app,
        base,
        admin_key,
        provider,
        _until: until,
    }
}

/// Another node over the same database and keyrings, on loopback.
pub(crate) async fn second_node(database: &Database, first: &Running) -> Arc<Running> {
    let config = first.app.config.clone();
    node(database, first, config, Arc::new(SystemClock)).await
}

/// The same by a configuration and a clock.
pub(crate) async fn node(
    database: &Database,
    first: &Running,
    config: Config,
    clock: Arc<dyn Clock>,
) -> Arc<Running> {
    let platform = Platform::start(config, database.endpoint(), clock)
        .await
        .unwrap();
    let provider = Arc::clone(&first.provider);
    Arc::new(serve_it(platform, first.admin_key.clone(), provider).await)
}

pub(crate) async fn start_provider(provider: Arc<Provider>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new()
        .route("/v1/chat/completions", axum::routing::post(answer))
        .with_state(provider);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn answer(
    State(provider): State<Arc<Provider>>,
    headers: http::HeaderMap,
    Json(request): Json<Value>,
) -> (http::StatusCode, Json<Value>) {
    let bearer = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    provider
        .received
        .lock()
        .unwrap()
        .push((bearer.clone(), request.clone()));
    let delay = *provider.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    if bearer.as_deref() == Some("Bearer sk-refused") {
        let error = json!({ "error": { "message": "Incorrect API key provided: sk-refused" } });
        return (http::StatusCode::UNAUTHORIZED, Json(error));
    }
    let content = "You said it. Write to bob@answers.example or call +1 415 555 0132.";
    let mut message = json!({ "role": "assistant", "content": content });
    if request["model"] == "gpt-echo" {
        // Says the last message again, in other letters, and calls a tool with it.
        let said = request["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        let said = said.as_str().unwrap();
        let arguments = json!({ "text": said }).to_string();
        message["content"] = json!(said.to_lowercase());
        message["tool_calls"] = json!([{
            "id": "call_1", "type": "function",
            "function": { "name": "note", "arguments": arguments },
        }]);
    }
    let body = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": request["model"],
        "choices": [{
            "index": 0,
            "message": message,
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21 },
    });
    (http::StatusCode::OK, Json(body))
}

impl Tenant {
    /// The public id of the owner's key.
    pub(crate) fn key_id(&self) -> String {
        let key: strongroom_apikey::ApiKey = self.key.parse().unwrap();
        key.id().to_string()
    }
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut call = client().request(method.parse().unwrap(), self.url(path));
        if let Some(credential) = credential {
            call = call.header("authorization", format!("Bearer {credential}"));
        }
        if let Some(body) = body {
            call = call
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        Answer::of(call.send().await.unwrap()).await
    }

    /// A tenant with an owner's token and a stored provider credential.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let made = self
            .send(
                "POST",
                "/v1/tenants",
                Some(&self.admin_key),
                Some(json!({ "name": name })),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        let body = made.json();
        let owner_key = body["owner_key"]["key"].as_str().unwrap().to_owned();
        let token = self.token(&owner_key).await;
        let stored = self
            .send(
                "PUT",
                "/v1/providers/default/credential",
                Some(&token),
                Some(json!({ "credential": "sk-tests-own-provider" })),
            )
            .await;
        assert_eq!(stored.status, 204, "{}", stored.text);
        Tenant {
            id: body["tenant_id"].as_str().unwrap().parse().unwrap(),
            token,
            key: owner_key,
        }
    }

    pub(crate) async fn token(&self, key: &str) -> String {
        let answer = self.send("POST", "/v1/token", Some(key), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn entries(&self, token: &str) -> Vec<Value> {
        let answer = self
            .send("GET", "/v1/audit/entries?limit=1000", Some(token), None)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["data"].as_array().unwrap().clone()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The answer as a problem document, checked to be a whole one.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        let document = self.json();
        assert_eq!(document["status"], self.status);
        assert_eq!(document["request_id"], self.header("x-request-id"));
        assert!(
            document["type"]
                .as_str()
                .unwrap()
                .starts_with("https://strongroom.dev/problems/")
        );
        document
    }

    pub(crate) fn slug(&self) -> String {
        let document = self.problem();
        document["type"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }
}

/// How many entries are events of a kind.
pub(crate) fn events_of(entries: &[Value], kind: &str) -> usize {
    let kinds = entries.iter().map(|entry| &entry["event"]["kind"]);
    kinds.filter(|found| *found == kind).count()
}

/// The last event of a kind.
pub(crate) fn last_event<'a>(entries: &'a [Value], kind: &str) -> &'a Value {
    let events = entries.iter().map(|entry| &entry["event"]);
    let mut events = events.rev();
    events.find(|event| event["kind"] == kind).unwrap()
}
