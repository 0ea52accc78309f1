//! The layer: what reaches the handler, what is answered for it, and what becomes of the claim.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::future::{self, Future as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use pollster::block_on;
use strongroom_webhook_sig::{
    Claim, GithubSecret, MemoryReplayGuard, ReplayFuture, ReplayGuard, SigningSecret, Undated,
    UndatedVerifier, Verified, Verifier, WebhookError, WebhookLayer, sign, sign_undated,
};
use tower::{Layer as _, ServiceExt as _, service_fn};

const NOW: u64 = 1_800_000_000;
const LIMIT: u64 = 64;

/// A body that comes in frames, and counts those that were asked for.
#[derive(Default)]
struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    asked: Arc<AtomicU64>,
    announced: u64,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(self.frames.pop_front())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.announced);
        hint
    }
}

impl Frames {
    fn of<const N: usize>(chunks: [&'static str; N]) -> Self {
        let frames = chunks.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        Self {
            frames: frames.into(),
            ..Self::default()
        }
    }
}

/// What the handler does, and how often it was called.
struct Endpoint {
    guard: Arc<dyn ReplayGuard>,
    clock: Arc<AtomicU64>,
    calls: AtomicU64,
    status: AtomicU64,
}

type Answer = Response<Full<Bytes>>;

impl Endpoint {
    fn new() -> Arc<Self> {
        Self::guarded(Arc::new(MemoryReplayGuard::new(100, 300)))
    }

    fn guarded(guard: Arc<dyn ReplayGuard>) -> Arc<Self> {
        Arc::new(Self {
            guard,
            clock: Arc::new(AtomicU64::new(NOW)),
            calls: AtomicU64::new(0),
            status: AtomicU64::new(200),
        })
    }

    fn layer(&self) -> WebhookLayer {
        let clock = Arc::clone(&self.clock);
        let verifier = Verifier::new([secret()]).unwrap().with_body_limit(LIMIT);
        let clock = move || clock.load(Ordering::Relaxed);
        WebhookLayer::new(verifier, Arc::clone(&self.guard), "e", clock)
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, &'static str> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let verified = request.extensions().get::<Verified>().expect("no evidence");
        assert_eq!(verified.message_id().as_str(), "msg_1");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let status = self.status.load(Ordering::Relaxed);
        if status == 0 {
            return Err("the handler failed");
        }
        let mut answer = Response::new(Full::new(body));
        *answer.status_mut() = u16::try_from(status).unwrap().try_into().unwrap();
        Ok(answer)
    }

