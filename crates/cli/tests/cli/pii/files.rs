//! Files redacted where they are, or into a directory.

use std::fs;

use serde_json::Value;

use super::{EMAIL, SSN, TEXT, policy};
use crate::shell::Shell;

const REDACTED: &str = "My email is [EMAIL] and SSN is [US_SSN]";

fn tree() -> Shell {
    let shell = Shell::new();
    fs::create_dir_all(shell.path("in/deep")).unwrap();
    shell.file("in/a.txt", TEXT);
    shell.file("in/b.txt", "nothing\n");
    shell.file("in/binary", [TEXT.as_bytes(), &[0xff]].concat());
    shell.file("in/deep/c.csv", "id,ssn\n1,123456789\n");
    shell
}

fn read(shell: &Shell, name: &str) -> String {
    fs::read_to_string(shell.path(name)).unwrap()
}

/// The names in a directory, with those that are hidden.
fn names(shell: &Shell, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(shell.path(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn files_are_redacted_where_they_are() {
    let shell = tree();
    let untouched = fs::metadata(shell.path("in/b.txt")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(shell.path("in/a.txt"), mode).unwrap();
    }
    let done = shell.run("pii redact --in-place in").ends_with(0);
    assert_eq!(done.text(), "");
    assert!(done.stderr.contains("left alone 1 file"), "{}", done.stderr);
    assert_eq!(read(&shell, "in/a.txt"), REDACTED);
    assert_eq!(read(&shell, "in/deep/c.csv"), "id,ssn\n1,[US_SSN]\n");
    assert_eq!(names(&shell, "in"), ["a.txt", "b.txt", "binary", "deep"]);
    // What needs no change is not written.
    let after = fs::metadata(shell.path("in/b.txt")).unwrap();
    assert_eq!(after.modified().unwrap(), untouched.modified().unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        assert_eq!(after.ino(), untouched.ino());
        let mode = fs::metadata(shell.path("in/a.txt")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o640);
    }
    // Twice is once.
    let again = shell.run("pii redact --in-place --json in").ends_with(0);
    for line in again.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["written"], false, "{line}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_is_named_stays_one() {
    let shell = tree();
    std::os::unix::fs::symlink("in/a.txt", shell.path("link")).unwrap();
    shell.run("pii redact --in-place link").ends_with(0);
    let link = fs::symlink_metadata(shell.path("link")).unwrap();
    assert!(link.is_symlink());
    assert_eq!(read(&shell, "in/a.txt"), REDACTED);
}

#[test]
fn files_are_redacted_into_a_directory() {
    let shell = tree();
    shell.file("d.txt", TEXT);
    for threads in ["1", "3"] {
        let line = format!("pii redact --output out{threads} --threads {threads} --json in d.txt");
        let done = shell.run(&line).ends_with(0).never_says(EMAIL);
        let done: Vec<Value> = done
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let paths: Vec<_> = done
            .iter()
            .map(|line| line["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["d.txt", "in/a.txt", "in/b.txt", "in/deep/c.csv"]);
        assert_eq!(done[0]["output"], format!("out{threads}/d.txt"));
        assert_eq!(done[2]["written"], true);
        assert_eq!(done[3]["findings"][0]["class"], "gov.ssn.us");
        assert_eq!(read(&shell, &format!("out{threads}/a.txt")), REDACTED);
        let table = read(&shell, &format!("out{threads}/deep/c.csv"));
        assert_eq!(table, "id,ssn\n1,[US_SSN]\n");
    }
    assert_eq!(read(&shell, "in/a.txt"), TEXT);
    // Nothing is written over, and nothing is begun when something would be.
    fs::remove_file(shell.path("out1/d.txt")).unwrap();
    let refused = shell.run("pii redact --output out1 in d.txt").ends_with(2);
    assert!(refused.stderr.contains("a.txt: a file of that name"));
    assert!(!names(&shell, "out1").contains(&"d.txt".to_owned()));
    shell.file("in/deep/a.txt", TEXT);
    let refused = shell.run("pii redact --output new in/a.txt in/deep/a.txt");
    assert!(refused.ends_with(2).stderr.contains("two files"));
    assert!(!shell.path("new").exists());
}

#[test]
fn an_error_leaves_a_file_as_it_was() {
    let shell = tree();
    shell.file("in/broken.json", format!("{{\"to\": {EMAIL}}}"));
    let failed = shell.run("pii redact --in-place in absent").ends_with(2);
    let failed = failed.never_says(EMAIL);
    assert!(failed.stderr.contains("in/broken.json: json, line 1"));
    assert!(failed.stderr.contains("absent: "), "{}", failed.stderr);
    assert!(failed.stderr.contains("2 inputs were not redacted"));
    assert!(read(&shell, "in/broken.json").contains(EMAIL));
    assert_eq!(read(&shell, "in/a.txt"), REDACTED);

    // A value at the end of a long file, which is written as it is read.
    let shell = tree();
    shell.file("policy.toml", policy("gov.*", "*", "mode = \"block\""));
    let long = format!("{}SSN {SSN}\n", format!("{EMAIL} wrote\n").repeat(40_000));
    shell.file("in/long.txt", &long);
    let line = "pii redact --in-place --policy policy.toml in/long.txt in/b.txt";
    let blocked = shell.run(line).ends_with(1).never_says(SSN);
    assert!(blocked.stderr.contains("in/long.txt: blocked by policy"));
    assert_eq!(read(&shell, "in/long.txt"), long);
    assert_eq!(names(&shell, "in").len(), 5);
    let line = "pii redact --output out --policy policy.toml in/long.txt";
    shell.run(line).ends_with(1).never_says(SSN);
    assert_eq!(names(&shell, "out"), [""; 0]);
}

#[test]
fn what_goes_where_must_be_clear() {
    let shell = tree();
    for line in [
        "pii redact in",
        "pii redact in/a.txt in/b.txt",
        "pii redact --in-place",
        "pii redact --in-place -",
        "pii redact --output out -",
        "pii redact --in-place --output out in",
    ] {
        shell.run_with(line, TEXT).ends_with(2).never_says(EMAIL);
    }
    assert_eq!(read(&shell, "in/a.txt"), TEXT);
}
