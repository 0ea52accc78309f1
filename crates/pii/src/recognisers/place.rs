//! Places: postal codes and coordinates.

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER, UPPER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;

const NUMBERING: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Numbering]);
/// The British form, with its space: letters and places are checked.
const BRITISH: i16 = 10;
const TOLD: i16 = -27;
/// Two numbers with four decimals or more, in range.
const PAIR: i16 = 8;
const MARKED: i16 = 26;

fn candidate(kind: Kind, start: usize, end: usize, base: i16) -> Candidate {
    Candidate {
        class: kind as u16,
        start,
        end,
        base,
        evidence: NUMBERING,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    }
}

/// Proposes the postal code that starts with the run `start..run`.
pub(crate) fn postcode(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    if matches!(window.before(start), b'-' | b'.' | b'/' | b'_' | b'$') {
        return;
    }
    // `[#1101]` is a link to a question.
    if window.before(start) == b'#' && matches!(window.before(start - 1), b'[' | b'(') {
        return;
    }
    // Japan's mark.
    if window.text(start.saturating_sub(3), start) == "〒"
        && window.byte(run) == b'-'
        && run - start == 3
    {
        let end = window.run(run + 1, DIGIT);
        if end - run == 5 {
            found.push(candidate(Kind::Postcode, start, end, MARKED));
        }
        return;
    }
    let bytes = window.bytes(start, run);
    if let Some((end, base)) = british(window, start, run) {
        found.push(candidate(Kind::Postcode, start, end, base));
        return;
    }
    let digits = bytes.iter().all(|b| byte::is(*b, DIGIT));
    let is = |pattern: &str| {
        pattern.len() == bytes.len()
            && bytes.iter().zip(pattern.bytes()).all(|(b, p)| match p {
                b'd' => b.is_ascii_digit(),
                _ => b.is_ascii_uppercase(),
            })
    };
    let next = |from: usize, pattern: &str| {
        let end = from + pattern.len();
        let fits = window
            .bytes(from, end)
            .iter()
            .zip(pattern.bytes())
            .all(|(b, p)| match p {
                b'd' => b.is_ascii_digit(),
                b'A' => b.is_ascii_uppercase(),
                literal => *b == literal,
            });
        (fits && window.bytes(from, end).len() == pattern.len() && !window.word_at(end))
            .then_some(end)
    };
    let end = match bytes.len() {
        // United States with its four more; Poland; Portugal; Sweden, Greece, Czechia; Japan.
        5 if digits => next(run, "-dddd")
            .or_else(|| next(run, "-ddd"))
            .or(Some(run)),
        2 if digits => next(run, "-ddd"),
        4 if digits => next(run, "-ddd").or_else(|| next(run, " AA")).or(Some(run)),
        3 if digits => next(run, " dd").or_else(|| next(run, "-dddd")),
        // Canada; the Netherlands; India, China, Singapore.
        3 if is("AdA") => next(run, " dAd"),
        // Ireland.
        3 if is("Add") => next(run, " AAdd")
            .or_else(|| next(run, " Addd"))
            .or_else(|| next(run, " AdAd"))
            .or_else(|| next(run, " AddA")),
        6 if is("AdAdAd") || is("ddddAA") || digits => Some(run),
        _ => None,
    };
    let Some(end) = end.filter(|end| !window.word_at(*end) && !window.joined_after(*end)) else {
        return;
    };
    // No code of zeros; no look-alikes in Canada.
    let canadian = is("AdA") || is("AdAdAd");
    let unused = window
        .bytes(start, end)
        .iter()
        .any(|b| b"DFIOQU".contains(b))
        || matches!(bytes.first(), Some(b'W' | b'Z'));
    if window
        .bytes(start, end)
        .iter()
        .all(|b| matches!(b, b'0' | b'-' | b' '))
        || canadian && unused
    {
        return;
    }
    let base = match bytes.len() {
        _ if is("AdA") || is("AdAdAd") => -12,
        _ if is("Add") => -6,
        5 if end - run == 5 && digits && behind_state(window, start) => 16,
        5 if digits && behind_state(window, start) => 6,
        5 if end - run == 4 => TOLD + 2,
        _ => TOLD,
    };
    found.push(candidate(Kind::Postcode, start, end, base));
}

