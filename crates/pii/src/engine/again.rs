//! What stands beside a span that was taken is looked at again, as a second pass would see it: with a
//! placeholder where the value was.

use std::borrow::Cow;

use super::byte::{self, DIGIT, LETTER, SPACE, STOP};
use super::candidate::{ClassIndex, Pending};
use super::progress::KeywordsAgain;
use super::window::{AHEAD, BEHIND};
use super::{Engine, Progress, Taken};
use crate::recognisers::email;
use crate::secrets::{command, vendor};

/// How far back what may be joined to a span is looked for, in bytes: as far as an anchor may have seen,
/// from where what it stands in may begin.
const BESIDE: usize = BEHIND + AHEAD;

/// What is written over a value while it is looked at what stands beside it: in no text that people
/// write, and no part of any value.
pub(crate) const FILL: u8 = 0x1A;

impl Engine {
    /// Goes back to what stands before the spans that were taken last, with these masked.
    pub(super) fn look_again(text: &mut Cow<'_, str>, progress: &mut Progress, known: usize) {
        let new = progress.held.get(known..).unwrap_or_default();
        let (Some(first), Some(last)) = (new.first(), new.last()) else {
            return;
        };
        let (start, end) = (first.start, last.end);
        // What lost to them may not lose to their placeholders.
        let overlaps = |lost: &&Pending| {
            new.iter()
                .any(|taken| lost.start < taken.end && taken.start < lost.end)
        };
        let lost = progress.pending.iter().filter(overlaps);
        let lost = lost.map(|lost| lost.anchor.min(lost.start)).min();
        let floor = progress.beside(text, start).min(lost.unwrap_or(start));
        for taken in new {
            mask(text, taken.start, taken.end);
        }
        let asked = progress.cursor;
        progress.floor = floor.max(progress.decided);
        progress.manifests.forget(floor);
        progress.headers.note_value(start);
        progress.curl = progress.curl.filter(|at| *at < floor);
        progress.cursor = progress.cursor.min(floor);
        progress.token = progress.token.min(floor);
        progress.word = progress.word.min(floor);
        let known = KeywordsAgain {
            until: 0,
            from: progress.keyword,
            next: progress.next_keyword,
        };
        let mut again = progress.keywords_again.take().unwrap_or(known);
        again.until = again.until.max(asked).max(progress.keyword_asked);
        // What stood in a span is gone.
        again.next = again.next.filter(|at| *at >= end);
        progress.keywords_again = Some(again);
        // Before the next one that is known there is none.
        let asked_from = progress.next_keyword.unwrap_or(progress.keyword);
        progress.keyword = asked_from.min(floor);
        progress.next_keyword = None;
        let pending = &mut progress.pending;
        pending.retain(|candidate| candidate.anchor < floor && candidate.start >= end);
    }

    /// How far an anchor sees ahead: as far as it would with placeholders in the place of what was taken.
    pub(super) fn sight(&self, at: usize, progress: &Progress) -> usize {
        let mut sight = at.saturating_add(AHEAD);
        // Only what is looked at again has spans ahead.
        if progress.closed.last().is_none_or(|(_, end)| *end <= at) {
            return sight;
        }
        let ahead = progress.closed.iter().rev();
        let ahead: Vec<_> = ahead.take_while(|(_, end)| *end > at).collect();
        for (start, end) in ahead.into_iter().rev() {
            // Taken of late, or a label that stood in the text.
            let mut held = progress.held.iter().rev().take(AHEAD);
            let taken = held.find(|taken| taken.start == *start && *start >= at);
            if let Some(taken) = taken.filter(|taken| taken.start < sight) {
                sight = (sight + (end - start)).saturating_sub(self.placeholder_len(taken.class));
            }
        }
        sight
    }

    /// How long the placeholder of a class is, in bytes.
    fn placeholder_len(&self, class: ClassIndex) -> usize {
        let label = match vendor::kind(class) {
            Some(kind) => kind.label(),
            None => {
                let own = class.checked_sub(vendor::AFTER_TOLD).map(usize::from);
                own.and_then(|own| self.labels.get(own))
                    .map_or("", |label| label)
            }
        };
        label.len() + 2
    }
}

impl Progress {
    /// Where what may be joined to a span begins that starts at an offset or after it; in what a flag of
    /// curl is given, at the flag, since the name of a login may be a value whose spaces will be gone.
    pub(super) fn beside(&self, text: &str, at: usize) -> usize {
        let start = beside(text, at, &self.closed);
        let flag = self.curl.and_then(|_| command::flag_before(text, start));
        flag.unwrap_or(start)
    }
}

