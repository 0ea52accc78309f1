//! The event: who did what to what, when, and how it ended.

use strongroom_tenancy::{Actor, RequestId};
use uuid::Uuid;

use crate::{Commitments, EventKind, Slug};

/// The most commitments to single fields that an event may carry.
pub const MAX_COMMITMENTS: usize = 16;

/// What one entry of the log records.
///
/// An entry is for ever. Whatever may have to be erased, and whatever is personal, belongs into a
/// [`crate::Payload`], of which the event carries the commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's own id, a UUIDv7.
    pub id: Uuid,
    /// When it happened: Unix time in microseconds.
    pub time_us: u64,
    /// What happened.
    pub kind: EventKind,
    /// Who did it, and for whom; none where nobody was authenticated.
    pub actor: Option<Actor>,
    /// What it was done to: an opaque id of 1 to 128 characters of `A-Z a-z 0-9 . _ - : /`.
    pub resource: Option<String>,
    /// What the caller showed, or what that came from, by its public id: 1 to 64 characters of
    /// `A-Z a-z 0-9 . _ - : /`, such as `api_key/<id>` and `session/<sid>`; none where nothing was
    /// shown.
    pub credential: Option<String>,
    /// The request that it belongs to.
    pub request_id: RequestId,
    /// The hash of the policy version that decided.
    pub policy: Option<[u8; 32]>,
    /// The service that reports it: 1 to 64 characters of `A-Z a-z 0-9 . _ - : /`.
    pub source: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Commitments to sealed fields: ascending by field, each field once, at most
    /// [`MAX_COMMITMENTS`], or one to the map of them all.
    pub commitments: Commitments,
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was not allowed, for this reason.
    Refused(Slug),
    /// It was allowed and went wrong, in this way.
    Failed(Slug),
    /// It is about to be tried; an event of its own will tell how it ended.
    Attempt,
}
