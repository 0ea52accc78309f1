//! What a message says, by the tenant's policy for channel `webhook`.

use serde_json::Value;
use strongroom_apikey::KeyId;
use strongroom_pii::{
    Binding, Channel, LinkingKey, Policy, RedactError, Redactor, Vault, VaultError,
};
use strongroom_tenancy::{ActorId, Capability, TenantId};
use uuid::Uuid;

/// Keeps nothing: a token in a message has no value behind it.
struct Nowhere;

impl Vault for Nowhere {
    fn keep(&self, _: &Binding, _: &secrecy::SecretString) -> Result<(), VaultError> {
        Ok(())
    }

    fn open(&self, _: &Binding) -> Result<Option<secrecy::SecretString>, VaultError> {
        Ok(None)
    }
}

/// Puts each text of a message through the policy; what is blocked, or cannot be redacted, is `null`,
/// so that who subscribed still learns that something happened. The platform's own ids stay what they
/// are.
pub(super) fn redacted(
    mut data: Value,
    policy: &Policy,
    tenant: &TenantId,
    key: Option<&LinkingKey>,
) -> Value {
    let mut redactor = Redactor::new(policy, tenant, Channel::Webhook).with_vault(&Nowhere);
    if let Some(key) = key {
        redactor = redactor.with_linking_key(key);
    }
    match walk(&mut data, "", &mut redactor) {
        Ok(()) => data,
        Err(error) => {
            tracing::warn!(%error, %tenant, "a webhook message goes without its data");
            Value::Null
        }
    }
}

fn walk(value: &mut Value, name: &str, redactor: &mut Redactor<'_>) -> Result<(), RedactError> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            if !is_own(text) {
                *text = redactor.redact_named(name, text)?.text;
            }
        }
        Value::Array(elements) => {
            for element in elements {
                walk(element, name, redactor)?;
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                walk(value, name, redactor)?;
            }
        }
    }
    Ok(())
}

/// Whether a text is the platform's own word: an id, which is random, or a capability's name.
fn is_own(text: &str) -> bool {
    text.parse::<Uuid>().is_ok()
        || text.parse::<ActorId>().is_ok()
        || text.parse::<KeyId>().is_ok()
        || text.parse::<Capability>().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_goes_by_the_policy_of_its_channel() {
        let data = json!({
            "id": "EXAMPLEKEY00", "actor": "user:0190b2a4-8c7e-7d3a-9f00-0242ac120002",
            "name": "john@example.com", "tries": 2, "names": ["ssn 536-90-4399"],
            "capabilities": ["pii:unmask:gov.id.it"],
        });
        let by = |rest: &str| {
            let source = format!("version = 2\n{rest}");
            let policy = Policy::from_toml(&source).unwrap();
            let key = LinkingKey::new([7; 32]);
            redacted(data.clone(), &policy, &TenantId::PLATFORM, Some(&key))
        };
        let rule = |mode: &str| {
            format!(
                "[[rules]]\ntenant = '*'\nclass = 'contact.email'\nchannel = 'webhook'\nmode = '{mode}'\n"
            )
        };
        let mut strict = data.clone();
        strict["name"] = json!("[EMAIL]");
        strict["names"] = json!(["ssn [US_SSN]"]);
        assert_eq!(by(""), strict);
        // What looks like a host is none in a capability's name, however little it takes.
        let hosts =
            rule("strict'\nmin_confidence = 0.0\noperator = 'label").replace("email", "url");
        assert_eq!(by(&hosts)["capabilities"], data["capabilities"]);
        let mut flagged = strict.clone();
        flagged["name"] = data["name"].clone();
        assert_eq!(by(&rule("flag")), flagged);
        assert_eq!(by(&rule("block")), Value::Null);
        let linked = by(&rule("strict'\noperator = 'hmac"))["name"].clone();
        assert!(linked.as_str().unwrap().starts_with("[EMAIL#"), "{linked}");
        let token = by(&rule("reversible"))["name"].clone();
        let token = token.as_str().unwrap();
        assert!(token.parse::<strongroom_pii::Token>().is_ok(), "{token}");
    }
}
