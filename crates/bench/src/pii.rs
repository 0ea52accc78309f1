//! `strongroom-pii` beside what else finds personal data, beside one regular expression, and beside
//! itself on texts of other lengths.
//!
//! Texts are mostly clean: prose, posts, code and log lines, with personal data in one of fifty.
//! Every class of ours is on.

mod floods;
mod peers;
pub mod presidio;
pub mod start;
mod streams;
mod text;

use std::error::Error;
use std::rc::Rc;

use strongroom_pii::scan;

use crate::case::{Case, Goal, Side};
use crate::envelope::Idle;
use crate::report::Report;

/// A request's length, an article's and a file's, in bytes.
const REQUEST: usize = 234;
const ARTICLE: usize = 10_000;
const FILE: usize = 10_000_000;

/// How much text a case of requests or articles has.
const SAMPLE: usize = 1_000_000;

/// Longer texts may cost a quarter more for each byte than requests do.
const EVEN: f64 = 0.8;

/// What a process may take to its first result, in microseconds, and hold by then, in bytes.
const FIRST_RESULT: u64 = 20_000;
const MEMORY: u64 = 30_000_000;

/// The texts of a case.
type Shared = Rc<Vec<String>>;

/// Measures scans and streams.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let file = text::of(FILE, 1);
    let sample = text::beginning(&file, SAMPLE);
    let requests: Shared = Rc::new(text::documents(sample, REQUEST));
    let articles: Shared = Rc::new(text::documents(sample, ARTICLE));
    for (name, texts, redact_core) in [
        ("scan 234 B", &requests, 20.0),
        ("scan 10 KB", &articles, 80.0),
    ] {
        for (peer, count) in peers::libraries() {
            let least = if peer.starts_with("redact-core") {
                redact_core
            } else {
                1.0
            };
            beside(report, name, texts, (peer, count), Goal::of(least))?;
        }
    }
    let whole: Shared = Rc::new(vec![file.clone()]);
    beside(
        report,
        "scan 10 MB",
        &whole,
        peers::alternation()?,
        Goal::of(1.0),
    )?;
    let pieces: Shared = Rc::new(text::documents(&file, REQUEST));
    for (name, longer, shorter) in [
        ("scan 10 KB, beside 234 B", &articles, &requests),
        ("scan 10 MB, beside 234 B", &whole, &pieces),
    ] {
        even(report, name, longer, (shorter, "ours, texts of 234 B"));
    }
    streams::measure(report, &articles, sample)?;
    floods::measure(report)?;
    if report.wants("start") {
        let begun = start::of_new_processes()?;
        report.bound(
            "start, to the first result",
            begun.microseconds,
            "us",
            FIRST_RESULT,
        );
        report.bound("start, resident memory", begun.resident, "bytes", MEMORY);
    }
    Ok(())
}

/// Ours beside a peer, each of which must find something.
fn beside(
    report: &mut Report,
    name: &str,
    texts: &Shared,
    (peer_name, count): peers::Peer,
    goal: Goal,
) -> Result<(), Idle> {
    if !report.wants(name) {
        return Ok(());
    }
    let theirs: usize = texts.iter().map(|text| count(text)).sum();
    if theirs == 0 || found(texts) == 0 {
        return Err(Idle);
    }
    report.measure(Case {
        name: name.to_owned(),
        peer_name,
        goal: Some(goal),
        bytes: Some(bytes(texts)),
        ours: ours(texts),
        peer: peers::side(count, texts),
    });
    Ok(())
}

/// Longer texts beside the same bytes in shorter ones.
fn even(report: &mut Report, name: &str, longer: &Shared, shorter: (&Shared, &'static str)) {
    if !report.wants(name) {
        return;
    }
    report.measure(Case {
        name: name.to_owned(),
        peer_name: shorter.1,
        goal: Some(Goal::of(EVEN)),
        bytes: Some(bytes(longer)),
        ours: ours(longer),
        peer: ours(shorter.0),
    });
}

fn ours(texts: &Shared) -> Side {
    let texts = Rc::clone(texts);
    Side::new(move || found(&texts))
}

fn found(texts: &Shared) -> usize {
    texts.iter().map(|text| scan(text).len()).sum()
}

fn bytes(texts: &Shared) -> u64 {
    texts.iter().map(|text| text.len() as u64).sum()
}
