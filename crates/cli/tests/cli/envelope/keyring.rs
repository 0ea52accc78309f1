//! `keyring-new` and `keyring-rotate`.

use std::fs;

use super::{Envelope, OTHER_TENANT};
use crate::shell::{Shell, TENANT, assert_private};

#[test]
fn a_keyring_is_made_for_its_owner_alone() {
    let envelope = Envelope::new();
    assert_private(&envelope.keyring());
    let made = envelope
        .verb("keyring-new --key escrow --json")
        .ends_with(0);
    assert_eq!(made.json()["key"], "escrow");
    assert_eq!(made.json()["version"], 1);
    assert_eq!(made.json()["tenant"], TENANT);

    let other = format!("envelope keyring-new --keyring keys --tenant {OTHER_TENANT}");
    envelope.0.run(&other).ends_with(0);
    let keys = fs::read_dir(envelope.0.path("keys")).unwrap();
    let keyrings = keys.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|end| end == "keyring")
    });
    assert_eq!(keyrings.count(), 2);
}

#[test]
fn a_key_is_not_made_twice() {
    let envelope = Envelope::new();
    let before = fs::read(envelope.keyring()).unwrap();
    let again = envelope.verb("keyring-new").ends_with(2);
    assert_eq!(
        again.stderr,
        "strongroom: key root: kms: the key exists already\n"
    );
    assert_eq!(fs::read(envelope.keyring()).unwrap(), before);
}

#[test]
fn what_an_old_version_sealed_opens_after_rotation() {
    let envelope = Envelope::with_record("sk-example");
    let rotated = envelope.verb("keyring-rotate --json").ends_with(0);
    assert_eq!(rotated.json()["version"], 2);
    assert_eq!(envelope.opened(), b"sk-example");
    envelope
        .verb_with("seal --context row=18 --out newer", "x")
        .ends_with(0);
    let newer = envelope.0.run("envelope inspect newer").ends_with(0);
    assert!(
        newer
            .text()
            .contains("wrap: key=root provider=local version=2\n")
    );
    let absent = envelope.verb("keyring-rotate --key other").ends_with(2);
    assert_eq!(absent.stderr, "strongroom: key other: kms: no such key\n");
}

#[test]
fn keyrings_that_are_not_used() {
    let envelope = Envelope::with_record("sk-example");
    let line = "open --context row=17 record";
    for (name, bytes, said) in [
        ("empty", Vec::new(), "line 1: not a keyring"),
        ("altered", altered(&envelope), "the checksum does not hold"),
    ] {
        let before = fs::read(envelope.keyring()).unwrap();
        fs::write(envelope.keyring(), bytes).unwrap();
        for line in [line, "keyring-new --key other", "keyring-rotate", "seal"] {
            let refused = envelope.verb(line).ends_with(2);
            assert!(refused.stderr.contains(said), "{name}: {}", refused.stderr);
            assert!(refused.stdout.is_empty());
        }
        fs::write(envelope.keyring(), before).unwrap();
    }
    envelope.verb(line).ends_with(0);

    let other = format!("envelope open --keyring keys --tenant {OTHER_TENANT} record");
    let absent = envelope.0.run(&other).ends_with(2);
    assert!(
        absent.stderr.contains("has no keyring here"),
        "{}",
        absent.stderr
    );
    let elsewhere = format!("envelope open --keyring absent --tenant {TENANT} record");
    envelope.0.run(&elsewhere).ends_with(2);
    envelope.0.file("file", "no directory");
    let a_file = format!("envelope keyring-new --keyring file --tenant {TENANT}");
    envelope.0.run(&a_file).ends_with(2);
    assert_eq!(envelope.read("file"), b"no directory");
}

#[cfg(unix)]
#[test]
fn keyrings_that_others_can_reach_are_not_used() {
    use std::os::unix::fs::PermissionsExt as _;

    let envelope = Envelope::with_record("sk-example");
    let set = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let refused = || {
        for line in ["open --context row=17 record", "seal", "keyring-rotate"] {
            let refused = envelope.verb(line).ends_with(2);
            assert!(
                refused.stderr.contains("others than its owner"),
                "{}",
                refused.stderr
            );
        }
    };
    set(envelope.keyring(), 0o640);
    refused();
    set(envelope.keyring(), 0o600);
    set(envelope.0.path("keys"), 0o777);
    refused();
    set(envelope.0.path("keys"), 0o700);
    assert_eq!(envelope.opened(), b"sk-example");
}

#[test]
fn malformed_arguments_are_named() {
    let shell = Shell::new();
    for (line, said) in [
        ("keyring-new --keyring keys --tenant x", "--tenant"),
        (
            "keyring-new --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 --key a*b",
            "--key",
        ),
        ("keyring-new --keyring keys", "--tenant"),
        (
            "keyring-new --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002",
            "--keyring",
        ),
    ] {
        let refused = shell.run(&format!("envelope {line}")).ends_with(2);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    assert!(!shell.path("keys").exists());
}

fn altered(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = fs::read(envelope.keyring()).unwrap();
    let key = bytes.len() - 80;
    bytes[key] ^= 1;
    bytes
}
