//! What a scan reports: a span, its class, how sure, and why.

use std::fmt;
use std::ops::Range;

use crate::Class;

/// How sure a recogniser is, from 0 (not at all) to 1 (certain).
///
/// The values are set by hand, one for each form of each class; `docs/spec/pii-policy.md` lists
/// them. They order matches and meet a rule's threshold; they are not measured probabilities.
#[derive(Clone, Copy, PartialEq)]
pub struct Confidence(f32);

/// One reason for a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The text has the form of the class.
    Shape,
    /// A checksum holds.
    Checksum,
    /// The issuer's numbering rules hold: ranges, lengths, country.
    Numbering,
    /// A word before the span names the class.
    Context,
    /// A word before the span names something else (an order, a version).
    NegativeContext,
}

/// A span of a text that holds personal data.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// What it is.
    pub class: Class,
    /// Where it is: UTF-8 byte offsets, on character boundaries.
    pub range: Range<usize>,
    /// How sure the recogniser is.
    pub confidence: Confidence,
    /// Why, in the order of [`Evidence`].
    pub evidence: Vec<Evidence>,
}

impl Confidence {
    /// The threshold of a rule that names none: 0.5.
    pub const DEFAULT_THRESHOLD: Self = Self(0.5);

    /// Takes a number from 0 to 1; anything else, NaN included, is `None`.
    #[must_use]
    pub fn new(value: f32) -> Option<Self> {
        // Adding zero turns a negative zero into zero, so that equal values also order as equal.
        (0.0..=1.0).contains(&value).then_some(Self(value + 0.0))
    }

    /// A constant, in hundredths; a value above 100 counts as 100.
    pub(crate) const fn percent(hundredths: u8) -> Self {
        if hundredths > 100 {
            Self(1.0)
        } else {
            Self(hundredths as f32 / 100.0)
        }
    }

    /// The number, from 0 to 1.
    #[must_use]
    pub const fn get(self) -> f32 {
        self.0
    }
}

impl Eq for Confidence {}

impl PartialOrd for Confidence {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Confidence {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Debug for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Confidence({self})")
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_a_number_from_zero_to_one() {
        for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Confidence::new(bad), None);
        }
        assert_eq!(Confidence::new(-0.0), Confidence::new(0.0));
        assert_eq!(
            Confidence::new(-0.0).cmp(&Confidence::new(0.0)),
            std::cmp::Ordering::Equal
        );
        assert!(Confidence::percent(49) < Confidence::DEFAULT_THRESHOLD);
        assert_eq!(Confidence::percent(50), Confidence::DEFAULT_THRESHOLD);
    }
}
