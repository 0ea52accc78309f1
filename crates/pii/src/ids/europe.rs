//! The west and the middle of Europe.

use super::checksum::{at, is_date, luhn, mod_11_10, number, two, uniform, weighted};
use super::{CHECKED, NAMED, NUMBERED, PROVEN, Rule};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // HMRC, National Insurance Manual NIM39110.
    Rule {
        kind: GbNino,
        forms: &[
            ("AAddddddA", -2),
            ("AAdd dd ddA", 18),
            ("AA dd dd ddA", 18),
            ("AA dd dd dd A", 24),
            ("AA-dd-dd-dd-A", 24),
            ("AA dddddd A", 20),
            ("AAdddddd", NAMED),
            ("AA dd dd dd", NAMED),
            ("aaddddddA", NAMED),
            ("aadddddda", NAMED),
        ],
        check: |v| nino(v),
        evidence: NUMBERED,
    },
    // NHS Data Dictionary, NHS NUMBER: modulus 11.
    Rule {
        kind: GbNhs,
        forms: &[
            ("ddd ddd dddd", -6),
            ("ddd-ddd-dddd", -14),
            ("dddddddddd", NAMED),
        ],
        check: |v| !uniform(v) && weighted(v, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        evidence: CHECKED,
    },
    // Ministerio del Interior: the letter is the number modulo 23.
    Rule {
        kind: EsNif,
        forms: &[
            ("dddddddda", -3),
            ("dddddddd-a", 4),
            ("dd.ddd.ddd-a", 26),
            ("dd.ddd.ddda", 24),
            ("dddddddd a", 0),
            ("ddddddda", NAMED),
            ("ddddddd-a", NAMED),
            ("dd ddd ddd a", 4),
        ],
        check: |v| {
            v.split_last().is_some_and(|(letter, digits)| {
                number(digits) > 0 && nif_letter(number(digits)) == *letter
            })
        },
        evidence: CHECKED,
    },
    Rule {
        kind: EsNie,
        forms: &[
            ("[XYZxyz]ddddddda", 16),
            ("[XYZxyz]-ddddddd-a", 26),
            ("[XYZxyz]-ddddddda", 24),
            ("[XYZxyz]ddddddd-a", 22),
            ("[XYZxyz] ddddddd a", 16),
            ("[XYZ]dddddddd-a", 16),
            ("[XYZ]dddddddda", 10),
        ],
        check: |v| {
            let Some((letter, body)) = v.split_last() else {
                return false;
            };
            let Some((first, digits)) = body.split_first() else {
                return false;
            };
            let value =
                u64::from(first - b'X') * 10_u64.pow(u32::try_from(digits.len()).unwrap_or(0));
            nif_letter(value + number(digits)) == *letter
        },
        evidence: PROVEN,
    },
    // Decreto 23 dicembre 1976, the last letter by position values.
    Rule {
        kind: ItCf,
        forms: &[
            ("aaaaaannannannna", 30),
            ("AAA AAA NNANNANNNA", 28),
            ("AAA AAA NNANN ANNNA", 30),
            ("AAAAAA NNANN ANNNA", 28),
        ],
        check: |v| codice_fiscale(v),
        evidence: PROVEN,
    },
    Rule {
        kind: ItVat,
        forms: &[
            ("ddddddddddd", NAMED),
            ("ITddddddddddd", 16),
            ("IT ddddddddddd", 14),
        ],
        check: |v| {
            let digits = v.strip_prefix(b"IT").unwrap_or(v);
            let office = number(digits.get(7..10).unwrap_or_default());
            number(digits.get(..7).unwrap_or_default()) > 0
                && matches!(office, 1..=100 | 120 | 121 | 888 | 999)
                && !uniform(digits)
                && luhn(digits)
        },
        evidence: CHECKED,
    },
    // Bundeszentralamt für Steuern; since 2016 a digit may stand three times.
    Rule {
        kind: DeSteuerId,
        forms: &[
            ("ddddddddddd", 3),
            ("dd ddd ddd ddd", 16),
            ("dd/ddd/ddd/ddd", 16),
            ("ddd ddd ddd dd", -8),
        ],
        check: |v| steuer_id(v),
        evidence: PROVEN,
    },
    // Beside its name, a number whose check digit holds is one, however often a digit stands in it.
    Rule {
        kind: DeSteuerId,
        forms: &[("ddddddddddd", NAMED), ("dd ddd ddd ddd", NAMED)],
        check: |v| at(v, 0) > 0 && !uniform(v) && mod_11_10(v),
        evidence: CHECKED,
    },
    Rule {
        kind: DeSteuernummer,
        forms: &[
            ("dd/ddd/ddddd", NAMED),
            ("ddd/ddd/ddddd", NAMED),
            ("ddd/dddd/dddd", NAMED),
            ("dddd/ddd/ddddd", NAMED),
            ("ddddddddddddd", NAMED),
            ("ddddd/ddddd", NAMED),
            ("dd ddd ddddd", NAMED),
            ("ddd dddd dddd", NAMED),
        ],
        check: |v| !uniform(v),
        evidence: super::SHAPED,
    },
    // HRV, § 3: divisions A and B; Berlin's have a letter behind.
    Rule {
        kind: DeRegister,
        forms: &[
            ("HR[AB] dddddd", 18),
            ("HR[AB] ddddd", 18),
            ("HR[AB] dddd", 14),
            ("HR[AB] ddd", 4),
            ("HR[AB] dd", -6),
            ("HR[AB] d", -8),
            ("HR[AB] dddddd B", 20),
            ("HR[AB] ddddd B", 20),
            ("HR[AB]dddddd", 6),
            ("HR[AB]ddddd", 6),
            ("HR[AB]dddd", 0),
            ("HR[AB]dddddd B", 12),
            ("HR[AB]ddddd B", 12),
            ("HR[AB]dddddd", 6),
            ("hr[ab] dddddd", NAMED + 10),
            ("hr[ab] ddddd", NAMED + 10),
            ("hr[ab] dddd", NAMED + 6),
            ("hr[ab] ddd", NAMED),
        ],
        check: |v| v.len() < 6 || !uniform(v.get(3..).unwrap_or_default()),
        evidence: super::SHAPED,
    },
    // VKVV, § 2: area, date of birth, letter of the name, serial, check digit.
    Rule {
        kind: DeSvnr,
        forms: &[
            ("ddddddddAddd", 18),
            ("ddddddddaddd", 4),
            ("dd dddddd Add d", 26),
            ("dd dddddd A ddd", 28),
            ("dd-dddddd-A-ddd", 28),
            ("dd dddddd Addd", 26),
        ],
        check: |v| svnr_de(v),
        evidence: PROVEN,
    },
    Rule {
        kind: DeId,
        forms: &[
            ("[CFGHJKLMNPRTVWXYZ]NNNNNNNNd", NAMED),
            ("[CFGHJKLMNPRTVWXYZ]NNNNNNNN", NAMED),
            ("[CFGHJKLMNPRTVWXYZ]NNNNNNNN d", NAMED),
            ("[cfghjklmnprtvwxyz]nnnnnnnn", NAMED - 4),
        ],
        check: |v| document_alphabet(v) && (v.len() < 10 || icao(v)),
        evidence: NUMBERED,
    },
    Rule {
        kind: DeVat,
        forms: &[
            ("DEddddddddd", 18),
            ("DE ddddddddd", 14),
            ("DE ddd ddd ddd", 20),
        ],
        check: |v| {
            v.get(2..)
                .is_some_and(|digits| at(digits, 0) > 0 && mod_11_10(digits))
        },
        evidence: CHECKED,
    },
    // INSEE, Répertoire national d'identification des personnes physiques.
    Rule {
        kind: FrNir,
        forms: &[
            ("ddddddddddddddd", 14),
            ("dddddd[AB]dddddddd", 20),
            ("d dd dd dd ddd ddd dd", 28),
            ("d dd dd d[ABab] ddd ddd dd", 28),
            ("ddddddddddddd dd", 16),
            ("dddddd[AB]dddddd dd", 20),
            ("d dd dd ddddd ddd dd", 26),
            ("d-dd-dd-dd-ddd-ddd-dd", 26),
            ("d.dd.dd.dd.ddd.ddd.dd", 26),
        ],
        check: |v| nir(v),
        evidence: PROVEN,
    },
    // Logisch Ontwerp BSN: the eleven test.
    Rule {
        kind: NlBsn,
        forms: &[
            ("ddddddddd", NAMED),
            ("dddd.dd.ddd", 6),
            ("dddd dd ddd", 0),
            ("ddd.ddd.ddd", -14),
            ("ddd ddd ddd", -20),
        ],
        check: |v| {
            let sum = weighted(v, &[9, 8, 7, 6, 5, 4, 3, 2]);
            !uniform(v) && number(v) > 9_999_999 && sum % 11 == at(v, 8)
        },
        evidence: CHECKED,
    },
    // AHVV, art. 133: 756 and an EAN-13 check digit.
    Rule {
        kind: ChAhv,
        forms: &[
            ("756.dddd.dddd.dd", 34),
            ("756 dddd dddd dd", 28),
            ("756-dddd-dddd-dd", 28),
            ("756dddddddddd", 12),
        ],
        check: |v| weighted(v, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10),
        evidence: PROVEN,
    },
    // Arrêté royal du 3 avril 1984, article 3.
    Rule {
        kind: BeNrn,
        forms: &[
            ("dd.dd.dd-ddd.dd", 32),
            ("dddddd-ddd-dd", 26),
            ("dddddd-ddd.dd", 26),
            ("dd dd dd ddd dd", 18),
            ("dddddd ddd dd", 16),
            ("ddddddddddd", 12),
            ("dd.dd.dd.ddd.dd", 26),
        ],
        check: |v| {
            let body = number(v.get(..9).unwrap_or_default());
            let check = u64::from(two(v, 9));
            let month = two(v, 2) % 20;
            let dated = month == 0 || is_date(None, month, two(v, 4)) || two(v, 4) == 0;
            dated
                && two(v, 2) < 53
                && (1..=998).contains(&number(v.get(6..9).unwrap_or_default()))
                && (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: PtNif,
        forms: &[
            ("ddddddddd", NAMED),
            ("ddd ddd ddd", -18),
            ("PTddddddddd", 16),
            ("ddd.ddd.ddd", -18),
        ],
        check: |v| {
            let v = v.strip_prefix(b"PT").unwrap_or(v);
            let rest = weighted(v, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            let check = if rest < 2 { 0 } else { 11 - rest };
            matches!(at(v, 0), 1..=3 | 5 | 6 | 8 | 9) && !uniform(v) && check == at(v, 8)
        },
        evidence: CHECKED,
    },
    // Revenue, PPS numbers: weights 8 to 2, the ninth character counts 9.
    Rule {
        kind: IePps,
        forms: &[
            ("ddddddda", -2),
            ("ddddddda[ABHWTX]", -6),
            ("ddddddd a", NAMED),
            ("dddddddaa", -8),
            ("ddddddd aa", NAMED),
        ],
        check: |v| {
            let second = match v.get(8) {
                None | Some(b'W' | b'T' | b'X') => 0,
                Some(letter @ b'A'..=b'I') => u32::from(letter - b'A') + 1,
                Some(_) => return false,
            };
            let sum = weighted(v, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
            let letter = b"WABCDEFGHIJKLMNOPQRSTUV".get((sum % 23) as usize);
            letter == v.get(7)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: AtSvnr,
        forms: &[
            ("dddd dddddd", 4),
            ("dddd-dddddd", 4),
            ("dddddddddd", 2),
            ("dddd/dddddd", 4),
            ("dddd dd dd dd", 8),
        ],
        check: |v| {
            let month = two(v, 6);
            let dated = month > 12 && month < 16 || is_date(None, month, two(v, 4));
            dated && at(v, 0) > 0 && weighted(v, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == at(v, 3)
        },
        evidence: PROVEN,
    },
];

fn nino(v: &[u8]) -> bool {
    let (Some(a), Some(b)) = (v.first(), v.get(1)) else {
        return false;
    };
    !b"DFIQUV".contains(a)
        && !b"DFIOQUV".contains(b)
        && ![*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"].contains(&[*a, *b])
        && v.get(8).is_none_or(|suffix| matches!(suffix, b'A'..=b'D'))
}

fn nif_letter(number: u64) -> u8 {
    let letters = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let index = usize::try_from(number % 23).unwrap_or(0);
    letters.get(index).copied().unwrap_or(0)
}

fn codice_fiscale(v: &[u8]) -> bool {
    // Where two persons would have the same code, digits are written as letters.
    let omocodia = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        _ => b"LMNPQRSTUV"
            .iter()
            .position(|b| *b == byte)
            .and_then(|i| u8::try_from(i).ok()),
    };
    let digit = |index: usize| v.get(index).and_then(|byte| omocodia(*byte));
    let (Some(tens), Some(units)) = (digit(9), digit(10)) else {
        return false;
    };
    let day = u32::from(tens * 10 + units);
    let month = v
        .get(8)
        .and_then(|m| b"ABCDEHLMPRST".iter().position(|b| b == m));
    let digits = [6, 7, 12, 13, 14]
        .iter()
        .all(|index| digit(*index).is_some());
    let (Some(month), true) = (month, digits) else {
        return false;
    };
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let place = |byte: u8| match byte {
        b'0'..=b'9' => usize::from(byte - b'0'),
        _ => usize::from(byte.wrapping_sub(b'A')),
    };
    let sum: u32 = v
        .iter()
        .take(15)
        .enumerate()
        .map(|(index, byte)| match index % 2 {
            0 => ODD.get(place(*byte)).copied().unwrap_or(0),
            _ => u32::try_from(place(*byte)).unwrap_or(0),
        })
        .sum();
    let check = u8::try_from(sum % 26).unwrap_or(0) + b'A';
    is_date(
        None,
        u32::try_from(month).unwrap_or(0) + 1,
        if day > 40 { day - 40 } else { day },
    ) && v
        .get(11)
        .is_some_and(|place| b"ABCDEFGHILMZ".contains(place))
        && v.get(15) == Some(&check)
}

fn steuer_id(v: &[u8]) -> bool {
    let Some(body) = v.get(..10) else {
        return false;
    };
    let mut counts = [0_u8; 10];
    for byte in body {
        if let Some(count) = counts.get_mut(super::checksum::digit(*byte) as usize) {
            *count += 1;
        }
    }
    let repeated: Vec<u8> = counts.into_iter().filter(|count| *count > 1).collect();
    let thrice_in_a_row = body.windows(3).any(super::checksum::uniform);
    at(v, 0) > 0 && (repeated == [2] || repeated == [3] && !thrice_in_a_row) && mod_11_10(v)
}

fn svnr_de(v: &[u8]) -> bool {
    let Some(letter) = v
        .get(8)
        .map(|letter| u32::from(letter.wrapping_sub(b'A')) + 1)
    else {
        return false;
    };
    let mut digits: Vec<u32> = v
        .iter()
        .take(8)
        .map(|b| super::checksum::digit(*b))
        .collect();
    digits.extend([letter / 10, letter % 10]);
    digits.extend([at(v, 9), at(v, 10)]);
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(d, w)| d * w)
        .map(|p| p / 10 + p % 10)
        .sum();
    let day = two(v, 2);
    is_date(None, two(v, 4), if day > 50 { day - 50 } else { day })
        && matches!(two(v, 0), 2..=89)
        && sum % 10 == at(v, 11)
}

/// The letters of German documents, which have no vowels and no look-alikes; one digit at least.
pub(super) fn document_alphabet(v: &[u8]) -> bool {
    v.iter()
        .all(|b| b.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(b))
        && v.iter().any(u8::is_ascii_digit)
}

/// The check digit of machine-readable travel documents (ICAO Doc 9303, part 3, section 4.9).
pub(super) fn icao(v: &[u8]) -> bool {
    let Some((check, body)) = v.split_last() else {
        return false;
    };
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        _ => u32::from(byte.wrapping_sub(b'A')) + 10,
    };
    let sum: u32 = body
        .iter()
        .zip([7, 3, 1].iter().cycle())
        .map(|(b, w)| value(*b) * w)
        .sum();
    sum % 10 == super::checksum::digit(*check)
}

fn nir(v: &[u8]) -> bool {
    // Corsica's departments count as 19 and 18.
    let mut digits: Vec<u8> = v.to_vec();
    let corsica = match digits.get(6) {
        Some(b'A') => Some(*b"19"),
        Some(b'B') => Some(*b"18"),
        _ => None,
    };
    if let (Some(as_digits), Some(department)) = (corsica, digits.get_mut(5..7)) {
        if department.first() != Some(&b'2') {
            return false;
        }
        department.copy_from_slice(&as_digits);
    }
    let Some(body) = digits.get(..13) else {
        return false;
    };
    let month = two(body, 3);
    let key = 97 - number(body) % 97;
    matches!(at(body, 0), 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && number(body.get(5..7).unwrap_or_default()) > 0
        && number(body.get(7..10).unwrap_or_default()) > 0
        && number(body.get(10..).unwrap_or_default()) > 0
        && (digits.len() == 13 || key == u64::from(two(&digits, 13)))
}
