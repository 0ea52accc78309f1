//! Runs the fuzz bodies on a stable toolchain, for as long as one likes.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use strongroom_fuzz::{BODIES, Corpus, Limit, random, replay, run_one};

/// Runs fuzz bodies over their corpus and over inputs made by chance.
#[derive(Parser)]
struct Options {
    /// Seconds for each body
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Run this body alone
    #[arg(long)]
    body: Option<String>,
    /// Repeat the run of this seed; without it, the clock chooses one
    #[arg(long)]
    seed: Option<u64>,
    /// Run this file alone
    #[arg(long, requires = "body")]
    input: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = options.seed.unwrap_or(clock.as_secs());
    let wanted = |name: &str| options.body.as_deref().is_none_or(|body| body == name);
    let bodies: Vec<_> = BODIES.iter().filter(|body| wanted(body.name)).collect();
    if bodies.is_empty() {
        let names: Vec<_> = BODIES.iter().map(|body| body.name).collect();
        return Err(format!("no such body; there are {}", names.join(", ")).into());
    }
    for body in bodies {
        if let Some(path) = &options.input {
            let time = run_one(body, &std::fs::read(path)?, &path.display().to_string());
            println!("{}: {time:?}", body.name);
            continue;
        }
        let corpus = Corpus::read(body.name)?;
        let known = replay(body, &corpus);
        let limit = Limit {
            inputs: u64::MAX,
            time: Duration::from_secs(options.seconds),
        };
        let made = random(body, &corpus, seed, limit);
        println!(
            "{:28} seed {seed}: {} files and {} inputs, the slowest {:?}",
            body.name,
            known.inputs,
            made.inputs,
            known.slowest.max(made.slowest)
        );
    }
    Ok(())
}
