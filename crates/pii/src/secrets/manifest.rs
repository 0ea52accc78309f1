//! What stands under `data` in a manifest of Kubernetes whose kind is `Secret`.

use super::certain;
use super::read::{block, value};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM};
use crate::engine::candidate::{Candidate, Tail};
use crate::engine::window::{AHEAD, BEHIND, Window};

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const ENTRY: i16 = 20;

/// Proposes the value of an entry, whose name ends at a colon: in base64, as the data of a secret are
/// (Kubernetes API, core/v1 Secret).
pub(super) fn entry(window: &Window<'_>, colon: usize, found: &mut Vec<Candidate>) {
    if window.byte(colon) != b':' || window.byte(colon + 1) != b' ' {
        return;
    }
    let name = window.run_back(colon, byte::KEYISH);
    if name == colon || !matches!(window.before(name), b' ' | b'\t') {
        return;
    }
    let from = colon + 1;
    let Some(value) = block(window, from).or_else(|| value(window, from)) else {
        return;
    };
    let text = window.bytes(value.start, value.end);
    let is_base64 = text.len() >= 12
        && text.len().is_multiple_of(4)
        && text
            .iter()
            .all(|b| byte::is(*b, ALNUM) || matches!(b, b'+' | b'/' | b'='));
    if is_base64 && is_of_secret(window, colon) {
        let mut candidate = certain(Kind::Generic, value.start, value.end, ENTRY, SHAPE);
        if window.ends_at(value.end) {
            candidate.tail = Tail::Run(byte::TOKEN);
        }
        found.push(candidate);
    }
}

/// Whether `data:` stands before an entry, and `kind: Secret` beside it, as far as can be seen.
fn is_of_secret(window: &Window<'_>, at: usize) -> bool {
    let before = window.bytes(at.saturating_sub(BEHIND), at);
    let is_data = |line: &[u8]| {
        let line = line.trim_ascii();
        line == b"data:" || line == b"stringData:"
    };
    if !before.split(|b| *b == b'\n').any(is_data) {
        return false;
    }
    let is_kind = |line: &[u8]| {
        let value = line.trim_ascii().strip_prefix(b"kind:");
        let value = value.map(<[u8]>::trim_ascii);
        let bare = |value: &[u8]| {
            let quote = |b: &u8| matches!(b, b'"' | b'\'');
            let inner: Vec<u8> = value.iter().copied().filter(|b| !quote(b)).collect();
            inner.eq_ignore_ascii_case(b"secret")
        };
        value.is_some_and(bare)
    };
    let lines = |text: &[u8]| text.split(|b| *b == b'\n').any(is_kind);
    lines(before) || lines(window.bytes(at, at + AHEAD))
}
