//! Personal data planted anywhere in a document never leaves, and nothing but text changes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use strongroom_llm_wire::{ChatAnswer, ChatRequest, RedactedAnswer, RedactedRequest, WireError};
use strongroom_pii::Policy;
use strongroom_tenancy::TenantId;

/// One value of each class, in a form that needs no context.
const PLANTED: &[&str] = &[
    "jane.doe@mail.example",
    "123-45-6789",
    "4111111111111111",
    "DE89370400440532013000",
    "+14155550123",
    "203.0.113.77",
];

/// Fields that the provider is not to see.
const DROPPED: &[&str] = &[
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
    "store",
    "user",
];

/// Words around perhaps one planted value, with what JSON has to escape; none that means a
/// version or an order, after which an address is not one.
fn text() -> impl Strategy<Value = String> {
    let word = "[qxzé\"\\\\\n]{0,6}";
    (word, proptest::option::weighted(0.4, select(PLANTED)), word).prop_map(
        |(before, planted, after)| match planted {
            Some(planted) => format!("{before} {planted} {after}"),
            None => format!("{before} {after}"),
        },
    )
}

/// Names of members, of letters that spell no word which tells what a number beside it is, as `cvc` does.
const NAME: &str = "[jqwxz]{1,6}|name|value";

fn free() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000..1000_i32).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(NAME, inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(NAME, free(), 0..3)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// Arguments of a tool call: JSON, JSON with every character escaped, or no JSON at all.
fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        object().prop_map(|value| value.to_string()),
        object().prop_map(|value| escaped(&value)),
        text(),
        text().prop_map(|text| escaped(&Value::from(text)).trim_end_matches('"').to_owned()),
    ]
}

fn calls() -> impl Strategy<Value = Value> {
    proptest::collection::vec(arguments(), 1..3).prop_map(|all| {
        let call = |(index, arguments)| {
            json!({"id": format!("call_{index}"), "type": "function",
                "function": {"name": "send", "arguments": arguments}})
        };
        all.into_iter().enumerate().map(call).collect()
    })
}

fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        proptest::collection::vec(text(), 1..3).prop_map(|texts| {
            let part = |text| json!({"type": "text", "text": text});
            texts.into_iter().map(part).collect()
        }),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let said = (
        select(&["user", "system", "developer", "assistant"][..]),
        content(),
        text(),
    );
    prop_oneof![
        said.prop_map(|(role, content, name)| {
            json!({"role": role, "content": content, "name": name})
        }),
        calls()
            .prop_map(|calls| json!({"role": "assistant", "content": null, "tool_calls": calls})),
        content().prop_map(|content| {
            json!({"role": "tool", "tool_call_id": "call_0", "content": content})
        }),
        (text(), free()).prop_map(|(text, more)| {
            json!({"role": "assistant", "refusal": text, "reasoning_content": text, "more": more})
        }),
    ]
}

