//! Passports and driving licences: no check digit, so that the words around have to name them.

use super::checksum::{at, is_date, two, uniform};
use super::europe::{document_alphabet, icao};
use super::{NAMED, NUMBERED, PROVEN, Rule, SHAPED};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: UsPassport,
        forms: &[("Adddddddd", NAMED), ("ddddddddd", NAMED - 2)],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    Rule {
        kind: GbPassport,
        forms: &[
            ("ddddddddd", NAMED - 3),
            ("ddd ddd ddd", NAMED - 3),
            ("AAddddddd", NAMED - 5),
        ],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    Rule {
        kind: DePassport,
        forms: &[
            ("[CFGHJK]NNNNNNNN", NAMED - 1),
            ("[CFGHJK]NNNNNNNNd", NAMED),
            ("[CFGHJK]NNNNNNNN d", NAMED),
            ("[cfghjk]nnnnnnnn", NAMED - 4),
        ],
        check: |v| document_alphabet(v) && (v.len() < 10 || icao(v)),
        evidence: NUMBERED,
    },
    Rule {
        kind: EsPassport,
        forms: &[
            ("AAAdddddd", NAMED - 1),
            ("AAdddddd", NAMED - 2),
            ("aaadddddd", NAMED - 2),
            ("AAA dddddd", NAMED - 1),
            ("AAA-dddddd", NAMED - 1),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: ItPassport,
        forms: &[
            ("AAddddddd", NAMED - 2),
            ("AA ddddddd", NAMED - 2),
            ("aaddddddd", NAMED - 3),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: FrPassport,
        forms: &[("ddAAddddd", NAMED), ("dd AA ddddd", NAMED)],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: InPassport,
        forms: &[
            ("[ABCDEFGHJKLMNPRSTUVWXYZ][123456789]dddddd", NAMED - 1),
            ("A[123456789] ddddd", NAMED),
            ("[ABCDEFGHJKLMNPRSTUVWXYZ] ddddddd", NAMED),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: KrPassport,
        forms: &[
            ("[MSRODGT]dddAdddd", NAMED + 4),
            ("[MSRODGT]dddddddd", NAMED - 1),
            ("[msrodgt]dddadddd", NAMED - 4),
            ("[msrodgt]dddddddd", NAMED - 4),
            ("AAddddddd", NAMED - 4),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: CaPassport,
        forms: &[
            ("AAdddddd", NAMED),
            ("AA dddddd", NAMED),
            ("AddddddAA", NAMED),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: AuPassport,
        forms: &[
            ("[NELMPRACDUXFGHJKQTV]ddddddd", NAMED - 2),
            ("[PR]Addddddd", NAMED - 2),
            ("[PR]A ddddddd", NAMED),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    // AAMVA DL/ID standards and the states' own rules.
    Rule {
        kind: UsLicence,
        forms: &[
            ("ddddddd", NAMED),
            ("dddddddd", NAMED),
            ("ddddddddd", NAMED),
            ("dddddddddd", NAMED - 2),
            ("dddddddddddd", NAMED - 2),
            ("dddddd", NAMED - 4),
            ("Addddddd", NAMED),
            ("Adddddddd", NAMED),
            ("Addddddddd", NAMED),
            ("Adddddddddd", NAMED),
            ("Addddddddddd", NAMED),
            ("Adddddddddddd", NAMED),
            ("Addddddddddddd", NAMED),
            ("Addddddddddddddd", NAMED),
            ("Adddddd", NAMED),
            ("Addddd", NAMED),
            ("AAdddddd", NAMED),
            ("AAddddddd", NAMED - 1),
            ("AAAdddddd", NAMED),
            ("dddddddA", NAMED),
            ("dddddddddA", NAMED),
            ("ddddddddA", NAMED - 2),
            ("AAddddd", NAMED),
            ("AdddAdddddd", NAMED),
            ("AAAAAdddAAddd", NAMED),
            ("AAAAANNNNNdd", NAMED - 4),
            ("AAAddddddddd", NAMED),
            ("ddAAAddddd", NAMED),
            ("ddAAAdddd", NAMED),
            ("AddAdddddd", NAMED - 4),
            ("AddddddR", NAMED),
            ("dddAAdddd", NAMED),
            ("WDLNNNNNNNNN", NAMED),
            ("AAddddddA", NAMED),
            ("Addd-ddd-dd-ddd-d", NAMED + 6),
            ("Addd-ddd-dd-dddd", NAMED),
            ("Add-dd-dddd", NAMED),
            ("Adddd ddddd ddddd", NAMED + 10),
            ("A ddd ddd ddd ddd", NAMED + 6),
            ("Addd-dddd-dddd", NAMED + 6),
            ("Addd-ddd-ddd-ddd", NAMED + 6),
            ("A-ddd-ddd-ddd-ddd", NAMED + 6),
            ("Addd-ddd-dd-ddd-d", NAMED + 6),
            ("Addd-dddd-dddd-dd", NAMED + 6),
            ("ddd-ddd-ddd", NAMED),
            ("dd-ddd-dddd", NAMED),
            ("ddd ddd ddd", NAMED),
            ("dddd-dd-dddd", NAMED),
            ("dd ddd ddd", NAMED),
        ],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    // DVLA: five of the surname, decade, month (51-62 for women), day, year, initials, two more.
    Rule {
        kind: GbLicence,
        forms: &[
            ("NNNNNddddddA[ABCDEFGHIJKLMNOPQRSTUVWXYZ9]NAA", 34),
            ("NNNNN dddddd A[ABCDEFGHIJKLMNOPQRSTUVWXYZ9]NAA", 24),
            ("NNNNNddddddANNAA", 14),
            ("NNNNN ddd ddd ANN AA", 20),
        ],
        check: |v| {
            let month = two(v, 6);
            let month = if month > 50 { month - 50 } else { month };
            let surname = v.get(..5).unwrap_or_default();
            let letters = surname
                .iter()
                .take_while(|b| b.is_ascii_uppercase())
                .count();
            letters > 0
                && surname.iter().skip(letters).all(|b| *b == b'9')
                && is_date(None, month, two(v, 8))
        },
        evidence: NUMBERED,
    },
    // Anlage 8 FeV: authority (a letter for the state first), serial, check, issue; weights 9 to 1.
    Rule {
        kind: DeLicence,
        forms: &[("[ABCDEFGHIJKLMNOP]ddNNNNNN[0123456789X]N", NAMED + 6)],
        check: |v| {
            let value = |b: &u8| {
                if b.is_ascii_digit() {
                    u32::from(b - b'0')
                } else {
                    u32::from(b.saturating_sub(b'A')) + 10
                }
            };
            let sum: u32 = v
                .iter()
                .take(9)
                .map(value)
                .zip((1..=9).rev())
                .map(|(value, weight)| value * weight)
                .sum();
            v.get(9)
                == Some(&match sum % 11 {
                    10 => b'X',
                    n => b'0' + u8::try_from(n).unwrap_or(0),
                })
        },
        evidence: PROVEN,
    },
    Rule {
        kind: ItLicence,
        forms: &[
            ("AAdddddddA", NAMED + 2),
            ("U1NNNNNNNA", NAMED + 2),
            ("A[AV]dddddddA", NAMED + 2),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    Rule {
        kind: FrLicence,
        forms: &[("dddddddddddd", NAMED), ("ddAAddddd", NAMED - 1)],
        check: |v| !uniform(v) && (v.len() != 12 || (1..=12).contains(&two(v, 2))),
        evidence: SHAPED,
    },
    Rule {
        kind: KrLicence,
        forms: &[
            ("dd-dd-dddddd-dd", -8),
            ("dddddddddddd", NAMED),
            ("dd dd dddddd dd", -10),
        ],
        check: |v| matches!(two(v, 0), 11..=26 | 28),
        evidence: NUMBERED,
    },
    Rule {
        kind: CaLicence,
        forms: &[
            ("Adddd-ddddd-ddddd", NAMED + 20),
            ("Addddddddd", NAMED - 1),
            ("dddddddd", NAMED - 3),
            ("AA-AA-AA-AdddAA", NAMED),
            ("Adddddddddddddd", NAMED),
            ("ddddddd", NAMED - 2),
            ("dddddd-ddd", NAMED),
            ("Adddd-dddddd-dd", NAMED + 14),
            ("Adddddddddddd", NAMED - 1),
            ("ddddddddd", NAMED - 4),
            ("AAAAAddddddddd", NAMED),
            ("AAAAA-dddddd-ddd", NAMED),
        ],
        // Ontario's last six digits are the date of birth, 50 added to a woman's month.
        check: |v| {
            let month = two(v, v.len().saturating_sub(4));
            let dated = is_date(
                None,
                if month > 50 { month - 50 } else { month },
                two(v, v.len().saturating_sub(2)),
            );
            // Quebec's begin with the day.
            let (day, month) = (two(v, 5), two(v, 7));
            let quebec = is_date(None, if month > 50 { month - 50 } else { month }, day);
            !uniform(v) && (v.len() != 15 || dated) && (v.len() != 13 || quebec)
        },
        evidence: SHAPED,
    },
    Rule {
        kind: AuLicence,
        forms: &[
            ("dddddddd", NAMED - 2),
            ("ddddddddd", NAMED - 3),
            ("ddddddd", NAMED - 3),
            ("Addddd", NAMED - 2),
            ("Adddddd", NAMED - 2),
            ("ddd ddd ddd", NAMED - 3),
            ("dddddd", NAMED - 5),
            ("dd ddd ddd", NAMED - 2),
            ("ddddAA", NAMED - 2),
            ("dddddddddd", NAMED - 4),
        ],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    Rule {
        kind: ItId,
        forms: &[
            ("CAdddddAA", -10),
            ("C[ABCDEFGHIJKLMNOPQRSTUVWXYZ]dddddAA", NAMED + 4),
            ("AAddddddd", NAMED),
            ("dddddddAA", NAMED),
            ("AA ddddddd", NAMED),
            ("aaddddddd", NAMED - 4),
            ("dddddddaa", NAMED - 4),
            ("aa ddddddd", NAMED - 4),
            ("CA ddddd AA", -8),
        ],
        check: |v| at(v, v.len()) == 0,
        evidence: SHAPED,
    },
];
