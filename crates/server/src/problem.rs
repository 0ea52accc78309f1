//! Problem documents (RFC 9457): every way to be refused, from one registry.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use strongroom_tenancy::RequestId;

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $status:literal, $openai:literal, $title:literal;)+) => {
        /// A type of problem. Its URI is `https://strongroom.dev/problems/` and the slug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind { $($(#[doc = $doc])+ $name,)+ }

        impl Kind {
            /// The whole registry.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name: the end of the type's URI, and the `code` that SDKs show.
            #[must_use]
            pub const fn slug(self) -> &'static str { match self { $(Self::$name => $slug,)+ } }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)+ } }

            /// The type's short meaning.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title,)+ } }

            /// The nearest error type of OpenAI's vocabulary.
            const fn openai(self) -> &'static str { match self { $(Self::$name => $openai,)+ } }

            /// The error of RFC 6749, section 5.2, on its routes.
            const fn oauth(self) -> &'static str {
                match self {
                    Self::GrantRefused => "invalid_grant",
                    Self::GrantUnsupported => "unsupported_grant_type",
                    Self::ScopeRefused => "invalid_scope",
                    _ if self.status() >= 500 => "temporarily_unavailable",
                    _ => "invalid_request",
                }
            }
        }
    };
}

registry! {
    /// Not HTTP as it should be: a header twice, a body that cannot be read.
    MalformedRequest = "malformed-request", 400, "invalid_request_error", "the request is malformed";
    /// A credential in the URL.
    CredentialInUrl = "credential-in-url", 400, "invalid_request_error", "a credential is never in a URL";
    /// The body is not JSON, or not of the route's shape.
    InvalidBody = "invalid-body", 400, "invalid_request_error", "the body is not what this route takes";
    /// A field is refused.
    InvalidField = "invalid-field", 400, "invalid_request_error", "a field is refused";
    /// Break-glass, or a destruction, without a reason.
    ReasonRequired = "reason-required", 400, "invalid_request_error", "a reason is required";
    /// A sealed record does not open; why is not said.
    RecordUnopened = "record-unopened", 400, "invalid_request_error", "the record does not open";
    /// `stream: true`.
    StreamUnsupported = "stream-unsupported", 400, "invalid_request_error", "streaming is not supported";
    /// The tenant's policy blocks what the text holds.
    PiiBlocked = "pii-blocked", 400, "invalid_request_error", "the tenant's policy blocks this content";
    /// A refresh token that is not accepted; why is said in the log alone.
    GrantRefused = "grant-refused", 400, "invalid_request_error", "the grant is not accepted";
    /// A renewal with a scope.
    ScopeRefused = "scope-refused", 400, "invalid_request_error", "the scope is not accepted";
    /// Another `grant_type` than `refresh_token`.
    GrantUnsupported = "grant-unsupported", 400, "invalid_request_error", "the grant type is not supported";
    /// No credential.
    Unauthenticated = "unauthenticated", 401, "authentication_error", "a credential is required";
    /// A credential that is not accepted; why is said in the log alone.
    CredentialRefused = "credential-refused", 401, "authentication_error", "the credential is not accepted";
    /// A token whose time is over.
    TokenExpired = "token-expired", 401, "authentication_error", "the access token has expired";
    /// A token for another service.
    WrongAudience = "wrong-audience", 401, "authentication_error", "the access token is for another audience";
    /// The caller lacks the capability.
    CapabilityMissing = "capability-missing", 403, "permission_error", "the caller lacks the capability";
    /// Not a request from the proxy in front.
    UntrustedOrigin = "untrusted-origin", 403, "permission_error", "requests are taken from the proxy only";
    /// No such route.
    RouteUnknown = "route-unknown", 404, "not_found_error", "there is no such route";
    /// No such object, or another tenant's.
    NotFound = "not-found", 404, "not_found_error", "there is no such object";
    /// The route does not take the method.
    MethodNotAllowed = "method-not-allowed", 405, "invalid_request_error", "the route does not take this method";
    /// The body did not come in time.
    BodyTimeout = "body-timeout", 408, "invalid_request_error", "the body did not come in time";
    /// The object is there already.
    Conflict = "conflict", 409, "invalid_request_error", "the object exists already";
    /// The key is destroyed, and with it what was sealed under it.
    KeyDestroyed = "key-destroyed", 410, "invalid_request_error", "the key is destroyed";
    /// The body is too long.
    BodyTooLarge = "body-too-large", 413, "invalid_request_error", "the body is too long";
    /// Not JSON by its content type.
    UnsupportedMediaType = "unsupported-media-type", 415, "invalid_request_error", "the body must be application/json";
    /// Too many requests.
    RateLimited = "rate-limited", 429, "rate_limit_error", "too many requests";
    /// The headers are too long, or too many.
    HeadersTooLarge = "headers-too-large", 431, "invalid_request_error", "the headers are too long";
    /// Our own mistake.
    Internal = "internal", 500, "server_error", "the platform failed";
    /// The provider failed.
    UpstreamFailed = "upstream-failed", 502, "server_error", "the provider failed";
    /// No provider, or no credential for it.
    UpstreamNotConfigured = "upstream-not-configured", 503, "server_error", "no provider is configured";
    /// A store is not available.
    Unavailable = "unavailable", 503, "server_error", "the platform is not available";
    /// The audit log took no event, so nothing is answered.
    AuditUnavailable = "audit-unavailable", 503, "server_error", "the audit log is not available";
    /// The database was set back: the log would get a second history.
    AuditSetBack = "audit-set-back", 503, "server_error", "the audit log is not what was signed before";
    /// The write may have happened, or not.
    OutcomeUnknown = "outcome-unknown", 503, "server_error", "the outcome of the write is not known";
    /// The provider took too long.
    UpstreamTimeout = "upstream-timeout", 504, "server_error", "the provider took too long";
}