/// Whether a state of the United States stands before: `Springfield, IL 62704`.
fn behind_state(window: &Window<'_>, start: usize) -> bool {
    const STATES: &[u8] = b"ALAKAZARCACOCTDEFLGAHIIDILINIAKSKYLAMEMDMAMIMNMSMOMTNENVNHNJNMNYNCNDOHOKORPARISCSDTNTXUTVTVAWAWVWIWYDCPR";
    // Two spaces, as the Postal Service writes them (Publication 28).
    let wide = window.before(start) == b' ' && start > 1 && window.before(start - 1) == b' ';
    let Some(state) = start
        .checked_sub(3 + usize::from(wide))
        .filter(|_| window.before(start) == b' ')
    else {
        return false;
    };
    let name = window.bytes(state, state + 2);
    STATES.chunks(2).any(|known| known == name)
        && window.before(state) == b' '
        && window.before(state - 1) == b','
}

/// `SW1A 1AA`: BS 7666, with the letters that Royal Mail uses in each place.
fn british(window: &Window<'_>, start: usize, run: usize) -> Option<(usize, i16)> {
    let whole = window.bytes(start, run);
    let spaced = window.byte(run) == b' ';
    let (outward, inward, end) = if whole.len() > 4 {
        let (outward, inward) = whole.split_at(whole.len().checked_sub(3)?);
        (outward, inward, run)
    } else if spaced {
        (whole, window.bytes(run + 1, run + 4), run + 4)
    } else {
        return None;
    };
    let letters = |at: usize, set: &[u8]| outward.get(at).is_some_and(|b| set.contains(b));
    let upper = |b: Option<&u8>| b.is_some_and(|b| byte::is(*b, UPPER));
    let digit = |b: Option<&u8>| b.is_some_and(|b| byte::is(*b, DIGIT));
    let area = letters(0, b"ABCDEFGHIJKLMNOPRSTUWYZ");
    let second = letters(1, b"ABCDEFGHKLMNOPQRSTUVWXY");
    let district = match outward.len() {
        2 => digit(outward.get(1)),
        3 => {
            digit(outward.get(1)) && (digit(outward.get(2)) || letters(2, b"ABCDEFGHJKPSTUW"))
                || second && digit(outward.get(2))
        }
        4 => {
            second
                && digit(outward.get(2))
                && (digit(outward.get(3)) || letters(3, b"ABEHMNPRVWXY"))
        }
        _ => false,
    };
    let unit = |b: Option<&u8>| upper(b) && b.is_some_and(|b| !b"CIKMOV".contains(b));
    // Girobank's, which is of no area (Royal Mail, Programmers' Guide to the Postcode Address File).
    let giro = outward == b"GIR" && inward == b"0AA";
    let known = giro
        || area && district && digit(inward.first()) && unit(inward.get(1)) && unit(inward.get(2));
    let base = if end == run { TOLD + 6 } else { BRITISH };
    (known && inward.len() == 3 && !window.word_at(end)).then_some((end, base))
}

