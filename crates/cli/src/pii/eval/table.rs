//! What was counted, as a table or as an object.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::inputs::count;
use super::super::rate::per_mb;
use super::cases::{Cases, Outcome, Share};
use super::score::{Scores, Tally};

const HEADER: &str =
    "      n   exact P     R    F1   overlap P     R    F1    false  false/MB    ECE   judged";

pub(super) fn text(
    scores: &Scores,
    cases: &Cases,
    unknown: &BTreeMap<String, usize>,
    skipped: usize,
) -> String {
    let mut text = String::new();
    let classes = scores.tallies().map(|(class, _)| class.id());
    let classes = classes.chain(cases.outcomes().map(|(class, _)| class.id()));
    let width = classes.map(str::len).max().unwrap_or(0).max("class".len());
    let all = cases.total().all();
    if scores.documents > 0 || all.total == 0 {
        text.push_str(&format!("{:width$}{HEADER}\n", "class"));
        for (class, tally) in scores.tallies() {
            text.push_str(&row(class.id(), width, tally, scores));
        }
        text.push_str(&row("total", width, &scores.total(), scores));
        text.push_str(&format!(
            "\n{}, {}; {} without labels, {}\n",
            count(scores.documents, "text", "texts"),
            count(scores.bytes, "byte", "bytes"),
            scores.unlabelled,
            count(scores.unlabelled_bytes, "byte", "bytes"),
        ));
    }
    if all.total > 0 {
        let right = ["right", "with spans", "without"].map(|name| format!("{name:>12}"));
        text.push_str(&format!("{:width$}{}\n", "class", right.concat()));
        for (class, outcome) in cases.outcomes() {
            text.push_str(&case_row(class.id(), width, outcome));
        }
        text.push_str(&case_row("total", width, &cases.total()));
    }
    if skipped > 0 {
        text.push_str(&format!(
            "skipped {} of other kinds or types\n",
            count(skipped, "line", "lines")
        ));
    }
    if !unknown.is_empty() {
        let unknown = unknown.iter().map(|(name, n)| format!("{name} {n}"));
        let unknown: Vec<_> = unknown.collect();
        text.push_str(&format!("other types: {}\n", unknown.join(", ")));
    }
    text
}

fn row(name: &str, width: usize, tally: &Tally, scores: &Scores) -> String {
    let [exact, overlap] = [tally.exact, tally.overlap].map(|hits| {
        tally
            .rates(hits)
            .map(shown)
            .map(|rate| format!("{rate:>6}"))
    });
    let (exact, overlap) = (exact.concat(), overlap.concat());
    format!(
        "{name:width$}{:>7}      {exact}        {overlap}{:>9}{:>10}{:>7}{:>9}\n",
        tally.labels,
        tally.false_spans,
        shown_short(false_per_mb(tally, scores)),
        shown(tally.calibration_error()),
        tally.exact.judged,
    )
}

fn case_row(name: &str, width: usize, outcome: &Outcome) -> String {
    let shares = [outcome.all(), outcome.positive, outcome.negative];
    let shares = shares.map(|share| format!("{:>12}", format!("{}/{}", share.right, share.total)));
    format!("{name:width$}{}\n", shares.concat())
}

pub(super) fn json(
    scores: &Scores,
    cases: &Cases,
    unknown: &BTreeMap<String, usize>,
    skipped: usize,
) -> Value {
    let classes = scores
        .tallies()
        .map(|(class, tally)| (class.id().to_owned(), tally_json(tally, scores)));
    let by_case = cases
        .outcomes()
        .map(|(class, outcome)| (class.id().to_owned(), outcome_json(outcome)));
    json!({
        "texts": scores.documents,
        "bytes": scores.bytes,
        "unlabelled_texts": scores.unlabelled,
        "unlabelled_bytes": scores.unlabelled_bytes,
        "classes": classes.collect::<Map<_, _>>(),
        "total": tally_json(&scores.total(), scores),
        "cases": {
            "classes": by_case.collect::<Map<_, _>>(),
            "total": outcome_json(&cases.total()),
        },
        "other_types": unknown,
        "skipped_lines": skipped,
    })
}

fn tally_json(tally: &Tally, scores: &Scores) -> Value {
    let rates = |hits| {
        let [precision, recall, f1] = tally.rates(hits).map(rounded);
        json!({"precision": precision, "recall": recall, "f1": f1})
    };
    json!({
        "n": tally.labels,
        "exact": rates(tally.exact),
        "overlap": rates(tally.overlap),
        "false_spans": tally.false_spans,
        "false_spans_per_mb": rounded(false_per_mb(tally, scores)),
        "calibration": {
            "error": rounded(tally.calibration_error()),
            "judged": tally.exact.judged,
        },
    })
}

fn outcome_json(outcome: &Outcome) -> Value {
    let share = |share: Share| json!({"right": share.right, "total": share.total});
    json!({
        "all": share(outcome.all()),
        "with_spans": share(outcome.positive),
        "without_spans": share(outcome.negative),
    })
}

/// In texts without labels, for each million bytes.
fn false_per_mb(tally: &Tally, scores: &Scores) -> Option<f64> {
    per_mb(tally.false_unlabelled, scores.unlabelled_bytes)
}

fn shown(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.3}"))
}

fn shown_short(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
}

fn rounded(rate: Option<f64>) -> Value {
    rate.map_or(Value::Null, |rate| {
        json!((rate * 10_000.0).round() / 10_000.0)
    })
}
