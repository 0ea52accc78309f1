//! Chat completions: nothing panics, what leaves is what the reader takes, and clean; what comes back
//! is JSON, and what is written down leads back to nothing.

use std::iter;
use std::sync::{Mutex, OnceLock};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use strongroom_llm_wire::{ChatAnswer, ChatRequest, Guard};
use strongroom_pii::{Binding, Policy, RestorePolicy, Restorer, Token, Vault, VaultError};
use strongroom_tenancy::TenantId;

/// Whether no text holds a backslash: escapes quoted within a text are decoded one layer a pass.
fn is_plain(body: &[u8]) -> bool {
    !body.windows(2).any(|pair| pair == br"\\")
}

/// A request as a client may send it.
pub fn request(data: &[u8]) {
    let policy = Policy::strict();
    let Ok(request) = ChatRequest::parse(data) else {
        return;
    };
    let Ok(once) = request.redact(&policy, &TenantId::PLATFORM) else {
        return;
    };
    assert_leads_nowhere(once.audit_body(), iter::empty());
    let body = once.upstream_body();
    let again = ChatRequest::parse(&body).and_then(|r| r.redact(&policy, &TenantId::PLATFORM));
    assert!(again.is_ok(), "what leaves is not taken again");
    if let Ok(twice) = again
        && is_plain(&body)
    {
        assert_eq!(twice.upstream_body(), body, "redacting twice is not once");
        assert!(twice.findings().is_empty(), "personal data left");
    }
}

/// An answer as a provider may send it.
pub fn answer(data: &[u8]) {
    let policy = Policy::strict();
    let Ok(answer) = ChatAnswer::parse(data) else {
        return;
    };
    let Ok(once) = answer.redact(&policy, &TenantId::PLATFORM) else {
        return;
    };
    assert_leads_nowhere(once.audit_body(), iter::empty());
    let again = ChatAnswer::parse(once.body()).and_then(|a| a.redact(&policy, &TenantId::PLATFORM));
    assert!(again.is_ok(), "what leaves is not taken again");
    if let Ok(twice) = again
        && is_plain(once.body())
    {
        assert_eq!(twice.body(), once.body(), "redacting twice is not once");
        assert!(twice.findings().is_empty(), "personal data left");
    }
}

/// What a text gave up.
#[derive(Default)]
struct Taken(Mutex<Vec<(Binding, SecretString)>>);

impl Vault for Taken {
    fn keep(&self, binding: &Binding, value: &SecretString) -> Result<(), VaultError> {
        let value = SecretString::from(value.expose_secret().to_owned());
        let mut taken = self.0.lock().map_err(|_| VaultError)?;
        taken.push((binding.clone(), value));
        Ok(())
    }

    fn open(&self, _: &Binding) -> Result<Option<SecretString>, VaultError> {
        Ok(None)
    }
}

/// The characters of a token that are drawn at random.
fn random(token: &Token) -> &str {
    let inner = token.as_str().trim_end_matches(']');
    inner.rsplit_once('_').map_or(inner, |(_, random)| random)
}

/// What is written down is JSON, has none of these tokens in whatever case or marks, and no text that
/// spells one.
fn assert_leads_nowhere<'a>(written: &[u8], tokens: impl Iterator<Item = &'a Token>) {
    let document: Value = serde_json::from_slice(written).expect("what is written down is JSON");
    assert!(is_clean(&document, "", 0), "a token is written down");
    let letters: String = String::from_utf8_lossy(written)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    for token in tokens {
        assert!(!letters.contains(random(token)), "{token} is written down");
    }
}

/// Whether no text of it spells a token. A name and its value may, together: they are two texts, also in
/// the JSON that tools are called with.
fn is_clean(document: &Value, name: &str, depth: usize) -> bool {
    let spells_none = |text: &str| Token::labels(text) == text;
    match document {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) if depth < 3 && matches!(name, "arguments" | "input") => {
            match serde_json::from_str(text) {
                Ok(inner @ (Value::Array(_) | Value::Object(_))) => is_clean(&inner, "", depth + 1),
                _ => spells_none(text),
            }
        }
        Value::String(text) => spells_none(text),
        Value::Array(elements) => elements.iter().all(|it| is_clean(it, name, depth)),
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| spells_none(name) && is_clean(value, name, depth)),
    }
}

/// A request under a policy that takes everything out reversibly, and an answer that says it again.
pub fn reversible(data: &[u8]) {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    let policy = POLICY.get_or_init(|| {
        let source = "version = 1\nrestore = { answers = true, urls = true, tools = true }\n\
             [[rules]]\ntenant = '*'\nclass = '*'\nchannel = '*'\nmode = 'reversible'\n";
        Policy::from_toml(source).expect("a policy")
    });
    let (tenant, taken) = (TenantId::PLATFORM, Taken::default());
    let guard = Guard::new(policy, &tenant).with_vault(&taken);
    let Ok(redacted) = ChatRequest::parse(data).and_then(|r| r.redact_with(&guard)) else {
        return;
    };
    let values = taken.0.into_inner().expect("no panic");
    let tokens = || values.iter().map(|(binding, _)| &binding.token);
    assert_leads_nowhere(redacted.audit_body(), tokens());

    let mut restorer = Restorer::new(RestorePolicy {
        answers: true,
        urls: true,
        tools: true,
    });
    for (binding, value) in &values {
        let value = SecretString::from(value.expose_secret().to_owned());
        restorer.insert(binding.class.clone(), &binding.token, value);
    }
    let said = String::from_utf8_lossy(&redacted.upstream_body()).into_owned();
    let message = serde_json::json!({ "role": "assistant", "content": said });
    let body = serde_json::json!({ "choices": [{ "message": message }] }).to_string();
    let strict = Policy::strict();
    let guard = Guard::new(&strict, &tenant).with_tokens(&restorer);
    let answer = ChatAnswer::parse(body.as_bytes()).and_then(|answer| answer.redact_with(&guard));
    let Ok(answer) = answer else { return };
    assert_leads_nowhere(answer.audit_body(), tokens());
    let restored = answer.restore(&restorer).expect("what was written is read");
    assert!(ChatAnswer::parse(&restored.into_body()).is_ok(), "no answer any more");
}
