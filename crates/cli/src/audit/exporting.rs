//! `export`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use strongroom::auditchain::VerifierKey;
use strongroom::auditchain::store::{ExportOptions, Manifest, export};

use super::archive::NewArchive;
use super::files::{Files, Where};
use crate::evidence::demanded;
use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;

pub(super) const HELP: &str = "\
The export holds the log up to its newest checkpoint: entries, tiles, all checkpoints, anchors if
there are any, and with --payloads what is kept beside the entries, as it is kept. It is a folder,
or, where OUT ends in .tar, one archive, whose bytes are the same for the same log. Whoever gets it
needs the log's verifier key from elsewhere: hand it over by another way.

Examples:
  strongroom audit export --log /a/zone --key \"$(cat log.vkey)\" --out acme.tar
  strongroom audit export --log /a/zone --key \"$(cat log.vkey)\" --payloads --out acme";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    of: Where,
    /// The log's key
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
    /// The key of its receipts' batches, to be named in the export
    #[arg(long, value_name = "VKEY")]
    batch_key: Option<VerifierKey>,
    /// With the payloads, as they are kept
    #[arg(long)]
    payloads: bool,
    /// A kind of event that is an agent's; repeat for several
    #[arg(long = "agent", value_name = "KIND")]
    agents: Vec<String>,
    /// The new folder, or the new .tar file
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let origin = demanded(options.of.origin.as_ref(), &options.key)?;
    let files = Files::open(&options.of.log, Some(&origin))?;
    let what = ExportOptions {
        entries: files.entries(),
        with_payloads: options.payloads,
        agents: &options.agents,
        log_key: &options.key,
        batch_key: options.batch_key.as_ref(),
    };
    let out = &options.out;
    let failed = |error: &dyn std::fmt::Display| {
        Failure::unusable(format!("{}: {error}; it is no whole export", out.display()))
    };
    let manifest = if out.extension().is_some_and(|ending| ending == "tar") {
        let file = File::create_new(out)
            .map_err(|error| Failure::unusable(format!("{}: {error}", out.display())))?;
        let mut archive = NewArchive::new(BufWriter::new(file));
        let done = export(&*files.zone, &origin, &what, |path, bytes| {
            archive.put(path, bytes)
        });
        let done = done.map_err(|error| failed(&error))?;
        let flushed = archive.finish().and_then(|mut file| {
            file.flush()?;
            file.get_ref().sync_all()
        });
        flushed.map_err(|error| failed(&error))?;
        done
    } else {
        fs::create_dir(out)
            .map_err(|error| Failure::unusable(format!("{}: {error}", out.display())))?;
        let done = export(&*files.zone, &origin, &what, |path, bytes| {
            put(out, path, bytes)
        });
        done.map_err(|error| failed(&error))?
    };
    let Manifest { origin, size, .. } = manifest;
    Report::new()
        .with_text("export", out.display())
        .with_text("origin", origin)
        .with_text("size", size)
        .print(output)
}

fn put(folder: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::create_new(path)?;
    file.write_all(bytes)
}
