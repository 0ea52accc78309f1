//! Measuring beside peers; by hand, never part of a test run.

use crate::failure::Failure;
use crate::program;
use crate::project::Project;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A crate's short name, such as `webhook-sig`; all of them without one
    name: Option<String>,
}

/// Builds the benchmarks, a workspace of their own, and runs them.
pub(crate) fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    let mut cargo = project.cargo("run --release --locked --manifest-path crates/bench/Cargo.toml");
    cargo
        .arg("--")
        .arg("--out")
        .arg(project.target.join("bench"));
    cargo.args(options.name.as_slice());
    program::run(&mut cargo)
}
