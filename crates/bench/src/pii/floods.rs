//! Texts that are made to take long: where time is linear, a megabyte costs for each byte what
//! 64 KiB do.

use std::rc::Rc;

use strongroom_pii::Policy;

use super::streams::{in_pieces, pieces_of};
use super::{EVEN, Shared, even};
use crate::case::{Case, Goal, Side};
use crate::envelope::Idle;
use crate::report::Report;

/// The lengths, in bytes.
const SHORT: usize = 64 << 10;
const LONG: usize = 1 << 20;

/// What is repeated, each a candidate's beginning, middle or end over and over.
const FLOODS: &[(&str, &str)] = &[
    ("one letter", "a"),
    ("one digit", "1"),
    ("spaces", " "),
    ("line ends", "\n"),
    ("at signs", "@"),
    ("addresses' halves", "a@"),
    ("dots", "a."),
    ("hyphens", "1-"),
    ("colons", "a:"),
    ("digits in fours", "4111 "),
    ("card numbers", "4111 1111 1111 1111 "),
    ("telephones' signs", "+1("),
    ("nested quotes", "\"'"),
    ("escaped quotes", "\\\""),
    ("nested brackets", "[{"),
    ("names and signs", "password="),
    ("names, signs, quotes", "password=\""),
    ("tokens' heads", "eyJ"),
    ("keys' heads", "-----BEGIN PRIVATE KEY-----\n"),
    ("addresses of sites", "http://a:"),
    ("hexadecimal", "0xf"),
    ("accents", "e\u{301}"),
    ("full-width digits", "\u{ff11}"),
    ("invisible characters", "1\u{200b}"),
];

/// Those whose streams hold back longest.
const STREAMED: &[&str] = &["one letter", "one digit", "at signs", "keys' heads"];

/// Measures each flood whole, and some in pieces.
pub(super) fn measure(report: &mut Report) -> Result<(), Idle> {
    for (name, unit) in FLOODS {
        let (long, short) = (flood(unit, LONG, 1), flood(unit, SHORT, LONG / SHORT));
        let name = format!("1 MiB of {name}");
        even(report, &name, &long, (&short, "ours, 64 KiB"));
    }
    for (name, unit) in FLOODS.iter().filter(|(name, _)| STREAMED.contains(name)) {
        let name = format!("1 MiB of {name}, stream");
        if report.wants(&name) {
            let sides = [(LONG, 1), (SHORT, LONG / SHORT)].map(|(bytes, count)| {
                let texts = flood(unit, bytes, count);
                streamed(&texts)
            });
            let [ours, peer] = sides;
            report.measure(Case {
                name,
                peer_name: "ours, 64 KiB",
                goal: Some(Goal::of(EVEN)),
                bytes: Some(LONG as u64),
                ours: ours?,
                peer: peer?,
            });
        }
    }
    Ok(())
}

/// So many texts of the same thing over and over.
fn flood(unit: &str, bytes: usize, count: usize) -> Shared {
    Rc::new(vec![unit.repeat(bytes / unit.len()); count])
}

fn streamed(texts: &Shared) -> Result<Side, Idle> {
    let policy = Policy::strict();
    let texts: Vec<Vec<String>> = texts.iter().map(|text| pieces_of(text)).collect();
    for pieces in &texts {
        in_pieces(&policy, pieces).ok_or(Idle)?;
    }
    Ok(Side::new(move || {
        let redacted = texts.iter().map(|pieces| in_pieces(&policy, pieces));
        redacted
            .map(|text| text.map_or(0, |text| text.len()))
            .sum::<usize>()
    }))
}
