//! The policy document, and which rule decides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_pii::{
    Channel, Class, Finding, Mode, Policy, PolicyError, PolicyFault, RedactError, Redaction,
};
use strongroom_tenancy::TenantId;

const TENANT: &str = "0190b2a4-8c7e-7d3a-9f00-0242ac120002";
const TEXT: &str = "ann@example.com 123-45-6789";

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

/// A policy with one rule for each line: tenant, class, channel, mode.
fn policy(rules: &[(&str, &str, &str, &str)]) -> Policy {
    let mut document = "version = 3\n".to_owned();
    for (tenant, class, channel, mode) in rules {
        document.push_str(&format!(
            "[[rules]]\ntenant = \"{tenant}\"\nclass = \"{class}\"\nchannel = \"{channel}\"\nmode = \"{mode}\"\n"
        ));
    }
    Policy::from_toml(&document).unwrap()
}

fn redact(policy: &Policy, channel: Channel) -> Result<Redaction, RedactError> {
    policy.redact(&tenant(), channel, TEXT)
}

fn text(policy: &Policy, channel: Channel) -> String {
    redact(policy, channel).unwrap().text
}

#[test]
fn the_requirement_holds_word_for_word() {
    let prompt = "My email is john@example.com and SSN is 123-45-6789";
    for channel in Channel::ALL {
        let redaction = Policy::strict().redact(&tenant(), channel, prompt).unwrap();
        assert_eq!(redaction.text, "My email is [EMAIL] and SSN is [US_SSN]");
        assert_eq!(redaction.policy_hash, Policy::default().hash());
    }
}

#[test]
fn each_mode_does_what_it_says() {
    let with = |mode| policy(&[("*", "contact.email", "*", mode)]);
    assert_eq!(text(&with("strict"), Channel::Prompt), "[EMAIL] [US_SSN]");
    assert_eq!(
        text(&with("off"), Channel::Prompt),
        "ann@example.com [US_SSN]"
    );
    let flagged = redact(&with("flag"), Channel::Prompt).unwrap();
    assert_eq!(flagged.text, "ann@example.com [US_SSN]");
    let actions: Vec<_> = flagged
        .findings
        .iter()
        .map(|f| (f.class.clone(), f.action, f.rule))
        .collect();
    let expected = [
        (Class::Email, Mode::FlagOnly, Some(0)),
        (Class::UsSsn, Mode::Strict, None),
    ];
    assert_eq!(actions, expected);
    assert_eq!(
        redact(&with("off"), Channel::Prompt)
            .unwrap()
            .findings
            .len(),
        1
    );
    let blocked = redact(&with("block"), Channel::Tool).unwrap_err();
    let RedactError::Blocked(blocked) = blocked else {
        panic!("{blocked}");
    };
    assert_eq!(
        (blocked.class.clone(), blocked.channel),
        (Class::Email, Channel::Tool)
    );
    assert_eq!(
        blocked.to_string(),
        "blocked by policy: contact.email on channel tool"
    );
}

#[test]
fn the_most_specific_rule_decides_wherever_it_stands() {
    let all = ("*", "*", "*", "off");
    let group = ("*", "contact.*", "*", "flag");
    let exact = ("*", "contact.email", "*", "off");
    let channel = ("*", "*", "prompt", "strict");
    let own = (TENANT, "*", "*", "flag");
    let other = ("0190b2a4-8c7e-7d3a-9f00-0242ac120003", "*", "*", "block");
    let narrow = (TENANT, "contact.email", "prompt", "strict");
    for (name, rules, expected) in [
        ("no rule", &[][..], Mode::Strict),
        ("all", &[all][..], Mode::Off),
        ("a group before all", &[all, group], Mode::FlagOnly),
        ("a class before its group", &[exact, group], Mode::Off),
        ("a class before a channel", &[channel, exact], Mode::Off),
        ("a channel before all", &[channel, all], Mode::Strict),
        ("a tenant before a class", &[exact, own], Mode::FlagOnly),
        ("another tenant's rule", &[other, all], Mode::Off),
        (
            "all three",
            &[all, group, exact, channel, own, narrow],
            Mode::Strict,
        ),
        (
            "a tie: the stricter",
            &[all, ("*", "*", "*", "flag"), all],
            Mode::FlagOnly,
        ),
        (
            "a tie: block",
            &[("*", "*", "*", "strict"), ("*", "*", "*", "block")],
            Mode::Block,
        ),
    ] {
        for rules in [rules.to_vec(), rules.iter().rev().copied().collect()] {
            let action = match redact(&policy(&rules), Channel::Prompt) {
                Err(_) => Mode::Block,
                Ok(redaction) => redaction
                    .findings
                    .iter()
                    .find(|finding| finding.class == Class::Email)
                    .map_or(Mode::Off, |finding| finding.action),
            };
            assert_eq!(action, expected, "{name}");
        }
    }
}

#[test]
fn audit_is_strict_whatever_the_rules_say() {
    let lax = policy(&[("*", "*", "*", "off"), (TENANT, "*", "*", "off")]);
    assert_eq!(text(&lax, Channel::Prompt), TEXT);
    assert_eq!(text(&lax, Channel::Audit), "[EMAIL] [US_SSN]");
}

