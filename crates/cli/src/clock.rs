//! The clock.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time since the Unix epoch; zero before it.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// The moment that the user gave, or else the present one, in Unix seconds.
pub(crate) fn now_or(given: Option<u64>) -> u64 {
    given.unwrap_or_else(|| since_epoch().as_secs())
}

/// A moment in RFC 3339, if it is in a year that has four digits.
pub(crate) fn moment(unix_micros: u64) -> Option<String> {
    let nanos = i128::from(unix_micros) * 1000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    moment.format(&Rfc3339).ok()
}