    fn call<B>(self: &Arc<Self>, request: Request<B>) -> Result<Answer, &'static str>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let endpoint = Arc::clone(self);
        let handler = service_fn(move |request| Arc::clone(&endpoint).handle(request));
        block_on(self.layer().layer(handler).oneshot(request))
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

fn secret() -> SigningSecret {
    SigningSecret::from_bytes(&[7; 32]).unwrap()
}

fn signed<B>(at: u64, bytes: &str, body: B) -> Request<B> {
    let mut request = Request::post("/hooks");
    for (name, value) in sign(&secret(), &"msg_1".parse().unwrap(), at, bytes.as_bytes()).headers()
    {
        request = request.header(name, value);
    }
    request.body(body).unwrap()
}

fn text(bytes: &'static str) -> Full<Bytes> {
    Full::from(bytes)
}

fn shown(answer: Answer) -> (u16, String) {
    let status = answer.status().as_u16();
    let body = block_on(answer.into_body().collect()).unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn what_is_verified_reaches_the_handler_whole() {
    let endpoint = Endpoint::new();
    let mut frames = Frames::of(["{\"te", "", "st\":1}"]);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-unsigned", HeaderValue::from_static("1"));
    frames.frames.push_back(Ok(Frame::trailers(trailers)));
    let answer = endpoint.call(signed(NOW, "{\"test\":1}", frames)).unwrap();
    assert_eq!(shown(answer), (200, "{\"test\":1}".to_owned()));
    assert_eq!(endpoint.calls(), 1);
}

#[test]
fn a_refusal_is_its_problem_document() {
    let endpoint = Endpoint::new();
    let mut altered = signed(NOW, "{}", text("{ }"));
    let missing = Request::post("/hooks").body(text("{}")).unwrap();
    let doubled = HeaderValue::from_static("msg_1");
    let mut twice = signed(NOW, "{}", text("{}"));
    twice.headers_mut().append("webhook-id", doubled);
    let wrong_key = {
        let other = SigningSecret::from_bytes(&[8; 32]).unwrap();
        let mut request = Request::post("/hooks");
        for (name, value) in sign(&other, &"msg_1".parse().unwrap(), NOW, b"{}").headers() {
            request = request.header(name, value);
        }
        request.body(text("{}")).unwrap()
    };
    let broken = Frames {
        frames: VecDeque::from([Ok(Frame::data("{".into())), Err("reset")]),
        ..Frames::default()
    };
    let mut alike = Vec::new();
    for (request, error) in [
        (missing, "missing-header"),
        (twice, "duplicate-header"),
        (wrong_key, "signature-mismatch"),
        (std::mem::take(&mut altered), "signature-mismatch"),
        (signed(NOW - 301, "{}", text("{}")), "too-old"),
        (signed(NOW + 301, "{}", text("{}")), "too-new"),
    ] {
        let answer = endpoint.call(request).unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let told = answer.extensions().get::<WebhookError>().unwrap().code();
        assert_eq!(told, error);
        let headers = format!("{:?}", answer.headers());
        let (status, body) = shown(answer);
        assert_eq!(status, 401, "{error}");
        assert!(
            body.contains(&format!("problems/webhook-{error}\"")),
            "{body}"
        );
        if error == "signature-mismatch" {
            alike.push((headers, body));
        }
    }
    // Neither tells a wrong key from a wrong body.
    assert_eq!(alike[0], alike[1]);
    let answer = endpoint.call(signed(NOW, "{}", broken)).unwrap();
    assert_eq!(shown(answer).0, 401);
    assert_eq!(endpoint.calls(), 0);
}

#[test]
fn a_stale_request_s_body_is_never_asked_for() {
    let endpoint = Endpoint::new();
    for (at, asked) in [(NOW - 301, 0), (NOW, 2)] {
        let frames = Frames::of(["{}"]);
        let count = Arc::clone(&frames.asked);
        endpoint.call(signed(at, "{}", frames)).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), asked);
    }
}

#[test]
fn no_more_is_read_than_the_limit() {
    let endpoint = Endpoint::new();
    let whole = "0123456789abcdef".repeat(4);
    let request = signed(NOW, &whole, Full::from(whole.clone()));
    assert_eq!(endpoint.call(request).unwrap().status(), 200);

    let frames = Frames::of(["0123456789abcdef"; 9]);
    let asked = Arc::clone(&frames.asked);
    let answer = endpoint.call(signed(NOW + 1, &whole, frames)).unwrap();
    assert_eq!(shown(answer).0, 413);
    assert_eq!(asked.load(Ordering::Relaxed), 5);

    // What says that it is too long is not read at all.
    let frames = Frames {
        announced: LIMIT + 1,
        ..Frames::of(["{}"])
    };
    let asked = Arc::clone(&frames.asked);
    let answer = endpoint.call(signed(NOW + 2, "{}", frames)).unwrap();
    assert_eq!(shown(answer).0, 413);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(endpoint.calls(), 1);
}

#[test]
fn a_message_is_handled_once() {
    let endpoint = Endpoint::new();
    let call = |at| endpoint.call(signed(at, "{}", text("{}"))).unwrap();
    assert_eq!(call(NOW).status(), 200);
    let replay = call(NOW);
    assert_eq!(replay.status(), 401);
    assert_eq!(replay.extensions().get(), Some(&WebhookError::Replayed));
    // A retry of what was handled is acknowledged.
    assert_eq!(shown(call(NOW + 5)), (204, String::new()));
    assert_eq!(endpoint.calls(), 1);
}

#[test]
fn what_failed_is_handled_again() {
    for status in [500, 503, 404, 429, 302, 0] {
        let endpoint = Endpoint::new();
        endpoint.status.store(status, Ordering::Relaxed);
        let outcome = endpoint.call(signed(NOW, "{}", text("{}")));
        assert_eq!(outcome.is_err(), status == 0);
        endpoint.status.store(204, Ordering::Relaxed);
        let retry = endpoint.call(signed(NOW + 5, "{}", text("{}"))).unwrap();
        assert_eq!(
            (retry.status().as_u16(), endpoint.calls()),
            (204, 2),
            "{status}"
        );
    }
}

#[test]
fn while_it_is_handled_a_retry_is_told_when_to_come_back() {
    let endpoint = Endpoint::new();
    let handler = service_fn(|_: Request<Full<Bytes>>| future::pending::<Result<Answer, &str>>());
    let held = endpoint.layer().layer(handler);
    let mut held = Box::pin(held.oneshot(signed(NOW, "{}", text("{}"))));
    let mut context = Context::from_waker(Waker::noop());
    assert!(held.as_mut().poll(&mut context).is_pending());
    let retry = endpoint.call(signed(NOW + 5, "{}", text("{}"))).unwrap();
    assert_eq!(retry.status(), 409);
    assert_eq!(retry.headers()["retry-after"], "5");
    assert_eq!(endpoint.calls(), 0);
    // The handler is given up: the message is anybody's again.
    drop(held);
    let retry = endpoint.call(signed(NOW + 6, "{}", text("{}"))).unwrap();
    assert_eq!((retry.status().as_u16(), endpoint.calls()), (200, 1));
}

#[test]
fn a_handler_that_panics_gives_the_message_back() {
    let endpoint = Endpoint::new();
    let layer = endpoint.layer();
    let handler = service_fn(|_: Request<Full<Bytes>>| async {
        if true {
            panic!("the handler's own fault");
        }
        Ok::<Answer, &str>(Response::default())
    });
    let request = signed(NOW, "{}", text("{}"));
    let run = std::panic::AssertUnwindSafe(|| block_on(layer.layer(handler).oneshot(request)));
    assert!(std::panic::catch_unwind(run).is_err());
    let retry = endpoint.call(signed(NOW + 5, "{}", text("{}"))).unwrap();
    assert_eq!((retry.status().as_u16(), endpoint.calls()), (200, 1));
}

/// A guard whose store is away, from a call on.
struct Away(MemoryReplayGuard, AtomicU64);

impl Away {
    fn answer<T>(&self, outcome: Result<T, WebhookError>) -> Result<T, WebhookError> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.1.store(0, Ordering::Relaxed);
            return Err(WebhookError::StoreUnavailable);
        }
        outcome
    }
}

