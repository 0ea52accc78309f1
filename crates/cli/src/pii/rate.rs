//! Counts beside counts.

pub(super) fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| as_f64(part) / as_f64(whole))
}

/// How many there are for each million bytes.
pub(super) fn per_mb(number: usize, bytes: usize) -> Option<f64> {
    ratio(number, bytes).map(|rate| rate * 1e6)
}

/// Counts are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn as_f64(number: usize) -> f64 {
    number as f64
}
