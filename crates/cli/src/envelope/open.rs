//! `open`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use strongroom::envelope::{MAX_COMPACT, OpenError};

use super::keys::{About, Keys};
use super::record::{
    CopyError, MAX_SHORT, copy, is_refusal, open_failure, read_failure, write_failure,
};
use super::rewrap;
use super::seal::too_long;
use super::sink::Sink;
use super::source::Source;
use super::threads::Threads;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::report::Report;

pub(super) const HELP: &str = "\
Tenant, context and keys are those that you expect, not what the record says: a record that was
altered, moved or exchanged does not open, and why is not told.

A file given with --out appears under its name only when the whole record has held. To standard
output, a record above 64 KiB is written chunk by chunk, each once it has held: act on it only when
the exit status is 0. With 1, what was written is a true beginning, and not all of it.

With --json and without --out the plaintext is printed in base64, which needs it to be short.

Examples:
  strongroom envelope open --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --context purpose=credential --context row=17 record.sealed
  strongroom envelope open --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --context backup=2026-07-01 --threads auto --out data.tar data.sealed";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    threads: Threads,
    /// Write to this new file, readable by its owner alone, and not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The sealed record
    file: Option<PathBuf>,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let opened = run_once(options, output);
    opened.map_err(|failure| rewrap::or_unfinished(failure, options.file.as_deref()))
}

fn run_once(options: &Options, output: Output) -> Result<(), Failure> {
    let kms = options.keys.ring.open()?;
    let record = options.keys.record(&kms, &options.about, options.threads)?;
    let read = || Source::open(options.file.as_deref(), MAX_SHORT);
    let name = input::name(options.file.as_deref());
    if output == Output::Json && options.out.is_none() {
        let opened = record.open(read()?, false)?;
        let opened = Source::new(name, None, opened, MAX_COMPACT)?;
        let plaintext = opened.whole().ok_or_else(|| too_long(opened.name()))?;
        return Report::new()
            .with("plaintext_base64", STANDARD.encode(plaintext))
            .print(output);
    }
    let mut sink = Sink::open(options.out.as_deref())?;
    let mut opened = record.open(read()?, sink.is_watched(output))?;
    let (copied, bytes) = copy(&mut opened, &mut sink);
    copied.map_err(|error| match error {
        CopyError::Read(error) if is_refusal(&error) => incomplete(options, bytes),
        CopyError::Read(error) => read_failure(&name, &error),
        CopyError::Write(error) => write_failure(error),
    })?;
    sink.finish()?;
    match (output, &options.out) {
        (Output::Json, Some(out)) => Report::new()
            .with_text("opened", out.display())
            .with("plaintext_bytes", bytes)
            .print(output),
        _ => Ok(()),
    }
}

/// What is in a pipe cannot be taken back: whoever reads it must be told.
fn incomplete(options: &Options, bytes: u64) -> Failure {
    if options.out.is_some() || bytes == 0 {
        return open_failure(OpenError::Failed);
    }
    Failure::refused(format!(
        "{}: the {bytes} bytes that were written are its beginning, and incomplete: the record is \
         cut short or altered behind them",
        OpenError::Failed
    ))
}
