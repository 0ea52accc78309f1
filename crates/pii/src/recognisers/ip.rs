//! Addresses of networks and of their hardware.

use std::net::Ipv6Addr;

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT, HEX, SPACE};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const V4: i16 = 26;
/// The first octet is 0 or the address ends in .0.0.0: versions look so.
const V4_DOUBTFUL: i16 = 4;
/// The same with a hyphen and a number behind.
const V4_VERSION: i16 = -12;
const V6: i16 = 30;
const V6_OF_LETTERS: i16 = 5;
const V6_SHORT: i16 = -6;
/// `::`, which a name before it hardly makes an address.
const V6_NONE: i16 = -80;
const MAC: i16 = 32;
const MAC_COMPACT: i16 = -20;

fn candidate(kind: Kind, start: usize, end: usize, base: i16) -> Candidate {
    Candidate {
        class: kind as u16,
        start,
        end,
        base,
        evidence: SHAPE,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    }
}

/// Proposes an IPv4 address (RFC 791) whose first octet is the run `start..run`.
pub(crate) fn v4(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    if run - start > 3 || window.byte(run) != b'.' {
        return;
    }
    let before = window.before(start);
    if before == b'.' || before == b'-' && byte::is(window.before(start - 1), ALNUM) {
        return;
    }
    let (mut position, mut octets) = (start, [0_u16; 4]);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if window.byte(position) != b'.' {
                return;
            }
            position += 1;
        }
        let end = window.run(position, DIGIT);
        let digits = window.bytes(position, end);
        let leading = digits.len() > 1 && digits.first() == Some(&b'0');
        if digits.is_empty() || digits.len() > 3 || leading {
            return;
        }
        *octet = digits.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
        if *octet > 255 {
            return;
        }
        position = end;
    }
    let goes_on = window.word_at(position)
        || window.byte(position) == b'.' && window.is(position + 1, ALNUM)
        || window.byte(position) == b'-' && window.is(position + 1, byte::LETTER);
    if goes_on {
        return;
    }
    let small = octets.iter().all(|octet| *octet < 20);
    // `1.2.5.1-2`: the second making of a version; `10.0.0.1-20` is a range.
    let made =
        octets[0] != 10 && window.byte(position) == b'-' && window.is(position + 1, DIGIT) && {
            let stop = window.run(position + 1, DIGIT);
            window.byte(stop) != b'.'
        };
    let base = if (octets[0] == 0 || small) && made {
        V4_VERSION
    } else if octets[0] == 0 || small {
        V4_DOUBTFUL
    } else {
        V4
    };
    found.push(candidate(
        Kind::Ip,
        start,
        network(window, position, 32),
        base,
    ));
}

/// Where a network's address ends with its prefix length (RFC 4632, section 3.1; RFC 4291, section 2.3):
/// `192.0.2.0/24`.
fn network(window: &Window<'_>, end: usize, longest: u32) -> usize {
    let stop = window.run(end + 1, DIGIT);
    let digits = window.bytes(end + 1, stop);
    let is_path = matches!(window.byte(stop), b'/' | b'-' | b'_' | b'%' | b'?')
        || window.word_at(stop)
        || window.byte(stop) == b'.' && window.is(stop + 1, ALNUM);
    let length = digits
        .iter()
        .take(3)
        .fold(0, |n, b| n * 10 + u32::from(b - b'0'));
    let is_length = (1..=3).contains(&digits.len())
        && (digits.len() == 1 || digits.first() != Some(&b'0'))
        && length <= longest;
    match window.byte(end) == b'/' && is_length && !is_path {
        true => stop,
        false => end,
    }
}

