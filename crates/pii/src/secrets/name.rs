//! The names of secrets, before a sign: `password =`, `apiKey:`, `token string =`.

use crate::class::Kind;
use crate::engine::byte::{self, ALNUM, LETTER, LOWER, UPPER};
use crate::engine::lexicon::Lexicon;
use crate::engine::placeholder;
use crate::engine::window::Window;

/// Which of the classes a name that ends at an offset may be of.
pub(super) struct Names {
    pub(super) password: bool,
    pub(super) username: bool,
    pub(super) secret: bool,
    /// Where it ends.
    pub(super) end: usize,
}

impl Names {
    pub(super) const SECRET: Self = Self {
        password: false,
        username: false,
        secret: true,
        end: 0,
    };
}

pub(super) fn name_before(window: &Window<'_>, lexicon: &Lexicon, at: usize) -> Option<Names> {
    let mut end = at;
    // Signs that stand below one another are set off.
    while end > 0 && at - end < 24 && matches!(window.before(end), b' ' | b'\t') {
        end -= 1;
    }
    let at = end;
    while end > 0
        && at - end < 4
        && matches!(
            window.before(end),
            b' ' | b'"' | b'\'' | b'`' | b']' | b'\\'
        )
    {
        // A label is no name: `[PASSWORD]: x`.
        if window.before(end) == b']' && placeholder::is_before(window, end) {
            return None;
        }
        end -= 1;
    }
    let mut start = end;
    while start > 0 && end - start < 24 {
        let b = window.before(start);
        let hump = start < end && byte::is(window.byte(start), UPPER) && byte::is(b, LOWER);
        if hump || b.is_ascii() && !byte::is(b, LETTER) {
            break;
        }
        start -= 1;
    }
    let word = window.text(start, end);
    if !(2..=20).contains(&word.len()) {
        return None;
    }
    let entry = lexicon.find(word)?;
    let phrase = entry.ends_phrase;
    let named = |kind: Kind| entry.names.contains(kind as u16);
    let names = Names {
        end,
        password: named(Kind::Password) || phrase,
        username: named(Kind::Username) || phrase,
        secret: named(Kind::Generic) || phrase,
    };
    (names.password || names.username || names.secret).then_some(names)
}

/// Whether the name that ends at an offset is of what opens something, whatever it looks like: of a key
/// of an interface, and not of a row.
pub(super) fn opens(window: &Window<'_>, end: usize) -> bool {
    const NAMES: [&[u8]; 6] = [
        b"apikey",
        b"accesskey",
        b"token",
        b"authorization",
        b"secret",
        b"secretkey",
    ];
    let start = end.saturating_sub(20);
    let before = window.bytes(start, end).iter();
    let joined: Vec<u8> = before
        .filter(|b| !matches!(b, b'_' | b'-'))
        .map(u8::to_ascii_lowercase)
        .collect();
    NAMES.iter().any(|name| joined.ends_with(name))
}

/// Whether the name that ends at an offset has a secret's in it, and does not end as another's does:
/// `secretString`, `api_token_2`.
pub(super) fn holds_a_name(window: &Window<'_>, at: usize) -> bool {
    const WITHIN: [&[u8]; 4] = [b"secret", b"token", b"api_key", b"password"];
    const ENDS: [&[u8]; 14] = [
        b"id", b"name", b"hash", b"url", b"uri", b"path", b"type", b"file", b"digest", b"version",
        b"ref", b"arn", b"sum", b"sha",
    ];
    let end = at - usize::from(window.before(at) == b' ');
    let end = end - usize::from(matches!(window.before(end), b'"' | b'\''));
    let start = end
        .saturating_sub(40)
        .max(window.run_back(end, byte::TOKEN));
    let name = window.bytes(start, end);
    let holds = |within: &&[u8]| {
        let mut parts = name.windows(within.len());
        parts.any(|part| part.eq_ignore_ascii_case(within))
    };
    let ends = |ending: &&[u8]| {
        let last = name.len().checked_sub(ending.len());
        last.and_then(|at| name.get(at..))
            .is_some_and(|last| last.eq_ignore_ascii_case(ending))
    };
    name.len() >= 6 && WITHIN.iter().any(holds) && !ENDS.iter().any(ends)
}

/// Where an operator begins that ends with an equals sign: `+=`, `?=`, `.=`, `::=`.
pub(super) fn before_operator(window: &Window<'_>, sign: usize) -> usize {
    let mut start = sign;
    while window.byte(sign) == b'='
        && sign - start < 3
        && matches!(window.before(start), b'+' | b'?' | b'.' | b':' | b'|')
    {
        start -= 1;
    }
    start
}

/// Where the name ends before a type and an equals sign: `password: String = "x"`, `password string =
/// "x"`.
pub(super) fn before_type(window: &Window<'_>, equals: usize) -> Option<usize> {
    if window.byte(equals) != b'=' {
        return None;
    }
    let end = equals - usize::from(window.before(equals) == b' ');
    let start = window.run_back(end, ALNUM);
    let is_go = window.bytes(start, end) == b"string" && window.before(start) == b' ';
    if is_go && byte::is(window.before(start - 1), ALNUM) {
        return Some(start - 1);
    }
    let colon = start - usize::from(start > 0 && window.before(start) == b' ');
    let is_type = start < end && window.before(colon) == b':' && colon > 1;
    is_type.then(|| colon - 1)
}
