//! What the suite found.

use std::fmt;

/// Every check and how it ended.
#[derive(Clone, Debug)]
#[must_use]
pub struct Report(Vec<CheckResult>);

/// One check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The check's name, one of [`names`](super::names).
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it must.
    Passed,
    /// Otherwise than it must; the text says what was expected and what came.
    Failed(String),
    /// Nothing was found out; the text says why.
    NotRun(String),
}

/// The checks that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the kms does not conform: {}", list(.0))]
pub struct Failures(Vec<CheckResult>);

impl Report {
    pub(super) const fn new(results: Vec<CheckResult>) -> Self {
        Self(results)
    }

    /// The checks, in the order in which they ran.
    pub fn checks(&self) -> &[CheckResult] {
        &self.0
    }

    /// The names of the checks that were not run.
    pub fn not_run(&self) -> impl Iterator<Item = &'static str> {
        let is_not_run = |check: &&CheckResult| matches!(check.outcome, Outcome::NotRun(_));
        self.0.iter().filter(is_not_run).map(|check| check.name)
    }

    /// Whether the KMS conforms, as far as the checks were run.
    ///
    /// # Errors
    /// [`Failures`] when at least one check failed. One that was not run is no failure: a test
    /// that wants all of them compares [`not_run`](Self::not_run) too.
    pub fn into_result(self) -> Result<(), Failures> {
        let is_failed = |check: &CheckResult| matches!(check.outcome, Outcome::Failed(_));
        let failed: Vec<_> = self.0.into_iter().filter(is_failed).collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Failures(failed))
        }
    }
}

impl Failures {
    /// The failed checks.
    #[must_use]
    pub fn checks(&self) -> &[CheckResult] {
        &self.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|check| writeln!(f, "{check}"))
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match &self.outcome {
            Outcome::Passed => write!(f, "{name}: passed"),
            Outcome::Failed(reason) => write!(f, "{name}: FAILED, {reason}"),
            Outcome::NotRun(reason) => write!(f, "{name}: not run, {reason}"),
        }
    }
}

fn list(checks: &[CheckResult]) -> String {
    let lines: Vec<_> = checks.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
