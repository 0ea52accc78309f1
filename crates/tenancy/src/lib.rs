#![forbid(unsafe_code)]
//! The vocabulary of a multi-tenant platform: who is asking, for which tenant, and what they may do.
//!
//! Types, and no work but [`base62`]: every other crate of the family speaks in these. Each is
//! parsed once, by its own `FromStr`, and cannot hold a value that its parser would refuse.
//!
//! ```
//! use strongroom_tenancy::{Capability, CapabilitySet, Role, TenantId};
//!
//! let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let asked: CapabilitySet = "chat:create audit:read".parse()?;
//! // A key can only narrow what its issuer holds.
//! let granted = Role::Viewer.capabilities().narrowed_to(&asked);
//! assert!(!granted.contains(Capability::ChatCreate));
//! # assert_eq!(tenant.to_string().len(), 36);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actor;
pub mod base62;
mod capability;
mod request;
mod role;
mod tenant;
mod unmask;

pub use actor::{Actor, ActorError, ActorId, ActorKind, MAX_DELEGATION};
pub use capability::{Capability, CapabilityError, CapabilitySet};
pub use request::{ClientRequestId, RequestId, RequestIdError};
pub use role::{Role, RoleError};
pub use tenant::{TenantId, TenantIdError};
pub use unmask::UnmaskClass;
