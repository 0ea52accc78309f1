//! The hold-up: while too few zones are left, no job begins what would wait for them at its COMMIT,
//! with its locks and its connection.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::audit::ZoneSet;

/// What jobs wait for before they write; nothing, where there are no zones.
#[derive(Clone, Default)]
pub struct Holdup(Option<Arc<ZoneSet>>);

impl Holdup {
    /// While these zones are too few.
    #[must_use]
    pub const fn of(zones: Option<Arc<ZoneSet>>) -> Self {
        Self(zones)
    }

    /// Whether it lasts.
    pub(super) fn is_on(&self) -> bool {
        self.0.as_ref().is_some_and(|zones| zones.is_short())
    }

    /// Waits until it is over; answers whether it is, and not the job told to stop.
    pub(super) async fn is_over(&self, stop: &CancellationToken) -> bool {
        let Some(zones) = &self.0 else {
            return !stop.is_cancelled();
        };
        tokio::select! {
            () = stop.cancelled() => false,
            () = zones.until_enough() => true,
        }
    }
}
