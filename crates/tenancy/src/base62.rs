//! Fixed-width base62, most significant digit first: how keys, tokens and their ids are spelt.
//!
//! The alphabet is `0-9`, `A-Z`, `a-z`, which is ASCII order: texts of one width compare as the
//! numbers do, and every number has one spelling.
//!
//! ```
//! use strongroom_tenancy::base62;
//!
//! let digits = base62::encode(&[7; 32]);
//! assert_eq!(base62::decode(&*digits).as_deref(), Some(&[7; 32]));
//! assert_eq!(&base62::encode_number::<6>(62), b"000010");
//! ```
//!
//! # Security
//! Secrets go through here. Digits are mapped by arithmetic and not by table, whose cache lines
//! would tell of them; no branch depends on a digit; and what holds a secret on the way is wiped.

use zeroize::{Zeroize as _, Zeroizing};

const BASE: u64 = 62;

/// The digits of 32 bytes: 62^43 is the first power of 62 above 2^256.
pub const DIGITS: usize = 43;

/// 2^256 - 1, the largest number of 32 bytes.
const LARGEST: &[u8; DIGITS] = b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";

/// Writes a number in `N` digits, dropping what does not fit.
#[must_use]
pub fn encode_number<const N: usize>(mut value: u128) -> [u8; N] {
    let mut text = [0; N];
    for place in text.iter_mut().rev() {
        *place = to_char((value % u128::from(BASE)) as u64);
        value /= u128::from(BASE);
    }
    text
}

/// Writes a checksum of 32 bits in its 6 digits: as [`encode_number`] does, and faster.
#[inline]
#[must_use]
pub fn encode_checksum(mut value: u32) -> [u8; 6] {
    let mut text = [0; 6];
    for place in text.iter_mut().rev() {
        *place = to_char(u64::from(value % 62));
        value /= 62;
    }
    text
}

