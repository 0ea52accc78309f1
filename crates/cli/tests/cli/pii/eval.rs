//! What is found, measured against what is there.

use serde_json::Value;

use crate::shell::Shell;

/// Five texts: a label found; one found with another end; a false finding; one that is neither,
/// because something else is there; a label not found.
const CORPUS: &str = r#"{"text": "é mail ann@example.com", "spans": [{"type": "EMAIL_ADDRESS", "start": 7, "end": 22}]}
{"text": "mail bob@example.com now", "spans": [{"class": "contact.email", "start": 5, "end": 16}]}

{"text": "write eve@example.com", "spans": []}
{"text": "Ann Smith <ann.smith@example.com>", "spans": [{"type": "SIGNATURE", "start": 0, "end": 33}]}
{"text": "nothing here", "spans": [{"type": "EMAIL", "start": 0, "end": 7}]}
"#;

const CASES: &str = r#"{"kind": "analyze", "entity": "EMAIL_ADDRESS", "text": "ann@example.com", "spans": [[0, 15]]}
{"kind": "analyze", "entity": "EMAIL_ADDRESS", "text": "bob@example.com", "spans": [[0, 3]]}
{"kind": "analyze", "entity": "EMAIL_ADDRESS", "text": "eve@example.com", "spans": []}
{"kind": "analyze", "entity": "EMAIL_ADDRESS", "text": "no address", "spans": []}
{"kind": "analyze", "entity": "NONE", "types": ["US_SSN"], "text": "SSN 123-45-6789", "spans": [[4, 15]]}
{"kind": "validate", "entity": "CREDIT_CARD", "value": "4111111111111111", "expected": true}
"#;

fn near(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() < 0.0001, "{value} {expected}");
}

