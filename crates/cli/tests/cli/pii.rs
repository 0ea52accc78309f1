//! Personal data and policies.

mod eval;
mod files;
mod live;
mod scan;
mod vault;

use serde_json::Value;

use crate::shell::Shell;

const EMAIL: &str = "john@example.com";
const SSN: &str = "123-45-6789";
const TEXT: &str = "My email is john@example.com and SSN is 123-45-6789";

/// A policy of one rule for all tenants.
fn policy(class: &str, channel: &str, rest: &str) -> String {
    format!(
        "version = 7\n[[rules]]\ntenant = \"*\"\nclass = \"{class}\"\nchannel = \"{channel}\"\n{rest}\n"
    )
}

#[test]
fn a_text_is_redacted() {
    let shell = Shell::new();
    shell.file("text", TEXT);
    let redacted = shell.run("pii redact text").ends_with(0);
    assert_eq!(redacted.text(), "My email is [EMAIL] and SSN is [US_SSN]");
    let told = shell.run_with("pii redact --json", TEXT).ends_with(0);
    let told = told.json();
    assert_eq!(told["text"], "My email is [EMAIL] and SSN is [US_SSN]");
    let first = &told["findings"][0];
    assert_eq!(
        (&first["class"], &first["action"], &first["operator"]),
        (&"contact.email".into(), &"strict".into(), &"label".into())
    );
    assert_eq!(first["rule"], Value::Null);
    assert_eq!(told["policy_hash"].as_str().unwrap().len(), 64);

    let refused = shell.run_with("pii redact", [b'a', 0xff]).ends_with(2);
    assert!(refused.stderr.contains("standard input: not UTF-8"));
    shell
        .run_with("pii redact --channel smoke", TEXT)
        .ends_with(2);
    shell.run("pii redact absent").ends_with(2);
    let several = shell.run("pii redact text text .").ends_with(2);
    assert!(several.stderr.contains("--in-place"), "{}", several.stderr);
}

#[test]
fn notations_are_kept() {
    let shell = Shell::new();
    for (format, text, expected) in [
        (
            "json",
            "{\"ssn\": 123456789, \"to\": \"john\\u0040example.com\"}",
            "{\"ssn\": \"[US_SSN]\", \"to\": \"[EMAIL]\"}",
        ),
        (
            "jsonl",
            "{\"ssn\": 123456789}\n\nSSN 123-45-6789 {\n{\"a\": 1}",
            "{\"ssn\": \"[US_SSN]\"}\n\nSSN [US_SSN] {\n{\"a\": 1}",
        ),
        (
            "csv",
            "name,ssn\n\"A, B\",123456789\n",
            "name,ssn\n\"A, B\",[US_SSN]\n",
        ),
        (
            "tsv",
            "name\tssn\nA,B\t123456789\n",
            "name\tssn\nA,B\t[US_SSN]\n",
        ),
        ("form", "ssn=123456789&page=2", "ssn=[US_SSN]&page=2"),
        ("text", "SSN 123-45-6789\n", "SSN [US_SSN]\n"),
    ] {
        let name = format!("a.{format}");
        shell.file(&name, text);
        // By the extension, where it says so.
        for line in [
            format!("pii redact --format {format} {name}"),
            format!("pii redact {name}"),
        ] {
            if format == "form" && !line.contains("--format") {
                continue;
            }
            let redacted = shell.run(&line).ends_with(0).never_says("123456789");
            assert_eq!(redacted.text(), expected, "{line}");
        }
        let line = format!("pii redact --format {format}");
        assert_eq!(shell.run_with(&line, text).ends_with(0).text(), expected);
    }
    let broken = shell.run_with("pii redact --format json", "{\n\"ssn\": 123-45-6789}");
    let broken = broken.ends_with(2).never_says(SSN);
    assert!(broken.stderr.contains("line 2"), "{}", broken.stderr);
    let broken = shell.run_with("pii redact --format csv", "a\n\"123-45-6789");
    broken.ends_with(2).never_says(SSN);
}

