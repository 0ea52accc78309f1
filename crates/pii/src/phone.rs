//! Telephone numbers: international by ITU-T E.164, national by form and by the words before.

use std::ops::Range;

use crate::number::{Gap, Groups, Hint, Number};
use crate::page::Page;
use crate::{Class, Confidence, Evidence};

const INTERNATIONAL: Confidence = Confidence::percent(85);
/// A national form with its usual separators: hyphens, parentheses, full stops.
const NATIONAL: Confidence = Confidence::percent(70);
/// A national form with spaces, which columns of numbers also have.
const SPACED: Confidence = Confidence::percent(55);
const WITH_CONTEXT: Confidence = Confidence::percent(90);
/// No known form; only the word before says so.
const CONTEXT_ALONE: Confidence = Confidence::percent(75);
/// A known form, after a word that says something else.
const DOUBTED: Confidence = Confidence::percent(45);

/// The most groups that are read as one number: `+46 (0) 8 928 571 38` has six.
const MAX_GROUPS: usize = 8;
/// How many words a word that says telephone reaches over.
const REACH: usize = 4;

/// Country codes whose numbers have a known length: the fewest and the most digits, the code
/// included (national numbering plans, as filed with the ITU under E.129).
const LENGTHS: [(u32, usize, usize); 40] = [
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
    (52, 12, 13),
    (54, 12, 13),
    (55, 12, 13),
    (56, 11, 11),
    (57, 12, 12),
    (60, 10, 12),
    (61, 11, 11),
    (62, 10, 15),
    (63, 11, 12),
    (64, 10, 12),
    (65, 10, 10),
    (66, 10, 11),
    (81, 11, 12),
    (82, 10, 12),
    (86, 11, 13),
    (90, 12, 12),
    (91, 12, 12),
    (351, 12, 12),
    (353, 9, 12),
    (972, 11, 12),
];

/// Claims every telephone number.
pub(crate) fn claim(page: &mut Page<'_>, groups: &Groups) {
    for first in 0..groups.len() {
        let found = international(page, groups, first).or_else(|| national(page, groups, first));
        if let Some((range, confidence, context)) = found {
            let mut evidence = vec![Evidence::Shape];
            evidence.extend(context);
            page.claim(Class::Phone, range, confidence, &evidence);
        }
    }
}

type Verified = (Range<usize>, Confidence, Option<Evidence>);

/// `+` and a country code, or `00` and one; 8 to 15 digits.
fn international(page: &Page<'_>, groups: &Groups, first: usize) -> Option<Verified> {
    let head = groups.span(page, first, 1)?;
    let plus = page.byte_before(head.start) == b'+' && !page.word_before(head.start - 1);
    let number = groups.number(page, first, 1)?;
    let zeros = !plus && number.digits().starts_with(&[0, 0]);
    if !plus && (!zeros || number.digits().get(2).is_none_or(|digit| *digit == 0)) {
        return None;
    }
    let hint = groups.hint(first);
    // `00` is also how any number may start.
    if zeros
        && hint != Some(Hint::Phone)
        && !(number.digits().len() <= 5 && joins(groups.gap(first)))
    {
        return None;
    }
    let prefix = if zeros { 2 } else { 0 };
    let found = (1..=MAX_GROUPS).rev().find_map(|count| {
        let range = candidate(page, groups, first, count)?;
        let number = groups.number(page, first, count)?;
        let trunk = usize::from(has_trunk_zero(groups, page, first, count));
        let digits = number.digits().get(prefix..)?;
        let (fewest, most) = lengths(digits)?;
        let length = digits.len().checked_sub(trunk)?;
        (fewest..=most).contains(&length).then_some(range)
    })?;
    let start = match (plus, found.start) {
        (true, start) => start - 1,
        (false, start) => start,
    };
    // `(+44) 20 7946 0958`
    let opened = page.byte_before(start) == b'(' && page.byte(head.end) == b')';
    let range = start - usize::from(opened)..found.end;
    Some(match hint {
        Some(Hint::Phone) => (range, WITH_CONTEXT, Some(Evidence::Context)),
        _ if zeros && groups.called_otherwise(first) => {
            (range, DOUBTED, Some(Evidence::NegativeContext))
        }
        _ => (range, INTERNATIONAL, None),
    })
}

