//! The borrowed reader of leaves beside one that decodes, encodes anew and compares: they accept
//! the same bytes and read the same events out of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use minicbor::Decoder;
use proptest::prelude::*;
use serde_json::Value;
use strongroom_auditchain::{
    Commitment, Commitments, Event, Leaf, LeafView, MAX_LEAF_BYTES, Outcome,
};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId};
use uuid::Uuid;

/// What a general CBOR decoder makes of bytes; canonical if encoding it gives the same again.
fn decoded(bytes: &[u8]) -> Option<Event> {
    let event = general(&mut Decoder::new(bytes))?;
    let again = Leaf::encode(&event).ok()?;
    (again.as_bytes() == bytes).then_some(event)
}

fn general(cbor: &mut Decoder<'_>) -> Option<Event> {
    let (mut id, mut time_us, mut kind, mut request_id) = (None, None, None, None);
    let (mut source, mut outcome, mut version) = (None, None, None);
    let (mut actor, mut resource, mut policy, mut credential) = (None, None, None, None);
    let mut commitments = Commitments::NONE;
    for _ in 0..cbor.map().ok()?? {
        match cbor.u8().ok()? {
            0 => version = Some(cbor.u8().ok()?),
            1 => id = Some(uuid(cbor)?),
            2 => time_us = Some(cbor.u64().ok()?),
            3 => kind = Some(cbor.str().ok()?.parse().ok()?),
            4 => actor = Some(actors(cbor)?),
            5 => resource = Some(cbor.str().ok()?.to_owned()),
            6 => {
                let id = uuid(cbor)?;
                let (millis, random) = id.as_bytes().split_at(6);
                let millis = millis
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                let again = RequestId::from_parts(millis, random.try_into().ok()?);
                request_id = Some(again).filter(|again| *again.as_uuid() == id);
            }
            7 => policy = Some(cbor.bytes().ok()?.try_into().ok()?),
            8 => source = Some(cbor.str().ok()?.to_owned()),
            9 => {
                outcome = Some(match (cbor.array().ok()??, cbor.u8().ok()?) {
                    (1, 0) => Outcome::Success,
                    (2, 1) => Outcome::Refused(cbor.str().ok()?.parse().ok()?),
                    (2, 2) => Outcome::Failed(cbor.str().ok()?.parse().ok()?),
                    (1, 3) => Outcome::Attempt,
                    _ => return None,
                });
            }
            10 => {
                let mut fields = Vec::new();
                for _ in 0..cbor.array().ok()?? {
                    cbor.array().ok()?.filter(|parts| *parts == 2)?;
                    let field = cbor.str().ok()?.parse().ok()?;
                    let digest = cbor.bytes().ok()?.try_into().ok()?;
                    fields.push(Commitment { field, digest });
                }
                commitments = fields.into();
            }
            11 => credential = Some(cbor.str().ok()?.to_owned()),
            12 => commitments = Commitments::Map(cbor.bytes().ok()?.try_into().ok()?),
            _ => return None,
        }
    }
    version.filter(|version| *version == 1)?;
    Some(Event {
        id: id?,
        time_us: time_us?,
        kind: kind?,
        actor,
        resource,
        credential,
        request_id: request_id?,
        policy,
        source: source?,
        outcome: outcome?,
        commitments,
    })
}

fn uuid(cbor: &mut Decoder<'_>) -> Option<Uuid> {
    Some(Uuid::from_bytes(cbor.bytes().ok()?.try_into().ok()?))
}

fn actors(cbor: &mut Decoder<'_>) -> Option<Actor> {
    let mut ids = Vec::new();
    for _ in 0..cbor.array().ok()?? {
        cbor.array().ok()?.filter(|parts| *parts == 2)?;
        let kind = *ActorKind::ALL.get(usize::from(cbor.u8().ok()?))?;
        ids.push(ActorId::new(kind, uuid(cbor)?).ok()?);
    }
    let (id, chain) = ids.split_first()?;
    Actor::delegated(*id, chain.to_vec()).ok()
}

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
