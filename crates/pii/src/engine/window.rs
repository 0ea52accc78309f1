//! What a recogniser may look at: bounded ahead, so that a stream can decide as a whole text does.

use std::cell::Cell;

use super::{byte, placeholder};
use crate::class::Kind;

/// How far ahead of its anchor a recogniser sees, in bytes.
pub(crate) const AHEAD: usize = 256;
/// How far behind its anchor a recogniser sees, in bytes.
pub(crate) const BEHIND: usize = 256;

/// Text around an anchor.
///
/// Past [`AHEAD`] the text ends, in whatever form it was given: that is what makes a decision the
/// same for a whole text and for a stream. In a stream the text at hand may end before; to look
/// there sets a flag, and what was decided then is thrown away until more has come.
#[derive(Clone, Copy)]
pub(crate) struct Window<'t> {
    text: &'t str,
    limit: usize,
    more: Option<&'t Cell<bool>>,
    /// The labels of the user's own classes.
    labels: &'t [Box<str>],
}

impl<'t> Window<'t> {
    /// The window of an anchor. `more` is there while the text at hand is not the whole.
    pub(crate) fn new(text: &'t str, anchor: usize, more: Option<&'t Cell<bool>>) -> Self {
        Self {
            text,
            limit: anchor.saturating_add(AHEAD),
            more,
            labels: &[],
        }
    }

    /// The same, up to another place.
    pub(crate) const fn up_to(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The same, with labels of the user's own classes.
    pub(crate) const fn with_labels(mut self, labels: &'t [Box<str>]) -> Self {
        self.labels = labels;
        self
    }

    /// Whether a text is the label of a class.
    pub(crate) fn is_label(&self, label: &str) -> bool {
        Kind::ALL.iter().any(|kind| kind.label() == label)
            || self.labels.iter().any(|known| &**known == label)
    }

    /// The text of a range as far as there is any, on character boundaries.
    pub(crate) fn text_within(&self, start: usize, end: usize) -> &'t str {
        if end > self.end() {
            self.touch(end - 1);
        }
        let mut end = end.min(self.end());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.get(start..end).unwrap_or_default()
    }

    #[inline]
    fn end(&self) -> usize {
        self.limit.min(self.text.len())
    }

