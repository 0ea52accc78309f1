//! Fixed-width base62, most significant digit first; the alphabet is `0-9`, `A-Z`, `a-z`.
//!
//! Digits are mapped by arithmetic and not by table: the secret part of a key goes through here,
//! and a table's cache lines would tell of it.

use zeroize::Zeroizing;

const BASE: u64 = 62;

/// The digits of 32 bytes: 62^43 is the first power of 62 above 2^256.
pub(crate) const SECRET_DIGITS: usize = 43;

/// Writes a number in `N` digits, dropping what does not fit.
pub(crate) fn encode_number<const N: usize>(mut value: u128) -> [u8; N] {
    let mut text = [0; N];
    for place in text.iter_mut().rev() {
        *place = digit_to_char(value % u128::from(BASE));
        value /= u128::from(BASE);
    }
    text
}

/// Writes 32 bytes, a big-endian number, in 43 digits.
pub(crate) fn encode_secret(secret: &[u8; 32]) -> Zeroizing<[u8; SECRET_DIGITS]> {
    let mut limbs = Zeroizing::new([0_u64; 8]);
    for (limb, bytes) in limbs.iter_mut().zip(secret.chunks_exact(4)) {
        *limb = bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    let mut text = Zeroizing::new([0; SECRET_DIGITS]);
    for place in text.iter_mut().rev() {
        let mut remainder = 0;
        for limb in limbs.iter_mut() {
            let value = remainder << 32 | *limb;
            *limb = value / BASE;
            remainder = value % BASE;
        }
        *place = digit_to_char(u128::from(remainder));
    }
    text
}

/// 2^256 - 1, the largest secret.
const LARGEST: &[u8; SECRET_DIGITS] = b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";

/// Whether 43 digits stand for a number below 2^256, as every secret does.
///
/// The alphabet is in ASCII order, so that texts of one width are subtracted as they stand, eight
/// digits at a time: what is left to borrow at the end is larger than the largest.
pub(crate) fn is_secret(text: &[u8]) -> bool {
    let Ok(text) = <&[u8; SECRET_DIGITS]>::try_from(text) else {
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

/// A text as big-endian words, the last of them first.
fn in_words(text: &[u8; SECRET_DIGITS]) -> impl Iterator<Item = u64> {
    text.rchunks(8).map(|chunk| {
        chunk
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}

/// Writes a checksum in its 6 digits.
pub(crate) fn encode_checksum(mut value: u32) -> [u8; 6] {
    let mut text = [0; 6];
    for place in text.iter_mut().rev() {
        *place = digit_to_char(u128::from(value % 62));
        value /= 62;
    }
    text
}

/// Whether every character is of the alphabet.
pub(crate) fn is_base62(text: &[u8]) -> bool {
    text.iter().fold(true, |all, char| all & is_digit(*char))
}

/// A digit below 62 as its character, without a branch: `'A'` is 7 past what follows `'9'`, and
/// `'a'` another 6 past what follows `'Z'`.
fn digit_to_char(digit: u128) -> u8 {
    let digit = (digit & 0x3f) as i32;
    let letter = (9 - digit) >> 8 & 7;
    let lower = (35 - digit) >> 8 & 6;
    (0x30 + digit + letter + lower) as u8
}

/// Whether a character is of the alphabet, without a branch, so that many are looked at together.
const fn is_digit(char: u8) -> bool {
    let is_letter = (char | 0x20).wrapping_sub(b'a') < 26;
    is_letter | (char.wrapping_sub(b'0') < 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    /// 2^256.
    const ONE_MORE: &[u8] = b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp2";

    #[test]
    fn the_mapping_is_the_alphabet() {
        for (digit, char) in (0..).zip(ALPHABET) {
            assert_eq!(digit_to_char(digit), *char);
        }
        for char in u8::MIN..=u8::MAX {
            assert_eq!(is_digit(char), ALPHABET.contains(&char));
        }
    }

    #[test]
    fn a_secret_is_below_two_to_the_256() {
        assert_eq!(encode_secret(&[0xff; 32]).as_slice(), LARGEST);
        assert_eq!(encode_secret(&[0; 32]).as_slice(), [b'0'; SECRET_DIGITS]);
        assert!(is_secret(LARGEST));
        assert!(!is_secret(ONE_MORE));
        assert!(!is_secret(&[b'z'; SECRET_DIGITS]));
        assert!(!is_secret(&LARGEST[1..]));
        assert!(!is_secret(&[LARGEST.as_slice(), b"0"].concat()));
    }

    proptest! {
        #[test]
        fn secrets_keep_their_order_and_parse(a: [u8; 32], b: [u8; 32]) {
            let (text_a, text_b) = (encode_secret(&a), encode_secret(&b));
            prop_assert!(is_secret(text_a.as_slice()));
            // The alphabet is in ASCII order, so texts of one width compare as numbers do.
            prop_assert_eq!(a.cmp(&b), text_a.cmp(&text_b));
        }

        #[test]
        fn numbers_are_written_as_wide_secrets_are(value: u32) {
            let mut bytes = [0; 32];
            bytes[28..].copy_from_slice(&value.to_be_bytes());
            let narrow: [u8; 6] = encode_number(value.into());
            prop_assert_eq!(&encode_secret(&bytes)[37..], narrow.as_slice());
            prop_assert_eq!(encode_checksum(value), narrow);
        }

        #[test]
        fn texts_above_the_largest_are_refused(text in "[y-z][0-9A-Za-z]{42}") {
            let below = text.as_bytes() <= LARGEST.as_slice();
            prop_assert_eq!(is_secret(text.as_bytes()), below);
        }

        #[test]
        fn one_bad_character_is_refused(secret: [u8; 32], at in 0..SECRET_DIGITS, bad: u8) {
            let mut text = *encode_secret(&secret);
            text[at] = bad;
            prop_assert!(bad.is_ascii_alphanumeric() || !is_secret(&text));
        }
    }
}
