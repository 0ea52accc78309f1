//! The main job: a tenant's call to its provider, between two durable events.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use strongroom_auditchain::{FieldValue, Outcome, Receipt, Slug};
use strongroom_llm_wire::{ChatAnswer, RedactedAnswer};
use strongroom_pii::Policy;
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use super::{column, internal, providers};
use crate::app::App;
use crate::audit::{Draft, new_event_id, seal_payload};
use crate::gates::{Caller, Redacted, RequestContext, RequestHandle, TenantContext, examine};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::upstream::{Upstream, UpstreamError};

/// The credential that chat calls use.
const PROVIDER: &str = "default";

/// The longest text that is sealed beside an event, in bytes: a payload takes 16 MiB with all its
/// parts. Labels can make a text longer than it came.
const MAX_TEXT: usize = 15 << 20;

/// One call on its way.
struct Call<'a> {
    app: &'a App,
    request: &'a RequestContext,
    caller: &'a Caller,
    policy_hash: [u8; 32],
}

/// Passes a redacted request to the provider and its redacted answer back.
///
/// The attempt is durable before the credential is opened, the outcome before the answer leaves;
/// what was said is sealed, redacted, beside the two events.
///
/// # Errors
/// A problem.
pub async fn complete(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Extension(redacted): Extension<Redacted>,
) -> Result<Response, Problem> {
    let upstream = app
        .upstream
        .as_ref()
        .ok_or_else(|| Problem::new(Kind::UpstreamNotConfigured, "no provider is configured"))?;
    let sealed = stored_credential(&tenant).await?;
    let call = Call {
        app: &app,
        request: &request,
        caller: &caller,
        policy_hash: redacted.policy.hash(),
    };
    let prompt = sealable_prompt(redacted.request.upstream_body())?;
    let model = redacted.request.model();
    let asked = vec![part("prompt", &prompt)?, part("model", model.as_bytes())?];
    call.record("chat.attempt", Outcome::Attempt, asked).await?;

    let answered = call.ask(upstream, &sealed, prompt).await;
    let answer = match answered {
        Ok(bytes) => {
            let (policy, owner) = (Arc::clone(&redacted.policy), tenant.tenant());
            let examined = examine(&app.redactions, move || redact(&policy, &owner, &bytes));
            match examined.await {
                Ok(answer) => answer,
                Err(problem) => Err(("answer-unexamined", problem)),
            }
        }
        Err(error) => Err((error.code(), upstream_problem(error))),
    };
    match answer {
        Ok(answer) => {
            let receipt = call
                .record("chat.outcome", Outcome::Success, answered_with(&answer)?)
                .await?;
            request.acknowledge(&receipt);
            let json = [(header::CONTENT_TYPE, "application/json")];
            Ok((json, answer.body().to_vec()).into_response())
        }
        Err((reason, problem)) => {
            let reason: Slug = reason.parse().map_err(internal)?;
            let receipt = call.record_failure(Outcome::Failed(reason)).await?;
            request.acknowledge(&receipt);
            Err(problem)
        }
    }
}