/// A number without a country code, in a form of its own or after a telling word.
fn national(page: &Page<'_>, groups: &Groups, first: usize) -> Option<Verified> {
    let context = groups.hint_within(first, Hint::Phone, REACH);
    let doubted = groups.called_otherwise(first);
    let form = (2..=6).rev().find_map(|count| {
        let range = candidate(page, groups, first, count)?;
        let number = groups.number(page, first, count)?;
        let known = is_north_american(groups, &number, first, count)
            || is_trunk(groups, &number, first, count);
        known.then_some((range, count))
    });
    if let Some((range, count)) = form {
        let spaced = (first..first + count - 1).all(|index| groups.gap(index) == Gap::Space);
        let range = with_parenthesis(page, groups, first, range);
        return Some(match (context, doubted) {
            (true, _) => (range, WITH_CONTEXT, Some(Evidence::Context)),
            (_, true) => (range, DOUBTED, Some(Evidence::NegativeContext)),
            _ if spaced => (range, SPACED, None),
            _ => (range, NATIONAL, None),
        });
    }
    if !context {
        return None;
    }
    let range = (1..=6).rev().find_map(|count| {
        let range = candidate(page, groups, first, count)?;
        let length = groups.number(page, first, count)?.digits().len();
        let fits = match count {
            1 => (8..=15).contains(&length),
            _ => (7..=12).contains(&length) && !is_date(groups, first, count),
        };
        let sizes = (first..first + count).all(|index| (2..=8).contains(&groups.digits(index)));
        (fits && (count == 1 || sizes)).then_some(range)
    })?;
    let range = with_parenthesis(page, groups, first, range);
    Some((range, CONTEXT_ALONE, Some(Evidence::Context)))
}

/// The groups as one number, if they join and nothing longer holds them.
fn candidate(page: &Page<'_>, groups: &Groups, first: usize, count: usize) -> Option<Range<usize>> {
    const TIGHT: &[Gap] = &[Gap::Hyphen, Gap::Dot];
    let range = groups.span(page, first, count)?;
    let last = first + count - 1;
    let joined = (first..last).all(|index| joins(groups.gap(index)));
    let inner = groups.joined_before(page, first, TIGHT) || groups.joined_after(page, last, TIGHT);
    (joined && !inner).then_some(range)
}

fn joins(gap: Gap) -> bool {
    gap != Gap::Apart
}

/// Whether one of the groups is the `(0)` of `+46 (0)8 928 571 38`, which is not dialled.
fn has_trunk_zero(groups: &Groups, page: &Page<'_>, first: usize, count: usize) -> bool {
    let inner = first + 1..first + count;
    inner.into_iter().any(|index| {
        groups.digits(index) == 1
            && groups.gap(index - 1) == Gap::Paren
            && groups.gap(index) == Gap::Paren
            && groups
                .span(page, index, 1)
                .is_some_and(|range| page.byte(range.start) == b'0')
    })
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
    Some((8, 15))
}

/// The North American Numbering Plan: area and exchange start with 2 to 9, and neither is N11.
fn is_north_american(groups: &Groups, number: &Number, first: usize, count: usize) -> bool {
    let sizes = |from: usize| [0, 1, 2].map(|index| groups.digits(from + index)) == [3, 3, 4];
    let digits = match (count, number.digits()) {
        (3, digits) if sizes(first) => digits,
        (4, [1, digits @ ..]) if sizes(first + 1) && groups.digits(first) == 1 => digits,
        _ => return false,
    };
    let [a, b, c, d, e, f, ..] = digits else {
        return false;
    };
    let code = |head: u8, rest: [u8; 2]| head >= 2 && rest != [1, 1];
    code(*a, [*b, *c]) && code(*d, [*e, *f])
}

/// National numbers with the trunk prefix 0, as in Europe and much of Asia: a first group of
/// three to five digits and a rest (`020 7946 0958`, `030/123456`), five pairs (`01 23 45 67 89`),
/// or 2-4-4 (`03-1234-5936`).
fn is_trunk(groups: &Groups, number: &Number, first: usize, count: usize) -> bool {
    let [0, 1..=9, ..] = number.digits() else {
        return false;
    };
    let sizes: Vec<_> = (first..first + count)
        .map(|index| groups.digits(index))
        .collect();
    let gaps =
        |allowed: &[Gap]| (first..first + count - 1).all(|i| allowed.contains(&groups.gap(i)));
    match *sizes.as_slice() {
        [2, 2, 2, 2, 2] => gaps(&[Gap::Space, Gap::Dot, Gap::Hyphen]),
        [2, 4, 4] => gaps(&[Gap::Space, Gap::Hyphen, Gap::Paren]),
        [3..=5, ref rest @ ..] => {
            (9..=12).contains(&number.digits().len())
                && rest.iter().all(|size| (2..=8).contains(size))
                && gaps(&[Gap::Space, Gap::Hyphen, Gap::Slash, Gap::Paren])
        }
        _ => false,
    }
}

