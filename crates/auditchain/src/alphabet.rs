//! The alphabets of the texts that stand in leaves, `docs/spec/audit-leaf.md`, section 3.

use std::net::IpAddr;

/// `a-z 0-9 _ .`
pub(crate) const PLAIN: u8 = 1;
/// `a-z 0-9 _ . -`
pub(crate) const SLUG: u8 = 1 << 1;
/// `A-Z a-z 0-9 . _ - : /`
pub(crate) const SAFE: u8 = 1 << 2;
/// `0-9 A-F a-f . :`, of which an address is made.
const ADDRESS: u8 = 1 << 3;

/// `. :`, without which nothing is an address.
const POINT: u8 = 1 << 4;

/// Which alphabets a byte is of. A pass over a log looks up every byte of every text.
const ALPHABETS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let plain =
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
        let slug = plain || byte == b'-';
        let safe = slug || byte.is_ascii_uppercase() || matches!(byte, b':' | b'/');
        let point = matches!(byte, b'.' | b':');
        let mut of = if plain { PLAIN } else { 0 };
        of |= if slug { SLUG } else { 0 };
        of |= if safe { SAFE } else { 0 };
        of |= if point { POINT } else { 0 };
        of |= if point || byte.is_ascii_hexdigit() {
            ADDRESS
        } else {
            0
        };
        #[allow(clippy::indexing_slicing, reason = "evaluated when compiled")]
        {
            table[byte as usize] = of;
        }
        byte += 1;
    }
    table
};

fn alphabets(byte: u8) -> u8 {
    ALPHABETS
        .get(usize::from(byte))
        .copied()
        .unwrap_or_default()
}

/// Whether a text is 1 to `longest` bytes of an alphabet.
#[inline]
pub(crate) fn is_of(text: &[u8], alphabet: u8, longest: usize) -> bool {
    let common = text
        .iter()
        .fold(alphabet, |all, byte| all & alphabets(*byte));
    common != 0 && !text.is_empty() && text.len() <= longest
}

/// What a text of the safe alphabet has against it.
pub(crate) enum Unsafe {
    /// It is not 1 to so many bytes of that alphabet.
    Malformed,
    /// A part between slashes is an IP address.
    Address,
}

/// Takes a text of 1 to `longest` bytes of the safe alphabet that holds no address.
#[inline]
pub(crate) fn safe(text: &[u8], longest: usize) -> Result<(), Unsafe> {
    let (mut all, mut any) = (SAFE, 0);
    for byte in text {
        let of = alphabets(*byte);
        all &= of;
        any |= of;
    }
    if all == 0 || text.is_empty() || text.len() > longest {
        return Err(Unsafe::Malformed);
    }
    // Most texts have none of the bytes without which nothing is an address.
    if any & POINT != 0 && text.split(|byte| *byte == b'/').any(is_address) {
        return Err(Unsafe::Address);
    }
    Ok(())
}

fn is_address(part: &[u8]) -> bool {
    // Most texts are none at their first letter.
    part.iter().all(|byte| alphabets(*byte) & ADDRESS != 0)
        && part.iter().any(|byte| matches!(byte, b'.' | b':'))
        && std::str::from_utf8(part).is_ok_and(|part| part.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_byte_is_of_its_alphabets() {
        for byte in 0..=255_u8 {
            let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
            let slug = plain || byte == b'-';
            let safe = slug || matches!(byte, b'A'..=b'Z' | b':' | b'/');
            let of = [PLAIN, SLUG, SAFE].map(|alphabet| is_of(&[byte], alphabet, 1));
            assert_eq!(of, [plain, slug, safe], "{byte}");
        }
        assert!(matches!(safe(b"", 9), Err(Unsafe::Malformed)));
        assert!(matches!(safe(b"a b", 9), Err(Unsafe::Malformed)));
        assert!(matches!(safe(b"abc", 2), Err(Unsafe::Malformed)));
        assert!(!is_of(b"", SAFE, 9));
        assert!(!is_of(b"abc", SAFE, 2));
    }

    proptest! {
        #[test]
        fn an_address_is_what_parses_as_one(
            text in prop_oneof!["[0-9a-f.:/]{1,20}", "(x/)?([0-9]{1,3}\\.){3}[0-9]{1,3}(/y)?"],
        ) {
            let parses = text.split('/').any(|part| part.parse::<IpAddr>().is_ok());
            let refused = matches!(safe(text.as_bytes(), 64), Err(Unsafe::Address));
            prop_assert_eq!(refused, parses);
        }
    }
}
