//! What the policy found, counted.

use std::collections::BTreeMap;

use strongroom_pii::{Class, Finding, Mode};

/// How often each class was found in one document; no values and no places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    tallies: BTreeMap<Class, Tally>,
}

/// How often one class was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The class.
    pub class: Class,
    /// How many values were replaced by the class's label.
    pub replaced: usize,
    /// How many values were left as they are, because the policy only flags them.
    pub flagged: usize,
}

impl Findings {
    /// One tally for each class that was found, in the order of the classes.
    pub fn iter(&self) -> impl Iterator<Item = &Tally> {
        self.tallies.values()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// How many values of all classes were replaced.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.iter().map(|tally| tally.replaced).sum()
    }

    /// How many values of all classes were flagged and left.
    #[must_use]
    pub fn flagged(&self) -> usize {
        self.iter().map(|tally| tally.flagged).sum()
    }

    /// Counts one pass over a text.
    pub(crate) fn of<'f>(found: impl Iterator<Item = &'f Finding>) -> Self {
        let mut findings = Self::default();
        for finding in found {
            let tally = findings.tally(&finding.class);
            if finding.action == Mode::FlagOnly {
                tally.flagged += 1;
            } else {
                tally.replaced += 1;
            }
        }
        findings
    }

    /// Adds what was found in another text.
    pub(crate) fn add(&mut self, other: &Self) {
        for theirs in other.iter() {
            let ours = self.tally(&theirs.class);
            ours.replaced += theirs.replaced;
            ours.flagged += theirs.flagged;
        }
    }

    /// Adds what a further pass found in the same text, where what is only flagged still stands.
    pub(crate) fn add_pass(&mut self, later: &Self) {
        for theirs in later.iter() {
            let ours = self.tally(&theirs.class);
            ours.replaced += theirs.replaced;
            ours.flagged = ours.flagged.max(theirs.flagged);
        }
    }

    fn tally(&mut self, class: &Class) -> &mut Tally {
        self.tallies.entry(class.clone()).or_insert_with(|| Tally {
            class: class.clone(),
            replaced: 0,
            flagged: 0,
        })
    }
}
