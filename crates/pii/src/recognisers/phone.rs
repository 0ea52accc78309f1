//! Telephone numbers: international by ITU-T E.164, national by form and by the words around.

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const NUMBERING: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Numbering]);

/// `+` and a country code, with a length of that country.
const INTERNATIONAL: i16 = 26;
/// `00` and a country code.
const ZEROS: i16 = 6;
/// A national form with its usual separators: hyphens, parentheses, full stops.
const NATIONAL: i16 = 9;
/// A national form with spaces, which columns of numbers also have.
const SPACED: i16 = 2;
/// A national form in one group.
const COMPACT: i16 = -14;
/// No known form; only the words around say so.
const TOLD: i16 = -27;
/// What it takes away that a column of numbers is written so.
const COLUMN: i16 = 14;

/// The most groups that are read as one number: `+46 (0) 8 928 571 38` has six.
const MAX_GROUPS: usize = 8;
/// The most digits: 15 by E.164, a trunk zero, and `00`.
const MAX_DIGITS: usize = 18;

/// Country codes whose numbers have a known length: the fewest and the most digits, the code
/// included (national numbering plans, as filed with the ITU under E.129).
const LENGTHS: [(u32, usize, usize); 62] = [
    (1, 11, 11),
    (7, 11, 11),
    (20, 11, 12),
    (27, 11, 11),
    (30, 12, 12),
    (31, 11, 11),
    (32, 10, 11),
    (33, 11, 11),
    (34, 11, 11),
    (36, 10, 11),
    (39, 8, 13),
    (40, 11, 11),
    (41, 11, 11),
    (43, 9, 15),
    (44, 11, 12),
    (45, 10, 10),
    (46, 9, 12),
    (47, 10, 10),
    (48, 11, 11),
    (49, 8, 14),
    (51, 10, 11),
    (52, 12, 13),
    (54, 12, 13),
    (55, 12, 13),
    (56, 11, 11),
    (57, 12, 12),
    (58, 12, 12),
    (60, 10, 12),
    (61, 11, 11),
    (62, 10, 15),
    (63, 11, 12),
    (64, 10, 12),
    (65, 10, 10),
    (66, 10, 11),
    (81, 11, 12),
    (82, 10, 12),
    (84, 11, 12),
    (86, 11, 13),
    (90, 12, 12),
    (91, 12, 12),
    (92, 11, 13),
    (94, 11, 11),
    (98, 12, 12),
    (212, 12, 12),
    (234, 11, 13),
    (254, 12, 12),
    (351, 12, 12),
    (352, 9, 12),
    (353, 9, 12),
    (358, 8, 13),
    (359, 11, 12),
    (370, 11, 11),
    (371, 11, 11),
    (372, 10, 11),
    (380, 12, 12),
    (385, 11, 12),
    (386, 11, 11),
    (420, 12, 12),
    (421, 12, 12),
    (852, 11, 11),
    (971, 11, 12),
    (972, 11, 12),
];

/// A number's groups of digits as far as they may belong together.
struct Groups {
    digits: [u8; MAX_DIGITS],
    /// For each group: where it ends in the text, how many digits there are up to there, and what
    /// stands before it.
    ends: [(usize, usize, Gap); MAX_GROUPS],
    count: usize,
    /// Where the last digit that was read would go on.
    overlong: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Start,
    Space,
    Mark,
    Paren,
    Dash,
}

impl Groups {
    fn read(window: &Window<'_>, start: usize) -> Self {
        let mut groups = Self {
            digits: [0; MAX_DIGITS],
            ends: [(0, 0, Gap::Start); MAX_GROUPS],
            count: 0,
            overlong: false,
        };
        let (mut position, mut total, mut gap) = (start, 0, Gap::Start);
        for slot in 0..MAX_GROUPS {
            let end = window.run(position, DIGIT);
            if end == position {
                break;
            }
            for b in window.bytes(position, end) {
                match groups.digits.get_mut(total) {
                    Some(digit) => *digit = b - b'0',
                    None => {
                        groups.overlong = slot == 0;
                        return groups;
                    }
                }
                total += 1;
            }
            if let Some(place) = groups.ends.get_mut(slot) {
                *place = (end, total, gap);
            }
            groups.count = slot + 1;
            let Some((width, next)) = gap_at(window, end) else {
                break;
            };
            position = end + width;
            gap = next;
        }
        groups
    }

