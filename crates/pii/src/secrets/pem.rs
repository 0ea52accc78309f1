//! Private keys in text: RFC 7468, OpenSSH, PGP (RFC 9580, section 6), PuTTY.

use super::certain;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::again::FILL;
use crate::engine::byte::{self, ALNUM};
use crate::engine::candidate::{Candidate, Tail};
use crate::engine::window::Window;

const MARKED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix]);
const KEY: i16 = 60;

const LABELS: [&[u8]; 8] = [
    b"PRIVATE KEY-----",
    b"RSA PRIVATE KEY-----",
    b"EC PRIVATE KEY-----",
    b"DSA PRIVATE KEY-----",
    b"OPENSSH PRIVATE KEY-----",
    b"ENCRYPTED PRIVATE KEY-----",
    b"PGP PRIVATE KEY BLOCK-----",
    b"SSH2 ENCRYPTED PRIVATE KEY-----",
];
const BEGIN: &[u8] = b"-----BEGIN ";
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";

/// Proposes the block that begins at an offset. Where it ends is looked for as it goes on; a
/// block without an end goes to the end of the text.
pub(crate) fn at(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    let starts = |at: usize, with: &[u8]| window.bytes(at, at + with.len()) == with;
    let putty = starts(start, PUTTY);
    let label = start + BEGIN.len();
    let body = if putty {
        // A version and a colon: the name alone is spoken of.
        if !window.is(start + PUTTY.len(), byte::DIGIT)
            || window.byte(start + PUTTY.len() + 1) != b':'
        {
            return;
        }
        start + PUTTY.len()
    } else {
        match LABELS
            .iter()
            .find(|known| starts(start, BEGIN) && starts(label, known))
        {
            Some(known) => label + known.len(),
            None => return,
        }
    };
    // The body holds base64: a header in prose has none behind it. Where a value was redacted what stands
    // behind it came nearer.
    let ahead = window.bytes(body, body + 160);
    let is_value = |b: &u8| matches!(*b, b'[' | FILL);
    let ahead = ahead.split(is_value).next().unwrap_or_default();
    let mut longest = 0;
    let mut run = 0;
    for b in ahead {
        run = if byte::is(*b, ALNUM) || matches!(b, b'+' | b'/' | b'=') {
            run + 1
        } else {
            0
        };
        longest = longest.max(run);
    }
    if longest < 20 && !putty {
        return;
    }
    let mut candidate = certain(Kind::PrivateKey, start, body, KEY, MARKED);
    candidate.tail = if putty { Tail::Putty } else { Tail::Pem };
    found.push(candidate);
}

/// Beginnings of private keys' blocks in base64, as far as the label is whole.
const ENCODED: [&[u8]; 7] = [
    b"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",
    b"LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0t",
    b"LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0t",
    b"LS0tLS1CRUdJTiBEU0EgUFJJVkFURSBLRVktLS0t",
    b"LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0t",
    b"LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0t",
    b"LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBLRVkgQkxPQ0stLS0t",
];

/// How much base64 is behind the label at least.
const BODY_MIN: usize = 32;

/// Proposes the block that begins at an offset in base64, as variables of an environment have it.
pub(crate) fn encoded(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    let begins = |known: &&&[u8]| window.bytes(start, start + known.len()) == **known;
    // In the middle of other base64 it begins by chance.
    if window.byte(start) != b'L' || matches!(window.before(start), b'+' | b'/') {
        return;
    }
    let Some(label) = ENCODED.iter().find(begins) else {
        return;
    };
    let end = window.run(start, byte::BASE64);
    let ends = |b: u8| {
        byte::is(b, byte::SPACE)
            || matches!(
                b,
                0 | b'"' | b'\'' | b'`' | b',' | b'<' | b'\\' | b')' | b'}' | b';' | b'&'
            )
    };
    if end - start < label.len() + BODY_MIN || !window.ends_at(end) && !ends(window.byte(end)) {
        return;
    }
    let mut candidate = certain(Kind::PrivateKey, start, end, KEY, MARKED);
    if window.ends_at(end) {
        candidate.tail = Tail::Run(byte::BASE64);
    }
    found.push(candidate);
}
