//! Third gate: who asks. An access token or an API key, one of them, in a header.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use strongroom_apikey::{ApiKey, KeyError, KeyId, Place, PresentationError, Presented, Visit};
use strongroom_tenancy::Actor;
use strongroom_tenant_token::{Rejection, TokenError};

use super::caller::{Caller, Credential};
use super::request_id::RequestContext;
use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::tokens::{self, Refusal};

/// What a request shows.
enum Shown {
    Key(ApiKey),
    Token(String),
}

/// Lets in who shows a good access token or API key.
pub async fn authenticate(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(context) = request.extensions().get::<Arc<RequestContext>>().cloned() else {
        return Problem::new(Kind::Internal, "the request has no id").into_response();
    };
    let shown = match shown(request.uri(), request.headers()) {
        Ok(shown) => shown,
        Err(problem) => return problem.into_response(),
    };
    let caller = match shown {
        Shown::Key(key) => present_key(&app, &context, &key).await,
        Shown::Token(token) => present_token(&app, &context, &token).await,
    };
    match caller {
        Ok(caller) => {
            context.identify(caller.tenant(), Some(caller.actor().clone()));
            match (caller.key(), caller.credential()) {
                (Some(key), _) => context.holds(key),
                (None, Credential::Token { session, .. }) => context.is_of_session(*session),
                (None, _) => {}
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// One credential, in one place, and never in a URL.
fn shown(uri: &Uri, headers: &HeaderMap) -> Result<Shown, Problem> {
    let refused = || Problem::new(Kind::CredentialRefused, "the credential is not accepted");
    let fields = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let target = uri.to_string();
    let presented = Presented::find(fields, &target).map_err(|error| {
        tracing::info!(reason = error.code(), "credential refused");
        match error {
            PresentationError::TwoCredentials => {
                let problem = Problem::new(Kind::MalformedRequest, "two credentials are given");
                problem.with_param("x-api-key")
            }
            PresentationError::InUrl => {
                let detail = "a credential in a URL is in logs and histories too: replace it";
                Problem::new(Kind::CredentialInUrl, detail)
            }
            _ => refused(),
        }
    })?;
    let missing = || Problem::new(Kind::Unauthenticated, "an access token is required");
    let presented = presented.ok_or_else(missing)?;
    // SDKs of LLM providers show API keys as bearer tokens. A key holds no dot, a token two.
    if presented.place() == Place::Bearer && presented.expose().contains('.') {
        return Ok(Shown::Token(presented.expose().to_owned()));
    }
    presented.key().map(Shown::Key).map_err(|_| refused())
}

async fn present_token(
    app: &App,
    context: &RequestContext,
    token: &str,
) -> Result<Caller, Problem> {
    let accepted = tokens::accept(app, token, &visit(app, context)).await;
    let verified = accepted.map_err(|refusal| match refusal {
        Refusal::Token(rejection) => token_refused(context, &rejection),
        Refusal::Key {
            claims,
            key,
            reason,
        } => {
            context.identify(claims.tenant, Some(claims.actor));
            context.holds(&key);
            refused(&key, reason)
        }
        Refusal::Unavailable => unavailable(),
    })?;
    let claims = verified.claims();
    Ok(Caller::new(
        claims.tenant,
        claims.actor.clone(),
        claims.capabilities,
        Credential::Token {
            id: claims.token_id,
            session: claims.session_id,
            key: claims.client_id.parse().ok(),
            issued_at: claims.issued_at,
            epoch: claims.epoch,
        },
        Some(claims.expires_at),
    ))
}

fn token_refused(context: &RequestContext, rejection: &Rejection) -> Problem {
    tracing::info!(reason = rejection.error().code(), "access token refused");
    // The signature held, so the tenant is known and its log can say so.
    if let Some(tenant) = rejection.tenant() {
        context.identify(tenant, rejection.actor().cloned());
    }
    match rejection.error() {
        TokenError::Expired => Problem::new(Kind::TokenExpired, "the access token has expired"),
        TokenError::WrongAudience => Problem::new(
            Kind::WrongAudience,
            "the access token is for another audience",
        ),
        TokenError::Unavailable => unavailable(),
        _ => Problem::new(Kind::CredentialRefused, "the credential is not accepted"),
    }
}

/// Checks an API key: against what is kept of it under a lease, or else against the database. A
/// revoked key is refused everywhere once the answer to its revocation is there.
///
/// # Errors
/// One problem for every refusal of a key; the log says which it was.
pub async fn present_key(
    app: &App,
    context: &RequestContext,
    key: &ApiKey,
) -> Result<Caller, Problem> {
    let visit = visit(app, context);
    let checked = app
        .key_gate
        .check(key, &visit, &app.lookup, &app.generations);
    let (record, checked) = checked.await;
    // The hash matched, so whose key it is is known whatever comes next.
    let is_genuine = checked
        .as_ref()
        .err()
        .is_none_or(KeyError::is_of_a_genuine_key);
    if let Some(record) = record.as_ref().filter(|_| is_genuine) {
        context.identify(record.tenant, record.actor.map(Actor::new));
        context.holds(key.id());
    }
    let verified = checked.map_err(|reason| refused(key.id(), reason))?;
    let Some(actor) = verified.actor() else {
        tracing::error!(key_id = %key.id(), "a stored api key has no actor");
        return Err(Problem::new(
            Kind::Internal,
            "a stored api key is malformed",
        ));
    };
    note_use(app, verified.id(), visit.now);
    if let Some((record, hash)) = record.as_ref().zip(verified.rehashed()) {
        app.rehashes.note(record, hash);
    }
    Ok(Caller::new(
        *verified.tenant(),
        Actor::new(actor),
        *verified.capabilities(),
        Credential::Key(verified.id().clone()),
        verified.expires_at(),
    ))
}

fn visit(app: &App, context: &RequestContext) -> Visit {
    Visit {
        now: app.clock.unix_seconds(),
        address: context.address(),
    }
}

fn refused(key: &KeyId, reason: KeyError) -> Problem {
    if reason == KeyError::Unavailable {
        return unavailable();
    }
    tracing::info!(key_id = %key, reason = reason.code(), "api key refused");
    Problem::new(Kind::CredentialRefused, "the credential is not accepted")
}

fn unavailable() -> Problem {
    Problem::new(Kind::Unavailable, "the credential could not be checked")
}

fn note_use(app: &App, key: &KeyId, now: u64) {
    if app.last_used.note(key, now).is_err() {
        tracing::warn!(key_id = %key, "the use of a key was not noted: too many at once");
    }
}

#[cfg(test)]
mod tests {
    use strongroom_apikey::TEST_KEY;

    use super::*;

    fn kind_of(target: &'static str, headers: &[(&'static str, &str)]) -> Kind {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        shown(&Uri::from_static(target), &map)
            .err()
            .map_or(Kind::Internal, |problem| problem.kind())
    }

    #[test]
    fn one_credential_in_one_place() {
        let kind_of = |headers: &[(&'static str, &str)]| kind_of("/v1/policy?limit=1", headers);
        assert_eq!(kind_of(&[]), Kind::Unauthenticated);
        for refused in [
            "Bearer",
            "Basic dTpw",
            "Bearer nonsense",
            "Bearer ",
            "Bearer a.b c",
        ] {
            assert_eq!(
                kind_of(&[("authorization", refused)]),
                Kind::CredentialRefused,
                "{refused}"
            );
        }
        for refused in ["nonsense", "a.b.c", ""] {
            assert_eq!(
                kind_of(&[("x-api-key", refused)]),
                Kind::CredentialRefused,
                "{refused}"
            );
        }
        for two in [
            [("authorization", "Bearer a.b.c"), ("x-api-key", "x")],
            [("authorization", "Bearer a.b.c"); 2],
            [("x-api-key", TEST_KEY); 2],
        ] {
            assert_eq!(kind_of(&two), Kind::MalformedRequest);
        }
        assert_eq!(kind_of(&[("x-api-key", TEST_KEY)]), Kind::Internal);
        assert_eq!(
            kind_of(&[("authorization", "bearer a.b.c")]),
            Kind::Internal
        );
    }

    #[test]
    fn none_in_a_url_beside_whatever_headers() {
        for target in [
            "/v1/policy?api_key=x",
            "/v1/policy?a=b&access%5Ftoken=x",
            "https://platform.example/v1/policy?X-API-Key=x",
            "/v1/keys/cust_test_EXAMPLEKEY00_00000000000000000000000000000000000000000004Atusu",
        ] {
            for headers in [&[][..], &[("x-api-key", TEST_KEY)]] {
                assert_eq!(kind_of(target, headers), Kind::CredentialInUrl, "{target}");
            }
        }
    }
}
