//! United States social security numbers, by the rules of the Social Security Administration.

use crate::number::{Gap, Groups, Hint};
use crate::page::Page;
use crate::{Class, Confidence, Evidence};

const HYPHENS: Confidence = Confidence::percent(85);
const SPACES: Confidence = Confidence::percent(60);
const WITH_CONTEXT: Confidence = Confidence::percent(95);
/// Nine digits in one or two groups, after a word that says social security.
const COMPACT: Confidence = Confidence::percent(80);
/// Spaces, after a word that says something else.
const DOUBTED: Confidence = Confidence::percent(45);

/// Claims every number, in three groups, or in fewer after a telling word.
pub(crate) fn claim(page: &mut Page<'_>, groups: &Groups) {
    for first in 0..groups.len() {
        let found = (1..=3)
            .rev()
            .find_map(|count| verified(page, groups, first, count));
        if let Some((range, confidence, context)) = found {
            let mut evidence = vec![Evidence::Shape, Evidence::Numbering];
            evidence.extend(context);
            page.claim(Class::UsSsn, range, confidence, &evidence);
        }
    }
}

type Verified = (std::ops::Range<usize>, Confidence, Option<Evidence>);

fn verified(page: &Page<'_>, groups: &Groups, first: usize, count: usize) -> Option<Verified> {
    const TIGHT: &[Gap] = &[Gap::Hyphen, Gap::Dot];
    let range = groups.span(page, first, count)?;
    let sizes = [0, 1, 2].map(|index| {
        if index < count {
            groups.digits(first + index)
        } else {
            0
        }
    });
    let hint = groups.hint(first);
    let (confidence, context) = match (sizes, hint) {
        ([3, 2, 4], Some(Hint::Ssn)) => (WITH_CONTEXT, Some(Evidence::Context)),
        ([9, 0, 0] | [3, 6, 0] | [5, 4, 0], Some(Hint::Ssn)) => (COMPACT, Some(Evidence::Context)),
        ([3, 2, 4], _) => match (
            groups.gap(first),
            groups.gap(first + 1),
            groups.called_otherwise(first),
        ) {
            (Gap::Hyphen, Gap::Hyphen, _) => (HYPHENS, None),
            (Gap::Space, Gap::Space, true) => (DOUBTED, Some(Evidence::NegativeContext)),
            (Gap::Space | Gap::Hyphen | Gap::Dash, Gap::Space | Gap::Hyphen | Gap::Dash, _) => {
                (SPACES, None)
            }
            _ => return None,
        },
        _ => return None,
    };
    let apart = (first..first + count - 1).any(|index| groups.gap(index) == Gap::Apart);
    let inner = groups.joined_before(page, first, TIGHT)
        || groups.joined_after(page, first + count - 1, TIGHT);
    let number = groups.number(page, first, count)?;
    let (area, group, serial) = match number.digits() {
        [a, b, c, d, e, rest @ ..] => (join(&[*a, *b, *c]), join(&[*d, *e]), join(rest)),
        _ => return None,
    };
    (!apart && !inner && issued(area, group, serial)).then_some((range, confidence, context))
}

fn join(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(*digit))
}

/// What the SSA never issues: areas 000, 666 and 900-999, group 00, serial 0000 (20 CFR 422.103;
/// SSA, "Social Security Number Randomization", 2011); and the two numbers that it withdrew after
/// they had been printed as samples.
fn issued(area: u32, group: u32, serial: u32) -> bool {
    let never = matches!(area, 0 | 666 | 900..) || group == 0 || serial == 0;
    let withdrawn = matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999));
    !never && !withdrawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    fn found(text: &str) -> Vec<&str> {
        let likely = scan(text)
            .into_iter()
            .filter(|m| m.class == Class::UsSsn && m.confidence >= Confidence::DEFAULT_THRESHOLD);
        likely.map(|m| text.get(m.range).unwrap()).collect()
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("123-45-6789", "123-45-6789"),
            ("001-01-0001", "001-01-0001"),
            ("899-99-9999", "899-99-9999"),
            ("665-45-6789,x", "665-45-6789"),
            ("612 85 6226", "612 85 6226"),
            ("123\u{2011}45\u{2011}6789", "123\u{2011}45\u{2011}6789"),
            ("123 - 45 - 6789", "123 - 45 - 6789"),
            ("SSN: 123.45.6789", "123.45.6789"),
            ("social security number 123456789", "123456789"),
            ("\"ssn\":123456789}", "123456789"),
            ("ssn 078-051121", "078-051121"),
            ("SS# 07805-1121", "07805-1121"),
            ("file 123-45-6789.pdf", "123-45-6789"),
            ("123-45-6789/", "123-45-6789"),
            ("番号123-45-6789です", "123-45-6789"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        assert_eq!(
            found("123-45-6789 123-45-6780"),
            ["123-45-6789", "123-45-6780"]
        );
    }

    #[test]
    fn what_is_not_a_number() {
        for (name, text) in [
            ("area 000", "000-12-3456"),
            ("area 666", "666-12-3456"),
            ("area 900", "900-12-3456"),
            ("area 999", "SSN 999-12-3456"),
            ("group 00", "123-00-4567"),
            ("serial 0000", "123-45-0000"),
            ("withdrawn after it came with wallets", "078-05-1120"),
            ("withdrawn after a pamphlet", "219-09-9999"),
            ("nine digits without context", "123456789"),
            ("nine digits of an order", "order 123456789"),
            ("spaces, but an order", "order 123 45 6789"),
            ("dots without context", "123.45.6789"),
            ("the middle of something longer", "1-123-45-6789"),
            ("the head of something longer", "123-45-6789-1"),
            ("a letter before", "A123-45-6789"),
            ("a digit more", "123-45-67890"),
            ("a telephone's groups", "123-456-789"),
            (
                "the order is nearer than the ssn",
                "ssn of the order 123456789",
            ),
        ] {
            assert_eq!(found(text), [""; 0], "{name}");
        }
    }
}