#[test]
fn rates_are_as_counted_by_hand() {
    let shell = Shell::new();
    shell.file("corpus", CORPUS);
    let told = shell.run("pii eval corpus --json").ends_with(0);
    let told = told.never_says("example.com").json();
    assert_eq!(
        (&told["texts"], &told["unlabelled_texts"]),
        (&5.into(), &1.into())
    );
    assert_eq!(told["unlabelled_bytes"], 21);
    assert_eq!(told["other_types"]["SIGNATURE"], 1);
    for counted in [&told["classes"]["contact.email"], &told["total"]] {
        assert_eq!(counted["n"], 3);
        // Three findings are judged: one is right to its ends, two touch a label.
        for rate in ["precision", "recall", "f1"] {
            near(&counted["exact"][rate], 1.0 / 3.0);
            near(&counted["overlap"][rate], 2.0 / 3.0);
        }
        assert_eq!(counted["false_spans"], 1);
        let per_mb = counted["false_spans_per_mb"].as_f64().unwrap();
        assert!((per_mb - 1e6 / 21.0).abs() < 0.01, "{per_mb}");
        assert_eq!(counted["calibration"]["judged"], 3);
        // All three are as sure, so that they are of one bin.
        let found = shell
            .run_with("pii scan --json", "write eve@example.com")
            .json();
        let confidence = found["confidence"].as_f64().unwrap();
        near(
            &counted["calibration"]["error"],
            (confidence - 1.0 / 3.0).abs(),
        );
    }

    let table = shell.run("pii eval corpus").ends_with(0);
    let table = table.never_says("example.com");
    let row = |name: &str| {
        let row = table.text().lines().find(|line| line.starts_with(name));
        row.unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let expected = [
        "3", "0.333", "0.333", "0.333", "0.667", "0.667", "0.667", "1", "47619.0",
    ];
    assert_eq!(row("contact.email")[1..10], expected);
    assert_eq!(row("total")[1..10], expected);
    assert!(table.text().contains("other types: SIGNATURE 1\n"));

    // Mapped, the signature is a label that is missed, and the address in it a false finding.
    let mapped = shell
        .run("pii eval corpus --map SIGNATURE=US_SSN --json")
        .ends_with(0);
    let mapped = mapped.json();
    assert_eq!(mapped["classes"]["gov.ssn.us"]["n"], 1);
    near(&mapped["classes"]["gov.ssn.us"]["exact"]["f1"], 0.0);
    near(
        &mapped["classes"]["contact.email"]["exact"]["precision"],
        0.25,
    );
    assert_eq!(mapped["classes"]["contact.email"]["false_spans"], 1);
    let other = shell
        .run("pii eval corpus --map EMAIL=other --json")
        .ends_with(0);
    assert_eq!(other.json()["classes"]["contact.email"]["n"], 2);
    let narrow = shell
        .run("pii eval corpus --classes gov.* --json")
        .ends_with(0);
    assert_eq!(narrow.json()["classes"], serde_json::json!({}));
    let strict = shell
        .run("pii eval corpus --min-confidence 1 --json")
        .ends_with(0);
    near(
        &strict.json()["classes"]["contact.email"]["exact"]["recall"],
        0.0,
    );
    // Two corpora count as one.
    let twice = shell.run("pii eval corpus corpus --json").ends_with(0);
    assert_eq!(twice.json()["total"]["n"], 6);
    let stdin = shell.run_with("pii eval --json -", CORPUS).ends_with(0);
    assert_eq!(stdin.json()["total"], told["total"]);
}

#[test]
fn errors_are_listed_without_their_texts() {
    let shell = Shell::new();
    shell.file("corpus", CORPUS);
    let listed = shell.run("pii eval corpus --list EMAIL").ends_with(0);
    let listed = listed.never_says("example.com");
    let lines: Vec<_> = listed.text().lines().take(4).collect();
    assert_eq!(
        lines,
        [
            "corpus:2\tfalse\tcontact.email\t5..20",
            "corpus:2\tmiss\tcontact.email\t5..16",
            "corpus:4\tfalse\tcontact.email\t6..21",
            "corpus:6\tmiss\tcontact.email\t0..7",
        ]
    );
    let shown = shell
        .run("pii eval corpus --list EMAIL --show-text")
        .ends_with(0);
    assert!(shown.text().contains("\t5..20\t\"bob@example.com\"\n"));
    let listed = shell
        .run("pii eval corpus --list EMAIL --json")
        .ends_with(0);
    let listed = listed.never_says("example.com").json();
    assert_eq!(listed["listed"][3]["kind"], "miss");
    assert_eq!(listed["listed"][3]["chars"], serde_json::json!([0, 7]));
    assert_eq!(listed["listed"][3]["line"], 6);
    shell.run("pii eval corpus --show-text").ends_with(2);
}

#[test]
fn cases_are_right_or_wrong() {
    let shell = Shell::new();
    shell.file("cases", CASES);
    let told = shell.run("pii eval cases --json").ends_with(0);
    let told = told.never_says("example.com").json();
    let email = &told["cases"]["classes"]["contact.email"];
    assert_eq!(
        email["with_spans"],
        serde_json::json!({"right": 1, "total": 2})
    );
    assert_eq!(
        email["without_spans"],
        serde_json::json!({"right": 1, "total": 2})
    );
    assert_eq!(told["cases"]["classes"]["gov.ssn.us"]["all"]["right"], 1);
    assert_eq!(
        told["cases"]["total"]["all"],
        serde_json::json!({"right": 3, "total": 5})
    );
    assert_eq!(
        (&told["skipped_lines"], &told["texts"]),
        (&1.into(), &0.into())
    );
    let listed = shell.run("pii eval cases --list EMAIL").ends_with(0);
    let listed = listed.never_says("example.com");
    assert!(
        listed
            .text()
            .starts_with("cases:2\tmiss\tcontact.email\t0..3\n")
    );
    let narrow = shell
        .run("pii eval cases --json --classes gov.*")
        .ends_with(0);
    assert_eq!(narrow.json()["cases"]["total"]["all"]["total"], 1);
}

#[test]
fn a_corpus_that_cannot_be_read_is_named_by_its_line() {
    let shell = Shell::new();
    for (line, member) in [
        ("eve@example.com", "not a JSON object"),
        (r#"{"text": 4111111111111111, "spans": []}"#, "text: "),
        (r#"{"text": "eve@example.com"}"#, "spans: "),
        (
            r#"{"text": "eve@example.com", "spans": [{"start": 0, "end": 3}]}"#,
            "spans[0].type: ",
        ),
        (
            r#"{"text": "eve@example.com", "spans": [{"type": "EMAIL", "start": 3, "end": 3}]}"#,
            "spans[0]: ",
        ),
        (
            r#"{"text": "eve@example.com", "spans": [{"type": "EMAIL", "start": 0, "end": 16}]}"#,
            "spans[0]: ",
        ),
        (
            r#"{"text": "eve@example.com", "spans": [{"type": "EMAIL", "start": "4111111111111111", "end": 16}]}"#,
            "spans[0]: ",
        ),
        (
            r#"{"kind": "analyze", "text": "eve@example.com", "spans": [[0]]}"#,
            "spans[0]: ",
        ),
        (
            r#"{"kind": "analyze", "text": "eve@example.com", "spans": []}"#,
            "entity: ",
        ),
    ] {
        shell.file("corpus", format!("{CORPUS}{line}\n"));
        let refused = shell.run("pii eval corpus").ends_with(2);
        let refused = refused
            .never_says("example.com")
            .never_says("4111111111111111");
        let expected = format!("corpus, line 7: {member}");
        assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
    }
    shell.file("corpus", [0xff, b'\n']);
    shell.run("pii eval corpus").ends_with(2);
    shell.run("pii eval absent").ends_with(2);
    shell.run("pii eval").ends_with(2);
    shell.run("pii eval --map EMAIL corpus").ends_with(2);
    shell
        .run("pii eval --map EMAIL=nothing corpus")
        .ends_with(2);
}
