//! Addresses with a password in them: userinfo (RFC 3986, section 3.2.1), JDBC, and lists of
//! `key=value` pairs.

use super::certain;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, LETTER, SPACE};
use crate::engine::candidate::{Candidate, Tail};
use crate::engine::window::Window;
use crate::recognisers::web::url_end;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const ADDRESS: i16 = 45;

/// Proposes the address whose scheme ends at a colon.
pub(crate) fn colon(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    if window.byte(at + 1) != b'/' || window.byte(at + 2) != b'/' {
        return;
    }
    let mut start = at;
    while start > 0
        && at - start < 40
        && (byte::is(window.before(start), ALNUM)
            || matches!(window.before(start), b'+' | b'.' | b'-' | b':'))
    {
        start -= 1;
    }
    while start < at && !byte::is(window.byte(start), LETTER) {
        start += 1;
    }
    if start == at {
        return;
    }
    let authority = at + 3;
    let userinfo = window.run_while(authority, |b| {
        !byte::is(b, SPACE)
            && !matches!(
                b,
                b'/' | b'?' | b'#' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'`'
            )
    });
    let mut end = url_end(window, authority);
    // An IPv6 address in brackets: `user:password@[2001:db8::1]:5432`.
    if window.byte(userinfo) == b'@' && window.byte(userinfo + 1) == b'[' {
        let close = window.run_while(userinfo + 2, |b| {
            byte::is(b, byte::HEX) || matches!(b, b':' | b'.')
        });
        if window.byte(close) == b']' {
            end = url_end(window, close + 1);
        }
    }
    let jdbc = window.bytes(start, start + 5) == b"jdbc:";
    let password = if window.byte(userinfo) == b'@' {
        let info = window.bytes(authority, userinfo);
        info.iter()
            .position(|b| *b == b':')
            .map(|colon| (authority + colon + 1, userinfo))
    } else {
        parameter(window, authority, end)
    };
    let Some((from, to)) = password.filter(|(from, to)| to > from) else {
        return;
    };
    if is_reference(window.bytes(from, to)) {
        return;
    }
    // Only the last part of what stands before the scheme is its own: `url:postgres://`.
    if !jdbc && let Some(colon) = window.bytes(start, at).iter().rposition(|b| *b == b':') {
        start += colon + 1;
    }
    let mut candidate = certain(Kind::ConnectionString, start, end.max(to), ADDRESS, SHAPE);
    if window.ends_at(end) {
        candidate.tail = Tail::Run(byte::URL);
    }
    found.push(candidate);
}

/// The value of `password=` in a query.
fn parameter(window: &Window<'_>, from: usize, end: usize) -> Option<(usize, usize)> {
    let text = window.bytes(from, end);
    if !text.contains(&b'=') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    [b"password=".as_slice(), b"pwd="].iter().find_map(|name| {
        let at = lower
            .windows(name.len())
            .position(|window| window == *name)?;
        let begins = at
            .checked_sub(1)
            .and_then(|before| lower.get(before))
            .is_some_and(|b| matches!(b, b'?' | b'&' | b';'));
        let value = from + at + name.len();
        let stop = window.run_while(value, |b| {
            !byte::is(b, SPACE) && !matches!(b, b'&' | b';' | b'"' | b'\'')
        });
        begins.then_some((value, stop))
    })
}

