//! The words of a stretch of text, and phrases of them.

use std::ops::Range;

use super::byte::{self, ALNUM, DIGIT, LETTER, LOWER, UPPER};
use super::lexicon::LONGEST;

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

/// How many words are read back: more than count, and than a phrase has.
const MOST_BACK: usize = 24;

/// A stretch's words, found from its end on as they are asked for. `socialSecurity` and
/// `social_security` are two.
pub(super) struct WordsBack<'t> {
    text: &'t str,
    found: [(usize, usize); MOST_BACK],
    count: usize,
    /// What is before it has not been looked at.
    rest: usize,
}

impl<'t> WordsBack<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            found: [(0, 0); MOST_BACK],
            count: 0,
            rest: text.len(),
        }
    }

    /// Where the word is that so many stand behind.
    pub(super) fn get(&mut self, index: usize) -> Option<(usize, usize)> {
        while self.count <= index {
            let word = self.next()?;
            *self.found.get_mut(self.count)? = word;
            self.count += 1;
        }
        self.found.get(index).copied()
    }

    fn next(&mut self) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        let is_word = |b: u8| byte::is(b, ALNUM) || !b.is_ascii();
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        loop {
            while self.rest > 0 && !is_word(at(self.rest - 1)) {
                self.rest -= 1;
            }
            let (end, mut start) = (self.rest, self.rest);
            while start > 0 && is_word(at(start - 1)) {
                start -= 1;
                if start > 0 && is_hump(bytes, start) {
                    break;
                }
            }
            if start == end {
                return None;
            }
            self.rest = start;
            let word = self.text.get(start..end).unwrap_or_default();
            if word.is_ascii() {
                return Some((start, end));
            }
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

/// Words in lower case, one space between two.
#[derive(Default)]
pub(super) struct Phrase {
    pub(super) lower: String,
    /// Where each word begins and ends.
    words: [(u8, u8); Self::MOST],
    pub(super) count: usize,
}

impl Phrase {
    const MOST: usize = 32;

    pub(super) fn clear(&mut self) {
        self.lower.clear();
        self.count = 0;
    }

    /// Becomes a phrase of words that were found from the last one on.
    pub(super) fn join(&mut self, part: &str, words: &WordsBack<'_>, range: Range<usize>) {
        self.clear();
        for (start, end) in words.found.get(range).unwrap_or_default().iter().rev() {
            self.push(part.get(*start..*end).unwrap_or_default());
        }
    }

    /// The last `words` of the first `count` words.
    pub(super) fn last(&self, count: usize, words: usize) -> &str {
        let first = self.words.get(count - words).copied().unwrap_or_default();
        let last = self.words.get(count - 1).copied().unwrap_or_default();
        self.lower
            .get(usize::from(first.0)..usize::from(last.1))
            .unwrap_or_default()
    }

    /// Adds a stretch's words; says where the last one ends in it. `socialSecurity` and
    /// `social_security` are two words.
    pub(super) fn read(&mut self, part: &str) -> usize {
        let bytes = part.as_bytes();
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        let is_letter = |b: u8| byte::is(b, LETTER) || !b.is_ascii();
        let (mut position, mut end_of_last) = (0, 0);
        while position < bytes.len() {
            if !is_letter(at(position)) && !byte::is(at(position), DIGIT) {
                position += 1;
                continue;
            }
            let start = position;
            position += 1;
            while position < bytes.len() {
                let b = at(position);
                if !is_letter(b) && !byte::is(b, DIGIT) {
                    break;
                }
                let hump = is_hump(bytes, position);
                if hump {
                    break;
                }
                position += 1;
            }
            self.push(part.get(start..position).unwrap_or_default());
            end_of_last = position;
        }
        end_of_last
    }

    pub(super) fn push(&mut self, word: &str) {
        let word = if word.is_ascii() {
            word
        } else {
            word.trim_matches(is_mark)
        };
        if word.is_empty() {
            return;
        }
        // What is longer tells nothing, and takes its place as a word.
        let word = if word.len() > LONGEST { "?" } else { word };
        if !self.lower.is_empty() {
            self.lower.push(' ');
        }
        let start = self.lower.len();
        if word.is_ascii() {
            self.lower.push_str(word);
            if let Some(added) = self.lower.get_mut(start..) {
                added.make_ascii_lowercase();
            }
        } else {
            self.lower.extend(word.chars().flat_map(char::to_lowercase));
        }
        let end = self.lower.len();
        if let (Ok(start), Ok(end)) = (u8::try_from(start), u8::try_from(end))
            && let Some(slot) = self.words.get_mut(self.count)
        {
            *slot = (start, end);
            self.count += 1;
        }
    }
}
