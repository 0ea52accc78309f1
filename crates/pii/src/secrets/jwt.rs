//! JSON Web Tokens: RFC 7519 in the compact forms of RFC 7515 and RFC 7516.

use super::certain;
use super::pattern::stands_alone;
use super::vendor::base64_url;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::TOKEN;
use crate::engine::candidate::{Candidate, Tail};
use crate::engine::window::Window;

const DECODED: EvidenceSet =
    EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix, Evidence::Numbering]);
const PREFIXED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Prefix]);
const TOKEN_BASE: i16 = 45;

/// Proposes the token that starts at an offset, with `eyJ` or another JSON object's first bytes.
pub(crate) fn at(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    if window.bytes(start, start + 2) != b"ey"
        || !stands_alone(window, start, start + 1) && window.word_before(start)
    {
        return;
    }
    let header_end = window.run(start, TOKEN);
    if header_end - start < 12 {
        return;
    }
    // A header over the bound is taken as one: whatever follows goes with it.
    if window.ends_at(header_end) {
        if window.bytes(start, start + 3) == b"eyJ" {
            push(start, header_end, Tail::Jwt, PREFIXED, found);
        }
        return;
    }
    if window.byte(header_end) != b'.' {
        return;
    }
    let header = base64_url(window.bytes(start, header_end))
        .and_then(|json| serde_json::from_slice::<serde_json::Map<_, _>>(&json).ok());
    let Some(header) =
        header.filter(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
    else {
        return;
    };
    let mut end = header_end;
    let mut parts: Vec<(usize, usize)> = Vec::new();
    while parts.len() < 4 && window.byte(end) == b'.' {
        let part = end + 1;
        end = window.run(part, TOKEN);
        parts.push((part, end));
        if window.ends_at(end) {
            push(start, end, Tail::Jwt, DECODED, found);
            return;
        }
    }
    // A full stop behind a token ends the sentence.
    if parts.len() == 3
        && let Some((from, to)) = parts.last()
        && from == to
    {
        end = from - 1;
        parts.pop();
    }
    let claims = |(from, to): &(usize, usize)| {
        let json = base64_url(window.bytes(*from, *to));
        json.is_some_and(|json| {
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&json).is_ok()
        })
    };
    let token = match parts.as_slice() {
        [payload, (from, to)] => {
            claims(payload) && (to > from || header.get("alg").is_some_and(|alg| alg == "none"))
        }
        [_, iv, text, tag] => {
            header.contains_key("enc") && [iv, text, tag].iter().all(|(from, to)| to > from)
        }
        _ => false,
    };
    if token {
        push(start, end, Tail::None, DECODED, found);
    }
}

fn push(start: usize, end: usize, tail: Tail, evidence: EvidenceSet, found: &mut Vec<Candidate>) {
    let mut candidate = certain(Kind::Jwt, start, end, TOKEN_BASE, evidence);
    candidate.tail = tail;
    found.push(candidate);
}
