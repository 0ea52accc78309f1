//! Payment card numbers: ISO/IEC 7812-1.

use crate::number::{Gap, Groups, Hint, Number};
use crate::page::Page;
use crate::{Class, Confidence, Evidence};

/// An issuer's range and a length that it uses.
const CARD: Confidence = Confidence::percent(95);
const WITH_CONTEXT: Confidence = Confidence::percent(99);
/// A length that the scheme allows and seldom uses.
const UNUSUAL: Confidence = Confidence::percent(50);
/// A short or wide range: one number in ten passes the checksum by chance.
const WEAK: Confidence = Confidence::percent(40);
/// The word before says that it is something else.
const DOUBTED: Confidence = Confidence::percent(60);

/// How telling an issuer's range is.
#[derive(Clone, Copy, PartialEq)]
enum Issuer {
    Usual,
    Unusual,
    Weak,
    Unknown,
}

/// Claims every card number: 12 to 19 digits in one group, or in the groups that are printed on
/// cards, with one separator between two.
pub(crate) fn claim(page: &mut Page<'_>, groups: &Groups) {
    for first in 0..groups.len() {
        // The longest first: a prefix of a number may pass the checksum too.
        let found = (1..=5)
            .rev()
            .find_map(|count| verified(page, groups, first, count));
        if let Some((range, confidence, context)) = found {
            let mut evidence = vec![Evidence::Shape, Evidence::Checksum, Evidence::Numbering];
            evidence.extend(context);
            page.claim(Class::Card, range, confidence, &evidence);
        }
    }
}

type Verified = (std::ops::Range<usize>, Confidence, Option<Evidence>);

fn verified(page: &Page<'_>, groups: &Groups, first: usize, count: usize) -> Option<Verified> {
    let range = groups.span(page, first, count)?;
    // The digits after a decimal point are a fraction.
    if !printed(groups, first, count) || groups.joined_before(page, first, &[Gap::Dot]) {
        return None;
    }
    let number = groups.number(page, first, count)?;
    if !luhn(number.digits()) {
        return None;
    }
    let issuer = issuer(&number);
    let (confidence, context) = match (groups.hint(first), issuer) {
        // The first digit is the industry: 0 is for other uses (ISO/IEC 7812-1, section 4.2).
        _ if number.prefix(1) == 0 => return None,
        (Some(Hint::Card), _) => (WITH_CONTEXT, Some(Evidence::Context)),
        (_, Issuer::Unknown) => return None,
        (_, Issuer::Weak) => (WEAK, None),
        (_, Issuer::Unusual) => (UNUSUAL, None),
        (Some(Hint::Other | Hint::Version), _) => (DOUBTED, Some(Evidence::NegativeContext)),
        _ => (CARD, None),
    };
    Some((range, confidence, context))
}

/// Whether the groups are as on a card: one; fours with a shorter rest; 4-6-5, 4-6-4 or 6-13.
fn printed(groups: &Groups, first: usize, count: usize) -> bool {
    let joined = |index| matches!(groups.gap(index), Gap::Space | Gap::Hyphen | Gap::Dot);
    let sizes = |index: usize| groups.digits(first + index);
    if !(first..first + count - 1).all(joined) {
        return false;
    }
    match count {
        1 => true,
        2 => sizes(0) == 6 && sizes(1) == 13,
        3 => sizes(0) == 4 && sizes(1) == 6 && matches!(sizes(2), 4 | 5),
        _ => (0..count - 1).all(|index| sizes(index) == 4) && (1..=4).contains(&sizes(count - 1)),
    }
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |sum, (index, digit)| {
            let digit = u32::from(*digit);
            sum + match (index % 2, digit) {
                (0, _) => digit,
                (_, 0..=4) => digit * 2,
                (_, _) => digit * 2 - 9,
            }
        });
    digits.len() >= 12 && digits.len() <= 19 && sum.is_multiple_of(10)
}

