//! What the suite is run on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use strongroom_tenancy::TenantId;

use crate::kms::{KeyAdmin, Kms};

/// Something to be driven to its end.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A KMS under test, and what its author can do to it.
///
/// Only the first two functions are needed. Each of the others opens checks that are reported as
/// not run without it.
pub trait Candidate: Send + Sync {
    /// The KMS.
    fn kms(&self) -> &dyn Kms;

    /// Its administration, for the same keys.
    fn admin(&self) -> &dyn KeyAdmin;

    /// Two tenants that the KMS serves, where it does not serve any. `None`, unless said otherwise:
    /// each check makes up two of its own.
    fn tenants(&self) -> Option<[TenantId; 2]> {
        None
    }

    /// The longest that one call may take, also when the KMS does not answer. Ten seconds unless
    /// said otherwise; a candidate with shorter time-outs makes for a quicker run.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Plants a fault, which lasts until [`end`](Self::end).
    ///
    /// # Errors
    /// [`CannotDo`] when the candidate cannot; the check is then not run.
    fn begin(&self, fault: Fault) -> Result<(), CannotDo> {
        let _ = fault;
        Err(CannotDo::new("the candidate plants no faults"))
    }

    /// Takes a fault back. Called once for each [`begin`](Self::begin) that was done.
    fn end(&self, fault: Fault) {
        let _ = fault;
    }

    /// Drives a task to its end on the thread that calls, as `block_on` does, so that the suite can
    /// make calls from several threads at once. The thread that drives the suite waits meanwhile:
    /// the task must come to its end without it.
    ///
    /// # Errors
    /// [`CannotDo`] when the candidate cannot; the check is then not run.
    fn drive(&self, task: Task<'_>) -> Result<(), CannotDo> {
        drop(task);
        Err(CannotDo::new(
            "the candidate drives no task on another thread",
        ))
    }
}

/// What can go wrong between the KMS and its caller. All calls are affected, save that
/// `Throttled` and `Denied` may spare the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The KMS refuses calls for being too many.
    Throttled,
    /// The KMS takes calls and does not answer.
    Stalled,
    /// The KMS cannot be reached.
    Unreachable,
    /// The KMS does not let the caller use its keys.
    Denied,
}

/// What a candidate cannot do, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotDo(String);

impl CannotDo {
    /// Says why not, for the report.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled => "throttled",
            Self::Stalled => "stalled",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
        })
    }
}
