//! E-mail addresses: RFC 5321, section 4.1.2, without quoted local parts.

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, LOCAL};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::{Window, is_word};

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const ADDRESS: i16 = 35;
/// No top-level domain has one letter; yet `a@b.c` is what people write for an address.
const SHORT_TOP_LEVEL: i16 = 5;
/// "john at example dot com"
const SPELLED: i16 = 14;

/// The longest local part (RFC 5321, section 4.5.3.1.1), with room for several bytes a letter.
const LOCAL_MAX: usize = 128;
/// The longest domain name (RFC 1035, section 2.3.4).
const DOMAIN_MAX: usize = 253;

/// Proposes the address around an at sign.
pub(crate) fn at_sign(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    let Some(end) = domain_end(window, at + 1) else {
        return;
    };
    let start = local_start(window, at);
    // `@ann@example.social` is a name on a network.
    let handle = window.before(start) == b'@' && !byte::is(window.before(start - 1), LOCAL);
    if start < at && !handle {
        let last = window.bytes(at + 1, end);
        let top_level = last.rsplit(|b| *b == b'.').next().map_or(0, <[u8]>::len);
        // `logo@2x.png` is a file; `a@b.T` a product.
        let name = last.rsplit(|b| *b == b'.').next().unwrap_or_default();
        if FILES.contains(&name) || name.len() == 1 && name.iter().all(u8::is_ascii_uppercase) {
            return;
        }
        let base = if top_level > 1 {
            ADDRESS
        } else {
            SHORT_TOP_LEVEL
        };
        found.push(candidate(start, end, base));
    }
}

/// Endings of files with an at sign in their names.
const FILES: [&[u8]; 8] = [
    b"png", b"jpg", b"jpeg", b"gif", b"webp", b"svg", b"bmp", b"ico",
];

fn candidate(start: usize, end: usize, base: i16) -> Candidate {
    Candidate {
        class: Kind::Email as u16,
        start,
        end,
        base,
        evidence: SHAPE,
        tier: Tier::Holder,
        weighed: false,
        tail: Tail::None,
    }
}

/// Where the local part that ends at `at` begins.
fn local_start(window: &Window<'_>, at: usize) -> usize {
    let (mut start, mut position) = (at, at);
    while position > 0 && at - position < LOCAL_MAX {
        let b = window.before(position);
        let width = if b.is_ascii() {
            let doubled = b == b'.' && window.byte(position) == b'.';
            if !byte::is(b, LOCAL) || doubled {
                break;
            }
            1
        } else {
            match window.char_before(position).filter(|c| is_word(*c)) {
                Some(c) => c.len_utf8(),
                None => break,
            }
        };
        // `\n` written as two characters ends what stands before.
        if b == b'n' && window.before(position - 1) == b'\\' {
            break;
        }
        position -= width;
        // It begins with a letter, a digit or an underscore: a quotation mark or a dash before
        // an address is not of it.
        if byte::is(b, byte::ALNUM) || b == b'_' || !b.is_ascii() {
            start = position;
        }
    }
    start
}

/// Where the domain that starts at `start` ends: after the last label that can be a top-level
/// domain, the first label excepted.
pub(crate) fn domain_end(window: &Window<'_>, start: usize) -> Option<usize> {
    if window.byte(start) == b'[' {
        return literal_end(window, start);
    }
    let (mut end, mut labels, mut position) = (None, 0, start);
    loop {
        let label = position;
        let (mut letters, mut length) = (true, 0);
        while length <= 63 {
            let b = window.byte(position);
            let width = if byte::is(b, byte::ALNUM) || b == b'-' && length > 0 {
                letters &= byte::is(b, byte::LETTER);
                1
            } else if !b.is_ascii() {
                match window.char(position).filter(|c| is_word(*c)) {
                    Some(c) => c.len_utf8(),
                    None => break,
                }
            } else {
                break;
            };
            position += width;
            length += 1;
        }
        if position == label || length > 63 || position - start > DOMAIN_MAX {
            return end;
        }
        let mut last = position;
        while window.before(last) == b'-' {
            last -= 1;
        }
        // Letters only, or an internationalised label in its ASCII form (RFC 5890).
        let top_level = last == position && letters
            || window.bytes(label, last).starts_with(b"xn--")
            || last < position
                && window
                    .bytes(label, last)
                    .iter()
                    .all(u8::is_ascii_alphabetic);
        if labels > 0 && top_level && last > label {
            end = Some(last);
        } else if labels > 0 && window.byte(position) != b'.' {
            // `ann@example.com-x`: no top-level domain has a hyphen, so that it ends what came before.
            let head = window.run(label, byte::LETTER);
            if head >= label + 2 && window.byte(head) == b'-' {
                return Some(head);
            }
        }
        if last < position || window.byte(position) != b'.' {
            return end;
        }
        labels += 1;
        position += 1;
    }
}

