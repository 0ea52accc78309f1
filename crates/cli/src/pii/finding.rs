//! What is told of a finding: never the value.

use std::ops::Range;

use serde_json::{Value, json};
use strongroom::pii::{Confidence, Evidence, Finding};

/// The finding for a program, with its place in three units.
pub(super) fn to_json(finding: &Finding) -> Value {
    json!({
        "class": finding.class.id(),
        "label": finding.class.label(),
        "bytes": range(&finding.span.bytes),
        "chars": range(&finding.span.chars),
        "utf16": range(&finding.span.utf16),
        "confidence": rounded(finding.confidence),
        "calibrated": finding.class.is_calibrated(),
        "evidence": evidence(finding),
    })
}

/// The finding on a line: place, class, confidence, evidence.
pub(super) fn to_line(finding: &Finding) -> String {
    format!(
        "{}..{}\t{}\t{}\t{}",
        finding.span.bytes.start,
        finding.span.bytes.end,
        finding.class.id(),
        finding.confidence,
        evidence(finding).join(",")
    )
}

fn evidence(finding: &Finding) -> Vec<&'static str> {
    finding.evidence.iter().map(Evidence::as_str).collect()
}

pub(super) fn range(range: &Range<usize>) -> Value {
    json!([range.start, range.end])
}

/// The number as it is printed, without the digits that a 32-bit float has by accident.
pub(super) fn rounded(confidence: Confidence) -> Value {
    json!((f64::from(confidence.get()) * 1000.0).round() / 1000.0)
}
