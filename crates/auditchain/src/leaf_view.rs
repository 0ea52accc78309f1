//! The leaf as it stands, borrowed: the one reader of the format.

use strongroom_tenancy::{Actor, ActorId, ActorKind, MAX_DELEGATION, RequestId};
use uuid::Uuid;

use crate::alphabet::{PLAIN, SLUG, Unsafe, is_of, safe};
use crate::cbor::{CborError, Reader};
use crate::event::MAX_COMMITMENTS;
use crate::leaf::{CREDENTIAL, MAX_LEAF_BYTES, RESOURCE, SOURCE, VERSION, actor_code};
use crate::{Commitment, Commitments, Event, LeafError, Outcome};

/// A leaf's fields in the leaf's own bytes.
///
/// It is read as strictly as [`crate::Leaf::decode`] reads, which reads it by this: what is a view
/// is the one encoding of an event. Nothing is copied and nothing allocated, for passes over
/// whole logs.
///
/// ```
/// # use strongroom_auditchain::{Commitments, Event, Leaf, Outcome};
/// # use strongroom_tenancy::RequestId;
/// use strongroom_auditchain::LeafView;
///
/// # let request_id = RequestId::from_parts(1_700_000_000_000, &[2; 10]);
/// # let event = Event {
/// #     id: *request_id.as_uuid(),
/// #     time_us: 1_700_000_000_000_000,
/// #     kind: "chat.completed".parse()?,
/// #     actor: None,
/// #     resource: None,
/// #     credential: None,
/// #     request_id,
/// #     policy: None,
/// #     source: "gateway".to_owned(),
/// #     outcome: Outcome::Success,
/// #     commitments: Commitments::NONE,
/// # };
/// let leaf = Leaf::encode(&event)?;
/// let view = LeafView::parse(leaf.as_bytes())?;
/// assert_eq!(view.kind(), "chat.completed");
/// assert_eq!(view.to_event()?, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LeafView<'a> {
    id: &'a [u8; 16],
    time_us: u64,
    kind: &'a [u8],
    /// The actors after their number, as they are encoded; empty for none.
    actors: &'a [u8],
    resource: Option<&'a [u8]>,
    credential: Option<&'a [u8]>,
    request_id: &'a [u8; 16],
    policy: Option<&'a [u8; 32]>,
    source: &'a [u8],
    outcome: (u8, &'a [u8]),
    commitments: Committed<'a>,
}

