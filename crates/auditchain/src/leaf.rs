//! The leaf: an event's exact bytes, `docs/spec/audit-leaf.md`.

use std::convert::Infallible;
use std::net::IpAddr;

use minicbor::{Decoder, Encoder};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId};
use uuid::{Uuid, Variant, Version};

use crate::event::MAX_COMMITMENTS;
use crate::{Commitment, Commitments, Event, EventKind, Hash, Outcome, Slug};

/// The longest leaf, in bytes.
pub const MAX_LEAF_BYTES: usize = 1024;

/// The version of the format.
const VERSION: u8 = 1;

/// An event's one encoding: deterministic CBOR (RFC 8949, section 4.2.1), at most 1 KiB.
///
/// These bytes are the log's entry. They are stored and handed out as they are; nobody re-encodes
/// an event in order to verify it.
///
/// ```
/// use strongroom_auditchain::{Commitments, Event, Leaf, Outcome};
/// use strongroom_tenancy::RequestId;
///
/// let event = Event {
///     id: *RequestId::from_parts(1_700_000_000_000, &[1; 10]).as_uuid(),
///     time_us: 1_700_000_000_000_000,
///     kind: "chat.completed".parse()?,
///     actor: None,
///     resource: Some("model:small".to_owned()),
///     credential: None,
///     request_id: RequestId::from_parts(1_700_000_000_000, &[2; 10]),
///     policy: None,
///     source: "gateway".to_owned(),
///     outcome: Outcome::Success,
///     commitments: Commitments::NONE,
/// };
/// let leaf = Leaf::encode(&event)?;
/// assert_eq!(Leaf::decode(leaf.as_bytes())?, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf(Vec<u8>);

/// Why an event has no leaf, or bytes are not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// Longer than [`MAX_LEAF_BYTES`].
    #[error("leaf: longer than 1 KiB")]
    TooLong,
    /// Not the CBOR that the format asks for.
    #[error("leaf: malformed CBOR")]
    Malformed,
    /// Another encoding of the event than its only one.
    #[error("leaf: not the canonical encoding")]
    NotCanonical,
    /// Another version of the format.
    #[error("leaf: unknown version")]
    Version,
    /// A key that the format does not have.
    #[error("leaf: unknown key")]
    UnknownKey,
    /// A field that every event has is missing.
    #[error("leaf: {0} is missing")]
    Missing(&'static str),
    /// The event id is not a UUIDv7.
    #[error("leaf: the event id must be a UUIDv7")]
    Id,
    /// The kind is outside its alphabet or length.
    #[error("leaf: malformed event kind")]
    Kind,
    /// The actor, or one for whom it acts, is unknown, or the chain is too long.
    #[error("leaf: malformed actor")]
    Actor,
    /// The resource is outside its alphabet or length.
    #[error("leaf: the resource must be 1 to 128 characters of A-Z a-z 0-9 . _ - : /")]
    Resource,
    /// The request id is not a UUIDv7.
    #[error("leaf: the request id must be a UUIDv7")]
    RequestId,
    /// The credential is not 1 to 64 safe characters.
    #[error("leaf: malformed credential")]
    Credential,
    /// The policy version is not 32 bytes.
    #[error("leaf: the policy version must be 32 bytes")]
    Policy,
    /// The source is outside its alphabet or length.
    #[error("leaf: the source must be 1 to 64 characters of A-Z a-z 0-9 . _ - : /")]
    Source,
    /// The resource, the credential or the source holds an IP address, which is personal.
    #[error("leaf: {0} must not hold an IP address")]
    Address(&'static str),
    /// The outcome is unknown, or its slug malformed.
    #[error("leaf: malformed outcome")]
    Outcome,
    /// Too many commitments, or not ascending by field, or malformed, or to fields and to a map.
    #[error("leaf: malformed commitments")]
    Commitments,
}

impl From<minicbor::decode::Error> for LeafError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl From<minicbor::encode::Error<Infallible>> for LeafError {
    fn from(_: minicbor::encode::Error<Infallible>) -> Self {
        Self::Malformed
    }
}

impl Leaf {
    /// Encodes an event.
    ///
    /// # Errors
    /// [`LeafError`] naming the field that the format cannot hold.
    pub fn encode(event: &Event) -> Result<Self, LeafError> {
        check(event)?;
        let mut cbor = Encoder::new(Vec::with_capacity(256));
        write(event, &mut cbor)?;
        let bytes = cbor.into_writer();
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLong);
        }
        Ok(Self(bytes))
    }

    /// Decodes a leaf, strictly: re-encoding what it says gives the same bytes.
    ///
    /// # Errors
    /// [`LeafError`] for bytes that [`Self::encode`] never gives.
    pub fn decode(bytes: &[u8]) -> Result<Event, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLong);
        }
        let event = read(&mut Decoder::new(bytes))?;
        // Widths, key order, repeated keys and trailing bytes, all at once.
        check(&event)?;
        let mut cbor = Encoder::new(Comparison {
            rest: bytes,
            is_same: true,
        });
        write(&event, &mut cbor)?;
        let compared = cbor.into_writer();
        if !compared.is_same || !compared.rest.is_empty() {
            return Err(LeafError::NotCanonical);
        }
        Ok(event)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The event's id.
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        // A map's head, the version, and the head of the id: the same in every leaf.
        let id = self.0.get(5..21).and_then(|id| id.try_into().ok());
        id.map_or(Uuid::nil(), Uuid::from_bytes)
    }

    /// The leaf hash, under which the entry stands in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_leaf(&self.0)
    }
}

