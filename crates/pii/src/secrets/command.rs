//! What commands are given on their line: the login of `curl -u ann:secret`.

use super::argument::{Mark, argument, unquoted};
use super::certain;
use super::stand_in::is_placeholder;
use super::value::{Value, is_odd};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, ARGUMENT, DIGIT, SPACE, UPPER};
use crate::engine::candidate::{Candidate, Tail};
use crate::engine::window::Window;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const LOGIN: i16 = 20;

/// What stands for a password where a command is explained.
const NONE: [&[u8]; 13] = [
    b"api_key",
    b"api_token",
    b"apikey",
    b"key",
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

/// What the command is told by.
pub(crate) const CURL: &[u8] = b"curl ";

/// The flags that give it a login.
const FLAGS: [&str; 3] = ["-u", "--user", "--proxy-user"];

/// How far back the beginning of what a flag is given is looked for, in bytes. What is redacted in it lets the
/// flag see further.
const GIVEN: usize = 1024;

/// Where the space is before the flag of a login, when an offset is in what the flag is given: one word, or
/// what quotation marks in the first word open. Once an offset is not, none behind it is.
pub(crate) fn flag_before(text: &str, offset: usize) -> Option<usize> {
    let from = offset.saturating_sub(GIVEN);
    let before = text.as_bytes().get(from..offset)?;
    let gaps = before.iter().enumerate();
    let mut gaps = gaps.filter_map(|(at, b)| (*b == b' ').then_some(at));
    let is_login = |gap: usize| {
        let rest = before.get(gap + 1..).unwrap_or_default();
        let flag = rest.split(|b| byte::is(*b, SPACE)).next();
        let flag = flag.unwrap_or_default();
        FLAGS.iter().any(|known| known.as_bytes() == flag) && goes_on_in(rest, flag.len())
    };
    gaps.find(|gap| is_login(*gap)).map(|gap| from + gap)
}

const fn is_mark(b: u8) -> bool {
    matches!(b, b'"' | b'\'')
}

/// Whether what a flag of so many bytes is given goes on to the end of a text. Which mark one closes that is
/// escaped is not asked.
fn goes_on_in(text: &[u8], flag: usize) -> bool {
    let given = text.get(flag..).unwrap_or_default().trim_ascii_start();
    if given.contains(&b'\n') {
        return false;
    }
    let (mut open, mut escaped) = (None, false);
    for b in given {
        match (*b, open) {
            (b, _) if is_mark(b) && escaped => return true,
            (b, None) if is_mark(b) => open = Some(b),
            (b, Some(mark)) if b == mark => open = None,
            (b, None) if byte::is(b, SPACE) && !escaped => return false,
            _ => {}
        }
        escaped = *b == b'\\';
    }
    true
}

/// Whether the name of curl stands at an offset, and is not the end of another.
pub(crate) fn is_curl(window: &Window<'_>, at: usize) -> bool {
    window.bytes(at, at + CURL.len()) == CURL && !byte::is(window.before(at), ALNUM)
}

/// Proposes the password in the login that a flag `at..end` of curl is given (curl(1), `--user`). Says
/// whether it is a login. `curl` is where curl was first called in the text.
pub(super) fn login(
    window: &Window<'_>,
    at: usize,
    end: usize,
    curl: Option<usize>,
    found: &mut Vec<Candidate>,
) -> bool {
    if !FLAGS.contains(&window.text(at, end)) || !is_of_curl(window, at, curl) {
        return false;
    }
    let start = window.run(end, SPACE);
    let (start, end) = unquoted(window, start, argument(window, start));
    let login = window.bytes(start, end);
    let Some(colon) = login.iter().position(|b| *b == b':') else {
        return false;
    };
    let name = login.get(..colon).unwrap_or_default();
    // A key may be the name, and nobody's password is behind it.
    let is_key = colon + 1 == login.len();
    let (from, to) = match is_key {
        true => (start, start + colon),
        false => unquoted(window, start + colon + 1, end),
    };
    let value = Value {
        start: from,
        end: to,
        quoted: true,
    };
    let password = window.bytes(from, to);
    let all = |text: &[u8], kinds: u16| text.iter().all(|b| byte::is(*b, kinds));
    let is_name = |b: &u8| byte::is(*b, UPPER) || *b == b'_';
    let is_word = NONE.contains(&password)
        || password.iter().all(is_name)
        || password.windows(2).all(|pair| pair.first() == pair.last())
        || !password.iter().any(|b| byte::is(*b, ALNUM))
        || all(name, DIGIT) && all(password, DIGIT)
        || login.iter().any(|b| matches!(b, b'<' | b'>'))
        || is_key && (password.len() < 8 || !is_odd(window, &value));
    if !is_word && !is_placeholder(window, &value) {
        let mut candidate = certain(Kind::Password, from, to, LOGIN, SHAPE);
        if window.ends_at(to) {
            candidate.tail = Tail::Run(ARGUMENT);
        }
        found.push(candidate);
    }
    true
}

/// How far back the beginning of a command is looked for, in bytes.
const COMMAND: usize = 1536;
/// How many calls there are tried.
const CALLS: usize = 4;

/// Whether the command is curl's. However long its arguments are, redacted they are shorter: where its
/// beginning cannot be seen, it is when curl was called before at all.
fn is_of_curl(window: &Window<'_>, at: usize, curl: Option<usize>) -> bool {
    let Some(curl) = curl.filter(|curl| *curl < at) else {
        return false;
    };
    let from = at.saturating_sub(COMMAND);
    let calls = (curl.max(from)..at).rev();
    let mut calls = calls.filter(|call| is_curl(window, *call)).peekable();
    if calls.peek().is_none() {
        // Within what it began is not known: its line is what can be told.
        return !has_line_end(window.bytes(from, at));
    }
    // The last may be a word in what another is given.
    calls.take(CALLS).any(|call| goes_on(window, call, at))
}

/// Whether a command goes on from one offset to another.
fn goes_on(window: &Window<'_>, from: usize, to: usize) -> bool {
    // In an address they are no ends: `https://x?page=1&limit=10`.
    let is_end = |at: usize, in_address: bool| {
        let next = window.byte(at + 1);
        !in_address || next == 0 || next == window.byte(at) || byte::is(next, SPACE)
    };
    // However much of it is redacted, its scheme is known.
    let (mut in_address, mut read) = (false, from);
    let mut at = from;
    while at < to {
        let is_apostrophe = window.byte(at) == b'\''
            && byte::is(window.before(at), ALNUM)
            && window.is(at + 1, ALNUM);
        if let Some(mark) = Mark::at(window, at).filter(|_| !is_apostrophe) {
            at = match mark.closes_before(window, at, to) {
                Some((_, after)) => after,
                None if mark.width > 1 => at + mark.width,
                // What it opens is not known: its line is what can be told.
                None => return !has_line_end(window.bytes(at, to)),
            };
            continue;
        }
        match window.byte(at) {
            b'\\' => at += 1 + usize::from(window.byte(at + 1) == b'\r'),
            b'\n' | b'|' => return false,
            b';' | b'&' => {
                for at in read..at {
                    let is_scheme = window.bytes(at, at + 3) == b"://";
                    in_address = is_scheme || in_address && !window.is(at, SPACE);
                }
                read = at;
                if is_end(at, in_address) {
                    return false;
                }
            }
            _ => {}
        }
        at += 1;
    }
    true
}

/// Whether a line ends in a text, and does not go on with the next.
fn has_line_end(text: &[u8]) -> bool {
    let mut lines = text.split(|b| *b == b'\n');
    // Behind the last there is no end of a line.
    lines.next_back();
    lines.any(|line| !line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\\"))
}
