//! API keys: shown once, stored hashed, bound to a tenant and a set of capabilities.
//!
//! An [`ApiKey`] is the text that its holder presents. A server keeps a [`KeyRecord`] under the
//! key's public [`KeyId`], and [`KeyRecord::authenticate`] turns a presented key into a
//! [`VerifiedKey`], the only evidence that the rest of a server should accept. The format, and
//! every check, is written down in `docs/spec/api-key.md`.
//!
//! Nothing here reads a clock: `now` is always a parameter, in Unix seconds.
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

mod base62;
mod hash;
mod key;
mod name;
mod record;

pub use hash::{HashedKey, Scheme, StoredHashError};
pub use key::{ApiKey, PATTERN, RandomnessError, TEST_KEY};
pub use name::{Environment, KeyId, ParseError, Prefix};
pub use record::{IssueError, KeyError, KeyRecord, VerifiedKey, reject_unknown};
