//! Internet addresses: IPv4 in dotted decimals, IPv6 as of RFC 4291, section 2.2.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::number::{Gap, Groups, Hint};
use crate::page::{PLACEHOLDER, Page};
use crate::{Class, Confidence, Evidence};

const ADDRESS: Confidence = Confidence::percent(95);
/// Colons and hexadecimal letters alone are also a path in some programming languages.
const WITHOUT_DIGITS: Confidence = Confidence::percent(60);
/// Four small numbers after the word "version".
const VERSION: Confidence = Confidence::percent(40);

/// The longest text form of an address, in bytes.
const MAX_V6: usize = 45;

/// Claims every IPv6 address around the colons, which are given in order. A zone or a prefix
/// length after it is left in the text.
pub(crate) fn claim_v6(page: &mut Page<'_>, colons: &[usize]) {
    let mut free = 0;
    for &colon in colons {
        if colon < free {
            continue;
        }
        let Some(start) = v6_start(page, colon, free) else {
            // No part of the chain is an address either.
            free = chain_end(page, colon);
            continue;
        };
        let end = chain_end(page, start);
        free = end;
        if end - start > MAX_V6 {
            continue;
        }
        if let Some((end, confidence)) = verified_v6(page, start, end) {
            page.claim(Class::Ip, start..end, confidence, &[Evidence::Shape]);
            free = end;
        }
    }
}

/// Where an address whose first colon this is would start.
fn v6_start(page: &Page<'_>, colon: usize, free: usize) -> Option<usize> {
    let digits = hextet_before(page, colon, free);
    let start = colon - digits;
    // The group may be the last of a longer number, also of one that has been redacted.
    let joined = page.word_before(start)
        || (matches!(page.byte_before(start), b'.' | b'-')
            && start >= 2
            && (matches!(page.byte(start - 2), b'0'..=b'9' | PLACEHOLDER)
                || page.is_claimed(start - 2)));
    if digits > 0 && !joined {
        return Some(start);
    }
    // Here a redaction cut a chain in two: what is left must not pass for an address.
    if page.byte_before(colon) == PLACEHOLDER {
        return None;
    }
    let double = page.byte(colon + 1) == b':';
    if !double {
        // A single colon after a word parts a name from a value.
        return Some(colon + 1);
    }
    (!page.word_before(colon)).then_some(colon)
}

/// How many hexadecimal digits stand before a colon; more than four are no group.
fn hextet_before(page: &Page<'_>, colon: usize, free: usize) -> usize {
    let digit = |back: &usize| {
        let at = colon.checked_sub(*back);
        at.is_some_and(|at| at >= free && page.byte(at).is_ascii_hexdigit())
    };
    (1..=4).take_while(digit).count()
}

/// Where the chain of hexadecimal groups and colons ends: it is walked once, however long.
fn chain_end(page: &Page<'_>, start: usize) -> usize {
    let mut end = start;
    loop {
        if page.byte(end) == b':' {
            end += 1;
            continue;
        }
        let digits = (0..5).take_while(|ahead| page.byte(end + ahead).is_ascii_hexdigit());
        match digits.count() {
            0 | 5 => return end,
            digits => end += digits,
        }
    }
}

fn verified_v6(page: &Page<'_>, start: usize, chain_end: usize) -> Option<(usize, Confidence)> {
    let mut end = chain_end;
    let chain = page.text(start..end);
    if page.byte(end) == b'.' {
        let last = start + chain.rfind(':')? + 1;
        let is_quad = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let length = (0..16)
            .take_while(|ahead| is_quad(page.byte(last + ahead)))
            .count();
        let quad = page.text(last..last + length);
        let sentence_end = quad.strip_suffix('.').unwrap_or(quad);
        if sentence_end.parse::<Ipv4Addr>().is_ok() {
            end = last + sentence_end.len();
        } else if matches!(page.byte(end + 1), b'0'..=b'9' | PLACEHOLDER) {
            return None;
        }
    } else if chain.ends_with(':') && !chain.ends_with("::") {
        // `fe80::1: unreachable`
        if !matches!(page.byte(end), 0 | b' ' | b'\n' | b'\r' | b'\t') {
            return None;
        }
        end -= 1;
    }
    // As in `v6_start`, on the other side.
    if page.byte(end) == PLACEHOLDER && page.byte_before(end) == b':' {
        return None;
    }
    let address = page.text(start..end);
    let parsed = address.parse::<Ipv6Addr>().ok()?;
    if page.word_at(end) || parsed.is_unspecified() {
        return None;
    }
    let groups = address.split(':').filter(|group| !group.is_empty()).count();
    let digit = address.bytes().any(|byte| byte.is_ascii_digit());
    match (digit, groups) {
        (true, _) => Some((end, ADDRESS)),
        (false, 0..=2) => None,
        (false, _) => Some((end, WITHOUT_DIGITS)),
    }
}

