//! Events in the making: what a request adds to what it already knows of itself.

use strongroom_auditchain::{Commitments, Event, Leaf, LeafError, Outcome};
use strongroom_tenancy::{Actor, RequestId};
use uuid::Uuid;

use crate::clock::Clock;

/// An event that has no id and no time yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What happened; one of the route's own names.
    pub kind: &'static str,
    /// Who did it.
    pub actor: Option<Actor>,
    /// The request that it belongs to.
    pub request: RequestId,
    /// What it was done to, an opaque id.
    pub resource: Option<String>,
    /// What the caller showed, by its public id.
    pub credential: Option<String>,
    /// The hash of the policy that decided.
    pub policy: Option<[u8; 32]>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why an event cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// No randomness for its id.
    #[error("no randomness from the operating system")]
    Randomness,
    /// Its kind is not a plain name.
    #[error("the event's kind is malformed")]
    Kind,
    /// The platform's host cannot stand in the name of a log.
    #[error("the issuer's host cannot name a log")]
    Origin,
    /// It does not fit a leaf.
    #[error(transparent)]
    Leaf(#[from] LeafError),
}

impl Draft {
    /// Gives the event its id, its time and its bytes.
    ///
    /// # Errors
    /// [`EventError`] when it does not fit a leaf.
    pub fn leaf(
        &self,
        id: Uuid,
        now_us: u64,
        sealed: impl Into<Commitments>,
    ) -> Result<Leaf, EventError> {
        let event = Event {
            id,
            time_us: now_us,
            kind: self.kind.parse().map_err(|_| EventError::Kind)?,
            actor: self.actor.clone(),
            resource: self.resource.clone(),
            credential: self.credential.clone(),
            request_id: self.request,
            policy: self.policy,
            source: "gateway".to_owned(),
            outcome: self.outcome.clone(),
            commitments: sealed.into(),
        };
        Ok(Leaf::encode(&event)?)
    }
}

/// Where a log's break-glass events are read by themselves.
pub const BREAK_GLASS: &str = "break-glass";

/// The slice of the log that an event also belongs to, by its kind.
pub(super) fn slice_of(leaf: &[u8]) -> Option<&'static str> {
    let event = Leaf::decode(leaf).ok()?;
    event
        .kind
        .as_str()
        .starts_with("break_glass.")
        .then_some(BREAK_GLASS)
}

/// Draws an event id, a UUIDv7.
///
/// # Errors
/// [`EventError::Randomness`].
pub fn new_event_id(clock: &dyn Clock) -> Result<Uuid, EventError> {
    let mut random = [0_u8; 10];
    getrandom::fill(&mut random).map_err(|_| EventError::Randomness)?;
    Ok(uuid::Builder::from_unix_timestamp_millis(clock.unix_millis(), &random).into_uuid())
}
