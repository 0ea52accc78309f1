//! Addresses of cryptocurrencies.

use sha2::{Digest, Sha256};

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT, HEX, LOWER, UPPER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::window::Window;
use crate::ids::{CHECKED, SHAPED};

const PROVEN: i16 = 40;
/// Forty hexadecimal digits in one case have no checksum.
const HEXADECIMAL: i16 = 20;
/// 32 bytes in base58: only the words around tell.
const TOLD: i16 = -28;
const PREFIXED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix]);

/// Proposes the address in a run of letters and digits.
pub(crate) fn at(window: &Window<'_>, start: usize, run: usize, found: &mut Vec<Candidate>) {
    let text = window.bytes(start, run);
    if !(25..=110).contains(&text.len())
        || matches!(window.before(start), b'_' | b'-' | b'/') && window.before(start) != b'/'
    {
        return;
    }
    let first = text.first().copied().unwrap_or(0);
    let verdict = if text.starts_with(b"0x") {
        (text.len() == 42).then(|| ethereum(text)).flatten()
    } else if let Some(human) = bech32_prefix(text) {
        bech32(text, human).then_some((PROVEN, CHECKED))
    } else if matches!(
        first,
        b'1' | b'3' | b'L' | b'M' | b'D' | b'A' | b'9' | b'r' | b'T' | b'X'
    ) && text.len() <= 36
    {
        let ripple = first == b'r';
        base58_check(text, ripple).then_some((PROVEN, CHECKED))
    } else if matches!(first, b'4' | b'8') && matches!(text.len(), 95 | 106) {
        monero(text).then_some((PROVEN, CHECKED))
    } else {
        None
    };
    let verdict = verdict
        .or_else(|| ((43..=44).contains(&text.len()) && is_key(text)).then_some((TOLD, SHAPED)));
    if let Some((base, evidence)) = verdict {
        found.push(Candidate {
            class: Kind::Crypto as u16,
            start,
            end: run,
            base,
            evidence,
            tier: Tier::Value,
            weighed: base < PROVEN,
            tail: Tail::None,
        });
    }
}

/// ERC-55: a mixed-case address carries its checksum in the case of its letters.
fn ethereum(text: &[u8]) -> Option<(i16, EvidenceSet)> {
    let body = text.get(2..)?;
    // Nobody has the address of zeros.
    if !body.iter().all(|b| byte::is(*b, HEX)) || body.iter().all(|b| *b == b'0') {
        return None;
    }
    let upper = body.iter().any(|b| byte::is(*b, UPPER));
    let lower = body.iter().any(|b| byte::is(*b, LOWER));
    if !(upper && lower) {
        return Some((HEXADECIMAL, PREFIXED));
    }
    let hash = sha3::Keccak256::digest(body.to_ascii_lowercase());
    let nibble = |index: usize| {
        let byte = hash.get(index / 2).copied().unwrap_or(0);
        if index.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        }
    };
    let right = body
        .iter()
        .enumerate()
        .all(|(index, b)| byte::is(*b, DIGIT) || (nibble(index) >= 8) == byte::is(*b, UPPER));
    right.then_some((PROVEN, CHECKED))
}

const BITCOIN: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE: &[u8] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";

/// Base58 with four bytes of checksum: 25 bytes in all.
fn base58_check(text: &[u8], ripple: bool) -> bool {
    let alphabet = if ripple { RIPPLE } else { BITCOIN };
    let mut bytes = [0_u8; 25];
    for byte in text {
        let Some(digit) = alphabet.iter().position(|known| known == byte) else {
            return false;
        };
        let mut carry = u32::try_from(digit).unwrap_or(0);
        for slot in bytes.iter_mut().rev() {
            carry += u32::from(*slot) * 58;
            *slot = u8::try_from(carry & 255).unwrap_or(0);
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    // Each leading zero byte is a digit of its own.
    let zeros = text
        .iter()
        .take_while(|b| alphabet.first() == Some(b))
        .count();
    let leading = bytes.iter().take_while(|b| **b == 0).count();
    let (body, check) = bytes.split_at(21);
    let hash = Sha256::digest(Sha256::digest(body));
    zeros == leading && hash.get(..4) == Some(check)
}

/// 32 bytes in base58, with a digit, small and capital letters.
fn is_key(text: &[u8]) -> bool {
    let base58 = text.iter().all(|b| BITCOIN.contains(b));
    let has = |kinds: u16| text.iter().any(|b| byte::is(*b, kinds));
    base58 && has(DIGIT) && has(LOWER) && has(UPPER) && text.iter().all(|b| byte::is(*b, ALNUM))
}

/// The human-readable part of a Bech32 address, in either case.
fn bech32_prefix(text: &[u8]) -> Option<&'static [u8]> {
    let parts: [&[u8]; 6] = [b"bc", b"tb", b"ltc", b"addr", b"stake", b"bcrt"];
    parts.into_iter().find(|part| {
        text.get(..part.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(part))
            && text.get(part.len()) == Some(&b'1')
    })
}

/// BIP 173 and BIP 350.
pub(crate) fn bech32(text: &[u8], human: &[u8]) -> bool {
    let human = human.to_ascii_lowercase();
    const CHARSET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let upper = text.iter().any(|b| byte::is(*b, UPPER));
    if upper && text.iter().any(|b| byte::is(*b, LOWER)) {
        return false;
    }
    let step = |sum: u32, value: u32| {
        let top = sum >> 25;
        let generators = [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ];
        let shifted = (sum & 0x01ff_ffff) << 5 ^ value;
        generators
            .iter()
            .enumerate()
            .filter(|(i, _)| top >> i & 1 == 1)
            .fold(shifted, |sum, (_, g)| sum ^ g)
    };
    let high = human.iter().map(|b| u32::from(b >> 5));
    let low = human.iter().map(|b| u32::from(b & 31));
    let sum = high.chain([0]).chain(low).fold(1, step);
    let data = text.get(human.len() + 1..).unwrap_or_default();
    let checked = data.iter().try_fold(sum, |sum, b| {
        let value = CHARSET.iter().position(|c| *c == b.to_ascii_lowercase())?;
        Some(step(sum, u32::try_from(value).ok()?))
    });
    // Witness programs of version 0 have BIP 173's constant, later ones BIP 350's.
    let segwit = [b"bc".as_slice(), b"tb", b"ltc", b"bcrt"].contains(&human.as_slice());
    let later = segwit
        && !data
            .first()
            .is_some_and(|version| matches!(version, b'q' | b'Q'));
    data.len() >= 14 && checked == Some(if later { 0x2bc8_30a3 } else { 1 })
}

/// Monero: blocks of eight bytes in eleven digits, Keccak's first four bytes as checksum.
fn monero(text: &[u8]) -> bool {
    // With a payment id of eight bytes, or without.
    let mut bytes = Vec::with_capacity(77);
    for block in text.chunks(11) {
        let size = match block.len() {
            11 => 8,
            7 => 5,
            _ => return false,
        };
        let value = block.iter().try_fold(0_u128, |value, b| {
            let digit = BITCOIN.iter().position(|known| known == b)?;
            value
                .checked_mul(58)?
                .checked_add(u128::try_from(digit).ok()?)
        });
        let Some(value) = value.filter(|value| value >> (8 * size) == 0) else {
            return false;
        };
        bytes.extend_from_slice(value.to_be_bytes().get(16 - size..).unwrap_or_default());
    }
    let Some((body, check)) = bytes.split_at_checked(bytes.len().saturating_sub(4)) else {
        return false;
    };
    sha3::Keccak256::digest(body).get(..4) == Some(check)
}
