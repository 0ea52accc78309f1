//! The east and south-east of Europe.

use super::checksum::{
    at, ddmmyy, is_date, luhn, mod_11_10, number, two, uniform, weighted, yymmdd,
};
use super::{CHECKED, NAMED, PROVEN, Rule};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // Ustawa o ewidencji ludności, art. 15 ff.
    Rule {
        kind: PlPesel,
        forms: &[("ddddddddddd", -4)],
        check: |v| {
            let month = two(v, 2);
            let year = two(v, 0)
                + [1900, 2000, 2100, 2200, 1800]
                    .get(month as usize / 20)
                    .copied()
                    .unwrap_or(0);
            is_date(Some(year), month % 20, two(v, 4))
                && weighted(v, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: PlNip,
        forms: &[
            ("ddd-ddd-dd-dd", 14),
            ("ddd-dd-dd-ddd", 14),
            ("ddd ddd dd dd", 4),
            ("dddddddddd", NAMED),
            ("PLdddddddddd", 16),
        ],
        check: |v| {
            let digits = v.strip_prefix(b"PL").unwrap_or(v);
            !uniform(digits) && weighted(digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == at(digits, 9)
        },
        evidence: CHECKED,
    },
    // Zákon č. 133/2000 Sb., § 13; women's months have 50 added, full years 20 or 70.
    Rule {
        kind: CzRc,
        forms: &[
            ("dddddd/dddd", 18),
            ("dddddd / dddd", 16),
            ("dddddd/ddd", -4),
            ("dddddddddd", -16),
        ],
        check: |v| {
            // Twenty more only since 2004.
            let more: &[u32] = if matches!(two(v, 0), 4..=53) {
                &[0, 50, 20, 70]
            } else {
                &[0, 50]
            };
            let month = more
                .iter()
                .filter_map(|more| two(v, 2).checked_sub(*more))
                .find(|m| (1..=12).contains(m));
            let old = v.len() == 9;
            let dated = month.is_some_and(|month| is_date(None, month, two(v, 4)));
            let body = number(v.get(..9).unwrap_or_default());
            let whole = number(v).is_multiple_of(11) || body % 11 == 10 && at(v, 9) == 0;
            dated && (if old { two(v, 0) < 54 } else { whole })
        },
        evidence: PROVEN,
    },
    Rule {
        kind: RoCnp,
        forms: &[("ddddddddddddd", 6), ("d dddddd dddddd", 14)],
        check: |v| {
            let rest = weighted(v, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
            let county = two(v, 7);
            at(v, 0) > 0
                && yymmdd(v.get(1..).unwrap_or_default())
                && number(v.get(9..12).unwrap_or_default()) > 0
                && matches!(county, 1..=48 | 51 | 52 | 70)
                && (if rest == 10 { 1 } else { rest }) == at(v, 12)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: BgEgn,
        forms: &[("dddddddddd", -14), ("dddddd dddd", -10)],
        check: |v| {
            let month = two(v, 2);
            let month = [0, 20, 40]
                .iter()
                .filter_map(|more| month.checked_sub(*more))
                .find(|m| (1..=12).contains(m));
            month.is_some_and(|month| is_date(None, month, two(v, 4)))
                && weighted(v, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == at(v, 9)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: HrOib,
        forms: &[("ddddddddddd", -22), ("HRddddddddddd", 16)],
        check: |v| {
            let v = v.strip_prefix(b"HR").unwrap_or(v);
            !uniform(v) && mod_11_10(v)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: SiEmso,
        forms: &[
            ("ddddddddddddd", 6),
            ("dddddd ddd dddd", 12),
            ("ddddddd dddddd", 10),
        ],
        check: |v| {
            let year = number(v.get(4..7).unwrap_or_default());
            let rest = weighted(v, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            let check = match rest {
                0 => 0,
                1 => return false,
                rest => 11 - rest,
            };
            !(100..880).contains(&year) && ddmmyy(v) && check == at(v, 12)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: GrAmka,
        forms: &[("ddddddddddd", 1), ("dddddd ddddd", 0), ("dddddd-ddddd", 0)],
        check: |v| ddmmyy(v) && luhn(v),
        evidence: PROVEN,
    },
    Rule {
        kind: HuTaj,
        forms: &[
            ("ddddddddd", NAMED),
            ("ddd ddd ddd", -16),
            ("ddd-ddd-ddd", -14),
        ],
        check: |v| !uniform(v) && weighted(v, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == at(v, 8),
        evidence: CHECKED,
    },
    Rule {
        kind: UaRnokpp,
        forms: &[("dddddddddd", NAMED)],
        check: |v| {
            let sum = weighted(v.get(1..).unwrap_or_default(), &[5, 7, 9, 4, 6, 10, 5, 7])
                + 11 * 10
                - at(v, 0);
            // Days since the end of 1899.
            let days = number(v.get(..5).unwrap_or_default());
            (1..=60_000).contains(&days) && !uniform(v) && sum % 11 % 10 == at(v, 9)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: RuSnils,
        forms: &[
            ("ddd-ddd-ddd dd", 30),
            ("ddd-ddd-ddd-dd", 26),
            ("ddd ddd ddd dd", 18),
            ("ddddddddddd", -3),
        ],
        check: |v| {
            let sum = weighted(v, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100;
            !uniform(v) && sum == two(v, 9)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: TrTckn,
        forms: &[("ddddddddddd", -2), ("ddd ddd ddd dd", 2)],
        check: |v| {
            let odd: u32 = [0, 2, 4, 6, 8].iter().map(|i| at(v, *i)).sum();
            let even: u32 = [1, 3, 5, 7].iter().map(|i| at(v, *i)).sum();
            let all: u32 = (0..10).map(|i| at(v, i)).sum();
            at(v, 0) > 0 && (odd * 7 + 100 - even) % 10 == at(v, 9) && all % 10 == at(v, 10)
        },
        evidence: CHECKED,
    },
];
