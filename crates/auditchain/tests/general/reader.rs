//! A second reader of leaves, by a general CBOR decoder.

use minicbor::Decoder;
use strongroom_auditchain::{Commitment, Commitments, Event, Leaf, Outcome};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId};
use uuid::Uuid;

/// What a general CBOR decoder makes of bytes; canonical if encoding it gives the same again.
pub(crate) fn decoded(bytes: &[u8]) -> Option<Event> {
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
