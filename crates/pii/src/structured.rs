//! Texts with a structure: values are taken out of their notation, redacted with their names beside
//! them, and written back; what stands between them stays as it was, byte for byte.

pub(crate) mod csv;
pub(crate) mod form;
pub(crate) mod json;

use crate::redaction::Position;
use crate::{Finding, RedactError, Redaction, Redactor, Span};

/// Whether a member of this name says what another one of the same object is, as `name` does in
/// `{"name": "password", "value": "..."}`; in whatever case.
#[must_use]
pub fn is_naming_member(name: &str) -> bool {
    const NAMES: [&str; 6] = ["field", "header", "key", "label", "name", "property"];
    NAMES.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Whether another member of the same object may say what a member of this name is, as of `value`; in
/// whatever case.
#[must_use]
pub fn is_named_member(name: &str) -> bool {
    const NAMES: [&str; 4] = ["default", "val", "value", "values"];
    NAMES.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// A structured text is not redacted, and must go nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StructureError {
    /// The text is not what it was said to be.
    #[error("{format}, line {line}: {reason}")]
    Malformed {
        /// What it was said to be.
        format: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A value is refused.
    #[error(transparent)]
    Redact(#[from] RedactError),
}

/// A structured text while it is written anew.
struct Writer<'r, 'p, 't> {
    redactor: &'r mut Redactor<'p>,
    text: &'t str,
    out: String,
    /// Up to where the text has been written.
    done: usize,
    /// How far the text has been counted, so that each finding costs its own distance alone.
    position: Position,
    counted: usize,
    findings: Vec<Finding>,
}

impl<'r, 'p, 't> Writer<'r, 'p, 't> {
    fn new(redactor: &'r mut Redactor<'p>, text: &'t str) -> Self {
        Self {
            redactor,
            text,
            out: String::with_capacity(text.len()),
            done: 0,
            position: Position::default(),
            counted: 0,
            findings: Vec::new(),
        }
    }

    /// Redacts the value that stands at a range of the text, and writes it back with `encode`,
    /// which is told the new value; `at` says where a byte of the value stands in the text. Returns the
    /// new value.
    fn value(
        &mut self,
        name: &str,
        range: std::ops::Range<usize>,
        value: &str,
        at: &dyn Fn(usize) -> usize,
        encode: &dyn Fn(&str, &mut String),
    ) -> Result<String, RedactError> {
        let redaction = self.redactor.redact_named(name, value)?;
        for mut finding in redaction.findings {
            let (start, end) = (at(finding.span.bytes.start), at(finding.span.bytes.end));
            finding.span = self.span(start, end);
            self.findings.push(finding);
        }
        if redaction.text != value {
            self.out
                .push_str(self.text.get(self.done..range.start).unwrap_or_default());
            encode(&redaction.text, &mut self.out);
            self.done = range.end;
        }
        Ok(redaction.text)
    }

    /// A byte range in the three units; the ranges come in order.
    fn span(&mut self, start: usize, end: usize) -> Span {
        let before = self.text.get(self.counted..start).unwrap_or_default();
        self.position.read(before);
        self.counted = end;
        self.position
            .read(self.text.get(start..end).unwrap_or_default())
    }

    fn finish(mut self) -> Redaction {
        self.out
            .push_str(self.text.get(self.done..).unwrap_or_default());
        Redaction {
            text: self.out,
            findings: self.findings,
            policy_hash: self.redactor.policy_hash(),
        }
    }
}

/// The line of an offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + memchr::memchr_iter(b'\n', before).count()
}
