//! Findings against labels, counted for each class.

use std::collections::BTreeMap;
use std::ops::Range;

use strongroom::pii::{Class, Finding};

use super::super::rate::{as_f64, ratio};
use super::corpus::Label;
use crate::failure::Failure;

/// What went wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A label that nothing was found for, or nothing with the same ends.
    Miss,
    /// A finding that is no label.
    False,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::False => "false",
        }
    }
}

/// Which findings were right, and which labels were found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hits {
    pub(super) right: usize,
    /// Findings that are right or false, and not neither.
    pub(super) judged: usize,
    pub(super) found: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    findings: usize,
    right: usize,
    confidence: f64,
}

/// What was counted for a class, or for all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) labels: usize,
    pub(super) exact: Hits,
    pub(super) overlap: Hits,
    pub(super) false_spans: usize,
    /// In texts without labels.
    pub(super) false_unlabelled: usize,
    bins: [Bin; 10],
}

/// What was counted over a corpus.
pub(super) struct Scores {
    classes: Vec<Class>,
    tallies: BTreeMap<Class, Tally>,
    pub(super) documents: usize,
    pub(super) bytes: usize,
    pub(super) unlabelled: usize,
    pub(super) unlabelled_bytes: usize,
}

impl Scores {
    /// For these classes.
    pub(super) fn new(classes: Vec<Class>) -> Self {
        Self {
            classes,
            tallies: BTreeMap::new(),
            documents: 0,
            bytes: 0,
            unlabelled: 0,
            unlabelled_bytes: 0,
        }
    }

    pub(super) fn covers(&self, class: &Class) -> bool {
        self.classes.contains(class)
    }

    /// The classes of which something was labelled or found.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&Class, &Tally)> {
        self.tallies.iter()
    }

    pub(super) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.tallies.values() {
            total.add(tally);
        }
        total
    }

    /// Counts one text; `tell` is told what went wrong in it.
    pub(super) fn document(
        &mut self,
        text: &str,
        mut labels: Vec<Label>,
        findings: &[Finding],
        mut tell: impl FnMut(Kind, &Class, &Range<usize>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.documents += 1;
        self.bytes += text.len();
        if labels.is_empty() {
            self.unlabelled += 1;
            self.unlabelled_bytes += text.len();
        }
        let key = |label: &Label| (label.place.start, label.place.end, label.class.clone());
        labels.sort_by_key(key);
        labels.dedup();
        let longest = labels.iter().map(|label| label.place.len()).max();
        let longest = longest.unwrap_or(0);
        let mut exact = vec![false; labels.len()];
        let mut overlapped = vec![false; labels.len()];
        for finding in findings {
            if !self.classes.contains(&finding.class) {
                continue;
            }
            let place = &finding.span.chars;
            let first = labels.partition_point(|label| label.place.start + longest <= place.start);
            let touched = labels
                .iter()
                .enumerate()
                .skip(first)
                .take_while(|(_, label)| label.place.start < place.end)
                .filter(|(_, label)| label.place.end > place.start);
            let (mut is_exact, mut is_overlap, mut is_other, mut is_false) =
                (false, false, false, true);
            for (index, label) in touched {
                is_false = false;
                is_other |= label.class.is_none();
                if label.class.as_ref() == Some(&finding.class) {
                    is_overlap = true;
                    mark(&mut overlapped, index);
                    if label.place == *place {
                        is_exact = true;
                        mark(&mut exact, index);
                    }
                }
            }
            let tally = self.tallies.entry(finding.class.clone()).or_default();
            tally.false_spans += usize::from(is_false);
            tally.false_unlabelled += usize::from(labels.is_empty());
            for (hits, is_right) in [
                (&mut tally.exact, is_exact),
                (&mut tally.overlap, is_overlap),
            ] {
                hits.right += usize::from(is_right);
                hits.judged += usize::from(is_right || !is_other);
            }
            if is_exact || !is_other {
                tally.calibrate(f64::from(finding.confidence.get()), is_exact);
                if !is_exact {
                    tell(Kind::False, &finding.class, place)?;
                }
            }
        }
        for (label, (exact, overlapped)) in labels.iter().zip(exact.iter().zip(overlapped)) {
            let Some(class) = label.class.as_ref().filter(|class| self.covers(class)) else {
                continue;
            };
            let tally = self.tallies.entry(class.clone()).or_default();
            tally.labels += 1;
            tally.exact.found += usize::from(*exact);
            tally.overlap.found += usize::from(overlapped);
            if !exact {
                tell(Kind::Miss, class, &label.place)?;
            }
        }
        Ok(())
    }
}

fn mark(marks: &mut [bool], index: usize) {
    if let Some(mark) = marks.get_mut(index) {
        *mark = true;
    }
}

impl Tally {
    /// Precision, recall and F1, where there is something to divide by.
    pub(super) fn rates(&self, hits: Hits) -> [Option<f64>; 3] {
        let precision = ratio(hits.right, hits.judged);
        let recall = ratio(hits.found, self.labels);
        let f1 = match (precision, recall) {
            (Some(p), Some(r)) if p + r > 0.0 => Some(2.0 * p * r / (p + r)),
            // Something was there or was found, and nothing of it was right.
            (None, None) => None,
            _ => Some(0.0),
        };
        [precision, recall, f1]
    }

    /// The expected calibration error.
    pub(super) fn calibration_error(&self) -> Option<f64> {
        let bins = self.bins.iter().filter(|bin| bin.findings > 0);
        let off = bins.map(|bin| (bin.confidence - as_f64(bin.right)).abs());
        let findings = self.bins.iter().map(|bin| bin.findings).sum();
        (findings > 0).then(|| off.sum::<f64>() / as_f64(findings))
    }

    fn calibrate(&mut self, confidence: f64, is_right: bool) {
        // The bins are [0, 0.1), [0.1, 0.2), ... [0.9, 1].
        let bin = (1_u8..10).take_while(|bin| confidence >= f64::from(*bin) / 10.0);
        if let Some(bin) = self.bins.get_mut(bin.count()) {
            bin.findings += 1;
            bin.right += usize::from(is_right);
            bin.confidence += confidence;
        }
    }

    fn add(&mut self, other: &Self) {
        self.labels += other.labels;
        self.false_spans += other.false_spans;
        self.false_unlabelled += other.false_unlabelled;
        for (hits, more) in [
            (&mut self.exact, other.exact),
            (&mut self.overlap, other.overlap),
        ] {
            hits.right += more.right;
            hits.judged += more.judged;
            hits.found += more.found;
        }
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.findings += more.findings;
            bin.right += more.right;
            bin.confidence += more.confidence;
        }
    }
}
