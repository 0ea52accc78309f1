//! Reversible redaction: a vault, and the way back.

use std::fs;

use super::{EMAIL, SSN, TEXT, policy};
use crate::shell::{Shell, TENANT, assert_private};

const REDACT: &str = "pii redact --policy policy.toml --vault vault";

fn reversible() -> Shell {
    let shell = Shell::new();
    shell.file("policy.toml", policy("*", "*", "mode = \"reversible\""));
    shell
}

#[test]
fn values_come_back() {
    let shell = reversible();
    let told = shell.run("pii policy-check policy.toml").ends_with(0);
    assert!(told.text().contains("needs_vault: true\n"));
    let redacted = shell.run_with(REDACT, TEXT).ends_with(0);
    let redacted = redacted.never_says(EMAIL).never_says(SSN);
    assert!(redacted.text().starts_with("My email is [EMAIL_"));
    assert_private(&shell.path("vault"));
    let restored = shell.run_with("pii restore --vault vault", redacted.text());
    let restored = restored.ends_with(0);
    assert_eq!(restored.text(), TEXT);
    assert_eq!(
        restored.stderr,
        "restored 2 values (contact.email 1, gov.ssn.us 1), withheld 0\n"
    );

    // Another text adds to it, and both come back.
    let again = shell.run_with(REDACT, "ann@example.com").ends_with(0);
    let both = format!("{} {}", again.text().to_lowercase(), redacted.text());
    let restored = shell.run_with("pii restore --vault vault --json", &both);
    let restored = restored.ends_with(0).json();
    assert_eq!(restored["text"], format!("ann@example.com {TEXT}"));
    assert_eq!(restored["restored"]["contact.email"], 2);
    assert_eq!(restored["withheld"], 0);
    // A token that nobody made is text.
    let made_up = "[EMAIL_00000000000000]";
    let restored = shell.run_with("pii restore --vault vault", made_up);
    assert_eq!(restored.ends_with(0).text(), made_up);
}

#[test]
fn files_share_a_vault() {
    let shell = reversible();
    fs::create_dir(shell.path("in")).unwrap();
    for number in 0..40 {
        let text = format!("write to u{number}@example.com or {EMAIL}");
        shell.file(&format!("in/{number}"), text);
    }
    let line = format!("{REDACT} --in-place --threads 4 in");
    shell.run(&line).ends_with(0);
    for number in 0..40 {
        let redacted = fs::read_to_string(shell.path(&format!("in/{number}"))).unwrap();
        assert!(!redacted.contains("@example.com"));
        let restored = shell.run_with("pii restore --vault vault", redacted);
        let expected = format!("write to u{number}@example.com or {EMAIL}");
        assert_eq!(restored.ends_with(0).text(), expected);
    }
}

#[test]
fn nothing_is_reversible_without_a_vault() {
    let shell = reversible();
    let refused = shell.run_with("pii redact --policy policy.toml", TEXT);
    let refused = refused.ends_with(2).never_says(EMAIL);
    assert_eq!(refused.text(), "");
    assert!(refused.stderr.contains("--vault"), "{}", refused.stderr);
    shell.run_with("pii restore", "x").ends_with(2);
    shell
        .run_with("pii restore --vault vault", "x")
        .ends_with(2);
    assert!(!shell.path("vault").exists());
}

#[test]
fn web_addresses_and_tools_are_asked_for() {
    let shell = reversible();
    let token = shell.run_with(REDACT, EMAIL).ends_with(0).text().to_owned();
    let address = format!("https://example.com/?q={token}");
    for (more, text, expected, withheld) in [
        ("", &address, address.clone(), 1),
        (
            " --urls",
            &address,
            format!("https://example.com/?q={EMAIL}"),
            0,
        ),
        (" --to tool", &token, token.clone(), 1),
        (" --to tool --tools", &token, EMAIL.to_owned(), 0),
    ] {
        let line = format!("pii restore --vault vault{more} --json");
        let restored = shell.run_with(&line, text).ends_with(0).json();
        assert_eq!(restored["text"], expected, "{more}");
        assert_eq!(restored["withheld"], withheld, "{more}");
    }
}

#[test]
fn values_are_sealed_under_a_tenants_key() {
    let shell = reversible();
    let new = format!("envelope keyring-new --keyring keys --tenant {TENANT}");
    shell.run(&new).ends_with(0);
    let key = format!("--keyring keys --tenant {TENANT}");
    let redacted = shell
        .run_with(&format!("{REDACT} {key}"), TEXT)
        .ends_with(0);
    let vault = fs::read_to_string(shell.path("vault")).unwrap();
    assert!(!vault.contains(EMAIL) && !vault.contains(SSN));
    let line = format!("pii restore --vault vault {key}");
    let restored = shell.run_with(&line, redacted.text()).ends_with(0);
    assert_eq!(restored.text(), TEXT);

    let line = format!("pii restore --vault vault --tenant {TENANT}");
    let refused = shell.run_with(&line, redacted.text()).ends_with(2);
    assert!(refused.stderr.contains("line 1: sealed: give --keyring"));
    // Another tenant's tokens are text.
    let line = "pii restore --vault vault";
    let left = shell.run_with(line, redacted.text()).ends_with(0);
    assert_eq!(left.text(), redacted.text());
    // A value is bound to its token.
    let lines: Vec<_> = vault.lines().collect();
    let of = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["token"].as_str().unwrap().to_owned()
    };
    let swapped = lines[0].replace(&of(lines[0]), "[EMAIL_00000000000000]");
    shell.file("vault", format!("{swapped}\n"));
    let line = format!("pii restore --vault vault {key}");
    let refused = shell.run_with(&line, redacted.text()).ends_with(2);
    assert!(
        refused.stderr.contains("vault: line 1"),
        "{}",
        refused.stderr
    );

    let line = format!("{REDACT} --keyring none --tenant {TENANT}");
    shell.run_with(&line, TEXT).ends_with(2).never_says(EMAIL);
    let line = "pii redact --keyring keys";
    shell.run_with(line, TEXT).ends_with(2).never_says(EMAIL);
}

#[test]
fn a_vault_that_is_not_sound_is_not_used() {
    let shell = reversible();
    let redacted = shell.run_with(REDACT, TEXT).ends_with(0);
    let vault = fs::read_to_string(shell.path("vault")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |mode| fs::set_permissions(shell.path("vault"), fs::Permissions::from_mode(mode));
        mode(0o644).unwrap();
        for line in [REDACT, "pii restore --vault vault"] {
            let refused = shell.run_with(line, redacted.text()).ends_with(2);
            assert!(refused.stderr.contains("others can read"), "{line}");
        }
        mode(0o600).unwrap();
    }
    for (from, to) in [
        ("\"value\"", "\"values\""),
        ("contact.email", "contact.none"),
        ("\"token\":\"[", "\"token\":\""),
        ("prompt", "nowhere"),
        ("{", "["),
    ] {
        shell.file("vault", vault.replace(from, to));
        let refused = shell.run_with("pii restore --vault vault", redacted.text());
        let refused = refused.ends_with(2).never_says(EMAIL).never_says(SSN);
        assert!(refused.stderr.contains("vault: line 1: "), "{from}");
    }
    // Half a line, as after a crash, is not written behind.
    shell.file("vault", vault.trim_end());
    let refused = shell.run_with(REDACT, TEXT).ends_with(2).never_says(EMAIL);
    assert!(refused.stderr.contains("last line"), "{}", refused.stderr);
    shell.file("vault", "");
    shell.run_with(REDACT, TEXT).ends_with(0);
}
