//! The scan: anchors first, then each class in its turn.

use crate::number::Groups;
use crate::page::Page;
use crate::{Match, card, email, iban, ip, phone, ssn};

/// Finds personal data in a text: sorted by position, none overlapping another.
///
/// Offsets are UTF-8 byte offsets on character boundaries. Where two classes could claim the same
/// bytes, the one whose grammar says more decides: e-mail address, then what a checksum proves
/// (IBAN; card, after IP addresses, with which it cannot collide), then social security numbers,
/// then telephones. Within a class the leftmost decides, then the longest. Time is linear in the
/// length of the text, whatever it holds.
///
/// # Security
/// Whatever is encoded (JSON escapes, percent signs, full-width digits, invisible characters
/// between digits) is not seen: decode before scanning.
///
/// ```
/// use strongroom_pii::{Class, scan};
///
/// let found = scan("user=ann@example.com ip=192.0.2.7");
/// let classes: Vec<_> = found.iter().map(|found| found.class).collect();
/// assert_eq!(classes, [Class::Email, Class::Ip]);
/// assert_eq!(found[0].range, 5..20);
/// ```
#[must_use]
pub fn scan(text: &str) -> Vec<Match> {
    let mut page = Page::new(text);
    let anchors = Anchors::of(page.bytes());
    // What holds letters comes first: the words left over are then those that tell what a number
    // is, and they stay the same when values are replaced.
    email::claim(&mut page, &anchors.ats);
    iban::claim(&mut page, &anchors.ibans);
    ip::claim_v6(&mut page, &anchors.colons);
    if anchors.digits {
        let groups = Groups::of(&page);
        ip::claim_v4(&mut page, &groups);
        card::claim(&mut page, &groups);
        ssn::claim(&mut page, &groups);
        phone::claim(&mut page, &groups);
    }
    page.into_matches()
}

/// Where candidates may be.
#[derive(Default)]
struct Anchors {
    ats: Vec<usize>,
    /// Where two letters and two digits start.
    ibans: Vec<usize>,
    colons: Vec<usize>,
    digits: bool,
}

impl Anchors {
    fn of(bytes: &[u8]) -> Self {
        let mut anchors = Self::default();
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'@' => anchors.ats.push(at),
                b':' => anchors.colons.push(at),
                b'0'..=b'9' => {
                    anchors.digits = true;
                    let window = at.checked_sub(3).and_then(|start| bytes.get(start..=at));
                    if let Some([a, b, c, _]) = window
                        && a.is_ascii_alphabetic()
                        && b.is_ascii_alphabetic()
                        && c.is_ascii_digit()
                    {
                        anchors.ibans.push(at - 3);
                    }
                }
                _ => {}
            }
        }
        anchors
    }
}
