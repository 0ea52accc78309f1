//! Banks, vehicles, devices.

use super::checksum::{at, luhn, number, two, uniform, weighted};
use super::{CHECKED, NAMED, NUMBERED, PROVEN, Rule, SHAPED};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // ABA Key to Routing Numbers: Federal Reserve prefixes, weights 3 7 1.
    Rule {
        kind: Aba,
        forms: &[("ddddddddd", NAMED), ("dddd-dddd-d", -10)],
        check: |v| {
            matches!(two(v, 0), 0..=12 | 21..=32 | 61..=72 | 80)
                && number(v) > 0
                && weighted(v, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: Account,
        forms: &[
            ("dddddd", NAMED - 6),
            ("ddddddd", NAMED - 3),
            ("dddddddd", NAMED),
            ("ddddddddd", NAMED),
            ("dddddddddd", NAMED),
            ("ddddddddddd", NAMED),
            ("dddddddddddd", NAMED),
            ("ddddddddddddd", NAMED),
            ("dddddddddddddd", NAMED),
            ("ddddddddddddddd", NAMED),
            ("dddddddddddddddd", NAMED),
            ("ddddddddddddddddd", NAMED),
            ("dd-dd-dd", NAMED),
            ("dd dd dd", NAMED - 4),
            ("ddd-ddd", NAMED - 4),
            ("dddd dddd", NAMED),
            ("dddd-dddd-dddd", NAMED),
            ("dddd dddd dddd", NAMED - 2),
            ("dddd-dddddd", NAMED),
            ("ddd-ddd-dddddd", NAMED),
            ("ddddddd-d", NAMED),
            ("ddd-dddddd", NAMED),
            ("ddd ddd ddd", NAMED - 2),
            ("dd ddd ddd", NAMED - 2),
            ("ddd-ddddddd-d", NAMED),
            ("dddd dd dddd", NAMED),
            ("dddd.dd.ddddd", NAMED),
            ("dddd-dddd", NAMED),
            ("ddd ddd dddd", NAMED),
            ("dddd dddd dddd dddd", NAMED - 6),
        ],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    // 3GPP TS 23.003, annex B.
    Rule {
        kind: Imei,
        forms: &[
            ("ddddddddddddddd", -12),
            ("dd-dddddd-dddddd-d", 24),
            ("dd dddddd dddddd d", 18),
            ("dddddd-dd-dddddd-d", 18),
            ("dddddd/dd/dddddd/d", 18),
            ("ddddddddddddddd/dd", -10),
        ],
        check: |v| {
            !uniform(v) && luhn(v.get(..15).unwrap_or_default()) && number(v) > 99_999_999_999
        },
        evidence: CHECKED,
    },
    // ISO 3779; 49 CFR 565.15 for the check digit of North America.
    Rule {
        kind: Vin,
        forms: &[("NNNNNNNNNNNNNNNNN", 12), ("nnnnnnnnnnnnnnnnn", NAMED + 6)],
        check: |v| vin_letters(v) && vin_check(v),
        evidence: PROVEN,
    },
    Rule {
        kind: Vin,
        forms: &[("NNNNNNNNNNNNNNNNN", NAMED + 6)],
        check: |v| vin_letters(v) && !vin_check(v) && !matches!(v.first(), Some(b'1'..=b'5')),
        evidence: NUMBERED,
    },
];

fn vin_letters(v: &[u8]) -> bool {
    !v.iter().any(|b| matches!(b, b'I' | b'O' | b'Q'))
        && v.get(13..)
            .unwrap_or_default()
            .iter()
            .all(u8::is_ascii_digit)
        && v.iter().filter(|b| b.is_ascii_uppercase()).count() >= 3
        && at(v, 0) < 10
}

fn vin_check(v: &[u8]) -> bool {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        _ => u32::from(byte.wrapping_sub(b'S')) + 2,
    };
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = v.iter().zip(weights).map(|(b, w)| value(*b) * w).sum();
    let check = match sum % 11 {
        10 => b'X',
        n => b'0' + u8::try_from(n).unwrap_or(0),
    };
    v.get(8) == Some(&check)
}
