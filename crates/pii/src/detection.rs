//! What a scan reports: a span, its class, how sure, and why.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use crate::Class;

/// How sure a recogniser is, from 0 (not at all) to 1 (certain).
///
/// It is the logistic function of a sum of weights, one for each piece of evidence
/// (`docs/spec/pii-detection.md`). It orders matches and meets a rule's threshold; it is no
/// measured probability, of no class yet.
#[derive(Clone, Copy, PartialEq)]
pub struct Confidence(f32);

/// One reason for or against a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The text has the form of the class.
    Shape,
    /// A checksum holds.
    Checksum,
    /// The issuer's numbering rules hold: ranges, lengths, dates, country.
    Numbering,
    /// The value starts as its issuer's values do.
    Prefix,
    /// The value looks random.
    Entropy,
    /// The name that the value is given (a JSON member, a column, `k=v`) names the class.
    Key,
    /// A word before or after the span names the class.
    Context,
    /// The same value was found before in the text.
    Repetition,
    /// A word beside the span names something else (an order, a version).
    NegativeContext,
    /// The value is on the user's list.
    Listed,
}

impl Evidence {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Shape,
        Self::Checksum,
        Self::Numbering,
        Self::Prefix,
        Self::Entropy,
        Self::Key,
        Self::Context,
        Self::Repetition,
        Self::NegativeContext,
        Self::Listed,
    ];

    /// The reason's stable code, such as `checksum`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Checksum => "checksum",
            Self::Numbering => "numbering",
            Self::Prefix => "prefix",
            Self::Entropy => "entropy",
            Self::Key => "key",
            Self::Context => "context",
            Self::Repetition => "repetition",
            Self::NegativeContext => "negative_context",
            Self::Listed => "listed",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reasons for a match.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EvidenceSet(u16);

impl EvidenceSet {
    pub(crate) const fn of(reasons: &[Evidence]) -> Self {
        let mut bits = 0;
        let mut rest = reasons;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    pub(crate) const fn with(self, reason: Evidence) -> Self {
        Self(self.0 | reason.bit())
    }

    pub(crate) const fn with_all(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether a reason is among them.
    #[must_use]
    pub const fn contains(self, reason: Evidence) -> bool {
        self.0 & reason.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons, in the order of [`Evidence`].
    pub fn iter(self) -> impl Iterator<Item = Evidence> {
        Evidence::ALL
            .into_iter()
            .filter(move |reason| self.contains(*reason))
    }
}

impl fmt::Debug for EvidenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
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
    /// Why.
    pub evidence: EvidenceSet,
}

/// The logistic function at tenths from -8 to 8, to three decimals, so that every platform
/// reports the same number.
static LOGISTIC: LazyLock<[f32; 161]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        let tenths = u8::try_from(index).unwrap_or(u8::MAX);
        let x = (f64::from(tenths) - 80.0) / 10.0;
        let p = 1.0 / (1.0 + (-x).exp());
        let thousandths = (p * 1000.0).round() / 1000.0;
        // Nothing is impossible or certain.
        #[expect(clippy::cast_possible_truncation, reason = "three decimals")]
        let rounded = thousandths.clamp(0.001, 0.999) as f32;
        rounded
    })
});

impl Confidence {
    /// The threshold of a rule that names none: 0.5.
    pub const DEFAULT_THRESHOLD: Self = Self(0.5);

    /// Takes a number from 0 to 1; anything else, NaN included, is `None`.
    #[must_use]
    pub fn new(value: f32) -> Option<Self> {
        // Adding zero turns a negative zero into zero, so that equal values also order as equal.
        (0.0..=1.0).contains(&value).then_some(Self(value + 0.0))
    }

    /// The logistic function of log-odds, in tenths.
    pub(crate) fn of_log_odds(tenths: i16) -> Self {
        let index = usize::try_from(i32::from(tenths) + 80).unwrap_or(0);
        let value = LOGISTIC.get(index).or(LOGISTIC.last());
        Self(value.copied().unwrap_or(0.5))
    }

    /// The least log-odds that reach this confidence, in tenths; more than any when none do.
    pub(crate) fn log_odds(self) -> i16 {
        let index = LOGISTIC.partition_point(|value| Self(*value) < self);
        let tenths = i16::try_from(index).map(|index| index - 80);
        match tenths {
            Ok(tenths) if index < LOGISTIC.len() => tenths,
            _ => i16::MAX,
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
        write!(f, "{:.3}", self.0)
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
    }

    #[test]
    fn log_odds_rise_with_confidence() {
        assert_eq!(Confidence::of_log_odds(0), Confidence::DEFAULT_THRESHOLD);
        assert_eq!(Confidence::of_log_odds(i16::MIN).get(), 0.001);
        assert_eq!(Confidence::of_log_odds(i16::MAX).get(), 0.999);
        assert_eq!(Confidence::of_log_odds(29).get(), 0.948);
        assert!((-80..80).all(|x| Confidence::of_log_odds(x) <= Confidence::of_log_odds(x + 1)));
        for thousandths in 0..=1000 {
            let confidence = Confidence(thousandths as f32 / 1000.0);
            let least = (-80..=80).find(|x| Confidence::of_log_odds(*x) >= confidence);
            assert_eq!(confidence.log_odds(), least.unwrap_or(i16::MAX));
        }
    }

    #[test]
    fn reasons_are_a_set() {
        let set = EvidenceSet::of(&[Evidence::Context, Evidence::Shape]);
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [Evidence::Shape, Evidence::Context]
        );
        assert!(!set.contains(Evidence::Key) && set.with(Evidence::Key).contains(Evidence::Key));
        assert_eq!(format!("{set:?}"), "{Shape, Context}");
    }
}
