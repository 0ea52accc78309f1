//! What stands behind a secret's name and a comma: in a row, in a call.

use super::assigned::propose;
use super::name::{Names, name_before};
use super::value::{Value, is_odd};
use crate::engine::byte::{self, LETTER};
use crate::engine::candidate::Candidate;
use crate::engine::lexicon::Lexicon;
use crate::engine::window::Window;

/// Proposes what stands behind a secret's name and a comma: in a row, in a call. It starts at an offset,
/// and is long and random.
pub(crate) fn listed(
    window: &Window<'_>,
    lexicon: &Lexicon,
    start: usize,
    found: &mut Vec<Candidate>,
) {
    let is_quote = |b: u8| matches!(b, b'"' | b'\'' | b'`');
    let quoted = is_quote(window.before(start));
    let mut at = start - usize::from(quoted);
    at -= usize::from(window.before(at) == b' ');
    if window.before(at) != b',' {
        return;
    }
    at -= 1;
    at -= usize::from(is_quote(window.before(at)));
    if !byte::is(window.before(at), LETTER) {
        return;
    }
    // Without quotation marks it is of a row: arguments of a program are names.
    let name = window.run_back(at, byte::TOKEN);
    if !quoted && !matches!(window.before(name), 0 | b'\n') {
        return;
    }
    let names = name_before(window, lexicon, at);
    // `define('DB_PASSWORD', 'x')`
    if let Some(names) = names.filter(|names| names.password && quoted)
        && let Some(value) = last_argument(window, name, start)
    {
        propose(window, &names, &value, false, found);
        return;
    }
    let names = names.filter(|names| names.secret);
    let end = window.run_while(start, |b| {
        byte::is(b, byte::KEYISH) || matches!(b, b'+' | b'/' | b'=')
    });
    let value = Value {
        start,
        end,
        quoted: true,
    };
    let ends = matches!(
        window.byte(end),
        b',' | b'"' | b'\'' | b'`' | b'\n' | b'\r' | 0
    );
    if let Some(names) = names
        && ends
    {
        let names = Names {
            password: false,
            username: false,
            ..names
        };
        propose(window, &names, &value, false, found);
    }
}

/// The second of two arguments in quotation marks, `name` and `start`, that a call is given: a word that no
/// list of names or rules would have there.
fn last_argument(window: &Window<'_>, name: usize, start: usize) -> Option<Value> {
    let quote = window.before(start);
    let mut open = name - usize::from(matches!(window.before(name), b'"' | b'\''));
    if open == name {
        return None;
    }
    open -= usize::from(window.before(open) == b' ');
    let end = window.run_while(start, |b| b != quote && b != b'\n');
    let close = end + 1 + usize::from(window.byte(end + 1) == b' ');
    let value = Value {
        start,
        end,
        quoted: true,
    };
    let is_rule = |b: &u8| matches!(b, b'|' | b':' | b' ' | b',');
    let is_call = window.before(open) == b'('
        && byte::is(window.before(open - 1), LETTER)
        && window.byte(end) == quote
        && window.byte(close) == b')';
    let text = window.bytes(start, end);
    // A field may be called so.
    let is_name = text.windows(4).any(|part| part == b"assw");
    let is_word = is_odd(window, &value)
        && text.iter().any(|b| byte::is(*b, byte::DIGIT))
        && !text.iter().any(is_rule)
        && !is_name;
    (is_call && is_word).then_some(value)
}
