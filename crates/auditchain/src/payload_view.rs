//! The payload as it stands, borrowed: the one reader of its format.

use crate::alphabet::{PLAIN, is_of};
use crate::cbor::{CborError, Reader};
use crate::commitment::{field_digest, map_digest, same};
use crate::event::MAX_COMMITMENTS;
use crate::leaf_view::{Committed, LeafView, is_v7};
use crate::payload::{ENCODED_FIELD, ENCODED_FRAME, VERSION};
use crate::{MAX_PAYLOAD_BYTES, MAX_PAYLOAD_FIELDS, PayloadError};

/// A payload's fields in the payload's own bytes (audit-leaf, section 6); as strict as
/// [`crate::Payload::decode`], which reads by this.
#[derive(Clone, Copy)]
pub(crate) struct PayloadView<'a> {
    pub(crate) event_id: &'a [u8; 16],
    /// The salt of the whole map, where the fields have none of their own.
    pub(crate) map_salt: Option<&'a [u8; 32]>,
    count: u64,
    /// The fields after their number, as they are encoded.
    fields: Reader<'a>,
}

/// A field: its name, its salt if it has one of its own, its value.
type FieldView<'a> = (&'a [u8], Option<&'a [u8; 32]>, &'a [u8]);

impl From<CborError> for PayloadError {
    fn from(_: CborError) -> Self {
        Self::Malformed
    }
}

impl<'a> PayloadView<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong);
        }
        let mut cbor = Reader(bytes);
        let entries = cbor.map()?;
        if !matches!(entries, 3 | 4) || cbor.small()? != 0 {
            return Err(PayloadError::Malformed);
        }
        if cbor.small()? != VERSION {
            return Err(PayloadError::Version);
        }
        if cbor.small()? != 1 {
            return Err(PayloadError::Malformed);
        }
        let event_id = cbor.bytes()?.try_into().map_err(|_| PayloadError::Id)?;
        let map_salt = match (entries, cbor.small()?) {
            (3, 2) => None,
            (4, 3) => {
                let salt = read_salt(&mut cbor)?;
                if cbor.small()? != 4 {
                    return Err(PayloadError::Malformed);
                }
                Some(salt)
            }
            _ => return Err(PayloadError::Malformed),
        };
        let (least, most) = match map_salt {
            None => (0, MAX_COMMITMENTS),
            Some(_) => (MAX_COMMITMENTS + 1, MAX_PAYLOAD_FIELDS),
        };
        let count = cbor.array()?;
        let view = Self {
            event_id,
            map_salt,
            count,
            fields: cbor,
        };
        let mut before: Option<&[u8]> = None;
        let mut bound = ENCODED_FRAME;
        for number in 0..count {
            if number == most as u64 {
                return Err(PayloadError::Fields);
            }
            let (name, _, value) = view.read_field(&mut cbor)?;
            if before == Some(name) {
                return Err(PayloadError::Fields);
            }
            if !is_of(name, PLAIN, 32) || before.is_some_and(|before| before > name) {
                return Err(PayloadError::Malformed);
            }
            before = Some(name);
            bound += name.len() + value.len() + ENCODED_FIELD;
        }
        if !is_v7(event_id) {
            return Err(PayloadError::Id);
        }
        if count < least as u64 {
            return Err(PayloadError::Fields);
        }
        if !cbor.0.is_empty() {
            return Err(PayloadError::Malformed);
        }
        if bound > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong);
        }
        Ok(view)
    }

    /// The fields, ascending by name.
    pub(crate) fn fields(&self) -> impl Iterator<Item = FieldView<'a>> + use<'a> {
        let (view, mut cbor) = (*self, self.fields);
        // What was read before is read again without an error.
        (0..self.count).map_while(move |_| view.read_field(&mut cbor).ok())
    }

    /// Whether an entry commits to exactly this payload: its id, each field, no other.
    #[cfg_attr(
        not(feature = "std"),
        allow(dead_code, reason = "for the pass over files alone")
    )]
    pub(crate) fn is_of(&self, leaf: &LeafView<'_>) -> bool {
        let committed = match (leaf.commitments(), self.map_salt) {
            (Committed::Fields(mut committed), None) => {
                let all = self.fields().all(|(name, salt, value)| {
                    salt.zip(committed.next())
                        .is_some_and(|(salt, (field, digest))| {
                            let own = field_digest(salt, self.event_id, name, value);
                            name == field && same(&own, digest)
                        })
                });
                all && committed.next().is_none()
            }
            (Committed::Map(digest), Some(salt)) => {
                let fields = self.fields().map(|(name, _, value)| (name, value));
                let own = map_digest(salt, self.event_id, self.count, fields);
                same(&own, digest)
            }
            _ => false,
        };
        committed && *self.event_id == *leaf.event_id().as_bytes()
    }

    fn read_field(&self, cbor: &mut Reader<'a>) -> Result<FieldView<'a>, PayloadError> {
        let parts = if self.map_salt.is_some() { 2 } else { 3 };
        if cbor.array()? != parts {
            return Err(PayloadError::Malformed);
        }
        let name = cbor.text()?;
        let salt = match self.map_salt {
            None => Some(read_salt(cbor)?),
            Some(_) => None,
        };
        Ok((name, salt, cbor.bytes()?))
    }
}

