//! `verify --log`: the pass over a whole log.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use strongroom::auditchain::store::{
    CadencePeriod, Cursor, MAX_CURSOR_BYTES, Scrub, ScrubError, Scrubbed, scrub,
};
use strongroom::auditchain::{Classes, CosignaturePolicy, MAX_NOTE_BYTES, VerifierKey};

use super::Verify;
use super::files::Files;
use crate::envelope::threads::Threads;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::is_watched;
use crate::report::Report;

/// By what a whole log is held.
#[derive(Args)]
pub(crate) struct Whole {
    /// A whole log: an export (a folder or a .tar file), or a store's zone (with --origin)
    #[arg(
        long,
        value_name = "PATH",
        group = "evidence",
        requires = "key",
        conflicts_with = "entry"
    )]
    pub(crate) log: Option<PathBuf>,
    /// Verify only what is newer than this file says, and note there how far it went
    #[arg(long, value_name = "FILE", requires = "log")]
    cursor: Option<PathBuf>,
    /// A checkpoint of the log that was kept elsewhere; repeat for several
    #[arg(long = "checkpoint-kept", value_name = "FILE", requires = "log")]
    kept: Vec<PathBuf>,
    /// The platform log's key, for anchors and cosigned checkpoints
    #[arg(long, value_name = "VKEY", requires_all = ["log", "cosigners"])]
    platform_key: Option<VerifierKey>,
    /// A cosigner's key; repeat for several
    #[arg(
        long = "cosigner",
        value_name = "VKEY",
        id = "cosigners",
        requires = "platform_key"
    )]
    cosigners: Vec<VerifierKey>,
    /// How many cosigners are needed; all of them, unless given
    #[arg(long, value_name = "N", requires = "platform_key")]
    quorum: Option<usize>,
    /// The cadence must have held from this Unix second
    #[arg(long, value_name = "SECONDS", requires = "cadence_to")]
    cadence_from: Option<u64>,
    /// The cadence must have held to this Unix second
    #[arg(long, value_name = "SECONDS", requires = "cadence_from")]
    cadence_to: Option<u64>,
    /// A kind of event that is an agent's; in place of those that an export lists
    #[arg(long = "agent", value_name = "KIND", requires = "log")]
    agents: Vec<String>,
    #[command(flatten)]
    threads: Threads,
}

pub(crate) fn verify(with: &Verify, output: Output) -> Result<(), Failure> {
    let whole = &with.whole;
    let missing = || Failure::unusable("a log or a key is missing");
    let (path, key) = whole
        .log
        .as_ref()
        .zip(with.key.as_ref())
        .ok_or_else(missing)?;
    let of_key = crate::evidence::demanded(with.origin.as_ref(), key).ok();
    let origin = with.origin.as_ref().or(of_key.as_ref());
    let files = Files::open(path, origin)?;
    let cursor = whole.cursor()?;
    let kept = whole
        .kept
        .iter()
        .map(|path| input::text(Some(path), MAX_NOTE_BYTES));
    let kept = kept.collect::<Result<Vec<_>, _>>()?;
    let platform = whole.platform()?;
    let of_export = files.manifest.as_ref().map(|manifest| &manifest.agents);
    // Nobody signed the export's list: whoever was told another uses that (audit-export, section 3).
    let agents = of_export
        .filter(|_| whole.agents.is_empty())
        .unwrap_or(&whole.agents)
        .iter()
        .map(String::as_str);
    let watcher = Mutex::new(Watcher::new(output));
    let done = scrub(&Scrub {
        zone: &*files.zone,
        origin: &files.origin,
        key,
        entries: files.entries(),
        payloads: files.payloads(),
        classes: &Classes::new(agents).map_err(Failure::unusable)?,
        kept: &kept,
        platform: platform.as_ref(),
        cadence: whole
            .cadence_from
            .zip(whole.cadence_to)
            .map(|(from, to)| CadencePeriod {
                from,
                to,
                tolerance: 5,
            }),
        cursor: cursor.as_ref(),
        threads: whole.threads.number(),
        progress: &|done, of| {
            if let Ok(watcher) = watcher.lock() {
                watcher.tell(done, of);
            }
        },
    });
    drop(watcher);
    let done = done.map_err(|error| match error {
        ScrubError::Read(error) => Failure::unusable(format!("{}: {error}", path.display())),
        error => Failure::unusable(error),
    })?;
    if let (Some(path), Some(cursor)) = (&whole.cursor, &done.cursor) {
        replace(path, &cursor.to_string())?;
    }
    report(&done).print(output)?;
    if done.report.intact().is_ok() && done.report.omitted == 0 {
        Ok(())
    } else {
        Err(Failure::RefusedAndShown)
    }
}

