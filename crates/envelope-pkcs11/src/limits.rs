//! How much is asked of a token at once, and for how long.

use std::time::Duration;

/// How many calls a token is given at once, how many wait, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions, each with a thread of its own; at least one is opened. [`Pkcs11Admin`] has one
    /// whatever this says, so that its changes come one after the other.
    ///
    /// [`Pkcs11Admin`]: crate::Pkcs11Admin
    pub sessions: usize,
    /// Calls that may wait for a session; one more is answered with
    /// [`KmsError::Throttled`](strongroom_envelope::KmsError).
    pub queue: usize,
    /// From the call to its answer, waiting included.
    pub timeout: Duration,
}

impl Default for Limits {
    /// Four sessions, 256 waiting calls, five seconds.
    fn default() -> Self {
        Self {
            sessions: 4,
            queue: 256,
            timeout: Duration::from_secs(5),
        }
    }
}