fn check(event: &Event) -> Result<(), LeafError> {
    if !is_v7(&event.id) {
        return Err(LeafError::Id);
    }
    let resource = event.resource.as_deref();
    if resource.is_some_and(|resource| !is_safe(resource, 128)) {
        return Err(LeafError::Resource);
    }
    let credential = event.credential.as_deref();
    if credential.is_some_and(|credential| !is_safe(credential, 64)) {
        return Err(LeafError::Credential);
    }
    if !is_safe(&event.source, 64) {
        return Err(LeafError::Source);
    }
    for (name, text) in [
        ("the resource", resource),
        ("the credential", credential),
        ("the source", Some(event.source.as_str())),
    ] {
        if text.is_some_and(holds_an_address) {
            return Err(LeafError::Address(name));
        }
    }
    let fields = event.commitments.fields();
    let ascending = fields.is_sorted_by(|one, next| one.field < next.field);
    if !ascending || fields.len() > MAX_COMMITMENTS {
        return Err(LeafError::Commitments);
    }
    Ok(())
}

/// Unlike a UUID's own check, this one takes no account of what the time in it says.
pub(crate) fn is_v7(id: &Uuid) -> bool {
    id.get_version() == Some(Version::SortRand) && id.get_variant() == Variant::RFC4122
}

fn is_safe(text: &str, longest: usize) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'/');
    !text.is_empty() && text.len() <= longest && text.bytes().all(safe)
}

/// Whether a part between slashes is an IP address (audit-leaf, "Fields").
fn holds_an_address(text: &str) -> bool {
    // The only bytes that an address has: most texts are none at their first letter.
    let may = |part: &str| {
        let of_address = |b: u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b':');
        part.contains(['.', ':']) && part.bytes().all(of_address)
    };
    text.split('/')
        .any(|part| may(part) && part.parse::<IpAddr>().is_ok())
}

/// Takes an encoding for no more than to compare it: a pass over a log does so with every entry.
struct Comparison<'a> {
    rest: &'a [u8],
    is_same: bool,
}

impl minicbor::encode::Write for Comparison<'_> {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => self.is_same = false,
        }
        Ok(())
    }
}

