//! `strongroom apikey`: keys, by their text alone.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use strongroom::apikey::{ApiKey, Environment, Hasher, ParseError, Pepper, PepperId, Prefix};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a key: it is printed once, with the hash to store
    #[command(after_help = ISSUE_HELP)]
    Issue {
        /// Whose keys these are: a lower-case letter, then 1 to 11 lower-case letters or digits
        #[arg(long)]
        prefix: Prefix,
        /// What the key opens: live or test
        #[arg(long)]
        env: Environment,
        #[command(flatten)]
        pepper: PepperSource,
    },
    /// Tell whether a key is well formed, and what is wrong with it, without repeating its secret part
    #[command(after_help = INSPECT_HELP)]
    Inspect(Source),
    /// Print the hash that a server stores of a key
    #[command(after_help = HASH_HELP)]
    Hash {
        #[command(flatten)]
        key: Source,
        #[command(flatten)]
        pepper: PepperSource,
    },
}

const ISSUE_HELP: &str = "\
Examples:
  strongroom apikey issue --prefix cust --env live
  strongroom apikey issue --prefix cust --env live --pepper-file pepper.hex --pepper-id 1";

const INSPECT_HELP: &str = "\
Nothing is asked of any server. A well-formed key need not be one that was issued: only the server
that stores its hash can tell. What is wrong is said by the first part that is: length, prefix,
environment, id, secret or checksum; with --json it is the member code.

Examples:
  strongroom apikey inspect --key-file key
  strongroom apikey inspect --json < key";

const HASH_HELP: &str = "\
Without a pepper the hash is SHA-256 (scheme 1), with one HMAC-SHA-256 (scheme 2).

Examples:
  strongroom apikey hash --key-file key
  strongroom apikey hash --key-file key --pepper-file pepper.hex --pepper-id 1";

#[derive(Args)]
pub(crate) struct Source {
    /// Holds the key; standard input is read without it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct PepperSource {
    /// Holds the server's pepper: 64 to 128 hexadecimal digits
    #[arg(long, value_name = "FILE", requires = "pepper_id")]
    pepper_file: Option<PathBuf>,
    /// The pepper's id, which is stored beside the hash
    #[arg(long, value_name = "NUMBER", requires = "pepper_file")]
    pepper_id: Option<u32>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Issue {
            prefix,
            env,
            pepper,
        } => {
            let hasher = pepper.read()?;
            let key = ApiKey::generate(&prefix, env).map_err(Failure::unusable)?;
            let report = Report::new().with("key", key.expose());
            with_hash(report, &key, &hasher).print(output)
        }
        Verb::Inspect(source) => {
            let key = source.read()?;
            Report::valid("api key")
                .with_text("prefix", key.prefix())
                .with_text("environment", key.environment())
                .with_text("key_id", key.id())
                .print(output)
        }
        Verb::Hash { key, pepper } => {
            let hasher = pepper.read()?;
            with_hash(Report::new(), &key.read()?, &hasher).print(output)
        }
    }
}

fn with_hash(report: Report, key: &ApiKey, hasher: &Hasher) -> Report {
    let hash = hasher.hash(key);
    let report = report
        .with_text("key_id", key.id())
        .with("scheme", hash.scheme() as u8);
    let report = match hash.pepper() {
        Some(pepper) => report.with("pepper_id", pepper.0),
        None => report,
    };
    report.with("hash", hex::encode(hash.as_bytes()))
}

impl Source {
    fn read(&self) -> Result<ApiKey, Failure> {
        let text = input::secret(self.key_file.as_deref())?;
        let refused = |error: ParseError| Failure::refused_with(error.code(), error);
        text.parse().map_err(refused)
    }
}

impl PepperSource {
    fn read(&self) -> Result<Hasher, Failure> {
        let (Some(file), Some(id)) = (&self.pepper_file, self.pepper_id) else {
            return Ok(Hasher::default());
        };
        let pepper = read_pepper(file, PepperId(id))?;
        Hasher::peppered(pepper, Vec::new()).map_err(Failure::unusable)
    }
}

fn read_pepper(file: &Path, id: PepperId) -> Result<Pepper, Failure> {
    let name = file.display();
    let text = input::secret(Some(file))?;
    let secret = hex::decode(text.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| Failure::unusable(format!("{name}: expected hexadecimal digits")))?;
    let pepper = Pepper::new(id, &secret);
    pepper.map_err(|error| Failure::unusable(format!("{name}: {error}")))
}
