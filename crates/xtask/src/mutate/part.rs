//! Parts of the table, for checkouts side by side.

use std::ops::Range;
use std::str::FromStr;

/// One of several parts of the table, each a run of neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    number: usize,
    of: usize,
}

/// The text is not such a part.
#[derive(Debug, thiserror::Error)]
#[error("expected K/N, with K from 1 to N")]
pub(super) struct NotAPart;

impl FromStr for Part {
    type Err = NotAPart;

    fn from_str(text: &str) -> Result<Self, NotAPart> {
        let (number, of) = text.split_once('/').ok_or(NotAPart)?;
        let part = Self {
            number: number.parse().map_err(|_| NotAPart)?,
            of: of.parse().map_err(|_| NotAPart)?,
        };
        let is_one = (1..=part.of).contains(&part.number);
        is_one.then_some(part).ok_or(NotAPart)
    }
}

impl Part {
    /// Which places of a table of `length` are its own.
    pub(super) fn places(self, length: usize) -> Range<usize> {
        length * (self.number - 1) / self.of..length * self.number / self.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_table_and_do_not_overlap() {
        for length in [0, 1, 7, 270] {
            let parts = (1..=4).map(|number| Part { number, of: 4 });
            let places: Vec<_> = parts.flat_map(|part| part.places(length)).collect();
            assert_eq!(places, (0..length).collect::<Vec<_>>());
        }
        for bad in ["", "1", "0/2", "3/2", "1/0", "a/2", "1/2/3"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }
}
