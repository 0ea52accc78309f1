//! Logging in with another issuer's ID token: whose tokens a tenant accepts, their keys, and who
//! it is that logs in.
//!
//! [`Connection`] is what a tenant says of its identity provider, [`IssuerKeySets`] keeps the
//! providers' keys, [`verify`] checks a token: the rules are `strongroom-tenant-token`'s
//! [`id_token`](strongroom_tenant_token::id_token), the signature alone is `jsonwebtoken`'s.

mod connection;
mod fetches;
mod id_token;
mod jwks;

pub use connection::{Connection, ConnectionError, NewConnection, is_name};
pub use id_token::{derived_person, verify};
pub use jwks::{IssuerKeySets, KeysUnavailable};