/// What the clients of a route read of a problem, besides the document itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Nothing.
    Plain,
    /// The `error` object of OpenAI's SDKs, on `/v1` routes.
    OpenAi,
    /// The `error` code of RFC 6749, section 5.2, on `/oauth` routes.
    OAuth,
}

impl Dialect {
    /// The dialect of a path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path.starts_with("/v1/") {
            Self::OpenAi
        } else if path.starts_with("/oauth/") {
            Self::OAuth
        } else {
            Self::Plain
        }
    }
}

/// A refusal: what the caller is told. What is for the log goes to the log.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    param: Option<String>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem of a kind; `detail` must hold nothing secret and nothing that the caller sent.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            param: None,
            retry_after_seconds: None,
        }
    }

    /// Names the field that is at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Says when to come back, in seconds; at most 60, since SDKs obey it.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds.clamp(1, 60));
        self
    }

    /// The field that is at fault, if one is.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// Whether a credential was not accepted, and why is for the log alone.
    #[must_use]
    pub const fn is_of_a_credential(&self) -> bool {
        matches!(self.kind, Kind::CredentialRefused | Kind::GrantRefused)
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The document, once the request's id is known, with what the route's clients read besides.
    #[must_use]
    pub fn render(&self, request: &RequestId, dialect: Dialect) -> Response {
        let mut document = json!({
            "type": format!("https://strongroom.dev/problems/{}", self.kind.slug()),
            "title": self.kind.title(),
            "status": self.kind.status(),
            "detail": self.detail,
            "instance": format!("urn:uuid:{request}"),
            "request_id": request.to_string(),
        });
        if let Some(members) = document.as_object_mut() {
            match dialect {
                Dialect::Plain => {}
                Dialect::OpenAi => {
                    let error = json!({
                        "message": self.detail,
                        "type": self.kind.openai(),
                        "param": self.param,
                        "code": self.kind.slug(),
                    });
                    members.insert("error".to_owned(), error);
                }
                Dialect::OAuth => {
                    members.insert("error".to_owned(), self.kind.oauth().into());
                    members.insert("error_description".to_owned(), json!(self.detail));
                }
            }
        }
        let status =
            StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, document.to_string()).into_response();
        let headers = response.headers_mut();
        let content_type = match dialect {
            // RFC 6749, section 5.2, names this one.
            Dialect::OAuth => "application/json",
            _ => "application/problem+json",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if matches!(self.kind.status(), 409 | 429 | 500..) {
            // The SDKs would repeat such a call twice, to no end.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.kind.status() == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Carries the problem outwards; the request-id gate renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<crate::postgres::QueryError> for Problem {
    fn from(error: crate::postgres::QueryError) -> Self {
        use crate::postgres::QueryError;
        match &error {
            QueryError::Constraint(_) => Self::new(Kind::Conflict, "the object exists already"),
            QueryError::Busy | QueryError::Unavailable(_) | QueryError::Deadline => {
                tracing::warn!(%error, "the database is not available");
                Self::new(Kind::Unavailable, "the database is not available").with_retry_after(1)
            }
            _ => {
                tracing::error!(%error, "a database statement failed");
                Self::new(Kind::Internal, "a database statement failed")
            }
        }
    }
}

impl From<crate::postgres::CommitError> for Problem {
    fn from(error: crate::postgres::CommitError) -> Self {
        match error {
            crate::postgres::CommitError::RolledBack(cause) => cause.into(),
            crate::postgres::CommitError::Unknown => {
                tracing::error!("the outcome of a commit is not known");
                Self::new(
                    Kind::OutcomeUnknown,
                    "the write may have happened: read the object before you repeat it",
                )
            }
        }
    }
}

impl From<crate::keystore::KeyStoreError> for Problem {
    fn from(error: crate::keystore::KeyStoreError) -> Self {
        use crate::keystore::KeyStoreError;
        if error == KeyStoreError::Unavailable {
            return Self::new(Kind::Unavailable, "the tenant's keys are not available")
                .with_retry_after(1);
        }
        if error == KeyStoreError::NoKey {
            return Self::new(Kind::KeyDestroyed, "the key is destroyed");
        }
        tracing::error!(%error, "a request failed");
        Self::new(Kind::Internal, "the platform failed")
    }
}

impl From<crate::audit::PayloadError> for Problem {
    fn from(error: crate::audit::PayloadError) -> Self {
        match error {
            crate::audit::PayloadError::Keys(error) => error.into(),
            error => {
                tracing::error!(%error, "a payload was not sealed or opened");
                Self::new(Kind::Internal, "the platform failed")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slugs_are_unique_and_documented() {
        let page = include_str!("../../../docs/problems.md");
        let mut seen = HashSet::new();
        for kind in Kind::ALL {
            assert!(seen.insert(kind.slug()), "{}", kind.slug());
            let row = format!(
                "| `{}` | {} | {} |",
                kind.slug(),
                kind.status(),
                kind.title()
            );
            assert!(page.contains(&row), "docs/problems.md lacks {row}");
        }
    }
}