/// The text with the spans masked that were taken and not yet handed on.
pub(super) fn masked<'t>(text: &'t str, held: &[Taken]) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    for taken in held {
        mask(&mut text, taken.start, taken.end);
    }
    text
}

pub(super) fn mask(text: &mut Cow<'_, str>, start: usize, end: usize) {
    text.to_mut()
        .replace_range(start..end, &filler(end - start));
}

/// What stands for a value of so many bytes: a placeholder, if there is room for one.
pub(crate) fn filler(bytes: usize) -> String {
    let fill = |bytes| std::iter::repeat_n(char::from(FILL), bytes);
    match bytes.checked_sub(2) {
        None | Some(0) => fill(bytes).collect(),
        Some(inner) => ['['].into_iter().chain(fill(inner)).chain([']']).collect(),
    }
}

/// Where what may be joined to a span begins that starts at an offset or after it: the start of what
/// goes on there without white space, of the groups of digits before it, of the words of an address that
/// is spelled out, or of the value whose quotation mark stands there. Not before the last span that ends
/// there; prose is not held.
fn beside(text: &str, at: usize, closed: &[(usize, usize)]) -> usize {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let last = closed.iter().rev().find(|(_, end)| *end <= at);
    let floor = at
        .saturating_sub(BESIDE)
        .max(last.map_or(0, |(_, end)| *end));
    let back = |end: usize| {
        let before = bytes.get(floor..end).unwrap_or_default();
        let gap = before.iter().rposition(|b| byte::is(*b, SPACE | STOP));
        gap.map_or(floor, |gap| floor + gap + 1)
    };
    let mut start = back(at);
    let mut next = bytes.get(start..at).unwrap_or_default();
    let mut is_spelled = false;
    while start > floor && bytes.get(start - 1) == Some(&b' ') {
        let before = back(start - 1);
        let word = bytes.get(before..start - 1).unwrap_or_default();
        let has = |kinds: u16| word.iter().any(|b| byte::is(*b, kinds));
        // Once a full stop is spelled out, each word is the next one's label or sign.
        is_spelled = email::is_spelled_dot(word)
            || is_spelled && (email::is_spelled_dot(next) || email::is_spelled_at(next))
            || email::is_spelled_at(word) && (is_spelled || next.contains(&b'.'));
        if has(LETTER) && !has(DIGIT) && !is_spelled {
            break;
        }
        (start, next) = (before, word);
    }
    if let Some(mark) = closing(bytes, floor, start, at) {
        let opens = opens(bytes, floor, mark).map_or(start, back);
        start = start.min(back(mark)).min(opens);
    }
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    start
}

/// The first quotation mark of what goes on between two offsets, or straight before it: it may close a value.
fn closing(bytes: &[u8], floor: usize, start: usize, end: usize) -> Option<usize> {
    let from = start.saturating_sub(1).max(floor);
    let run = bytes.get(from..end)?;
    let mark = run.iter().position(|b| matches!(b, b'"' | b'\''))?;
    Some(from + mark)
}

/// Where the sign stands behind which a quotation mark opens the value that another closes: `a: "x y"`.
fn opens(bytes: &[u8], floor: usize, mark: usize) -> Option<usize> {
    let before = bytes.get(floor..mark)?;
    let quote = bytes.get(mark)?;
    let open = before.iter().rposition(|b| b == quote || *b == b'\n')?;
    let before = before.get(..open)?.trim_ascii_end();
    let is_given = matches!(before.last(), Some(b':' | b'='));
    is_given.then_some(floor + before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_not_held() {
        for (text, rest) in [
            ("", ""),
            ("write to ann", "ann"),
            ("write to (ann", "(ann"),
            ("call 020 7946 0958 ann", "020 7946 0958 ann"),
            ("call 16 - 61285 26", "16 - 61285 26"),
            ("41111111/ann", "41111111/ann"),
            ("line 7\nann", "ann"),
        ] {
            let start = beside(text, text.len(), &[]);
            assert_eq!(text.get(start..), Some(rest), "{text:?}");
        }
        assert_eq!(beside("12 34 56", 8, &[(0, 5)]), 5);
        assert_eq!(beside("12 34 56", 8, &[(0, 2), (7, 9)]), 2);
        let long = "1".repeat(BESIDE + 40);
        assert_eq!(beside(&long, long.len(), &[]), 40);
    }

    #[test]
    fn a_filler_is_as_long_as_the_value() {
        for bytes in 0..9 {
            assert_eq!(filler(bytes).len(), bytes);
        }
        let mut text = Cow::Borrowed("to ann@example.com, é");
        mask(&mut text, 3, 18);
        assert_eq!(text, format!("to [{}], é", "\u{1a}".repeat(13)));
    }
}
