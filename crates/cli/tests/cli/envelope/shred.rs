//! `shred`.

use std::fs;

use super::Envelope;
use crate::shell::TENANT;

#[test]
fn what_is_sealed_under_a_destroyed_key_alone_is_gone() {
    let envelope = Envelope::with_record("sk-example");
    envelope.verb("keyring-new --key user:17").ends_with(0);
    envelope.verb("keyring-rotate --key user:17").ends_with(0);
    envelope
        .verb_with("seal --key user:17 --out theirs", "x")
        .ends_with(0);
    let before = fs::read_to_string(envelope.keyring()).unwrap();
    let secrets: Vec<_> = before
        .lines()
        .filter(|line| line.starts_with("key user:17"))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(secrets.len(), 2);

    let shred = "shred --key user:17 --yes-destroy user:17 --backup-days 7 --json";
    let receipt = envelope.verb(shred).ends_with(0).json();
    assert_eq!(receipt["tenant"], TENANT);
    assert_eq!(receipt["key"], "user:17");
    assert_eq!(receipt["versions"], serde_json::json!([1, 2]));
    assert_eq!(receipt["backup_days"], 7);
    assert_eq!(
        days(&receipt["destroyed_at"], &receipt["backups_gone_at"]),
        7
    );

    let after = fs::read_to_string(envelope.keyring()).unwrap();
    for secret in secrets {
        assert!(!after.contains(secret));
    }
    let gone = envelope.verb("open --key user:17 theirs").ends_with(1);
    assert_eq!(gone.stderr, "refused: open: failed\n");
    assert_eq!(envelope.opened(), b"sk-example");
    for line in [
        shred,
        "keyring-new --key user:17",
        "keyring-rotate --key user:17",
        "seal --key user:17",
    ] {
        envelope.verb(line).ends_with(2);
    }
}

#[test]
fn the_receipt_is_for_readers_too() {
    let envelope = Envelope::new();
    let receipt = envelope
        .verb("shred --key root --yes-destroy root")
        .ends_with(0);
    let names = receipt.text().lines().map(|line| line.split(':').next());
    let names: Vec<_> = names.map(Option::unwrap).collect();
    assert_eq!(
        names,
        [
            "tenant",
            "key",
            "versions",
            "destroyed_at",
            "backup_days",
            "backups_gone_at"
        ]
    );
    assert!(receipt.text().contains("backup_days: 35\n"));
}

#[test]
fn without_the_name_again_nothing_is_destroyed() {
    let envelope = Envelope::with_record("sk-example");
    let before = fs::read(envelope.keyring()).unwrap();
    for (line, said) in [
        ("shred --key root", "repeat its name with --yes-destroy"),
        ("shred --key root --yes-destroy other", "repeat its name"),
        ("shred --yes-destroy root", "--key"),
        ("shred --key other --yes-destroy other", "no such key"),
        ("shred --key root --yes-destroy", "--yes-destroy"),
        ("shred --key root --yes-destroy root --backup-days -1", "-1"),
        (
            "shred --key root --yes-destroy root --backup-days 36501",
            "36501",
        ),
    ] {
        let refused = envelope.verb(line).ends_with(2);
        assert!(refused.stderr.contains(said), "{line}: {}", refused.stderr);
        assert_eq!(fs::read(envelope.keyring()).unwrap(), before, "{line}");
    }
    assert_eq!(envelope.opened(), b"sk-example");
}

fn days(from: &serde_json::Value, until: &serde_json::Value) -> i64 {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let moment =
        |text: &serde_json::Value| OffsetDateTime::parse(text.as_str().unwrap(), &Rfc3339).unwrap();
    (moment(until) - moment(from)).whole_days()
}
