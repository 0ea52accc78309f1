#![forbid(unsafe_code)]
//! A tenant claim that PostgreSQL verifies itself, for row-level security that SQL injection does
//! not cross.
//!
//! A policy that reads a plain setting trusts whoever can run SQL. Here the setting carries a MAC:
//! the application mints a [`Claim`] for each transaction with a [`ClaimKey`], a function inside
//! the database verifies it, and a forged, missing, malformed or replayed claim reads as no tenant
//! at all: zero rows, no error. The format is specified in `docs/spec/rls-claim.md`.
//!
//! The crate holds the codec, the SQL and the self-check; it names no driver.
//!
//! ```
//! use strongroom_rls::{Backend, ClaimKey, ClaimRequest, Names};
//! # let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! # let actor = "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?;
//! let names = Names::default();
//! // Once, as the database's owner:
//! let _ddl = format!("{}{}", names.install_sql(), names.protect_sql("public.assessments", &[])?);
//! // For each transaction, as the application's role, with `names.set_claim_sql()`:
//! let key = ClaimKey::generate("k1".parse()?)?;
//! let now = 1_800_000_000;
//! let claim = key.mint(&ClaimRequest { tenant, actor, backend: Backend::Pid(4242), now, lifetime: 60 })?;
//! let _bind_parameter = claim.expose();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod claim;
mod key;
mod names;

pub use check::{Check, claimed_role_checks, role_checks, schema_checks};
pub use claim::{Backend, Claim, ClaimError, ClaimRequest, MAX_LIFETIME_SECONDS};
pub use key::{ClaimKey, KeyError, KeyId, PaddedKey};
pub use names::{NameError, Names};
