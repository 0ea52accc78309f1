//! `seal`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use strongroom::envelope::MAX_COMPACT;

use super::keys::{About, Keys};
use super::sink::Sink;
use super::source::Source;
use super::threads::Threads;
use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;

pub(super) const HELP: &str = "\
The context is what a record is about. It is not stored in it: without the very same pairs, the
same tenant and one of its keys, the record does not open. Put in what must not be exchanged for
something else of the same tenant.

Up to 64 KiB a record is one piece; above, it is a stream of chunks, sealed and opened in little
memory whatever its length; with --threads on several cores, for what is read faster than one core
seals, in the same format. Its length, and the keys' names, stay visible.

With --json and without --out the record is printed in base64, which needs it to be short.

Examples:
  strongroom envelope seal --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --context purpose=credential --context row=17 --out record.sealed < credential
  tar -c data | strongroom envelope seal --keyring keys \\
    --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 --context backup=2026-07-01 \\
    --key root --key escrow > data.sealed
  strongroom envelope seal --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --threads auto --out disk.sealed disk.img";

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
    /// What to seal
    file: Option<PathBuf>,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let kms = options.keys.ring.open()?;
    let record = options.keys.record(&kms, &options.about, options.threads)?;
    let read = || Source::open(options.file.as_deref(), MAX_COMPACT);
    if output == Output::Json && options.out.is_none() {
        let source = read()?;
        let plaintext = source.whole().ok_or_else(|| too_long(source.name()))?;
        return Report::new()
            .with("sealed_base64", STANDARD.encode(record.seal(plaintext)?))
            .print(output);
    }
    let sink = Sink::open_binary(options.out.as_deref())?;
    let is_watched = sink.is_watched(output);
    let (sink, bytes) = record.seal_from(read()?, sink, is_watched)?;
    sink.finish()?;
    match (output, &options.out) {
        (Output::Json, Some(out)) => Report::new()
            .with_text("sealed", out.display())
            .with("plaintext_bytes", bytes)
            .print(output),
        _ => Ok(()),
    }
}

/// One JSON object must fit in memory, here and in whoever reads it.
pub(super) fn too_long(name: &str) -> Failure {
    Failure::unusable(format!(
        "{name}: longer than 64 KiB, which is not printed as JSON: give --out"
    ))
}
