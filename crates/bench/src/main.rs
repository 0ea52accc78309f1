//! Ours beside its peers: one process, interleaved, thread CPU time.

mod case;
mod report;
mod webhook_sig;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;

use crate::case::Case;
use crate::report::Report;

/// Measures crates of the family beside their peers.
#[derive(Parser)]
struct Options {
    /// A crate's short name, such as `webhook-sig`; all of them without one
    name: Option<String>,
    /// The folder for `<crate>.jsonl`
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

/// What makes a crate's cases.
type Cases = fn() -> Result<Vec<Case>, Box<dyn Error>>;

/// The crates that have benchmarks.
const CRATES: &[(&str, Cases)] = &[("webhook-sig", webhook_sig::cases)];

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let wanted = |name: &str| options.name.as_deref().is_none_or(|only| only == name);
    let chosen: Vec<_> = CRATES.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = CRATES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no benchmarks of that name; there are {}", names.join(", ")).into());
    }
    for (name, cases) in chosen {
        let mut report = Report::new(name);
        for mut case in cases()? {
            report.add(case.measure());
        }
        report.write(&options.out)?;
    }
    Ok(())
}