/// Proposes an IPv6 address (RFC 4291, section 2.2) or a hardware address around a colon.
pub(crate) fn colon(window: &Window<'_>, at: usize, found: &mut Vec<Candidate>) {
    let part = |b: u8| byte::is(b, HEX) || b == b':';
    if !part(window.byte(at + 1)) && window.before(at) != b':' {
        return;
    }
    let mut start = at;
    while part(window.before(start)) && at - start < 45 && start > 0 {
        start -= 1;
    }
    if window.word_before(start) || matches!(window.before(start), b'.' | b'_') {
        return;
    }
    let end = window.run_while(at, part);
    // An address that ends in decimals: `::ffff:192.0.2.1`.
    let dotted = window.run_while(end, |b| byte::is(b, DIGIT) || b == b'.');
    for end in [dotted, end] {
        let mut end = end;
        // What ends a sentence or a key.
        while matches!(window.before(end), b'.')
            || window.before(end) == b':' && window.before(end - 1) != b':'
        {
            end -= 1;
        }
        // `fe80::1:` at the end of a phrase, and not before what may be more of it.
        if window.byte(end) == b':'
            && !(window.is(end + 1, SPACE)
                || matches!(window.byte(end + 1), 0 | b'"' | b'\'' | b','))
        {
            continue;
        }
        // A key before: `ip:2001:db8::1`.
        let mut from = start;
        if window.byte(from) == b':' && window.byte(from + 1) != b':' {
            from += 1;
        }
        // `c::c_void` and `ff::{Field}` are paths of programs.
        let goes_on = window.word_at(end)
            || window.byte(end) == b'.' && window.is(end + 1, DIGIT)
            || window.byte(end) == b'_' && window.is(end + 1, ALNUM)
            || window.before(end) == b':' && matches!(window.byte(end), b'_' | b'{' | b'<' | b'*');
        if end <= from || end - from > 45 || goes_on {
            continue;
        }
        let text = window.text(from, end);
        let network = network(window, end, 128);
        let address = mac_colons(text, from, end).or_else(|| v6(text, from, end, network));
        if let Some(candidate) = address {
            found.push(candidate);
            return;
        }
    }
}

/// An address, or the network that ends at `network`.
fn v6(text: &str, start: usize, end: usize, network: usize) -> Option<Candidate> {
    let address: Ipv6Addr = text.parse().ok()?;
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let base = match (groups, digits) {
        // Every address, and no address: two colons are also a path in many languages.
        _ if address.is_unspecified() && network > end => V6_SHORT,
        _ if address.is_unspecified() => V6_NONE,
        // An IPv4 address may be the one group: RFC 4291, section 2.5.5.1.
        (1, _) if text != "::1" && !text.contains('.') => V6_SHORT,
        (2, false) => V6_SHORT,
        (_, false) => V6_OF_LETTERS,
        _ => V6,
    };
    Some(candidate(Kind::Ip, start, network, base))
}

fn mac_colons(text: &str, start: usize, end: usize) -> Option<Candidate> {
    let pairs = text
        .split(':')
        .all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
    let known = text.len() == 17 && pairs;
    known.then(|| candidate(Kind::Mac, start, end, mac_base(text)))
}

/// All ones is everybody, all zeros nobody.
fn mac_base(text: &str) -> i16 {
    let value = text.bytes().filter(u8::is_ascii_hexdigit);
    if value.clone().all(|b| b == b'0') || value.clone().all(|b| matches!(b, b'f' | b'F')) {
        -80
    } else {
        MAC
    }
}

/// Proposes a hardware address in pairs with hyphens, in fours with full stops, or in one run.
pub(crate) fn mac(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    let (size, count, separator) = match (run - start, window.byte(run)) {
        (2, b'-') => (2, 6, b'-'),
        (4, b'.') => (4, 3, b'.'),
        (12, _) => (12, 1, 0),
        _ => return,
    };
    if matches!(window.before(start), b'-' | b'.' | b'_') {
        return;
    }
    let mut position = start;
    for index in 0..count {
        if index > 0 {
            if window.byte(position) != separator {
                return;
            }
            position += 1;
        }
        for _ in 0..size {
            if !window.is(position, HEX) {
                return;
            }
            position += 1;
        }
    }
    if window.word_at(position)
        || matches!(window.byte(position), b'-' | b'.') && window.is(position + 1, ALNUM)
    {
        return;
    }
    let text = window.text(start, position);
    // An address of a group is no device's (IEEE Std 802, clause 8: the first octet's last bit), and
    // three numbers of four digits are written so as well.
    let group = text.as_bytes().get(1).is_some_and(|b| match b {
        b'0'..=b'9' => b % 2 == 1,
        _ => (b | 32) % 2 == 0,
    });
    let base = match count {
        1 => MAC_COMPACT,
        3 if group => mac_base(text) - 40,
        _ if text.bytes().all(|b| !b.is_ascii_alphabetic()) => mac_base(text) - 22,
        _ => mac_base(text),
    };
    found.push(candidate(Kind::Mac, start, position, base));
}
