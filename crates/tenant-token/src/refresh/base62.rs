//! Fixed-width base62, most significant digit first; the alphabet is `0-9`, `A-Z`, `a-z`.
//!
//! Digits are mapped by arithmetic and not by table: secrets go through here, and a table's cache
//! lines would tell of them.

use zeroize::{Zeroize as _, Zeroizing};

const BASE: u64 = 62;

/// The digits of 32 bytes: 62^43 is the first power of 62 above 2^256.
pub(crate) const SECRET_DIGITS: usize = 43;

/// Writes a number in `N` digits, dropping what does not fit.
pub(crate) fn encode_number<const N: usize>(mut value: u128) -> [u8; N] {
    let mut text = [0; N];
    for place in text.iter_mut().rev() {
        *place = to_char((value % u128::from(BASE)) as u64);
        value /= u128::from(BASE);
    }
    text
}

/// Writes 32 bytes, a big-endian number, in 43 digits.
pub(crate) fn encode(bytes: &[u8; 32]) -> Zeroizing<[u8; SECRET_DIGITS]> {
    let mut limbs = Zeroizing::new([0_u64; 8]);
    for (limb, word) in limbs.iter_mut().zip(bytes.chunks_exact(4)) {
        *limb = word
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
        *place = to_char(remainder);
    }
    text
}

/// Reads 43 digits of a number below 2^256.
pub(crate) fn decode(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut limbs = Zeroizing::new([0_u64; 8]);
    let mut bad = i32::from(text.len() != SECRET_DIGITS);
    let mut overflow = 0;
    for char in text.iter().take(SECRET_DIGITS) {
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

/// A digit below 62 as its character, without a branch: `'A'` is 7 past what follows `'9'`, and
/// `'a'` another 6 past what follows `'Z'`.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mapping_is_the_alphabet() {
        let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (digit, char) in (0..).zip(alphabet) {
            assert_eq!(to_char(digit), *char);
        }
        for char in u8::MIN..=u8::MAX {
            let position = alphabet.iter().position(|known| *known == char);
            let expected = position.map_or(-1, |digit| i32::try_from(digit).unwrap());
            assert_eq!(to_digit(char), expected);
        }
    }

    #[test]
    fn numbers_from_two_to_the_256_are_refused() {
        let largest = b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";
        assert_eq!(encode(&[0xff; 32]).as_slice(), largest);
        assert_eq!(*decode(largest).unwrap(), [0xff; 32]);
        assert!(decode(b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp2").is_none());
        assert!(decode(&[b'z'; SECRET_DIGITS]).is_none());
        assert!(decode(&largest[1..]).is_none());
        assert!(decode(&[largest.as_slice(), b"0"].concat()).is_none());
    }

    proptest! {
        #[test]
        fn secrets_round_trip(bytes: [u8; 32]) {
            prop_assert_eq!(*decode(encode(&bytes).as_slice()).unwrap(), bytes);
        }

        #[test]
        fn what_is_read_has_one_spelling(text in "[0-9A-Za-z]{43}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                let again = encode(&bytes);
                prop_assert_eq!(again.as_slice(), text.as_bytes());
            }
        }
    }
}
