//! The clock.

use std::time::{Duration, SystemTime};

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
