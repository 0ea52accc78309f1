//! Classes of the user's own, and lists of what is always and never a value.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use strongroom_pii::{
    Channel, Checksum, Confidence, CustomClass, CustomError, CustomRule, Detector, Policy,
    PolicyFault, Reading, Recognizer, Redactor,
};
use strongroom_tenancy::TenantId;

const DOCUMENT: &str = r#"
version = 3
allow = ["support@example.com", "4111 1111 1111 1111"]

[[classes]]
id = "custom.employee"
pattern = 'EMP-\d{6}'
context = ["employee", "staff id"]

[[classes]]
id = "custom.badge"
pattern = '\d{4}-\d{4}'
checksum = "luhn"

[[classes]]
id = "custom.project"
values = ["Falcon", "Blue Heron"]

[[rules]]
tenant = "*"
class = "custom.badge"
channel = "*"
mode = "flag"

[[rules]]
tenant = "*"
class = "custom.*"
channel = "tool"
mode = "block"
"#;

/// A class that is always certain is no less so beside its own words.
#[test]
fn certainty_is_certain() {
    let document = r#"
version = 1
[[classes]]
id = "custom.employee"
pattern = 'EMP-\d{6}'
confidence = 1.0
context = ["employee"]
"#;
    let policy = Policy::from_toml(document).unwrap();
    for text in [
        "EMP-123456",
        "employee EMP-123456",
        "EMP-123456 of an employee",
    ] {
        let redaction = policy
            .redact(&TenantId::PLATFORM, Channel::Prompt, text)
            .unwrap();
        assert!(redaction.text.contains("[EMPLOYEE]"), "{}", redaction.text);
    }
}

fn policy() -> Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::from_toml(DOCUMENT).unwrap());
    POLICY.clone()
}

fn redact(text: &str) -> String {
    let redaction = policy().redact(&TenantId::PLATFORM, Channel::Prompt, text);
    redaction.unwrap().text
}

