//! `verify`: one received message.

use std::path::{Path, PathBuf};

use clap::Args;
use strongroom::webhook_sig::{
    DEFAULT_TOLERANCE, Scheme, UndatedHeaders, UndatedVerifier, Verifier, WebhookError,
};

use super::scheme::{self, Chosen};
use crate::clock;
use crate::failure::Failure;
use crate::input::{self, MAX_CONTENT, MAX_DOCUMENT};
use crate::output::{self, Output};
use crate::report::Report;

pub(super) const HELP: &str = "\
Headers are lines 'name: value'. A refused message gives the problem document to answer with, and
exit status 1. One message is looked at: that it was not received before is not checked. The secret
file holds one secret or public key a line; any of them may have signed.

Examples:
  strongroom webhook verify --secret-file secret --headers headers.txt body.json
  strongroom webhook verify --secret-file secret --headers headers.txt --now 1614265330 < body.json
  strongroom webhook verify --scheme github --without-window --secret-file secret \\
    --headers headers.txt body.json";

#[derive(Args)]
pub(crate) struct Verify {
    /// Whose conventions to follow
    #[arg(long, value_enum, default_value_t = Chosen::Standard)]
    scheme: Chosen,
    /// Take a message whose scheme signs no time: an old one is as good as a new one
    #[arg(long)]
    without_window: bool,
    /// Holds the signing secret or public key
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Holds the received headers
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// The receiver's time, in Unix seconds; the system's unless given
    #[arg(long, value_name = "SECONDS", conflicts_with = "without_window")]
    now: Option<u64>,
    /// How far the timestamp may be from it, in seconds; 300 unless given
    #[arg(long, value_name = "SECONDS", conflicts_with = "without_window")]
    tolerance: Option<u64>,
    /// The body, byte for byte as it was received
    body: Option<PathBuf>,
}

type Headers = Vec<(String, String)>;

impl Verify {
    pub(super) fn run(&self, output: Output) -> Result<(), Failure> {
        let report = match (self.scheme.dated(), self.without_window) {
            (Some(scheme), false) => self.dated(scheme)?,
            (None, true) => self.undated()?,
            (None, false) => {
                return Err(Failure::unusable(
                    "this scheme signs no time, so that an old message is as good as a new one: \
                     say --without-window to take it",
                ));
            }
            (Some(_), true) => {
                return Err(Failure::unusable(
                    "this scheme has a window: use --tolerance",
                ));
            }
        };
        match report {
            Ok(report) => report.print(output),
            Err(refused) => {
                output::write(format!("{}\n", refused.problem()).as_bytes())?;
                Err(Failure::RefusedAndShown)
            }
        }
    }

    fn dated(&self, scheme: Scheme) -> Result<Result<Report, WebhookError>, Failure> {
        let keys = scheme::receiver_keys(scheme, &self.secret_file)?;
        let verifier = Verifier::for_scheme(scheme, keys).map_err(Failure::unusable)?;
        let verifier = verifier
            .with_tolerance(self.tolerance.unwrap_or(DEFAULT_TOLERANCE))
            .with_body_limit(MAX_CONTENT as u64);
        let (headers, body) = self.received()?;
        let now = clock::now_or(self.now);
        let verified = verifier
            .collect(pairs(&headers))
            .and_then(|headers| verifier.verify(&headers, &body, now));
        Ok(verified.map(|verified| {
            Report::valid("webhook")
                .with_text("id", verified.message_id())
                .with("timestamp", verified.timestamp())
        }))
    }

    fn undated(&self) -> Result<Result<Report, WebhookError>, Failure> {
        let secrets = scheme::github_secrets(&self.secret_file)?;
        let verifier = UndatedVerifier::accepting_replays(secrets).map_err(Failure::unusable)?;
        let verifier = verifier.with_body_limit(MAX_CONTENT as u64);
        let (headers, body) = self.received()?;
        let verified = UndatedHeaders::collect(pairs(&headers))
            .and_then(|headers| verifier.verify(&headers, &body));
        Ok(verified.map(|verified| {
            Report::valid("webhook").with_text("sha256", hex::encode(verified.body_digest()))
        }))
    }

    fn received(&self) -> Result<(Headers, Vec<u8>), Failure> {
        let headers = read_headers(&self.headers)?;
        Ok((headers, input::bytes(self.body.as_deref(), MAX_CONTENT)?))
    }
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (&str, &[u8])> {
    let headers = headers.iter();
    headers.map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn read_headers(path: &Path) -> Result<Headers, Failure> {
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
