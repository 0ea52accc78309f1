//! Dates, which are personal where the words around say that somebody was born on them.

use super::month::{month_at, month_before};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{DIGIT, LETTER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;
use crate::ids::checksum::is_date;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Numbering]);
/// Any date: only the words around make it one of birth.
const DATE: i16 = -24;
/// A day without a year: of what stands beside a person it identifies as well (45 CFR
/// 164.514(b)(2)(i)(C), "all elements of dates (except year)"), and a word of birth has to be close.
const DAY: i16 = -30;
/// The same in digits, which are a fraction or a score anywhere else.
const DAY_OF_DIGITS: i16 = -36;
/// A date with the time of day is when something happened.
const MOMENT: i16 = -44;

/// The same to the nanosecond, as file systems have it of a file's birth.
const INSTANT: i16 = -80;

/// Proposes the dates that start with the run of digits `start..run`, or with the month's name
/// before it.
pub(crate) fn at(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    if window.joined_before(start) || window.before(start) == b'_' {
        return;
    }
    let (from, end) = match run - start {
        1 | 2 => {
            let month = month_before(window, start);
            let whole = match month {
                Some((from, month)) => {
                    after_month(window, start, run, month).map(|end| (from, end))
                }
                None => day_first(window, start, run).map(|end| (start, end)),
            };
            match whole {
                Some(whole) => whole,
                None => return found.extend(birthday(window, start, run, month)),
            }
        }
        4 => match year_first(window, start, run) {
            Some(end) => (start, end),
            None => return,
        },
        8 if is_compact(window, start) => (start, run),
        _ => return,
    };
    if window.word_at(end) && !is_time(window, end) || window.joined_after(end) {
        return;
    }
    let (base, end) = match is_time(window, end) {
        true if is_exact(window, end) => (INSTANT, end),
        true => (MOMENT, time_end(window, end)),
        false => (DATE, end),
    };
    found.push(candidate(from, end, base));
}

fn candidate(start: usize, end: usize, base: i16) -> Candidate {
    Candidate {
        class: Kind::DateOfBirth as u16,
        start,
        end,
        base,
        evidence: SHAPE,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    }
}

/// The day `start..run` with a month and no year: `May 21`, `21st of May`, `05/21`.
fn birthday(
    window: &Window<'_>,
    start: usize,
    run: usize,
    month: Option<(usize, u32)>,
) -> Option<Candidate> {
    let day = value(window, start, run);
    let (from, end, base, possible) = if let Some((from, month)) = month {
        (
            from,
            ordinal_end(window, run),
            DAY,
            is_date(None, month, day),
        )
    } else if window.byte(run) == b'/' {
        let end = window.run(run + 1, DIGIT);
        let other = value(window, run + 1, end);
        let digits = (1..=2).contains(&(end - run - 1));
        let possible = digits && (is_date(None, day, other) || is_date(None, other, day));
        (start, end, DAY_OF_DIGITS, possible)
    } else {
        let (end, month) = month_at(window, month_start(window, run))?;
        (start, end, DAY, is_date(None, month, day))
    };
    // What goes on in digits was a date with a year that is none, or another thing.
    let next = end + usize::from(matches!(window.byte(end), b'.' | b',' | b'-' | b'/'));
    let next = next + usize::from(window.byte(next) == b' ');
    let goes_on = window.word_at(end) || window.is(next, DIGIT) || window.byte(end) == b'/';
    (possible && !goes_on).then(|| candidate(from, end, base))
}

/// Where the ending of an ordinal ends: `21st`.
fn ordinal_end(window: &Window<'_>, run: usize) -> usize {
    let end = window.run(run, LETTER);
    match window.bytes(run, end) {
        b"st" | b"nd" | b"rd" | b"th" | b"er" => end,
        _ => run,
    }
}

/// Where a month's name would begin behind a day: over `. `, `th of `, ` de `.
fn month_start(window: &Window<'_>, run: usize) -> usize {
    let mut at = ordinal_end(window, run);
    at += usize::from(window.byte(at) == b'.');
    at += usize::from(matches!(window.byte(at), b' ' | b'-'));
    for of in [b"of ".as_slice(), b"de "] {
        if window.bytes(at, at + 3) == of {
            at += 3;
        }
    }
    at
}

/// `19880512`
fn is_compact(window: &Window<'_>, start: usize) -> bool {
    let part = |from: usize, to: usize| value(window, start + from, start + to);
    (1880..=2040).contains(&part(0, 4)) && is_date(Some(part(0, 4)), part(4, 6), part(6, 8))
}

/// Whether a time of day follows: `T10:20`, ` 10:20`.
fn is_time(window: &Window<'_>, end: usize) -> bool {
    matches!(window.byte(end), b'T' | b't' | b' ')
        && window.is(end + 1, DIGIT)
        && window.is(end + 2, DIGIT)
        && window.byte(end + 3) == b':'
}

/// Whether the time of day that follows has nine decimals.
fn is_exact(window: &Window<'_>, end: usize) -> bool {
    let point = end + " 00:00:00".len();
    window.byte(point) == b'.' && window.run(point + 1, DIGIT) - point > 9
}

/// Where the time of a moment by RFC 3339 ends: `T14:30:00.123+02:00`. Another is not of the date.
fn time_end(window: &Window<'_>, date: usize) -> usize {
    if !matches!(window.byte(date), b'T' | b't') {
        return date;
    }
    let pair = |at: usize| window.run(at, DIGIT) == at + 2;
    let mut end = date + 3;
    while window.byte(end) == b':' && pair(end + 1) {
        end += 3;
    }
    if window.byte(end) == b'.' && window.is(end + 1, DIGIT) {
        end = window.run(end + 1, DIGIT);
    }
    match window.byte(end) {
        b'Z' | b'z' => end += 1,
        b'+' | b'-' if pair(end + 1) && window.byte(end + 3) == b':' && pair(end + 4) => end += 6,
        _ => {}
    }
    match window.word_at(end) {
        true => date,
        false => end,
    }
}

