//! The scan of a whole text.

use crate::{Confidence, Detector, Match};

/// Finds personal data in a text: sorted by position, none overlapping another.
///
/// Offsets are UTF-8 byte offsets on character boundaries. What reaches the default threshold is
/// reported; [`scan_from`] takes another, and a [`Detector`] has classes of the user's own. Where two
/// classes could claim the same bytes, secrets come first, then what holds other forms in itself (an
/// e-mail address), then the likelier, then the longer. Time is linear in the length of the text,
/// whatever it holds.
///
/// # Security
/// Whatever is encoded (JSON escapes, percent signs, base64) is not seen: decode before scanning.
/// Digits of other scripts, full-width forms and invisible characters are read as what they mean.
///
/// ```
/// use strongroom_pii::{Class, scan};
///
/// let found = scan("user=ann@example.com ip=192.0.2.7");
/// let classes: Vec<_> = found.iter().map(|found| found.class.clone()).collect();
/// assert_eq!(classes, [Class::Email, Class::Ip]);
/// assert_eq!(found[0].range, 5..20);
/// ```
#[must_use]
pub fn scan(text: &str) -> Vec<Match> {
    Detector::standard().scan(text)
}

/// As [`scan`], from another confidence on.
#[must_use]
pub fn scan_from(text: &str, threshold: Confidence) -> Vec<Match> {
    Detector::standard().scan_from(text, threshold)
}
