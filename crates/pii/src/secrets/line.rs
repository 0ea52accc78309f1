//! What a line of settings gives to a name: all that stands there, whatever signs are in it.

use super::value::Value;
use crate::engine::again::FILL;
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER, SPACE};
use crate::engine::placeholder;
use crate::engine::window::Window;

/// The longest value, and the longest name, in bytes.
const VALUE_MAX: usize = 128;
const NAME_MAX: usize = 64;

/// The whole of `DB_PASSWORD=k2&v8)x|q0!` or of `password: k2&v8)x|q0!`, whose name ends at a sign, when it
/// is more than the value `first`, which ends at what ends values elsewhere.
///
/// A name alone at the beginning of a line is of an environment, of properties or of YAML: what is behind it
/// goes on to the line's end. A query, a form and a program's line are none.
pub(super) fn of_settings(window: &Window<'_>, sign: usize, first: &Value) -> Option<Value> {
    let is_sign = match window.byte(sign) {
        b'=' => first.start == sign + 1,
        _ => window.byte(sign + 1) == b' ',
    };
    if !is_sign || !is_name(window, sign) {
        return None;
    }
    let (start, first_end) = (first.start, first.end);
    let end = window.run_while(start, |b| !byte::is(b, SPACE));
    let is_longer = window
        .bytes(first_end, end)
        .iter()
        .any(|b| byte::is(*b, ALNUM));
    if end - start > VALUE_MAX || first_end <= start || !is_longer || !ends(window, end) {
        return None;
    }
    let text = window.bytes(start, end);
    let has = |kinds: u16| text.iter().any(|b| byte::is(*b, kinds));
    let is_quoted = |b: &u8| matches!(*b, b'"' | b'\'' | b'`' | b'\\' | b'=' | FILL);
    let is_program = [b"&&".as_slice(), b"||", b"$(", b"${", b"://", b">/"]
        .into_iter()
        .any(|part| text.windows(part.len()).any(|window| window == part));
    let opens = text.iter().position(|b| *b == b'<');
    let is_element = opens.is_some_and(|at| text.iter().skip(at).any(|b| *b == b'>'));
    let has_label = (start..end).any(|at| placeholder::end(window, at).is_some());
    let is_value = has(LETTER)
        && has(DIGIT)
        && !text.iter().any(is_quoted)
        && !is_program
        && !is_element
        && !has_label;
    is_value.then_some(Value {
        start,
        end,
        quoted: true,
    })
}

/// Whether a name ends at an offset, and nothing stands before it on its line but `export`, or what sets in
/// an entry of YAML.
fn is_name(window: &Window<'_>, end: usize) -> bool {
    let is_of_name = |b: u8| byte::is(b, ALNUM) || matches!(b, b'_' | b'.');
    let mut start = end;
    while end - start < NAME_MAX && is_of_name(window.before(start)) {
        start -= 1;
    }
    let before = start.saturating_sub(b"export ".len());
    let line = match window.bytes(before, start) {
        b"export " => before,
        _ if window.byte(end) == b':' => {
            let floor = start.saturating_sub(NAME_MAX);
            let indent = window.bytes(floor, start).iter().rev();
            start - indent.take_while(|b| matches!(b, b' ' | b'-')).count()
        }
        _ => start,
    };
    start < end && matches!(window.before(line), b'\n' | 0)
}

/// Whether a line ends at an offset, but for spaces and a comment.
fn ends(window: &Window<'_>, at: usize) -> bool {
    let next = window.run_while(at, |b| matches!(b, b' ' | b'\t'));
    let is_comment = next > at && window.byte(next) == b'#';
    !window.ends_at(next) && (is_comment || matches!(window.byte(next), b'\n' | b'\r' | 0))
}
