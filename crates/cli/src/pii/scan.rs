//! `scan`: where personal data is.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use strongroom::pii::{Class, Confidence, Finding};

use super::detector::Detector;
use super::finding;
use super::format::Format;
use super::in_order::in_order;
use super::inputs::{Input, Inputs, count};
use super::pass::{PassError, pass};
use super::rate::per_mb;
use super::selector::{Selector, confidence};
use crate::envelope::threads;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{Progress, is_watched};

pub(super) const HELP: &str = "\
A line for each finding: path:start..end, class, confidence, evidence, with tabs between; without
the path when one text alone is read. Ranges are byte offsets into the UTF-8 text; --json has them
in code points and UTF-16 units as well. No value is ever printed.

Of a directory every file is read that is UTF-8 text, at any depth, but for hidden entries; links
are not followed. What stands in a JSON document, a table or a form is read with its name beside
it: the column `ssn` says what a number is.

The exit status is 0 whether or not something is found; with --fail-on-findings it is 1 when
something is. It is 2 when something could not be read; everything else is read all the same.

Examples:
  strongroom pii scan notes.txt
  strongroom pii scan --json < notes.txt
  strongroom pii scan --class 'gov.*' --class finance.card --summary exports logs
  strongroom pii scan --fail-on-findings --min-confidence 0.8 tests/fixtures";

#[derive(Args)]
pub(crate) struct Options {
    /// The texts: files, directories, or `-` for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How they are written
    #[arg(long, value_enum, default_value = "auto")]
    format: Format,
    /// Only these: an id, a group such as gov.*, a label or an alias; repeat for several
    #[arg(long = "class", value_name = "SELECTOR", value_parser = Selector::parse)]
    classes: Vec<Selector>,
    /// Only what is at least so sure, from 0 to 1
    #[arg(long, value_name = "NUMBER", default_value = "0.5", value_parser = confidence)]
    min_confidence: Confidence,
    /// Read so many files at once; `auto`, or 0, is one for each core
    #[arg(long, value_name = "N", default_value = "auto", value_parser = threads::number)]
    threads: NonZeroUsize,
    /// Exit with 1 when something is found
    #[arg(long)]
    fail_on_findings: bool,
    /// Count files, bytes and findings, in all and for each million bytes, on standard error
    #[arg(long)]
    summary: bool,
}

/// What was read, and what was found in it.
#[derive(Default)]
struct Summary {
    files: usize,
    bytes: usize,
    skipped: usize,
    unreadable: usize,
    classes: BTreeMap<Class, usize>,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let detector = Detector::new(&options.classes, options.min_confidence)?;
    let inputs = Inputs::of(&options.paths);
    let mut summary = Summary {
        skipped: inputs.passed_over,
        ..Summary::default()
    };
    let mut unreadable = inputs.unreadable.clone();
    let is_shown = io::stdout().is_terminal();
    let progress = Progress::new(inputs.size(), is_watched(output));
    // Not locked: it is handed to the thread that writes.
    let mut stdout = BufWriter::new(io::stdout());
    let work = |input: &Input, done: &dyn Fn(usize)| search(&detector, input, options.format, done);
    let take = |input: &Input, result: Result<Searched, PassError>, progress: &Progress| {
        match result {
            Ok(Searched { findings, bytes }) => {
                summary.files += 1;
                summary.bytes += bytes;
                if !findings.is_empty() && is_shown {
                    progress.hide();
                }
                for finding in findings {
                    write_finding(&mut stdout, &finding, input, inputs.is_single, output)?;
                    *summary.classes.entry(finding.class).or_default() += 1;
                }
                if is_shown {
                    stdout.flush().map_err(|error| write_failure(&error))?;
                }
            }
            Err(PassError::NotText) if !input.is_named => summary.skipped += 1,
            Err(error) => unreadable.push(format!("{}: {}", input.name(), error.reason())),
        }
        Ok(())
    };
    in_order(options.threads, &inputs.list, progress, work, take)?;
    stdout.flush().map_err(|error| write_failure(&error))?;
    summary.unreadable = unreadable.len();
    if options.summary {
        summary.print(output);
    }
    if inputs.is_single || inputs.list.is_empty() && unreadable.len() == 1 {
        // The one thing that there was to do: its failure is the command's.
        if let Some(reason) = unreadable.pop() {
            return Err(Failure::unusable(reason));
        }
    }
    if !unreadable.is_empty() {
        for reason in &unreadable {
            eprintln!("strongroom: {reason}");
        }
        let what = count(unreadable.len(), "input", "inputs");
        return Err(Failure::unusable(format!("{what} could not be read")));
    }
    if options.fail_on_findings && !summary.classes.is_empty() {
        return Err(Failure::RefusedAndShown);
    }
    Ok(())
}

struct Searched {
    findings: Vec<Finding>,
    bytes: usize,
}

fn search(
    detector: &Detector,
    input: &Input,
    format: Format,
    done: &dyn Fn(usize),
) -> Result<Searched, PassError> {
    let bytes = std::cell::Cell::new(0);
    let count = |more| {
        bytes.set(bytes.get() + more);
        done(more);
    };
    let mut redactor = detector.redactor();
    let findings = pass(input, format, &mut redactor, &count, &mut |_| Ok(()))?;
    let bytes = bytes.get();
    Ok(Searched { findings, bytes })
}

fn write_finding(
    stdout: &mut impl io::Write,
    finding: &Finding,
    input: &Input,
    is_single: bool,
    output: Output,
) -> Result<(), Failure> {
    let written = if output == Output::Json {
        let mut line = finding::to_json(finding);
        if let Some(members) = line.as_object_mut() {
            let path = input.path.as_ref().map(|path| path.display().to_string());
            members.insert("path".to_owned(), path.into());
        }
        writeln!(stdout, "{line}")
    } else if is_single {
        writeln!(stdout, "{}", finding::to_line(finding))
    } else {
        let name = match &input.path {
            Some(path) => path.display().to_string(),
            None => "-".to_owned(),
        };
        writeln!(stdout, "{name}:{}", finding::to_line(finding))
    };
    written.map_err(|error| write_failure(&error))
}

fn write_failure(error: &io::Error) -> Failure {
    Failure::unusable(format!("standard output: {error}"))
}

impl Summary {
    fn print(&self, output: Output) {
        let found: usize = self.classes.values().sum();
        let per_mb = per_mb(found, self.bytes).map(|rate| (rate * 10.0).round() / 10.0);
        if output == Output::Json {
            let classes = self.classes.iter();
            let classes: BTreeMap<_, _> = classes.map(|(class, n)| (class.id(), n)).collect();
            let summary = json!({
                "files": self.files,
                "bytes": self.bytes,
                "skipped": self.skipped,
                "unreadable": self.unreadable,
                "findings": found,
                "findings_per_mb": per_mb,
                "classes": classes,
            });
            eprintln!("{summary}");
            return;
        }
        eprintln!("files: {}", self.files);
        eprintln!("bytes: {}", self.bytes);
        eprintln!("skipped: {}", self.skipped);
        eprintln!("unreadable: {}", self.unreadable);
        eprintln!("findings: {found}");
        if let Some(per_mb) = per_mb {
            eprintln!("findings for each MB: {per_mb:.1}");
        }
        for (class, number) in &self.classes {
            eprintln!("  {class}: {number}");
        }
    }
}