    /// The first `count` groups: where they end, and their digits.
    fn first(&self, count: usize) -> Option<(usize, &[u8])> {
        let (end, digits, _) = self.ends.get(count.checked_sub(1)?)?;
        Some((*end, self.digits.get(..*digits)?))
    }

    fn gap(&self, index: usize) -> Gap {
        self.ends.get(index).map_or(Gap::Start, |group| group.2)
    }

    fn size(&self, index: usize) -> usize {
        let to = self.ends.get(index).map_or(0, |group| group.1);
        let from = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |group| group.1);
        to - from
    }

    fn sizes(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).map(|index| self.size(index))
    }

    fn all(&self, count: usize, gap: Gap) -> bool {
        (1..count).all(|index| self.gap(index) == gap)
    }
}

/// What stands between two groups of digits: how wide, and of which kind.
fn gap_at(window: &Window<'_>, at: usize) -> Option<(usize, Gap)> {
    let bytes = [window.byte(at), window.byte(at + 1), window.byte(at + 2)];
    let (width, gap) = match bytes {
        [b' ', b'(', _] | [b')', b' ' | b'-' | b'.', _] | [b'-', b'(', _] => (2, Gap::Paren),
        [b' ', b'-', b' '] => (3, Gap::Dash),
        [b')', b'(', _] => (2, Gap::Paren),
        [b'(' | b')', ..] => (1, Gap::Paren),
        [b' ', ..] => (1, Gap::Space),
        [b'-' | b'.' | b'/', ..] => (1, Gap::Mark),
        _ => return None,
    };
    byte::is(window.byte(at + width), DIGIT).then_some((width, gap))
}

/// Proposes the telephone numbers that start with the run of digits at `start`.
pub(crate) fn at(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    let plus = window.before(start) == b'+' && !window.word_before(start - 1);
    if !plus
        && (window.joined_before(start)
            || window.before(start) == b'.' && window.word_before(start - 1))
    {
        return;
    }
    // A short number that stands alone.
    let first = window.run(start, DIGIT);
    if !plus && first - start < 7 && gap_at(window, first).is_none() {
        return;
    }
    let groups = Groups::read(window, start);
    if groups.overlong || groups.count == 0 {
        return;
    }
    if plus {
        international(window, start, &groups, 0, found);
        return;
    }
    // `0.0.2` is no prefix.
    if groups.size(0) >= 2
        && groups.digits.starts_with(&[0, 0])
        && groups.digits.get(2).is_some_and(|d| *d > 0)
    {
        international(window, start, &groups, 2, found);
    }
    national(window, start, &groups, found);
    told(window, start, &groups, found);
}

fn candidate(
    window: &Window<'_>,
    start: usize,
    end: usize,
    base: i16,
    evidence: EvidenceSet,
) -> Candidate {
    Candidate {
        class: Kind::Phone as u16,
        start,
        end: extension(window, end),
        base,
        evidence,
        tier: Tier::Value,
        weighed: true,
        tail: Tail::None,
    }
}

/// `x123`: an extension belongs to its number.
fn extension(window: &Window<'_>, end: usize) -> usize {
    let spaced = end + usize::from(window.byte(end) == b' ');
    if window.byte(spaced) != b'x' {
        return end;
    }
    let digits = spaced + 1;
    let stop = window.run(digits, DIGIT);
    if (1..=6).contains(&(stop - digits)) && !window.word_at(stop) {
        stop
    } else {
        end
    }
}

/// Whether nothing longer holds what ends here.
fn ends(window: &Window<'_>, end: usize) -> bool {
    if extension(window, end) == end && window.word_at(end) || window.joined_after(end) {
        return false;
    }
    match window.byte(end) {
        b':' => !window.is(end + 1, DIGIT),
        b'_' => !window.is(end + 1, ALNUM),
        b'%' => false,
        _ => true,
    }
}

