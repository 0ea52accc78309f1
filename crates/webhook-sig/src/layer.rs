//! A tower layer that lets only verified requests through to a handler.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Claim, ReplayGuard, UndatedHeaders, UndatedVerifier, Verified, Verifier, WebhookError,
};

/// Verifies each request, keeps replays away, and settles what the handler did.
///
/// The handler sees a request only when its signature holds, it is within the window and nobody
/// has handled it; its body is then whole and in memory, at most the verifier's limit, and
/// [`Verified`] is among the request's extensions. A status of 2xx commits the message; every
/// other one, an error, a panic and a future that is dropped release it, so that the sender's next
/// try is handled. A duplicate is answered with 204, and every refusal with its problem document
/// (`docs/spec/webhook.md`, section 7). The response's extensions have the [`WebhookError`], for
/// whoever writes logs.
///
/// # Security
/// There is no timer here. Put one around the layer for senders who dawdle, and one inside of it
/// for handlers, shorter than the guard's lease.
///
/// A message that was handled and could not be committed is answered as the handler said, with the
/// error among the response's extensions: to ask for another delivery would be to handle it twice.
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use strongroom_webhook_sig::{MemoryReplayGuard, SigningSecret, Verifier, WebhookLayer, sign};
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// let secret = SigningSecret::generate()?;
/// let mut request = Request::post("/hooks");
/// for (name, value) in sign(&secret, &"msg_1".parse()?, 1_800_000_000, b"{}").headers() {
///     request = request.header(name, value);
/// }
/// let guard = Arc::new(MemoryReplayGuard::new(100_000, 300));
/// let clock = || 1_800_000_010;
/// let layer = WebhookLayer::new(Verifier::new([secret])?, guard, "orders", clock);
/// let handler = service_fn(async |request: Request<Full<Bytes>>| {
///     assert!(request.extensions().get::<strongroom_webhook_sig::Verified>().is_some());
///     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// });
/// let service = ServiceBuilder::new().layer(layer).service(handler);
/// let answer = pollster::block_on(service.oneshot(request.body(Full::<Bytes>::from("{}"))?))?;
/// assert_eq!(answer.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebhookLayer {
    gate: Arc<Gate>,
}

/// What a [`WebhookLayer`] makes of a handler.
#[derive(Clone, Debug)]
pub struct WebhookService<S> {
    gate: Arc<Gate>,
    inner: S,
}

type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

enum Gate {
    Dated {
        verifier: Verifier,
        guard: Arc<dyn ReplayGuard>,
        endpoint: String,
        clock: Clock,
    },
    Undated(UndatedVerifier),
}

/// What goes to the handler, and the claim on it; nothing for what was handled before.
type Admitted = Option<(Request<Full<Bytes>>, Option<Held>)>;

/// A claim that is not settled; it is released when it is dropped.
struct Held {
    gate: Arc<Gate>,
    verified: Verified,
    is_settled: bool,
}

impl WebhookLayer {
    /// Verifies with `verifier` and claims with `guard`, under the name of the receiving endpoint.
    ///
    /// `clock` tells the time in Unix seconds.
    #[must_use]
    pub fn new(
        verifier: Verifier,
        guard: Arc<dyn ReplayGuard>,
        endpoint: impl Into<String>,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let gate = Gate::Dated {
            verifier,
            guard,
            endpoint: endpoint.into(),
            clock: Box::new(clock),
        };
        Self {
            gate: Arc::new(gate),
        }
    }

    /// Verifies a scheme without a timestamp: nothing is known of replays, and nothing is claimed
    /// or settled. [`Undated`](crate::Undated) is among the request's extensions.
    #[must_use]
    pub fn undated(verifier: UndatedVerifier) -> Self {
        Self {
            gate: Arc::new(Gate::Undated(verifier)),
        }
    }
}

impl<S> Layer<S> for WebhookLayer {
    type Service = WebhookService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WebhookService {
            gate: Arc::clone(&self.gate),
            inner,
        }
    }
}

impl<S, B, R> Service<Request<B>> for WebhookService<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    R: From<String> + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is called; its clone waits for the next request.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let (request, held) = match gate.admit(request).await {
                Ok(Some(admitted)) => admitted,
                Ok(None) => return Ok(duplicate()),
                Err(error) => return Ok(refusal(error)),
            };
            let mut outcome = inner.call(request).await;
            if let Some(held) = held {
                let is_handled = matches!(&outcome, Ok(answer) if answer.status().is_success());
                if let (Err(error), Ok(answer)) = (held.settle(is_handled).await, &mut outcome) {
                    answer.extensions_mut().insert(error);
                }
            }
            outcome
        })
    }
}

