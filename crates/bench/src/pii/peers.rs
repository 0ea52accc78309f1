//! What else finds personal data from Rust, each in the quickest configuration that looks for all
//! it knows.

use std::error::Error;
use std::rc::Rc;

use cerberust::scanner::detect::{detect_secrets, detect_structured, resolve_overlaps};
use regex::bytes::{Regex, RegexBuilder};

use super::Shared;
use crate::case::Side;

/// Gives how many values a text holds.
pub(super) type Count = Box<dyn Fn(&str) -> usize>;

/// A peer's name and version, and its count.
pub(super) type Peer = (&'static str, Count);

/// Twenty forms that everybody looks for.
const PATTERNS: [&str; 20] = [
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\d{4}[ -]?){3}\d{4}\b",
    r"\b3[47]\d{2}[ -]?\d{6}[ -]?\d{5}\b",
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b",
    r"\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b",
    r"\+\d{1,3}[ -]?\d{2,4}[ -]?\d{3,4}[ -]?\d{3,4}",
    r"\(\d{3}\) ?\d{3}-\d{4}",
    r"\b\d{3}-\d{3}-\d{4}\b",
    r"\bAKIA[A-Z0-9]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    r"\bsk-[A-Za-z0-9]{20,}\b",
    r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\b",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\b(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25,39}\b",
    r"\b0x[a-fA-F0-9]{40}\b",
    r"\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
    r"\b\d{1,2}/\d{1,2}/\d{4}\b",
];

/// Enough that the lazy DFA keeps all states it makes, in bytes.
const DFA_CACHE: usize = 256 << 20;

/// Every library.
pub(super) fn libraries() -> Vec<Peer> {
    vec![
        ("redact-core 0.12.6", redact_core()),
        ("cerberust 0.2.2", cerberust()),
        ("cerberust 0.2.2, no secrets", cerberust_without_secrets()),
        ("pii 0.1.0", pii()),
        ("leakguard 1.0.0", leakguard()),
    ]
}

/// Its recognisers by default; its analysis has no cheaper form. The first one compiles patterns,
/// which no round counts.
fn redact_core() -> Count {
    let engine = redact_core::AnalyzerEngine::new();
    Box::new(move |text| {
        let found = engine.analyze(text, None);
        found.map_or(0, |found| found.detected_entities.len())
    })
}

/// Its detectors of personal data and of secrets, which together have what ours has: the spans
/// alone, without the text that its scanners write and the nonce that they draw.
fn cerberust() -> Count {
    Box::new(|text| {
        let mut spans = detect_structured(text);
        spans.extend(detect_secrets(text));
        resolve_overlaps(spans).len()
    })
}

/// Six classes, for those who look for no credentials.
fn cerberust_without_secrets() -> Count {
    Box::new(|text| resolve_overlaps(detect_structured(text)).len())
}

/// Its recognisers by default, and its engine without sentences, which none of them reads.
fn pii() -> Count {
    let analyzer = ::pii::Analyzer::new(
        Box::new(::pii::nlp::SimpleNlpEngine::new(false)),
        ::pii::default_recognizers(),
        Vec::new(),
        ::pii::PolicyConfig::default(),
    );
    let english = ::pii::Language::from("en");
    Box::new(move |text| {
        let found = analyzer.analyze(text, &english);
        found.map_or(0, |found| found.entities.len())
    })
}

/// Its detectors by default: without telephones and secrets of unknown form, which it has on demand
/// and which would cost it more.
fn leakguard() -> Count {
    let redactor = leakguard::Redactor::new();
    Box::new(move |text| redactor.find(text).len())
}

/// The twenty forms in one alternation: of bytes and ASCII classes, so that word boundaries keep it
/// in its lazy DFA, whose states are never thrown away.
pub(super) fn alternation() -> Result<Peer, Box<dyn Error>> {
    let whole = PATTERNS.map(|pattern| format!("(?:{pattern})")).join("|");
    let regex: Regex = RegexBuilder::new(&whole)
        .unicode(false)
        .dfa_size_limit(DFA_CACHE)
        .build()?;
    let count: Count = Box::new(move |text| regex.find_iter(text.as_bytes()).count());
    Ok(("regex 1.13, 20 patterns in one", count))
}

/// The peer at all texts, one after the other.
pub(super) fn side(count: Count, texts: &Shared) -> Side {
    let texts = Rc::clone(texts);
    Side::new(move || texts.iter().map(|text| count(text)).sum::<usize>())
}
