//! The conformance suite, on a KMS in memory that is right, and on many that are wrong, each in one
//! way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod flaw;
mod memory;
mod mix_up;

use std::collections::BTreeSet;

use pollster::block_on;
use strongroom_envelope::conformance::{self, Outcome, Report};

use flaw::{FLAWS, Flaw};
use memory::Memory;

fn failed(report: &Report) -> Vec<&'static str> {
    let is_failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
    let failed = report.checks().iter().filter(|c| is_failed(&c.outcome));
    failed.map(|check| check.name).collect()
}

#[test]
fn a_right_kms_passes_every_check() {
    let report = block_on(conformance::run(&Memory::new(None)));
    assert_eq!(report.not_run().count(), 0, "{report}");
    assert_eq!(report.checks().len(), conformance::names().count());
    report.into_result().unwrap();
}

#[test]
fn a_wrong_kms_fails_at_its_flaw() {
    let runs: Vec<_> = FLAWS
        .iter()
        .map(|(flaw, checks)| {
            let flaw = *flaw;
            let run = move || block_on(conformance::run(&Memory::new(Some(flaw))));
            (flaw, *checks, std::thread::spawn(run))
        })
        .collect();
    let mut wrong = Vec::new();
    for (flaw, checks, run) in runs {
        let report = run.join().unwrap();
        if failed(&report) != checks {
            wrong.push(format!("{flaw:?}: {:?}\n{report}", failed(&report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_can_fail() {
    let can_fail: BTreeSet<_> = FLAWS
        .iter()
        .flat_map(|(_, checks)| *checks)
        .copied()
        .collect();
    let checks: BTreeSet<_> = conformance::names().collect();
    assert_eq!(can_fail, checks);
}

#[test]
fn what_the_candidate_cannot_do_is_not_run_by_name() {
    let report = block_on(conformance::run(&Memory::new(None).without_hooks()));
    let not_run: Vec<_> = report.not_run().collect();
    assert_eq!(
        not_run,
        [
            "parallel-threads",
            "throttled",
            "stalled",
            "unreachable",
            "denied"
        ]
    );
    let text = report.to_string();
    let line = "stalled: not run, the candidate plants no faults";
    assert!(text.lines().any(|l| l == line), "{text}");
    report.into_result().unwrap();
}

#[test]
fn failures_name_check_and_reason() {
    let report = block_on(conformance::run(&Memory::new(Some(Flaw::IgnoresVersion))));
    let failures = report.into_result().unwrap_err();
    assert_eq!(failures.checks().len(), 1);
    assert_eq!(
        failures.to_string(),
        "the kms does not conform: another-version: FAILED, unwrap version 1's as version 2's: \
         success instead of [ContextMismatch, NotFound]"
    );
}

#[cfg(feature = "std")]
#[test]
fn the_local_keyring_conforms() {
    use strongroom_envelope::conformance::{Candidate, CannotDo, Task};
    use strongroom_envelope::{KeyAdmin, Kms, LocalKms};

    struct Local(LocalKms);

    impl Candidate for Local {
        fn kms(&self) -> &dyn Kms {
            &self.0
        }
        fn admin(&self) -> &dyn KeyAdmin {
            &self.0
        }
        fn drive(&self, task: Task<'_>) -> Result<(), CannotDo> {
            block_on(task);
            Ok(())
        }
    }

    let directory = tempfile::tempdir().unwrap();
    let kms = LocalKms::create(directory.path().join("keyring")).unwrap();
    let report = block_on(conformance::run(&Local(kms)));
    let faults = ["throttled", "stalled", "unreachable", "denied"];
    assert_eq!(report.not_run().collect::<Vec<_>>(), faults, "{report}");
    report.into_result().unwrap();
}