#[test]
fn a_policy_decides() {
    let shell = Shell::new();
    shell.file("policy.toml", policy("gov.*", "prompt", "mode = \"block\""));
    shell.file("broken.toml", policy("gov.*", "prompt", "mode = \"shout\""));
    shell.file("policy.json", r#"{"version": 3}"#);
    let told = shell
        .run("pii policy-check policy.toml --json")
        .ends_with(0)
        .json();
    assert_eq!(told["version"], 7);
    assert_eq!(told["hash"].as_str().unwrap().len(), 64);
    assert_eq!(told["needs_vault"], false);
    assert_eq!(told["needs_linking_key"], false);
    assert_eq!(told["restores"], "");
    shell.run("pii policy-check policy.json").ends_with(0);
    let line = "pii policy-check policy.toml --explain --channel prompt";
    let explained = shell.run(&format!("{line} --class gov.ssn.us --class contact.email"));
    let explained = explained.ends_with(0).text().to_owned();
    for line in [
        "contact.email\tprompt\tstrict\tlabel\t0.500\tno rule\n",
        "gov.ssn.us\tprompt\tblock\t-\t0.500\trule 0\n",
    ] {
        assert!(explained.contains(line), "{explained}");
    }
    let explained = shell.run("pii policy-check policy.toml --explain --json");
    let explained = explained.ends_with(0).text().to_owned();
    let lines = explained.lines().count();
    let classes = shell.run("pii classes").ends_with(0).text().lines().count();
    assert_eq!(lines, 1 + 7 * classes);
    assert!(explained.contains(r#""rule":null"#) && explained.contains(r#""rule":0"#));
    let refused = shell.run("pii policy-check policy.toml --channel prompt");
    assert!(refused.ends_with(2).stderr.contains("--explain"));
    let refused = shell
        .run("pii policy-check broken.toml")
        .ends_with(1)
        .never_says("shout");
    assert!(refused.stderr.contains("line"), "{}", refused.stderr);

    let line = "pii redact --policy policy.toml";
    // Long before the value is found, much of the text is decided.
    let long = format!("{} my SSN is {SSN}", "nothing here. ".repeat(100_000));
    for text in ["my SSN is 123-45-6789", &long] {
        for input in ["", " --format form", " --json"] {
            let line = format!("{line}{input}");
            let blocked = shell.run_with(&line, text).ends_with(1).never_says(SSN);
            assert!(!blocked.text().contains("nothing here"), "{line}");
        }
    }
    let elsewhere = format!("{line} --channel webhook");
    shell
        .run_with(&elsewhere, "my SSN is 123-45-6789")
        .ends_with(0);
    shell
        .run_with("pii redact --policy broken.toml", "x")
        .ends_with(2)
        .never_says("shout");
}

#[test]
fn values_are_linked_under_a_key() {
    let shell = Shell::new();
    shell.file(
        "policy.toml",
        policy(
            "contact.email",
            "export",
            "mode = \"strict\"\noperator = \"hmac\"",
        ),
    );
    let told = shell.run("pii policy-check policy.toml").ends_with(0);
    assert!(told.text().contains("needs_linking_key: true\n"));
    let line = "pii redact --policy policy.toml --channel export";
    let refused = shell.run_with(line, TEXT).ends_with(2).never_says(EMAIL);
    assert!(
        refused.stderr.contains("--linking-key"),
        "{}",
        refused.stderr
    );

    shell.file("key", format!("{}\n", "5a".repeat(32)));
    shell.file("other", "a5".repeat(32));
    let linked = |key: &str, text: &str| {
        let line = format!("{line} --linking-key {key}");
        let linked = shell.run_with(&line, text).ends_with(0).never_says(EMAIL);
        let text = linked.text().to_owned();
        let (_, code) = text.split_once("[EMAIL#").unwrap();
        code.get(..16).unwrap().to_owned()
    };
    let code = linked("key", TEXT);
    assert_eq!(code, linked("key", "again john@example.com"));
    assert_ne!(code, linked("other", TEXT));
    for wrong in ["", "5a", &"5a".repeat(33), &"zz".repeat(32)] {
        shell.file("wrong", wrong);
        let line = format!("{line} --linking-key wrong");
        let refused = shell.run_with(&line, TEXT).ends_with(2);
        assert!(refused.stderr.contains("64 hexadecimal"), "{wrong}");
    }
}

#[test]
fn classes_are_listed() {
    let shell = Shell::new();
    let told = shell.run("pii classes").ends_with(0);
    assert!(
        told.text()
            .contains("gov.ssn.us\tUS_SSN\t\tA United States")
    );
    assert!(told.text().contains("EMAIL_ADDRESS"));
    let one = shell.run("pii classes EMAIL_ADDRESS").ends_with(0);
    assert_eq!(one.text().lines().count(), 1);
    let group = shell.run("pii classes gov.* --json").ends_with(0);
    for line in group.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["class"].as_str().unwrap().starts_with("gov."));
        assert!(line["aliases"].is_array() && line["description"].is_string());
        assert_eq!(
            line["placeholder"],
            format!("[{}]", line["label"].as_str().unwrap())
        );
    }
    shell.run("pii classes gov").ends_with(2);
}