fn write<W>(event: &Event, cbor: &mut Encoder<W>) -> Result<(), LeafError>
where
    W: minicbor::encode::Write<Error = Infallible>,
{
    let optional = [
        event.actor.is_some(),
        event.resource.is_some(),
        event.policy.is_some(),
        !event.commitments.is_none(),
        event.credential.is_some(),
    ];
    let entries = optional.into_iter().fold(7, |n, has| n + u64::from(has));
    cbor.map(entries)?;
    cbor.u8(0)?.u8(VERSION)?;
    cbor.u8(1)?.bytes(event.id.as_bytes())?;
    cbor.u8(2)?.u64(event.time_us)?;
    cbor.u8(3)?.str(event.kind.as_str())?;
    if let Some(actor) = &event.actor {
        let chain = actor.on_behalf_of();
        cbor.u8(4)?.array(chain.iter().fold(1, |n, _| n + 1))?;
        for id in std::iter::once(actor.id()).chain(chain) {
            cbor.array(2)?.u8(actor_code(id.kind())?)?;
            cbor.bytes(id.id().as_bytes())?;
        }
    }
    if let Some(resource) = &event.resource {
        cbor.u8(5)?.str(resource)?;
    }
    cbor.u8(6)?.bytes(event.request_id.as_uuid().as_bytes())?;
    if let Some(policy) = &event.policy {
        cbor.u8(7)?.bytes(policy)?;
    }
    cbor.u8(8)?.str(&event.source)?;
    cbor.u8(9)?;
    match &event.outcome {
        Outcome::Success => cbor.array(1)?.u8(0)?,
        Outcome::Refused(slug) => cbor.array(2)?.u8(1)?.str(slug.as_str())?,
        Outcome::Failed(slug) => cbor.array(2)?.u8(2)?.str(slug.as_str())?,
        Outcome::Attempt => cbor.array(1)?.u8(3)?,
    };
    let fields = event.commitments.fields();
    if !fields.is_empty() {
        cbor.u8(10)?;
        cbor.array(fields.iter().fold(0, |n, _| n + 1))?;
        for commitment in fields {
            cbor.array(2)?.str(commitment.field.as_str())?;
            cbor.bytes(&commitment.digest)?;
        }
    }
    if let Some(credential) = &event.credential {
        cbor.u8(11)?.str(credential)?;
    }
    if let Commitments::Map(digest) = &event.commitments {
        cbor.u8(12)?.bytes(digest)?;
    }
    Ok(())
}

fn read(cbor: &mut Decoder<'_>) -> Result<Event, LeafError> {
    let (mut id, mut time_us, mut kind, mut request_id) = (None, None, None, None);
    let (mut source, mut outcome) = (None, None);
    let (mut actor, mut resource, mut policy, mut credential) = (None, None, None, None);
    let mut commitments = Commitments::NONE;
    let entries = cbor.map()?.ok_or(LeafError::NotCanonical)?;
    let mut version = None;
    for _ in 0..entries {
        match cbor.u8()? {
            0 => version = Some(cbor.u8()?),
            1 => id = Some(Uuid::from_bytes(fixed(cbor, LeafError::Id)?)),
            2 => time_us = Some(cbor.u64()?),
            3 => {
                kind = Some(
                    cbor.str()?
                        .parse::<EventKind>()
                        .map_err(|_| LeafError::Kind)?,
                )
            }
            4 => actor = Some(read_actor(cbor)?),
            5 => resource = Some(cbor.str()?.to_owned()),
            6 => request_id = Some(read_request_id(cbor)?),
            7 => policy = Some(fixed(cbor, LeafError::Policy)?),
            8 => source = Some(cbor.str()?.to_owned()),
            9 => outcome = Some(read_outcome(cbor)?),
            10 => commitments = read_commitments(cbor)?.into(),
            11 => credential = Some(cbor.str()?.to_owned()),
            // One or the other: a map's fields are not committed to singly as well.
            12 if !commitments.is_none() => return Err(LeafError::Commitments),
            12 => commitments = Commitments::Map(fixed(cbor, LeafError::Commitments)?),
            _ => return Err(LeafError::UnknownKey),
        }
        if version != Some(VERSION) {
            return Err(LeafError::Version);
        }
    }
    Ok(Event {
        id: id.ok_or(LeafError::Missing("the event id"))?,
        time_us: time_us.ok_or(LeafError::Missing("the time"))?,
        kind: kind.ok_or(LeafError::Missing("the event kind"))?,
        actor,
        resource,
        credential,
        request_id: request_id.ok_or(LeafError::Missing("the request id"))?,
        policy,
        source: source.ok_or(LeafError::Missing("the source"))?,
        outcome: outcome.ok_or(LeafError::Missing("the outcome"))?,
        commitments,
    })
}