fn international(
    window: &Window<'_>,
    start: usize,
    groups: &Groups,
    zeros: usize,
    found: &mut Vec<Candidate>,
) {
    for count in (1..=groups.count).rev() {
        let Some((end, digits)) = groups.first(count) else {
            continue;
        };
        let digits = digits.get(zeros..).unwrap_or_default();
        let trunk = usize::from(has_trunk_zero(groups, count));
        let Some((fewest, most)) = lengths(digits) else {
            return;
        };
        // North America's areas begin with 2 to 9. So do its exchanges, yet behind a plus sign many
        // write down what only looks like one.
        if digits.first() == Some(&1) && digits.get(1).is_some_and(|digit| *digit < 2) {
            return;
        }
        if !(fewest..=most).contains(&(digits.len() - trunk.min(digits.len())))
            || !ends(window, end)
        {
            continue;
        }
        let mut from = start - usize::from(zeros == 0);
        // `(+44) 20 7946 0958`
        if window.before(from) == b'(' && groups.gap(1) == Gap::Paren {
            from -= 1;
        }
        let base = match (zeros, count) {
            (0, _) => INTERNATIONAL,
            // `00` is also how any number may start.
            (_, 1) => COMPACT,
            _ if is_column(window, start, groups, count) => ZEROS - COLUMN,
            _ => ZEROS,
        };
        found.push(candidate(window, from, end, base, NUMBERING));
        return;
    }
}

/// The fewest and most digits of a number that starts with these, its country code included.
fn lengths(digits: &[u8]) -> Option<(usize, usize)> {
    if digits.first().is_none_or(|digit| *digit == 0) {
        return None;
    }
    let mut code = 0;
    for digit in digits.iter().take(3) {
        code = code * 10 + u32::from(*digit);
        if let Some((_, fewest, most)) = LENGTHS.iter().find(|(known, ..)| *known == code) {
            return Some((*fewest, *most));
        }
    }
    // Codes that are assigned to nobody (the list of assigned country codes, ITU-T E.164).
    let is_spare = matches!(
        code,
        210 | 214 | 215 | 217 | 219 | 259 | 280..=289 | 384 | 422 | 424..=429 | 693..=699 | 801..=807 | 830..=839 | 851 | 854 | 857..=859
            | 874..=877 | 884 | 885 | 887 | 889..=899 | 969 | 978 | 990 | 997 | 999
    );
    (!is_spare).then_some((8, 15))
}

/// Whether one of the groups is the `(0)` of `+46 (0)8 928 571 38`, which is not dialled.
fn has_trunk_zero(groups: &Groups, count: usize) -> bool {
    (1..count).any(|index| {
        let before = index
            .checked_sub(1)
            .and_then(|i| groups.ends.get(i))
            .map_or(0, |group| group.1);
        groups.size(index) == 1
            && groups.gap(index) == Gap::Paren
            && groups.digits.get(before) == Some(&0)
    })
}

/// A number without a country code, in a form of its own.
fn national(window: &Window<'_>, start: usize, groups: &Groups, found: &mut Vec<Candidate>) {
    let paren = window.before(start) == b'(' && groups.gap(1) == Gap::Paren;
    for count in (1..=groups.count.min(6)).rev() {
        let Some((end, digits)) = groups.first(count) else {
            continue;
        };
        if count == 2 && groups.size(0) == 5 && groups.size(1) == 4 && is_of_address(window, end) {
            continue;
        }
        let Some(base) = north_american(groups, digits, count, paren)
            .or_else(|| trunk(groups, digits, count))
            .or_else(|| other_plan(groups, digits, count, paren))
        else {
            continue;
        };
        let column = is_column(window, start, groups, count);
        if ends(window, end) {
            found.push(candidate(
                window,
                start - usize::from(paren),
                end,
                base - if column { COLUMN } else { 0 },
                NUMBERING,
            ));
            return;
        }
    }
}