async fn stored_credential(tenant: &TenantContext) -> Result<Vec<u8>, Problem> {
    const READ: &str =
        "select sealed from app.provider_credentials where name = $1 and sealed <> ''";
    let mut tx = tenant.begin(Access::Read).await?;
    let rows = tx.query(READ, &[&PROVIDER]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or_else(|| {
        Problem::new(
            Kind::UpstreamNotConfigured,
            "no credential is stored for provider default",
        )
    })?;
    Ok(column(row, 0)?)
}

/// Refuses a prompt that could not be recorded, before anything says that it was attempted.
fn sealable_prompt(prompt: Vec<u8>) -> Result<Vec<u8>, Problem> {
    if prompt.len() > MAX_TEXT {
        let detail = "the body is too long once it is redacted";
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    Ok(prompt)
}

/// What the outcome's payload says: the redacted answer, and by which model and of how many tokens,
/// as far as the provider says so.
fn answered_with(answer: &RedactedAnswer) -> Result<Vec<FieldValue>, Problem> {
    let mut said = vec![part("answer", answer.body())?];
    if let Some(model) = answer.model() {
        said.push(part("model", model.as_bytes())?);
    }
    if let Some((input, output)) = answer.usage() {
        said.push(part("input_tokens", input.to_string().as_bytes())?);
        said.push(part("output_tokens", output.to_string().as_bytes())?);
    }
    Ok(said)
}

fn part(name: &str, value: &[u8]) -> Result<FieldValue, Problem> {
    let name = name.parse().map_err(internal)?;
    Ok((name, Zeroizing::new(value.to_vec())))
}

fn check_answer_length(length: usize) -> Result<(), (&'static str, Problem)> {
    if length > MAX_TEXT {
        let detail = "the provider's answer is too long once it is redacted";
        let problem = Problem::new(Kind::UpstreamFailed, detail);
        return Err(("answer-too-long", problem));
    }
    Ok(())
}

fn redact(
    policy: &Policy,
    tenant: &TenantId,
    bytes: &[u8],
) -> Result<RedactedAnswer, (&'static str, Problem)> {
    let answer = ChatAnswer::parse(bytes).and_then(|answer| answer.redact(policy, tenant));
    let answer = answer.map_err(|error| match Problem::from(error) {
        problem if problem.kind() == Kind::PiiBlocked => ("pii-blocked", problem),
        _ => {
            let detail = "the provider's answer is malformed";
            (
                "answer-malformed",
                Problem::new(Kind::UpstreamFailed, detail),
            )
        }
    })?;
    check_answer_length(answer.body().len())?;
    Ok(answer)
}

impl Call<'_> {
    /// The credential is opened here, for this one call, and wiped when it returns.
    async fn ask(
        &self,
        upstream: &Upstream,
        sealed: &[u8],
        prompt: Vec<u8>,
    ) -> Result<Vec<u8>, UpstreamError> {
        let context = providers::context(PROVIDER).map_err(|_| UpstreamError::Credential)?;
        let tenant = self.caller.tenant();
        let opened = self.app.keys.open(&tenant, &context, sealed);
        let credential = opened.await.map_err(|error| {
            tracing::error!(%error, "a credential did not open");
            UpstreamError::Credential
        })?;
        upstream.chat(&credential, prompt).await
    }

    /// Records one of the call's two events with what was said, sealed, and waits until it is
    /// durable.
    async fn record(
        &self,
        kind: &'static str,
        outcome: Outcome,
        said: Vec<FieldValue>,
    ) -> Result<Receipt, Problem> {
        let app = self.app;
        let tenant = self.caller.tenant();
        let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
        let (payload, commitments) = seal_payload(&app.keys, &tenant, id, said).await?;
        let leaf = self
            .draft(kind, outcome)
            .leaf(id, app.clock.unix_micros(), commitments)
            .map_err(internal)?;
        Ok(app
            .sequencer
            .append(tenant, id, leaf, Some(payload))
            .await?)
    }

    async fn record_failure(&self, outcome: Outcome) -> Result<Receipt, Problem> {
        let app = self.app;
        let id = new_event_id(app.clock.as_ref()).map_err(internal)?;
        let leaf = self
            .draft("chat.outcome", outcome)
            .leaf(id, app.clock.unix_micros(), Vec::new())
            .map_err(internal)?;
        Ok(app
            .sequencer
            .append(self.caller.tenant(), id, leaf, None)
            .await?)
    }

    fn draft(&self, kind: &'static str, outcome: Outcome) -> Draft {
        Draft {
            kind,
            actor: Some(self.caller.actor().clone()),
            request: self.request.id,
            resource: Some(format!("provider/{PROVIDER}")),
            credential: self.request.credential(),
            policy: Some(self.policy_hash),
            outcome,
        }
    }
}

fn upstream_problem(error: UpstreamError) -> Problem {
    tracing::warn!(%error, "the provider failed");
    match error {
        UpstreamError::Timeout => Problem::new(Kind::UpstreamTimeout, "the provider took too long"),
        UpstreamError::Refused {
            status: 401 | 403, ..
        }
        | UpstreamError::Credential => Problem::new(
            Kind::UpstreamFailed,
            "the provider did not accept the stored credential",
        ),
        UpstreamError::Refused {
            status: 429,
            retry_after,
        } => Problem::new(Kind::RateLimited, "the provider asks for a pause")
            .with_retry_after(retry_after.unwrap_or(1)),
        UpstreamError::Refused { .. } => {
            Problem::new(Kind::UpstreamFailed, "the provider refused the request")
        }
        _ => Problem::new(Kind::UpstreamFailed, "the provider did not answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_payload_cannot_hold_is_refused_both_ways() {
        assert!(sealable_prompt(vec![0; MAX_TEXT]).is_ok());
        let problem = sealable_prompt(vec![0; MAX_TEXT + 1]).unwrap_err();
        assert_eq!(problem.kind(), Kind::BodyTooLarge);
        assert!(check_answer_length(MAX_TEXT).is_ok());
        let (reason, problem) = check_answer_length(MAX_TEXT + 1).unwrap_err();
        assert_eq!(
            (reason, problem.kind()),
            ("answer-too-long", Kind::UpstreamFailed)
        );
        assert!(reason.parse::<Slug>().is_ok());
        assert!("answer-unexamined".parse::<Slug>().is_ok());
    }
}
