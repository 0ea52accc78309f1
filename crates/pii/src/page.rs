//! A text while it is being scanned: what is still to be looked at, and what has been claimed.

use std::ops::Range;

use crate::{Class, Confidence, Evidence, Match};

/// A text and its claims.
///
/// Recognisers read a copy of the bytes in which claimed spans, and placeholders that the text
/// already held, are overwritten with bytes that UTF-8 never uses. So each later recogniser sees
/// a claim exactly as it will see the placeholder in the redacted text, which is what makes
/// redaction idempotent.
pub(crate) struct Page<'a> {
    text: &'a str,
    bytes: Vec<u8>,
    matches: Vec<Match>,
}

/// Stands for a byte of a claimed span.
const CLAIMED: u8 = 0xFF;
/// Stands for a byte of a placeholder that was in the text.
pub(crate) const PLACEHOLDER: u8 = 0xFE;

impl<'a> Page<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut page = Self {
            text,
            bytes: text.as_bytes().to_vec(),
            matches: Vec::new(),
        };
        for at in memchr::memchr_iter(b'[', text.as_bytes()) {
            let rest = text.get(at..).unwrap_or_default();
            let mut all = Class::ALL.iter().map(|class| class.placeholder());
            if let Some(held) = all.find(|placeholder| rest.starts_with(placeholder)) {
                page.overwrite(at..at + held.len(), PLACEHOLDER);
            }
        }
        page
    }

    /// The bytes that are still to be looked at, claims and placeholders overwritten.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The byte at an offset; 0 past the end.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The byte before an offset; 0 at the start.
    pub(crate) fn byte_before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.byte(before))
    }

    /// The text of a range; empty when the range is not on character boundaries.
    pub(crate) fn text(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    pub(crate) fn is_claimed(&self, at: usize) -> bool {
        self.byte(at) == CLAIMED
    }

    /// Whether a word goes on at an offset.
    pub(crate) fn word_at(&self, at: usize) -> bool {
        match self.byte(at) {
            byte if byte.is_ascii() => byte.is_ascii_alphanumeric(),
            CLAIMED | PLACEHOLDER => false,
            _ => {
                let next = self.text.get(at..).and_then(|rest| rest.chars().next());
                next.is_some_and(is_word)
            }
        }
    }

    /// Whether a word ends just before an offset. A `\n`, `\r` or `\t` that was written as two
    /// characters, in doubly escaped text, is no word.
    pub(crate) fn word_before(&self, at: usize) -> bool {
        match self.byte_before(at) {
            b'n' | b'r' | b't' if at >= 2 && self.byte(at - 2) == b'\\' => false,
            byte if byte.is_ascii() => byte.is_ascii_alphanumeric(),
            CLAIMED | PLACEHOLDER => false,
            _ => {
                let before = self.text.get(..at);
                let last = before.and_then(|before| before.chars().next_back());
                last.is_some_and(is_word)
            }
        }
    }

    /// Records a match and takes its bytes away from every later recogniser.
    pub(crate) fn claim(
        &mut self,
        class: Class,
        range: Range<usize>,
        confidence: Confidence,
        evidence: &[Evidence],
    ) {
        self.overwrite(range.clone(), CLAIMED);
        self.matches.push(Match {
            class,
            range,
            confidence,
            evidence: evidence.to_vec(),
        });
    }

    /// The matches, in order of position.
    pub(crate) fn into_matches(mut self) -> Vec<Match> {
        self.matches.sort_unstable_by_key(|found| found.range.start);
        self.matches
    }

    fn overwrite(&mut self, range: Range<usize>, with: u8) {
        if let Some(span) = self.bytes.get_mut(range) {
            span.fill(with);
        }
    }
}

/// Letters and digits of the scripts that put spaces between words. In the others (Han, Kana,
/// Thai) a number stands right beside a letter and is still a number of its own.
pub(crate) fn is_word(c: char) -> bool {
    c <= '\u{52F}' && c.is_alphanumeric()
}
