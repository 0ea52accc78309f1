//! The tests that every [`Kms`](crate::Kms) must pass, for whoever writes one.
//!
//! A [`Candidate`] holds a KMS and its administration; [`run`] drives them through every check and
//! returns a [`Report`], in which each check stands by name: passed, failed with a reason, or not
//! run with a reason. What a candidate cannot do, such as pretending to be throttled, is reported
//! as not run; it never counts as passed.
//!
//! The suite makes keys of fresh names for two tenants and leaves some behind: run it against a
//! KMS that is for tests. Any executor can drive it. It starts a thread to measure time-outs, and
//! more where [`Candidate::drive`] lets it.
//!
//! ```
//! use strongroom_envelope::conformance::{self, Candidate, Report};
//! use strongroom_envelope::{KeyAdmin, Kms};
//!
//! struct Mine<K>(K);
//!
//! impl<K: Kms + KeyAdmin> Candidate for Mine<K> {
//!     fn kms(&self) -> &dyn Kms {
//!         &self.0
//!     }
//!     fn admin(&self) -> &dyn KeyAdmin {
//!         &self.0
//!     }
//! }
//!
//! async fn conforms<K: Kms + KeyAdmin>(kms: K) -> Result<(), Box<dyn std::error::Error>> {
//!     let report = conformance::run(&Mine(kms)).await;
//!     println!("{report}");
//!     Ok(report.into_result()?)
//! }
//! ```

mod binding;
mod calls;
mod candidate;
mod faults;
mod report;
mod states;
mod time;
mod trial;
mod wrapping;

use crate::conformance::time::within;
use crate::conformance::trial::{Checking, Stop, Trial};

pub use candidate::{Candidate, CannotDo, Fault, Task};
pub use report::{CheckResult, Failures, Outcome, Report};

/// How many times a call's patience a whole check may take.
const CHECK: u32 = 60;

/// One check: its name in the report, and what it does.
struct Check {
    name: &'static str,
    run: for<'a> fn(&'a Trial<'a>) -> Checking<'a>,
}

macro_rules! checks {
    ($($name:literal $check:path)*) => {
        &[$(Check { name: $name, run: |trial| Box::pin($check(trial)) }),*]
    };
}

const CHECKS: &[Check] = checks! {
    "round-trip" wrapping::round_trip
    "wrap-form" wrapping::form
    "wraps-differ" wrapping::differ
    "rewrap" wrapping::rewrap
    "rewrap-refuses" wrapping::rewrap_refuses
    "missing-key" states::missing
    "create-twice" states::create_twice
    "key-names" states::key_names
    "describe" states::describe_follows
    "rotate" states::rotate
    "disabled" states::disabled
    "enabled-again" states::enabled_again
    "rotation-enables-nothing" states::rotation_enables_nothing
    "destroyed" states::destroyed
    "destroyed-when-disabled" states::destroyed_when_disabled
    "destroyed-name" states::destroyed_name
    "another-tenant" binding::another_tenant
    "another-key" binding::another_key
    "another-version" binding::another_version
    "another-provider" binding::another_provider
    "another-purpose" binding::another_purpose
    "flipped-bytes" binding::flipped_bytes
    "wrong-length" binding::wrong_length
    "noise" binding::noise
    "concurrent-calls" calls::concurrent
    "one-creator" calls::one_creator
    "parallel-threads" calls::parallel
    "abandoned-calls" calls::abandoned
    "throttled" faults::throttled
    "stalled" faults::stalled
    "unreachable" faults::unreachable
    "denied" faults::denied
};

/// The names of all checks, in the order in which they run.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.name)
}

/// Runs every check, one after the other; one that fails keeps no other from running.
pub async fn run(candidate: &dyn Candidate) -> Report {
    let mut results = Vec::with_capacity(CHECKS.len());
    let limit = candidate.patience().saturating_mul(CHECK);
    for check in CHECKS {
        let outcome = match Trial::generate(candidate, check.name) {
            Ok(trial) => within(limit, "the check", (check.run)(&trial))
                .await
                .and_then(|ended| ended),
            Err(stop) => Err(stop),
        };
        results.push(CheckResult {
            name: check.name,
            outcome: match outcome {
                Ok(()) => Outcome::Passed,
                Err(Stop::Failed(reason)) => Outcome::Failed(reason),
                Err(Stop::NotRun(reason)) => Outcome::NotRun(reason),
            },
        });
    }
    Report::new(results)
}
