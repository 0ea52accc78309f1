//! The routes, one file a resource.

pub mod api_keys;
pub mod audit;
pub mod chat;
pub mod erasures;
pub mod identity_providers;
pub mod keys;
pub mod login;
pub mod oauth;
pub mod policy;
pub mod presidio;
pub mod providers;
pub mod public;
pub mod retention;
pub mod seal;
pub mod sessions;
pub mod subjects;
pub mod tenants;
pub mod token;
pub mod token_keys;
pub mod unmask;
pub mod webhooks;

use crate::postgres::column;
use crate::problem::{Kind, Problem};

/// The one answer for an object that is not there and for another tenant's.
fn not_found() -> Problem {
    Problem::new(Kind::NotFound, "there is no such object")
}

/// A value of the platform's own that could not be made.
fn internal(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a request failed");
    Problem::new(Kind::Internal, "the platform failed")
}

/// Unix seconds as the database keeps them.
fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
