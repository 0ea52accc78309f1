//! `inspect`.

use super::{Envelope, LONG, long};

#[test]
fn a_record_says_how_it_is_sealed() {
    let envelope = Envelope::with_record("sk-example");
    let record = envelope.read("record");
    let told = envelope.0.run("envelope inspect record").ends_with(0);
    let expected = format!(
        "suite: compact\nform: inline\nwrap: key=root provider=local version=1\nbytes: {}\n\
         front_bytes: 91\nbody_bytes: {}\n",
        record.len(),
        10 + 76
    );
    assert_eq!(told.text(), expected);
    let piped = envelope.0.run_with("envelope inspect", &record);
    assert_eq!(piped.ends_with(0).text(), expected);
}

#[test]
fn a_long_record_is_measured_and_not_read() {
    let envelope = Envelope::with_record(long());
    let told = envelope.0.run("envelope inspect --json record");
    let told = told.ends_with(0).json();
    assert_eq!(told["suite"], "stream");
    assert_eq!(told["wrap"][0]["key"], "root");
    assert_eq!(told["body_bytes"], LONG + 56 + 16 * (LONG / 16_384 + 1));
    let piped = envelope
        .0
        .run_with("envelope inspect --json -", envelope.read("record"));
    assert_eq!(piped.ends_with(0).json(), told);
}

#[test]
fn a_detached_record_names_its_key() {
    let envelope = Envelope::new();
    let mut record = b"S\x01\x01\x01".to_vec();
    record.extend([0xab; 16]);
    record.extend([0; 76]);
    envelope.0.file("record", record);
    let told = envelope.0.run("envelope inspect --json record");
    let told = told.ends_with(0).json();
    assert_eq!(told["form"], "detached");
    assert_eq!(told["dek_id"], "ab".repeat(16));
    assert_eq!(told["body_bytes"], 76);
    let refused = envelope.verb("open record").ends_with(1);
    assert!(
        refused.stderr.contains("kept elsewhere"),
        "{}",
        refused.stderr
    );
    let refused = envelope.verb("rewrap record").ends_with(1);
    assert!(
        refused.stderr.contains("kept elsewhere"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_is_no_record_is_refused() {
    let envelope = Envelope::new();
    let refused = envelope.0.run_with("envelope inspect", "no record");
    assert_eq!(
        refused.ends_with(1).stderr,
        "refused: sealed record: magic: not a sealed record\n"
    );
    envelope.0.run("envelope inspect absent").ends_with(2);
}
