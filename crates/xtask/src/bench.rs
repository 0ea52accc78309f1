//! Measuring beside peers, beside Presidio, and what needs the server's database: break-glass
//! rotations and renewals; by hand, never part of a test run.

use std::process::Command;

use crate::failure::Failure;
use crate::program;
use crate::project::Project;
use crate::venv;

/// The crate that `--break-glass` is about.
const ENVELOPE: &str = "envelope";

/// The tests that measure it, in a release build: on the real program and a database of its own.
const BREAK_GLASS: &str = "test --release --locked --package strongroom-server --test platform -- \
     --ignored --nocapture --test-threads 1 rotation_times::";

/// The crate that `--renewals` is about.
const TENANT_TOKEN: &str = "tenant-token";

/// The test that measures it, likewise.
const RENEWALS: &str = "test --release --locked --package strongroom-server --test platform -- \
     --ignored --nocapture --test-threads 1 refresh_times::";

/// The crate that `--postgres` is about.
const AUDITCHAIN: &str = "auditchain";

/// The test that measures it, likewise.
const POSTGRES: &str = "test --release --locked --package strongroom-server --test platform -- \
     --ignored --nocapture --test-threads 1 zone_times::";

/// The crate that `--presidio` is about.
const PII: &str = "pii";

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A crate's short name, such as `webhook-sig`; all of them without one
    name: Option<String>,
    /// With `envelope`: measure break-glass rotations on the server's database instead, which takes
    /// from 5 to 30 minutes and 4 GB of disk. The quick cases leave it out
    #[arg(long)]
    break_glass: bool,
    /// How many rows each of these rotations has
    #[arg(long, value_name = "N", requires = "break_glass", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    rows: u32,
    /// With `tenant-token`: measure renewals by refresh tokens on the server's database instead
    #[arg(long, conflicts_with = "break_glass")]
    renewals: bool,
    /// With `auditchain`: measure the server's log on PostgreSQL instead, in one zone and in three
    #[arg(long, conflicts_with_all = ["break_glass", "renewals"])]
    postgres: bool,
    /// With `pii`: measure beside Presidio instead, which is installed from PyPI, with 400 MB of disk
    #[arg(long, conflicts_with_all = ["break_glass", "renewals", "postgres"])]
    presidio: bool,
}

/// Builds the benchmarks, a workspace of their own, and runs them.
pub(crate) fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    if options.break_glass {
        return break_glass(project, options);
    }
    if options.renewals {
        return renewals(project, options);
    }
    if options.postgres {
        if options.name.as_deref() != Some(AUDITCHAIN) {
            return Err(Failure::cannot_run("--postgres goes with auditchain"));
        }
        return program::run(&mut project.cargo(POSTGRES));
    }
    if options.presidio {
        return presidio(project, options);
    }
    let mut cargo = benchmarks(project);
    cargo.args(options.name.as_slice());
    program::run(&mut cargo)?;
    if options.name.as_deref().is_none_or(|name| name == ENVELOPE) {
        println!("not measured: break-glass rotations; cargo xtask bench envelope --break-glass");
    }
    if options
        .name
        .as_deref()
        .is_none_or(|name| name == TENANT_TOKEN)
    {
        println!("not measured: renewals; cargo xtask bench tenant-token --renewals");
    }
    if options
        .name
        .as_deref()
        .is_none_or(|name| name == AUDITCHAIN)
    {
        println!("not measured: the log on PostgreSQL; cargo xtask bench auditchain --postgres");
    }
    if options.name.as_deref().is_none_or(|name| name == PII) {
        println!("not measured: beside Presidio; cargo xtask bench pii --presidio");
    }
    Ok(())
}

/// The program of the benchmarks; its arguments follow.
fn benchmarks(project: &Project) -> Command {
    let mut cargo = project.cargo("run --release --locked --manifest-path crates/bench/Cargo.toml");
    cargo
        .arg("--")
        .arg("--out")
        .arg(project.target.join("bench"));
    cargo
}

fn break_glass(project: &Project, options: &Options) -> Result<(), Failure> {
    if options.name.as_deref() != Some(ENVELOPE) {
        return Err(Failure::cannot_run("--break-glass goes with envelope"));
    }
    let mut cargo = project.cargo(BREAK_GLASS);
    program::run(cargo.env("BREAK_GLASS_ROWS", options.rows.to_string()))
}

fn renewals(project: &Project, options: &Options) -> Result<(), Failure> {
    if options.name.as_deref() != Some(TENANT_TOKEN) {
        return Err(Failure::cannot_run("--renewals goes with tenant-token"));
    }
    program::run(&mut project.cargo(RENEWALS))
}

fn presidio(project: &Project, options: &Options) -> Result<(), Failure> {
    if options.name.as_deref() != Some(PII) {
        return Err(Failure::cannot_run("--presidio goes with pii"));
    }
    let python = venv::PRESIDIO.python(project)?;
    program::run(benchmarks(project).arg("--presidio").arg(python))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_more_goes_with_its_crate_and_with_no_other() {
        let project = Project {
            root: "/".into(),
            target: "/".into(),
        };
        for name in [None, Some("webhook-sig".to_owned())] {
            for only in 0..4 {
                let options = Options {
                    name: name.clone(),
                    break_glass: only == 0,
                    rows: 1,
                    renewals: only == 1,
                    postgres: only == 2,
                    presidio: only == 3,
                };
                let refused = run(&project, &options);
                assert!(matches!(refused, Err(Failure::CannotRun(_))));
            }
        }
    }
}
