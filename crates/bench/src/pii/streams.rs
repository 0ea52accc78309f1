//! Text that comes in small pieces, as a model gives it, beside the whole of it.

use std::error::Error;
use std::rc::Rc;

use strongroom_pii::{Channel, Policy, Redactor};
use strongroom_tenancy::TenantId;

use super::{Shared, bytes, text};
use crate::case::{Case, Goal, Side};
use crate::envelope::Idle;
use crate::report::Report;

/// A piece's length, in bytes: some tokens of a model.
const PIECE: usize = 20;

/// Measures answers of an article's length, and one long text.
pub(super) fn measure(
    report: &mut Report,
    articles: &Shared,
    sample: &str,
) -> Result<(), Box<dyn Error>> {
    let long: Shared = Rc::new(vec![sample.to_owned()]);
    for (name, texts) in [
        ("redact 10 KB by 20 B", articles),
        ("redact 1 MB by 20 B", &long),
    ] {
        if report.wants(name) {
            report.measure(case(name, texts)?);
        }
    }
    Ok(())
}

fn case(name: &str, texts: &Shared) -> Result<Case, Idle> {
    let policy = Rc::new(Policy::strict());
    let pieces: Vec<Vec<String>> = texts.iter().map(|text| pieces_of(text)).collect();
    for (text, pieces) in texts.iter().zip(&pieces) {
        let redacted = whole(&policy, text).ok_or(Idle)?;
        if in_pieces(&policy, pieces).ok_or(Idle)? != redacted {
            return Err(Idle);
        }
    }
    let (theirs, same) = (Rc::clone(&policy), Rc::clone(texts));
    Ok(Case {
        name: name.to_owned(),
        peer_name: "ours, whole",
        goal: Some(Goal::of(0.5)),
        bytes: Some(bytes(texts)),
        ours: Side::new(move || {
            for pieces in &pieces {
                in_pieces(&policy, pieces).expect("it was redacted before");
            }
        }),
        peer: Side::new(move || {
            for text in same.iter() {
                whole(&theirs, text).expect("it was redacted before");
            }
        }),
    })
}

/// A text in pieces.
pub(super) fn pieces_of(text: &str) -> Vec<String> {
    text::cut(text, PIECE)
}

/// Redacts a text that comes in pieces.
pub(super) fn in_pieces(policy: &Policy, pieces: &[String]) -> Option<String> {
    let mut redactor = Redactor::new(policy, &TenantId::PLATFORM, Channel::Output);
    let mut stream = redactor.stream();
    let mut out = String::new();
    for piece in pieces {
        stream.push(piece, &mut out).ok()?;
    }
    stream.finish(&mut out).ok()?;
    Some(out)
}

fn whole(policy: &Policy, text: &str) -> Option<String> {
    let mut redactor = Redactor::new(policy, &TenantId::PLATFORM, Channel::Output);
    Some(redactor.redact(text).ok()?.text)
}
