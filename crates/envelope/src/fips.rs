//! What is not an approved service of the FIPS module is refused, unless it was accepted.

use std::sync::atomic::{AtomicBool, Ordering};

static STREAMS: AtomicBool = AtomicBool::new(false);

/// Accepts the stream suite, for this process: its primitives are the validated module's, its
/// service, GCM under derived nonces, is not one that the module approves.
///
/// Without this, sealing or opening more than [`MAX_COMPACT`](crate::MAX_COMPACT) bytes in one
/// record, and all of [`stream`](crate::stream), fails (`docs/spec/envelope.md`, "FIPS").
pub fn accept_streams_outside_the_approved_services() {
    STREAMS.store(true, Ordering::Relaxed);
}

pub(crate) fn are_streams_accepted() -> bool {
    STREAMS.load(Ordering::Relaxed)
}

/// Whether the module is in FIPS mode, its self-tests passed.
#[must_use]
pub fn is_in_fips_mode() -> bool {
    aws_lc_rs::try_fips_mode().is_ok()
}