/// Proposes the list of pairs around the equals sign of a password: `Server=x;Password=y`.
pub(crate) fn pairs(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    let name = window.run_back(at, ALNUM);
    let key = window.bytes(name, at).to_ascii_lowercase();
    if key == b"sig" {
        signed(window, at, found);
        return;
    }
    let keys: [&[u8]; 5] = [
        b"password",
        b"pwd",
        b"accountkey",
        b"sharedaccesskey",
        b"accesskey",
    ];
    if !keys.contains(&key.as_slice()) {
        return;
    }
    let outside = |b: u8| matches!(b, b'"' | b'\'' | b'`' | b'\n' | b'\r' | b'<' | b'>' | 0);
    let value = window.run_while(at + 1, |b| !outside(b) && b != b';' && b != b' ');
    if value == at + 1 || is_reference(window.bytes(at + 1, value)) {
        return;
    }
    let separator = if window.before(name) == b';' || window.byte(value) == b';' {
        b';'
    } else {
        b' '
    };
    // Back over whole pairs.
    let earliest = window.reach(at);
    let mut start = name;
    while start > earliest && !outside(window.before(start)) {
        let mut pair = start - 1;
        if window.before(start) == b' ' && separator == b';' && window.before(start - 1) == b';' {
            pair -= 1;
        }
        if !matches!(window.before(start), b';' | b' ')
            || separator == b' ' && window.before(start) != b' '
        {
            break;
        }
        let end = pair;
        while pair > earliest && !outside(window.before(pair)) && window.before(pair) != separator {
            pair -= 1;
        }
        let text = window.bytes(pair, end);
        let Some(equals) = text.iter().position(|b| *b == b'=') else {
            break;
        };
        let words = text.get(..equals).unwrap_or_default();
        // What stands before the first key is no part of it: `connection string: Data Source=x`.
        let named = |b: &u8| byte::is(*b, ALNUM) || matches!(b, b' ' | b'_');
        let before = words.iter().rposition(|b| !named(b)).map_or(0, |at| at + 1);
        let key = words.get(before..).unwrap_or_default();
        let lead = before + key.iter().take_while(|b| **b == b' ').count();
        if lead == words.len() {
            break;
        }
        start = pair + lead;
        if before > 0 {
            break;
        }
    }
    // Forward over whole pairs.
    let mut end = value;
    while window.byte(end) == separator {
        let next = end + 1 + usize::from(separator == b';' && window.byte(end + 1) == b' ');
        let equals = window.run_while(next, |b| {
            byte::is(b, ALNUM) || matches!(b, b'_') || separator == b';' && b == b' '
        });
        if window.byte(equals) != b'=' || equals == next {
            break;
        }
        end = window.run_while(equals + 1, |b| !outside(b) && b != separator);
    }
    if end == value && start == name {
        return;
    }
    if separator == b';' && window.byte(end) == b';' {
        end += 1;
    }
    let pairs = window.bytes(start, end);
    let known = [
        b"host=".as_slice(),
        b"hostname=",
        b"server=",
        b"source=",
        b"endpoint",
        b"accountname=",
        b"uid=",
        b"user",
        b"dbname=",
        b"database=",
        b"driver=",
    ];
    let lower = pairs.to_ascii_lowercase();
    // Pairs with spaces between stand in log lines too: there a host or a database has to be named.
    let place = [b"host".as_slice(), b"dbname=", b"server=", b"database="];
    let named = |keys: &[&[u8]]| {
        keys.iter()
            .any(|key| lower.windows(key.len()).any(|window| window == *key))
    };
    if named(&known) && (separator == b';' || named(&place)) {
        found.push(certain(Kind::ConnectionString, start, end, ADDRESS, SHAPE));
    }
}

/// Proposes the shared access signature around `sig=`: rights, times and what signs them (Azure
/// Storage, service SAS).
fn signed(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    let part =
        |b: u8| byte::is(b, byte::TOKEN) || matches!(b, b'%' | b'.' | b'~' | b'+' | b'/' | b':');
    let mut end = window.run_while(at + 1, part);
    while window.byte(end) == b'&'
        && window.byte(window.run_while(end + 1, |b| byte::is(b, LETTER))) == b'='
    {
        end = window.run_while(end + 1, |b| part(b) || b == b'=');
    }
    let earliest = window.reach(at);
    let mut start = at;
    while start > earliest
        && (part(window.before(start)) || matches!(window.before(start), b'&' | b'='))
    {
        start -= 1;
    }
    let query = window.bytes(start, end);
    let has = |key: &[u8]| {
        query
            .split(|b| *b == b'&')
            .any(|pair| pair.starts_with(key))
    };
    if end - at >= 40 && has(b"sv=") && has(b"se=") && has(b"sp=") {
        found.push(certain(Kind::ApiKey, start, end, ADDRESS, SHAPE));
    }
}

/// A variable or a mask in the password's place.
fn is_reference(value: &[u8]) -> bool {
    value.starts_with(b"$")
        || value.starts_with(b"<")
        || value.starts_with(b"[")
        || value.starts_with(b"{")
        || value.starts_with(b"%") && value.ends_with(b"%")
        || value.iter().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.'))
}