/// An address literal: `[192.0.2.1]` or `[IPv6:...]` (RFC 5321, section 4.1.3).
fn literal_end(window: &Window<'_>, start: usize) -> Option<usize> {
    // The longest literal is `[IPv6:` with 45 characters and `]`.
    let close = (start + 1..start + 52).find(|at| matches!(window.byte(*at), b']' | 0))?;
    let inner = window.text(start + 1, close);
    let valid = match inner.strip_prefix("IPv6:") {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => inner.parse::<std::net::Ipv4Addr>().is_ok(),
    };
    valid.then_some(close + 1)
}

/// How "at" is spelled out.
const ATS: [&[u8]; 7] = [
    b" at ", b" (at) ", b" [at] ", b"(at)", b"[at]", b" {at} ", b" @ ",
];
const DOTS: [&[u8]; 7] = [
    b" dot ", b" (dot) ", b" [dot] ", b"(dot)", b"[dot]", b" {dot} ", b".",
];

/// Whether a word is the at sign of an address that is spelled out.
pub(crate) fn is_spelled_at(word: &[u8]) -> bool {
    is_one_of(&ATS, word)
}

/// Whether a word is the full stop of an address that is spelled out.
pub(crate) fn is_spelled_dot(word: &[u8]) -> bool {
    is_one_of(&DOTS, word)
}

fn is_one_of(spelled: &[&[u8]], word: &[u8]) -> bool {
    let mut spelled = spelled.iter().map(|known| known.trim_ascii());
    word != b"." && spelled.any(|known| word.eq_ignore_ascii_case(known))
}

/// Proposes an address that is spelled out, whose word for the at sign starts at an offset.
pub(crate) fn spelled(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    let starts = |at: usize, word: &[u8]| {
        word.iter()
            .enumerate()
            .all(|(i, b)| window.byte(at + i).to_ascii_lowercase() == *b)
    };
    let Some(word) = ATS.iter().find(|word| starts(at, word)) else {
        return;
    };
    let start = window.run_back(at, LOCAL);
    let mut position = at + word.len();
    let bare = word.first() == Some(&b' ') && word.len() == 4;
    let (mut end, mut spelled_dot) = (None, false);
    loop {
        let label = position;
        position = window.run(position, byte::TOKEN);
        if position == label {
            break;
        }
        if label > at + word.len()
            && window
                .bytes(label, position)
                .iter()
                .all(u8::is_ascii_alphabetic)
            && position - label >= 2
        {
            end = Some(position);
        }
        let Some(dot) = DOTS.iter().find(|dot| starts(position, dot)) else {
            break;
        };
        spelled_dot |= dot.len() > 1;
        position += dot.len();
    }
    // "meet me at example.com" holds no address.
    if let Some(end) = end
        && (spelled_dot || !bare && word != ATS.last().unwrap_or(word))
        && start < at
        && window.before(start) != b'@'
        && !matches!(window.bytes(at + word.len(), at + word.len() + 4), b"the ")
    {
        found.push(candidate(start, end, SPELLED));
    }
}
