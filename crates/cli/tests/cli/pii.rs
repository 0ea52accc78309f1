//! Personal data and policies.

use serde_json::Value;

use crate::shell::Shell;

#[test]
fn personal_data_is_redacted_and_listed() {
    let shell = Shell::new();
    let text = "My email is john@example.com and SSN is 123-45-6789";
    shell.file("text", text);
    let redacted = shell.run("pii redact text").ends_with(0);
    assert_eq!(redacted.text(), "My email is [EMAIL] and SSN is [US_SSN]");
    let told = shell
        .run_with("pii redact --json", text)
        .ends_with(0)
        .json();
    assert_eq!(told["text"], "My email is [EMAIL] and SSN is [US_SSN]");
    assert_eq!(told["findings"][0]["class"], "contact.email");

    let listed = shell
        .run("pii scan text")
        .ends_with(0)
        .never_says("john@example.com");
    assert!(
        listed.text().starts_with("12..28\tcontact.email\t"),
        "{}",
        listed.text()
    );
    let listed = shell.run("pii scan text --json").ends_with(0);
    let first: Value = serde_json::from_str(listed.text().lines().next().unwrap()).unwrap();
    assert_eq!(
        (first["start"].as_u64(), first["end"].as_u64()),
        (Some(12), Some(28))
    );

    shell.run_with("pii redact", [0xff]).ends_with(2);
    shell
        .run_with("pii redact --channel smoke", text)
        .ends_with(2);
    shell.run("pii scan absent").ends_with(2);
}

#[test]
fn a_policy_decides() {
    let shell = Shell::new();
    let rule = "[[rules]]\ntenant = \"*\"\nclass = \"gov.*\"\nchannel = \"prompt\"\n";
    shell.file(
        "policy.toml",
        format!("version = 7\n{rule}mode = \"block\"\n"),
    );
    shell.file(
        "broken.toml",
        format!("version = 7\n{rule}mode = \"shout\"\n"),
    );
    shell.file("policy.json", r#"{"version": 3}"#);
    let told = shell
        .run("pii policy-check policy.toml --json")
        .ends_with(0)
        .json();
    assert_eq!(
        (
            told["version"].as_u64(),
            told["hash"].as_str().unwrap().len()
        ),
        (Some(7), 64)
    );
    shell.run("pii policy-check policy.json").ends_with(0);
    let refused = shell
        .run("pii policy-check broken.toml")
        .ends_with(1)
        .never_says("shout");
    assert!(refused.stderr.contains("line"), "{}", refused.stderr);

    let line = "pii redact --policy policy.toml";
    let blocked = shell.run_with(line, "my SSN is 123-45-6789").ends_with(1);
    assert_eq!(blocked.text(), "");
    blocked.never_says("123-45-6789");
    let elsewhere = format!("{line} --channel webhook");
    shell
        .run_with(&elsewhere, "my SSN is 123-45-6789")
        .ends_with(0);
    shell
        .run_with("pii redact --policy broken.toml", "x")
        .ends_with(2);
}

#[test]
fn classes_are_listed() {
    let shell = Shell::new();
    let told = shell.run("pii classes").ends_with(0);
    assert!(told.text().contains("gov.ssn.us\t[US_SSN]\n"));
    for line in shell.run("pii classes --json").ends_with(0).text().lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["class"].is_string());
    }
}
