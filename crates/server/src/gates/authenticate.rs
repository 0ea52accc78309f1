//! Third gate: who asks. An access token or an API key, one of them, in a header.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use strongroom_apikey::{ApiKey, KeyError, KeyId, Visit};
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
    let shown = match shown(request.headers()) {
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
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// One credential, in one place, and never in a URL.
fn shown(headers: &HeaderMap) -> Result<Shown, Problem> {
    let refused = || Problem::new(Kind::CredentialRefused, "the credential is not accepted");
    let bearer = headers.get(header::AUTHORIZATION);
    let key = headers.get("x-api-key");
    let text = match (bearer, key) {
        (None, None) => {
            return Err(Problem::new(
                Kind::Unauthenticated,
                "an access token is required",
            ));
        }
        (Some(_), Some(_)) => {
            let problem = Problem::new(Kind::MalformedRequest, "two credentials are given");
            return Err(problem.with_param("x-api-key"));
        }
        (None, Some(key)) => {
            let text = key.to_str().map_err(|_| refused())?;
            return ApiKey::parse(text).map(Shown::Key).map_err(|_| refused());
        }
        (Some(bearer), None) => bearer.to_str().map_err(|_| refused())?,
    };
    let (scheme, credential) = text.split_once(' ').ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    // SDKs of LLM providers show API keys as bearer tokens. A key holds no dot, a token two.
    if credential.contains('.') {
        Ok(Shown::Token(credential.to_owned()))
    } else {
        ApiKey::parse(credential)
            .map(Shown::Key)
            .map_err(|_| refused())
    }
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
    if let Some(record) = record.filter(|_| is_genuine) {
        context.identify(record.tenant, record.actor.map(Actor::new));
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
    use super::*;

    fn kind_of(headers: &[(&'static str, &str)]) -> Kind {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        shown(&map)
            .err()
            .map_or(Kind::Internal, |problem| problem.kind())
    }

    #[test]
    fn one_credential_in_one_place() {
        assert_eq!(kind_of(&[]), Kind::Unauthenticated);
        for refused in ["Bearer", "Basic dTpw", "Bearer nonsense", "Bearer "] {
            assert_eq!(
                kind_of(&[("authorization", refused)]),
                Kind::CredentialRefused,
                "{refused}"
            );
        }
        assert_eq!(
            kind_of(&[("x-api-key", "nonsense")]),
            Kind::CredentialRefused
        );
        let both = [("authorization", "Bearer a.b.c"), ("x-api-key", "x")];
        assert_eq!(kind_of(&both), Kind::MalformedRequest);
    }
}
