//! The clock, so that a test can move it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
///
/// Implementations may stand still or jump; nothing in the platform assumes that two calls differ.
pub trait Clock: Send + Sync {
    /// Unix time in microseconds.
    fn unix_micros(&self) -> u64;

    /// Unix time in milliseconds.
    fn unix_millis(&self) -> u64 {
        self.unix_micros() / 1_000
    }

    /// Unix time in seconds.
    fn unix_seconds(&self) -> u64 {
        self.unix_micros() / 1_000_000
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_micros(&self) -> u64 {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands where it was put; for tests of schedules and expiry.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows this moment, in Unix seconds.
    #[must_use]
    pub const fn at(unix_seconds: u64) -> Self {
        Self(AtomicU64::new(unix_seconds.saturating_mul(1_000_000)))
    }

    /// Moves the clock on.
    pub fn advance(&self, seconds: u64) {
        self.0
            .fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
