//! International bank account numbers: ISO 13616, as registered by SWIFT.

use crate::class::Kind;
use crate::engine::byte::{self, ALNUM};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;
use crate::ids::PROVEN;
use crate::ids::checksum::mod_97;

const IBAN: i16 = 40;

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

/// Proposes the account number that starts at an offset: as many letters and digits as its
/// country's numbers have, with at most one separator between two of them, and a remainder of 1.
pub(crate) fn at(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    let mut compact = [0; 34];
    let mut length = 0;
    let mut position = start;
    let mut wanted = compact.len();
    while length < wanted {
        if length > 0 && separates(window, position) {
            position += 1;
        }
        let b = window.byte(position);
        let Some(slot) = compact.get_mut(length).filter(|_| byte::is(b, ALNUM)) else {
            return;
        };
        *slot = b.to_ascii_uppercase();
        length += 1;
        position += 1;
        if length == 4 {
            let country =
                [window.byte(start), window.byte(start + 1)].map(|b| b.to_ascii_uppercase());
            let known = LENGTHS.iter().find(|(code, _)| **code == country);
            let digits = compact
                .get(2..4)
                .unwrap_or_default()
                .iter()
                .all(u8::is_ascii_digit);
            match known.filter(|_| digits) {
                Some((_, length)) => wanted = *length,
                None => return,
            }
        }
    }
    // ISO 7064 MOD 97-10 reads the number with its first four characters moved to the end.
    let (head, body) = compact.get(..length).unwrap_or_default().split_at(4);
    if window.word_at(position) || mod_97(body.iter().chain(head).copied()) != 1 {
        return;
    }
    found.push(Candidate {
        class: Kind::Iban as u16,
        start,
        end: position,
        base: IBAN,
        evidence: PROVEN,
        tier: Tier::Value,
        weighed: false,
        tail: Tail::None,
    });
}

/// One space, hyphen, full stop or line end between two characters.
fn separates(window: &Window<'_>, at: usize) -> bool {
    matches!(window.byte(at), b' ' | b'-' | b'.' | b'\n') && window.is(at + 1, ALNUM)
}
