//! Where personal data is, in one text or in many.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{EMAIL, SSN, TEXT};
use crate::shell::{Run, Shell};

/// A directory with something in each of its corners.
fn tree() -> Shell {
    let shell = Shell::new();
    for directory in ["in/b/deep", "in/.hidden"] {
        fs::create_dir_all(shell.path(directory)).unwrap();
    }
    shell.file("in/z.txt", TEXT);
    shell.file("in/a.log", "nothing\n");
    shell.file("in/b/c.json", format!("{{\"to\": \"{EMAIL}\"}}"));
    shell.file("in/b/deep/d.csv", "id,ssn\n1,123456789\n");
    shell.file("in/.hidden/e", TEXT);
    shell.file("in/.f", TEXT);
    shell.file("in/binary", [TEXT.as_bytes(), &[0xff]].concat());
    shell.file("in/null", [TEXT.as_bytes(), &[0]].concat());
    shell
}

fn places(run: &Run) -> Vec<&str> {
    let places = run.text().lines();
    places
        .map(|line| line.split('\t').next().unwrap())
        .collect()
}

#[test]
fn findings_are_listed_with_their_places() {
    let shell = Shell::new();
    shell.file("text", TEXT);
    let listed = shell.run("pii scan text").ends_with(0);
    let listed = listed.never_says(EMAIL).never_says(SSN);
    let first: Vec<_> = listed.text().lines().next().unwrap().split('\t').collect();
    assert_eq!(first[..2], ["12..28", "contact.email"]);
    assert!(first[2].parse::<f64>().unwrap() > 0.9);
    assert!(first[3].split(',').any(|reason| reason == "shape"));
    assert_eq!(shell.run_with("pii scan", TEXT).text(), listed.text());
    assert_eq!(shell.run_with("pii scan -", TEXT).text(), listed.text());

    let wide = "é😀 john@example.com";
    let told = shell.run_with("pii scan --json", wide).ends_with(0);
    let told = told.never_says(EMAIL).json();
    assert_eq!(told["class"], "contact.email");
    assert_eq!(told["label"], "EMAIL");
    assert_eq!(told["path"], Value::Null);
    for (unit, start, end) in [("bytes", 7, 23), ("chars", 3, 19), ("utf16", 4, 20)] {
        assert_eq!(told[unit], serde_json::json!([start, end]), "{unit}");
    }
    assert!(told["confidence"].is_f64() && told["evidence"].is_array());
    let told = shell.run("pii scan --json text").ends_with(0);
    assert!(
        told.text()
            .lines()
            .all(|line| line.contains("\"path\":\"text\""))
    );

    for line in ["pii scan absent", "pii scan --min-confidence 2 text"] {
        shell.run(line).ends_with(2);
    }
    let refused = shell.run_with("pii scan", [b'a', 0xff]).ends_with(2);
    assert!(refused.stderr.contains("not UTF-8"), "{}", refused.stderr);
}

/// However long a text is, and wherever it is cut into pieces.
#[test]
fn a_long_text_is_read_in_pieces() {
    let shell = Shell::new();
    let line = format!("é {TEXT} and so on\n");
    let listed = shell.run_with("pii scan", line.repeat(9000)).ends_with(0);
    let starts: Vec<usize> = places(&listed)
        .into_iter()
        .map(|place| place.split_once("..").unwrap().0.parse().unwrap())
        .collect();
    let expected: Vec<usize> = (0..9000)
        .flat_map(|number| [15, 43].map(|at| number * line.len() + at))
        .collect();
    assert_eq!(starts, expected);
}

#[test]
fn notations_give_names_to_values() {
    let shell = Shell::new();
    for (format, text, place) in [
        ("json", "{\"ssn\": 123456789}", "8..17"),
        ("csv", "a,ssn\n\"\"\"1\",123456789\n", "12..21"),
        ("tsv", "a\tssn\n1\t123456789\n", "8..17"),
        (
            "jsonl",
            "{\"é\": 1}\n\nno json\n{\"ssn\": 123456789}\n",
            "27..36",
        ),
        ("form", "a=1&ssn=123456789", "8..17"),
    ] {
        let line = format!("pii scan --format {format}");
        let listed = shell.run_with(&line, text).ends_with(0);
        let listed = listed.never_says("123456789");
        assert_eq!(places(&listed), [place], "{format}");
    }
    let broken = shell.run_with("pii scan --format json", "{\"ssn\": 123-45-6789}");
    broken.ends_with(2).never_says(SSN);
}

