//! The cadence: whether cosignatures came as often as they should, `docs/spec/audit-log.md`.

use std::fmt;

use crate::MAX_FINDINGS;

/// How often, in seconds, the platform's checkpoint is cosigned, also when nothing happened.
pub const CADENCE_SECONDS: u64 = 300;

/// Something that a cosigner that keeps its time does not leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CadenceFinding {
    /// Nothing was cosigned for too long.
    Gap {
        /// The time of the last cosignature before it, or the beginning, in Unix seconds.
        after: u64,
        /// The time of the first one after it, or the end.
        before: u64,
    },
    /// A later cosignature has an earlier time: a clock was set back, or the order is not the true
    /// one.
    Backwards {
        /// Its place in the list, from 0.
        position: usize,
        /// The latest time before it.
        after: u64,
        /// Its own time.
        time: u64,
    },
}

/// What the times of a log's cosignatures show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CadenceReport {
    /// How many of the times lie in the period.
    pub counted: u64,
    /// The longest time without a cosignature, in seconds.
    pub longest: u64,
    /// The findings in the order of the list, at most [`MAX_FINDINGS`].
    pub findings: Vec<CadenceFinding>,
    /// How many findings are not listed.
    pub omitted: u64,
}

/// Why there is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CadenceError {
    /// The period ends before it begins.
    #[error("cadence: the period ends before it begins")]
    Period,
    /// Cosignatures every zero seconds.
    #[error("cadence: the interval must be at least a second")]
    Interval,
}

/// Checks that between `from` and `to` no more than `every` + `tolerance` seconds passed without a
/// cosignature (audit-log, "Cadence"). The times are those of one cosigner, in the order of the
/// checkpoints; all in Unix seconds.
///
/// # Errors
/// [`CadenceError`] for a period or an interval that is none.
///
/// ```
/// use strongroom_auditchain::{CADENCE_SECONDS, CadenceFinding, cadence};
///
/// let times = [1000, 1300, 2000];
/// let report = cadence(&times, 1000, 2300, CADENCE_SECONDS, 5)?;
/// assert_eq!(report.findings, [CadenceFinding::Gap { after: 1300, before: 2000 }]);
/// # Ok::<(), strongroom_auditchain::CadenceError>(())
/// ```
///
/// # Security
/// Times before `from` and after `to` count for nothing: a cosigner whose clock is ahead fills no
/// gap. And the times are worth what the cosigner's clock and word are.
pub fn cadence(
    times: &[u64],
    from: u64,
    to: u64,
    every: u64,
    tolerance: u64,
) -> Result<CadenceReport, CadenceError> {
    if from > to {
        return Err(CadenceError::Period);
    }
    if every == 0 {
        return Err(CadenceError::Interval);
    }
    let mut report = CadenceReport {
        counted: 0,
        longest: 0,
        findings: Vec::new(),
        omitted: 0,
    };
    let longest = every.saturating_add(tolerance);
    let (mut last, mut latest) = (from, 0);
    for (position, time) in times.iter().copied().enumerate() {
        if time < latest {
            let after = latest;
            report.find(CadenceFinding::Backwards {
                position,
                after,
                time,
            });
            // The clock was wrong before or is now: what it says until it catches up is no cover.
            continue;
        }
        latest = time;
        if (from..=to).contains(&time) {
            report.counted += 1;
            report.pause(last, time, longest);
            last = time;
        }
    }
    report.pause(last, to, longest);
    Ok(report)
}

impl CadenceReport {
    /// Whether nothing was found.
    ///
    /// # Errors
    /// The first finding.
    pub fn kept(&self) -> Result<(), CadenceFinding> {
        self.findings.first().map_or(Ok(()), |first| Err(*first))
    }

    fn pause(&mut self, after: u64, before: u64, longest: u64) {
        let pause = before.saturating_sub(after);
        self.longest = self.longest.max(pause);
        if pause > longest {
            self.find(CadenceFinding::Gap { after, before });
        }
    }

    fn find(&mut self, finding: CadenceFinding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }
}

impl fmt::Display for CadenceFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { after, before } => {
                let pause = before.saturating_sub(*after);
                write!(f, "no cosignature for {pause} s, from {after} to {before}")
            }
            Self::Backwards {
                position,
                after,
                time,
            } => write!(f, "cosignature {position}: time {time} after {after}"),
        }
    }
}

impl std::error::Error for CadenceFinding {}
