//! One text, read and redacted.

use std::io::{self, Read};
use std::str;

use strongroom::pii::{Finding, Operator, RedactError, Redactor, StructureError};
use zeroize::Zeroizing;

use super::format::Format;
use super::inputs::Input;
use super::lines::lines;
use super::pieces::{PieceError, Pieces};
use crate::input::MAX_CONTENT;

/// Why a text was not read and redacted to its end.
#[derive(Debug)]
pub(super) enum PassError {
    Read(io::Error),
    NotText,
    TooLong,
    Refused(RedactError),
    Malformed(StructureError),
    Write(String),
}

impl From<PieceError> for PassError {
    fn from(error: PieceError) -> Self {
        match error {
            PieceError::Read(error) => Self::Read(error),
            PieceError::NotText => Self::NotText,
        }
    }
}

impl From<StructureError> for PassError {
    fn from(error: StructureError) -> Self {
        match error {
            StructureError::Redact(error) => Self::Refused(error),
            other => Self::Malformed(other),
        }
    }
}

impl PassError {
    /// What is wrong, without the input's name. Never a value.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Read(error) => error.to_string(),
            Self::NotText => "not UTF-8".to_owned(),
            Self::TooLong => format!("longer than {MAX_CONTENT} bytes"),
            Self::Refused(error) => error.to_string(),
            Self::Malformed(error) => error.to_string(),
            Self::Write(reason) => reason.clone(),
        }
    }

    /// Whether the policy, and not the input or the output, is why.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Self::Refused(RedactError::Blocked(_)))
    }
}

/// Takes what is written of a text, as soon as it is.
pub(super) type Out<'o> = dyn FnMut(&str) -> Result<(), PassError> + 'o;

/// Reads a text, redacts it, and hands on what comes of it: a plain one, and JSON Lines, while it
/// is read, in little memory whatever its length; another one as a whole. `done` is told how many
/// bytes more were read.
pub(super) fn pass(
    input: &Input,
    format: Format,
    redactor: &mut Redactor<'_>,
    done: &dyn Fn(usize),
    out: &mut Out<'_>,
) -> Result<Vec<Finding>, PassError> {
    let source = input.open().map_err(PassError::Read)?;
    let format = format.of(input.path.as_deref());
    match format {
        Format::Auto | Format::Text => plain(source, input.is_named, redactor, done, out),
        Format::Jsonl => lines(source, redactor, done, out),
        _ => whole(source, input.size, format, redactor, done, out),
    }
}

fn plain(
    source: impl Read,
    is_named: bool,
    redactor: &mut Redactor<'_>,
    done: &dyn Fn(usize),
    out: &mut Out<'_>,
) -> Result<Vec<Finding>, PassError> {
    let mut pieces = Pieces::new(source);
    let mut stream = redactor.stream();
    let mut redacted = Zeroizing::new(String::new());
    while let Some(piece) = pieces.next()? {
        // What a directory holds may be anything; whoever names a file knows what it is.
        if !is_named && piece.contains('\0') {
            return Err(PassError::NotText);
        }
        done(piece.len());
        stream
            .push(piece, &mut redacted)
            .map_err(PassError::Refused)?;
        if !redacted.is_empty() {
            out(&redacted)?;
            redacted.clear();
        }
    }
    let findings = stream.finish(&mut redacted).map_err(PassError::Refused)?;
    out(&redacted)?;
    Ok(findings)
}

fn whole(
    source: impl Read,
    size: u64,
    format: Format,
    redactor: &mut Redactor<'_>,
    done: &dyn Fn(usize),
    out: &mut Out<'_>,
) -> Result<Vec<Finding>, PassError> {
    let size = usize::try_from(size).unwrap_or(MAX_CONTENT);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.min(MAX_CONTENT) + 1));
    source
        .take(MAX_CONTENT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(PassError::Read)?;
    if bytes.len() > MAX_CONTENT {
        return Err(PassError::TooLong);
    }
    let text = str::from_utf8(&bytes).map_err(|_| PassError::NotText)?;
    let redaction = format.redact(redactor, text)?;
    done(text.len());
    out(&redaction.text)?;
    Ok(redaction.findings)
}

/// How many values something else stands for now.
pub(super) fn replaced(findings: &[Finding]) -> usize {
    let operators = findings.iter().map(|finding| finding.operator);
    operators.filter(Option::<Operator>::is_some).count()
}
