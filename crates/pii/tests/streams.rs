//! A text in pieces comes out as the whole text does, byte for byte, however it was cut.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use serde_json::Value;
use strongroom_pii::{Channel, Policy, Redactor};
use strongroom_tenancy::TenantId;

/// The texts of the classes' tables, as they are written.
fn texts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let table = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let table: Value = serde_json::from_str(&table).unwrap();
        for rows in ["found", "silent"] {
            let rows = table[rows].as_array().unwrap().iter();
            texts.extend(rows.map(|row| row["text"].as_str().unwrap().to_owned()));
        }
    }
    texts.sort();
    texts
}

fn redacted<'t>(policy: &Policy, pieces: impl Iterator<Item = &'t str>) -> String {
    let mut redactor = Redactor::new(policy, &TenantId::PLATFORM, Channel::Prompt);
    let mut stream = redactor.stream();
    let mut out = String::new();
    for piece in pieces {
        stream.push(piece, &mut out).unwrap();
    }
    stream.finish(&mut out).unwrap();
    out
}

/// A text in pieces of so many characters.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .nth(size)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[test]
fn every_row_is_the_same_in_pieces_and_in_two_wherever_it_is_cut() {
    let policy = Policy::strict();
    let texts = texts();
    assert!(texts.len() > 4000, "{}", texts.len());
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Prompt);
    let mut cuts = 0;
    for (index, text) in texts.iter().enumerate() {
        let whole = redactor.redact(text).unwrap().text;
        assert_eq!(
            redactor.redact(&whole).unwrap().text,
            whole,
            "redacted twice: {text:?}"
        );
        for size in [1, 3, 7] {
            assert_eq!(
                redacted(&policy, pieces(text, size)),
                whole,
                "{size}: {text:?}"
            );
        }
        // Each place of every eighth text; the others' are for the long tier.
        let every = std::env::var_os("STRONGROOM_EVERY_CUT").is_some() || index % 8 == 0;
        for (at, _) in text.char_indices().filter(|_| every) {
            let (before, after) = text.split_at(at);
            let halves = [before, after].into_iter();
            assert_eq!(redacted(&policy, halves), whole, "{at}: {text:?}");
            cuts += 1;
        }
    }
    assert!(cuts > 20_000, "{cuts}");
}

#[test]
fn a_long_text_is_the_same_in_pieces() {
    let policy = Policy::strict();
    // Longer than what a stream keeps, with what has no bound in it.
    let filler = "The quick brown fox jumps over 12 lazy dogs at 10:30. ".repeat(60);
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "QUJD".repeat(400)
    );
    let text =
        format!("{filler}ann@example.com {filler}{key} {filler}card 4111 1111 1111 1111 {filler}");
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Prompt);
    let whole = redactor.redact(&text).unwrap().text;
    for label in ["[EMAIL]", "[PRIVATE_KEY]", "[CREDIT_CARD]"] {
        assert_eq!(whole.matches(label).count(), 1, "{label}");
    }
    for size in [1, 13, 255, 1024, 4099] {
        assert_eq!(redacted(&policy, pieces(&text, size)), whole, "{size}");
    }
}

#[test]
fn text_in_which_nothing_begins_is_not_held_back() {
    let policy = Policy::strict();
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Output);
    let mut stream = redactor.stream();
    let mut out = String::new();
    for word in [
        "Certainly! ",
        "Here ",
        "are ",
        "some ",
        "words ",
        "that ",
        "hold ",
        "nothing. ",
    ] {
        stream.push(word, &mut out).unwrap();
    }
    // All but the last word, which may go on.
    assert_eq!(out, "Certainly! Here are some words that hold ");
    stream.finish(&mut out).unwrap();
    assert!(out.ends_with("hold nothing. "));
}

/// However a text goes on, a stream of it does.
#[test]
fn no_text_is_held_without_end() {
    // A character of one byte may have three bytes beside it that are not read.
    const HELD: usize = 4096;
    let policy = Policy::strict();
    for part in [
        "\u{200b}",
        "\u{200b}\u{feff}\u{ad}",
        "x\u{200b}",
        "x",
        "X9",
        "1 ",
        "é",
        "話",
        " ",
        "\n",
        "\t",
        "\"",
        "'",
        "\\",
        "[",
        "(at) ",
        "x dot ",
        "a@",
        "key is ",
        "is my ",
        "x=",
        "-u \"",
        "AB ",
        "x: \"y ",
        "::",
        "-----BEGIN ",
    ] {
        let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Output);
        let mut stream = redactor.stream();
        let (mut out, mut pushed) = (String::new(), 0);
        let piece = part.repeat(16);
        for _ in 0..1500 {
            stream.push(&piece, &mut out).unwrap();
            pushed += piece.len();
            assert!(
                pushed <= out.len() + HELD,
                "{part:?}: {pushed} {}",
                out.len()
            );
        }
        stream.finish(&mut out).unwrap();
        assert_eq!(out.len(), pushed, "{part:?}");
    }
}
