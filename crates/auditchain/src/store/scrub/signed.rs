//! What is signed about a log: checkpoints, anchors, cosigned checkpoints.

use std::collections::VecDeque;
use std::io;

use super::{Scrub, ScrubError};
use crate::lines::decimal;
use crate::{
    Anchor, CADENCE_SECONDS, CadenceReport, Finding, Hash, MAX_ANCHOR_BYTES, MAX_NOTE_BYTES, Note,
    Report, cadence,
};

/// What was signed, and what it shows by itself.
#[derive(Default)]
pub(super) struct Signed {
    /// The sizes and roots that are signed, ascending.
    pub(super) expected: VecDeque<(u64, Hash)>,
    pub(super) anchors: u64,
    pub(super) anchors_unchecked: u64,
    pub(super) cadence: Option<CadenceReport>,
}

/// Reads and verifies all of it; findings about it come first in the report.
pub(super) fn read(
    about: &Scrub<'_>,
    folder: &str,
    report: &mut Report,
) -> Result<Signed, ScrubError> {
    let mut notes = Vec::new();
    for size in numbers(about, &format!("{folder}/checkpoints"))? {
        let note = text(
            about,
            &format!("{folder}/checkpoints/{size}"),
            MAX_NOTE_BYTES,
        )?;
        notes.push((Some(size), size, note.unwrap_or_default()));
    }
    let newest = text(about, &format!("{folder}/checkpoint"), MAX_NOTE_BYTES)?;
    // The newest stands among the others under its size.
    let newest = newest.filter(|newest| !notes.iter().any(|(_, _, note)| note == newest));
    let kept = about.kept.iter().cloned().chain(newest);
    notes.extend(kept.map(|note| (None, claimed(&note), note)));
    let mut signed = Signed::default();
    notes.sort_by_key(|(_, size, _)| *size);
    report.checkpoints = notes.len();
    for (position, (named, _, note)) in notes.iter().enumerate() {
        let checkpoint = report.expect(&mut signed.expected, position, note, about.key);
        if let Some((checkpoint, named)) = checkpoint.zip(*named)
            && checkpoint.size != named
        {
            let size = checkpoint.size;
            report.find(Finding::CheckpointName { named, size });
        }
    }
    signed.anchors(about, folder, report)?;
    signed.cosigned(about, folder, report)?;
    Ok(signed)
}

impl Signed {
    /// Verifies the anchors; what the log signed in them is expected of it.
    fn anchors(
        &mut self,
        about: &Scrub<'_>,
        folder: &str,
        report: &mut Report,
    ) -> Result<(), ScrubError> {
        let mut before = None;
        for size in numbers(about, &format!("{folder}/anchors"))? {
            let Some(platform) = about.platform else {
                self.anchors_unchecked += 1;
                continue;
            };
            let path = format!("{folder}/anchors/{size}");
            let text = text(about, &path, MAX_ANCHOR_BYTES)?.unwrap_or_default();
            let anchor = text.parse::<Anchor>().ok();
            let anchored = anchor
                .as_ref()
                .and_then(|it| it.verify(about.key, about.origin, platform).ok());
            // In the platform's log a log's checkpoints stand in the order of their sizes.
            let anchored = anchored.filter(|it| {
                it.checkpoint().size == size && before.is_none_or(|before| it.index() > before)
            });
            let Some(anchored) = anchored else {
                report.find(Finding::Anchor { size });
                continue;
            };
            before = Some(anchored.index());
            self.anchors += 1;
            let checkpoint = anchored.checkpoint();
            self.hold(checkpoint.size, checkpoint.root, report);
        }
        Ok(())
    }

    /// Verifies the platform log's cosigned checkpoints, and the cadence in which they came.
    fn cosigned(
        &mut self,
        about: &Scrub<'_>,
        folder: &str,
        report: &mut Report,
    ) -> Result<(), ScrubError> {
        let Some(platform) = about.platform else {
            return Ok(());
        };
        if platform.origin() != about.origin {
            return Ok(());
        }
        let mut times = Vec::new();
        for time in numbers(about, &format!("{folder}/cosigned"))? {
            let path = format!("{folder}/cosigned/{time}");
            let note = text(about, &path, MAX_NOTE_BYTES)?.unwrap_or_default();
            let cosigned = platform.verify(&note).ok();
            let Some(cosigned) = cosigned.filter(|it| it.by() == Some(time)) else {
                report.find(Finding::Cosigned { time });
                continue;
            };
            let checkpoint = cosigned.checkpoint();
            self.hold(checkpoint.size, checkpoint.root, report);
            times.push((checkpoint.size, time));
        }
        // In the order of the checkpoints: by their names no clock was ever set back.
        times.sort_unstable();
        let times: Vec<u64> = times.into_iter().map(|(_, time)| time).collect();
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
            return Ok(());
        };
        let (from, to, tolerance) = match about.cadence {
            Some(period) => (period.from, period.to, period.tolerance),
            None => (*first, *last, 0),
        };
        self.cadence = cadence(&times, from, to, CADENCE_SECONDS, tolerance).ok();
        Ok(())
    }

    /// Expects a root of the log, or finds that another was signed at the size.
    fn hold(&mut self, size: u64, root: Hash, report: &mut Report) {
        let place = self.expected.partition_point(|(other, _)| *other < size);
        match self.expected.get(place) {
            Some((other, signed)) if *other == size => {
                if *signed != root {
                    report.find(Finding::Fork { size });
                }
            }
            _ => self.expected.insert(place, (size, root)),
        }
    }

    /// Adds what the times show to a report.
    pub(super) fn cadence(&self, report: &mut Report) {
        if let Some(cadence) = &self.cadence {
            for finding in &cadence.findings {
                report.find(Finding::Cadence(*finding));
            }
            report.omitted += cadence.omitted;
        }
    }
}

/// The files of a folder that are named by a number, in one spelling, ascending.
fn numbers(about: &Scrub<'_>, folder: &str) -> io::Result<Vec<u64>> {
    let names = about.zone.list(folder)?;
    let numbers = names.iter().filter_map(|(name, _)| decimal(name));
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A text; one that is too long or no UTF-8 is empty, and so nothing that was signed.
fn text(about: &Scrub<'_>, path: &str, most: usize) -> io::Result<Option<String>> {
    match about.zone.read(path, most as u64) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Some(String::new())),
        read => Ok(read?.map(|bytes| String::from_utf8(bytes).unwrap_or_default())),
    }
}

/// The size that an unverified checkpoint claims.
fn claimed(note: &str) -> u64 {
    let note: Option<Note> = note.parse().ok();
    let size = note.and_then(|note| decimal(note.unverified_text().lines().nth(1)?));
    size.unwrap_or_default()
}