fn read_salt<'a>(cbor: &mut Reader<'a>) -> Result<&'a [u8; 32], PayloadError> {
    let salt = cbor.bytes()?.try_into();
    salt.map_err(|_| PayloadError::Malformed)
}

#[cfg(test)]
mod tests {
    use strongroom_tenancy::RequestId;
    use uuid::Uuid;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{Commitments, Event, FieldValue, Leaf, Outcome, Payload};

    fn id(random: u8) -> Uuid {
        *RequestId::from_parts(1_700_000_000_000, &[random; 10]).as_uuid()
    }

    fn fields(count: usize, value: u8) -> Vec<FieldValue> {
        let field = |number| {
            let name = format!("f{number:04}").parse().unwrap();
            (name, Zeroizing::new(vec![value; number]))
        };
        (0..count).map(field).collect()
    }

    fn event(id: Uuid, commitments: Commitments) -> Event {
        Event {
            id,
            time_us: 1,
            kind: "test.event".parse().unwrap(),
            actor: None,
            resource: None,
            credential: None,
            request_id: RequestId::from_parts(1, &[1; 10]),
            policy: None,
            source: "test".to_owned(),
            outcome: Outcome::Success,
            commitments,
        }
    }

    #[test]
    fn a_view_is_of_the_events_that_the_payload_is_of() {
        let payloads = [
            (1, 0, 1),
            (1, 1, 1),
            (1, 2, 1),
            (1, 2, 2),
            (1, 8, 1),
            (2, 2, 1),
            (1, 17, 1),
            (1, 17, 2),
            (1, 18, 1),
        ];
        let payloads =
            payloads.map(|(of, count, value)| Payload::generate(id(of), fields(count, value)));
        let payloads = payloads.map(Result::unwrap);
        let mut commitments: Vec<Commitments> = payloads.iter().map(Payload::commitments).collect();
        // All but one of what a payload has, and one more.
        for (drop, of) in [(0, 2), (1, 2), (7, 4)] {
            let mut some = payloads[of].commitments().fields().to_vec();
            some.remove(drop);
            commitments.push(some.into());
        }
        let mut matches = 0;
        for payload in &payloads {
            let encoded = payload.encode();
            let view = PayloadView::parse(&encoded).unwrap();
            for commitments in &commitments {
                for of in [1, 2] {
                    let event = event(id(of), commitments.clone());
                    let leaf = Leaf::encode(&event).unwrap();
                    let is_of = view.is_of(&LeafView::parse(leaf.as_bytes()).unwrap());
                    assert_eq!(is_of, payload.verify(&event).is_ok());
                    matches += usize::from(is_of);
                }
            }
        }
        assert_eq!(matches, payloads.len());
    }
}
