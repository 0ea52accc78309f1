//! `rewrap`.

use std::fs::{self, File};

use super::{Envelope, long};
use crate::shell::assert_private;

/// The part of a front that is kept aside with the first bytes of the body.
const BODY_START: usize = 64;

fn named(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = names
        .iter()
        .map(|(name, version)| (name.to_string(), *version));
    owned.collect()
}

#[test]
fn the_front_changes_and_the_body_does_not() {
    for plaintext in [b"sk-example".to_vec(), long()] {
        let envelope = Envelope::with_record(&plaintext);
        let before = envelope.read("record");
        envelope.verb("keyring-rotate").ends_with(0);
        let told = envelope.verb("rewrap record").ends_with(0);
        assert_eq!(told.text(), "wrap: key=root provider=local version=2\n");
        let after = envelope.read("record");
        let (wraps, front) = envelope.wraps();
        assert_eq!(wraps, named(&[("root", 2)]));
        assert_ne!(before[..front], after[..front]);
        assert!(before[front..] == after[front..]);
        assert_eq!(before.len(), after.len());
        assert!(envelope.opened() == plaintext);
        assert_eq!(envelope.files(), ["record"]);
    }
}

/// A front of the same length is written over: other names of the file see it too, and a file
/// that was open is the same file.
#[cfg(unix)]
#[test]
fn the_file_stays_the_same_file() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    let envelope = Envelope::with_record("sk-example");
    let path = envelope.0.path("record");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let stat = || {
        let metadata = fs::metadata(&path).unwrap();
        (metadata.ino(), metadata.mode() & 0o777)
    };
    let before = stat();
    envelope.verb("rewrap record").ends_with(0);
    assert_eq!(stat(), before);

    // With a longer front it is another file, of the same permissions; a link to it stays one.
    symlink("record", envelope.0.path("link")).unwrap();
    envelope.verb("keyring-new --key escrow").ends_with(0);
    envelope
        .verb("rewrap --add-key escrow --context row=17 link")
        .ends_with(0);
    assert_ne!(stat().0, before.0);
    assert_eq!(stat().1, 0o640);
    assert!(
        fs::symlink_metadata(envelope.0.path("link"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(envelope.opened(), b"sk-example");
}

/// Root may change a record for somebody else: it must stay theirs.
#[cfg(unix)]
#[test]
fn a_new_file_belongs_to_the_old_ones_owner() {
    use std::os::unix::fs::{MetadataExt as _, chown};

    let envelope = Envelope::with_record("sk-example");
    let path = envelope.0.path("record");
    // Whoever is not root cannot give a file away, and need not be protected from doing so.
    let owner = if chown(&path, Some(12_345), Some(12_345)).is_ok() {
        12_345
    } else {
        fs::metadata(&path).unwrap().uid()
    };
    envelope.verb("keyring-new --key escrow").ends_with(0);
    for line in [
        "rewrap --add-key escrow --context row=17 record",
        "rewrap --reencrypt --context row=17 --key root --key escrow record",
    ] {
        envelope.verb(line).ends_with(0);
        assert_eq!(fs::metadata(&path).unwrap().uid(), owner, "{line}");
        assert_private(&path);
    }
}

#[test]
fn keys_are_added_and_removed() {
    for plaintext in [b"sk-example".to_vec(), long()] {
        let envelope = Envelope::with_record(&plaintext);
        envelope.verb("keyring-new --key escrow").ends_with(0);
        let body = envelope.read("record").split_off(envelope.wraps().1);
        envelope
            .verb("rewrap --add-key escrow --context row=17 record")
            .ends_with(0);
        let (wraps, front) = envelope.wraps();
        assert_eq!(wraps, named(&[("root", 1), ("escrow", 1)]));
        assert!(envelope.read("record").split_off(front) == body);
        let opened = envelope.verb("open --key escrow --context row=17 record");
        assert!(opened.ends_with(0).stdout == plaintext);

        envelope
            .verb("rewrap --remove-key root record")
            .ends_with(0);
        assert_eq!(envelope.wraps().0, named(&[("escrow", 1)]));
        envelope.verb("open --context row=17 record").ends_with(1);
        let last = "rewrap --key escrow --remove-key escrow record";
        let last = envelope.verb(last).ends_with(1);
        assert!(last.stderr.contains("last recipient"), "{}", last.stderr);
        assert_eq!(envelope.files(), ["record"]);
    }
}

#[test]
fn a_record_is_sealed_anew() {
    for plaintext in [b"sk-example".to_vec(), long()] {
        let envelope = Envelope::with_record(&plaintext);
        let before = envelope.read("record");
        envelope.verb("keyring-rotate").ends_with(0);
        let line = "rewrap --reencrypt --context row=17 record --json";
        let told = envelope.verb(line).ends_with(0).json();
        assert_eq!(told["wrap"][0]["version"], 2);
        let after = envelope.read("record");
        let front = envelope.wraps().1;
        assert_eq!(before.len(), after.len());
        assert_ne!(before[front..front + 56], after[front..front + 56]);
        assert!(envelope.opened() == plaintext);
        assert_private(&envelope.0.path("record"));

        let wrong = envelope.verb("rewrap --reencrypt --context row=18 record");
        assert_eq!(wrong.ends_with(1).stderr, "refused: open: failed\n");
        let mut cut = after.clone();
        cut.pop();
        envelope.0.file("record", &cut);
        let cut_short = envelope.verb("rewrap --reencrypt --context row=17 record");
        assert_eq!(cut_short.ends_with(1).stderr, "refused: open: failed\n");
        assert!(envelope.read("record") == cut);
        assert_eq!(envelope.files(), ["record"]);
    }
}

/// Who is not named would lose the record.
#[test]
fn sealing_anew_forgets_nobody() {
    let envelope = Envelope::with_record("sk-example");
    envelope.verb("keyring-new --key escrow").ends_with(0);
    envelope
        .verb("rewrap --add-key escrow --context row=17 record")
        .ends_with(0);
    let before = envelope.read("record");
    let line = "rewrap --reencrypt --context row=17 record";
    let refused = envelope.verb(line).ends_with(1);
    assert!(
        refused.stderr.contains("is sealed to escrow too"),
        "{}",
        refused.stderr
    );
    assert_eq!(envelope.read("record"), before);
    envelope
        .verb(&format!("{line} --key root --key escrow"))
        .ends_with(0);
    assert_eq!(envelope.wraps().0, named(&[("root", 1), ("escrow", 1)]));
    envelope
        .verb(&format!("{line} --remove-key escrow"))
        .ends_with(0);
    assert_eq!(envelope.wraps().0, named(&[("root", 1)]));
    assert_eq!(envelope.opened(), b"sk-example");
}

#[test]
fn rewraps_that_are_refused_change_nothing() {
    let envelope = Envelope::with_record("sk-example");
    envelope.verb("keyring-new --key other").ends_with(0);
    let before = envelope.read("record");
    for (line, status, said) in [
        (
            "rewrap --key other record",
            1,
            "no wrap is for one of these",
        ),
        (
            "rewrap --add-key absent --context row=17 record",
            2,
            "no such key",
        ),
        (
            "rewrap --add-key other --context row=18 record",
            1,
            "open: failed",
        ),
        ("rewrap --add-key other record", 1, "open: failed"),
        (
            "rewrap --remove-key other record",
            1,
            "no wrap is for one of",
        ),
        ("rewrap --context row=17 record", 2, "goes with --reencrypt"),
        (
            "rewrap --reencrypt --context row=17 --remove-key root record",
            2,
            "1 to 16 recipients",
        ),
        ("rewrap absent", 2, "absent: No such file"),
        ("rewrap -", 2, "name it"),
        ("rewrap", 2, "<FILE>"),
    ] {
        let refused = envelope.verb(line).ends_with(status);
        assert!(refused.stderr.contains(said), "{line}: {}", refused.stderr);
        assert_eq!(envelope.read("record"), before, "{line}");
    }
    let locked = File::open(envelope.0.path("record")).unwrap();
    locked.lock().unwrap();
    let busy = envelope.verb("rewrap record").ends_with(2);
    assert!(busy.stderr.contains("another process"), "{}", busy.stderr);
    assert_eq!(envelope.files(), ["record"]);

    envelope.0.file("text", "no record");
    let refused = envelope.verb("rewrap text").ends_with(1);
    assert!(refused.stderr.contains("magic"), "{}", refused.stderr);
}

/// Whatever part of the new front a crash let through, the next rewrap finishes it.
#[test]
fn a_crash_in_the_middle_of_the_front_loses_nothing() {
    let envelope = Envelope::with_record(long());
    let old = envelope.read("record");
    envelope.verb("keyring-rotate").ends_with(0);
    envelope.verb("rewrap record").ends_with(0);
    let new = envelope.read("record");
    let (_, front) = envelope.wraps();
    for written in [0, 1, 7, 20, front / 2, front - 1, front] {
        let torn = [&new[..written], &old[written..]].concat();
        envelope.0.file("record", torn);
        let aside = &new[..front + BODY_START];
        envelope.0.file("record.rewrap", aside);
        if (20..front - 1).contains(&written) {
            let refused = envelope.verb("open --context row=17 record").ends_with(1);
            let said = "record.rewrap says that a rewrap was interrupted";
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
        envelope.verb("rewrap record").ends_with(0);
        assert!(envelope.opened() == long(), "{written}");
        assert_eq!(envelope.files(), ["record"]);
    }
}

/// No byte of the old front is written over before the new one is kept.
#[cfg(unix)]
#[test]
fn a_front_that_cannot_be_kept_aside_is_not_written() {
    let envelope = Envelope::with_record("sk-example");
    let before = envelope.read("record");
    let aside = envelope.0.path("record.rewrap");
    std::os::unix::fs::symlink("nowhere", aside).unwrap();
    envelope.verb("rewrap record").ends_with(2);
    assert_eq!(envelope.read("record"), before);
}

/// A front of one record is not written before the body of another.
#[test]
fn what_was_left_of_another_record_is_left_alone() {
    let envelope = Envelope::with_record("sk-example");
    let other = envelope.read("record");
    fs::remove_file(envelope.0.path("record")).unwrap();
    envelope
        .verb_with("seal --context row=17 --out record", "sk-another")
        .ends_with(0);
    let before = envelope.read("record");
    for left in [&other[..], b"no front"] {
        envelope.0.file("record.rewrap", left);
        for line in [
            "rewrap record",
            "rewrap --reencrypt --context row=17 record",
        ] {
            let refused = envelope.verb(line).ends_with(2);
            assert!(
                refused.stderr.contains("another record"),
                "{}",
                refused.stderr
            );
        }
        assert_eq!(envelope.read("record"), before);
        assert_eq!(envelope.read("record.rewrap"), left);
    }
    assert_eq!(envelope.opened(), b"sk-another");
}
