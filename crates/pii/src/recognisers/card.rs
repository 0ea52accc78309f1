//! Payment card numbers: ISO/IEC 7812-1.

use crate::class::Kind;
use crate::engine::byte::DIGIT;
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;
use crate::ids::PROVEN;
use crate::ids::checksum::{luhn, number, uniform};

/// An issuer's range and a length that it uses.
const USUAL: i16 = 30;
const USUAL_GROUPED: i16 = 38;
/// A length that the scheme allows and seldom uses.
const UNUSUAL: i16 = 2;
/// A short or wide range: one number in ten passes the checksum by chance.
const WEAK: i16 = -6;
/// No known range: only where the words around say so.
const UNKNOWN: i16 = -26;

/// Proposes the card number that starts at an offset: 12 to 19 digits in one group, or in the
/// groups that are printed on cards, with one separator between two.
pub(crate) fn at(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    let sizes: &[&[usize]] = match run - start {
        12..=19 => &[&[]],
        4 => &[
            &[4, 4, 4, 4, 3],
            &[4, 4, 4, 4],
            &[4, 6, 5],
            &[4, 6, 4],
            &[4, 4, 4, 1],
            &[4, 4, 4, 2],
            &[4, 4, 4, 4, 1],
            &[4, 4, 4, 4, 2],
            &[4, 5, 6],
        ],
        6 => &[&[6, 13], &[6, 10]],
        8 => &[&[8, 8]],
        _ => return,
    };
    // The digits after a decimal point are a fraction.
    if window.joined_before(start) || window.before(start) == b'.' && window.word_before(start - 1)
    {
        return;
    }
    // The likeliest of the groupings: what follows a card may pass the checksum with it by chance.
    let groupings = sizes
        .iter()
        .filter_map(|sizes| grouped(window, start, run, sizes));
    found.extend(groupings.rev().max_by_key(|candidate| candidate.base));
}

fn grouped(window: &Window<'_>, start: usize, run: usize, sizes: &[usize]) -> Option<Candidate> {
    let mut digits = [0; 19];
    let mut length = 0;
    let mut take = |from: usize, to: usize| -> Option<()> {
        for b in window.bytes(from, to) {
            *digits.get_mut(length)? = *b;
            length += 1;
        }
        Some(())
    };
    let mut end = run;
    take(start, run)?;
    let separator = window.byte(run);
    let mut wrapped = 0;
    for size in sizes.iter().skip(1) {
        let mut next = end;
        match window.byte(next) {
            b if b == separator && matches!(b, b' ' | b'-' | b'.') => next += 1,
            _ => {}
        }
        // A card may be wrapped over a line end; the separator may stand before it.
        let line_end = next;
        if window.byte(next) == b'\r' {
            next += 1;
        }
        if window.byte(next) == b'\n' {
            next += 1;
        }
        wrapped += usize::from(next > line_end);
        if next == end || next > end + 3 {
            return None;
        }
        let group = window.run(next, DIGIT);
        if group - next != *size {
            return None;
        }
        take(next, group)?;
        end = group;
    }
    let digits = digits.get(..length)?;
    let goes_on = window.word_at(end)
        || matches!(window.byte(end), b'-' | b'/') && window.is(end + 1, DIGIT)
        || !sizes.is_empty()
            && length < 19
            && matches!(fours_behind(window, end, separator), 1..=3);
    // The first digit is the industry: 0 is for other uses (ISO/IEC 7812-1, section 4.2).
    if goes_on || digits.first() == Some(&b'0') || uniform(digits) || !luhn(digits) {
        return None;
    }
    let usual = if sizes.is_empty() {
        USUAL
    } else {
        USUAL_GROUPED
    };
    let base = match issuer(digits) {
        // Groups a line each are a column of numbers.
        _ if wrapped > 1 => UNKNOWN,
        _ if in_dump(window, start, end, separator, sizes) => UNKNOWN,
        Issuer::Usual => usual,
        Issuer::Unusual => UNUSUAL,
        Issuer::Weak => WEAK,
        Issuer::Unknown => UNKNOWN,
    };
    Some(Candidate {
        class: Kind::Card as u16,
        start,
        end,
        base,
        evidence: PROVEN,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    })
}

/// How many groups of four digits follow, up to four: as many are another card.
fn fours_behind(window: &Window<'_>, end: usize, separator: u8) -> usize {
    let mut at = end;
    for count in 0..4 {
        let next = window.run(at + 1, DIGIT);
        if window.byte(at) != separator || next - at != 5 {
            return count;
        }
        at = next;
    }
    4
}

/// Whether fours of digits stand beside one that is a hexadecimal number and no other: `52BB 5352 5354`.
fn in_dump(window: &Window<'_>, start: usize, end: usize, separator: u8, sizes: &[usize]) -> bool {
    let is_word = |from: usize| {
        let word = window.bytes(from, from + 4);
        word.len() == 4
            && word.iter().all(u8::is_ascii_hexdigit)
            && word.iter().any(u8::is_ascii_digit)
            && !word.iter().all(u8::is_ascii_digit)
    };
    let fours = sizes.len() > 1 && sizes.iter().all(|size| *size == 4) && separator == b' ';
    let gap = |b: u8| matches!(b, b' ' | b'\n');
    let before = start >= 5
        && gap(window.before(start))
        && is_word(start - 5)
        && !window.word_before(start - 5);
    let after = gap(window.byte(end)) && is_word(end + 1) && !window.word_at(end + 5);
    fours && (before || after)
}

/// How telling an issuer's range is.
enum Issuer {
    Usual,
    Unusual,
    Weak,
    Unknown,
}

/// The schemes' published issuer identification numbers.
fn issuer(digits: &[u8]) -> Issuer {
    let length = digits.len();
    let prefix = |count: usize| number(digits.get(..count).unwrap_or_default());
    let long = (16..=19).contains(&length);
    let usual = |otherwise: Issuer| {
        if length == 16 {
            Issuer::Usual
        } else {
            otherwise
        }
    };
    match (prefix(2), prefix(3), prefix(4)) {
        // Mastercard; its 2-series.
        (51..=55, ..) | (.., 2221..=2720) if length == 16 => Issuer::Usual,
        // Mir; Troy.
        (.., 2200..=2205) if long => usual(Issuer::Weak),
        (.., 9792) if length == 16 => Issuer::Usual,
        // American Express; JCB's former range.
        (34 | 37, ..) | (.., 1800 | 2131) if length == 15 => Issuer::Usual,
        // JCB.
        (.., 3528..=3589) if long => usual(Issuer::Weak),
        // Diners Club.
        (36 | 38 | 39, ..) | (_, 300..=305 | 309, _) if (14..=19).contains(&length) => {
            if matches!(length, 14 | 16) {
                Issuer::Usual
            } else {
                Issuer::Weak
            }
        }
        // Visa.
        (40..=49, ..) => match length {
            16 => Issuer::Usual,
            19 => Issuer::Unusual,
            13 => Issuer::Weak,
            _ => Issuer::Unknown,
        },
        // Discover; RuPay; UnionPay.
        (65 | 60 | 62 | 81 | 82, ..) | (_, 644..=649 | 508, _) if long => usual(Issuer::Unusual),
        // Maestro, and the national schemes beside it.
        (50 | 56..=69, ..) if (12..=19).contains(&length) => usual(Issuer::Weak),
        // Universal Air Travel Plan.
        (10..=19, ..) if length == 15 => Issuer::Weak,
        _ => Issuer::Unknown,
    }
}
