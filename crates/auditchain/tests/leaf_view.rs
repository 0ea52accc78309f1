//! The borrowed reader of leaves beside one that decodes, encodes anew and compares: they accept
//! the same bytes and read the same events out of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "general/reader.rs"]
mod reader;

use proptest::prelude::*;
use reader::decoded;
use serde_json::Value;
use strongroom_auditchain::{Leaf, LeafView, MAX_LEAF_BYTES};

/// Both readers over the same bytes.
fn agree(bytes: &[u8]) {
    let view = LeafView::parse(bytes);
    let expected = decoded(bytes).filter(|_| bytes.len() <= MAX_LEAF_BYTES);
    let read = view.ok().map(|view| view.to_event().unwrap());
    assert_eq!(read, expected, "{bytes:02x?}");
    assert_eq!(Leaf::decode(bytes).ok(), expected);
    if let (Ok(view), Some(event)) = (view, expected) {
        assert_eq!(view.event_id(), event.id);
        assert_eq!(view.time_us(), event.time_us);
        assert_eq!(view.kind(), event.kind.as_str());
        assert_eq!(view.commits(), !event.commitments.is_none());
    }
}

/// The leaves of the vectors, good ones and bad ones.
fn vectors() -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(include_str!("vectors/leaf.json")).unwrap();
    let leaves = file["leaves"].as_array().unwrap().iter();
    leaves
        .map(|case| hex::decode(case["leaf"].as_str().unwrap()).unwrap())
        .collect()
}

#[test]
fn both_readers_agree_on_every_vector_cut_and_changed_anywhere() {
    for leaf in vectors() {
        agree(&leaf);
        for at in 0..leaf.len().min(600) {
            agree(&leaf[..at]);
            for change in [1, 0x20, 0x80, 0xff] {
                let mut changed = leaf.clone();
                changed[at] ^= change;
                agree(&changed);
            }
        }
    }
}

/// A head of CBOR, in any of its widths.
fn head(major: u8, width: usize, argument: u64) -> Vec<u8> {
    let within = [24, 25, 26, 27];
    match width {
        0 => vec![major << 5 | (argument as u8 & 31)],
        width => {
            let length = 1 << (width - 1);
            let mut bytes = vec![major << 5 | within[width - 1]];
            bytes.extend_from_slice(&argument.to_be_bytes()[8 - length..]);
            bytes
        }
    }
}

proptest! {
    #[test]
    fn both_readers_agree_on_spliced_leaves(
        one: prop::sample::Index, other: prop::sample::Index,
        cut: prop::sample::Index, from: prop::sample::Index, to: prop::sample::Index,
        major in 0_u8..8, width in 0_usize..5, argument in prop_oneof![0_u64..40, any::<u64>()],
    ) {
        let all = vectors();
        let (one, other) = (&all[one.index(all.len())], &all[other.index(all.len())]);
        let (one, other) = (&one[..one.len().min(600)], &other[..other.len().min(600)]);
        if !one.is_empty() && !other.is_empty() {
            let cut = cut.index(one.len());
            let (from, to) = (from.index(other.len()), to.index(other.len()));
            let taken = &other[from.min(to)..from.max(to)];
            agree(&[&one[..cut], taken, &one[cut..]].concat());
            let head = head(major, width, argument);
            agree(&[&one[..cut], &head, &one[cut + 1..]].concat());
        }
    }

    #[test]
    fn both_readers_agree_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        agree(&bytes);
    }
}