/// Writes 32 bytes, a big-endian number, in 43 digits.
#[must_use]
pub fn encode(bytes: &[u8; 32]) -> Zeroizing<[u8; DIGITS]> {
    let mut limbs = Zeroizing::new([0_u64; 8]);
    for (limb, word) in limbs.iter_mut().zip(bytes.chunks_exact(4)) {
        *limb = word
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    let mut text = Zeroizing::new([0; DIGITS]);
    for place in text.iter_mut().rev() {
        let mut remainder = 0;
        for limb in limbs.iter_mut() {
            let value = remainder << 32 | *limb;
            *limb = value / BASE;
            remainder = value % BASE;
        }
        *place = to_char(remainder);
    }
    text
}

/// Reads 43 digits of a number below 2^256; `None` for any other text.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut limbs = Zeroizing::new([0_u64; 8]);
    let mut bad = i32::from(text.len() != DIGITS);
    let mut overflow = 0;
    for char in text.iter().take(DIGITS) {
        let digit = to_digit(*char);
        bad |= digit >> 8;
        let mut carry = u64::from(digit.unsigned_abs());
        for limb in limbs.iter_mut().rev() {
            let value = *limb * BASE + carry;
            *limb = value & 0xffff_ffff;
            carry = value >> 32;
        }
        overflow |= carry;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (word, limb) in bytes.chunks_exact_mut(4).zip(limbs.iter()) {
        let mut four = (*limb as u32).to_be_bytes();
        word.copy_from_slice(&four);
        four.zeroize();
    }
    (bad == 0 && overflow == 0).then_some(bytes)
}

/// Whether a text is one that [`decode`] reads, without reading it.
///
/// Texts of one width are subtracted as they stand, eight digits at a time: what is left to borrow
/// at the end is larger than the largest.
#[inline]
#[must_use]
pub fn is_encoded(text: &[u8]) -> bool {
    let Ok(text) = <&[u8; DIGITS]>::try_from(text) else {
        return false;
    };
    let bad = u8::from(!is_base62(text));
    let mut overflow = false;
    for (largest, chars) in in_words(LARGEST).zip(in_words(text)) {
        let (rest, borrowed) = largest.overflowing_sub(chars);
        overflow = borrowed | rest.overflowing_sub(u64::from(overflow)).1;
    }
    let overflow = u64::from(overflow);
    bad == 0 && overflow == 0
}

/// Whether every character is of the alphabet.
#[inline]
#[must_use]
pub fn is_base62(text: &[u8]) -> bool {
    text.iter().fold(true, |all, char| all & is_digit(*char))
}

/// A text as big-endian words, the last of them first.
#[inline]
fn in_words(text: &[u8; DIGITS]) -> impl Iterator<Item = u64> {
    text.rchunks(8).map(|chunk| {
        chunk
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}

/// A digit below 62 as its character, without a branch: `'A'` is 7 past what follows `'9'`, and
/// `'a'` another 6 past what follows `'Z'`.
#[inline]
fn to_char(digit: u64) -> u8 {
    let digit = (digit & 0x3f) as i32;
    let letter = (9 - digit) >> 8 & 7;
    let lower = (35 - digit) >> 8 & 6;
    (0x30 + digit + letter + lower) as u8
}

/// A character's digit, or -1, without a branch.
fn to_digit(char: u8) -> i32 {
    let char = i32::from(char);
    // All ones between the bounds, zero outside.
    let within =
        |low: u8, high: u8| ((i32::from(low) - 1 - char) & (char - i32::from(high) - 1)) >> 8;
    let mut digit = -1;
    digit += within(b'0', b'9') & (char - i32::from(b'0') + 1);
    digit += within(b'A', b'Z') & (char - i32::from(b'A') + 11);
    digit += within(b'a', b'z') & (char - i32::from(b'a') + 37);
    digit
}

/// Whether a character is of the alphabet, without a branch, so that many are looked at together.
#[inline]
const fn is_digit(char: u8) -> bool {
    let is_letter = (char | 0x20).wrapping_sub(b'a') < 26;
    is_letter | (char.wrapping_sub(b'0') < 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    #[test]
    fn the_mapping_is_the_alphabet() {
        for (digit, char) in (0..).zip(ALPHABET) {
            assert_eq!(to_char(digit), *char);
        }
        for char in u8::MIN..=u8::MAX {
            assert_eq!(is_digit(char), ALPHABET.contains(&char));
            let position = ALPHABET.iter().position(|known| *known == char);
            let expected = position.map_or(-1, |digit| i32::try_from(digit).unwrap());
            assert_eq!(to_digit(char), expected);
        }
    }

    #[test]
    fn rejections() {
        let one_more = b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp2";
        for (name, text) in [
            ("2^256", one_more.to_vec()),
            ("the largest digits", vec![b'z'; DIGITS]),
            ("a digit short", LARGEST[1..].to_vec()),
            ("a digit long", [LARGEST.as_slice(), b"0"].concat()),
            ("nothing", Vec::new()),
            ("a sign", [b"-".as_slice(), &[b'0'; DIGITS - 1]].concat()),
            (
                "a high bit",
                [&[b'0'; DIGITS - 1], [0xb0].as_slice()].concat(),
            ),
        ] {
            assert!(decode(&text).is_none(), "{name}");
            assert!(!is_encoded(&text), "{name}");
        }
    }

    #[test]
    fn the_smallest_and_the_largest() {
        assert_eq!(encode(&[0xff; 32]).as_slice(), LARGEST);
        assert_eq!(encode(&[0; 32]).as_slice(), [b'0'; DIGITS]);
        assert_eq!(decode(LARGEST).as_deref(), Some(&[0xff; 32]));
        assert!(is_encoded(LARGEST) && is_encoded(&[b'0'; DIGITS]));
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes: [u8; 32]) {
            let text = encode(&bytes);
            prop_assert!(is_encoded(text.as_slice()));
            let read = decode(text.as_slice());
            prop_assert_eq!(read.as_deref(), Some(&bytes));
        }

        #[test]
        fn texts_keep_the_order_of_what_they_stand_for(a: [u8; 32], b: [u8; 32]) {
            prop_assert_eq!(a.cmp(&b), encode(&a).cmp(&encode(&b)));
        }

        #[test]
        fn what_is_read_has_one_spelling(text in "[0-9A-Za-z]{43}|[x-z][0-9A-Za-z]{42}|.{40,45}") {
            let read = decode(text.as_bytes());
            prop_assert_eq!(read.is_some(), is_encoded(text.as_bytes()));
            if let Some(bytes) = read {
                let again = encode(&bytes);
                prop_assert_eq!(again.as_slice(), text.as_bytes());
            }
        }

        #[test]
        fn numbers_are_written_as_wide_ones_are(value: u32) {
            let mut bytes = [0; 32];
            bytes[28..].copy_from_slice(&value.to_be_bytes());
            let narrow: [u8; 6] = encode_number(value.into());
            prop_assert_eq!(&encode(&bytes)[37..], narrow.as_slice());
            prop_assert_eq!(encode_checksum(value), narrow);
        }

        #[test]
        fn one_bad_character_is_refused(bytes: [u8; 32], at in 0..DIGITS, bad: u8) {
            let mut text = *encode(&bytes);
            text[at] = bad;
            prop_assert!(bad.is_ascii_alphanumeric() || !is_encoded(&text));
            prop_assert_eq!(decode(&text).is_some(), is_encoded(&text));
        }
    }
}
