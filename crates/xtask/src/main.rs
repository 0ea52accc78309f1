//! The project's own commands, run as `cargo xtask <command>`.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod empty_root;
mod failure;
mod fips;
mod fuzz;
mod moto;
mod mutate;
mod mutations;
mod oidc;
mod peers;
mod program;
mod project;
mod seed;
mod setup;
mod soak;
mod softhsm;
mod stage;
mod test;
mod tidy;
mod venv;
mod zones;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::project::Project;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Check the rules that no compiler knows: dependencies, licences, sources, links, claims
    Tidy,
    /// Install what is missing: PostgreSQL 15 or later, python3-venv and the client libraries
    Setup,
    /// Run the platform's main job on real parts and print what was checked
    Demo(demo::Options),
    /// Run the platform for use, on loopback
    Serve {
        /// The configuration file
        #[arg(long)]
        config: Option<std::path::PathBuf>,
    },
    /// Start a primary and two standbys on this machine, to lose and bring back by hand
    Zones(zones::Options),
    /// Run every check of the CI tier
    Test(stage::Selection),
    /// Run each fuzz body for a while
    Fuzz(fuzz::Options),
    /// Sabotage one line at a time: the named test must go red
    Mutate(mutate::Options),
    /// Run the long tier
    Soak(stage::Selection),
    /// Measure a crate, or all of them, beside its peers
    Bench(bench::Options),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Setup => setup::run().and_then(|()| venv::prepare()),
            Self::Tidy => tidy::run(&Project::find()?),
            Self::Demo(options) => demo::run(&Project::find()?, &options),
            Self::Serve { config } => demo::serve(&Project::find()?, config.as_deref()),
            Self::Zones(options) => zones::run(&Project::find()?, &options),
            Self::Test(selection) => stage::run(test::STAGES, &Project::find()?, &selection),
            Self::Fuzz(options) => fuzz::run(&Project::find()?, &options),
            Self::Mutate(options) => mutate::run(&Project::find()?, &options),
            Self::Soak(selection) => stage::run(soak::STAGES, &Project::find()?, &selection),
            Self::Bench(options) => bench::run(&Project::find()?, &options),
        }
    }
}

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
