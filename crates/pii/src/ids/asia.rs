//! Asia, Africa and Oceania.

use super::checksum::{at, is_date, luhn, number, two, uniform, verhoeff, weighted, yymmdd};
use super::{CHECKED, NAMED, NUMBERED, PROVEN, Rule, SHAPED};
use crate::class::Kind::*;

pub(super) const RULES: &[Rule] = &[
    // Resident Registration Act, Enforcement Decree; since October 2020 the last six are random.
    Rule {
        kind: KrRrn,
        forms: &[
            ("dddddd-[1234]dddddd", 14),
            ("dddddd[1234]dddddd", -4),
            ("dddddd [1234]dddddd", 6),
        ],
        check: |v| {
            born(v)
                && (11 - weighted(v, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10 == at(v, 12)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: KrRrn,
        forms: &[
            ("dddddd-[1234]dddddd", -12),
            ("dddddd[1234]dddddd", NAMED),
            ("dddddd [1234]dddddd", -16),
        ],
        check: |v| born(v),
        evidence: NUMBERED,
    },
    Rule {
        kind: KrFrn,
        forms: &[
            ("dddddd-[5678]dddddd", 12),
            ("dddddd[5678]dddddd", -14),
            ("dddddd [5678]dddddd", -4),
        ],
        check: |v| born(v),
        evidence: NUMBERED,
    },
    // National Tax Service: weights 1 3 7 1 3 7 1 3 5, the ninth product's tens added.
    Rule {
        kind: KrBrn,
        forms: &[
            ("ddd-dd-ddddd", -4),
            ("ddd dd ddddd", NAMED + 4),
            ("dddddddddd", NAMED),
        ],
        check: |v| {
            let sum = weighted(v, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + at(v, 8) * 5 / 10;
            number(v.get(..3).unwrap_or_default()) > 100
                && two(v, 3) > 0
                && !uniform(v)
                && (10 - sum % 10) % 10 == at(v, 9)
        },
        evidence: CHECKED,
    },
    // UIDAI: twelve digits, the first 2 to 9, Verhoeff.
    Rule {
        kind: InAadhaar,
        forms: &[
            ("dddd dddd dddd", -4),
            ("dddd-dddd-dddd", -2),
            ("dddddddddddd", -16),
            ("dddd:dddd:dddd", 4),
        ],
        check: |v| at(v, 0) >= 2 && !uniform(v) && verhoeff(v) && !v.iter().eq(v.iter().rev()),
        evidence: PROVEN,
    },
    // Income-tax Department: the fourth letter is the kind of holder.
    Rule {
        kind: InPan,
        forms: &[
            ("AAA[ABCFGHJLPTKE]AddddA", 14),
            ("aaa[abcfghjlptkeABCFGHJLPTKE]adddda", NAMED),
        ],
        check: |v| number(v.get(5..9).unwrap_or_default()) > 0,
        evidence: NUMBERED,
    },
    Rule {
        kind: InGstin,
        forms: &[
            (
                "ddAAA[ABCFGHJLPTKE]AddddA[123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ]ZN",
                30,
            ),
            (
                "ddAAA[ABCFGHJLPTKE]AddddA[123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ]AN",
                20,
            ),
        ],
        check: |v| {
            let value = |byte: u8| match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                _ => u32::from(byte.wrapping_sub(b'A')) + 10,
            };
            let sum: u32 = v
                .iter()
                .take(14)
                .enumerate()
                .map(|(i, b)| value(*b) * if i % 2 == 0 { 1 } else { 2 })
                .map(|product| product / 36 + product % 36)
                .sum();
            let check = (36 - sum % 36) % 36;
            matches!(two(v, 0), 1..=38 | 96 | 97 | 99)
                && v.get(14).is_some_and(|b| value(*b) == check)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: InVoter,
        forms: &[
            ("AAAddddddd", NAMED),
            ("aaaddddddd", NAMED - 4),
            ("AA/dd/ddd/dddddd", NAMED),
        ],
        check: |_| true,
        evidence: SHAPED,
    },
    // Australian Taxation Office: weights modulo 11.
    Rule {
        kind: AuTfn,
        forms: &[
            ("ddd ddd ddd", -8),
            ("ddddddddd", NAMED),
            ("ddd-ddd-ddd", -8),
            ("dddddddd", NAMED),
        ],
        check: |v| match v.len() {
            9 => !uniform(v) && weighted(v, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11),
            _ => !uniform(v) && weighted(v, &[10, 7, 8, 4, 6, 3, 5, 1]).is_multiple_of(11),
        },
        evidence: CHECKED,
    },
    Rule {
        kind: AuMedicare,
        forms: &[
            ("dddd ddddd d", -4),
            ("dddd-ddddd-d", 0),
            ("dddddddddd", -20),
            ("dddd ddddd d/d", 10),
            ("dddddddddd/d", 0),
            ("ddddddddddd", NAMED),
            ("dddd ddddd d-d", 8),
            ("dddd ddddd d d", 6),
        ],
        check: |v| {
            matches!(at(v, 0), 2..=6)
                && at(v, 9) > 0
                && weighted(v, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == at(v, 8)
        },
        evidence: CHECKED,
    },
    // Australian Business Register: subtract 1 from the first digit, modulo 89.
    Rule {
        kind: AuAbn,
        forms: &[
            ("dd ddd ddd ddd", 16),
            ("ddddddddddd", -5),
            ("dd-ddd-ddd-ddd", 16),
        ],
        check: |v| {
            at(v, 0) > 0
                && (weighted(v, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10).is_multiple_of(89)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: AuAcn,
        forms: &[
            ("ddd ddd ddd", -9),
            ("ddddddddd", NAMED),
            ("ddd-ddd-ddd", -9),
        ],
        check: |v| {
            !uniform(v) && (10 - weighted(v, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10) % 10 == at(v, 8)
        },
        evidence: CHECKED,
    },
    // Immigration & Checkpoints Authority; the letter's algorithm is published by none, and known.
    Rule {
        kind: SgNric,
        forms: &[
            ("[STFGM]ddddddda", 18),
            ("[stfgm]ddddddda", -8),
            ("[STFGM] ddddddd a", 6),
        ],
        check: |v| nric(v),
        evidence: PROVEN,
    },
    Rule {
        kind: SgUen,
        forms: &[
            ("ddddddddA", NAMED),
            ("[12]ddddddddA", NAMED),
            ("[TSR]ddAAddddA", 10),
            ("[TSR]ddANddddA", 8),
        ],
        check: |v| uen(v),
        evidence: PROVEN,
    },
    // Department of Provincial Administration: modulo 11.
    Rule {
        kind: ThTnin,
        forms: &[
            ("d-dddd-ddddd-dd-d", 28),
            ("ddddddddddddd", -10),
            ("d dddd ddddd dd d", 18),
        ],
        check: |v| {
            let sum = weighted(v, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
            matches!(at(v, 0), 1..=8) && !uniform(v) && (11 - sum % 11) % 10 == at(v, 12)
        },
        evidence: CHECKED,
    },
    // Department of Home Affairs: YYMMDD SSSS C A Z.
    Rule {
        kind: ZaId,
        forms: &[
            ("ddddddddddddd", 12),
            ("dddddd dddd ddd", 20),
            ("dddddd dddd d d d", 22),
            ("dddddd-dddd-ddd", 20),
            ("dddddd dddd dd d", 20),
        ],
        check: |v| yymmdd(v) && at(v, 10) <= 2 && luhn(v),
        evidence: PROVEN,
    },
    Rule {
        kind: NgNin,
        forms: &[
            ("ddddddddddd", NAMED),
            ("dddd dddd ddd", NAMED),
            ("dddd-dddd-ddd", NAMED),
            ("ddd dddd dddd", NAMED),
            ("dddd ddd dddd", NAMED),
            ("dddd-ddd-dddd", NAMED),
        ],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    Rule {
        kind: PhTin,
        forms: &[
            ("ddd-ddd-ddd-ddd", NAMED),
            ("ddd-ddd-ddd", NAMED),
            ("ddd ddd ddd", NAMED),
            ("ddddddddd", NAMED),
            ("dddddddddddd", NAMED),
            ("dddddddddddddd", NAMED),
            ("ddd-ddd-ddd-ddddd", NAMED),
            ("ddd ddd ddd ddd", NAMED),
        ],
        check: |v| !uniform(v),
        evidence: SHAPED,
    },
    // GB 11643-1999: area, date, serial, ISO 7064 MOD 11-2.
    Rule {
        kind: CnRid,
        forms: &[
            ("ddddddddddddddddd[0123456789Xx]", 26),
            ("dddddd dddddddd ddd[0123456789Xx]", 30),
            ("dddddd-dddddddd-ddd[0123456789Xx]", 30),
        ],
        check: |v| {
            let sum = weighted(v, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
            let check = b"10X98765432".get((sum % 11) as usize);
            let year = u32::try_from(number(v.get(6..10).unwrap_or_default())).unwrap_or(0);
            matches!(two(v, 0), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
                && (1850..2100).contains(&year)
                && is_date(Some(year), two(v, 10), two(v, 12))
                && check == v.last()
        },
        evidence: PROVEN,
    },
    Rule {
        kind: TwId,
        forms: &[("A[1289]dddddddd", -6), ("A[ABCD]dddddddd", 4)],
        check: |v| {
            const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
            let value = |b: u8| {
                LETTERS
                    .iter()
                    .position(|l| *l == b)
                    .and_then(|i| u32::try_from(i).ok())
                    .map(|i| i + 10)
            };
            let Some((letter, rest)) = v.split_first() else {
                return false;
            };
            let Some(letter) = value(*letter) else {
                return false;
            };
            // Residents of before 2021 have a second letter, of which the last digit counts.
            let Some(second) = rest.first().and_then(|b| {
                if b.is_ascii_digit() {
                    Some(super::checksum::digit(*b))
                } else {
                    value(*b).map(|n| n % 10)
                }
            }) else {
                return false;
            };
            let sum = letter / 10
                + letter % 10 * 9
                + second * 8
                + weighted(rest.get(1..).unwrap_or_default(), &[7, 6, 5, 4, 3, 2, 1, 1]);
            sum.is_multiple_of(10)
        },
        evidence: PROVEN,
    },
    Rule {
        kind: HkId,
        forms: &[
            ("Adddddd(N)", 28),
            ("AAdddddd(N)", 28),
            ("Adddddd[0123456789A]", -12),
            ("AAdddddd[0123456789A]", -12),
            ("Adddddd (N)", 22),
        ],
        check: |v| {
            let value = |b: u8| {
                if b.is_ascii_digit() {
                    u32::from(b - b'0')
                } else {
                    u32::from(b.wrapping_sub(b'A')) + 10
                }
            };
            let Some((check, body)) = v.split_last() else {
                return false;
            };
            // One letter has a blank before it, which counts 36.
            let blank = if body.len() == 7 { 36 * 9 } else { 0 };
            let weights = (2..=9).rev().skip(if body.len() == 7 { 1 } else { 0 });
            let sum: u32 = blank
                + body
                    .iter()
                    .zip(weights)
                    .map(|(b, w)| value(*b) * w)
                    .sum::<u32>()
                + value(*check);
            sum.is_multiple_of(11) && (check.is_ascii_digit() || *check == b'A')
        },
        evidence: CHECKED,
    },
    // National Registration Department: date, place of birth, serial.
    Rule {
        kind: MyNric,
        forms: &[
            ("dddddd-dd-dddd", 16),
            ("dddddddddddd", -22),
            ("dddddd dd dddd", 4),
        ],
        check: |v| {
            let place = two(v, 6);
            yymmdd(v) && !matches!(place, 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97)
        },
        evidence: NUMBERED,
    },
    Rule {
        kind: IdNik,
        forms: &[
            ("dddddddddddddddd", -14),
            ("dddddd dddddd dddd", 0),
            ("dddddd.dddddd.dddd", 6),
            ("dddddd-dddddd-dddd", 6),
        ],
        check: |v| {
            let day = two(v, 6);
            matches!(two(v, 0), 11..=19 | 21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=97)
                && is_date(None, two(v, 8), if day > 40 { day - 40 } else { day })
                && two(v, 2) > 0
                && two(v, 4) > 0
                && number(v.get(12..).unwrap_or_default()) > 0
        },
        evidence: NUMBERED,
    },
    // Order of the Ministry of Internal Affairs no. 85 of 2014, article 5.
    Rule {
        kind: JpMyNumber,
        forms: &[
            ("dddd dddd dddd", -10),
            ("dddd-dddd-dddd", -8),
            ("dddddddddddd", NAMED),
        ],
        check: |v| {
            let sum = weighted(v, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
            let check = if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
            !uniform(v) && check == at(v, 11)
        },
        evidence: CHECKED,
    },
    // Inland Revenue, RWT and NRWT specification: two rounds of weights.
    Rule {
        kind: NzIrd,
        forms: &[
            ("ddd-ddd-ddd", -8),
            ("dd-ddd-ddd", -8),
            ("ddddddddd", NAMED),
            ("dddddddd", NAMED),
            ("ddd ddd ddd", -12),
            ("dd ddd ddd", -14),
        ],
        check: |v| {
            let padded: Vec<u8> = std::iter::repeat_n(b'0', 9_usize.saturating_sub(v.len()))
                .chain(v.iter().copied())
                .collect();
            let check = |weights: &[u32]| (11 - weighted(&padded, weights) % 11) % 11;
            let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
            let digit = if first == 10 {
                check(&[7, 4, 3, 2, 5, 2, 7, 6])
            } else {
                first
            };
            (10_000_000..=150_000_000).contains(&number(v)) && digit == at(&padded, 8)
        },
        evidence: CHECKED,
    },
    Rule {
        kind: IlId,
        forms: &[
            ("ddddddddd", NAMED),
            ("dddddddd-d", -10),
            ("d-dddddddd", NAMED),
            ("d dddddddd", NAMED),
            ("d-ddddddd-d", -4),
        ],
        check: |v| !uniform(v) && luhn(v),
        evidence: CHECKED,
    },
];

/// Korea: the seventh digit says the century of the date.
fn born(v: &[u8]) -> bool {
    let century = if matches!(at(v, 6), 3 | 4 | 7 | 8) {
        2000
    } else {
        1900
    };
    is_date(Some(century + two(v, 0)), two(v, 2), two(v, 4))
}

/// ACRA's check letters, as known: one scheme for businesses, one for companies, one for others.
fn uen(v: &[u8]) -> bool {
    let digits = v
        .iter()
        .take(v.len().saturating_sub(1))
        .all(u8::is_ascii_digit);
    let letter = |letters: &[u8], index: u32| letters.get(index as usize) == v.last();
    match v.len() {
        9 if digits => letter(b"XMKECAWLJDB", weighted(v, &[10, 4, 9, 3, 8, 2, 7, 1]) % 11),
        10 if digits => {
            let year = number(v.get(..4).unwrap_or_default());
            (1800..2100).contains(&year)
                && letter(
                    b"ZKCMDNERGWH",
                    weighted(v, &[10, 8, 6, 4, 9, 7, 5, 3, 1]) % 11,
                )
        }
        10 => {
            const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
            const KINDS: &[&[u8]] = &[
                b"CC", b"CD", b"CH", b"CL", b"CM", b"CP", b"CS", b"CX", b"DP", b"FB", b"FC", b"FM",
                b"FN", b"GA", b"GB", b"GS", b"HS", b"LL", b"LP", b"MB", b"MC", b"MD", b"MH", b"MM",
                b"MQ", b"NB", b"NR", b"PA", b"PB", b"PF", b"RF", b"RP", b"SM", b"SS", b"TC", b"TU",
                b"VH", b"XL",
            ];
            let place = |b: &u8| {
                ALPHABET
                    .iter()
                    .position(|known| known == b)
                    .and_then(|i| u32::try_from(i).ok())
            };
            let sum: Option<u32> = v
                .iter()
                .zip([4, 3, 5, 3, 10, 2, 2, 5, 7])
                .map(|(b, w)| place(b).map(|i| i * w))
                .sum();
            let check = sum.and_then(|sum| ALPHABET.get(((sum + 11 - 5) % 11) as usize));
            KINDS.iter().any(|kind| v.get(3..5) == Some(*kind)) && check == v.last()
        }
        _ => false,
    }
}

fn nric(v: &[u8]) -> bool {
    let Some((series, rest)) = v.split_first() else {
        return false;
    };
    let sum = weighted(rest, &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, offset): (&[u8], u32) = match series {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"KLJNPQRTUWX", 3),
        _ => return false,
    };
    let index = (sum + offset) % 11;
    let index = if *series == b'M' { 10 - index } else { index };
    letters.get(index as usize) == v.last()
}