fn field() -> impl Strategy<Value = (&'static str, Value)> {
    let tool = (text(), object()).prop_map(|(description, schema)| {
        json!([{"type": "function", "function":
            {"name": "send", "description": description, "parameters": schema}}])
    });
    let format = object().prop_map(
        |schema| json!({"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}),
    );
    prop_oneof![
        tool.prop_map(|value| ("tools", value)),
        format.prop_map(|value| ("response_format", value)),
        content().prop_map(|c| ("prediction", json!({"type": "content", "content": c}))),
        text().prop_map(|text| ("stop", json!([text]))),
        text().prop_map(|text| ("user", json!(text))),
        text().prop_map(|text| ("safety_identifier", json!(text))),
        text().prop_map(|text| ("prompt_cache_key", json!(text))),
        object().prop_map(|value| ("metadata", value)),
        object().prop_map(|value| ("web_search_options", value)),
        Just(("store", json!(true))),
        Just(("temperature", json!(0.7))),
    ]
}

fn request() -> impl Strategy<Value = Value> {
    let messages = proptest::collection::vec(message(), 1..4);
    let fields = proptest::collection::vec(field(), 0..4);
    (messages, fields).prop_map(|(messages, fields)| {
        let mut request = Map::new();
        request.insert("model".to_owned(), json!("gpt-4o"));
        request.insert("messages".to_owned(), json!(messages));
        request.extend(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Value::Object(request)
    })
}

fn answer() -> impl Strategy<Value = Value> {
    let choice = (message(), free()).prop_map(|(message, more)| {
        json!({"index": 0, "finish_reason": "stop", "message": message, "more": more,
            "logprobs": {"content": [{"token": "jane.doe@mail.example"}]}})
    });
    (proptest::collection::vec(choice, 0..3), free()).prop_map(|(choices, more)| {
        json!({"id": "chatcmpl-1", "choices": choices, "more": more,
            "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    })
}

/// JSON text in which every character of a string is an escape.
fn escaped(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(escaped).collect();
            format!("[{}]", elements.join(","))
        }
        Value::Object(members) => {
            let member = |(name, value)| format!("{}:{}", Value::from(name), escaped(value));
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .map(member)
                .collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

/// Every string at any depth, and what is JSON inside a string.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                strings(&inner, out);
            }
            out.push(text.clone());
        }
        Value::Array(elements) => elements.iter().for_each(|value| strings(value, out)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            out.push(name.clone());
            strings(value, out);
        }),
        Value::Number(number) => out.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The document without its text.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => json!({"json": shape(&inner)}),
            _ => json!("text"),
        },
        Value::Array(elements) => elements.iter().map(shape).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        other => other.clone(),
    }
}

fn assert_clean(body: &[u8]) -> Result<Value, TestCaseError> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let mut all = Vec::new();
    strings(&body, &mut all);
    for text in all {
        for planted in PLANTED {
            let hidden = escaped(&Value::from(*planted));
            prop_assert!(!text.contains(planted), "{text}");
            prop_assert!(!text.contains(hidden.trim_matches('"')), "{text}");
        }
    }
    Ok(body)
}

fn redact(body: &[u8]) -> Result<RedactedRequest, WireError> {
    ChatRequest::parse(body)?.redact(&Policy::strict(), &TenantId::PLATFORM)
}

fn redact_answer(body: &[u8]) -> Result<RedactedAnswer, WireError> {
    ChatAnswer::parse(body)?.redact(&Policy::strict(), &TenantId::PLATFORM)
}

proptest! {
    #[test]
    fn a_request_leaves_clean_and_whole(mut request in request(), hidden in any::<bool>()) {
        let body = if hidden { escaped(&request) } else { request.to_string() };
        let redacted = redact(body.as_bytes()).unwrap();
        let upstream = assert_clean(&redacted.upstream_body())?;
        for name in DROPPED {
            request.as_object_mut().unwrap().remove(*name);
        }
        prop_assert_eq!(shape(&upstream), shape(&request));
    }

    #[test]
    fn an_answer_leaves_clean_and_whole(mut answer in answer(), hidden in any::<bool>()) {
        let body = if hidden { escaped(&answer) } else { answer.to_string() };
        let redacted = redact_answer(body.as_bytes()).unwrap();
        let client = assert_clean(redacted.body())?;
        for choice in answer["choices"].as_array_mut().unwrap() {
            choice["logprobs"] = Value::Null;
        }
        prop_assert_eq!(shape(&client), shape(&answer));
        prop_assert_eq!(redacted.usage(), Some((1, 2)));
    }

    #[test]
    fn redacting_twice_is_redacting_once(request in request(), answer in answer()) {
        let once = redact(request.to_string().as_bytes()).unwrap();
        let twice = redact(&once.upstream_body()).unwrap();
        prop_assert_eq!(once.upstream_body(), twice.upstream_body());
        prop_assert!(twice.findings().is_empty());
        let once = redact_answer(answer.to_string().as_bytes()).unwrap();
        let twice = redact_answer(once.body()).unwrap();
        prop_assert_eq!(once.body(), twice.body());
    }

    #[test]
    fn a_planted_name_identifier_or_number_is_refused(
        planted in select(PLANTED),
        place in 0..6_usize,
    ) {
        let mut request = json!({"model": "m", "messages": [
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "x"}]});
        match place {
            0 => request["model"] = json!(planted),
            1 => request["messages"][0]["tool_calls"][0]["id"] = json!(planted),
            2 => request["messages"][0]["tool_calls"][0]["function"]["name"] = json!(planted),
            3 => request["messages"][1]["tool_call_id"] = json!(planted),
            4 => request["tool_choice"] = json!({planted: "auto"}),
            _ => request["messages"][1][planted] = json!(1),
        }
        let error = redact(request.to_string().as_bytes()).unwrap_err();
        prop_assert!(["field_refused", "invalid_field"].contains(&error.code()), "{error}");
        prop_assert!(!error.to_string().contains(planted), "{error}");
    }

    #[test]
    fn a_uuid_passes_as_an_identifier(bits in any::<u128>()) {
        let bits = bits & !(0xf << 76 | 0xc << 60) | 0x4 << 76 | 0x8 << 60;
        let id = format!(
            "call_{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            bits >> 80 & 0xffff,
            bits >> 64 & 0xffff,
            bits >> 48 & 0xffff,
            bits & 0xffff_ffff_ffff
        );
        let call = json!({"id": id, "type": "function",
            "function": {"name": "f", "arguments": "{}"}});
        let request = json!({"messages": [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": id, "content": "x"}],
            "model": "gpt-4o-2024-08-06"});
        let redacted = redact(request.to_string().as_bytes()).unwrap();
        let upstream: Value = serde_json::from_slice(&redacted.upstream_body()).unwrap();
        prop_assert_eq!(upstream, request);
        let answer = json!({"choices": [{"message": {"tool_calls": [call]}}]});
        let redacted = redact_answer(answer.to_string().as_bytes()).unwrap();
        let client: Value = serde_json::from_slice(redacted.body()).unwrap();
        prop_assert_eq!(client, answer);
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = redact(&bytes);
        let _ = redact_answer(&bytes);
    }

    #[test]
    fn no_shape_panics(members in object(), messages in free(), choices in free()) {
        let mut request = members.clone();
        request["model"] = json!("m");
        request["messages"] = json!([{"role": "user", "content": messages}, messages]);
        request["tools"] = choices.clone();
        let _ = redact(request.to_string().as_bytes());
        let mut answer = members;
        answer["choices"] = json!([choices, {"message": messages}]);
        match redact_answer(answer.to_string().as_bytes()) {
            Ok(redacted) => {
                assert_clean(redacted.body())?;
            }
            // A number that its name says is a secret: there is no other number to put there.
            Err(error) => prop_assert!(matches!(error, WireError::FieldRefused(_)), "{}", error),
        }
    }
}
