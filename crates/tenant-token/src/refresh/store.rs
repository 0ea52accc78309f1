//! Where families are kept.

use std::future::Future;
use std::pin::Pin;

use super::family::Family;
use super::token::FamilyId;

/// The store did not answer, or not whether it did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of refresh tokens is unavailable")]
pub struct StoreUnavailable;

/// What a call of the store returns: a boxed future, so that the trait can be used as `dyn`.
pub type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, StoreUnavailable>> + Send + 'a>>;

/// Keeps a row for each family.
///
/// What is answered is durable: a row that was swapped in does not come back as it was before.
/// [`swap`](Self::swap) is atomic among all nodes; it is the one thing on which the promise of a
/// single successor rests. In SQL it is `update … set … where id = $1 and version = $2`, and its
/// answer whether one row was changed.
///
/// Whoever keeps the rows also deletes, every second or so, the sealed successors of rotations
/// that lie more than [`GRACE`](crate::refresh::GRACE) back: they are refused then already, and
/// are to be gone too. Such a deletion counts the row's version up, as any change does.
pub trait RefreshStore: Send + Sync {
    /// Adds a family that is new.
    fn insert<'a>(&'a self, family: &'a Family) -> StoreFuture<'a, ()>;

    /// The family's row as it is now; not from a replica.
    fn read<'a>(&'a self, id: &'a FamilyId) -> StoreFuture<'a, Option<Family>>;

    /// The store's own time of the last [`read`](Self::read), in Unix seconds, where it has a
    /// clock: the grace is counted by it then, and not by the clocks of several nodes.
    fn clock(&self) -> Option<u64> {
        None
    }

    /// Puts `next` in the place of its row, if that has the version `expected`; says whether.
    fn swap<'a>(&'a self, expected: u64, next: &'a Family) -> StoreFuture<'a, bool>;
}
