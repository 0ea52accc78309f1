//! The value behind a token, for an operator who says why.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use strongroom_auditchain::Outcome;
use strongroom_pii::{Channel, Class, Policy, Token};
use strongroom_tenancy::Capability;
use zeroize::Zeroize;

use super::keys::{Recorded, check_reason};
use super::{internal, not_found};
use crate::app::App;
use crate::body::Json;
use crate::gates::{Caller, RequestHandle, TenantContext};
use crate::problem::{Kind, Problem};
use crate::vault;

/// A token whose value is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The token as it stands in a text, with its brackets.
    token: String,
    /// Why, 1 to 2000 bytes.
    #[serde(default)]
    reason: String,
}

/// Shows the value that a token of the tenant's stands for. Who asked, for what class and why is
/// durable before the value leaves; the event has the token's SHA-256, and the reason without personal
/// data.
///
/// The capability is `pii:unmask:` and the class's id, which that of the class's group has in it; it is
/// asked for by the token's own label, before anything is looked up.
///
/// # Errors
/// `reason-required` without a reason, `capability-missing`, `not-found` for another tenant's token,
/// one that was never made and one whose value is gone.
pub async fn unmask(
    State(app): State<Arc<App>>,
    RequestHandle(request): RequestHandle,
    caller: Caller,
    tenant: TenantContext,
    Json(asked): Json<Asked>,
) -> Result<Response, Problem> {
    check_reason(&asked.reason)?;
    let token: Token = asked.token.parse().map_err(|error| {
        let error: strongroom_pii::TokenError = error;
        Problem::new(Kind::InvalidField, error.to_string()).with_param("token")
    })?;
    let needed = needed(&token).ok_or_else(not_found)?;
    if !caller.capabilities().contains(needed) {
        tracing::info!(capability = %needed, "capability missing");
        let problem = Problem::new(Kind::CapabilityMissing, "the caller lacks the capability");
        return Err(problem.with_param(needed.as_str()));
    }
    let kept = vault::open(&app, &tenant, &token).await?;
    // A row that says another class than its token does not decide who may see it.
    let kept = kept.filter(|kept| Capability::unmask(&kept.class) == Some(needed));
    let kept = kept.ok_or_else(not_found)?;
    let recorded = Recorded {
        app: &app,
        request: &request,
        caller: &caller,
    };
    // As all that is written down: nothing in it is a value, or leads back to one.
    let reason = Policy::strict().redact(&tenant.tenant(), Channel::Audit, &asked.reason);
    let reason = reason.map_err(internal)?.text;
    let reason = Token::labels(&reason);
    let hash = hex::encode(Sha256::digest(token.as_str()));
    let why = [("reason", reason.as_ref()), ("token_sha256", hash.as_str())];
    let (kind, resource) = ("pii.unmask", format!("pii/{}", kept.class));
    let owner = tenant.tenant();
    let appended = recorded.append(owner, kind, Outcome::Success, &resource, &why);
    request.acknowledge(&appended.await?);
    let value = std::str::from_utf8(&kept.value);
    let value = value.map_err(|_| Problem::new(Kind::RecordUnopened, "the value does not open"))?;
    let mut body = json!({
        "token": token.as_str(),
        "class": kept.class,
        "channel": kept.channel,
        "kept_at": kept.kept_at,
        "event_id": kept.event.to_string(),
        "value": value,
    });
    let response = axum::Json(&body).into_response();
    if let Some(Value::String(text)) = body.get_mut("value") {
        text.zeroize();
    }
    Ok(response)
}

/// What it takes to see the value behind a token, by the token's label: that of a built-in class, or
/// else of one of the tenant's own.
fn needed(token: &Token) -> Option<Capability> {
    let label = token.label();
    let known = Class::ALL.iter().find(|class| class.label() == label);
    known.map_or(Some(Capability::UnmaskCustom), |class| {
        Capability::unmask(class.id())
    })
}

#[cfg(test)]
mod tests {
    use strongroom_tenancy::UnmaskClass;

    use super::*;

    #[test]
    fn every_class_takes_the_capability_of_its_own_id() {
        for class in Class::ALL {
            let token = Token::from_random(class, &[7; Token::RANDOM]);
            let needed = needed(&token).map(Capability::as_str);
            let expected = format!("pii:unmask:{class}");
            assert_eq!(needed, Some(expected.as_str()), "{class}");
        }
        assert_eq!(Class::ALL.len(), UnmaskClass::COUNT);
    }
}
