//! The verification pass over a log's files: everything that can be recomputed is.

mod beside;
mod cursor;
mod ids;
mod payload;
mod signed;
mod unit;
mod upper;
mod weighing;

use std::io;
use std::num::NonZeroUsize;

pub use cursor::{CURSOR_LABEL, Cursor, CursorError, MAX_CURSOR_BYTES};
pub use payload::{Erased, PayloadCounts};

use super::files::LogFiles;
use super::head::Head;
use super::log_state::log_folder;
use super::zone::ZoneRead;
use crate::{
    CadenceReport, Classes, CosignaturePolicy, Finding, Frontier, MAX_TREE_SIZE, Origin, Report,
    TilePath, VerifierKey,
};
use ids::Ids;
use payload::Tally;
use unit::{BUNDLES, Reading, WIDTH};
use upper::Upper;
use weighing::Weighing;

/// What a log's entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryForm {
    /// Leaves (audit-leaf).
    Events,
    /// The platform log's entries (audit-log, section 3.1).
    Platform,
}

/// In what form payloads lie beside the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadForm {
    /// Each as its writer gave it. One that begins as an open payload does (audit-leaf, section 6)
    /// must be one; any other is counted as sealed, and not checked.
    AsWritten,
    /// Each must be an open payload.
    Opened,
    /// They were left out: nothing is said about them.
    LeftOut,
}

/// The period over which the cadence of cosignatures is asked for, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CadencePeriod {
    /// Its beginning.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// How much later than [`crate::CADENCE_SECONDS`] a cosignature may be, in seconds.
    pub tolerance: u64,
}

/// What a pass is over, and by what it is held.
pub struct Scrub<'a> {
    /// The store's zone, or an export ([`super::Export`]).
    pub zone: &'a dyn ZoneRead,
    /// The log.
    pub origin: &'a Origin,
    /// The key of its checkpoints.
    pub key: &'a VerifierKey,
    /// What its entries are.
    pub entries: EntryForm,
    /// In what form its payloads are.
    pub payloads: PayloadForm,
    /// Which kinds of event are of which class: an erasure may cover one class alone.
    pub classes: &'a Classes,
    /// Checkpoints of it that were kept elsewhere.
    pub kept: &'a [String],
    /// The platform log and its cosigners, by which anchors are verified; and the cosigned
    /// checkpoints, if this is the platform log itself. Without it they are counted.
    pub platform: Option<&'a CosignaturePolicy>,
    /// The period whose cadence is wanted; none for that of the cosigned checkpoints themselves.
    pub cadence: Option<CadencePeriod>,
    /// What an earlier pass verified: only what is newer is verified again.
    pub cursor: Option<&'a Cursor>,
    /// How many threads work.
    pub threads: NonZeroUsize,
    /// Is told how many entries are done, of how many.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// What a pass over a log's files has seen and found.
#[derive(Clone, Debug)]
#[must_use]
pub struct Scrubbed {
    /// The findings, checkpoints' first, then by the entries that they are about.
    pub report: Report,
    /// The index of the first entry that was read: 0 unless there was a cursor.
    pub from: u64,
    /// How many entries there are, signed or not.
    pub size: u64,
    /// How many payloads were seen, and in what state.
    pub payloads: PayloadCounts,
    /// The payloads that are gone by erasures, at most [`crate::MAX_FINDINGS`] ranges.
    pub erased: Vec<Erased>,
    /// How many anchors hold.
    pub anchors: u64,
    /// How many anchors there are that were not verified, for want of the platform's keys.
    pub anchors_unchecked: u64,
    /// What the cosigned checkpoints' times show; none without cosigned checkpoints and keys.
    pub cadence: Option<CadenceReport>,
    /// From where the next pass may go on, if nothing was found.
    pub cursor: Option<Cursor>,
}

/// Why there was no pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScrubError {
    /// A file could not be read.
    #[error("log: {0}")]
    Read(#[from] io::Error),
    /// The cursor is another log's.
    #[error("cursor: of another log")]
    OtherLog,
}

