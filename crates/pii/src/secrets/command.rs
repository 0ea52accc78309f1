//! What commands are given on their line: the login of `curl -u ann:secret`.

use super::certain;
use super::value::{Value, is_placeholder};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, SPACE};
use crate::engine::candidate::Candidate;
use crate::engine::window::{BEHIND, Window};

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const LOGIN: i16 = 20;

/// What stands for a password where a command is explained.
const NONE: [&[u8]; 9] = [
    b"pass",
    b"passwd",
    b"password",
    b"token",
    b"secret",
    b"test",
    b"example",
    b"foo",
    b"bar",
];

/// Proposes the password in the login that a flag `at..end` of curl is given (curl(1), `--user`). Says
/// whether it is such a flag.
pub(super) fn login(
    window: &Window<'_>,
    at: usize,
    end: usize,
    found: &mut Vec<Candidate>,
) -> bool {
    let flag = window.bytes(at, end);
    if !matches!(flag, b"-u" | b"--user" | b"--proxy-user") || !is_of_curl(window, at) {
        return false;
    }
    let start = window.run(end, SPACE);
    let quote = window.byte(start);
    let (start, end) = if matches!(quote, b'"' | b'\'') {
        let end = window.run_while(start + 1, |b| b != quote && b != b'\n');
        (start + 1, end)
    } else {
        let ends = |b: u8| byte::is(b, SPACE) || matches!(b, b'"' | b'\'' | b'`' | b';');
        (start, window.run_while(start, |b| !ends(b)))
    };
    let login = window.bytes(start, end);
    let Some(colon) = login.iter().position(|b| *b == b':') else {
        return true;
    };
    // A key may be the name, or the password, of nobody.
    let (from, to) = match colon + 1 == login.len() {
        true => (start, start + colon),
        false => (start + colon + 1, end),
    };
    let value = Value {
        start: from,
        end: to,
        quoted: true,
    };
    let password = window.bytes(from, to);
    let is_word = NONE.contains(&password)
        || password.windows(2).all(|pair| pair.first() == pair.last())
        || !password.iter().any(|b| byte::is(*b, ALNUM))
        || login.iter().any(|b| matches!(b, b'<' | b'>'));
    if to > from && !is_word && !is_placeholder(window, &value) {
        found.push(certain(Kind::Password, from, to, LOGIN, SHAPE));
    }
    true
}

/// Whether the command is curl, as far as it can be seen.
fn is_of_curl(window: &Window<'_>, at: usize) -> bool {
    let from = at.saturating_sub(BEHIND);
    let before = window.bytes(from, at);
    before.windows(5).any(|word| word == b"curl ")
}
