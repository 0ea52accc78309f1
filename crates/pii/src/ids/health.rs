//! Health.

use super::checksum::{at, luhn, uniform, weighted};
use super::{CHECKED, NAMED, NUMBERED, PROVEN, Rule, SHAPED};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // CMS: letters without S L O I B Z.
    Rule {
        kind: UsMbi,
        forms: &[
            (
                "[123456789][ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY0123456789]d[ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY0123456789]d[ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY]dd",
                18,
            ),
            (
                "[123456789][ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY0123456789]d-[ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY0123456789]d-[ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY]dd",
                28,
            ),
            (
                "[123456789][ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY0123456789]d [ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY0123456789]d [ACDEFGHJKMNPQRTUVWXY][ACDEFGHJKMNPQRTUVWXY]dd",
                24,
            ),
        ],
        check: |_| true,
        evidence: NUMBERED,
    },
    // CMS: Luhn over the number behind the prefix 80840.
    Rule {
        kind: UsNpi,
        forms: &[
            ("[12]ddddddddd", NAMED),
            ("[12]ddd-ddd-ddd", NAMED + 8),
            ("[12]ddd ddd ddd", NAMED + 4),
        ],
        check: |v| {
            let whole: Vec<u8> = b"80840".iter().chain(v).copied().collect();
            luhn(&whole) && !v.get(1..).is_some_and(uniform)
        },
        evidence: CHECKED,
    },
    // 21 CFR 1301; the check digit as the DEA's Diversion Control Division verifies it.
    Rule {
        kind: UsDea,
        forms: &[
            ("[ABCDEFGHJKLMPRSTUX]addddddd-ddd", NAMED + 8),
            ("[ABCDEFGHJKLMPRSTUX]addddddd", NAMED + 8),
            ("[ABCDEFGHJKLMPRSTUX]9ddddddd", NAMED + 8),
            ("[abcdefghjklmprstux]addddddd", -12),
        ],
        check: |v| {
            let digits = v.get(2..).unwrap_or_default();
            let sum = at(digits, 0)
                + at(digits, 2)
                + at(digits, 4)
                + 2 * (at(digits, 1) + at(digits, 3) + at(digits, 5));
            sum % 10 == at(digits, 6) && !uniform(digits)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: Mrn,
        forms: &[
            ("dddddd", NAMED),
            ("ddddddd", NAMED),
            ("dddddddd", NAMED),
            ("ddddddddd", NAMED),
            ("dddddddddd", NAMED),
            ("ddddd", NAMED - 4),
            ("MRNdddddd", 0),
            ("MRNddddddd", 0),
            ("MRNdddddddd", 0),
            ("MRN-dddddd", 2),
            ("MRN-ddddddd", 2),
            ("MRN-dddddddd", 2),
            ("Addddddd", NAMED),
            ("Adddddd", NAMED),
            ("AAdddddd", NAMED),
            ("AAAdddddd", NAMED),
            ("ddd-ddd-ddd", NAMED),
            ("dd-dd-dd", NAMED),
            ("ddd-dd-ddd", NAMED),
            ("Adddddddd", NAMED),
            ("AA-dddddd", NAMED),
            ("A-ddddddd", NAMED),
            ("dddd-dddd", NAMED),
            ("ddd-dddd", NAMED),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    // SGB V, § 290: a letter as two digits, weights 1 2, digit sums.
    Rule {
        kind: DeKvnr,
        forms: &[
            ("Addddddddd", 2),
            ("addddddddd", NAMED + 8),
            ("A ddd ddd ddd", 14),
            ("Adddddddddddddddddddd", NAMED),
            ("Adddddddd d", NAMED),
            ("A dddddddd d", 0),
        ],
        check: |v| {
            let Some(letter) = v.first().map(|b| u32::from(b.wrapping_sub(b'A')) + 1) else {
                return false;
            };
            let digits = [letter / 10, letter % 10]
                .into_iter()
                .chain(v.iter().skip(1).take(8).map(|b| super::checksum::digit(*b)));
            let sum: u32 = digits
                .zip([1, 2].into_iter().cycle())
                .map(|(d, w)| d * w)
                .map(|p| p / 10 + p % 10)
                .sum();
            sum % 10 == at(v, 9)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: DeBsnr,
        forms: &[("ddddddddd", NAMED), ("dd ddddd dd", NAMED)],
        check: |v| {
            !uniform(v)
                && super::checksum::two(v, 0) > 0
                && v.get(2..).is_some_and(|site| !uniform(site))
        },
        evidence: SHAPED,
    },
    // KBV: weights 4 9 over the first six, difference to the next ten.
    Rule {
        kind: DeLanr,
        forms: &[
            ("ddddddddd", NAMED),
            ("ddddddd dd", NAMED),
            ("dddddd-d-dd", -4),
        ],
        check: |v| !uniform(v) && (10 - weighted(v, &[4, 9, 4, 9, 4, 9]) % 10) % 10 == at(v, 6),
        evidence: CHECKED,
    },
];
