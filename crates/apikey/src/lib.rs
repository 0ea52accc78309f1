//! API keys: shown once, stored hashed, bound to a tenant and a set of capabilities.
//!
//! An [`ApiKey`] is the text that its holder presents. A server keeps a [`KeyRecord`] under the
//! key's public [`KeyId`], and [`KeyRecord::authenticate`] turns a presented key into a
//! [`VerifiedKey`], the only evidence that the rest of a server should accept. The format, and
//! every check, is written down in `docs/spec/api-key.md`.
//!
//! A [`KeyGate`] keeps records for five minutes and accepts no key after its revocation is over;
//! [`Presented`] finds the one credential of a request; a [`Grant`] only narrows, at issue and at
//! [rotation](KeyRecord::rotate); a [`Hasher`] knows peppers. The feature `legacy` takes over keys
//! that another system hashed by bcrypt or argon2, `password` hashes passwords.
//!
//! Nothing here reads a clock or a network: `now` is a parameter, in Unix seconds, and the
//! monotonic clock of leases and the store are traits.
//!
//! ```
//! use strongroom_apikey::{ApiKey, Environment, KeyRecord};
//! use strongroom_tenancy::{Capability, CapabilitySet, Role};
//!
//! let key = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
//! let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let asked = CapabilitySet::of(&[Capability::ChatCreate]);
//! let record = KeyRecord::issue(&key, tenant, asked, &Role::Member.capabilities(), None)?;
//!
//! let presented: ApiKey = key.expose().parse()?;
//! let verified = record.authenticate(&presented, 1_700_000_000)?;
//! assert!(verified.capabilities().contains(Capability::ChatCreate));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

#[cfg(any(feature = "legacy", feature = "password"))]
mod argon;
mod feed;
mod gate;
mod grant;
mod hash;
mod key;
mod last_used;
#[cfg(feature = "legacy")]
mod legacy;
mod name;
mod network;
#[cfg(feature = "password")]
mod password;
mod pepper;
mod presented;
mod recent;
mod record;
mod rotation;
mod shown;
mod store;

#[cfg(any(feature = "legacy", feature = "password"))]
pub use argon::{Cost, StoredArgonError};
pub use feed::{LEASE, Question, RevocationFeed, Sequence, TableFeed, revoked_everywhere_at};
pub use gate::{Accepted, CACHE_LIFE, Candidate, Found, KeyGate, Ticket, Vouched, WithoutLease};
pub use grant::{Grant, IssueError};
pub use hash::{HashedKey, Scheme, StoredHashError};
pub use key::{ApiKey, PATTERN, RandomnessError, TEST_KEY};
pub use last_used::{BatchFull, LastUsed};
#[cfg(feature = "legacy")]
pub use legacy::{LegacyHash, LegacyHashError, LegacyKey, LegacyKeyError, LegacyRecord};
pub use name::{Environment, KeyId, ParseError, Prefix};
pub use network::{Network, NetworkError, NetworkList, Networks};
#[cfg(feature = "password")]
pub use password::{PasswordError, PasswordHasher};
pub use pepper::{Hasher, Pepper, PepperError, PepperId};
pub use presented::{Place, PresentationError, Presented};
pub use record::{KeyError, KeyRecord, VerifiedKey, Visit, reject_unknown};
pub use rotation::{
    MAX_ROTATION_OVERLAP, ROTATION_OVERLAP, Retirement, Rotated, Rotation, RotationError, Standing,
};
pub use shown::Shown;
pub use store::{KeyStore, StoreFuture, StoreUnavailable};
