//! Refresh tokens: what renews an access token, once, and gives itself away when it was copied.
//!
//! The format and the rules are `docs/spec/refresh-token.md`. [`Family::decide`] is all of the
//! rules, without a store and a clock; [`begin`], [`rotate`] and [`revoke`] put it to a
//! [`RefreshStore`].

mod error;
mod family;
mod memory;
mod rotation;
mod store;
mod successor;
mod token;

pub use error::{RefreshError, Reuse};
pub use family::{Decision, ENTROPY, Family, Grant, RevokedBecause};
pub use memory::MemoryRefreshStore;
pub use rotation::{Rotated, begin, revoke, rotate};
pub use store::{RefreshStore, StoreFuture, StoreUnavailable};
pub use token::{FamilyId, RefreshToken, RefreshTokenError};

/// A family whose token nobody presented for this long is over, in seconds: 14 days.
pub const IDLE: u64 = 14 * 24 * 3_600;

/// A family is over this long after its login, in seconds: 30 days.
pub const ABSOLUTE: u64 = 30 * 24 * 3_600;

/// How long after a rotation the token before may be presented once more, in seconds.
pub const GRACE: u64 = 10;
