//! The words of a stretch of text.

use std::ops::Range;

use super::byte::{self, ALNUM, DIGIT, LOWER, UPPER, WORD};
use super::lexicon::{EntryIndex, Lexicon};

/// The words of a run of letters.
pub(super) fn humps(run: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = run.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < bytes.len() {
            let mut end = start + 1;
            while end < bytes.len() && !is_hump(bytes, end) {
                end += 1;
            }
            let from = start;
            start = end;
            let word = run.get(from..end).unwrap_or_default();
            if word.is_ascii() {
                return Some(from..end);
            }
            let inner = word.trim_start_matches(is_mark);
            let from = end - inner.len();
            let inner = inner.trim_end_matches(is_mark);
            // A dash is no word.
            if !inner.is_empty() {
                return Some(from..from + inner.len());
            }
        }
        None
    })
}

/// Whether a capital is the last of several that have an `s` behind them: `MRNs`.
fn is_plural(bytes: &[u8], last: usize) -> bool {
    let after = bytes.get(last + 2).copied().unwrap_or(0);
    bytes.get(last + 1) == Some(&b's') && !byte::is(after, ALNUM) && after.is_ascii()
}

/// Dashes, quotation marks and full stops beyond ASCII, which are no part of a word.
fn is_mark(c: char) -> bool {
    matches!(c, '«' | '»' | '¿' | '¡' | '·' | '\u{2010}'..='\u{206F}' | '\u{3000}'..='\u{3003}' | '\u{3008}'..='\u{301F}' | '\u{FF00}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}')
}

/// Where a word of three letters and more ends that has a number of a digit or two behind it: `password1`.
fn before_number(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let word = text.get(start..end)?;
    let digits = word.iter().rev().take_while(|b| byte::is(**b, DIGIT));
    let digits = digits.count();
    ((1..=2).contains(&digits) && word.len() >= digits + 3).then_some(end - digits)
}

/// How many words are read back: more than count, and than a phrase has.
const MOST_BACK: usize = 24;

/// A stretch's words, looked up from its end on as they are asked for. `socialSecurity` and
/// `social_security` are two.
pub(super) struct WordsBack<'t> {
    lexicon: &'t Lexicon,
    text: &'t str,
    /// What is known of each, the last first.
    found: [Option<EntryIndex>; MOST_BACK],
    count: usize,
    /// What is before it has not been looked at.
    rest: usize,
}

impl<'t> WordsBack<'t> {
    pub(super) const fn new(lexicon: &'t Lexicon, text: &'t str) -> Self {
        Self {
            lexicon,
            text,
            found: [None; MOST_BACK],
            count: 0,
            rest: text.len(),
        }
    }

    /// What is known of the word that so many stand behind.
    #[inline]
    pub(super) fn get(&mut self, index: usize) -> Option<Option<EntryIndex>> {
        while self.count <= index {
            let (start, end) = self.next()?;
            let slot = self.found.get_mut(self.count)?;
            let text = self.text.as_bytes();
            *slot = self.lexicon.index(text, start, end).or_else(|| {
                let end = before_number(text, start, end)?;
                self.lexicon.index(text, start, end)
            });
            self.count += 1;
        }
        self.found.get(index).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        loop {
            let before = bytes.get(..self.rest)?;
            let end = before.iter().rposition(|b| byte::is(*b, WORD))? + 1;
            let mut start = end - 1;
            let mut is_ascii = true;
            while let Some(b) = bytes.get(start) {
                is_ascii &= b.is_ascii();
                if start == 0 || byte::is(*b, UPPER) && is_hump(bytes, start) {
                    break;
                }
                let goes_on = bytes.get(start - 1).is_some_and(|b| byte::is(*b, WORD));
                if !goes_on {
                    break;
                }
                start -= 1;
            }
            self.rest = start;
            if is_ascii {
                return Some((start, end));
            }
            let word = self.text.get(start..end).unwrap_or_default();
            let inner = word.trim_start_matches(is_mark);
            let from = end - inner.len();
            let inner = inner.trim_end_matches(is_mark);
            if !inner.is_empty() {
                return Some((from, from + inner.len()));
            }
        }
    }
}

/// Whether a word begins inside of a name that programs have: `userName`, `XMLName`.
fn is_hump(bytes: &[u8], position: usize) -> bool {
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let before = at(position - 1);
    byte::is(at(position), UPPER)
        && (byte::is(before, LOWER)
            || byte::is(before, UPPER)
                && byte::is(at(position + 1), LOWER)
                && !is_plural(bytes, position))
}
