//! JSON, tables and forms: what stands between values stays as it was, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use strongroom_pii::{Channel, Policy, Redaction, Redactor, StructureError};
use strongroom_tenancy::TenantId;

fn with<T>(work: impl FnOnce(&mut Redactor<'_>) -> T) -> T {
    let policy = Policy::strict();
    work(&mut Redactor::new(
        &policy,
        &TenantId::PLATFORM,
        Channel::Tool,
    ))
}

fn json_of(text: &str) -> Redaction {
    with(|redactor| redactor.redact_json(text)).unwrap()
}

fn csv(text: &str) -> String {
    with(|redactor| redactor.redact_csv(text, b','))
        .unwrap()
        .text
}

#[test]
fn a_document_without_values_is_the_same_to_the_byte() {
    for text in [
        "{ \"a\" : [1, 2.50e3 ,null,true],\n\t\"b\": \"\\u00e9\\/\\n\" }\n",
        "[]",
        " \"x\" ",
        "{\"order\": 12345, \"uuid\": \"0190b2a4-8c7e-7d3a-9f00-0242ac120002\"}",
    ] {
        assert_eq!(json_of(text).text, text);
    }
    for text in ["a,b\r\n1,\"x \"\"y\"\"\"\r\n", "", "\n\n", "a;b,c\n"] {
        assert_eq!(csv(text), text);
    }
}

#[test]
fn names_speak_for_what_is_under_them() {
    for (text, redacted) in [
        (r#"{"ssn": 123456789}"#, r#"{"ssn": "[US_SSN]"}"#),
        (
            r#"{"ssn": {"value": "123456789"}}"#,
            r#"{"ssn": {"value": "123456789"}}"#,
        ),
        (
            r#"{"phones": ["555 0132 44", "x"]}"#,
            r#"{"phones": ["[PHONE]", "x"]}"#,
        ),
        (
            r#"{"user": {"password": "hunter22!"}}"#,
            r#"{"user": {"password": "[PASSWORD]"}}"#,
        ),
        (
            r#"[{"name": "DB_PASSWORD", "value": "hunter2"}, {"value": "hunter2"}]"#,
            r#"[{"name": "DB_PASSWORD", "value": "[PASSWORD]"}, {"value": "hunter2"}]"#,
        ),
        (
            r#"{"Key": "ssn", "note": 123456789, "Values": [123456789]}"#,
            r#"{"Key": "ssn", "note": 123456789, "Values": ["[US_SSN]"]}"#,
        ),
        (
            r#"{"name": "ssn", "of": {"value": 123456789}}"#,
            r#"{"name": "ssn", "of": {"value": 123456789}}"#,
        ),
        (
            r#"{"secretString": "k7Qp2Rt9Wx4Lm8Vz1Bc6", "note": "k7Qp2Rt9Wx4Lm8Vz1Bc6"}"#,
            r#"{"secretString": "[SECRET]", "note": "k7Qp2Rt9Wx4Lm8Vz1Bc6"}"#,
        ),
        (
            r#"{"user_id": "d202e279-92ec-47bd-aa39-ee8810b88a15"}"#,
            r#"{"user_id": "d202e279-92ec-47bd-aa39-ee8810b88a15"}"#,
        ),
        (r#"{"ann@example.com": 1}"#, r#"{"[EMAIL]": 1}"#),
        ("\"ann\\u0040example.com\"", "\"[EMAIL]\""),
        ("\"\\ud83d\\ude00 ann@example.com\"", "\"😀 [EMAIL]\""),
    ] {
        assert_eq!(json_of(text).text, redacted);
    }
    let table = "name,ssn,note\nAnn,123456789,\"a, 4111 1111 1111 1111\"\n";
    assert_eq!(
        csv(table),
        "name,ssn,note\nAnn,[US_SSN],\"a, [CREDIT_CARD]\"\n"
    );
}

#[test]
fn spans_are_those_of_the_text_as_given() {
    let text = "{\"é\": \"\\u0041 ann\\u0040example.com\", \"b\": \"😀 bob@example.com\"}";
    let findings = json_of(text).findings;
    let values: Vec<&str> = findings
        .iter()
        .map(|found| &text[found.span.bytes.clone()])
        .collect();
    assert_eq!(values, ["ann\\u0040example.com", "bob@example.com"]);
    for found in &findings {
        let before = &text[..found.span.bytes.start];
        assert_eq!(found.span.chars.start, before.chars().count());
        assert_eq!(found.span.utf16.start, before.encode_utf16().count());
    }
}

#[test]
fn what_is_malformed_is_refused_by_line() {
    let line = |error: StructureError| match error {
        StructureError::Malformed { line, .. } => line,
        other => panic!("{other}"),
    };
    for (text, expected) in [
        ("{\n\"a\": }", 2),
        ("", 1),
        ("{\"a\":1}x", 1),
        ("[1,\n2,\n", 3),
    ] {
        let refused = with(|redactor| redactor.redact_json(text)).unwrap_err();
        assert_eq!(line(refused), expected, "{text:?}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(with(|redactor| redactor.redact_json(&deep)).is_err());
    let open = with(|redactor| redactor.redact_csv("a,b\n1,\"x\n", b',')).unwrap_err();
    assert_eq!(line(open), 2);
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<String>().prop_map(|text| json!(text)),
        Just(json!("write to ann@example.com\n\"now\"")),
        Just(json!("4111\u{a0}1111 1111 1111")),
        Just(json!("ssn")),
        Just(json!("mail ann@example.com the password")),
        Just(json!(123_456_789)),
        Just(json!("hunter2")),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::btree_map("[a-z_]{0,8}|name|key|value|values", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_stays_json_and_redacting_twice_is_redacting_once(document in document()) {
        let text = document.to_string();
        let once = json_of(&text);
        let shape: Value = serde_json::from_str(&once.text).unwrap();
        // A number that is a value of a class becomes a string.
        prop_assume!(!document.is_number());
        prop_assert_eq!(std::mem::discriminant(&shape), std::mem::discriminant(&document));
        prop_assert!(!once.text.contains("ann@example.com"));
        let twice = json_of(&once.text);
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert!(twice.findings.is_empty());
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = with(|redactor| redactor.redact_json(&text));
        let _ = with(|redactor| redactor.redact_csv(&text, b','));
        let _ = with(|redactor| redactor.redact_form(&text));
    }
}
