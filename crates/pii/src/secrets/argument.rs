//! Where an argument of a command ends: a shell joins what is quoted and what stands beside it, and the
//! command may stand in a text of a program itself, whose marks are escaped.

use crate::engine::again::FILL;
use crate::engine::byte::{self, ARGUMENT, SPACE};
use crate::engine::window::Window;

/// A quotation mark, with the backslashes before it: `"`, `\"`, `\\\"`.
pub(super) struct Mark {
    quote: u8,
    pub(super) width: usize,
}

impl Mark {
    pub(super) fn at(window: &Window<'_>, at: usize) -> Option<Self> {
        let end = window.run_while(at, |b| b == b'\\');
        let quote = window.byte(end);
        matches!(quote, b'"' | b'\'').then_some(Self {
            quote,
            width: end - at + 1,
        })
    }

    /// Where what it opens ends, and where the mark ends that closes it, on its line.
    fn closes(&self, window: &Window<'_>, open: usize) -> Option<(usize, usize)> {
        let line = window.run_while(open + self.width, |b| b != b'\n');
        self.closes_before(window, open, line)
    }

    /// The same, before a place that may be on another line.
    pub(super) fn closes_before(
        &self,
        window: &Window<'_>,
        open: usize,
        end: usize,
    ) -> Option<(usize, usize)> {
        let start = open + self.width;
        let mut at = start;
        loop {
            let rest = window.bytes(at, end);
            at += rest.iter().position(|b| *b == self.quote)?;
            let before = window.bytes(start, at);
            let escapes = before.iter().rev().take_while(|b| **b == b'\\').count();
            let closes = match (self.width, self.quote) {
                (1, b'\'') => true,
                (1, _) => escapes.is_multiple_of(2),
                (width, _) => escapes + 1 == width,
            };
            if closes {
                return Some((at + 1 - self.width, at + 1));
            }
            at += 1;
        }
    }

    /// Whether its line goes on past the window.
    fn is_cut(&self, window: &Window<'_>, open: usize) -> bool {
        window.ends_at(window.run_while(open + self.width, |b| b != b'\n'))
    }

    /// Whether the text that it stands in goes on behind it, so that it closes what the command is in.
    fn ends_text(&self, window: &Window<'_>, at: usize) -> bool {
        let next = window.byte(at + self.width);
        let of_text = matches!(
            next,
            0 | b',' | b')' | b']' | b'}' | b':' | b';' | b'"' | b'\'' | b'\\'
        );
        of_text || byte::is(next, SPACE)
    }
}

/// Where the argument ends that starts at an offset.
pub(super) fn argument(window: &Window<'_>, start: usize) -> usize {
    let mut end = start;
    let mut joined = false;
    loop {
        if let Some(mark) = Mark::at(window, end) {
            let closes = mark.closes(window, end);
            let word = window.run_while(end, |b| !byte::is(b, SPACE));
            let is_joined = joined
                || !mark.ends_text(window, end) && closes.is_some_and(|(_, after)| after <= word);
            let opens = end == start || matches!(window.before(end), b':' | b'=') || is_joined;
            match closes {
                Some((_, after)) if opens => {
                    end = after;
                    joined = true;
                }
                None if opens && !joined && mark.is_cut(window, end) => {
                    return window.run_while(end, |b| b != b'\n');
                }
                // It is of the value itself.
                None if opens => end += mark.width,
                _ if mark.width > 1 && !mark.ends_text(window, end) => end += mark.width,
                _ => return end,
            }
            continue;
        }
        joined = false;
        let (b, next) = (window.byte(end), window.byte(end + 1));
        let is_behind_name = || window.bytes(start, end).contains(&b':');
        match b {
            b'\\' if matches!(next, 0 | b'\n' | b'\r') => return end,
            // The end of a line, in a text of a program.
            b'\\' if matches!(next, b'n' | b'r' | b't') && is_behind_name() => return end,
            b'\\' if next == b' ' || next.is_ascii_punctuation() => end += 2,
            b'<' | b'>' if window.before(end) != b':' && is_behind_name() => return end,
            _ if byte::is(b, ARGUMENT) || b == FILL => end += 1,
            _ => return end,
        }
    }
}

/// A range without the quotation marks around the whole of it.
pub(super) fn unquoted(window: &Window<'_>, start: usize, end: usize) -> (usize, usize) {
    let Some(mark) = Mark::at(window, start).filter(|mark| start + mark.width < end) else {
        return (start, end);
    };
    match mark.closes(window, start) {
        Some((inner, after)) if after == end => (start + mark.width, inner),
        None if window.ends_at(end) => (start + mark.width, end),
        _ => (start, end),
    }
}
