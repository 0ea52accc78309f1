//! Runs the comparisons of one crate, or of all.

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use strongroom_bench::report::Report;
use strongroom_bench::{apikey, auditchain, envelope, pii, tenant_token, webhook_sig};

/// Measures crates of the family beside their peers.
#[derive(Parser)]
struct Options {
    /// A crate's short name, such as `webhook-sig`; all of them without one
    name: Option<String>,
    /// The folder for `<crate>.jsonl`
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Only the cases whose names hold this text; of `auditchain` and `pii` alone
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Seals one long stream, says how much memory that took, and does nothing else
    #[arg(long, hide = true)]
    stream_memory: bool,
    /// Keeps an audit chain's tree, or the logs of the store in a folder, says how many bytes each
    /// entry or log takes, and does nothing else
    #[arg(long, hide = true, value_name = "tree|FOLDER")]
    chain_memory: Option<PathBuf>,
    /// Finds personal data in a short text, says how much memory that took, and does nothing else
    #[arg(long, hide = true)]
    first_result: bool,
    /// Measures personal data beside Presidio, which this Python interpreter has, and nothing else
    #[arg(long, value_name = "PYTHON")]
    presidio: Option<PathBuf>,
}

/// What measures a crate's cases, one after the other.
type Measure = fn(&mut Report) -> Result<(), Box<dyn Error>>;

/// The crates that have benchmarks.
const CRATES: &[(&str, Measure)] = &[
    ("apikey", apikey::measure),
    ("auditchain", auditchain::measure),
    ("envelope", envelope::measure),
    ("pii", pii::measure),
    ("tenant-token", tenant_token::measure),
    ("webhook-sig", webhook_sig::measure),
];

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if options.stream_memory {
        println!("{}", envelope::memory::of_this_process()?);
        return Ok(());
    }
    if let Some(of) = &options.chain_memory {
        println!("{}", auditchain::memory::of_this_process(of)?);
        return Ok(());
    }
    if options.first_result {
        return pii::start::of_this_process();
    }
    if let Some(python) = &options.presidio {
        let mut report = Report::new("pii-presidio");
        pii::presidio::measure(&mut report, python, &options.out)?;
        return Ok(report.write(&options.out)?);
    }
    let wanted = |name: &str| options.name.as_deref().is_none_or(|only| only == name);
    let chosen: Vec<_> = CRATES.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = CRATES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no benchmarks of that name; there are {}", names.join(", ")).into());
    }
    for (name, measure) in chosen {
        let mut report = Report::new(name).only(options.only.as_deref());
        measure(&mut report)?;
        report.write(&options.out)?;
    }
    Ok(())
}