#[test]
fn a_log_is_strict_unless_a_rule_names_it() {
    let lax = policy(&[("*", "*", "*", "off"), (TENANT, "*", "*", "off")]);
    assert_eq!(text(&lax, Channel::Log), "[EMAIL] [US_SSN]");
    let named = policy(&[("*", "contact.email", "log", "flag")]);
    assert_eq!(text(&named, Channel::Log), "ann@example.com [US_SSN]");
}

#[test]
fn a_threshold_lets_pass_what_is_below_it() {
    let with = |threshold: &str| {
        let document = format!(
            "version = 1\n[[rules]]\ntenant = \"*\"\nclass = \"*\"\nchannel = \"*\"\nmode = \"strict\"\nmin_confidence = {threshold}\n"
        );
        Policy::from_toml(&document).unwrap()
    };
    assert_eq!(text(&with("0.9"), Channel::Prompt), "[EMAIL] 123-45-6789");
    assert_eq!(text(&with("1"), Channel::Prompt), TEXT);
    let version = "version 1.2.3.4";
    let low = with("0")
        .redact(&tenant(), Channel::Prompt, version)
        .unwrap();
    assert_eq!(low.text, "version [IP_ADDRESS]");
    let default = Policy::strict()
        .redact(&tenant(), Channel::Prompt, version)
        .unwrap();
    assert_eq!(
        (default.text.as_str(), default.findings.len()),
        (version, 0)
    );
}

#[test]
fn the_hash_is_of_the_text_as_given() {
    // SHA-256 of "version = 1\n", as any other tool computes it.
    let hash = "dbab12665d98aef021ba64953c61b0ed8a908cfb56a1c01e2fcb4b052b71a2a1";
    let strict = Policy::strict();
    assert_eq!((strict.source(), strict.version()), ("version = 1\n", 1));
    assert_eq!(strict.hash_hex(), hash);
    let spaced = Policy::from_toml("version  = 1\n").unwrap();
    assert_ne!(spaced.hash(), strict.hash());
    assert_eq!(
        Policy::from_toml(strict.source()).unwrap().hash(),
        strict.hash()
    );
}

#[test]
fn json_says_the_same() {
    let json = r#"{"version": 9, "rules": [
        {"tenant": "*", "class": "gov.*", "channel": "export", "min_confidence": 0.7, "mode": "block"}
    ]}"#;
    let policy = Policy::from_json(json).unwrap();
    assert_eq!((policy.version(), policy.source()), (9, json));
    let refused = redact(&policy, Channel::Export).unwrap_err();
    assert!(matches!(refused, RedactError::Blocked(blocked) if blocked.class == Class::UsSsn));
    assert_eq!(text(&policy, Channel::Webhook), "[EMAIL] [US_SSN]");
}

