//! What stands in the place of a value already: never a value again, nor a part of one.

use super::again::FILL;
use super::byte::{self, ALNUM, DIGIT};
use super::window::Window;
use crate::token::CHARACTERS;

/// The longest placeholder, with room: a label, and the code of the operator `hmac`.
const LONGEST: usize = 64;

/// Whether one ends just before an offset.
///
/// It is a word to what stands beside it, as the value was that it stands for: else what was no
/// value beside `x@example.com` would be one beside `[EMAIL]`.
pub(crate) fn is_before(window: &Window<'_>, at: usize) -> bool {
    window.before(at - 1) == FILL || start(window, at).is_some()
}

/// The longest value whose start is looked for.
const LINE: usize = 1024;

/// Whether what ends just before an offset stands for a value whose start is not looked for.
pub(crate) fn is_long(window: &Window<'_>, at: usize) -> bool {
    let before = window.whole().as_bytes().get(..at).unwrap_or_default();
    let inner = before.strip_suffix(b"]").unwrap_or(before);
    let last = inner
        .len()
        .checked_sub(LINE)
        .and_then(|from| inner.get(from..));
    last.is_some_and(|last| last.iter().all(|b| *b == FILL))
}

/// Where the placeholder starts that ends just before an offset.
pub(crate) fn start(window: &Window<'_>, at: usize) -> Option<usize> {
    let before = window.whole().as_bytes().get(..at)?;
    let inner = before.strip_suffix(b"]").unwrap_or(before);
    let fill = inner.iter().rev().take(LINE).take_while(|b| **b == FILL);
    let fill = fill.count();
    if fill > 0 {
        let start = inner.get(..inner.len() - fill)?;
        return (fill < LINE).then(|| start.strip_suffix(b"[").unwrap_or(start).len());
    }
    let mut starts = (at.saturating_sub(LONGEST)..at).rev();
    let start = starts.find(|start| window.before(start + 1) == b'[')?;
    (end(window, start) == Some(at)).then_some(start)
}

/// Where a placeholder ends that starts at an offset: a label, alone or with what the operators put
/// behind it.
pub(crate) fn end(window: &Window<'_>, at: usize) -> Option<usize> {
    if window.byte(at) != b'[' {
        return None;
    }
    if window.byte(at + 1) == FILL {
        // However long the value is.
        let rest = window.whole().as_bytes().get(at + 1..).unwrap_or_default();
        let close = rest.iter().position(|b| *b != FILL)?;
        return (rest.get(close) == Some(&b']')).then_some(at + close + 2);
    }
    let end = window.run_while(at + 1, |b| {
        byte::is(b, ALNUM) || matches!(b, b'_' | b'#' | b'*' | b' ')
    });
    if window.byte(end) != b']' {
        return None;
    }
    let inner = window.text(at + 1, end);
    let known = |label: &str| window.is_label(label);
    let all = |text: &str, kinds: u16| text.bytes().all(|b| byte::is(b, kinds));
    // No more than an operator writes, so that nothing can be hidden behind a label.
    let numbered = |number: &str| (1..=6).contains(&number.len()) && all(number, DIGIT);
    let token = |random: &str| random.len() == CHARACTERS && all(random, DIGIT | byte::UPPER);
    let is = known(inner)
        || inner
            .rsplit_once('_')
            .is_some_and(|(label, rest)| known(label) && (numbered(rest) || token(rest)))
        || inner
            .split_once('#')
            .is_some_and(|(label, code)| known(label) && code.len() == 16 && all(code, byte::HEX))
        || inner
            .split_once(" ****")
            .is_some_and(|(label, kept)| known(label) && kept.len() <= 4 && all(kept, ALNUM));
    is.then_some(end + 1)
}
