//! Cases: one class, one text, right or wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use strongroom::pii::{Class, Confidence, Detector, Match};

use super::corpus::Case;
use super::score::Kind;

/// How many cases of a sort there were, and how many of them were right.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) right: usize,
    pub(super) total: usize,
}

/// The cases of a class, or of all: with something to find, and with nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) positive: Share,
    pub(super) negative: Share,
}

/// What was counted over all cases.
#[derive(Default)]
pub(super) struct Cases {
    classes: BTreeMap<Class, Outcome>,
}

/// What is wrong in one case; nothing, if it is right.
pub(super) struct Judgement {
    pub(super) errors: Vec<(Kind, Range<usize>)>,
}

impl Cases {
    pub(super) fn judge(&mut self, case: &Case) -> Judgement {
        let is_positive = !case.places.is_empty();
        let threshold = if is_positive {
            Confidence::new(0.0).unwrap_or(Confidence::DEFAULT_THRESHOLD)
        } else {
            Confidence::DEFAULT_THRESHOLD
        };
        let class = std::slice::from_ref(&case.class);
        let found = Detector::standard().scan_only(&case.text, threshold, class);
        let chars = |bytes: usize| case.text.get(..bytes).unwrap_or_default().chars().count();
        let place = |found: &Match| chars(found.range.start)..chars(found.range.end);
        let found: Vec<_> = found.iter().map(place).collect();
        let missed = case.places.iter().filter(|place| !found.contains(place));
        let missed = missed.map(|place| (Kind::Miss, place.clone()));
        let wrong = found.iter().filter(|place| !case.places.contains(place));
        let wrong = wrong.map(|place| (Kind::False, place.clone()));
        let errors: Vec<_> = missed.chain(wrong).collect();
        let outcome = self.classes.entry(case.class.clone()).or_default();
        let share = if is_positive {
            &mut outcome.positive
        } else {
            &mut outcome.negative
        };
        share.total += 1;
        share.right += usize::from(errors.is_empty());
        Judgement { errors }
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&Class, &Outcome)> {
        self.classes.iter()
    }

    pub(super) fn total(&self) -> Outcome {
        let mut total = Outcome::default();
        for outcome in self.classes.values() {
            total.positive.add(outcome.positive);
            total.negative.add(outcome.negative);
        }
        total
    }
}

impl Outcome {
    pub(super) fn all(&self) -> Share {
        let mut all = self.positive;
        all.add(self.negative);
        all
    }
}

impl Share {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.total += other.total;
    }
}
