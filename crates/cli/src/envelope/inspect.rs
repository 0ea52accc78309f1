//! `inspect`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use strongroom::envelope::{Inspection, KeyLocation, MAX_HEADER, Provider, Suite, inspect};

use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::report::Report;

/// Magic, version, suite, flags and the header's length, and the longest header.
pub(super) const MAX_FRONT: usize = 6 + MAX_HEADER;

pub(super) const HELP: &str = "\
Nothing here has been authenticated: it is what the record says of itself. The context is not in it.

Examples:
  strongroom envelope inspect record.sealed
  strongroom envelope inspect --json < record.sealed";

#[derive(Args)]
pub(crate) struct Options {
    /// The sealed record
    file: Option<PathBuf>,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let path = options.file.as_deref();
    let (front, bytes) = read(options)
        .map_err(|error| Failure::unusable(format!("{}: {error}", input::name(path))))?;
    let inspection = inspect(&front).map_err(Failure::refused)?;
    let suite = match inspection.suite {
        Suite::Compact => "compact",
        Suite::Stream => "stream",
        _ => "unknown",
    };
    let report = Report::new().with("suite", suite);
    let report = match &inspection.key {
        KeyLocation::Detached(id) => report.with("form", "detached").with_text("dek_id", id),
        _ => report
            .with("form", "inline")
            .with("wrap", wraps(&inspection)),
    };
    let front_bytes = inspection.front_bytes as u64;
    report
        .with("bytes", bytes)
        .with("front_bytes", front_bytes)
        .with("body_bytes", bytes.saturating_sub(front_bytes))
        .print(output)
}

/// The wraps of a record, as they are told.
pub(super) fn wraps(inspection: &Inspection) -> Vec<Value> {
    let KeyLocation::Inline(wraps) = &inspection.key else {
        return Vec::new();
    };
    let told = wraps.iter().map(|wrap| {
        json!({
            "provider": provider(wrap.provider),
            "key": wrap.key_ref.as_str(),
            "version": wrap.key_version,
        })
    });
    told.collect()
}

fn provider(provider: Provider) -> String {
    match provider {
        Provider::LOCAL => "local".to_owned(),
        Provider::TENANT_KEK => "tenant-kek".to_owned(),
        Provider::AWS_KMS => "aws-kms".to_owned(),
        Provider::PKCS11 => "pkcs11".to_owned(),
        other => format!("private-{}", other.number()),
    }
}

/// The beginning of the record, and the length of all of it.
fn read(options: &Options) -> io::Result<(Vec<u8>, u64)> {
    let mut reader: Box<dyn Read> = match &options.file {
        Some(path) if !input::is_stdin(Some(path)) => Box::new(File::open(path)?),
        _ => Box::new(io::stdin()),
    };
    let mut front = Vec::new();
    let mut first = reader.by_ref().take(MAX_FRONT as u64);
    let mut bytes = first.read_to_end(&mut front)? as u64;
    bytes += match &options.file {
        Some(path) if !input::is_stdin(Some(path)) && path.is_file() => {
            path.metadata()?.len().saturating_sub(bytes)
        }
        _ => io::copy(&mut reader, &mut io::sink())?,
    };
    Ok((front, bytes))
}