#[test]
fn a_pattern_stands_or_falls_with_its_words_and_its_check() {
    for (text, redacted) in [
        ("employee EMP-004711 left", "employee [EMPLOYEE] left"),
        ("EMP-004711 is her staff ID", "[EMPLOYEE] is her staff ID"),
        ("part EMP-004711", "part EMP-004711"),
        ("employee XEMP-004711", "employee XEMP-004711"),
        ("employee EMP-0047112", "employee EMP-0047112"),
        (
            "see Falcon, FALCON and blue heron",
            "see [PROJECT], [PROJECT] and [PROJECT]",
        ),
        ("falcons are birds", "falcons are birds"),
        (
            "write to Support@Example.com or ann@example.com",
            "write to Support@Example.com or [EMAIL]",
        ),
        ("card 4111 1111 1111 1111", "card 4111 1111 1111 1111"),
    ] {
        assert_eq!(redact(text), redacted);
        assert_eq!(redact(redacted), redacted, "twice");
    }
    let policy = policy();
    let badge = |text: &str| {
        let redaction = policy
            .redact(&TenantId::PLATFORM, Channel::Prompt, text)
            .unwrap();
        assert_eq!(redaction.text, text, "flagged alone");
        redaction
            .findings
            .iter()
            .map(|found| found.class.id().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(badge("7992-7398"), ["custom.badge"]);
    assert!(badge("7992-7399").is_empty());
    let blocked = policy.redact(&TenantId::PLATFORM, Channel::Tool, "Falcon");
    assert!(blocked.unwrap_err().to_string().contains("custom.project"));
}

#[test]
fn what_stands_for_a_value_is_a_placeholder_like_any_other() {
    let document = r#"
        version = 1
        [[classes]]
        id = "custom.passport.number"
        pattern = 'P-\d{5}'
        [[rules]]
        tenant = "*"
        class = "*"
        channel = "*"
        mode = "strict"
        operator = "token"
    "#;
    let policy = Policy::from_toml(document).unwrap();
    let apply = |text: &str| {
        policy
            .redact(&TenantId::PLATFORM, Channel::Prompt, text)
            .unwrap()
    };
    // The label's words would name the number behind it.
    let once = apply("P-12345 987654321").text;
    assert!(
        once.starts_with("[PASSPORT_NUMBER_") && once.ends_with("] 987654321"),
        "{once}"
    );
    assert_eq!(apply(&once).text, once);
}

/// Two capitals and a digit sum.
struct Cases(CustomClass);

impl Recognizer for Cases {
    fn class(&self) -> &CustomClass {
        &self.0
    }

    fn context(&self) -> &[String] {
        &[]
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase()
    }

    fn longest(&self) -> usize {
        5
    }

    fn read(&self, text: &str) -> Option<Reading> {
        let value = text.as_bytes().get(..5)?;
        let digits: u32 = value[2..]
            .iter()
            .map(|b| u32::from(b.wrapping_sub(b'0')))
            .sum();
        let shaped = value[..2].iter().all(u8::is_ascii_uppercase)
            && value[2..].iter().all(u8::is_ascii_digit);
        (shaped && digits == 10).then(|| Reading {
            length: 5,
            confidence: Confidence::new(0.9).unwrap(),
            checked: true,
        })
    }
}

#[test]
fn a_recogniser_in_code_is_asked_at_each_word() {
    let class = CustomClass::new("custom.case").unwrap();
    let detector = Detector::builder()
        .recognizer(Arc::new(Cases(class)))
        .build()
        .unwrap();
    let text = "AB127 AB128 xAB127 éAB127 (CD550)";
    let found = detector.scan(text);
    let values: Vec<&str> = found
        .iter()
        .map(|found| &text[found.range.clone()])
        .collect();
    assert_eq!(values, ["AB127", "CD550"]);
}

#[test]
fn a_detector_has_its_bounds() {
    let rule = |name: usize| CustomRule::new(&format!("custom.a{name}"), "abc").unwrap();
    let many = (0..65).fold(Detector::builder(), |builder, name| {
        builder.rule(rule(name))
    });
    assert_eq!(many.build().unwrap_err(), CustomError::TooMany);
    let twice = Detector::builder().rule(rule(1)).rule(rule(1));
    assert_eq!(twice.build().unwrap_err(), CustomError::Class);
    let values = (0..10_001).map(|n| n.to_string());
    let listed = Detector::builder().deny("custom.a", values).unwrap();
    assert_eq!(listed.build().unwrap_err(), CustomError::TooMany);
    assert_eq!(
        Checksum::ALL.map(Checksum::as_str),
        ["luhn", "mod97", "mod11", "verhoeff"]
    );
}

#[test]
fn classes_that_are_refused_name_their_line() {
    for (member, fault) in [
        (
            "id = \"employee\"\npattern = 'abc'",
            PolicyFault::CustomClass,
        ),
        (
            "id = \"custom.email\"\npattern = 'abc'",
            PolicyFault::CustomClass,
        ),
        ("id = \"custom.a\"", PolicyFault::CustomClass),
        (
            "id = \"custom.a\"\npattern = 'abc'\nvalues = [\"x\"]",
            PolicyFault::CustomClass,
        ),
        (
            "id = \"custom.a\"\nvalues = [\"x\"]\ncontext = [\"y\"]",
            PolicyFault::CustomClass,
        ),
        (
            "id = \"custom.a\"\npattern = 'a+bc'",
            PolicyFault::CustomClass,
        ),
        (
            "id = \"custom.a\"\npattern = 'abc'\nchecksum = \"crc\"",
            PolicyFault::Checksum,
        ),
        (
            "id = \"custom.a\"\npattern = 'abc'\nconfidence = 2.0",
            PolicyFault::MinConfidence,
        ),
        (
            "id = \"custom.a\"\npattern = 'abc'\ncolour = 1",
            PolicyFault::UnknownMember,
        ),
    ] {
        let refused =
            Policy::from_toml(&format!("version = 1\n\n[[classes]]\n{member}\n")).unwrap_err();
        assert_eq!(refused.reason, fault, "{member}");
        assert!(
            (3..=7).contains(&refused.line),
            "{member}: {}",
            refused.line
        );
        assert!(!refused.to_string().contains("abc"));
    }
    let rule = "[[rules]]\ntenant = \"*\"\nclass = \"custom.a\"\nchannel = \"*\"\nmode = \"off\"\n";
    let refused = Policy::from_toml(&format!("version = 1\n{rule}")).unwrap_err();
    assert_eq!((refused.reason, refused.line), (PolicyFault::Class, 4));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_says_what_the_whole_text_says(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("EMP-004711"), Just("employee"), Just("7992-7398"), Just("Falcon"), Just("blue"), Just("Heron"),
                Just(" "), Just(", "), Just("\n"), Just("é"), Just("x"), Just("EMP-"), Just("1"), Just("ann@example.com"),
            ],
            0..14,
        ),
        size in 1_usize..9,
    ) {
        let text: String = parts.concat();
        let policy = policy();
        let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Prompt);
        let whole = redactor.redact(&text).unwrap().text;
        let mut stream = redactor.stream();
        let mut out = String::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            stream.push(&piece.iter().collect::<String>(), &mut out).unwrap();
        }
        stream.finish(&mut out).unwrap();
        prop_assert_eq!(out, whole, "{:?}", text);
    }
}