fn fixed<const N: usize>(cbor: &mut Decoder<'_>, error: LeafError) -> Result<[u8; N], LeafError> {
    cbor.bytes()?.try_into().map_err(|_| error)
}

fn read_actor(cbor: &mut Decoder<'_>) -> Result<Actor, LeafError> {
    let links = cbor.array()?.ok_or(LeafError::NotCanonical)?;
    let mut ids = Vec::new();
    for _ in 0..links {
        if cbor.array()? != Some(2) {
            return Err(LeafError::Actor);
        }
        let code = cbor.u8()?;
        let kind = ActorKind::ALL
            .into_iter()
            .find(|kind| actor_code(*kind) == Ok(code))
            .ok_or(LeafError::Actor)?;
        let id = Uuid::from_bytes(fixed(cbor, LeafError::Actor)?);
        ids.push(ActorId::new(kind, id).map_err(|_| LeafError::Actor)?);
    }
    let (id, chain) = ids.split_first().ok_or(LeafError::Actor)?;
    Actor::delegated(*id, chain.to_vec()).map_err(|_| LeafError::Actor)
}

/// The number that stands for a kind of actor (audit-leaf, "Actors").
const fn actor_code(kind: ActorKind) -> Result<u8, LeafError> {
    match kind {
        ActorKind::User => Ok(0),
        ActorKind::Service => Ok(1),
        ActorKind::Agent => Ok(2),
        ActorKind::Platform => Ok(3),
        // A kind that the format does not know yet cannot be written.
        _ => Err(LeafError::Actor),
    }
}

fn read_request_id(cbor: &mut Decoder<'_>) -> Result<RequestId, LeafError> {
    let bytes: [u8; 16] = fixed(cbor, LeafError::RequestId)?;
    let (millis, random) = bytes.split_first_chunk::<6>().ok_or(LeafError::RequestId)?;
    let millis = millis
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let random = random.try_into().map_err(|_| LeafError::RequestId)?;
    // A UUIDv7 is all of its parts; anything else comes out as another id (RFC 9562, section 5.7).
    let id = RequestId::from_parts(millis, random);
    if *id.as_uuid().as_bytes() != bytes {
        return Err(LeafError::RequestId);
    }
    Ok(id)
}

fn read_outcome(cbor: &mut Decoder<'_>) -> Result<Outcome, LeafError> {
    let length = cbor.array()?.ok_or(LeafError::NotCanonical)?;
    let slug = |cbor: &mut Decoder<'_>| -> Result<Slug, LeafError> {
        cbor.str()?.parse().map_err(|_| LeafError::Outcome)
    };
    match (length, cbor.u8()?) {
        (1, 0) => Ok(Outcome::Success),
        (2, 1) => slug(cbor).map(Outcome::Refused),
        (2, 2) => slug(cbor).map(Outcome::Failed),
        (1, 3) => Ok(Outcome::Attempt),
        _ => Err(LeafError::Outcome),
    }
}

fn read_commitments(cbor: &mut Decoder<'_>) -> Result<Vec<Commitment>, LeafError> {
    let count = cbor.array()?.ok_or(LeafError::NotCanonical)?;
    let mut commitments = Vec::new();
    for _ in 0..count {
        if cbor.array()? != Some(2) {
            return Err(LeafError::Commitments);
        }
        let field = cbor.str()?.parse().map_err(|_| LeafError::Commitments)?;
        let digest = fixed(cbor, LeafError::Commitments)?;
        commitments.push(Commitment { field, digest });
    }
    Ok(commitments)
}
