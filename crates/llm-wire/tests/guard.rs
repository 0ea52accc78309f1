//! What leaves, what comes back, and what may be written down, under policies that let values pass or
//! come back.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use strongroom_llm_wire::{ChatAnswer, ChatRequest, Guard, RedactedRequest, WireError};
use strongroom_pii::{
    Binding, Channel, Class, LinkingKey, MemoryVault, Policy, RestorePolicy, Restorer, Token, Vault,
};
use strongroom_tenancy::TenantId;

const TENANT: TenantId = TenantId::PLATFORM;

fn policy(rules: &[(&str, &str, &str)]) -> Policy {
    let rules: String = rules
        .iter()
        .map(|(class, channel, rest)| {
            format!("[[rules]]\ntenant = '*'\nclass = '{class}'\nchannel = '{channel}'\n{rest}\n")
        })
        .collect();
    Policy::from_toml(&format!("version = 1\n{rules}")).unwrap()
}

fn request(content: &str) -> ChatRequest {
    let message = serde_json::json!({ "role": "user", "content": content });
    let body = serde_json::json!({ "model": "m", "messages": [message] }).to_string();
    ChatRequest::parse(body.as_bytes()).unwrap()
}

/// With a number besides that is a card's.
fn with_number(content: &str) -> ChatRequest {
    let message = serde_json::json!({ "role": "user", "content": content });
    let body = serde_json::json!({
        "model": "m", "seed": 4_111_111_111_111_111_u64, "messages": [message],
    });
    ChatRequest::parse(body.to_string().as_bytes()).unwrap()
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// A vault with one address in it, and its token.
fn kept(value: &str) -> (MemoryVault, Token, Restorer) {
    kept_for(value, RestorePolicy::default())
}

fn kept_for(value: &str, policy: RestorePolicy) -> (MemoryVault, Token, Restorer) {
    let (vault, token) = (
        MemoryVault::new(),
        Token::from_random(&Class::Email, &[9; 9]),
    );
    let binding = Binding {
        tenant: TENANT,
        class: Class::Email,
        channel: Channel::Prompt,
        token: token.clone(),
    };
    vault.keep(&binding, &value.into()).unwrap();
    let mut restorer = Restorer::new(policy);
    restorer.insert(Class::Email, &token, value.into());
    (vault, token, restorer)
}

fn answer(message: &str) -> ChatAnswer {
    let body = format!(r#"{{"choices":[{{"index":0,"message":{message}}}]}}"#);
    ChatAnswer::parse(body.as_bytes()).unwrap()
}

fn recorded(request: &RedactedRequest) -> String {
    text(request.audit_body()).to_owned()
}

#[test]
fn what_passes_is_not_written_down() {
    let said = "mail ann@example.com, card 4111 1111 1111 1111, ssn 536-90-4399";
    for mode in [
        "mode = 'flag'",
        "mode = 'off'",
        "mode = 'reversible'",
        "mode = 'strict'\noperator = 'token'",
        "mode = 'strict'\noperator = 'hmac'",
        "mode = 'strict'\noperator = 'mask'\nkeep = 4",
        "mode = 'strict'\nmin_confidence = 1.0",
    ] {
        let policy = policy(&[("*", "*", mode)]);
        let (vault, key) = (MemoryVault::new(), LinkingKey::new([7; 32]));
        let guard = Guard::new(&policy, &TENANT)
            .with_vault(&vault)
            .with_linking_key(&key);
        // A number is a value too: refused on its way out, or else a label in what is written down.
        let redacted = match with_number(said).redact_with(&guard) {
            Err(WireError::FieldRefused(field)) => {
                assert_eq!(field, "seed", "{mode}");
                request(said).redact_with(&guard).unwrap()
            }
            other => other.unwrap(),
        };
        let recorded = recorded(&redacted);
        assert!(
            recorded.contains("mail [EMAIL], card [CREDIT_CARD], ssn [US_SSN]"),
            "{mode}: {recorded}"
        );
        assert!(!recorded.contains("4111111111111111"), "{mode}: {recorded}");
        assert_ne!(text(&redacted.upstream_body()), recorded, "{mode}");
    }
}

#[test]
fn what_is_fit_to_be_written_down_is_what_left() {
    let number = policy(&[("*", "*", "mode = 'strict'\noperator = 'number'")]);
    for policy in [Policy::strict(), number] {
        let redacted = request("a@example.com").redact(&policy, &TENANT).unwrap();
        assert_eq!(redacted.upstream_body(), redacted.audit_body());
    }
}

#[test]
fn what_is_written_down_leads_back_to_nothing() {
    let (_, token, _) = kept("ann@example.com");
    // The token of another call stays what it is for the provider.
    for policy in [
        Policy::strict(),
        policy(&[("contact.phone", "*", "mode = 'off'")]),
    ] {
        let redacted = request(&format!("as you said, {token}"));
        let redacted = redacted.redact(&policy, &TENANT).unwrap();
        assert!(text(&redacted.upstream_body()).contains(token.as_str()));
        assert!(recorded(&redacted).contains("as you said, [EMAIL]"));
    }
}

#[test]
fn names_and_arguments_are_written_down_without_values() {
    let off = policy(&[("*", "*", "mode = 'off'")]);
    let arguments = serde_json::json!({
        "to": "ann@example.com", "bob@example.com": 1, "ssn": 536_904_399, "ok": 17,
        "logprobs": [{ "token": "ann" }], "env": [{ "name": "DB_PASSWORD", "value": "hunter2" }],
    });
    let message = serde_json::json!({
        "role": "assistant", "content": null, "tool_calls": [{ "id": "call_1", "type": "function",
            "function": { "name": "mail", "arguments": arguments.to_string() } }],
    });
    let redacted = answer(&message.to_string()).redact(&off, &TENANT).unwrap();
    assert!(text(redacted.body()).contains("bob@example.com"));
    let recorded = text(redacted.audit_body());
    for gone in ["ann", "bob", "536", "hunter2"] {
        assert!(!recorded.contains(gone), "{recorded}");
    }
    for there in [
        r#"\"to\":\"[EMAIL]\""#,
        r#"\"[EMAIL]\":1"#,
        r#"\"ssn\":\"[US_SSN]\""#,
        r#"\"ok\":17"#,
    ] {
        assert!(recorded.contains(there), "{recorded}");
    }
}

#[test]
fn a_name_and_its_value_are_no_token() {
    // `ll_id` and fourteen characters of base32: a token of class `IL_ID`, if it were one text.
    let call = serde_json::json!({ "id": "5f4dcc3b5aa765", "type": "function", "function": {
        "name": "find", "arguments": r#"{"poll_id":20240131123457,"skill_id":"5f4dcc3b5aa765"}"# } });
    let messages = serde_json::json!([
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "5f4dcc3b5aa765", "content": "C:\\temp" },
    ]);
    let body = serde_json::json!({ "model": "m", "messages": messages });
    for policy in [Policy::strict(), policy(&[("*", "*", "mode = 'off'")])] {
        let request = ChatRequest::parse(body.to_string().as_bytes()).unwrap();
        let redacted = request.redact(&policy, &TENANT).unwrap();
        let written: serde_json::Value = serde_json::from_slice(redacted.audit_body()).unwrap();
        assert_eq!(written, body);
    }
}

#[test]
fn a_text_in_pieces_is_not_written_down() {
    let pieces = ["ann", "@exam", "ple.com"].map(|token| serde_json::json!({ "token": token }));
    let message = serde_json::json!({
        "role": "assistant", "content": null,
        "tool_calls": [{ "id": "call_1", "type": "function", "logprobs": pieces }],
    });
    let redacted = answer(&message.to_string());
    let redacted = redacted.redact(&Policy::strict(), &TENANT).unwrap();
    let written = text(redacted.audit_body());
    assert!(written.contains(r#""logprobs":null"#), "{written}");
    assert!(!written.contains("@exam"), "{written}");
}

#[test]
fn a_moment_is_written_down() {
    let policy = policy(&[("*", "*", "mode = 'off'")]);
    let body = r#"{"created":1801180536,"choices":[{"made":1801180536}]}"#;
    let answer = ChatAnswer::parse(body.as_bytes()).unwrap();
    let redacted = answer.redact(&policy, &TENANT).unwrap();
    let written = text(redacted.audit_body());
    let expected = r#"{"created":1801180536,"choices":[{"made":"[AT_SVNR]"}]}"#;
    assert_eq!(written, expected);
}

#[test]
fn a_token_is_known_behind_whatever_json_escapes() {
    let (_, token, _) = kept("ann@example.com");
    let random = token.as_str().split_once('_').unwrap().1;
    let random = random.trim_end_matches(']');
    for marks in ["\n", "\\\\\\\\", " \"\"\""] {
        let text = format!("EMAIL{marks}{random}");
        let arguments = serde_json::json!({ "to": text }).to_string();
        let call = serde_json::json!({ "id": "call_1", "type": "function",
            "function": { "name": "mail", "arguments": arguments } });
        for message in [
            serde_json::json!({ "role": "assistant", "content": text }),
            serde_json::json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
        ] {
            let body = serde_json::json!({ "model": "m", "messages": [message] }).to_string();
            let request = ChatRequest::parse(body.as_bytes()).unwrap();
            let redacted = request.redact(&Policy::strict(), &TENANT).unwrap();
            let written = recorded(&redacted);
            assert!(
                written.contains("[EMAIL]") && !written.contains(random),
                "{marks:?}: {written}"
            );
        }
    }
}

#[test]
fn values_come_back_where_the_restorer_lets_them() {
    let value = "o\"b\\x@example.com";
    let everywhere = RestorePolicy {
        answers: true,
        urls: true,
        tools: true,
    };
    for (policy, content, arguments) in [
        (RestorePolicy::default(), true, false),
        (
            RestorePolicy {
                answers: false,
                ..everywhere
            },
            false,
            true,
        ),
        (everywhere, true, true),
    ] {
        let (_, token, restorer) = kept_for(value, policy);
        let call = serde_json::json!({ "to": token.as_str(), "n": 1 }).to_string();
        let message = serde_json::json!({
            "role": "assistant",
            "content": [{ "type": "text", "text": format!("to {token}") },
                { "type": "text", "text": format!("{{\"to\": \"{token}\"}}") }],
            "refusal": format!("not {token}"),
            "tool_calls": [{ "id": "call_1", "type": "function",
                "function": { "name": "mail", "arguments": call } }],
        });
        let strict = Policy::strict();
        let guard = Guard::new(&strict, &TENANT).with_tokens(&restorer);
        let redacted = answer(&message.to_string()).redact_with(&guard).unwrap();
        let restored = redacted.restore(&restorer).unwrap();
        let counted = restored.restored().get(&Class::Email).copied().unwrap_or(0);
        let expected = if content { 3 } else { 0 } + usize::from(arguments);
        assert_eq!((counted, restored.withheld()), (expected, 4 - expected));
        let body: serde_json::Value = serde_json::from_slice(&restored.into_body()).unwrap();
        let message = &body["choices"][0]["message"];
        let told = |is_there: bool| {
            if is_there {
                value.to_owned()
            } else {
                token.to_string()
            }
        };
        let parts = &message["content"];
        assert_eq!(parts[0]["text"], format!("to {}", told(content)));
        // What is JSON stays JSON, whatever is in a value.
        let inner: serde_json::Value =
            serde_json::from_str(parts[1]["text"].as_str().unwrap()).unwrap();
        assert_eq!(inner["to"], told(content));
        assert_eq!(message["refusal"], format!("not {}", told(content)));
        let called = message["tool_calls"][0]["function"]["arguments"].as_str();
        let called: serde_json::Value = serde_json::from_str(called.unwrap()).unwrap();
        assert_eq!(called, serde_json::json!({ "to": told(arguments), "n": 1 }));
        // What is written down has neither.
        let recorded = text(redacted.audit_body());
        assert!(
            !recorded.contains(token.as_str()) && recorded.contains("to [EMAIL]"),
            "{recorded}"
        );
    }
}

/// What becomes of one text of an answer.
fn restored(text: &str, restorer: &Restorer) -> (String, usize) {
    let message = serde_json::json!({ "role": "assistant", "content": text });
    let redacted = answer(&message.to_string()).redact(&Policy::strict(), &TENANT);
    let restored = redacted.unwrap().restore(restorer).unwrap();
    let withheld = restored.withheld();
    let body: serde_json::Value = serde_json::from_slice(&restored.into_body()).unwrap();
    let content = body["choices"][0]["message"]["content"].as_str().unwrap();
    (content.to_owned(), withheld)
}

#[test]
fn json_stays_what_it_was_but_for_values() {
    let value = "o\"x\\@example.com";
    let (_, token, restorer) = kept(value);
    let escaped = r#"o\"x\\@example.com"#;
    // Numbers, names and white space are the model's.
    let json =
        format!("{{ \"to\" : \"{token}\",\n\"n\": 1.10, \"{token}\": 12345678901234567890123 }}");
    let expected = json.replacen(token.as_str(), escaped, 1);
    assert_eq!(restored(&json, &restorer), (expected, 0));
    // JSON in a string of JSON is encoded twice.
    let inner = serde_json::json!({ "to": token.as_str() }).to_string();
    let outer = serde_json::json!({ "body": inner }).to_string();
    let (outer, _) = restored(&outer, &restorer);
    let outer: serde_json::Value = serde_json::from_str(&outer).unwrap();
    let inner: serde_json::Value = serde_json::from_str(outer["body"].as_str().unwrap()).unwrap();
    assert_eq!(inner["to"], value);
    // What is nearly JSON gets no values.
    for nearly in [
        format!("{{\"to\":\"x\",\"to\":\"{token}\"}}"),
        format!("{{\"to\":\"{token}\",}}"),
        format!(" [\"{token}\"]\n[1]"),
        format!("{}\"{token}\"{}", "[".repeat(40), "]".repeat(40)),
    ] {
        assert_eq!(restored(&nearly, &restorer), (nearly, 1));
    }
    assert_eq!(restored(&format!("{token}, hello"), &restorer).1, 0);
}

#[test]
fn nothing_else_that_leads_back_is_written_down() {
    let strict = Policy::strict();
    let (_, token, _) = kept("ann@example.com");
    let random = token
        .as_str()
        .split_once('_')
        .unwrap()
        .1
        .trim_end_matches(']');
    for said in [
        token.as_str().to_lowercase(),
        format!("EMAIL_{random}"),
        format!("%5BEMAIL_{random}%5D"),
        format!("[EMAIL\\_{random}]"),
        format!("\\u005bEMAIL\\u005f{random}\\u005d"),
        "[EMAIL#9F86D081884C7D65]".to_owned(),
        "[CREDIT_CARD ****1111]".to_owned(),
    ] {
        let message = serde_json::json!({ "role": "assistant", "content": said });
        let redacted = answer(&message.to_string())
            .redact(&strict, &TENANT)
            .unwrap();
        let sent = request(&said).redact(&strict, &TENANT).unwrap();
        for written in [text(redacted.audit_body()), text(sent.audit_body())] {
            for gone in [random, "9F86D081884C7D65", "****"] {
                let gone = gone.to_lowercase();
                assert!(!written.to_lowercase().contains(&gone), "{said}: {written}");
            }
        }
    }
    // The model's name is a text too.
    let off = policy(&[("net.*", "*", "mode = 'off'")]);
    let body = r#"{"model":"10.1.2.3/llama","messages":[{"role":"user","content":"x"}]}"#;
    let redacted = ChatRequest::parse(body.as_bytes())
        .unwrap()
        .redact(&off, &TENANT);
    let redacted = redacted.unwrap();
    assert_eq!(redacted.model(), "10.1.2.3/llama");
    assert_eq!(redacted.audit_model(), "[IP_ADDRESS]/llama");
    let body = format!(r#"{{"model":"EMAIL_{random}","choices":[]}}"#);
    let redacted = ChatAnswer::parse(body.as_bytes())
        .unwrap()
        .redact(&strict, &TENANT);
    assert_eq!(redacted.unwrap().audit_model(), Some("[EMAIL]"));
}

#[test]
fn what_a_model_made_of_a_token_is_not_written_down() {
    let (_, token, restorer) = kept("ann@example.com");
    let strict = Policy::strict();
    let guard = Guard::new(&strict, &TENANT).with_tokens(&restorer);
    let random = token
        .as_str()
        .split_once('_')
        .unwrap()
        .1
        .trim_end_matches(']');
    for echo in [
        token.as_str().to_lowercase(),
        format!("EMAIL {random}"),
        format!("[EMAIL\\_{random}]"),
        token.as_str().replacen("982", "9 8-2", 1),
        format!("{}-{}", token.label(), random.to_lowercase()),
    ] {
        let message = serde_json::json!({ "role": "assistant", "content": format!("to {echo}.") });
        let redacted = answer(&message.to_string()).redact_with(&guard).unwrap();
        let recorded = text(redacted.audit_body()).to_lowercase();
        assert!(recorded.contains("to [email]."), "{recorded}");
        let restored = redacted.restore(&restorer).unwrap();
        let restored = restored.into_body();
        assert!(text(&restored).contains("to ann@example.com."), "{echo}");
    }
}
