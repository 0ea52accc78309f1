//! Several files: where they are, or into a directory.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use strongroom::pii::Finding;

use super::super::in_order::in_order;
use super::super::inputs::{Input, Inputs, count};
use super::super::pass::{PassError, pass, replaced};
use super::super::replacement::Unfinished;
use super::{Means, Options, told};
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::progress::{Progress, is_watched};

/// A file, and where what comes of it is written.
struct Job<'i> {
    input: &'i Input,
    target: PathBuf,
}

struct Done {
    findings: Vec<Finding>,
    is_written: bool,
}

pub(super) fn run(
    options: &Options,
    means: &Means<'_>,
    inputs: &Inputs,
    output: Output,
) -> Result<(), Failure> {
    let jobs = jobs(inputs, options.output.as_deref())?;
    let unfinished =
        Unfinished::new().map_err(|error| Failure::unusable(format!("signals: {error}")))?;
    let (mut skipped, mut blocked) = (0, 0);
    let mut failed = inputs.unreadable.clone();
    let progress = Progress::new(inputs.size(), is_watched(output));
    let work = |job: &Job<'_>, done: &dyn Fn(usize)| redact(options, means, &unfinished, job, done);
    let take = |job: &Job<'_>, result: Result<Done, PassError>, _: &Progress| {
        match result {
            Ok(done) if output == Output::Json => {
                let line = json!({
                    "path": job.input.name(),
                    "output": job.target.display().to_string(),
                    "written": done.is_written,
                    "findings": told(&done.findings),
                    "policy_hash": means.policy.hash_hex(),
                });
                output::write(format!("{line}\n").as_bytes())?;
            }
            Ok(_) => {}
            Err(PassError::NotText) if !job.input.is_named => skipped += 1,
            Err(error) => {
                blocked += usize::from(error.is_blocked());
                failed.push(format!("{}: {}", job.input.name(), means.reason(&error)));
            }
        }
        Ok(())
    };
    in_order(options.threads, &jobs, progress, work, take)?;
    if skipped > 0 {
        let what = count(skipped, "file that is", "files that are");
        eprintln!("strongroom: left alone {what} not UTF-8 text");
    }
    if failed.is_empty() {
        return Ok(());
    }
    for reason in &failed {
        eprintln!("strongroom: {reason}");
    }
    let what = count(failed.len(), "input was", "inputs were");
    let summary = format!("{what} not redacted");
    Err(if blocked == failed.len() {
        Failure::refused(summary)
    } else {
        Failure::unusable(summary)
    })
}

/// Where each file goes; refused before anything is written if that cannot be.
fn jobs<'i>(inputs: &'i Inputs, into: Option<&Path>) -> Result<Vec<Job<'i>>, Failure> {
    let mut targets = BTreeSet::new();
    let mut jobs = Vec::new();
    for input in &inputs.list {
        let Some(path) = &input.path else {
            return Err(Failure::unusable(
                "standard input goes to standard output: leave --in-place and --output away",
            ));
        };
        let target = match into {
            Some(directory) => directory.join(&input.below),
            // A link stays one: what is replaced is the file that it leads to.
            None => fs::canonicalize(path).unwrap_or_else(|_| path.clone()),
        };
        let name = target.display();
        if into.is_some() && target.symlink_metadata().is_ok() {
            return Err(Failure::unusable(format!(
                "{name}: a file of that name is there already, and is not written over"
            )));
        }
        if !targets.insert(target.clone()) {
            if into.is_none() {
                continue;
            }
            return Err(Failure::unusable(format!(
                "{name}: two files would have this name"
            )));
        }
        jobs.push(Job { input, target });
    }
    Ok(jobs)
}

fn redact(
    options: &Options,
    means: &Means<'_>,
    unfinished: &Unfinished,
    job: &Job<'_>,
    done: &dyn Fn(usize),
) -> Result<Done, PassError> {
    let before = metadata(job.input)?;
    if !before.is_file() {
        return Err(PassError::Read(io::Error::other("not a file")));
    }
    let failed = |error: io::Error| PassError::Write(format!("{}: {error}", job.target.display()));
    if let (Some(_), Some(parent)) = (&options.output, job.target.parent()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = unfinished.begin(&job.target).map_err(failed)?;
    let mut redactor = means.redactor();
    let mut write = |piece: &str| file.write_all(piece.as_bytes()).map_err(failed);
    let findings = pass(job.input, options.format, &mut redactor, done, &mut write)?;
    means.settle()?;
    let is_written = options.output.is_some() || replaced(&findings) > 0;
    if options.output.is_some() {
        file.keep(&before).map_err(failed)?;
    } else if is_written {
        let after = metadata(job.input)?;
        if (after.len(), after.modified().ok()) != (before.len(), before.modified().ok()) {
            return Err(PassError::Write(
                "changed while it was read, and is left as it is".to_owned(),
            ));
        }
        file.replace(&before).map_err(failed)?;
    }
    Ok(Done {
        findings,
        is_written,
    })
}

fn metadata(input: &Input) -> Result<Metadata, PassError> {
    let path = input.path.as_deref().unwrap_or(Path::new("-"));
    fs::metadata(path).map_err(PassError::Read)
}
