//! Limits, counts, and what is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde_json::json;
use strongroom_llm_wire::{
    ChatAnswer, ChatRequest, MAX_DEPTH, MAX_MESSAGES, RedactedRequest, WireError,
};
use strongroom_pii::{Class, Policy};
use strongroom_tenancy::TenantId;

const FLAG_ALL: &str = "version = 1\n[[rules]]\ntenant = \"*\"\nclass = \"*\"\nchannel = \"prompt\"\nmode = \"flag\"\n";

fn redact(policy: &Policy, request: &serde_json::Value) -> Result<RedactedRequest, WireError> {
    ChatRequest::parse(request.to_string().as_bytes())?.redact(policy, &TenantId::PLATFORM)
}

/// The fields of OpenAI's API reference, "Create chat completion"; a new one is decided upon
/// here before it passes.
#[test]
fn every_documented_field_is_known_and_no_other() {
    for field in [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ] {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        request[field] = json!(null);
        assert!(redact(&Policy::strict(), &request).is_ok(), "{field}");
        request[format!("{field}_")] = json!(null);
        let error = ChatRequest::parse(request.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), "unknown_field", "{field}");
    }
}

#[test]
fn limits_are_where_they_say() {
    let request = |model: String, messages: usize| {
        let message = json!({"role": "user", "content": "hi"});
        json!({"model": model, "messages": vec![message; messages]})
    };
    let strict = Policy::strict();
    assert!(redact(&strict, &request("m".repeat(256), MAX_MESSAGES)).is_ok());
    let error = redact(&strict, &request("m".repeat(257), 1)).unwrap_err();
    assert_eq!(error.field(), Some("model"));
    let error = redact(&strict, &request("m".to_owned(), MAX_MESSAGES + 1)).unwrap_err();
    assert_eq!(error.field(), Some("messages"));

    // The document's own object, and `stop`'s arrays within.
    let nested = |depth: usize| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user"}}],"stop":{}{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert!(ChatRequest::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    let error = ChatRequest::parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
    assert_eq!(error.code(), "json_too_deep");
    assert!(error.field().unwrap().starts_with("stop[0][0]"));
    let error = ChatRequest::parse("{\"model\":[".repeat(200_000).as_bytes()).unwrap_err();
    assert_eq!(error.code(), "json_too_deep");
}

#[test]
fn arguments_nested_too_deep_are_redacted_as_text() {
    let arguments = format!(
        "{}\"a\\u0040example.com\"{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let call = json!({"id": "c", "type": "function",
        "function": {"name": "f", "arguments": arguments}});
    let request = json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]});
    let redacted = redact(&Policy::strict(), &request).unwrap();
    let body = String::from_utf8(redacted.upstream_body()).unwrap();
    assert!(body.contains("[[\\\"[EMAIL]\\\"]]"));
}

/// Each value under a name is read with it: a long name must not make that quadratic.
#[test]
fn a_long_name_over_many_values_costs_no_more_than_both() {
    let name = "n".repeat(200_000);
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "hi",
        "more": {name: vec!["x"; 50_000]}}]});
    assert!(redact(&Policy::strict(), &request).is_ok());
}

#[test]
fn findings_are_counted_by_class_and_action() {
    let request = json!({"model": "m", "messages": [
        {"role": "user", "content": "a@example.com, b@example.com"},
        {"role": "user", "content": "123-45-6789 log j\\u0040example.com"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "f", "arguments": "{\"ssn\":\"123456789 123-45-6789\"}"}}]}]});
    let tallies = |policy: &Policy| {
        let redacted = redact(policy, &request).unwrap();
        let tally = redacted.findings().iter();
        tally
            .map(|t| (t.class.clone(), t.replaced, t.flagged))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        tallies(&Policy::strict()),
        [(Class::Email, 3, 0), (Class::UsSsn, 3, 0)]
    );
    // Tool calls are another channel, which the rule does not reach.
    let flagging = Policy::from_toml(FLAG_ALL).unwrap();
    let flagged = redact(&flagging, &request).unwrap();
    assert_eq!(flagged.findings().flagged(), 4);
    assert_eq!(flagged.findings().replaced(), 2);
}

#[test]
fn order_is_kept_and_only_text_changes() {
    let body = r#"{"top_p":0.1,"messages":[{"content":"a@example.com","role":"user"}],"n":1.0,"model":"m","seed":18446744073709551615}"#;
    let request = ChatRequest::parse(body.as_bytes()).unwrap();
    let redacted = request
        .redact(&Policy::strict(), &TenantId::PLATFORM)
        .unwrap();
    let expected = body.replace("a@example.com", "[EMAIL]");
    assert_eq!(redacted.upstream_body(), expected.into_bytes());
}

#[test]
fn nothing_that_is_printed_holds_text() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"nobody home"}]}"#;
    let request = ChatRequest::parse(body).unwrap();
    assert_eq!(format!("{request:?}"), "ChatRequest { .. }");
    let redacted = request
        .redact(&Policy::strict(), &TenantId::PLATFORM)
        .unwrap();
    assert_eq!(
        format!("{redacted:?}"),
        "RedactedRequest { model: \"m\", bytes: 66, findings: Findings { tallies: {} }, .. }"
    );
    let body = br#"{"choices":[{"finish_reason":"stop","message":{"content":"nobody home"}}]}"#;
    let answer = ChatAnswer::parse(body).unwrap();
    assert_eq!(format!("{answer:?}"), "ChatAnswer { .. }");
    let redacted = answer
        .redact(&Policy::strict(), &TenantId::PLATFORM)
        .unwrap();
    assert_eq!(
        format!("{redacted:?}"),
        "RedactedAnswer { bytes: 74, findings: Findings { tallies: {} }, model: None, usage: None, \
         finish_reasons: [\"stop\"], .. }"
    );
}

#[test]
fn errors_read_as_sentences() {
    let parse = |body: &str| ChatRequest::parse(body.as_bytes()).unwrap_err().to_string();
    assert_eq!(parse("{"), "the body is not valid JSON");
    assert_eq!(parse("[]"), "the body: expected an object");
    assert_eq!(parse("{}"), "messages: required");
    assert_eq!(
        parse(r#"{"stream":true}"#),
        "stream: streamed answers are not supported"
    );
}
