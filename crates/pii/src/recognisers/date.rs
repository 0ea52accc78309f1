//! Dates, which are personal where the words around say that somebody was born on them.

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;
use crate::ids::checksum::is_date;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Numbering]);
/// Any date: only the words around make it one of birth.
const DATE: i16 = -24;
/// A date with the time of day is when something happened.
const MOMENT: i16 = -44;

/// The months' names and their short forms in English, German, French, Spanish, Italian,
/// Portuguese, Dutch and Polish, in lower case.
const MONTHS: [&[&str]; 12] = [
    &[
        "january", "jan", "januar", "jänner", "janvier", "janv", "enero", "ene", "gennaio", "gen",
        "janeiro", "januari", "stycznia",
    ],
    &[
        "february",
        "feb",
        "februar",
        "février",
        "févr",
        "febrero",
        "febbraio",
        "fevereiro",
        "fev",
        "februari",
        "lutego",
    ],
    &[
        "march", "mar", "märz", "mrz", "mars", "marzo", "março", "maart", "mrt", "marca",
    ],
    &[
        "april", "apr", "avril", "avr", "abril", "abr", "aprile", "kwietnia",
    ],
    &["may", "mai", "mayo", "maggio", "mag", "maio", "mei", "maja"],
    &[
        "june", "jun", "juni", "juin", "junio", "giugno", "giu", "junho", "czerwca",
    ],
    &[
        "july", "jul", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho", "lipca",
    ],
    &[
        "august", "aug", "août", "aout", "agosto", "ago", "augustus", "sierpnia",
    ],
    &[
        "september",
        "sep",
        "sept",
        "septembre",
        "septiembre",
        "settembre",
        "set",
        "setembro",
        "września",
    ],
    &[
        "october",
        "oct",
        "oktober",
        "okt",
        "octobre",
        "octubre",
        "ottobre",
        "ott",
        "outubro",
        "out",
        "października",
    ],
    &[
        "november",
        "nov",
        "novembre",
        "noviembre",
        "novembro",
        "listopada",
    ],
    &[
        "december",
        "dec",
        "dezember",
        "dez",
        "décembre",
        "déc",
        "diciembre",
        "dic",
        "dicembre",
        "dezembro",
        "grudnia",
    ],
];

/// How their names begin, the case aside.
const MONTH_BEGINNINGS: [[u8; 2]; 36] = [
    *b"ja", *b"j\xE3", *b"en", *b"ge", *b"st", *b"fe", *b"f\xE3", *b"lu", *b"ma", *b"m\xE3",
    *b"mr", *b"ap", *b"av", *b"ab", *b"kw", *b"me", *b"ju", *b"gi", *b"cz", *b"li", *b"au", *b"ao",
    *b"ag", *b"si", *b"se", *b"wr", *b"oc", *b"ok", *b"ot", *b"ou", *b"pa", *b"no", *b"de",
    *b"d\xE3", *b"di", *b"gr",
];

/// Proposes the dates that start with the run of digits `start..run`, or with the month's name
/// before it.
pub(crate) fn at(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    if window.joined_before(start) || window.before(start) == b'_' {
        return;
    }
    let (from, end) = match run - start {
        1 | 2 => match month_before(window, start) {
            Some((from, month)) => match after_month(window, start, run, month) {
                Some(end) => (from, end),
                None => return,
            },
            None => match day_first(window, start, run) {
                Some(end) => (start, end),
                None => return,
            },
        },
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
        true => (MOMENT, time_end(window, end)),
        false => (DATE, end),
    };
    found.push(Candidate {
        class: Kind::DateOfBirth as u16,
        start: from,
        end,
        base,
        evidence: SHAPE,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    });
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
        // Either order is in use; two digits of each, or of the year four.
        let whole = end - second == 5 || run - start == 2 && second - run == 3;
        return (whole && (is_date(year, b, a) || is_date(year, a, b))).then_some(end);
    }
    // `. `, `th of `, ` de ` before the month.
    let mut at = run;
    let ordinal = window.run(at, LETTER);
    if matches!(
        window.bytes(at, ordinal),
        b"st" | b"nd" | b"rd" | b"th" | b"er"
    ) {
        at = ordinal;
    }
    at += usize::from(window.byte(at) == b'.');
    at += usize::from(matches!(window.byte(at), b' ' | b'-'));
    for of in [b"of ".as_slice(), b"de "] {
        if window.bytes(at, at + 3) == of {
            at += 3;
        }
    }
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

/// Whether a word is a month's name, a full stop behind it aside.
pub(crate) fn is_month(word: &[u8]) -> bool {
    let word = word.strip_suffix(b".").unwrap_or(word);
    let beginning = [
        word.first().map_or(0, |b| b | 32),
        word.get(1).map_or(0, |b| b | 32),
    ];
    (3..=14).contains(&word.len())
        && MONTH_BEGINNINGS.contains(&beginning)
        && std::str::from_utf8(word).is_ok_and(|word| {
            let lower = word.to_lowercase();
            MONTHS.iter().any(|names| names.contains(&lower.as_str()))
        })
}

/// The month whose name starts at an offset: where it ends, and its number.
fn month_at(window: &Window<'_>, at: usize) -> Option<(usize, u32)> {
    let end = window.run_while(at, |b| byte::is(b, LETTER) || !b.is_ascii());
    if !(3..=14).contains(&(end - at)) {
        return None;
    }
    if !MONTH_BEGINNINGS.contains(&[window.byte(at) | 32, window.byte(at + 1) | 32]) {
        return None;
    }
    let word = window.text(at, end).to_lowercase();
    let month = MONTHS
        .iter()
        .position(|names| names.contains(&word.as_str()))?;
    Some((end, u32::try_from(month).unwrap_or(0) + 1))
}

/// The month whose name stands just before an offset: where it starts, and its number.
fn month_before(window: &Window<'_>, start: usize) -> Option<(usize, u32)> {
    if window.before(start) != b' ' && window.before(start) != b'-' {
        return None;
    }
    let mut end = start - 1;
    if window.before(end) == b'.' {
        end -= 1;
    }
    let mut from = end;
    while from > 0 && end - from < 14 {
        let b = window.before(from);
        if !byte::is(b, LETTER) && b.is_ascii() {
            break;
        }
        from -= 1;
    }
    if end - from < 3 || byte::is(window.before(from), ALNUM) {
        return None;
    }
    let (stop, month) = month_at(window, from)?;
    (stop == end).then_some((from, month))
}
