//! `zones`: three zones on this machine, by the server's own command.

use std::process::Command;

use clap::Args;

use crate::failure::Failure;
use crate::program;
use crate::project::Project;
use crate::setup;

/// The zones' options.
#[derive(Args)]
pub(crate) struct Options {
    /// How many zones a commit waits for: one, any_2 or any_1
    #[arg(long, default_value = "any_2")]
    mode: String,
}

/// Starts them and says what can be typed; they end, and their folder goes, with this.
pub(crate) fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    setup::run()?;
    program::run(&mut project.cargo("build --locked -p strongroom-server"))?;
    let mut server = Command::new(project.target.join("debug/strongroom-server"));
    program::run(server.args(["zones", "--mode", &options.mode]))
}