/// The schemes' published issuer identification numbers.
fn issuer(number: &Number) -> Issuer {
    let length = number.digits().len();
    let usual = |at: &[usize], else_: Issuer| {
        if at.contains(&length) {
            Issuer::Usual
        } else {
            else_
        }
    };
    match (number.prefix(2), number.prefix(4), number.prefix(3)) {
        // Mastercard.
        (51..=55, ..) | (_, 2221..=2720, _) if length == 16 => Issuer::Usual,
        // Mir.
        (_, 2200..=2204, _) if (16..=19).contains(&length) => usual(&[16], Issuer::Weak),
        // American Express; JCB's former range.
        (34 | 37, ..) | (_, 1800 | 2131, _) if length == 15 => Issuer::Usual,
        // JCB.
        (_, 3528..=3589, _) if (16..=19).contains(&length) => usual(&[16], Issuer::Weak),
        // Diners Club.
        (36 | 38 | 39, ..) | (_, _, 300..=305 | 309) if (14..=19).contains(&length) => {
            usual(&[14, 16], Issuer::Weak)
        }
        // Visa.
        (40..=49, ..) if length == 16 => Issuer::Usual,
        (40..=49, ..) if length == 19 => Issuer::Unusual,
        (40..=49, ..) if length == 13 => Issuer::Weak,
        // Discover; UnionPay.
        (65, ..) | (_, 6011, _) | (_, _, 644..=649) if (16..=19).contains(&length) => {
            usual(&[16], Issuer::Unusual)
        }
        (62 | 81, ..) if (16..=19).contains(&length) => usual(&[16], Issuer::Unusual),
        // Maestro, and the national schemes beside it.
        (50 | 56..=69, ..) if (12..=19).contains(&length) => usual(&[16], Issuer::Weak),
        _ => Issuer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    fn found(text: &str) -> Vec<&str> {
        let likely = scan(text)
            .into_iter()
            .filter(|m| m.class == Class::Card && m.confidence >= Confidence::DEFAULT_THRESHOLD);
        likely.map(|m| text.get(m.range).unwrap()).collect()
    }

    /// Test numbers that the schemes and processors publish.
    #[test]
    fn card_numbers() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4111\u{2011}1111\u{2011}1111\u{2011}1111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "30569309025904",
            "3056 930902 5904",
            "3530111333300000",
            "6200000000000005",
            "5019717010103742",
            "2201382000000013",
        ] {
            assert_eq!(found(text), [text]);
            assert_eq!(found(&format!("<{text}>")), [text]);
        }
        assert_eq!(found("card 4222222222222"), ["4222222222222"]);
        assert_eq!(found("4111111111111111.00"), ["4111111111111111"]);
        assert_eq!(found("\\n4111111111111111\\n"), ["4111111111111111"]);
        assert_eq!(
            found("4012888888881881 4012-8888-8888-1881 4012 8888 8888 1881"),
            [
                "4012888888881881",
                "4012-8888-8888-1881",
                "4012 8888 8888 1881"
            ]
        );
    }

    #[test]
    fn what_is_not_a_card_number() {
        for (name, text) in [
            ("wrong check digit", "4111111111111112"),
            ("two digits exchanged", "card 4111111111111211"),
            ("no such industry", "card 0000000000000000"),
            ("no such issuer, Luhn passes", "9111111111111111"),
            ("thirteen digits without context", "4222222222222"),
            ("eleven digits", "card 41111111112"),
            ("twenty digits", "41111111111111111111"),
            ("a fraction", "0.4111111111111111"),
            ("a letter before", "x4111111111111111"),
            ("a letter after", "4111111111111111x"),
            ("two separators", "4111  1111  1111  1111"),
            ("groups of no card", "41 11 1111 1111 1111"),
        ] {
            assert_eq!(found(text), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_word_before_weighs() {
        let of = |text: &str| scan(text)[0].clone();
        let plain = of("4111111111111111");
        let card = of("card number 4111111111111111");
        let order = of("order number 4111111111111111");
        assert!(card.confidence > plain.confidence && plain.confidence > order.confidence);
        assert!(card.evidence.contains(&Evidence::Context));
        assert!(order.evidence.contains(&Evidence::NegativeContext));
    }
}
