//! International bank account numbers: ISO 13616, as registered by SWIFT.

use crate::page::Page;
use crate::{Class, Confidence, Evidence};

const IBAN: Confidence = Confidence::percent(98);

/// Country codes and total lengths, from the registry that SWIFT keeps.
const LENGTHS: [(&[u8; 2], usize); 89] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Claims every account number that starts at one of the anchors: two letters and two digits,
/// in order.
pub(crate) fn claim(page: &mut Page<'_>, anchors: &[usize]) {
    for &start in anchors {
        if page.is_claimed(start) || page.word_before(start) {
            continue;
        }
        if let Some(end) = end(page, start) {
            let evidence = [Evidence::Shape, Evidence::Checksum, Evidence::Numbering];
            page.claim(Class::Iban, start..end, IBAN, &evidence);
        }
    }
}

/// Where the number ends, if there is one: as many letters and digits as its country's numbers
/// have, with at most one space or hyphen between two of them, and a remainder of 1.
fn end(page: &Page<'_>, start: usize) -> Option<usize> {
    let country = [page.byte(start), page.byte(start + 1)].map(|b| b.to_ascii_uppercase());
    let (_, length) = LENGTHS.iter().find(|(code, _)| **code == country)?;
    // ISO 7064 MOD 97-10 reads the number with its first four characters moved to the end.
    let mut head = Remainder::default();
    let mut body = Remainder::default();
    let mut position = start;
    for index in 0..*length {
        if index > 0 {
            position += separator(page, position);
        }
        let character = page.byte(position);
        if !character.is_ascii_alphanumeric() {
            return None;
        }
        if index < 4 {
            head.push(character);
        } else {
            body.push(character);
        }
        position += 1;
    }
    (!page.word_at(position) && body.then(&head) == 1).then_some(position)
}

/// How long the separator at an offset is, in bytes; 0 when there is none.
fn separator(page: &Page<'_>, at: usize) -> usize {
    match (page.byte(at), page.byte(at + 1), page.byte(at + 2)) {
        (b' ' | b'-', ..) => 1,
        (0xC2, 0xA0, _) => 2,
        (0xE2, 0x80, 0xAF) => 3,
        _ => 0,
    }
}

/// A number modulo 97, and what appending its digits multiplies by.
struct Remainder {
    value: u32,
    shift: u32,
}

impl Default for Remainder {
    fn default() -> Self {
        Self { value: 0, shift: 1 }
    }
}

impl Remainder {
    /// Appends a character; letters count as 10 to 35, two digits.
    fn push(&mut self, character: u8) {
        let (value, base) = match character {
            b'0'..=b'9' => (u32::from(character - b'0'), 10),
            _ => (
                u32::from(character.to_ascii_uppercase().saturating_sub(b'A')) + 10,
                100,
            ),
        };
        self.value = (self.value * base + value) % 97;
        self.shift = (self.shift * base) % 97;
    }

    fn then(&self, tail: &Self) -> u32 {
        (self.value * tail.shift + tail.value) % 97
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    fn found(text: &str) -> Vec<&str> {
        let ibans = scan(text).into_iter().filter(|m| m.class == Class::Iban);
        ibans.map(|m| text.get(m.range).unwrap()).collect()
    }

    /// The registry's own examples.
    #[test]
    fn registered_examples() {
        for iban in [
            "AD1200012030200359100100",
            "AT611904300234573201",
            "BE68539007547034",
            "CH9300762011623852957",
            "DE89370400440532013000",
            "ES9121000418450200051332",
            "FR1420041010050500013M02606",
            "GB29NWBK60161331926819",
            "IT60X0542811101000000123456",
            "LC55HEMM000100010012001200023015",
            "MT84MALT011000012345MTLCAST001S",
            "NL91ABNA0417164300",
            "NO9386011117947",
            "PL61109010140000071219812874",
            "SE4550000000058398257466",
            "SC18SSCB11010000000000001497USD",
        ] {
            assert_eq!(found(iban), [iban]);
            let paper: Vec<_> = iban.as_bytes().chunks(4).collect();
            let paper = paper
                .iter()
                .map(|c| std::str::from_utf8(c).unwrap())
                .collect::<Vec<_>>();
            let paper = paper.join(" ");
            assert_eq!(found(&format!("to {paper} today")), [paper.as_str()]);
            assert_eq!(found(&iban.to_ascii_lowercase()).len(), 1);
        }
    }

    #[test]
    fn what_is_not_an_account_number() {
        for (name, text) in [
            ("wrong check digits", "DE88370400440532013000"),
            ("two digits exchanged", "DE89370400440532010300"),
            ("one digit short", "DE8937040044053201300"),
            ("one digit long", "DE893704004405320130000"),
            ("no such country", "ZZ89370400440532013000"),
            ("a word before", "XDE89370400440532013000"),
            ("two separators", "DE89  3704 0044 0532 0130 00"),
            ("a word after", "NO9386011117947x"),
        ] {
            assert_eq!(found(text), [""; 0], "{name}");
        }
    }
}
