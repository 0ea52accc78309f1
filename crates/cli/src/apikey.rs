//! `strongroom apikey`: keys, by their text alone.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use strongroom::apikey::{ApiKey, Environment, HashedKey, ParseError, Prefix};

use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a key: it is printed once, with the hash to store
    #[command(after_help = "Examples:\n  strongroom apikey issue --prefix cust --env live")]
    Issue {
        /// Whose keys these are: a lower-case letter, then 1 to 11 lower-case letters or digits
        #[arg(long)]
        prefix: Prefix,
        /// What the key opens: live or test
        #[arg(long)]
        env: Environment,
    },
    /// Tell whether a key is well formed, without repeating its secret part
    #[command(after_help = INSPECT_HELP)]
    Inspect(Source),
    /// Print the hash that a server stores of a key
    #[command(after_help = "Examples:\n  strongroom apikey hash --key-file key")]
    Hash(Source),
}

const INSPECT_HELP: &str = "\
A well-formed key need not be one that was issued: only the server that stores its hash can tell.

Examples:
  strongroom apikey inspect --key-file key
  strongroom apikey inspect --json < key";

#[derive(Args)]
pub(crate) struct Source {
    /// Holds the key; standard input is read without it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Issue { prefix, env } => {
            let key = ApiKey::generate(&prefix, env).map_err(Failure::unusable)?;
            let report = Report::new().with("key", key.expose());
            with_hash(report, &key).print(output)
        }
        Verb::Inspect(source) => {
            let key = read_key(source.key_file.as_deref())?.map_err(Failure::refused)?;
            Report::valid("api key")
                .with_text("prefix", key.prefix())
                .with_text("environment", key.environment())
                .with_text("key_id", key.id())
                .print(output)
        }
        Verb::Hash(source) => {
            let key = read_key(source.key_file.as_deref())?.map_err(Failure::refused)?;
            with_hash(Report::new(), &key).print(output)
        }
    }
}

fn with_hash(report: Report, key: &ApiKey) -> Report {
    let hash: HashedKey = key.hash();
    report
        .with_text("key_id", key.id())
        .with("scheme", hash.scheme() as u8)
        .with("hash", hex::encode(hash.as_bytes()))
}

fn read_key(file: Option<&Path>) -> Result<Result<ApiKey, ParseError>, Failure> {
    Ok(input::secret(file)?.parse())
}