impl ReplayGuard for Away {
    fn claim<'a>(&'a self, e: &'a str, v: &'a Verified, now: u64) -> ReplayFuture<'a, Claim> {
        Box::pin(async move { self.answer(self.0.claim(e, v, now)) })
    }

    fn commit<'a>(&'a self, e: &'a str, v: &'a Verified, now: u64) -> ReplayFuture<'a, ()> {
        Box::pin(async move { self.answer(self.0.commit(e, v, now)) })
    }

    fn release<'a>(&'a self, e: &'a str, v: &'a Verified, now: u64) -> ReplayFuture<'a, ()> {
        Box::pin(async move { self.answer(self.0.release(e, v, now)) })
    }
}

#[test]
fn without_its_store_nothing_is_handled() {
    let away = Away(MemoryReplayGuard::new(100, 300), AtomicU64::new(0));
    let endpoint = Endpoint::guarded(Arc::new(away));
    let answer = endpoint.call(signed(NOW, "{}", text("{}"))).unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert_eq!(endpoint.calls(), 0);
}

#[test]
fn what_was_handled_and_not_committed_is_not_asked_for_again() {
    let away = Away(MemoryReplayGuard::new(100, 300), AtomicU64::new(1));
    let endpoint = Endpoint::guarded(Arc::new(away));
    let answer = endpoint.call(signed(NOW, "{}", text("{}"))).unwrap();
    assert_eq!(answer.status(), 200);
    let noted = answer.extensions().get();
    assert_eq!(noted, Some(&WebhookError::StoreUnavailable));
}