#[test]
fn documents_that_are_refused() {
    use PolicyFault as F;
    let rule = |line: &str| {
        let mut members = vec![
            ("tenant", "\"*\""),
            ("class", "\"*\""),
            ("channel", "\"*\""),
            ("mode", "\"strict\""),
        ];
        if let Some((name, value)) = line.split_once('=') {
            members.retain(|(known, _)| *known != name);
            members.push((name, value));
        }
        let members: Vec<_> = members
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let lines: Vec<_> = members.iter().map(|(n, v)| format!("{n} = {v}")).collect();
        let pairs: Vec<_> = members
            .iter()
            .map(|(n, v)| format!("\"{n}\": {v}"))
            .collect();
        (
            format!("version = 1\n[[rules]]\n{}\n", lines.join("\n")),
            format!("{{\"version\": 1, \"rules\": [{{{}}}]}}", pairs.join(", ")),
        )
    };
    for (name, line, reason) in [
        ("unknown member", "note=\"x\"", F::UnknownMember),
        ("no tenant", "tenant=", F::MissingMember),
        ("no class", "class=", F::MissingMember),
        ("no channel", "channel=", F::MissingMember),
        ("no mode", "mode=", F::MissingMember),
        ("tenant by name", "tenant=\"acme\"", F::Tenant),
        (
            "tenant in upper case",
            "tenant=\"0190B2A4-8C7E-7D3A-9F00-0242AC120002\"",
            F::Tenant,
        ),
        (
            "nil tenant",
            "tenant=\"00000000-0000-0000-0000-000000000000\"",
            F::Tenant,
        ),
        ("unknown class", "class=\"gov.ssn\"", F::Class),
        ("unknown group", "class=\"goo.*\"", F::Class),
        ("half a part", "class=\"go*\"", F::Class),
        ("empty group", "class=\".*\"", F::Class),
        ("class by label", "class=\"US_SSN\"", F::Class),
        ("unknown channel", "channel=\"prompts\"", F::Channel),
        ("unknown mode", "mode=\"reversibly\"", F::Mode),
        ("unknown operator", "operator=\"hash\"", F::Operator),
        ("mask without keep", "operator=\"mask\"", F::Keep),
        ("keep without mask", "keep=2", F::Keep),
        ("mode in upper case", "mode=\"Strict\"", F::Mode),
        ("threshold above 1", "min_confidence=1.01", F::MinConfidence),
        (
            "negative threshold",
            "min_confidence=-0.1",
            F::MinConfidence,
        ),
        ("threshold as text", "min_confidence=\"0.5\"", F::Malformed),
        ("tenant as number", "tenant=7", F::Malformed),
    ] {
        let (toml, json) = rule(line);
        let error = Policy::from_toml(&toml).expect_err(name);
        assert_eq!(error.reason, reason, "{name}");
        assert!(error.line >= 2, "{name}: line {}", error.line);
        assert_eq!(
            Policy::from_json(&json).expect_err(name).reason,
            reason,
            "{name}"
        );
    }
    for (name, toml, line, reason) in [
        ("empty", "", 1, F::MissingMember),
        ("version 0", "version = 0", 1, F::Version),
        ("negative version", "version = -1", 1, F::Malformed),
        ("version as text", "version = \"1\"", 1, F::Malformed),
        ("member twice", "version = 1\nversion = 2", 2, F::Malformed),
        ("not TOML", "version = 1\nrules = [", 2, F::Malformed),
        (
            "unknown top member",
            "version = 1\n\nname = \"x\"",
            3,
            F::UnknownMember,
        ),
    ] {
        let error = Policy::from_toml(toml).expect_err(name);
        assert_eq!(error, PolicyError { line, reason }, "{name}");
    }
    for (name, json, reason) in [
        (
            "member twice",
            r#"{"version": 1, "version": 2}"#,
            F::Malformed,
        ),
        ("trailing text", r#"{"version": 1} x"#, F::Malformed),
        ("not a document", "[]", F::Malformed),
        ("NaN", r#"{"version": NaN}"#, F::Malformed),
    ] {
        assert_eq!(
            Policy::from_json(json).expect_err(name).reason,
            reason,
            "{name}"
        );
    }
    let many = format!(
        "version = 1\n{}",
        rule("").0.replace("version = 1\n", "").repeat(1025)
    );
    assert_eq!(
        Policy::from_toml(&many).unwrap_err().reason,
        F::TooManyRules
    );
}

#[test]
fn no_rule_weakens_the_audit_channel() {
    for (mode, threshold, accepted) in [
        ("strict", "0.5", true),
        ("strict", "0.2", true),
        ("strict", "0.51", false),
        ("flag", "0.5", false),
        ("off", "0.5", false),
        ("block", "0.5", false),
    ] {
        let document = format!(
            "version = 1\n[[rules]]\ntenant = \"*\"\nclass = \"*\"\nchannel = \"audit\"\nmode = \"{mode}\"\nmin_confidence = {threshold}\n"
        );
        let reason = Policy::from_toml(&document).err().map(|error| error.reason);
        assert_eq!(
            reason,
            (!accepted).then_some(PolicyFault::AuditWeakened),
            "{mode} {threshold}"
        );
    }
}

#[test]
fn errors_and_debug_forms_hold_no_value() {
    let error = Policy::from_toml("version = 1\n[[rules]]\ntenant = \"hunter2\"").unwrap_err();
    assert_eq!(
        error.to_string(),
        "policy, line 3: tenant: expected * or a lower-case hyphenated uuid"
    );
    let flag = policy(&[("*", "*", "*", "flag")]);
    let redaction = redact(&flag, Channel::Prompt).unwrap();
    assert_eq!(redaction.text, TEXT);
    let finding: &Finding = &redaction.findings[0];
    assert_eq!(
        format!("{finding:?}"),
        "Finding { class: Email, span: Span { bytes: 0..15, chars: 0..15, utf16: 0..15 }, \
         confidence: Confidence(0.971), evidence: {Shape}, action: FlagOnly, operator: None, \
         rule: Some(0) }"
    );
    let debug = format!("{redaction:?} {flag:?}");
    assert!(
        !debug.contains("ann@") && !debug.contains("123-45"),
        "{debug}"
    );
    assert!(format!("{flag:?}").starts_with("Policy(version 3, "));
}

proptest! {
    #[test]
    fn no_document_panics(text in any::<String>()) {
        let _ = Policy::from_toml(&text);
        let _ = Policy::from_json(&text);
    }

    #[test]
    fn a_stricter_rule_never_reveals_more(
        mode in 0_usize..5,
        class in proptest::sample::select(vec!["*", "contact.*", "contact.email", "gov.*"]),
        channel in proptest::sample::select(&Channel::ALL[..]),
    ) {
        let with = |mode: Mode| redact(&policy(&[("*", class, "*", mode.as_str())]), channel);
        let (lax, strict) = (Mode::ALL[mode], Mode::ALL[(mode + 1).min(4)]);
        match (with(lax), with(strict)) {
            (Ok(lax), Ok(strict)) => {
                let replaced = |r: &Redaction| r.text.matches('[').count();
                prop_assert!(replaced(&lax) <= replaced(&strict));
            }
            (Err(RedactError::Blocked(_)), Ok(_)) => prop_assert!(false),
            _ => {}
        }
    }
}