/// Year, month and day, or day, month and year.
fn is_date(groups: &Groups, first: usize, count: usize) -> bool {
    let sizes: Vec<_> = (first..first + count)
        .map(|index| groups.digits(index))
        .collect();
    matches!(*sizes.as_slice(), [4, 2, 2, ..] | [2, 2, 4, ..])
}

/// Takes in the parenthesis around an area code: `(201) 555-0108`.
fn with_parenthesis(
    page: &Page<'_>,
    groups: &Groups,
    first: usize,
    range: Range<usize>,
) -> Range<usize> {
    let closed = page.byte(range.start + groups.digits(first)) == b')';
    let opened = page.byte_before(range.start) == b'(';
    range.start - usize::from(opened && closed)..range.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    fn found(text: &str) -> Vec<&str> {
        let likely = scan(text)
            .into_iter()
            .filter(|m| m.class == Class::Phone && m.confidence >= Confidence::DEFAULT_THRESHOLD);
        likely.map(|m| text.get(m.range).unwrap()).collect()
    }

    /// Numbers that the plans keep for fiction and documentation, where there are such.
    #[test]
    fn numbers() {
        for (text, expected) in [
            ("+12015550108", "+12015550108"),
            ("+1 201-555-0108", "+1 201-555-0108"),
            ("+1 (201) 555-0108", "+1 (201) 555-0108"),
            ("+44 7700 900123", "+44 7700 900123"),
            ("(+44) 20 7946 0958", "(+44) 20 7946 0958"),
            ("+49 30 123456", "+49 30 123456"),
            ("+33 1 99 00 12 34", "+33 1 99 00 12 34"),
            ("+46 (0)8 928 571 38", "+46 (0)8 928 571 38"),
            ("+41 21 234 25 66 2024", "+41 21 234 25 66"),
            ("+972502345606", "+972502345606"),
            ("tel:+493023125000", "+493023125000"),
            ("001-518-555-0134", "001-518-555-0134"),
            ("0049 30 123456", "0049 30 123456"),
            ("(201) 555-0108", "(201) 555-0108"),
            ("201-555-0108", "201-555-0108"),
            ("201.555.0108", "201.555.0108"),
            ("201 555 0108", "201 555 0108"),
            ("1-201-555-0108", "1-201-555-0108"),
            ("(555-0108, or 201-555-0108)", "201-555-0108"),
            ("020 7946 0958", "020 7946 0958"),
            ("07700 900123", "07700 900123"),
            ("(030) 123456", "(030) 123456"),
            ("030/12345678", "030/12345678"),
            ("01 99 00 12 34", "01 99 00 12 34"),
            ("03-1234-5936", "03-1234-5936"),
            ("090-1234-5678", "090-1234-5678"),
            ("Phone: 467 3395", "467 3395"),
            ("Phone:\n60-56-85-91", "60-56-85-91"),
            ("call me on 2015550108 today", "2015550108"),
            ("mobile 13812345678", "13812345678"),
            ("電話は090-1234-5678です", "090-1234-5678"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        assert_eq!(found("201-555-0108 415-555-0132").len(), 2);
        assert_eq!(found("ship the order to Ann Lee, 201 555 0108").len(), 1);
    }

    #[test]
    fn what_is_not_a_number() {
        for (name, text) in [
            ("ten digits", "2015550108"),
            ("an order", "order 201-555-0108"),
            ("an order's number", "order number: 201 555 0108"),
            (
                "the order is nearer than the phone",
                "phone for order 12345678",
            ),
            ("a date", "call on 2026-11-20"),
            ("a date and a time", "call on 20-11-2026 10:30"),
            ("area N11", "911-555-0108"),
            ("area below 2", "101-555-0108"),
            ("exchange below 2", "201-155-0108"),
            ("the middle of something longer", "7-201-555-0108-9"),
            ("too short for its country", "+1700000000"),
            ("too long for any country", "+12345678901234567"),
            ("seven digits", "+1234567"),
            ("a letter before", "x+12015550108"),
            ("a letter after", "+12015550108x"),
            ("a sum", "2+12015550108"),
            ("a small number after call", "call 5 times"),
        ] {
            assert_eq!(found(text), [""; 0], "{name}");
        }
    }
}