impl Whole {
    /// The cursor; none if there is no file yet.
    fn cursor(&self) -> Result<Option<Cursor>, Failure> {
        let Some(path) = self.cursor.as_ref().filter(|path| path.exists()) else {
            return Ok(None);
        };
        let cursor = input::text(Some(path), MAX_CURSOR_BYTES)?.parse();
        let cursor =
            cursor.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())));
        cursor.map(Some)
    }

    fn platform(&self) -> Result<Option<CosignaturePolicy>, Failure> {
        let Some(key) = &self.platform_key else {
            return Ok(None);
        };
        let origin = key.name().parse().map_err(Failure::unusable)?;
        let quorum = self.quorum.unwrap_or(self.cosigners.len());
        let policy = CosignaturePolicy::new(origin, key.clone(), self.cosigners.clone(), quorum);
        policy.map(Some).map_err(Failure::unusable)
    }
}

/// What a pass saw, with every 64-bit number as a string.
fn report(done: &Scrubbed) -> Report {
    let of = &done.report;
    let findings = of.findings.iter().map(|finding| {
        let mut told = json!({"kind": finding.kind(), "finding": finding.to_string()});
        let mut number = |name: &str, number: Option<u64>| {
            if let (Some(number), Some(members)) = (number, told.as_object_mut()) {
                members.insert(name.to_owned(), number.to_string().into());
            }
        };
        number("index", finding.index());
        // The narrowest that can be told: somewhere from the index up to this one.
        number("to", finding.end());
        told
    });
    let erased = done.erased.iter().map(
        |it| json!({"from": it.from.to_string(), "to": it.to.to_string(), "by": it.by.to_string()}),
    );
    let (findings, erased): (Vec<Value>, Vec<Value>) = (findings.collect(), erased.collect());
    let mut report = Report::new()
        .with("valid", findings.is_empty() && of.omitted == 0)
        .with("kind", "log")
        .with_text("origin", &of.origin)
        .with_text("size", done.size)
        .with_text("signed", of.covered)
        .with_text("verified_from", done.from)
        .with_text("entries", of.entries)
        .with("checkpoints", of.checkpoints)
        .with_text("payloads_checked", done.payloads.checked)
        .with_text("payloads_sealed_not_checked", done.payloads.sealed)
        .with_text("payloads_erased", done.payloads.erased)
        .with_text("payloads_missing", done.payloads.missing)
        .with("erased", erased)
        .with_text("anchors", done.anchors)
        .with_text("anchors_not_checked", done.anchors_unchecked);
    if let Some(cadence) = &done.cadence {
        report = report.with_text("longest_without_cosignature", cadence.longest);
    }
    report
        .with("findings", findings)
        .with_text("findings_not_listed", of.omitted)
}

/// Replaces a small file, so that after a crash it is the old one or the new.
fn replace(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::unusable(format!("{}: {error}", path.display()));
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or_else(|| std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .or_else(|error| {
            // Not every system has folders that can be flushed.
            if cfg!(unix) {
                Err(failed(error))
            } else {
                Ok(())
            }
        })
}

/// A line on a terminal's standard error, gone in the end.
struct Watcher {
    is_watched: bool,
    started: Instant,
    shown: RefCell<Option<Instant>>,
}

impl Watcher {
    fn new(output: Output) -> Self {
        Self {
            is_watched: is_watched(output),
            started: Instant::now(),
            shown: RefCell::new(None),
        }
    }

    fn tell(&self, done: u64, of: u64) {
        let now = Instant::now();
        let mut shown = self.shown.borrow_mut();
        let wait = Duration::from_millis(if shown.is_some() { 200 } else { 500 });
        if self.is_watched && now - shown.unwrap_or(self.started) >= wait {
            *shown = Some(now);
            let percent = u128::from(done) * 100 / u128::from(of.max(1));
            let _ = write!(io::stderr(), "\r{done} of {of} entries, {percent} %\x1b[K");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.shown.borrow().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