impl Gate {
    async fn admit<B: Body>(
        self: Arc<Self>,
        request: Request<B>,
    ) -> Result<Admitted, WebhookError> {
        let (mut parts, body) = request.into_parts();
        let (verifier, guard, endpoint, clock) = match &*self {
            Self::Undated(verifier) => {
                let headers = UndatedHeaders::collect(pairs(&parts.headers))?;
                let mut check = verifier.begin(&headers);
                let read = read(body, verifier.body_limit(), |chunk| {
                    check.update(chunk);
                    check.over_limit()
                });
                let body = read.await?;
                let undated = check.finish()?;
                parts.extensions.insert(undated);
                return Ok(Some((whole(parts, body), None)));
            }
            Self::Dated {
                verifier,
                guard,
                endpoint,
                clock,
            } => (verifier, guard, endpoint, clock),
        };
        let headers = verifier.collect(pairs(&parts.headers))?;
        let mut check = verifier.begin(&headers, clock())?;
        let read = read(body, verifier.body_limit(), |chunk| {
            check.update(chunk);
            check.over_limit()
        });
        let body = read.await?;
        let verified = check.finish()?;
        // The body may have taken its time, and the guard forgets what is past the window.
        let now = clock();
        verifier.check_window(verified.timestamp(), now)?;
        match guard.claim(endpoint, &verified, now).await? {
            Claim::Duplicate => return Ok(None),
            Claim::First => {}
        }
        let held = Held {
            gate: Arc::clone(&self),
            verified: verified.clone(),
            is_settled: false,
        };
        parts.extensions.insert(verified);
        Ok(Some((whole(parts, body), Some(held))))
    }

    async fn settle(&self, verified: &Verified, is_handled: bool) -> Result<(), WebhookError> {
        let Self::Dated {
            guard,
            endpoint,
            clock,
            ..
        } = self
        else {
            return Ok(());
        };
        if is_handled {
            guard.commit(endpoint, verified, clock()).await
        } else {
            guard.release(endpoint, verified, clock()).await
        }
    }
}

impl Held {
    async fn settle(mut self, is_handled: bool) -> Result<(), WebhookError> {
        // What was handled is not released, however this ends: its claim lapses with its lease.
        self.is_settled = is_handled;
        let settled = self.gate.settle(&self.verified, is_handled).await;
        self.is_settled = true;
        settled
    }
}

impl Drop for Held {
    /// A guard in memory is done at the first poll. What one on a network does not finish here
    /// lapses with its lease.
    fn drop(&mut self) {
        if !self.is_settled {
            let release = pin!(self.gate.settle(&self.verified, false));
            let _ = release.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dated {
                verifier, endpoint, ..
            } => f
                .debug_struct("Dated")
                .field("verifier", verifier)
                .field("endpoint", endpoint)
                .finish_non_exhaustive(),
            Self::Undated(verifier) => f.debug_tuple("Undated").field(verifier).finish(),
        }
    }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let headers = headers.iter();
    headers.map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// Reads a body while `is_over` hashes it and says when to stop. Nothing beyond the limit is kept.
async fn read<B: Body>(
    body: B,
    limit: u64,
    mut is_over: impl FnMut(&[u8]) -> bool,
) -> Result<Bytes, WebhookError> {
    if body.size_hint().lower() > limit {
        return Err(WebhookError::BodyTooLarge);
    }
    let mut body = pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|_| WebhookError::BodyIncomplete)?;
        // A frame of trailers is not signed and goes no further.
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while data.has_remaining() {
            let chunk = data.chunk();
            if is_over(chunk) {
                return Err(WebhookError::BodyTooLarge);
            }
            whole.extend_from_slice(chunk);
            let taken = chunk.len();
            data.advance(taken);
        }
    }
    Ok(whole.freeze())
}

fn whole(parts: Parts, body: Bytes) -> Request<Full<Bytes>> {
    Request::from_parts(parts, Full::new(body))
}

fn duplicate<R: From<String>>() -> Response<R> {
    let mut response = Response::new(R::from(String::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn refusal<R: From<String>>(error: WebhookError) -> Response<R> {
    let mut response = Response::new(R::from(error.problem()));
    let status = StatusCode::from_u16(error.status());
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let media = HeaderValue::from_static("application/problem+json");
    headers.insert(CONTENT_TYPE, media);
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(error);
    response
}
