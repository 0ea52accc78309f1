//! How a text is written: as such, or with names and values.

use std::path::Path;

use clap::ValueEnum;
use strongroom::pii::{Redaction, Redactor, StructureError};

use super::lines::Before;

/// How the inputs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// By the file's extension: .json, .jsonl, .ndjson, .csv, .tsv; else text
    Auto,
    /// As it is
    Text,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
    /// Comma-separated, with the columns' names in the first row
    Csv,
    /// The same, with tabs
    Tsv,
    /// name=value&name=value, not percent-decoded
    Form,
}

impl Format {
    /// The format of one input: never [`Auto`](Self::Auto).
    pub(super) fn of(self, path: Option<&Path>) -> Self {
        if self != Self::Auto {
            return self;
        }
        let extension = path.and_then(Path::extension).unwrap_or_default();
        let known = [
            ("json", Self::Json),
            ("jsonl", Self::Jsonl),
            ("ndjson", Self::Jsonl),
            ("csv", Self::Csv),
            ("tsv", Self::Tsv),
        ];
        let named = known
            .into_iter()
            .find(|(name, _)| extension.eq_ignore_ascii_case(name));
        named.map_or(Self::Text, |(_, format)| format)
    }

    /// Redacts a whole text. JSON Lines are read line by line elsewhere; here they are text.
    pub(super) fn redact(
        self,
        redactor: &mut Redactor<'_>,
        text: &str,
    ) -> Result<Redaction, StructureError> {
        // Spreadsheets begin their files with a mark that is no part of the first name.
        let Some(rest) = text.strip_prefix(MARK) else {
            return self.redact_unmarked(redactor, text);
        };
        let mut redaction = self.redact_unmarked(redactor, rest)?;
        redaction.text.insert(0, MARK);
        let mut mark = Before::default();
        mark.read(MARK.encode_utf8(&mut [0; 3]));
        let findings = redaction.findings.into_iter();
        redaction.findings = findings.map(|found| mark.shift(found)).collect();
        Ok(redaction)
    }

    fn redact_unmarked(
        self,
        redactor: &mut Redactor<'_>,
        text: &str,
    ) -> Result<Redaction, StructureError> {
        match self {
            Self::Auto | Self::Text | Self::Jsonl => {
                redactor.redact(text).map_err(StructureError::from)
            }
            Self::Json => redactor.redact_json(text),
            Self::Csv => redactor.redact_csv(text, b','),
            Self::Tsv => redactor.redact_csv(text, b'\t'),
            Self::Form => redactor.redact_form(text),
        }
    }
}

/// The byte order mark.
const MARK: char = '\u{FEFF}';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pii::detector::Detector;
    use strongroom::pii::Confidence;

    #[test]
    fn extensions_tell_the_format() {
        for (name, format) in [
            ("a.json", Format::Json),
            ("a.JSON", Format::Json),
            ("a.csv", Format::Csv),
            ("a.tsv", Format::Tsv),
            ("a.jsonl", Format::Jsonl),
            ("a.log", Format::Text),
            ("json", Format::Text),
        ] {
            assert_eq!(Format::Auto.of(Some(Path::new(name))), format, "{name}");
        }
        assert_eq!(Format::Auto.of(None), Format::Text);
        assert_eq!(Format::Form.of(Some(Path::new("a.csv"))), Format::Form);
    }

    #[test]
    fn a_byte_order_mark_is_counted_and_kept() {
        let detector = Detector::new(&[], Confidence::DEFAULT_THRESHOLD).unwrap();
        let text = "\u{FEFF}{\"to\": \"ann@example.com\"}";
        let redaction = Format::Json.redact(&mut detector.redactor(), text).unwrap();
        assert_eq!(redaction.text, text);
        let span = &redaction.findings[0].span;
        assert_eq!(text.get(span.bytes.clone()), Some("ann@example.com"));
        assert_eq!((span.chars.start, span.utf16.start), (9, 9));
    }
}
