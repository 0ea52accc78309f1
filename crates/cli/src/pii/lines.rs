//! JSON Lines: a document a line, each redacted as soon as it is read.

use std::io::{BufRead as _, BufReader, Read};
use std::ops::Range;
use std::str;

use strongroom::pii::{Finding, Redactor};
use zeroize::Zeroizing;

use super::format::Format;
use super::pass::{Out, PassError};
use crate::input::MAX_CONTENT;

/// So much is read, and handed on, at once.
const BUFFER: usize = 64 * 1024;

/// Reads lines, and hands on what comes of each. A line that is no JSON is read as text: logs have
/// such lines, and one of them must not end the rest.
pub(super) fn lines(
    source: impl Read,
    redactor: &mut Redactor<'_>,
    done: &dyn Fn(usize),
    out: &mut Out<'_>,
) -> Result<Vec<Finding>, PassError> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let mut line = Zeroizing::new(Vec::new());
    let mut redacted = Zeroizing::new(String::new());
    let mut before = Before::default();
    let mut findings = Vec::new();
    loop {
        line.clear();
        let mut limited = source.by_ref().take(MAX_CONTENT as u64 + 1);
        let count = limited.read_until(b'\n', &mut line);
        if count.map_err(PassError::Read)? == 0 {
            out(&redacted)?;
            return Ok(findings);
        }
        if line.len() > MAX_CONTENT {
            return Err(PassError::TooLong);
        }
        let text = str::from_utf8(&line).map_err(|_| PassError::NotText)?;
        let redaction = match Format::Json.redact(redactor, text).map_err(PassError::from) {
            Err(PassError::Malformed(_)) => redactor.redact(text).map_err(PassError::Refused),
            redaction => redaction,
        }?;
        redacted.push_str(&redaction.text);
        // Before the next line has to be waited for.
        if redacted.len() > BUFFER || !source.buffer().contains(&b'\n') {
            out(&redacted)?;
            redacted.clear();
        }
        findings.extend(
            redaction
                .findings
                .into_iter()
                .map(|found| before.shift(found)),
        );
        before.read(text);
        done(text.len());
    }
}

/// How far the lines before go, in three units.
#[derive(Default)]
pub(super) struct Before {
    bytes: usize,
    chars: usize,
    utf16: usize,
}

impl Before {
    pub(super) fn read(&mut self, text: &str) {
        self.bytes += text.len();
        self.chars += text.chars().count();
        self.utf16 += text.chars().map(char::len_utf16).sum::<usize>();
    }

    /// A finding's place in the text, from its place behind what was read.
    pub(super) fn shift(&self, mut finding: Finding) -> Finding {
        let by = |range: &Range<usize>, by| range.start + by..range.end + by;
        finding.span.bytes = by(&finding.span.bytes, self.bytes);
        finding.span.chars = by(&finding.span.chars, self.chars);
        finding.span.utf16 = by(&finding.span.utf16, self.utf16);
        finding
    }
}
