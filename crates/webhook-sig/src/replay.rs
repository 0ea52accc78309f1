//! The replay guard: what has been accepted before.

use std::future::Future;
use std::pin::Pin;

use crate::{Verified, WebhookError};

/// What a replay guard returns: a boxed future, so that the trait can be used as `dyn`.
pub type ReplayFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, WebhookError>> + Send + 'a>>;

/// What a claim found; anything but these two is an error, and the message must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a duplicate must not be handled again"]
pub enum Claim {
    /// Nobody has this message: handle it, then commit or release it.
    First,
    /// The message was handled already: acknowledge it, and do nothing.
    Duplicate,
}

/// Remembers accepted messages, so that each is handled once.
///
/// Outsiders plug in here with a store that all nodes of an endpoint share. Its contract:
///
/// - `endpoint` names the receiving endpoint; ids of different endpoints never meet.
/// - [`claim`](Self::claim) looks up and records in **one atomic step**: of any number of
///   concurrent claims on one message, at most one is [`Claim::First`].
/// - It **fails closed**: whenever the store cannot tell, it answers
///   [`WebhookError::StoreUnavailable`], and evicts no delivery to make room.
/// - The same id with the same timestamp is [`WebhookError::Replayed`], always, also after a
///   release: a recorded delivery cannot be sent again.
/// - The same id with a new timestamp (a retry) is [`Claim::Duplicate`] once committed,
///   [`WebhookError::InFlight`] while claimed, and [`Claim::First`] once released.
/// - A delivery is remembered for at least `2 * tolerance + 60` seconds: it may be signed as far
///   ahead as the tolerance and be sent again as late; the rest is for clocks that differ. A
///   committed id stays a duplicate for days, as room allows: a sender's retries go on for as
///   long.
/// - A claim that is never settled lapses after a lease: a retry is then [`Claim::First`], and
///   settling the old claim is [`WebhookError::ClaimLost`].
/// - A change is durable when its future has said `Ok`; one that is dropped before may or may not
///   have happened.
/// - `now` is in Unix seconds and may step back.
///
/// The feature `conformance` has the tests that every implementation must pass.
pub trait ReplayGuard: Send + Sync {
    /// Claims a message for handling.
    ///
    /// # Errors
    /// [`WebhookError::Replayed`], [`WebhookError::InFlight`], [`WebhookError::TooOld`] when the
    /// guard has forgotten deliveries as new as this one, [`WebhookError::StoreUnavailable`].
    fn claim<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, Claim>;

    /// Records that a claimed message was handled. May be repeated.
    ///
    /// # Errors
    /// [`WebhookError::ClaimLost`] when the claim lapsed or was released: the message may be
    /// handled twice. [`WebhookError::StoreUnavailable`].
    fn commit<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()>;

    /// Gives a claimed message back, because handling it failed: a retry will be first again. May
    /// be repeated.
    ///
    /// # Errors
    /// [`WebhookError::ClaimLost`] when the claim lapsed or was committed; a committed message
    /// stays committed. [`WebhookError::StoreUnavailable`].
    fn release<'a>(
        &'a self,
        endpoint: &'a str,
        verified: &'a Verified,
        now: u64,
    ) -> ReplayFuture<'a, ()>;
}
