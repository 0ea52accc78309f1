//! Puts a chat request and its answer through a PII policy, and refuses what cannot be redacted.

use std::error::Error;

use strongroom::llm_wire::{ChatAnswer, ChatRequest};
use strongroom::pii::Policy;
use strongroom::tenancy::TenantId;

const REQUEST: &[u8] = br#"{"model": "small", "user": "john", "messages": [
    {"role": "user", "content": "My email is john@example.com and SSN is 123-45-6789"}]}"#;
const ANSWER: &[u8] = br#"{"choices": [{"index": 0, "finish_reason": "stop",
    "message": {"role": "assistant", "content": "Call +1 212 555 0143."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 5}}"#;
const IMAGE: &[u8] = br#"{"model": "small", "messages": [{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": "https://example.com/passport.png"}}]}]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let policy = Policy::strict();

    // What goes to the provider is written anew: redacted, and without who asks.
    let request = ChatRequest::parse(REQUEST)?.redact(&policy, &tenant)?;
    let upstream = String::from_utf8(request.upstream_body())?;
    println!("to the provider: {upstream}");
    assert!(upstream.contains("My email is [EMAIL] and SSN is [US_SSN]"));
    assert!(!upstream.contains("john"));
    for tally in request.findings().iter() {
        println!("  {}: {} replaced", tally.class, tally.replaced);
    }

    // Answers are somebody's data as well.
    let answer = ChatAnswer::parse(ANSWER)?.redact(&policy, &tenant)?;
    println!("to the client: {}", std::str::from_utf8(answer.body())?);
    assert_eq!(answer.findings().replaced(), 1);

    // An image could show anything: it is refused, by its place and without its value.
    let refused = ChatRequest::parse(IMAGE)?.redact(&policy, &tenant).err();
    println!("refused: {}", refused.ok_or("an image went through")?);
    Ok(())
}
