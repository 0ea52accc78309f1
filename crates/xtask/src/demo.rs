//! `demo`: the platform's main job on real parts, watched from outside, step by step.

mod calls;
mod database;
mod events;
mod gates;
mod http;
mod platform;
mod tenants;
mod transcript;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::Failure;
use crate::program;
use crate::project::Project;
use crate::{setup, venv};
use platform::Platform;
use transcript::Transcript;

/// The demo's options.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave the platform up at the end, and say how to reach it
    #[arg(long)]
    keep: bool,
}

/// Sets up what is missing, starts the platform, and drives it as its users would.
pub(crate) fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    let began = Instant::now();
    setup::run()?;
    let python = venv::python(project)?;
    let packages = "build --locked -p strongroom-server -p strongroom-cli -p strongroom-examples";
    program::run(&mut project.cargo(packages))?;

    // Ctrl-c reaches every program of the demo; this one stays, to clean up behind them.
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked))
            .map_err(|error| Failure::cannot_run(format!("signals: {error}")))?;
    }
    let mut transcript = Transcript::begin();
    let mut platform = Platform::start(project, &python)?;
    transcript.step(
        1,
        "a private PostgreSQL cluster and the platform are up",
        &platform.what_started()?,
    );
    let (acme, globex) = tenants::create(&mut transcript, &platform)?;
    let short_lived = gates::expiring_token(&platform, &acme)?;
    tenants::exchange(&mut transcript, &platform, &acme)?;
    tenants::store_credential(&mut transcript, &platform, &acme)?;
    let call = calls::through_every_gate(&mut transcript, &platform, &acme)?;
    database::nobody_else_sees_it(&mut transcript, &platform, &acme, &globex, &call)?;
    events::webhooks(&mut transcript, &platform, &acme)?;
    events::checkpoint_and_proof(&mut transcript, &platform, &acme, &call)?;
    database::a_tampered_leaf_is_named(&mut transcript, &platform, &globex)?;
    gates::each_missing(&mut transcript, &platform, &acme, &globex, short_lived)?;

    println!(
        "\nevery step held, in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    if options.keep {
        println!("{}", platform.how_to_reach(&acme));
        platform.wait(&asked);
    }
    platform.stop()
}

/// Runs the platform for use, until it is told to stop.
pub(crate) fn serve(project: &Project, config: Option<&std::path::Path>) -> Result<(), Failure> {
    setup::run()?;
    program::run(&mut project.cargo("build --release --locked -p strongroom-server"))?;
    let mut server = Command::new(project.target.join("release/strongroom-server"));
    server.arg("run");
    if let Some(config) = config {
        server.arg("--config").arg(config);
    }
    program::run(&mut server)
}
