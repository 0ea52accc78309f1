//! From which log-odds on each class counts.

use super::candidate::ClassIndex;
use crate::class::Kind;
use crate::secrets::vendor;

/// From which log-odds on a class counts, in tenths.
#[derive(Clone)]
pub(crate) struct Floors {
    each: Vec<i16>,
    /// That of classes which are not in the list.
    rest: i16,
}

impl Floors {
    /// The same for each class.
    pub(crate) fn all(tenths: i16) -> Self {
        Self {
            each: Vec::new(),
            rest: tenths,
        }
    }

    /// One for each class, the built-in ones first.
    pub(crate) const fn each(each: Vec<i16>) -> Self {
        Self {
            each,
            rest: i16::MAX,
        }
    }

    /// Where a class stands among them.
    pub(crate) fn index(class: ClassIndex) -> usize {
        match vendor::kind(class) {
            Some(kind) => kind as usize,
            // The user's own follow the built-in ones.
            None => Kind::ALL.len() + usize::from(class.saturating_sub(vendor::AFTER_TOLD)),
        }
    }

    pub(super) fn of(&self, class: ClassIndex) -> i16 {
        let index = Self::index(class);
        self.each.get(index).copied().unwrap_or(self.rest)
    }
}