/// Verifies a log's files: checkpoints, entries, tiles, payloads, anchors.
///
/// Every entry bundle is read, every leaf decoded and hashed, every tile compared with what comes
/// out, and the root computed at every checkpointed size; so each checkpoint is consistent with
/// each. Where entries, tiles and roots disagree, the one is named that alone does; where that
/// cannot be told, an interval. Event ids are compared, which takes 24 bytes of memory an entry.
///
/// # Errors
/// [`ScrubError`] when the files cannot be read. What is wrong with them is a finding.
///
/// # Security
/// With a cursor, what it covers is believed, and no event id in it is compared with newer ones:
/// make a pass without one now and then. A log that was cut off behind its last checkpoint, with
/// that checkpoint, is whole: give checkpoints that were kept elsewhere.
pub fn scrub(about: &Scrub<'_>) -> Result<Scrubbed, ScrubError> {
    let folder = log_folder(about.origin);
    let mut report = Report {
        origin: about.origin.clone(),
        entries: 0,
        checkpoints: 0,
        covered: 0,
        findings: Vec::new(),
        omitted: 0,
    };
    let mut signed = signed::read(about, &folder, &mut report)?;
    let head = Head::newest(about.zone, &folder)?.map(|head| head.frontier);
    let head = head.map(|head| (head.size(), head.root()));
    let last = signed.expected.back().map_or(0, |(size, _)| *size);
    let size = last.max(head.map_or(0, |(size, _)| size));
    let size = size.min(MAX_TREE_SIZE);

    let mut begin = Frontier::new();
    if let Some(cursor) = about.cursor {
        if cursor.origin() != about.origin {
            return Err(ScrubError::OtherLog);
        }
        if !signed
            .expected
            .iter()
            .any(|(size, root)| *size == cursor.size() && *root == cursor.root())
        {
            let size = cursor.size();
            report.find(if signed.expected.iter().any(|(other, _)| *other == size) {
                Finding::Fork { size }
            } else {
                Finding::CheckpointGone { size }
            });
        }
        begin = cursor.at_bundle();
    }
    let from = begin.size();
    let reading = Reading {
        about,
        folder: &folder,
        files: LogFiles::of(about.zone, about.origin),
        size,
        from,
        sizes: signed.expected.iter().map(|(size, _)| *size).collect(),
    };
    let mut weighing = Weighing::new(begin, std::mem::take(&mut signed.expected), head);
    let mut found = Findings::default();
    weighing.begin(&mut report, &mut found);
    let (mut tally, mut ids, mut upper) = (Tally::default(), Ids::default(), Upper::new(from));
    let mut next = from / (BUNDLES * WIDTH);
    let end = size.div_ceil(BUNDLES * WIDTH);
    'reading: while next < end {
        let wave = (next..end).take(about.threads.get());
        for unit in reading.units(wave) {
            let mut unit = unit?;
            next += 1;
            if unit.is_gone {
                found.find(reading.gone(&unit, weighing.gap())?);
                break 'reading;
            }
            report.entries += unit.entries;
            ids.append(&mut unit.ids);
            tally.add(&mut unit.tally);
            found.take(&mut unit.findings, unit.omitted);
            weighing.unit(&unit, &mut report, &mut found);
            upper.unit(&unit, weighing.is_comparable());
            (about.progress)(unit.end().min(size).saturating_sub(from), size - from);
        }
    }
    weighing.finish(size, &mut report, &mut found);
    upper.compare(&reading, &mut found)?;
    ids.repeated(&mut found);
    let erased = tally.resolve(report.covered, &mut found);
    found.into_report(&mut report);
    signed.cadence(&mut report);
    let cursor = weighing.cursor(about.origin, &report);
    Ok(Scrubbed {
        report,
        from,
        size,
        payloads: tally.counts,
        erased,
        anchors: signed.anchors,
        anchors_unchecked: signed.anchors_unchecked,
        cadence: signed.cadence,
        cursor,
    })
}

/// Findings about entries, which are told in the entries' order.
#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    omitted: u64,
}

/// More are counted.
const MAX_HELD: usize = 4096;

impl Findings {
    fn find(&mut self, finding: Finding) {
        if self.all.len() < MAX_HELD {
            self.all.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    fn take(&mut self, findings: &mut Vec<Finding>, omitted: u64) {
        findings.drain(..).for_each(|finding| self.find(finding));
        self.omitted += omitted;
    }

    fn into_report(mut self, report: &mut Report) {
        // A leaf that was changed has a payload that does not fit: the leaf is told first.
        let order = |finding: &Finding| (finding.index(), finding.kind() == "payload");
        self.all.sort_by_key(order);
        let cut = self.all.iter().find_map(|finding| match finding {
            Finding::Truncated { have, .. } => Some(*have),
            _ => None,
        });
        if let Some(have) = cut {
            // Of a log that was cut off, the tiles that reach beyond its end are gone with it.
            let reaches = |path: &TilePath| unit::first_under(path, path.width().into()) > have;
            let told = |finding: &Finding| match finding {
                Finding::Tile { path, .. } => !reaches(path),
                _ => true,
            };
            self.all.retain(told);
        }
        for finding in self.all {
            report.find(finding);
        }
        report.omitted += self.omitted;
    }
}
