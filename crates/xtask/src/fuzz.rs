//! Running the fuzz bodies for longer than the CI tier does.

use std::fs;
use std::process::{Command, Stdio};

use crate::failure::{At as _, Failure};
use crate::program;
use crate::project::Project;

/// How to fuzz.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each body
    #[arg(default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Run this body alone
    #[arg(long)]
    pub(crate) body: Option<String>,
    /// Let coverage guide the input: needs a nightly toolchain and cargo-fuzz
    #[arg(long)]
    pub(crate) coverage_guided: bool,
}

/// Runs each body for the given time.
pub(crate) fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    if options.coverage_guided {
        return coverage_guided(project, options);
    }
    let mut cargo = project.cargo("run --release --locked --manifest-path fuzz/Cargo.toml");
    cargo.args([
        "--bin",
        "stable",
        "--",
        "--seconds",
        &options.seconds.to_string(),
    ]);
    if let Some(body) = &options.body {
        cargo.args(["--body", body]);
    }
    program::run(&mut cargo)
}

/// Whether `cargo +nightly fuzz` works here.
pub(crate) fn has_cargo_fuzz() -> bool {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["+nightly", "fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}

/// New inputs go to the build folder; the committed corpus is only read.
fn coverage_guided(project: &Project, options: &Options) -> Result<(), Failure> {
    if !has_cargo_fuzz() {
        return Err(Failure::cannot_run(
            "cargo-fuzz on a nightly toolchain is missing: `rustup toolchain install nightly` and \
             `cargo install cargo-fuzz --locked`",
        ));
    }
    let folder = project.root.join("fuzz/fuzz_targets");
    let mut bodies: Vec<String> = fs::read_dir(&folder)
        .at(&folder)?
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .filter(|name| options.body.as_ref().is_none_or(|body| body == name))
        .collect();
    bodies.sort();
    if bodies.is_empty() {
        return Err(Failure::cannot_run("no fuzz body of this name"));
    }
    for body in bodies {
        println!("--- {body}");
        let found = project.target.join("fuzz-corpus").join(&body);
        fs::create_dir_all(&found).at(&found)?;
        let mut cargo = project.cargo("+nightly fuzz run --features libfuzzer");
        // Apart, since another toolchain's builds would push out those of the stable one.
        cargo
            .arg("--target-dir")
            .arg(project.target.join("fuzz-nightly"));
        cargo
            .arg(&body)
            .arg(&found)
            .arg(project.root.join("fuzz/corpus").join(&body));
        cargo.args(["--", &format!("-max_total_time={}", options.seconds)]);
        program::run(&mut cargo)?;
    }
    Ok(())
}
