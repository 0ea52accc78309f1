//! Check digits: the algorithms that several issuers share.

/// The value of each digit; letters count as 0.
pub(crate) fn digit(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        _ => 0,
    }
}

/// The number that some digits make; at most 18 of them.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().take(18);
    digits.fold(0, |number, byte| number * 10 + u64::from(digit(*byte)))
}

/// The digit at a place; 0 past the end.
pub(crate) fn at(bytes: &[u8], index: usize) -> u32 {
    bytes.get(index).copied().map_or(0, digit)
}

/// Each digit times its weight, added up.
pub(crate) fn weighted(bytes: &[u8], weights: &[u32]) -> u32 {
    bytes
        .iter()
        .zip(weights)
        .map(|(b, weight)| digit(*b) * weight)
        .sum()
}

/// Luhn (ISO/IEC 7812-1, annex B), check digit included.
pub(crate) fn luhn(bytes: &[u8]) -> bool {
    let digits = bytes.iter().rev().enumerate();
    let sum: u32 = digits
        .map(|(index, byte)| match (index % 2, digit(*byte)) {
            (0, digit) => digit,
            (_, digit @ 0..=4) => digit * 2,
            (_, digit) => digit * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 MOD 97-10 over digits and letters (A = 10), for numbers that leave 1.
pub(crate) fn mod_97(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + digit(byte)) % 97,
        _ => (rest * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    })
}

/// ISO 7064 MOD 11,10, check digit included.
pub(crate) fn mod_11_10(bytes: &[u8]) -> bool {
    let Some((check, body)) = bytes.split_last() else {
        return false;
    };
    let product = body.iter().fold(10, |product, byte| {
        let sum = (product + digit(*byte)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == digit(*check)
}

/// Verhoeff (Mathematical Centre Tract 29, 1969), check digit included.
pub(crate) fn verhoeff(bytes: &[u8]) -> bool {
    // The dihedral group of ten: rotations 0-4, reflections 5-9.
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a - b) % 5,
        (false, false) => (5 + a - b) % 5,
    };
    const ONCE: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u32, times: usize| {
        (0..times % 8).fold(digit, |digit, _| {
            ONCE.get(digit as usize).copied().unwrap_or(0)
        })
    };
    let digits = bytes.iter().rev().enumerate();
    digits.fold(0, |state, (index, byte)| {
        product(state, permuted(digit(*byte), index))
    }) == 0
}

/// Whether a day exists; a year of `None` may be a leap year.
pub(crate) fn is_date(year: Option<u32>, month: u32, day: u32) -> bool {
    let leap = year.is_none_or(|year| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    });
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Two digits as a number.
pub(crate) fn two(bytes: &[u8], index: usize) -> u32 {
    at(bytes, index) * 10 + at(bytes, index + 1)
}

/// Whether six digits are a date: `YYMMDD`.
pub(crate) fn yymmdd(bytes: &[u8]) -> bool {
    is_date(None, two(bytes, 2), two(bytes, 4))
}

/// Whether six digits are a date: `DDMMYY`.
pub(crate) fn ddmmyy(bytes: &[u8]) -> bool {
    is_date(None, two(bytes, 2), two(bytes, 0))
}

/// Whether all bytes are the same, which no issuer gives out.
pub(crate) fn uniform(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|pair| pair.first() == pair.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples() {
        assert!(luhn(b"79927398713") && !luhn(b"79927398710"));
        assert!(verhoeff(b"2363") && !verhoeff(b"2364"));
        // ISO 7064's own example for MOD 11,10.
        assert!(mod_11_10(b"07945") && !mod_11_10(b"07946"));
        assert_eq!(mod_97(b"3214282912345698765432161182".iter().copied()), 1);
        assert!(is_date(Some(2000), 2, 29) && !is_date(Some(1900), 2, 29) && !is_date(None, 2, 30));
    }

    #[test]
    fn verhoeff_finds_every_wrong_digit_and_swap() {
        let good = b"234123412346";
        assert!(verhoeff(good));
        for at in 0..good.len() {
            for other in b'0'..=b'9' {
                let mut bad = *good;
                bad[at] = other;
                assert_eq!(verhoeff(&bad), bad == *good);
            }
            let mut swapped = *good;
            if at > 0 {
                swapped.swap(at - 1, at);
                assert_eq!(verhoeff(&swapped), swapped == *good);
            }
        }
    }
}
