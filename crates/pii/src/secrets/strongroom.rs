//! Our own keys and tokens: docs/spec/api-key.md, refresh-token.md, webhook.md.

use super::certain;
use super::pattern::stands_alone;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, LOWER};
use crate::engine::candidate::Candidate;
use crate::engine::window::Window;

const CHECKED: EvidenceSet =
    EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix, Evidence::Checksum]);
const PREFIXED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix]);
const KEY: i16 = 60;

/// What follows the prefix: the environment of a key, or what makes a refresh token.
const KINDS: [&[u8]; 3] = [b"_live_", b"_test_", b"_rt_"];
const ID: usize = 12;
const SECRET: usize = 43;
const CHECK: usize = 6;

/// Proposes the key or token that starts at an offset.
pub(crate) fn at(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    webhook(window, start, found);
    let prefix = window.run_while(start, |b| byte::is(b, LOWER) || b.is_ascii_digit());
    if !(2..=12).contains(&(prefix - start)) || !byte::is(window.byte(start), LOWER) {
        return;
    }
    let Some(kind) = KINDS
        .iter()
        .find(|kind| window.bytes(prefix, prefix + kind.len()) == **kind)
    else {
        return;
    };
    let id = prefix + kind.len();
    let secret = id + ID + 1;
    let end = secret + SECRET + CHECK;
    let body = window.bytes(secret, end);
    let shaped = window
        .bytes(id, id + ID)
        .iter()
        .chain(body)
        .all(|b| byte::is(*b, ALNUM))
        && window.byte(id + ID) == b'_'
        && body.len() == SECRET + CHECK;
    if !shaped || !stands_alone(window, start, end) {
        return;
    }
    let (random, check) = body.split_at(SECRET);
    let crc = crc32fast::hash(window.bytes(start, secret + SECRET));
    if base62(check) == Some(u128::from(crc)) && below_2_256(random) {
        found.push(certain(Kind::Strongroom, start, end, KEY, CHECKED));
    }
}

const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn base62(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0_u128, |value, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        value
            .checked_mul(62)?
            .checked_add(u128::try_from(digit).ok()?)
    })
}

/// Whether 43 digits in base62 are a number of 256 bits.
fn below_2_256(text: &[u8]) -> bool {
    let mut number = [0_u32; 8];
    for byte in text {
        let Some(digit) = DIGITS.iter().position(|digit| digit == byte) else {
            return false;
        };
        let mut carry = u64::try_from(digit).unwrap_or(0);
        for limb in &mut number {
            let value = u64::from(*limb) * 62 + carry;
            *limb = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
            carry = value >> 32;
        }
        if carry > 0 {
            return false;
        }
    }
    true
}

/// `whsec_` and 24 to 64 bytes, `whsk_` and 32 or 64, in base64.
fn webhook(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    use base64::Engine as _;
    let (body, lengths) = if window.bytes(start, start + 6) == b"whsec_" {
        (start + 6, 24..=64)
    } else if window.bytes(start, start + 5) == b"whsk_" {
        (start + 5, 32..=64)
    } else {
        return;
    };
    let mut end = window.run_while(body, |b| byte::is(b, ALNUM) || matches!(b, b'+' | b'/'));
    let unpadded = end;
    while window.byte(end) == b'=' && end < unpadded + 2 {
        end += 1;
    }
    if !stands_alone(window, start, end) {
        return;
    }
    let text = window.bytes(body, unpadded);
    let decoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(text);
    let fits = decoded.is_ok_and(|bytes| {
        lengths.contains(&bytes.len())
            && (window.byte(start + 4) != b'_' || matches!(bytes.len(), 32 | 64))
    });
    // Another vendor's secrets begin alike: 32 letters and digits, or 64 hexadecimal digits.
    let other = end == unpadded
        && (text.len() == 32 && text.iter().all(|b| byte::is(*b, ALNUM))
            || text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit));
    if fits && !other {
        found.push(certain(Kind::Strongroom, start, end, KEY, PREFIXED));
    }
}
