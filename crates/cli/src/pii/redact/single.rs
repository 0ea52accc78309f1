//! One text, to standard output.

use std::io::{self, IsTerminal as _};

use strongroom::pii::{Finding, Redactor};

use super::super::format::Format;
use super::super::inputs::Input;
use super::super::pass::{PassError, pass};
use super::super::policy::may_block;
use super::{Means, told};
use crate::failure::Failure;
use crate::input::MAX_CONTENT;
use crate::output::{self, Output};
use crate::progress::{Progress, is_watched};
use crate::report::Report;

pub(super) fn run(
    format: Format,
    means: &Means<'_>,
    input: &Input,
    output: Output,
) -> Result<(), Failure> {
    let redactor = means.redactor();
    if output == Output::Text && !may_block(&means.policy) {
        return stream(format, means, input, redactor);
    }
    // Of a text that is refused nothing is printed.
    let mut text = String::new();
    let findings = read(format, means, input, redactor, output, &mut |piece| {
        text.push_str(piece);
        if text.len() > MAX_CONTENT {
            return Err(PassError::TooLong);
        }
        Ok(())
    })?;
    means
        .settle()
        .map_err(|error| Failure::unusable(means.reason(&error)))?;
    if output == Output::Text {
        return output::write(text.as_bytes());
    }
    Report::new()
        .with("findings", told(&findings))
        .with("policy_hash", means.policy.hash_hex())
        .with("text", text)
        .print(output)
}

/// Prints what is decided while the rest is read.
fn stream(
    format: Format,
    means: &Means<'_>,
    input: &Input,
    redactor: Redactor<'_>,
) -> Result<(), Failure> {
    let mut write_failure = None;
    let read = read(format, means, input, redactor, Output::Text, &mut |piece| {
        means.settle()?;
        output::write(piece.as_bytes()).map_err(|failure| {
            write_failure = Some(failure);
            PassError::Write(String::new())
        })
    });
    match write_failure {
        Some(failure) => Err(failure),
        None => read.map(drop),
    }
}

fn read(
    format: Format,
    means: &Means<'_>,
    input: &Input,
    mut redactor: Redactor<'_>,
    output: Output,
    out: &mut dyn FnMut(&str) -> Result<(), PassError>,
) -> Result<Vec<Finding>, Failure> {
    let shows_itself = io::stdout().is_terminal();
    let size = input.path.as_ref().map(|_| input.size);
    let progress = Progress::new(size, is_watched(output) && !shows_itself);
    let progress = std::cell::RefCell::new(progress);
    let done = |bytes| progress.borrow_mut().add(bytes);
    pass(input, format, &mut redactor, &done, out).map_err(|error| {
        let reason = means.reason(&error);
        match error {
            error if error.is_blocked() => Failure::refused(reason),
            PassError::Refused(_) | PassError::Write(_) => Failure::unusable(reason),
            _ => Failure::unusable(format!("{}: {reason}", input.name())),
        }
    })
}