/// Where a moment to the second ends that starts with the run `start..run`: `2026-05-12T10:20:30Z`.
/// None of it is anything but a date.
pub(crate) fn moment(window: &Window<'_>, start: usize, run: usize) -> Option<usize> {
    const FORM: &[u8] = b"dddd-dd-dd dd:dd:dd";
    if run - start != 4 || window.byte(run) != b'-' {
        return None;
    }
    let end = start + FORM.len();
    let bytes = window.bytes(start, end);
    let fits = |(b, form): (&u8, &u8)| match form {
        b'd' => b.is_ascii_digit(),
        b' ' => matches!(b, b' ' | b'T' | b't'),
        sign => b == sign,
    };
    let is_moment = bytes.len() == FORM.len()
        && bytes.iter().zip(FORM).all(fits)
        && !window.joined_before(start)
        && year_first(window, start, run).is_some();
    if !is_moment || window.is(end, DIGIT) || window.byte(end) == b':' {
        return None;
    }
    let date = run + 6;
    Some(end.max(time_end(window, date)))
}

fn value(window: &Window<'_>, start: usize, end: usize) -> u32 {
    let digits = window.bytes(start, end).iter().take(4);
    digits.fold(0, |n, b| n * 10 + u32::from(b.wrapping_sub(b'0')))
}

/// A year of somebody who may be alive, in two digits or four.
fn is_year(window: &Window<'_>, start: usize, end: usize) -> Option<Option<u32>> {
    match end - start {
        2 => Some(None),
        4 => {
            let year = value(window, start, end);
            (1880..=2040).contains(&year).then_some(Some(year))
        }
        _ => None,
    }
}

/// `12/05/1988`, `12.5.88`, `12 May 1988`, `12th of May, 1988`, `12-May-1988`
fn day_first(window: &Window<'_>, start: usize, run: usize) -> Option<usize> {
    let first = value(window, start, run);
    let separator = window.byte(run);
    if matches!(separator, b'/' | b'.' | b'-') && window.is(run + 1, DIGIT) {
        let second = window.run(run + 1, DIGIT);
        if second - run > 3 || window.byte(second) != separator {
            return None;
        }
        let end = window.run(second + 1, DIGIT);
        let year = is_year(window, second + 1, end)?;
        let (a, b) = (first, value(window, run + 1, second));
        // Either order is in use; two digits of each, or of the year four, or as the short forms of many
        // countries have it (CLDR, `M/d/yy` and `d.M.yy`).
        let whole = end - second == 5
            || run - start == 2 && second - run == 3
            || separator != b'-' && second - run <= 3;
        return (whole && (is_date(year, b, a) || is_date(year, a, b))).then_some(end);
    }
    let at = month_start(window, run);
    let (word, month) = month_at(window, at)?;
    let mut at = word + usize::from(matches!(window.byte(word), b'.' | b','));
    at += usize::from(matches!(window.byte(at), b' ' | b'-'));
    for of in [b"de ".as_slice(), b"of "] {
        if window.bytes(at, at + 3) == of {
            at += 3;
        }
    }
    let end = window.run(at, DIGIT);
    let year = is_year(window, at, end)?;
    (at > word && is_date(year, month, first)).then_some(end)
}

/// `May 12, 1988`; the digits of the day are given.
fn after_month(window: &Window<'_>, start: usize, run: usize, month: u32) -> Option<usize> {
    let mut at = run;
    let ordinal = window.run(at, LETTER);
    if matches!(window.bytes(at, ordinal), b"st" | b"nd" | b"rd" | b"th") {
        at = ordinal;
    }
    at += usize::from(window.byte(at) == b',');
    at += usize::from(matches!(window.byte(at), b' ' | b'-'));
    let end = window.run(at, DIGIT);
    let year = is_year(window, at, end)?;
    (at > run && is_date(year, month, value(window, start, run))).then_some(end)
}

/// `1988-05-12`, `1988/5/12`, `1988年5月12日`
fn year_first(window: &Window<'_>, start: usize, run: usize) -> Option<usize> {
    let year = is_year(window, start, run)?;
    let separator = window.byte(run);
    if matches!(separator, b'-' | b'/' | b'.') {
        let month = window.run(run + 1, DIGIT);
        let day = window.run(month + 1, DIGIT);
        let fits = (2..=3).contains(&(month - run))
            && (2..=3).contains(&(day - month))
            && window.byte(month) == separator;
        return (fits
            && is_date(
                year,
                value(window, run + 1, month),
                value(window, month + 1, day),
            ))
        .then_some(day);
    }
    // The counters of year, month and day, in Chinese and Japanese, and in Korean.
    let counter = |at: usize, marks: [&str; 2]| {
        let at = at + usize::from(window.byte(at) == b' ');
        marks
            .iter()
            .any(|mark| window.bytes(at, at + 3) == mark.as_bytes())
            .then_some(at + 3)
    };
    let skip = |at: usize| at + usize::from(window.byte(at) == b' ');
    let month = skip(counter(run, ["年", "년"])?);
    let month_end = window.run(month, DIGIT);
    let day = skip(counter(month_end, ["月", "월"])?);
    let day_end = window.run(day, DIGIT);
    let end = counter(day_end, ["日", "일"])?;
    let fits = (1..=2).contains(&(month_end - month)) && (1..=2).contains(&(day_end - day));
    (fits
        && is_date(
            year,
            value(window, month, month_end),
            value(window, day, day_end),
        ))
    .then_some(end)
}