    /// The text as far as it is at hand, for what looks behind.
    pub(crate) const fn whole(&self) -> &'t str {
        self.text
    }

    /// The earliest place at which a candidate of an anchor may start.
    pub(crate) fn reach(&self, anchor: usize) -> usize {
        super::reach(self.text, anchor)
    }

    /// Whether the window ends at an offset, and the text may not.
    pub(crate) fn ends_at(&self, at: usize) -> bool {
        at >= self.limit
    }

    /// Notes that the decision depends on what is not there yet.
    #[inline]
    fn touch(&self, at: usize) {
        if at < self.limit
            && at >= self.text.len()
            && let Some(more) = self.more
        {
            more.set(true);
        }
    }

    /// The byte at an offset; 0 where the text ends.
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        if at < self.limit
            && let Some(byte) = self.text.as_bytes().get(at)
        {
            return *byte;
        }
        self.touch(at);
        0
    }

    /// The byte before an offset; 0 at the start.
    #[inline]
    pub(crate) fn before(&self, at: usize) -> u8 {
        let before = at
            .checked_sub(1)
            .and_then(|at| self.text.as_bytes().get(at));
        before.copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn is(&self, at: usize, kinds: u16) -> bool {
        byte::is(self.byte(at), kinds)
    }

    /// Where a run of bytes of some kinds ends.
    #[inline]
    pub(crate) fn run(&self, from: usize, kinds: u16) -> usize {
        self.run_while(from, |b| byte::is(b, kinds))
    }

    /// Where a run of bytes ends that a test accepts.
    #[inline]
    pub(crate) fn run_while(&self, from: usize, accepts: impl Fn(u8) -> bool) -> usize {
        let end = self.end();
        let rest = self.text.as_bytes().get(from..end).unwrap_or_default();
        match rest.iter().position(|b| !accepts(*b)) {
            Some(offset) => from + offset,
            None => {
                self.touch(end.max(from));
                end.max(from)
            }
        }
    }

    /// Where a run of bytes of some kinds begins that ends at an offset.
    #[inline]
    pub(crate) fn run_back(&self, end: usize, kinds: u16) -> usize {
        let floor = end.saturating_sub(BEHIND);
        let before = self.text.as_bytes().get(floor..end).unwrap_or_default();
        let run = before.iter().rev().take_while(|b| byte::is(**b, kinds));
        end - run.count()
    }

    /// The text of a range, cut at the window's end; empty when off character boundaries.
    pub(crate) fn text(&self, start: usize, end: usize) -> &'t str {
        if end > self.end() {
            self.touch(end - 1);
        }
        self.text
            .get(start..end.min(self.end()))
            .unwrap_or_default()
    }

    /// The bytes of a range, cut at the window's end.
    #[inline]
    pub(crate) fn bytes(&self, start: usize, end: usize) -> &'t [u8] {
        if end > self.end() {
            self.touch(end - 1);
        }
        let end = end.min(self.end());
        self.text.as_bytes().get(start..end).unwrap_or_default()
    }

    /// The character that starts at an offset.
    pub(crate) fn char(&self, at: usize) -> Option<char> {
        match self.byte(at) {
            0 => None,
            b if b.is_ascii() => Some(char::from(b)),
            _ => self.text.get(at..).and_then(|rest| rest.chars().next()),
        }
    }

    /// The character that ends just before an offset.
    pub(crate) fn char_before(&self, at: usize) -> Option<char> {
        self.text
            .get(..at)
            .and_then(|before| before.chars().next_back())
    }

    /// Whether a word goes on at an offset.
    #[inline]
    pub(crate) fn word_at(&self, at: usize) -> bool {
        match self.byte(at) {
            b'[' => placeholder::end(self, at).is_some(),
            b if b.is_ascii() => byte::is(b, byte::ALNUM),
            _ => self.char(at).is_some_and(is_word),
        }
    }

    /// Whether a word ends just before an offset. A `\n`, `\r` or `\t` that was written as two
    /// characters, in doubly escaped text, is no word.
    #[inline]
    pub(crate) fn word_before(&self, at: usize) -> bool {
        match self.before(at) {
            b'n' | b'r' | b't' if self.before(at - 1) == b'\\' => false,
            b']' => placeholder::is_before(self, at),
            b if b.is_ascii() => byte::is(b, byte::ALNUM),
            _ => self.char_before(at).is_some_and(is_word),
        }
    }

    /// Whether a number goes on before an offset, over a hyphen, a full stop or a slash. A placeholder
    /// is taken for one.
    #[inline]
    pub(crate) fn joined_before(&self, at: usize) -> bool {
        at >= 2
            && matches!(self.before(at), b'-' | b'.' | b'/')
            && match self.before(at - 1) {
                b']' => placeholder::is_before(self, at - 1),
                b => byte::is(b, byte::DIGIT),
            }
    }

    /// Whether a number goes on after an offset, over a hyphen, a full stop or a slash. A placeholder
    /// is taken for one.
    #[inline]
    pub(crate) fn joined_after(&self, at: usize) -> bool {
        matches!(self.byte(at), b'-' | b'.' | b'/')
            && match self.byte(at + 1) {
                b'[' => placeholder::end(self, at + 1).is_some(),
                b => byte::is(b, byte::DIGIT),
            }
    }
}

/// Letters and digits of the scripts that put spaces between words. In the others (Han, Kana,
/// Thai) a number stands right beside a letter and is still a number of its own.
pub(crate) fn is_word(c: char) -> bool {
    c <= '\u{52F}' && c.is_alphanumeric()
}
