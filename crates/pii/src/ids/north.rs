//! The north of Europe and the Baltic states.

use super::checksum::{at, ddmmyy, is_date, luhn, number, two, weighted, yymmdd};
use super::{NAMED, NUMBERED, PROVEN, Rule};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // Digital and Population Data Services Agency; signs Y X W V U, B C D E F since 2023.
    Rule {
        kind: FiHetu,
        forms: &[
            ("dddddd-dddN", 20),
            ("dddddd+dddN", 20),
            ("dddddd[ABCDEFYXWVU]dddN", 24),
            ("dddddd[abcdefyxwvu]dddn", NAMED),
            ("dddddd-dddn", NAMED),
        ],
        check: |v| {
            let tail = if v.len() == 11 { 7 } else { 6 };
            let digits: Vec<u8> = v
                .iter()
                .take(6)
                .chain(v.get(tail..tail + 3).unwrap_or_default())
                .copied()
                .collect();
            let sign = b"0123456789ABCDEFHJKLMNPRSTUVWXY"
                .get(usize::try_from(number(&digits) % 31).unwrap_or(0));
            // The sign between says the century; 1800 and 1900 had no leap day either.
            let century = if v.get(6).is_some_and(|sign| b"ABCDEF".contains(sign)) {
                2000
            } else {
                1900
            };
            is_date(Some(century + two(v, 4)), two(v, 2), two(v, 0))
                && sign == v.last()
                && number(v.get(tail..tail + 3).unwrap_or_default()) >= 2
        },
        evidence: PROVEN,
    },
    // Skatteverket, SKV 704; a day over 60 is a coordination number.
    Rule {
        kind: SePersonnummer,
        forms: &[
            ("dddddd-dddd", 6),
            ("dddddd+dddd", 10),
            ("dddddddd-dddd", 16),
            ("dddddddd+dddd", 16),
            ("dddddddddddd", 4),
            ("dddddddddd", NAMED),
        ],
        check: |v| {
            let short = v.get(v.len().saturating_sub(10)..).unwrap_or(v);
            let day = two(short, 4);
            let century = v.len() == 10 || matches!(two(v, 0), 18..=20);
            century
                && number(short.get(6..9).unwrap_or_default()) > 0
                && luhn(short)
                && is_date(None, two(short, 2), if day > 60 { day - 60 } else { day })
        },
        evidence: PROVEN,
    },
    Rule {
        kind: SeOrgnr,
        forms: &[
            ("dddddd-dddd", -8),
            ("dddddddddd", NAMED),
            ("16dddddd-dddd", 0),
            ("16dddddddddd", NAMED + 4),
        ],
        check: |v| {
            let short = v.get(v.len().saturating_sub(10)..).unwrap_or(v);
            two(short, 2) >= 20 && !matches!(at(short, 0), 0 | 4) && luhn(short)
        },
        evidence: PROVEN,
    },
    // CPR-kontoret; since 2007 without a check digit.
    Rule {
        kind: DkCpr,
        forms: &[
            ("dddddd-dddd", -9),
            ("dddddd dddd", NAMED),
            ("dddddddddd", NAMED),
        ],
        check: |v| ddmmyy(v) && number(v.get(6..).unwrap_or_default()) > 0,
        evidence: NUMBERED,
    },
    // Folkeregisterforskriften § 2-2-3; a day over 40 is a D-number.
    Rule {
        kind: NoFnr,
        forms: &[("ddddddddddd", 10), ("dddddd ddddd", 18)],
        check: |v| {
            let day = two(v, 0);
            let month = two(v, 2);
            let day = if day > 40 { day - 40 } else { day };
            let month = if month > 80 {
                month - 80
            } else if month > 40 {
                month - 40
            } else {
                month
            };
            is_date(None, month, day)
                && weighted(v, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
                && weighted(v, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: EeIsikukood,
        forms: &[("ddddddddddd", 1)],
        check: |v| baltic(v),
        evidence: PROVEN,
    },
    Rule {
        kind: LtAk,
        forms: &[("ddddddddddd", -7)],
        check: |v| baltic(v),
        evidence: PROVEN,
    },
    Rule {
        kind: LvPk,
        forms: &[("dddddd-ddddd", 10), ("ddddddddddd", 2)],
        check: |v| {
            let sum = weighted(v, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
            ddmmyy(v) && at(v, 6) <= 2 && (1101 - sum) % 11 % 10 == at(v, 10)
        },
        evidence: PROVEN,
    },
    // Since July 2017 without a date and a check digit.
    Rule {
        kind: LvPk,
        forms: &[
            ("3[23456789]dddd-ddddd", -22),
            ("3[23456789]ddddddddd", NAMED),
        ],
        check: |_| true,
        evidence: super::SHAPED,
    },
    // Registers Iceland: the ninth digit checks, the tenth is the century.
    Rule {
        kind: IsKennitala,
        forms: &[
            ("dddddd-dddd", 10),
            ("dddddd dddd", -4),
            ("dddddddddd", -16),
        ],
        check: |v| {
            let day = two(v, 0);
            let rest = weighted(v, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            matches!(at(v, 9), 8 | 9 | 0)
                && is_date(None, two(v, 2), if day > 40 { day - 40 } else { day })
                && (11 - rest) % 11 == at(v, 8)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: IsKennitala,
        forms: &[("dddddd-dddd", NAMED + 2), ("dddddddddd", NAMED)],
        check: |v| {
            let day = two(v, 0);
            matches!(at(v, 9), 8 | 9 | 0)
                && is_date(None, two(v, 2), if day > 40 { day - 40 } else { day })
        },
        evidence: NUMBERED,
    },
];

/// Estonia and Lithuania: sex and century, date, serial, check digit in two rounds.
fn baltic(v: &[u8]) -> bool {
    let first = weighted(v, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(v, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    let check = if first < 10 { first } else { second };
    (1..=6).contains(&at(v, 0)) && yymmdd(v.get(1..).unwrap_or_default()) && check == at(v, 10)
}
