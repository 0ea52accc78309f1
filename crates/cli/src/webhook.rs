//! `strongroom webhook`: one message, signed or verified.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use strongroom::webhook_sig::{
    DEFAULT_TOLERANCE, HeaderSet, MessageId, SigningSecret, Verifier, WebhookError, sign_with_all,
};

use crate::clock;
use crate::failure::Failure;
use crate::input::{self, MAX_CONTENT, MAX_DOCUMENT};
use crate::output::{self, Output};
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a signing secret
    #[command(after_help = KEYGEN_HELP)]
    Keygen {
        /// Write it to this new file, readable by its owner alone, and not to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the headers that sign a body
    #[command(after_help = SIGN_HELP)]
    Sign(Sign),
    /// Verify a received message
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
}

const KEYGEN_HELP: &str = "\
Examples:
  strongroom webhook keygen --out secret
  strongroom webhook keygen > secret";

const SIGN_HELP: &str = "\
A secret file holds one secret a line; with several, each signs, as during a rotation.

Examples:
  strongroom webhook sign --secret-file secret --id msg_1 body.json > headers.txt";

const VERIFY_HELP: &str = "\
Headers are lines 'name: value'. A refused message gives the problem document to answer with, and
exit status 1. One message is looked at: that it was not received before is not checked.

Examples:
  strongroom webhook verify --secret-file secret --headers headers.txt body.json
  strongroom webhook verify --secret-file secret --headers headers.txt --now 1614265330 < body.json";

#[derive(Args)]
pub(crate) struct Sign {
    /// Holds the signing secret
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The message's id, the same for all attempts to deliver it
    #[arg(long)]
    id: MessageId,
    /// When the attempt is made, in Unix seconds; now unless given
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<u64>,
    /// The body, byte for byte as it is sent
    body: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// Holds the signing secret
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Holds the received headers
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// The receiver's time, in Unix seconds; the system's unless given
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// How far the timestamp may be from it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TOLERANCE)]
    tolerance: u64,
    /// The body, byte for byte as it was received
    body: Option<PathBuf>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Keygen { out } => {
            let secret = SigningSecret::generate().map_err(Failure::unusable)?;
            let text = secret.expose_text();
            match out {
                Some(path) => output::create_private(&path, format!("{}\n", *text).as_bytes()),
                None if output == Output::Json => {
                    Report::new().with("secret", text.as_str()).print(output)
                }
                None => output::write(format!("{}\n", *text).as_bytes()),
            }
        }
        Verb::Sign(options) => sign(&options, output),
        Verb::Verify(options) => verify(&options, output),
    }
}

fn sign(options: &Sign, output: Output) -> Result<(), Failure> {
    let secrets = read_secrets(&options.secret_file)?;
    let body = input::bytes(options.body.as_deref(), MAX_CONTENT)?;
    let timestamp = clock::now_or(options.timestamp);
    let signed = sign_with_all(&secrets, &options.id, timestamp, &body);
    let headers = signed.map_err(Failure::unusable)?.headers();
    let report = headers
        .into_iter()
        .fold(Report::new(), |report, (name, value)| {
            report.with(name, value)
        });
    report.print(output)
}

fn verify(options: &Verify, output: Output) -> Result<(), Failure> {
    let secrets = read_secrets(&options.secret_file)?;
    let verifier = Verifier::new(secrets).map_err(Failure::unusable)?;
    let verifier = verifier
        .with_tolerance(options.tolerance)
        .with_body_limit(MAX_CONTENT as u64);
    let headers = read_headers(&options.headers)?;
    let body = input::bytes(options.body.as_deref(), MAX_CONTENT)?;
    let received = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let now = clock::now_or(options.now);
    let verified =
        HeaderSet::collect(received).and_then(|headers| verifier.verify(&headers, &body, now));
    match verified {
        Ok(verified) => Report::valid("webhook")
            .with_text("id", verified.message_id())
            .with("timestamp", verified.timestamp())
            .print(output),
        Err(refused) => {
            output::write(format!("{}\n", refused.problem()).as_bytes())?;
            Err(Failure::RefusedAndShown)
        }
    }
}

fn read_secrets(path: &Path) -> Result<Vec<SigningSecret>, Failure> {
    let text = input::secret(Some(path))?;
    let secrets: Result<Vec<_>, WebhookError> = text.lines().map(str::parse).collect();
    secrets.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}

fn read_headers(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = input::text(Some(path), MAX_DOCUMENT)?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let headers = lines.map(|(number, line)| {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            let (path, number) = (path.display(), number + 1);
            Failure::unusable(format!("{path}: line {number}: expected 'name: value'"))
        })?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    headers.collect()
}