/// A guard that takes its time to commit, and counts what it is asked to release.
struct Slow(MemoryReplayGuard, AtomicU64);

impl ReplayGuard for Slow {
    fn claim<'a>(&'a self, e: &'a str, v: &'a Verified, now: u64) -> ReplayFuture<'a, Claim> {
        Box::pin(future::ready(self.0.claim(e, v, now)))
    }

    fn commit<'a>(&'a self, _: &'a str, _: &'a Verified, _: u64) -> ReplayFuture<'a, ()> {
        Box::pin(future::pending())
    }

    fn release<'a>(&'a self, e: &'a str, v: &'a Verified, now: u64) -> ReplayFuture<'a, ()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Box::pin(future::ready(self.0.release(e, v, now)))
    }
}

/// Who gives the request up while its message is committed does not have it handled again.
#[test]
fn what_was_handled_is_not_released_while_it_is_committed() {
    let slow = Arc::new(Slow(MemoryReplayGuard::new(100, 300), AtomicU64::new(0)));
    let endpoint = Endpoint::guarded(Arc::clone(&slow) as _);
    let call = |at| {
        let handler = service_fn(async |_: Request<Full<Bytes>>| Ok::<_, &str>(Answer::default()));
        let service = endpoint.layer().layer(handler);
        Box::pin(service.oneshot(signed(at, "{}", text("{}"))))
    };
    let mut context = Context::from_waker(Waker::noop());
    let mut committing = call(NOW);
    assert!(committing.as_mut().poll(&mut context).is_pending());
    drop(committing);
    assert_eq!(slow.1.load(Ordering::Relaxed), 0);
    let retry = block_on(call(NOW + 5)).unwrap();
    assert_eq!(retry.extensions().get(), Some(&WebhookError::InFlight));
}

/// A recorded delivery whose body trickles until the guard has forgotten it.
#[test]
fn a_body_that_outlasts_the_window_is_too_old() {
    struct Trickle(Option<Bytes>, Arc<AtomicU64>);
    impl Body for Trickle {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            self.1.fetch_add(301, Ordering::Relaxed);
            Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
        }
    }
    let endpoint = Endpoint::new();
    let body = Trickle(Some("{}".into()), Arc::clone(&endpoint.clock));
    let answer = endpoint.call(signed(NOW, "{}", body)).unwrap();
    assert_eq!(answer.extensions().get(), Some(&WebhookError::TooOld));
    assert_eq!(endpoint.calls(), 0);
}

#[test]
fn github_passes_with_its_body_s_hash() {
    let secret = || {
        "It's a Secret to Everybody"
            .parse::<GithubSecret>()
            .unwrap()
    };
    let verifier = UndatedVerifier::accepting_replays([secret()]).unwrap();
    let layer = WebhookLayer::undated(verifier);
    let handler = service_fn(async |request: Request<Full<Bytes>>| {
        let undated = request.extensions().get::<Undated>().expect("no evidence");
        assert_eq!(undated.body_digest()[..2], [0x2d, 0x71]);
        assert!(request.extensions().get::<Verified>().is_none());
        Ok::<Answer, &str>(Response::default())
    });
    let call = |body: &'static str| {
        let mut request = Request::post("/hooks");
        for (name, value) in sign_undated(&secret(), &"1-2".parse().unwrap(), b"x").headers() {
            request = request.header(name, value);
        }
        let service = layer.layer(handler);
        block_on(service.oneshot(request.body(text(body)).unwrap()))
    };
    assert_eq!(call("x").unwrap().status(), 200);
    assert_eq!(call("x").unwrap().status(), 200);
    assert_eq!(call("y").unwrap().status(), 401);
}

#[test]
fn debug_shows_no_secret() {
    let layer = Endpoint::new().layer();
    let shown = "WebhookLayer { gate: Dated { verifier: Verifier { scheme: Standard, keys: \
                 [ReceiverKey(Secret(SigningSecret(32 bytes)))], tolerance: 300, body_limit: 64 }, \
                 endpoint: \"e\", .. } }";
    assert_eq!(format!("{layer:?}"), shown);
}