/// Proposes the pair of coordinates that starts with the run of digits `start..run`.
pub(crate) fn coordinates(
    window: &Window<'_>,
    start: usize,
    run: usize,
    found: &mut Vec<Candidate>,
) {
    let signed =
        matches!(window.before(start), b'-' | b'+') && !byte::is(window.before(start - 1), ALNUM);
    let from = start - usize::from(signed);
    // Whole degrees alone are any numbers.
    if !matches!(window.byte(run), b'.' | 0xC2) {
        return;
    }
    if run - start > 3
        || matches!(window.before(from), b'.' | b'-' | b'/')
        || window.word_before(from)
    {
        return;
    }
    let Some((end, latitude)) = one(window, from, 90.0) else {
        return;
    };
    let mut at = end;
    let comma = matches!(window.byte(at), b',' | b';');
    at += usize::from(comma);
    while matches!(window.byte(at), b' ') && at < end + 3 {
        at += 1;
    }
    if at == end {
        return;
    }
    let Some((end, longitude)) = one(window, at, 180.0) else {
        return;
    };
    // A third number makes it a list.
    let listed = window.byte(end) == b','
        && (window.is(end + 1, DIGIT) || window.byte(end + 1) == b' ' && window.is(end + 2, DIGIT))
        || matches!(window.before(from), b',' | b'[') && byte::is(window.before(from - 1), DIGIT)
        || window.before(from) == b' '
            && window.before(from - 1) == b','
            && byte::is(window.before(from - 2), DIGIT);
    // So do a fraction before a pair without a comma, and a letter that says what is drawn: `c 1.29 1.29`.
    let in_row = !comma && window.before(from) == b' ' && {
        let word = window.run_back(from - 1, ALNUM);
        let text = window.bytes(word, from - 1);
        match text {
            [letter] if byte::is(*letter, LETTER) => !window.word_before(word),
            _ => window.before(word) == b'.' && text.iter().all(|b| byte::is(*b, DIGIT)),
        }
    };
    let listed = listed || in_row;
    if window.word_at(end) {
        return;
    }
    // Two fractions are probabilities, losses, weights.
    let zero = |at: usize| window.byte(at) == b'0' && window.byte(at + 1) == b'.';
    let small = zero(start) && (zero(at) || zero(at + 1));
    let base = match (latitude, longitude) {
        (Precision::Marked, Precision::Marked) => MARKED,
        (Precision::Fine, Precision::Fine) if !listed && !small => PAIR,
        (Precision::Coarse | Precision::Fine, Precision::Coarse | Precision::Fine) => TOLD + 4,
        _ => return,
    };
    found.push(candidate(Kind::Coordinates, from, end, base));
}

/// How a coordinate is written.
enum Precision {
    /// With its hemisphere, or with degree signs.
    Marked,
    /// With four decimals or more.
    Fine,
    Coarse,
}

/// One coordinate: `48.8584`, `-2.29`, `48°51'29.5"N`, `48.8584 N`.
fn one(window: &Window<'_>, start: usize, most: f64) -> Option<(usize, Precision)> {
    let unsigned = start + usize::from(matches!(window.byte(start), b'-' | b'+'));
    let whole = window.run(unsigned, DIGIT);
    if whole == unsigned || whole - unsigned > 3 {
        return None;
    }
    let (mut end, mut decimals) = (whole, 0);
    if window.byte(whole) == b'.' {
        end = window.run(whole + 1, DIGIT);
        decimals = end - whole - 1;
    }
    let degrees: f64 = window.text(unsigned, end).parse().ok()?;
    if degrees > most || decimals > 15 {
        return None;
    }
    let mut marked = false;
    if window.bytes(end, end + 2) == "°".as_bytes() {
        marked = true;
        end += 2;
        // Minutes and seconds.
        for marks in [["'", "′", "’"], ["\"", "″", "”"]] {
            let at = end + usize::from(window.byte(end) == b' ');
            let digits = window.run_while(at, |b| byte::is(b, DIGIT) || b == b'.');
            let mark = marks
                .iter()
                .find(|mark| window.bytes(digits, digits + mark.len()) == mark.as_bytes());
            if let Some(mark) = mark.filter(|_| digits > at) {
                let value: f64 = window.text(at, digits).parse().ok()?;
                if value >= 60.0 {
                    return None;
                }
                end = digits + mark.len();
            }
        }
    }
    let letter = end + usize::from(window.byte(end) == b' ');
    if matches!(window.byte(letter), b'N' | b'S' | b'E' | b'W' | b'O')
        && !window.word_at(letter + 1)
    {
        end = letter + 1;
        marked = true;
    }
    if !marked && decimals == 0 {
        return None;
    }
    Some((
        end,
        if marked {
            Precision::Marked
        } else if decimals >= 4 {
            Precision::Fine
        } else {
            Precision::Coarse
        },
    ))
}
