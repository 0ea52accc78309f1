//! The leaf: an event's exact bytes, `docs/spec/audit-leaf.md`.

use std::convert::Infallible;

use minicbor::Encoder;
use strongroom_tenancy::ActorKind;
use uuid::Uuid;

use crate::alphabet::{Unsafe, safe};
use crate::event::MAX_COMMITMENTS;
use crate::leaf_view::is_v7;
use crate::{Commitments, Event, Hash, LeafView, Outcome};

/// The longest leaf, in bytes.
pub const MAX_LEAF_BYTES: usize = 1024;

/// The version of the format.
pub(crate) const VERSION: u8 = 1;

/// The fields that must hold no address, as errors name them.
pub(crate) const RESOURCE: &str = "the resource";
pub(crate) const CREDENTIAL: &str = "the credential";
pub(crate) const SOURCE: &str = "the source";

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
        LeafView::parse(bytes)?.to_event()
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
    if !is_v7(event.id.as_bytes()) {
        return Err(LeafError::Id);
    }
    let texts = [
        (
            event.resource.as_deref(),
            128,
            LeafError::Resource,
            RESOURCE,
        ),
        (
            event.credential.as_deref(),
            64,
            LeafError::Credential,
            CREDENTIAL,
        ),
        (Some(event.source.as_str()), 64, LeafError::Source, SOURCE),
    ];
    for (text, longest, error, name) in texts {
        text.map_or(Ok(()), |text| safe(text.as_bytes(), longest))
            .map_err(|why| match why {
                Unsafe::Malformed => error,
                Unsafe::Address => LeafError::Address(name),
            })?;
    }
    let fields = event.commitments.fields();
    let ascending = fields.is_sorted_by(|one, next| one.field < next.field);
    if !ascending || fields.len() > MAX_COMMITMENTS {
        return Err(LeafError::Commitments);
    }
    Ok(())
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

/// The number that stands for a kind of actor (audit-leaf, "Actors").
pub(crate) const fn actor_code(kind: ActorKind) -> Result<u8, LeafError> {
    match kind {
        ActorKind::User => Ok(0),
        ActorKind::Service => Ok(1),
        ActorKind::Agent => Ok(2),
        ActorKind::Platform => Ok(3),
        // A kind that the format does not know yet cannot be written.
        _ => Err(LeafError::Actor),
    }
}