/// Whether the United States follow, whose postal codes have five digits and four as well; a line may end
/// between.
fn is_of_address(window: &Window<'_>, end: usize) -> bool {
    let between = |b: u8| matches!(b, b',' | b' ' | b'\t' | b'\r' | b'\n' | b'#' | b'*');
    let mut at = end;
    while at < end + 8 && between(window.byte(at)) {
        at += 1;
    }
    at > end && window.bytes(at, at + 2) == b"US"
}

/// Whether groups are of a column of numbers, or of a dump of bytes: each is filled up with
/// zeros, or twos and fours go on as hexadecimal numbers do.
fn is_column(window: &Window<'_>, start: usize, groups: &Groups, count: usize) -> bool {
    let fours = || groups.all(count, Gap::Mark) && groups.sizes(count).all(|size| size == 4);
    if count < 3 || !groups.all(count, Gap::Space) && !fours() {
        return false;
    }
    let firsts = (0..count).map(|index| {
        let before = index.checked_sub(1).and_then(|i| groups.ends.get(i));
        groups.digits.get(before.map_or(0, |group| group.1))
    });
    let filled = firsts.into_iter().all(|digit| digit == Some(&0));
    let size = groups.size(0);
    let alike = matches!(size, 2 | 4) && groups.sizes(count).all(|other| other == size);
    let is_word = |from: usize| {
        let word = window.bytes(from, from + size);
        word.len() == size
            && word.iter().all(u8::is_ascii_hexdigit)
            && word.iter().any(u8::is_ascii_digit)
    };
    let end = groups.first(count).map_or(start, |(end, _)| end);
    let before = start > size
        && window.before(start) == b' '
        && is_word(start - size - 1)
        && !window.word_before(start - size - 1);
    // Another number in pairs begins with a zero.
    let other = size == 2 && window.byte(end + 1) == b'0' && window.is(end + 2, DIGIT);
    let after =
        window.byte(end) == b' ' && !other && is_word(end + 1) && !window.word_at(end + 1 + size);
    filled || alike && (before || after)
}

/// The North American Numbering Plan: area and exchange start with 2 to 9, and neither is N11.
fn north_american(groups: &Groups, digits: &[u8], count: usize, paren: bool) -> Option<i16> {
    let ten = match digits {
        [1, ten @ ..] if ten.len() == 10 => ten,
        ten if ten.len() == 10 => ten,
        _ => return None,
    };
    let sizes: Vec<usize> = groups.sizes(count).collect();
    let base = match sizes.as_slice() {
        [3, 3, 4] | [1, 3, 3, 4] if paren => NATIONAL + 8,
        [3, 3, 4] | [1, 3, 3, 4] if groups.all(count, Gap::Space) => SPACED,
        [3, 3, 4] | [1, 3, 3, 4] => NATIONAL,
        [3, 7] | [6, 4] | [1, 10] => COMPACT + 6,
        [10] => COMPACT - 4,
        _ => return None,
    };
    let code = |at: usize| {
        let part = ten.get(at..at + 3).unwrap_or_default();
        part.first().is_some_and(|d| *d >= 2) && part.get(1..) != Some(&[1, 1])
    };
    (code(0) && code(3)).then_some(base)
}

/// Plans with a trunk prefix 0.
fn trunk(groups: &Groups, digits: &[u8], count: usize) -> Option<i16> {
    if digits.first() != Some(&0)
        || digits.get(1).is_none_or(|digit| *digit == 0)
        || !(9..=12).contains(&digits.len())
    {
        return None;
    }
    let sizes: Vec<usize> = groups.sizes(count).collect();
    let spaced = groups.all(count, Gap::Space);
    let known = match sizes.as_slice() {
        [10 | 11] => return Some(COMPACT),
        [2, 2, 2, 2, 2] | [2, 4, 4] | [2, 7] | [2, 8] | [1, 4, 4] => true,
        // The trunk prefix by itself: Türkiye, the Philippines.
        [1, 3, 3, 2, 2] | [1, 3, 3, 4] | [1, 3, 7] => true,
        [3..=5, rest @ ..] if !rest.is_empty() && rest.len() <= 4 => {
            rest.iter().all(|size| (2..=8).contains(size))
        }
        [2, rest @ ..] if rest.len() >= 2 && rest.len() <= 4 => {
            rest.iter().all(|size| (2..=4).contains(size))
        }
        _ => false,
    };
    known.then_some(if spaced { SPACED } else { NATIONAL })
}

