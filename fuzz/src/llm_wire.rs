//! Chat completions: nothing panics, what leaves is what the reader takes, and clean.

use strongroom_llm_wire::{ChatAnswer, ChatRequest};
use strongroom_pii::Policy;
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
    let again = ChatAnswer::parse(once.body()).and_then(|a| a.redact(&policy, &TenantId::PLATFORM));
    assert!(again.is_ok(), "what leaves is not taken again");
    if let Ok(twice) = again
        && is_plain(once.body())
    {
        assert_eq!(twice.body(), once.body(), "redacting twice is not once");
        assert!(twice.findings().is_empty(), "personal data left");
    }
}
