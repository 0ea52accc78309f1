//! The Americas.

use super::checksum::{at, is_date, luhn, number, two, uniform, weighted, yymmdd};
use super::{CHECKED, NAMED, NUMBERED, PROVEN, Rule};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // Social Security Administration: area, group and serial never zero, area not 666 or 9xx.
    Rule {
        kind: UsSsn,
        forms: &[
            ("ddd-dd-dddd", 18),
            ("ddd dd dddd", 4),
            ("ddddddddd", NAMED),
            ("ddd.dd.dddd", -10),
            ("ddd-dddddd", NAMED),
            ("ddddd-dddd", NAMED),
            ("ddd dddddd", NAMED),
            ("ddddd dddd", NAMED),
        ],
        check: |v| {
            let area = number(v.get(..3).unwrap_or_default());
            let published = [*b"078051120", *b"219099999", *b"123456788", *b"457555462"];
            matches!(area, 1..=665 | 667..=899)
                && two(v, 3) > 0
                && number(v.get(5..).unwrap_or_default()) > 0
                && !published.iter().any(|known| known == v)
                && !uniform(v)
        },
        evidence: NUMBERED,
    },
    // Internal Revenue Manual 3.21.263: fourth and fifth digits 50-65, 70-88, 90-92, 94-99.
    Rule {
        kind: UsItin,
        forms: &[
            ("9dd-dd-dddd", 16),
            ("9dd dd dddd", 6),
            ("9dddddddd", NAMED),
            ("9dd-dddddd", NAMED),
            ("9dddd-dddd", NAMED),
            ("9dd.dd.dddd", -6),
        ],
        check: |v| matches!(two(v, 3), 50..=65 | 70..=88 | 90..=92 | 94..=99),
        evidence: NUMBERED,
    },
    Rule {
        kind: UsEin,
        forms: &[("dd-ddddddd", NAMED), ("ddddddddd", NAMED)],
        check: |v| {
            !matches!(two(v, 0), 0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97)
                && !uniform(v)
        },
        evidence: NUMBERED,
    },
    // Receita Federal: two check digits modulo 11.
    Rule {
        kind: BrCpf,
        forms: &[
            ("ddd.ddd.ddd-dd", 32),
            ("ddddddddddd", -2),
            ("ddd ddd ddd dd", 6),
            ("ddd.ddd.ddd.dd", 14),
            ("ddddddddd-dd", 14),
            ("ddd-ddd-ddd-dd", 14),
        ],
        check: |v| {
            let first = weighted(v, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
            let second = weighted(v, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
            !uniform(v) && first == at(v, 9) && second == at(v, 10)
        },
        evidence: CHECKED,
    },
    // Instrução Normativa RFB 2.229/2024: letters count as their ASCII code less 48.
    Rule {
        kind: BrCnpj,
        forms: &[
            ("dd.ddd.ddd/dddd-dd", 34),
            ("dddddddddddddd", -8),
            ("NN.NNN.NNN/NNNN-dd", 30),
            ("NN.NNN.NNN/NNNN-dd", 30),
            ("NNNNNNNNNNNNdd", 4),
            ("dd ddd ddd dddd dd", 12),
            ("dddddddd/dddd-dd", 24),
        ],
        check: |v| {
            let sum = |weights: &[u32]| -> u32 {
                v.iter()
                    .zip(weights)
                    .map(|(b, w)| u32::from(b.wrapping_sub(b'0')) * w)
                    .sum()
            };
            let check = |sum: u32| if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
            !uniform(v)
                && check(sum(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == at(v, 12)
                && check(sum(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == at(v, 13)
        },
        evidence: CHECKED,
    },
    // Service Canada; 0 and 8 are not given out.
    Rule {
        kind: CaSin,
        forms: &[
            ("ddd-ddd-ddd", -4),
            ("ddd ddd ddd", -8),
            ("ddddddddd", NAMED),
        ],
        check: |v| !matches!(at(v, 0), 0 | 8) && !uniform(v) && luhn(v),
        evidence: PROVEN,
    },
    // RENAPO, Instructivo normativo para la asignación de la CURP.
    Rule {
        kind: MxCurp,
        forms: &[("AAAAdddddd[HMX]AAAAANd", 30)],
        check: |v| curp(v),
        evidence: PROVEN,
    },
    Rule {
        kind: MxRfc,
        forms: &[
            ("AAAAddddddNNN", 8),
            ("AAAA-dddddd-NNN", 18),
            ("AAAddddddNNN", NAMED),
            ("AAA-dddddd-NNN", 4),
            ("AAAddddddNNN", 6),
            ("AAAA dddddd NNN", 10),
        ],
        check: |v| {
            !v.starts_with(b"XAXX")
                && !v.starts_with(b"XEXX")
                && yymmdd(v.get(v.len() - 9..).unwrap_or_default())
                && rfc_check(v)
        },
        evidence: PROVEN,
    },
    // ANSES/ARCA: two digits of kind, DNI, check digit.
    Rule {
        kind: ArCuit,
        forms: &[
            ("dd-dddddddd-d", 24),
            ("ddddddddddd", -8),
            ("dd dddddddd d", 10),
            ("dd.dddddddd.d", 14),
        ],
        check: |v| {
            let rest = weighted(v, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            let check = if rest == 0 { 0 } else { 11 - rest };
            matches!(two(v, 0), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34)
                && rest != 1
                && check == at(v, 10)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: ClRut,
        forms: &[
            ("dd.ddd.ddd-[0123456789Kk]", 28),
            ("d.ddd.ddd-[0123456789Kk]", 26),
            ("dddddddd-[0123456789Kk]", 6),
            ("ddddddd-[0123456789Kk]", -6),
            ("dddddddd[0123456789Kk]", NAMED),
        ],
        check: |v| {
            let Some((check, body)) = v.split_last() else {
                return false;
            };
            let sum: u32 = body
                .iter()
                .rev()
                .zip([2, 3, 4, 5, 6, 7].iter().cycle())
                .map(|(b, w)| super::checksum::digit(*b) * w)
                .sum();
            let expected = match 11 - sum % 11 {
                11 => b'0',
                10 => b'K',
                n => b'0' + u8::try_from(n).unwrap_or(0),
            };
            number(body) >= 1_000_000 && !uniform(body) && *check == expected
        },
        evidence: CHECKED,
    },
];

fn curp(v: &[u8]) -> bool {
    const STATES: &[[u8; 2]] = &[
        *b"AS", *b"BC", *b"BS", *b"CC", *b"CL", *b"CM", *b"CS", *b"CH", *b"DF", *b"DG", *b"GT",
        *b"GR", *b"HG", *b"JC", *b"MC", *b"MN", *b"MS", *b"NT", *b"NL", *b"OC", *b"PL", *b"QT",
        *b"QR", *b"SP", *b"SL", *b"SR", *b"TC", *b"TS", *b"TL", *b"VZ", *b"YN", *b"ZS", *b"NE",
    ];
    // The alphabet has Ñ after N, which moves the letters that follow.
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte.wrapping_sub(b'A')) + 11,
    };
    let sum: u32 = v
        .iter()
        .take(17)
        .zip((2..=18).rev())
        .map(|(b, w)| value(*b) * w)
        .sum();
    let state = v
        .get(11..13)
        .is_some_and(|state| STATES.iter().any(|known| known == state));
    state && is_date(None, two(v, 6), two(v, 8)) && (10 - sum % 10) % 10 == at(v, 17)
}

/// SAT: the last character is a check digit modulo 11 over a table of 39 characters.
fn rfc_check(v: &[u8]) -> bool {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte.wrapping_sub(b'A')) + 11 - u32::from(byte == b'&'),
    };
    let Some((check, body)) = v.split_last() else {
        return false;
    };
    // A company's has one letter less; a space stands for it, worth 37.
    let blank = if v.len() == 12 { 37 * 13 } else { 0 };
    let first = if v.len() == 12 { 12 } else { 13 };
    let sum: u32 = blank
        + body
            .iter()
            .zip((2..=first).rev())
            .map(|(b, w)| value(*b) * w)
            .sum::<u32>();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        n => b'0' + u8::try_from(n).unwrap_or(0),
    };
    *check == expected
}