/// What a leaf commits to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Committed<'a> {
    /// To fields, as they are encoded after their number; empty for none.
    Fields(CommittedFields<'a>),
    /// To a map.
    Map(&'a [u8; 32]),
}

/// Fields by name, ascending, and their digests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommittedFields<'a>(Reader<'a>);

impl From<CborError> for LeafError {
    fn from(error: CborError) -> Self {
        match error {
            CborError::Malformed => Self::Malformed,
            CborError::NotCanonical => Self::NotCanonical,
        }
    }
}

impl<'a> LeafView<'a> {
    /// Reads a leaf, strictly (audit-leaf, section 2).
    ///
    /// # Errors
    /// [`LeafError`] for bytes that [`crate::Leaf::encode`] never gives.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLong);
        }
        let (mut id, mut time_us, mut kind, mut request_id) = (None, None, None, None);
        let (mut source, mut outcome) = (None, None);
        let (mut resource, mut policy, mut credential) = (None, None, None);
        let mut actors = [].as_slice();
        let mut commitments = Committed::NONE;
        let mut cbor = Reader(bytes);
        let entries = cbor.map()?;
        let mut next = 0;
        for _ in 0..entries {
            let key = cbor.small()?;
            if key == 0 {
                if cbor.small()? != VERSION {
                    return Err(LeafError::Version);
                }
            } else if next == 0 {
                return Err(LeafError::Version);
            }
            // One or the other: a map's fields are not committed to singly as well.
            if key == 12 && !commitments.is_none() {
                return Err(LeafError::Commitments);
            }
            if key < next {
                return Err(LeafError::NotCanonical);
            }
            next = key.saturating_add(1);
            match key {
                0 => {}
                1 => id = Some(uuid_v7(&mut cbor, LeafError::Id)?),
                2 => time_us = Some(cbor.unsigned()?),
                3 => kind = Some(text(&mut cbor, PLAIN, 64, LeafError::Kind)?),
                4 => actors = read_actors(&mut cbor)?,
                5 => resource = Some(id_text(&mut cbor, 128, LeafError::Resource, RESOURCE)?),
                6 => request_id = Some(uuid_v7(&mut cbor, LeafError::RequestId)?),
                7 => policy = Some(fixed(&mut cbor, LeafError::Policy)?),
                8 => source = Some(id_text(&mut cbor, 64, LeafError::Source, SOURCE)?),
                9 => outcome = Some(read_outcome(&mut cbor)?),
                10 => commitments = Committed::Fields(read_commitments(&mut cbor)?),
                11 => credential = Some(id_text(&mut cbor, 64, LeafError::Credential, CREDENTIAL)?),
                12 => commitments = Committed::Map(fixed(&mut cbor, LeafError::Commitments)?),
                _ => return Err(LeafError::UnknownKey),
            }
        }
        if !cbor.0.is_empty() {
            return Err(LeafError::NotCanonical);
        }
        Ok(Self {
            id: id.ok_or(LeafError::Missing("the event id"))?,
            time_us: time_us.ok_or(LeafError::Missing("the time"))?,
            kind: kind.ok_or(LeafError::Missing("the event kind"))?,
            actors,
            resource,
            credential,
            request_id: request_id.ok_or(LeafError::Missing("the request id"))?,
            policy,
            source: source.ok_or(LeafError::Missing("the source"))?,
            outcome: outcome.ok_or(LeafError::Missing("the outcome"))?,
            commitments,
        })
    }

    /// The event's id.
    #[must_use]
    pub const fn event_id(&self) -> Uuid {
        Uuid::from_bytes(*self.id)
    }

    /// When it happened: Unix time in microseconds.
    #[must_use]
    pub const fn time_us(&self) -> u64 {
        self.time_us
    }

    /// What happened: the text of an [`crate::EventKind`].
    #[must_use]
    pub fn kind(&self) -> &'a str {
        as_text(self.kind)
    }

    #[cfg_attr(
        not(feature = "std"),
        allow(dead_code, reason = "for the pass over files alone")
    )]
    pub(crate) fn is_of_kind(&self, kind: &str) -> bool {
        self.kind == kind.as_bytes()
    }

    /// Whether anything is committed to.
    #[must_use]
    pub const fn commits(&self) -> bool {
        !self.commitments.is_none()
    }

    #[cfg_attr(
        not(feature = "std"),
        allow(dead_code, reason = "for the pass over files alone")
    )]
    pub(crate) const fn commitments(&self) -> Committed<'a> {
        self.commitments
    }

    /// The event, owned.
    ///
    /// # Errors
    /// None that [`Self::parse`] would not have had.
    pub fn to_event(&self) -> Result<Event, LeafError> {
        let owned = |text: &[u8]| as_text(text).to_owned();
        let slug = || {
            as_text(self.outcome.1)
                .parse()
                .map_err(|_| LeafError::Outcome)
        };
        Ok(Event {
            id: self.event_id(),
            time_us: self.time_us,
            kind: self.kind().parse().map_err(|_| LeafError::Kind)?,
            actor: self.actor()?,
            resource: self.resource.map(owned),
            credential: self.credential.map(owned),
            request_id: request_id(self.request_id)?,
            policy: self.policy.copied(),
            source: owned(self.source),
            outcome: match self.outcome.0 {
                0 => Outcome::Success,
                1 => Outcome::Refused(slug()?),
                2 => Outcome::Failed(slug()?),
                _ => Outcome::Attempt,
            },
            commitments: self.commitments.to_owned()?,
        })
    }

    fn actor(&self) -> Result<Option<Actor>, LeafError> {
        let mut cbor = Reader(self.actors);
        let mut ids = Vec::new();
        while !cbor.0.is_empty() {
            let (kind, id) = read_actor(&mut cbor)?;
            let id = ActorId::new(kind, Uuid::from_bytes(*id)).map_err(|_| LeafError::Actor)?;
            ids.push(id);
        }
        let Some((id, chain)) = ids.split_first() else {
            return Ok(None);
        };
        let actor = Actor::delegated(*id, chain.to_vec());
        actor.map(Some).map_err(|_| LeafError::Actor)
    }
}

impl Committed<'_> {
    const NONE: Self = Self::Fields(CommittedFields(Reader(&[])));

    const fn is_none(&self) -> bool {
        matches!(self, Self::Fields(CommittedFields(Reader([]))))
    }

    fn to_owned(self) -> Result<Commitments, LeafError> {
        let fields = match self {
            Self::Fields(fields) => fields,
            Self::Map(digest) => return Ok(Commitments::Map(*digest)),
        };
        let fields = fields.map(|(field, digest)| {
            let field = as_text(field).parse().map_err(|_| LeafError::Commitments)?;
            let digest = *digest;
            Ok(Commitment { field, digest })
        });
        fields.collect::<Result<_, _>>().map(Commitments::Fields)
    }
}

impl<'a> Iterator for CommittedFields<'a> {
    type Item = (&'a [u8], &'a [u8; 32]);

    fn next(&mut self) -> Option<Self::Item> {
        // What was read before is read again without an error, to its end.
        read_commitment(&mut self.0).ok()
    }
}

