//! Third gate: who asks. An access token or an API key, one of them, in a header.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use strongroom_apikey::{
    ApiKey, Environment, HashedKey, KeyError, KeyRecord, Networks, reject_unknown,
};
use strongroom_tenancy::{Actor, ActorId};
use strongroom_tenant_token::TokenError;

use super::caller::{Caller, Credential};
use super::request_id::RequestContext;
use crate::app::App;
use crate::postgres::StoredKey;
use crate::problem::{Kind, Problem};

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
        Shown::Token(token) => verify_token(&app, &context, &token),
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

fn verify_token(app: &App, context: &RequestContext, token: &str) -> Result<Caller, Problem> {
    match app.verifier.load().verify(token, app.clock.unix_seconds()) {
        Ok(verified) => {
            let claims = verified.claims();
            let Ok(key) = claims.client_id.parse() else {
                tracing::error!("an access token of ours names no api key");
                let detail = "the credential is not accepted";
                return Err(Problem::new(Kind::CredentialRefused, detail));
            };
            Ok(Caller::new(
                claims.tenant,
                claims.actor.clone(),
                claims.capabilities,
                Credential::Token {
                    id: claims.token_id,
                    key,
                },
                Some(claims.expires_at),
            ))
        }
        Err(rejection) => {
            tracing::info!(reason = rejection.error().code(), "access token refused");
            // The signature held, so the tenant is known and its log can say so.
            if let Some(tenant) = rejection.tenant() {
                context.identify(tenant, rejection.actor().cloned());
            }
            Err(match rejection.error() {
                TokenError::Expired => {
                    Problem::new(Kind::TokenExpired, "the access token has expired")
                }
                TokenError::WrongAudience => Problem::new(
                    Kind::WrongAudience,
                    "the access token is for another audience",
                ),
                _ => Problem::new(Kind::CredentialRefused, "the credential is not accepted"),
            })
        }
    }
}

/// Checks an API key against the database, each time: a revoked key is refused at once.
///
/// # Errors
/// One problem for every refusal of a key; the log says which it was.
pub async fn present_key(
    app: &App,
    context: &RequestContext,
    key: &ApiKey,
) -> Result<Caller, Problem> {
    let hash = key.hash();
    let stored = app
        .lookup
        .api_key(key.id().as_str(), hash.as_bytes())
        .await?;
    let refuse = |reason: KeyError| {
        tracing::info!(key_id = %key.id(), reason = reason.code(), "api key refused");
        Problem::new(Kind::CredentialRefused, "the credential is not accepted")
    };
    let Some(stored) = stored else {
        return Err(refuse(reject_unknown(key)));
    };
    let (record, actor) = record(key, &stored)?;
    // The hash matched in the database, so whose key it is is known whatever comes next.
    context.identify(stored.tenant, Some(Actor::new(actor)));
    let verified = record
        .authenticate(key, app.clock.unix_seconds())
        .map_err(refuse)?;
    Ok(Caller::new(
        *verified.tenant(),
        Actor::new(actor),
        *verified.capabilities(),
        Credential::Key(verified.id().clone()),
        record.expires_at,
    ))
}

fn record(key: &ApiKey, stored: &StoredKey) -> Result<(KeyRecord, ActorId), Problem> {
    let malformed = |what: &'static str| {
        tracing::error!(key_id = %key.id(), what, "a stored api key is malformed");
        Problem::new(Kind::Internal, "a stored api key is malformed")
    };
    let environment: Environment = stored
        .environment
        .parse()
        .map_err(|_| malformed("environment"))?;
    let scheme = u8::try_from(stored.scheme).map_err(|_| malformed("scheme"))?;
    let time = |at: Option<i64>| at.map(|at| u64::try_from(at).unwrap_or(0));
    let record = KeyRecord {
        tenant: stored.tenant,
        id: key.id().clone(),
        environment,
        hash: HashedKey::from_stored(scheme, &stored.hash).map_err(|_| malformed("hash"))?,
        capabilities: stored
            .capabilities
            .parse()
            .map_err(|_| malformed("capabilities"))?,
        expires_at: time(stored.expires_at),
        revoked_at: time(stored.revoked_at),
        networks: Networks::Anywhere,
        retirement: None,
    };
    Ok((
        record,
        stored.actor.parse().map_err(|_| malformed("actor"))?,
    ))
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