/// Plans without a trunk prefix whose written forms are their own.
fn other_plan(groups: &Groups, digits: &[u8], count: usize, paren: bool) -> Option<i16> {
    let sizes: Vec<usize> = groups.sizes(count).collect();
    let spaced = groups.all(count, Gap::Space);
    let first = digits.first().copied().unwrap_or(0);
    match sizes.as_slice() {
        // Brazil: (11) 91234-5678, (11) 2345-6789.
        [2, 5, 4] if paren && digits.get(2) == Some(&9) => Some(NATIONAL + 10),
        [2, 4, 4] if paren => Some(NATIONAL + 4),
        [2, 3, 3] | [2, 3, 4] | [3, 3, 3] if paren => Some(SPACED),
        [2, 5, 4] if digits.get(2) == Some(&9) && first > 0 => Some(SPACED),
        // Russia: 8 (912) 345-67-89.
        [1, 3, 3, 2, 2] if first == 8 || first == 7 => Some(NATIONAL + 8),
        [3, 3, 2, 2] if paren => Some(NATIONAL + 8),
        // Türkiye's mobiles without their zero.
        [3, 3, 2, 2] if first == 5 => Some(-8),
        // China: 138 1234 5678.
        [3, 4, 4] if first == 1 && digits.get(1).is_some_and(|d| *d >= 3) => Some(SPACED + 2),
        [11] if first == 1 && digits.get(1).is_some_and(|d| *d >= 3) => Some(COMPACT),
        // India: 98765 43210.
        [5, 5] if first >= 6 => Some(if spaced { SPACED - 2 } else { SPACED }),
        // Spain, Portugal, Poland, France without its zero: nine digits.
        [3, 3, 3] | [3, 2, 2, 2] if matches!(first, 6 | 7 | 9) => Some(-12),
        // Italy's mobiles.
        [3, 3, 4] | [3, 7] | [3, 6] | [3, 2, 5] if first == 3 => Some(-10),
        // Denmark, Norway.
        [2, 2, 2, 2] if first >= 2 => Some(-16),
        [3, 2, 3] if first >= 2 => Some(-14),
        // Singapore, Hong Kong.
        [4, 4] if matches!(first, 2 | 3 | 5 | 6 | 8 | 9) => Some(-14),
        // North America without its area code.
        [3, 4] if first >= 2 => Some(-16),
        _ => None,
    }
}

/// Whatever is long enough, when the words around name it.
fn told(window: &Window<'_>, start: usize, groups: &Groups, found: &mut Vec<Candidate>) {
    for count in (1..=groups.count.min(6)).rev() {
        let Some((end, digits)) = groups.first(count) else {
            continue;
        };
        let fits = match count {
            1 => (7..=15).contains(&digits.len()),
            _ => {
                (7..=13).contains(&digits.len())
                    && groups.sizes(count).all(|size| (2..=8).contains(&size))
            }
        };
        if !fits || is_date_or_address(groups, count) || !ends(window, end) {
            continue;
        }
        let paren = window.before(start) == b'(' && groups.gap(1) == Gap::Paren;
        found.push(candidate(
            window,
            start - usize::from(paren),
            end,
            TOLD,
            SHAPE,
        ));
        return;
    }
}

/// `2026-11-21`, `21.11.2026`, `10.20.30.40`: written as other things are.
fn is_date_or_address(groups: &Groups, count: usize) -> bool {
    let sizes: Vec<usize> = groups.sizes(count).collect();
    let marked = groups.all(count, Gap::Mark);
    marked
        && matches!(
            sizes.as_slice(),
            [4, 2, 2] | [2, 2, 4] | [1, 2, 4] | [2, 1, 4]
        )
        || marked && count == 4 && sizes.iter().all(|size| *size <= 3)
}
