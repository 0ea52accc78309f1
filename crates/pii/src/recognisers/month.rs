//! Names of months, in the languages that dates are read in.

use crate::engine::byte::{self, ALNUM, LETTER};
use crate::engine::window::Window;

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
pub(super) fn month_at(window: &Window<'_>, at: usize) -> Option<(usize, u32)> {
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
pub(super) fn month_before(window: &Window<'_>, start: usize) -> Option<(usize, u32)> {
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
