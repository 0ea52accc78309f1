//! `open`.

use super::{Envelope, LONG, OTHER_TENANT, long};
use crate::shell::TENANT;

/// Bytes before a stream's chunks, counted from its body: salt and commitment.
const HEAD: usize = 56;

/// A chunk's plaintext.
const CHUNK: usize = 16 * 1024;

#[test]
fn a_record_opens_only_as_what_it_is() {
    for plaintext in [b"sk-example".to_vec(), long()] {
        let envelope = Envelope::with_record(&plaintext);
        envelope.verb("keyring-new --key other").ends_with(0);
        let new = format!("envelope keyring-new --keyring keys --tenant {OTHER_TENANT}");
        envelope.0.run(&new).ends_with(0);
        let right = format!("envelope open --keyring keys --tenant {TENANT} --context row=17");
        for (name, line) in [
            ("context", right.replace("row=17", "row=18")),
            ("more context", format!("{right} --context a=b")),
            ("no context", right.replace(" --context row=17", "")),
            ("tenant", right.replace(TENANT, OTHER_TENANT)),
            ("key", format!("{right} --key other")),
        ] {
            let refused = envelope.0.run(&format!("{line} record")).ends_with(1);
            assert_eq!(refused.stderr, "refused: open: failed\n", "{name}");
            assert!(refused.stdout.is_empty(), "{name}");
        }
        let refused = envelope
            .0
            .run(&format!("{right} --key other --json record"));
        assert_eq!(refused.ends_with(1).json()["error"], "open: failed");
        assert!(envelope.opened() == plaintext);
    }
}

#[test]
fn what_is_no_record_is_refused_by_name() {
    let envelope = Envelope::with_record("sk-example");
    let record = envelope.read("record");
    let with = |position: usize, byte: u8| {
        let mut changed = record.clone();
        changed[position] = byte;
        changed
    };
    for (input, said) in [
        (b"no record".to_vec(), "magic"),
        (Vec::new(), "it ends inside magic"),
        (with(1, 9), "version: not known"),
        (with(2, 9), "suite: not known"),
        (with(3, 9), "flags: not known"),
        (with(4, 0xff), "header length"),
        (with(6, 0), "wrap count"),
        (with(7, 77), "provider: not known"),
        (record[..20].to_vec(), "it ends inside header"),
        (
            with(record.len() - 1, record.last().unwrap() ^ 1),
            "open: failed",
        ),
    ] {
        let refused = envelope.verb_with("open --context row=17", &input);
        let refused = refused.ends_with(1);
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{said}");
        let to_file = envelope.verb_with("open --context row=17 --out opened", &input);
        to_file.ends_with(1);
    }
    assert_eq!(envelope.files(), ["record"]);
}

/// What has been written to a pipe is a true beginning, and whoever reads it is told that it is
/// not all.
#[test]
fn a_stream_that_is_cut_short_is_told() {
    let envelope = Envelope::with_record(long());
    let (_, front) = envelope.wraps();
    let sealed = envelope.read("record");
    let chunks = front + HEAD;
    let third = chunks + 2 * (CHUNK + 16);
    let mut altered = sealed.clone();
    altered[third + 5] ^= 1;
    let mut extended = sealed.clone();
    extended.push(0);
    let swapped = [
        &sealed[..chunks],
        &sealed[chunks + CHUNK + 16..third],
        &sealed[chunks..chunks + CHUNK + 16],
        &sealed[third..],
    ];
    for (name, stream, most) in [
        ("cut in a chunk", sealed[..third + 100].to_vec(), 2 * CHUNK),
        // Longer than what is opened in memory, and ends where a chunk ends.
        (
            "cut between chunks",
            sealed[..chunks + 8 * (CHUNK + 16)].to_vec(),
            8 * CHUNK,
        ),
        ("cut by a byte", sealed[..sealed.len() - 1].to_vec(), LONG),
        ("altered", altered, 2 * CHUNK),
        ("extended", extended, LONG),
        ("swapped", swapped.concat(), 0),
    ] {
        let piped = envelope.verb_with("open --context row=17", &stream);
        let piped = piped.ends_with(1);
        assert!(piped.stdout.len() <= most, "{name}: {}", piped.stdout.len());
        assert!(long().starts_with(&piped.stdout), "{name}");
        if piped.stdout.is_empty() {
            assert_eq!(piped.stderr, "refused: open: failed\n", "{name}");
        } else {
            let said = format!(
                "refused: open: failed: the {} bytes that were written are its beginning, and \
                 incomplete",
                piped.stdout.len()
            );
            assert!(piped.stderr.starts_with(&said), "{name}: {}", piped.stderr);
        }

        envelope.0.file("broken", &stream);
        let to_file = envelope.verb("open --context row=17 --out opened broken");
        let to_file = to_file.ends_with(1);
        assert_eq!(to_file.stderr, "refused: open: failed\n", "{name}");
        assert_eq!(envelope.files(), ["broken", "record"], "{name}");
    }
    let cut = envelope.verb_with("open --context row=17", &sealed[..sealed.len() - 1]);
    assert_eq!(cut.stdout.len() % CHUNK, 0);
    assert!(cut.stdout.len() > 9 * CHUNK, "{}", cut.stdout.len());
}

#[test]
fn a_file_is_not_written_over() {
    let envelope = Envelope::with_record("sk-example");
    envelope.0.file("taken", "before");
    let taken = envelope.verb("open --context row=17 --out taken record");
    assert!(taken.ends_with(2).stderr.contains("not written over"));
    assert_eq!(envelope.read("taken"), b"before");
    let nowhere = envelope.verb("open --context row=17 --out absent/opened record");
    nowhere.ends_with(2);
    assert_eq!(envelope.files(), ["record", "taken"]);
}