/// Claims every IPv4 address: exactly four groups with dots between, each 0 to 255 without
/// leading zeros.
pub(crate) fn claim_v4(page: &mut Page<'_>, groups: &Groups) {
    for first in 0..groups.len() {
        let Some(range) = groups.span(page, first, 4) else {
            continue;
        };
        let dotted = (first..first + 3).all(|index| groups.gap(index) == Gap::Dot);
        let last = first + 3;
        if !dotted
            || groups.joined_before(page, first, &[Gap::Dot])
            || groups.joined_after(page, last, &[Gap::Dot])
            || page.text(range.clone()).parse::<Ipv4Addr>().is_err()
        {
            continue;
        }
        if groups.hint_within(first, Hint::Version, 2) {
            page.claim(
                Class::Ip,
                range,
                VERSION,
                &[Evidence::Shape, Evidence::NegativeContext],
            );
        } else {
            page.claim(Class::Ip, range, ADDRESS, &[Evidence::Shape]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    fn found(text: &str) -> Vec<&str> {
        let addresses = scan(text).into_iter().filter(|m| m.class == Class::Ip);
        addresses.map(|m| text.get(m.range).unwrap()).collect()
    }

    /// RFC 4291, sections 2.2 and 2.5; RFC 5952, section 4; RFC 6890.
    #[test]
    fn addresses() {
        for (text, expected) in [
            ("192.168.1.1", "192.168.1.1"),
            ("(10.0.0.1)", "10.0.0.1"),
            ("IP: 192.168.1.1.", "192.168.1.1"),
            ("192.168.2.1@eth0", "192.168.2.1"),
            ("http://10.0.0.1:8080/", "10.0.0.1"),
            ("172.16.0.0/12", "172.16.0.0"),
            (
                "2001:db8:85a3:0:0:8a2e:370:7334",
                "2001:db8:85a3:0:0:8a2e:370:7334",
            ),
            (
                "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
                "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
            ),
            ("2001:DB8::8:800:200C:417A", "2001:DB8::8:800:200C:417A"),
            ("src=::1", "::1"),
            ("ip:2001:db8::1", "2001:db8::1"),
            ("http://[2001:db8::1]/path", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("2001:db8::/32", "2001:db8::"),
            ("fe80::1: unreachable", "fe80::1"),
            ("at 2001:db8::1.", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            (
                "0:0:0:0:0:FFFF:129.144.52.38",
                "0:0:0:0:0:FFFF:129.144.52.38",
            ),
            ("64:ff9b::198.51.100.1.", "64:ff9b::198.51.100.1"),
            ("5551234567:fe80::1", "fe80::1"),
            ("dead:beef::cafe", "dead:beef::cafe"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        assert_eq!(found("10.0.0.1-10.0.0.9"), ["10.0.0.1", "10.0.0.9"]);
        assert_eq!(found("10.0.0.1,2001:db8::1"), ["10.0.0.1", "2001:db8::1"]);
    }

    #[test]
    fn what_is_not_an_address() {
        for text in [
            "192.168.0",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.256",
            "01.2.3.4",
            "v1.2.3.4x",
            "1.2.3.4a",
            "text192.168.1.1",
            "::",
            "std::vec",
            "MyClass::toString",
            "abc:def:ghi",
            "face::add",
            "12:34:56",
            "1:2:3:4",
            "aa:bb:cc:dd:ee:ff",
            "2001::db8::1",
            "fe80::1text",
            "684D:1111:222:3333:4444:5555:77",
            "2001:db8::256.1.1.1",
            "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99",
            "1:2:3:4:5:6:7:8:9",
            "12345::1",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    /// `123-45-6789:1:2:3:4:5:6:7:8` and `1::4111111111111111` hold no IPv6 address, nor do they
    /// once the number is redacted.
    #[test]
    fn the_rest_of_a_redacted_chain_is_not_an_address() {
        for text in [
            "[US_SSN]:1:2:3:4:5:6:7:8",
            "[PHONE]::1",
            "1::[CREDIT_CARD]",
            "[PHONE]-A::20",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
        assert_eq!(found("[EMAIL] fe80::1 [PHONE]"), ["fe80::1"]);
    }

    #[test]
    fn a_version_is_doubted() {
        let [found] = &scan("since version 1.2.3.4")[..] else {
            panic!()
        };
        assert!(found.confidence < Confidence::DEFAULT_THRESHOLD);
    }
}
