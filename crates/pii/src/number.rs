//! Groups of digits, what stands between them, and which word before says what they are.

use std::ops::Range;

use crate::hint::{Hints, word_end};
use crate::page::Page;

pub(crate) use crate::hint::Hint;

/// What stands between two groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Anything else: the groups are strangers.
    Apart,
    /// One space, of whatever width.
    Space,
    /// One hyphen or dash.
    Hyphen,
    /// A hyphen or dash between spaces.
    Dash,
    /// One full stop.
    Dot,
    /// One slash.
    Slash,
    /// Parentheses, with a space or hyphen beside at most.
    Paren,
}

/// A maximal run of ASCII digits.
#[derive(Clone, Debug)]
struct Group {
    start: usize,
    end: usize,
    /// What stands between this group and the next.
    gap: Gap,
    /// The nearest telling word before, and how many words ago it was.
    hint: Option<(Hint, usize)>,
}

/// Every group of digits of a page, in order.
#[derive(Default)]
pub(crate) struct Groups(Vec<Group>);

impl Groups {
    /// Walks the page once.
    pub(crate) fn of(page: &Page<'_>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut hints = Hints::default();
        let mut position = 0;
        while position < page.bytes().len() {
            if page.byte(position).is_ascii_digit() {
                let rest = page.bytes().get(position..).unwrap_or_default();
                let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if let Some(before) = groups.last_mut() {
                    before.gap = gap(page.bytes().get(before.end..position).unwrap_or_default());
                }
                groups.push(Group {
                    start: position,
                    end: position + length,
                    gap: Gap::Apart,
                    hint: hints.nearest(),
                });
                position += length;
            } else if let Some(end) = word_end(page, position) {
                hints.push(page.text(position..end));
                position = end;
            } else {
                position += 1;
            }
        }
        Self(groups)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The gap after a group; [`Gap::Apart`] past the last.
    pub(crate) fn gap(&self, index: usize) -> Gap {
        self.0.get(index).map_or(Gap::Apart, |group| group.gap)
    }

    /// How many digits a group has; 0 past the last.
    pub(crate) fn digits(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, |group| group.end - group.start)
    }

    /// The bytes from a group's first digit to the last digit of the group `count - 1` further,
    /// when all are there, unclaimed, and no word runs into either end.
    pub(crate) fn span(&self, page: &Page<'_>, first: usize, count: usize) -> Option<Range<usize>> {
        let groups = self.0.get(first..first + count)?;
        let (head, tail) = (groups.first()?, groups.last()?);
        let free = groups.iter().all(|group| !page.is_claimed(group.start));
        let whole = !page.word_before(head.start) && !page.word_at(tail.end);
        (free && whole).then_some(head.start..tail.end)
    }

    /// Whether the group before is unclaimed and one of these gaps away: then this one is the
    /// middle of something longer.
    pub(crate) fn joined_before(&self, page: &Page<'_>, first: usize, gaps: &[Gap]) -> bool {
        let before = first.checked_sub(1).and_then(|index| self.0.get(index));
        before.is_some_and(|group| gaps.contains(&group.gap) && !page.is_claimed(group.start))
    }

    /// Whether the group after is unclaimed and one of these gaps away.
    pub(crate) fn joined_after(&self, page: &Page<'_>, last: usize, gaps: &[Gap]) -> bool {
        let after = self.0.get(last + 1);
        gaps.contains(&self.gap(last)) && after.is_some_and(|group| !page.is_claimed(group.start))
    }

    /// The nearest telling word before a group, at most six words ago.
    pub(crate) fn hint(&self, index: usize) -> Option<Hint> {
        let hint = self.0.get(index)?.hint;
        hint.map(|(hint, _)| hint)
    }

    /// Whether the nearest telling word before a group is this one, at most `words` words ago.
    pub(crate) fn hint_within(&self, index: usize, wanted: Hint, words: usize) -> bool {
        let hint = self.0.get(index).and_then(|group| group.hint);
        hint.is_some_and(|(hint, ago)| hint == wanted && ago <= words)
    }

    /// Whether the word before a group, or the one before that ("order number"), says that it
    /// is some other number.
    pub(crate) fn called_otherwise(&self, index: usize) -> bool {
        self.hint_within(index, Hint::Other, 1) || self.hint_within(index, Hint::Version, 1)
    }

    /// The digits of `count` groups from `first`, when they are at most 20.
    pub(crate) fn number(&self, page: &Page<'_>, first: usize, count: usize) -> Option<Number> {
        let mut number = Number::default();
        for group in self.0.get(first..first + count)? {
            if group.end - group.start > Number::MAX {
                return None;
            }
            for digit in page.bytes().get(group.start..group.end)? {
                number.push(digit - b'0')?;
            }
        }
        Some(number)
    }
}

/// A short decimal number, digit by digit.
#[derive(Clone, Default)]
pub(crate) struct Number {
    digits: [u8; Self::MAX],
    length: usize,
}

impl Number {
    const MAX: usize = 20;

    pub(crate) fn push(&mut self, digit: u8) -> Option<()> {
        *self.digits.get_mut(self.length)? = digit;
        self.length += 1;
        Some(())
    }

    pub(crate) fn digits(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// The number that the first digits make; missing digits count as 0.
    pub(crate) fn prefix(&self, digits: usize) -> u32 {
        let all = self.digits.iter().take(digits.min(9));
        all.fold(0, |number, digit| number * 10 + u32::from(*digit))
    }
}

fn gap(between: &[u8]) -> Gap {
    match between {
        b" " | [0xC2, 0xA0] | [0xE2, 0x80, 0x87 | 0x89 | 0xAF] => Gap::Space,
        b"-" | [0xE2, 0x80, 0x90..=0x93] | [0xE2, 0x88, 0x92] => Gap::Hyphen,
        b" - " | [b' ', 0xE2, 0x80, 0x90..=0x93, b' '] => Gap::Dash,
        b"." => Gap::Dot,
        b"/" => Gap::Slash,
        b"(" | b")" | b" (" | b") " | b"-(" | b")-" | b")(" | b") (" => Gap::Paren,
        _ => Gap::Apart,
    }
}
