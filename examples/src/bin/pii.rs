//! Redacts a prompt under the strict policy, and under one that blocks and flags.

use std::error::Error;

use strongroom::pii::{Channel, Policy};
use strongroom::tenancy::TenantId;

const POLICY: &str = r#"
version = 7

[[rules]]
tenant = "*"
class = "gov.*"
channel = "prompt"
mode = "block"

[[rules]]
tenant = "*"
class = "contact.email"
channel = "*"
mode = "flag"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let prompt = "My email is john@example.com and SSN is 123-45-6789";

    // Without rules everything that is recognised is replaced.
    let strict = Policy::strict().redact(&tenant, Channel::Prompt, prompt)?;
    println!("{}", strict.text);
    assert_eq!(strict.text, "My email is [EMAIL] and SSN is [US_SSN]");
    for found in &strict.findings {
        // A finding says what and where, and never repeats the value.
        println!(
            "  {} at {:?}, confidence {}",
            found.class, found.span.bytes, found.confidence
        );
    }

    let policy = Policy::from_toml(POLICY)?;
    println!("policy {} has hash {}", policy.version(), policy.hash_hex());
    let blocked = policy.redact(&tenant, Channel::Prompt, prompt).err();
    println!("{}", blocked.ok_or("the policy did not block")?);

    // Flagged is reported and left; on a channel without a rule the rest stays strict.
    let flagged = policy.redact(&tenant, Channel::Webhook, prompt)?;
    println!("{}", flagged.text);
    assert_eq!(
        flagged.text,
        "My email is john@example.com and SSN is [US_SSN]"
    );
    Ok(())
}
