//! What a byte of normalised text can be part of.

/// `0-9`
pub(crate) const DIGIT: u16 = 1;
/// `A-Z`
pub(crate) const UPPER: u16 = 2;
/// `a-z`
pub(crate) const LOWER: u16 = 4;
/// `0-9 A-F a-f`
pub(crate) const HEX: u16 = 8;
/// What keys and tokens are written in: letters, digits, `-`, `_`.
pub(crate) const TOKEN: u16 = 16;
/// White space.
pub(crate) const SPACE: u16 = 32;
/// Where a candidate may be found: a digit, or one of `@ : = [ . _ >`
pub(crate) const ANCHOR: u16 = 64;
/// Legal in an address's local part (RFC 5322, atext and the full stop), less `= & / ? { } | "`,
/// which in running text end what stands before an address.
pub(crate) const LOCAL: u16 = 128;

/// What keys and tokens of several parts are written in: [`TOKEN`], full stops and tildes.
pub(crate) const KEYISH: u16 = 512;
/// What no value that is found by its end goes back over.
pub(crate) const STOP: u16 = 1024;
/// What a web address is written in (RFC 3986), less the quotation marks around it.
pub(crate) const URL: u16 = 256;

/// What words are written in: letters and digits, and everything beyond ASCII.
pub(crate) const WORD: u16 = 2048;

/// Digits, and the signs that words of prose have not.
pub(crate) const ODD: u16 = 4096;

/// What a row of names is not written in.
pub(crate) const NO_NAME: u16 = 8192;

/// What base64 is written in (RFC 4648, section 4), its padding too.
pub(crate) const BASE64: u16 = 16384;

/// What an argument of a command is written in, without quotation marks.
pub(crate) const ARGUMENT: u16 = 32768;

pub(crate) const LETTER: u16 = UPPER | LOWER;
pub(crate) const ALNUM: u16 = DIGIT | LETTER;

#[allow(clippy::indexing_slicing, reason = "a byte is below 256")]
const TABLE: [u16; 256] = {
    let mut table = [0_u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut flags: u16 = 0;
        if b.is_ascii_alphanumeric() || !b.is_ascii() {
            flags |= WORD;
        }
        if b.is_ascii_digit() {
            flags |= DIGIT | ANCHOR;
        }
        let of_names = matches!(
            b,
            b'_' | b'-' | b' ' | b',' | b';' | b'\t' | b'|' | b'"' | b'#' | b'.' | b'\r'
        );
        if b.is_ascii() && !b.is_ascii_alphanumeric() && !of_names {
            flags |= NO_NAME;
        }
        let of_prose = matches!(b, b'-' | b'\'' | b'.' | b',' | b'(' | b')' | b':' | b'*');
        if b.is_ascii_digit() || b.is_ascii_punctuation() && !of_prose {
            flags |= ODD;
        }
        if b.is_ascii_uppercase() {
            flags |= UPPER;
        }
        if b.is_ascii_lowercase() {
            flags |= LOWER;
        }
        if b.is_ascii_hexdigit() {
            flags |= HEX;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') {
            flags |= TOKEN | KEYISH;
        }
        if matches!(b, b'.' | b'~') {
            flags |= KEYISH;
        }
        let of_shell = matches!(b, b'"' | b'\'' | b'`' | b';' | b'|' | b'&' | b')');
        if b > b' ' && !of_shell {
            flags |= ARGUMENT;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') {
            flags |= BASE64;
        }
        if matches!(b, b' ' | b'\t' | b'\n' | b'\r') {
            flags |= SPACE;
        }
        if matches!(b, b'@' | b':' | b'=' | b'[' | b'.' | b'_' | b'>') {
            flags |= ANCHOR;
        }
        if b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'!' | b'#' | b'$' | b'*' | b'~' | b'^'
            )
        {
            flags |= LOCAL;
        }
        if b > b' '
            && b < 127
            && !matches!(
                b,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b']' | b'['
            )
        {
            flags |= URL;
        }
        if matches!(b, b',' | b'"' | b'<' | b'>' | b'{' | b'}' | b'|' | b'`') {
            flags |= STOP;
        }
        table[byte] = flags;
        byte += 1;
    }
    table
};

/// Whether a byte is of one of the kinds.
#[allow(clippy::indexing_slicing, reason = "a byte is below 256")]
#[inline]
pub(crate) const fn is(byte: u8, kinds: u16) -> bool {
    TABLE[byte as usize] & kinds != 0
}

/// The first byte of one of the kinds, from an offset on; the length when there is none.
#[inline]
pub(crate) fn find(bytes: &[u8], from: usize, kinds: u16) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = rest.iter().position(|byte| is(*byte, kinds));
    found.map_or(bytes.len(), |offset| from + offset)
}

/// The first anchor from an offset on; the length when there is none.
#[inline]
pub(crate) fn find_anchor(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<32>) {
            // Without a branch, so that the compiler looks at all of them at once.
            if chunk.iter().fold(false, |any, b| any | may_be_anchor(*b)) {
                break;
            }
            at += 32;
        }
        at = find(bytes, at, ANCHOR);
        // The end of a sentence is none; at the end of what there is it may not be one.
        let ends = bytes.get(at) == Some(&b'.') && matches!(bytes.get(at + 1), Some(b' ' | b'\n'));
        if !ends {
            return at;
        }
        at += 1;
    }
}

/// Whether a byte is an anchor, in two comparisons and a few.
#[inline]
const fn may_be_anchor(b: u8) -> bool {
    // 0 to 9 and the colon.
    b.wrapping_sub(b'0') <= 10
        || b == b'.'
        || b.wrapping_sub(b'=') <= 3 && b != b'?'
        || b == b'_'
        || b == b'['
}
