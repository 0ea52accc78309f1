//! `seal`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Envelope, LONG, long};
use crate::shell::assert_private;

#[test]
fn a_record_is_private_and_never_written_over() {
    let envelope = Envelope::with_record("sk-example");
    assert_private(&envelope.0.path("record"));
    let record = envelope.read("record");
    assert!(!record.windows(10).any(|window| window == b"sk-example"));
    for plaintext in [b"short".to_vec(), long()] {
        let again = envelope
            .verb_with("seal --out record", plaintext)
            .ends_with(2);
        assert!(
            again.stderr.contains("not written over"),
            "{}",
            again.stderr
        );
        assert_eq!(envelope.read("record"), record);
    }
    assert_eq!(envelope.files(), ["record"]);
}

#[test]
fn files_and_pipes_of_every_length() {
    let long = long();
    for length in [0, 1, 65_535, 65_536, 65_537, 81_920, 98_304, LONG] {
        let envelope = Envelope::new();
        let plaintext = &long[..length];
        envelope.0.file("plain", plaintext);
        envelope
            .verb("seal --context row=17 --out record plain")
            .ends_with(0);
        assert!(envelope.opened() == plaintext, "{length}");
        let piped = envelope.verb_with("seal --context row=17 -", plaintext);
        let sealed = piped.ends_with(0).stdout;
        let opened = envelope.verb_with("open --context row=17 --out opened", sealed);
        assert_eq!(opened.ends_with(0).text(), "");
        assert_private(&envelope.0.path("opened"));
        assert!(envelope.read("opened") == plaintext, "{length}");
        assert_eq!(envelope.files(), ["opened", "plain", "record"]);
        let told = envelope.0.run("envelope inspect record").ends_with(0);
        let suite = if length > 65_536 { "stream" } else { "compact" };
        assert!(
            told.text().contains(&format!("suite: {suite}\n")),
            "{length}"
        );
    }
}

#[test]
fn programs_get_base64_or_a_file() {
    let envelope = Envelope::new();
    let piped = envelope.verb_with("seal --json", "x").ends_with(0).json();
    let sealed = piped["sealed_base64"].as_str().unwrap();
    let sealed = STANDARD.decode(sealed).unwrap();
    let told = envelope.verb_with("open --json", sealed).ends_with(0);
    assert_eq!(told.json()["plaintext_base64"], STANDARD.encode("x"));

    let told = envelope.verb_with("seal --json --out record", long());
    let told = told.ends_with(0).json();
    assert_eq!(told["sealed"], "record");
    assert_eq!(told["plaintext_bytes"], LONG);
    let told = envelope
        .verb("open --json --out opened record")
        .ends_with(0);
    assert_eq!(told.json()["opened"], "opened");
    assert_eq!(told.json()["plaintext_bytes"], LONG);
    assert!(envelope.read("opened") == long());

    for refused in [
        envelope.verb_with("seal --json", long()),
        envelope.verb("open --json record"),
    ] {
        let refused = refused.ends_with(2);
        assert!(refused.stderr.contains("give --out"), "{}", refused.stderr);
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn two_keys_of_which_either_opens() {
    let envelope = Envelope::new();
    envelope.verb("keyring-new --key escrow").ends_with(0);
    envelope
        .verb_with("seal --key root --key escrow --out record", "sk-example")
        .ends_with(0);
    for key in ["root", "escrow"] {
        let opened = envelope.verb(&format!("open --key {key} record"));
        assert_eq!(opened.ends_with(0).text(), "sk-example");
    }
    for plaintext in [b"x".to_vec(), long()] {
        let absent = envelope.verb_with("seal --key root --key other --out more", plaintext);
        let said = absent.ends_with(2).stderr;
        assert!(said.ends_with("other: kms: no such key\n"), "{said}");
    }
    assert_eq!(envelope.files(), ["record"]);
}

#[test]
fn contexts_that_are_none() {
    let envelope = Envelope::new();
    let many = (0..17).map(|n| format!(" --context k{n}=v"));
    let many = format!("seal{}", many.collect::<String>());
    for (line, said) in [
        ("seal --context row", "expected name=value"),
        ("seal --context =17", "a key must be 1 to 256 bytes"),
        ("seal --context row=1 --context row=2", "a key stands twice"),
        (many.as_str(), "more than 16 pairs"),
        ("seal absent", "absent: No such file"),
    ] {
        let refused = envelope.verb_with(&format!("{line} --out record"), "x");
        let refused = refused.ends_with(2);
        assert!(refused.stderr.contains(said), "{line}: {}", refused.stderr);
    }
    assert!(envelope.files().is_empty());
}
