//! The main job: a tenant's call to its provider, between two durable events.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use strongroom_auditchain::{FieldValue, Outcome, Receipt, Slug};
use strongroom_llm_wire::{ChatAnswer, RedactedAnswer, RestoredAnswer};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use super::{column, internal, providers};
use crate::app::App;
use crate::audit::{Draft, new_event_id, seal_payload};
use crate::gates::{Caller, Redacted, RequestContext, RequestHandle, TenantContext, examine};
use crate::postgres::Access;
use crate::problem::{Kind, Problem};
use crate::upstream::{Upstream, UpstreamError};
use crate::vault::{self, Taken};

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
/// The attempt is durable before the credential is opened, the outcome before the answer leaves; what
/// was said is sealed beside the two events, every value in it replaced for good. Where the policy is
/// reversible, the values are in the vault before the text leaves that has their tokens.
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
    let said = sealable_prompt(redacted.request.audit_body().to_vec())?;
    // No text leaves whose tokens nobody could restore.
    vault::keep(&app, &request, &caller, &tenant, &redacted.taken).await?;
    let model = redacted.request.audit_model();
    let asked = vec![part("prompt", &said)?, part("model", model.as_bytes())?];
    call.record("chat.attempt", Outcome::Attempt, asked).await?;

    let answered = call.ask(upstream, &sealed, prompt).await;
    let answer = match answered {
        Ok(bytes) => {
            let (through, owner) = (redacted.clone(), tenant.tenant());
            let examined = examine(&app.redactions, move || answer(&through, &owner, &bytes));
            match examined.await {
                Ok(Ok(answer)) => call.keep(&tenant, answer).await,
                Ok(Err(failed)) => Err(failed),
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
            Ok((json, answer.into_body()).into_response())
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

/// An answer on its way to the caller.
struct Answer {
    redacted: RedactedAnswer,
    /// With values in the place of tokens, where the policy puts them back.
    restored: Option<RestoredAnswer>,
    /// What its own texts gave up.
    taken: Taken,
}

impl Answer {
    fn into_body(self) -> Vec<u8> {
        match self.restored {
            Some(restored) => restored.into_body(),
            None => self.redacted.into_body(),
        }
    }
}

/// What the outcome's payload says: the answer as an audit log may have it, by which model and of how
/// many tokens, as far as the provider says so; and how many values were put back of which class.
fn answered_with(answer: &Answer) -> Result<Vec<FieldValue>, Problem> {
    let redacted = &answer.redacted;
    let mut said = vec![part("answer", redacted.audit_body())?];
    if let Some(model) = redacted.audit_model() {
        said.push(part("model", model.as_bytes())?);
    }
    if let Some((input, output)) = redacted.usage() {
        said.push(part("input_tokens", input.to_string().as_bytes())?);
        said.push(part("output_tokens", output.to_string().as_bytes())?);
    }
    if let Some(restored) = &answer.restored {
        let counts = restored.restored().iter();
        let counts: BTreeMap<_, _> = counts.map(|(class, count)| (class.id(), *count)).collect();
        let counts = serde_json::to_vec(&counts).map_err(internal)?;
        said.push(part("restored", &counts)?);
        said.push(part(
            "withheld",
            restored.withheld().to_string().as_bytes(),
        )?);
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

/// Puts an answer through the policy, and then the values back that the caller's own prompt gave up,
/// where the policy says so. What is found in the answer itself is not put back.
fn answer(
    through: &Redacted,
    tenant: &TenantId,
    bytes: &[u8],
) -> Result<Answer, (&'static str, Problem)> {
    let malformed = || {
        let detail = "the provider's answer is malformed";
        let problem = Problem::new(Kind::UpstreamFailed, detail);
        ("answer-malformed", problem)
    };
    let policy = through.policy.restore();
    let tokens = through.taken.restorer(policy.unwrap_or_default());
    let taken = Taken::default();
    let guard = through.guard(tenant, &taken).with_tokens(&tokens);
    let redacted = ChatAnswer::parse(bytes).and_then(|answer| answer.redact_with(&guard));
    let redacted = redacted.map_err(|error| match Problem::from(error) {
        problem if problem.kind() == Kind::PiiBlocked => ("pii-blocked", problem),
        _ => malformed(),
    })?;
    check_answer_length(redacted.body().len().max(redacted.audit_body().len()))?;
    let restored = match policy {
        Some(_) if !tokens.is_empty() => Some(redacted.restore(&tokens)),
        _ => None,
    };
    let restored = restored.transpose().map_err(|_| malformed())?;
    Ok(Answer {
        redacted,
        restored,
        taken,
    })
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

    /// Keeps what an answer gave up, before anything of it leaves.
    async fn keep(
        &self,
        tenant: &TenantContext,
        answer: Answer,
    ) -> Result<Answer, (&'static str, Problem)> {
        let kept = vault::keep(self.app, self.request, self.caller, tenant, &answer.taken);
        match kept.await {
            Ok(()) => Ok(answer),
            Err(problem) => Err(("values-not-kept", problem)),
        }
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
        for reason in ["answer-unexamined", "values-not-kept"] {
            assert!(reason.parse::<Slug>().is_ok());
        }
    }
}
