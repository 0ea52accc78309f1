//! The routes, one file a resource.

pub mod api_keys;
pub mod audit;
pub mod chat;
pub mod identity_providers;
pub mod keys;
pub mod login;
pub mod oauth;
pub mod policy;
pub mod providers;
pub mod public;
pub mod seal;
pub mod sessions;
pub mod tenants;
pub mod token;
pub mod token_keys;
pub mod webhooks;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::postgres::QueryError;
use crate::problem::{Kind, Problem};

/// One column of a row whose shape the statement promises.
fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, QueryError> {
    row.try_get(index)
        .map_err(|error| QueryError::Row(error.to_string()))
}

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
