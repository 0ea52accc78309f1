//! Values on their way out of rows, and into them.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::transaction::QueryError;

/// One column of a row whose shape the statement promises.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, QueryError> {
    row.try_get(index)
        .map_err(|error| QueryError::Row(error.to_string()))
}

/// A number as a `bigint` has it; what is beyond its reach is as far as it reaches.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
