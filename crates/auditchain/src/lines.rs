//! A cursor over the lines of a signed text: strict where the formats are.

use crate::Hash;
use crate::merkle::MAX_TREE_SIZE;

/// What is left of a text whose every line ends in a line feed.
pub(crate) struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The next line without its line feed; a last line that lacks it is no line.
    pub(crate) fn line(&mut self) -> Option<&'a str> {
        let (line, rest) = self.0.split_once('\n')?;
        self.0 = rest;
        Some(line)
    }

    /// The next line's value, if the line is `key value`.
    pub(crate) fn keyed(&mut self, key: &str) -> Option<&'a str> {
        let (line, rest) = self.0.split_once('\n')?;
        let value = line.strip_prefix(key)?.strip_prefix(' ')?;
        self.0 = rest;
        Some(value)
    }

    /// The lines from here on that are hashes, at most `most` of them.
    pub(crate) fn hashes(&mut self, most: usize) -> Vec<Hash> {
        let mut hashes = Vec::new();
        while hashes.len() < most
            && let Some((line, rest)) = self.0.split_once('\n')
            && let Ok(hash) = line.parse()
        {
            hashes.push(hash);
            self.0 = rest;
        }
        hashes
    }

    /// Whatever has not been read.
    pub(crate) const fn rest(&self) -> &'a str {
        self.0
    }
}

/// An ASCII decimal without sign or leading zero, at most [`MAX_TREE_SIZE`].
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= MAX_TREE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_one_spelling() {
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "٣", "0x1"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
        for (text, number) in [("0", 0), ("10", 10), ("9223372036854775807", MAX_TREE_SIZE)] {
            assert_eq!(decimal(text), Some(number));
        }
        assert_eq!(decimal("9223372036854775808"), None);
        assert_eq!(decimal("18446744073709551616"), None);
    }

    #[test]
    fn a_line_without_its_line_feed_is_no_line() {
        let mut lines = Lines::new("index 5\nlast");
        assert_eq!(lines.keyed("line"), None);
        assert_eq!(lines.keyed("index"), Some("5"));
        assert_eq!(lines.line(), None);
        assert_eq!(lines.rest(), "last");
    }
}