#[test]
fn directories_are_read_whole_and_in_order() {
    let shell = tree();
    let expected = [
        "in/b/c.json:8..24",
        "in/b/deep/d.csv:9..18",
        "in/z.txt:12..28",
        "in/z.txt:40..51",
    ];
    for threads in ["1", "2", "7", "auto"] {
        let listed = shell.run(&format!("pii scan in --threads {threads}"));
        let listed = listed.ends_with(0).never_says(EMAIL).never_says(SSN);
        assert_eq!(places(&listed), expected, "{threads}");
        assert_eq!(listed.stderr, "");
    }
    // Each once, however often it is named.
    let listed = shell.run("pii scan in/z.txt in in/b").ends_with(0);
    assert_eq!(places(&listed), expected);
    // With many files in each other's way.
    for number in 0..300 {
        let text = format!("{} {TEXT}", "x".repeat(number % 50 * 100));
        shell.file(&format!("in/b/{number:03}"), text);
    }
    let one = shell.run("pii scan in --threads 1 --json").ends_with(0);
    let many = shell.run("pii scan in --threads 8 --json").ends_with(0);
    assert_eq!(one.text(), many.text());
    let paths = one.text().lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["path"].as_str().unwrap().to_owned()
    });
    assert_eq!(paths.collect::<BTreeSet<_>>().len(), 303);
}

#[test]
fn what_was_read_is_counted() {
    let shell = tree();
    let told = shell.run("pii scan in --summary").ends_with(0);
    for line in [
        "files: 4",
        // Two hidden entries, two that are no text.
        "skipped: 4",
        "unreadable: 0",
        "findings: 4",
        "findings for each MB: 38461.5",
        "  contact.email: 2",
        "  gov.ssn.us: 2",
    ] {
        assert!(told.stderr.lines().any(|said| said == line), "{line}");
    }
    let told = shell.run("pii scan in --summary --json").ends_with(0);
    let told: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((&told["files"], &told["skipped"]), (&4.into(), &4.into()));
    assert_eq!(told["classes"]["gov.ssn.us"], 2);
    let bytes = TEXT.len() + "nothing\n".len() + 26 + "id,ssn\n1,123456789\n".len();
    assert_eq!(told["bytes"].as_u64().unwrap(), bytes as u64);
    assert_eq!(told["findings_per_mb"], 38_461.5);
    let nothing = shell
        .run_with("pii scan --summary --json -", "")
        .ends_with(0);
    let nothing: Value = serde_json::from_str(&nothing.stderr).unwrap();
    assert!(nothing["findings_per_mb"].is_null());
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let shell = tree();
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(shell.path(to), shell.path(name)).unwrap();
    };
    link("in", "in/b/loop");
    link("in/z.txt", "in/y.txt");
    link("absent", "in/gone");
    let listed = shell.run("pii scan in").ends_with(0);
    assert_eq!(places(&listed).len(), 4);
    // One that is named is meant.
    let listed = shell.run("pii scan in/y.txt").ends_with(0);
    assert_eq!(places(&listed).len(), 2);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_done() {
    let shell = tree();
    let told = shell
        .run("pii scan absent in/binary in/z.txt in/b")
        .ends_with(2);
    let told = told.never_says(EMAIL).never_says(SSN);
    assert_eq!(places(&told).len(), 4);
    assert!(told.stderr.contains("absent: "), "{}", told.stderr);
    assert!(told.stderr.contains("in/binary: not UTF-8"));
    assert!(told.stderr.contains("2 inputs could not be read"));
    shell.file("in/b/broken.json", format!("{{\"to\": {EMAIL}}}"));
    let told = shell.run("pii scan in/b").ends_with(2).never_says(EMAIL);
    assert_eq!(places(&told).len(), 2);
    assert!(told.stderr.contains("broken.json: json, line 1"));
}

#[test]
fn only_some_classes_or_the_surer_ones_are_told() {
    let shell = Shell::new();
    let classes = |more: &str| {
        let listed = shell
            .run_with(&format!("pii scan{more}"), TEXT)
            .ends_with(0);
        let classes = listed.text().lines();
        let classes = classes.map(|line| line.split('\t').nth(1).unwrap().to_owned());
        classes.collect::<Vec<_>>()
    };
    assert_eq!(classes(" --class EMAIL_ADDRESS"), ["contact.email"]);
    assert_eq!(classes(" --class gov.*"), ["gov.ssn.us"]);
    let both = ["contact.email", "gov.ssn.us"];
    assert_eq!(classes(" --class gov.* --class contact.email"), both);
    assert_eq!(classes(" --min-confidence 1"), [""; 0]);
    assert_eq!(classes(" --class finance.*"), [""; 0]);
    let refused = shell.run_with("pii scan --class gov.xx", TEXT).ends_with(2);
    assert!(refused.stderr.contains("strongroom pii classes"));
}

#[test]
fn findings_can_fail_a_check() {
    let shell = tree();
    for (line, status) in [
        ("pii scan --fail-on-findings in", 1),
        ("pii scan --fail-on-findings in/a.log", 0),
        ("pii scan --fail-on-findings --class finance.* in", 0),
        ("pii scan --fail-on-findings in absent", 2),
        ("pii scan --fail-on-findings --json in/z.txt", 1),
    ] {
        shell.run(line).ends_with(status).never_says(EMAIL);
    }
}