/// Whether a UUID is of version 7, whatever the time in it says (RFC 9562, section 5.7).
pub(crate) const fn is_v7(id: &[u8; 16]) -> bool {
    let [_, _, _, _, _, _, version, _, variant, ..] = id;
    *version >> 4 == 7 && *variant >> 6 == 0b10
}

/// The text of bytes whose alphabet was checked.
fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[inline]
fn fixed<'a, const N: usize>(
    cbor: &mut Reader<'a>,
    error: LeafError,
) -> Result<&'a [u8; N], LeafError> {
    cbor.bytes()?.try_into().map_err(|_| error)
}

#[inline]
fn uuid_v7<'a>(cbor: &mut Reader<'a>, error: LeafError) -> Result<&'a [u8; 16], LeafError> {
    let id = fixed(cbor, error)?;
    if is_v7(id) { Ok(id) } else { Err(error) }
}

#[inline]
fn text<'a>(
    cbor: &mut Reader<'a>,
    alphabet: u8,
    longest: usize,
    error: LeafError,
) -> Result<&'a [u8], LeafError> {
    let text = cbor.text()?;
    if is_of(text, alphabet, longest) {
        Ok(text)
    } else if std::str::from_utf8(text).is_ok() {
        Err(error)
    } else {
        Err(LeafError::Malformed)
    }
}

/// A text of the safe alphabet that holds no address.
fn id_text<'a>(
    cbor: &mut Reader<'a>,
    longest: usize,
    error: LeafError,
    name: &'static str,
) -> Result<&'a [u8], LeafError> {
    let text = cbor.text()?;
    match safe(text, longest) {
        Ok(()) => Ok(text),
        Err(Unsafe::Address) => Err(LeafError::Address(name)),
        Err(Unsafe::Malformed) if std::str::from_utf8(text).is_ok() => Err(error),
        Err(Unsafe::Malformed) => Err(LeafError::Malformed),
    }
}

fn read_actors<'a>(cbor: &mut Reader<'a>) -> Result<&'a [u8], LeafError> {
    let links = cbor.array()?;
    if links == 0 || links > MAX_DELEGATION as u64 + 1 {
        return Err(LeafError::Actor);
    }
    let begin = *cbor;
    for _ in 0..links {
        let (_, id) = read_actor(cbor)?;
        if *id == [0; 16] {
            return Err(LeafError::Actor);
        }
    }
    Ok(cbor.since(&begin))
}

fn read_actor<'a>(cbor: &mut Reader<'a>) -> Result<(ActorKind, &'a [u8; 16]), LeafError> {
    if cbor.array()? != 2 {
        return Err(LeafError::Actor);
    }
    let code = cbor.small()?;
    let mut kinds = ActorKind::ALL.into_iter();
    let kind = kinds.find(|kind| actor_code(*kind) == Ok(code));
    Ok((
        kind.ok_or(LeafError::Actor)?,
        fixed(cbor, LeafError::Actor)?,
    ))
}

fn request_id(bytes: &[u8; 16]) -> Result<RequestId, LeafError> {
    let (millis, random) = bytes.split_first_chunk::<6>().ok_or(LeafError::RequestId)?;
    let millis = millis
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let random = random.try_into().map_err(|_| LeafError::RequestId)?;
    // A UUIDv7 is all of its parts.
    Ok(RequestId::from_parts(millis, random))
}

fn read_outcome<'a>(cbor: &mut Reader<'a>) -> Result<(u8, &'a [u8]), LeafError> {
    match (cbor.array()?, cbor.small()?) {
        (1, code @ (0 | 3)) => Ok((code, &[])),
        (2, code @ (1 | 2)) => Ok((code, text(cbor, SLUG, 64, LeafError::Outcome)?)),
        _ => Err(LeafError::Outcome),
    }
}

fn read_commitments<'a>(cbor: &mut Reader<'a>) -> Result<CommittedFields<'a>, LeafError> {
    let count = cbor.array()?;
    if count == 0 {
        return Err(LeafError::NotCanonical);
    }
    if count > MAX_COMMITMENTS as u64 {
        return Err(LeafError::Commitments);
    }
    let begin = *cbor;
    let mut before = None;
    for _ in 0..count {
        let (field, _) = read_commitment(cbor)?;
        if before.is_some_and(|before| field <= before) || !is_of(field, PLAIN, 32) {
            return Err(LeafError::Commitments);
        }
        before = Some(field);
    }
    Ok(CommittedFields(Reader(cbor.since(&begin))))
}

#[inline]
fn read_commitment<'a>(cbor: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8; 32]), LeafError> {
    if cbor.array()? != 2 {
        return Err(LeafError::Commitments);
    }
    Ok((cbor.text()?, fixed(cbor, LeafError::Commitments)?))
}
