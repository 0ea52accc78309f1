//! First gate: every request gets an id of our own, in its span, its errors and its headers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use strongroom_apikey::KeyId;
use strongroom_tenancy::{Actor, ClientRequestId, RequestId, TenantId};
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::problem::{Dialect, Kind, Problem};

/// Headers that a request may carry once: two readers must not be able to read two values.
static SINGLE: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::HOST,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-client-request-id"),
];

/// What is known of a request; shared by all of its gates.
#[derive(Debug)]
pub struct RequestContext {
    /// The id that threads everything.
    pub id: RequestId,
    /// The client's own id, kept beside.
    pub client_id: Option<ClientRequestId>,
    known: OnceLock<(TenantId, Option<Actor>)>,
    receipt: OnceLock<String>,
    key: OnceLock<KeyId>,
    session: OnceLock<Uuid>,
    address: OnceLock<IpAddr>,
    concluded: AtomicBool,
}

/// A handler's hold on its request's context.
#[derive(Clone, Debug)]
pub struct RequestHandle(pub Arc<RequestContext>);

impl RequestContext {
    /// A context for work that no client asked for.
    #[must_use]
    pub const fn new(id: RequestId, client_id: Option<ClientRequestId>) -> Self {
        Self {
            id,
            client_id,
            known: OnceLock::new(),
            receipt: OnceLock::new(),
            key: OnceLock::new(),
            session: OnceLock::new(),
            address: OnceLock::new(),
            concluded: AtomicBool::new(false),
        }
    }

    /// Whose request it is, once a signature or a stored key said so; for the audit log.
    #[must_use]
    pub fn known(&self) -> Option<&(TenantId, Option<Actor>)> {
        self.known.get()
    }

    /// Notes whose request it is. The first word counts.
    pub fn identify(&self, tenant: TenantId, actor: Option<Actor>) {
        let _ = self.known.set((tenant, actor));
    }

    /// The API key that the caller holds, or that its token comes from, once that is known.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        self.key.get()
    }

    /// Notes which key the caller is known to hold. The first word counts.
    pub(super) fn holds(&self, key: &KeyId) {
        let _ = self.key.set(key.clone());
    }

    /// What the caller showed, or what that came from, once that is known: for the audit log.
    #[must_use]
    pub fn credential(&self) -> Option<String> {
        let key = self.key.get().map(|key| format!("api_key/{key}"));
        let session = || self.session.get().map(|id| format!("session/{id}"));
        key.or_else(session)
    }

    /// Notes which session the caller's token is of. The first word counts.
    pub(crate) fn is_of_session(&self, id: Uuid) {
        let _ = self.session.set(id);
    }

    /// From where the client asks, once the edge has found out.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address.get().copied()
    }

    /// Notes from where the client asks. The first word counts.
    pub(super) fn arrived_from(&self, address: IpAddr) {
        let _ = self.address.set(address);
    }

    /// Notes the receipt of the request's last event; the response carries it.
    pub fn acknowledge(&self, receipt: &strongroom_auditchain::Receipt) {
        let _ = self.receipt.set(receipt.to_header());
    }

    /// Notes that the request's event is on its way: whatever is answered, no second one follows.
    pub fn conclude(&self) {
        self.concluded.store(true, Ordering::SeqCst);
    }

    /// Whether the request's event is in the audit log, or on its way there.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.receipt.get().is_some() || self.concluded.load(Ordering::SeqCst)
    }
}

/// Mints the id, checks what HTTP leaves open, and renders problems on the way out.
pub async fn request_id(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let mut random = [0_u8; 10];
    if getrandom::fill(&mut random).is_err() {
        // Without randomness nothing below can be trusted.
        return axum::response::IntoResponse::into_response(StatusCode::SERVICE_UNAVAILABLE);
    }
    let id = RequestId::from_parts(app.clock.unix_millis(), &random);
    let client_id = request
        .headers()
        .get("x-client-request-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let context = Arc::new(RequestContext::new(id, client_id));
    request.extensions_mut().insert(Arc::clone(&context));
    let dialect = Dialect::of(request.uri().path());
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        client_request_id = context.client_id.as_ref().map(tracing::field::display),
        method = %request.method(),
        // The route's own name, never the path: a secret can be pasted into a path.
        action = tracing::field::Empty,
    );
    let response = async {
        let response = match check_head(request.uri(), request.headers()) {
            Ok(()) => next.run(request).await,
            Err(problem) => axum::response::IntoResponse::into_response(problem),
        };
        tracing::info!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await;
    // A receipt says that a credential was genuine: none with the refusal of one.
    let refused = response.extensions().get::<Problem>();
    let is_refused = refused.is_some_and(Problem::is_of_a_credential);
    if context.known().is_none()
        && let Some(reason) = refusal(&response).and_then(|kind| kind.slug().parse().ok())
    {
        app.refusals.note_stranger(reason);
    }
    let mut response = render(response, &id, dialect);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", value.clone());
        headers.insert("request-id", value);
    }
    if let Some(value) = context
        .receipt
        .get()
        .filter(|_| !is_refused)
        .and_then(|text| HeaderValue::from_str(text).ok())
    {
        headers.insert("strongroom-receipt", value);
    }
    let kept = headers.entry(header::CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The longest address, in bytes.
const MAX_URI: usize = 8 * 1024;

/// Most header lines of a request.
const MAX_HEADER_COUNT: usize = 100;

/// The longest headers, names and values together, in bytes.
const MAX_HEADERS: usize = 32 * 1024;

fn check_head(uri: &http::Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let many = headers.len() > MAX_HEADER_COUNT;
    let sizes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    if uri
        .path_and_query()
        .is_some_and(|text| text.as_str().len() > MAX_URI)
        || sizes.sum::<usize>() > MAX_HEADERS
        || many
    {
        return Err(Problem::new(
            Kind::HeadersTooLarge,
            "the headers are too long",
        ));
    }
    for name in &SINGLE {
        if headers.get_all(name).iter().nth(1).is_some() {
            let problem = Problem::new(Kind::MalformedRequest, "a header is given twice");
            return Err(problem.with_param(name.as_str()));
        }
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        let problem = Problem::new(
            Kind::UnsupportedMediaType,
            "compressed bodies are not taken",
        );
        return Err(problem.with_param("content-encoding"));
    }
    Ok(())
}

/// Every refusal leaves as a problem document, the framework's own included.
fn render(mut response: Response, id: &RequestId, dialect: Dialect) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.render(id, dialect);
    }
    let Some(kind) = kind(response.status()) else {
        return response;
    };
    let mut rendered = Problem::new(kind, kind.title()).render(id, dialect);
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
}

/// What kind of problem the framework means by a status.
fn kind(status: StatusCode) -> Option<Kind> {
    Some(match status.as_u16() {
        ..400 => return None,
        404 => Kind::RouteUnknown,
        405 => Kind::MethodNotAllowed,
        413 => Kind::BodyTooLarge,
        415 => Kind::UnsupportedMediaType,
        431 => Kind::HeadersTooLarge,
        400..500 => Kind::MalformedRequest,
        _ => Kind::Internal,
    })
}

/// Why a call was refused, if it was.
fn refusal(response: &Response) -> Option<Kind> {
    let problem = response.extensions().get::<Problem>().map(Problem::kind);
    let is_refusal = response.status().is_client_error();
    problem
        .or_else(|| kind(response.status()))
        .filter(|_| is_refusal)
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for RequestHandle {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Arc<RequestContext>>().cloned();
        found
            .map(Self)
            .ok_or_else(|| Problem::new(Kind::Internal, "the request has no id"))
    }
}
