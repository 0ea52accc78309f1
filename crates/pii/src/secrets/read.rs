//! Where a value begins and ends that is given to a name.

use super::value::{Value, is_mixed};
use crate::engine::byte::{self, ALNUM, BASE64, LETTER, SPACE};
use crate::engine::placeholder;
use crate::engine::window::Window;

/// The shortest line that goes on with a value.
const LINE_MIN: usize = 16;

/// The value that starts at an offset, after white space.
pub(super) fn value(window: &Window<'_>, from: usize) -> Option<Value> {
    let mut at = from;
    while matches!(window.byte(at), b' ' | b'\t') && at < from + 24 {
        at += 1;
    }
    // `b"..."`, `r'...'`
    let prefix = window.run_while(at, |b| {
        matches!(b, b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F')
    });
    if prefix - at <= 2 && matches!(window.byte(prefix), b'"' | b'\'') {
        at = prefix;
    }
    let escaped = usize::from(window.byte(at) == b'\\');
    let quote = window.byte(at + escaped);
    if matches!(quote, b'"' | b'\'' | b'`') {
        let start = at + escaped + 1;
        let end = window.run_while(start, |b| b != quote && b != b'\n' && b != b'\r');
        let closes = window.byte(end) == quote;
        if !closes && !window.ends_at(end) || end == start {
            return None;
        }
        let end = end - usize::from(closes && escaped == 1 && window.before(end) == b'\\');
        return (end > start).then_some(Value {
            start,
            end,
            quoted: true,
        });
    }
    if window.bytes(at, at + 7) == b"base64:" {
        at += 7;
    }
    let ends = |b: u8| {
        byte::is(b, SPACE)
            || matches!(
                b,
                b',' | b';' | b')' | b'}' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'&' | b'|'
            )
    };
    let mut end = window.run_while(at, |b| !ends(b));
    // `Authorization: Bearer x`
    if is_scheme(window.bytes(at, end)) && window.byte(end) == b' ' {
        at = end + 1;
        end = window.run_while(at, |b| !ends(b));
    }
    // Where the window ends it is not known what goes on.
    while !window.ends_at(end)
        && (window.before(end) == b']'
            || matches!(window.before(end), b'.' | b':') && !window.is(end, ALNUM))
    {
        end -= 1;
    }
    (end > at).then_some(Value {
        start: at,
        end,
        quoted: false,
    })
}

/// Whether a word says how the credentials behind it are meant (RFC 9110, section 11.4).
fn is_scheme(word: &[u8]) -> bool {
    [b"bearer".as_slice(), b"basic", b"token", b"apikey"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

/// What is given in quotation marks with its scheme: `"Authorization": "Bearer x"`.
pub(super) fn behind_scheme(window: &Window<'_>, value: &Value) -> Value {
    let gap = window.run_while(value.start, |b| byte::is(b, LETTER));
    let is_word = value.quoted
        && gap + 1 < value.end
        && window.byte(gap) == b' '
        && is_scheme(window.bytes(value.start, gap))
        && !window.bytes(gap + 1, value.end).contains(&b' ');
    Value {
        start: if is_word { gap + 1 } else { value.start },
        ..*value
    }
}

/// The first line of a block of YAML, when it is one word: `|`, and a line that is set in.
pub(super) fn block(window: &Window<'_>, from: usize) -> Option<Value> {
    let start = behind_block(window, from)?;
    let end = window.run_while(start, |b| !byte::is(b, SPACE));
    let is_line = matches!(window.byte(end), b'\n' | b'\r' | 0);
    (end > start && is_line).then_some(Value {
        start,
        end,
        quoted: true,
    })
}

/// Where the text of a block of YAML starts whose sign stands at an offset, or behind a space.
pub(super) fn behind_block(window: &Window<'_>, from: usize) -> Option<usize> {
    let mut at = from + usize::from(window.byte(from) == b' ');
    if !matches!(window.byte(at), b'|' | b'>') {
        return None;
    }
    at += 1 + usize::from(matches!(window.byte(at + 1), b'-' | b'+'));
    at += usize::from(window.byte(at) == b'\r');
    if window.byte(at) != b'\n' {
        return None;
    }
    let start = window.run_while(at + 1, |b| b == b' ');
    (start > at + 1).then_some(start)
}

/// The line of base64 that starts at an offset, when it goes on with a value that is redacted: the line
/// before is nothing else, and set in alike. A program that encodes breaks its lines (RFC 4648, section 3.1).
pub(super) fn next_line(window: &Window<'_>, start: usize) -> Option<Value> {
    let set_in = |at: usize| {
        let gap = window.bytes(window.run_back(at, SPACE), at);
        let line = gap.iter().rposition(|b| *b == b'\n')?;
        Some(gap.len() - line - 1)
    };
    let indent = set_in(start).filter(|indent| *indent > 0)?;
    let end = start - indent - 1;
    let before = end - usize::from(window.before(end) == b'\r');
    let is_alike = match placeholder::start(window, before) {
        Some(start) => set_in(start) == Some(indent),
        None => placeholder::is_long(window, before),
    };
    if !is_alike {
        return None;
    }
    let end = window.run(start, BASE64);
    let text = window.bytes(start, end);
    let is_encoded = !text.starts_with(b"/") && is_mixed(text);
    let ends = window.ends_at(end) || matches!(window.byte(end), b'\n' | b'\r' | 0);
    (is_encoded && ends && text.len() >= LINE_MIN).then_some(Value {
        start,
        end,
        quoted: true,
    })
}

/// Without what ends a sentence.
pub(super) fn trimmed(window: &Window<'_>, mut value: Value) -> Value {
    while !value.quoted
        && !window.ends_at(value.end)
        && value.end > value.start + 1
        && matches!(window.before(value.end), b'.' | b',' | b'?')
    {
        value.end -= 1;
    }
    value
}
