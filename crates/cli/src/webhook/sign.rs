//! `sign`: the headers of one delivery attempt.

use std::path::PathBuf;

use clap::Args;
use strongroom::webhook_sig::{MessageId, Signer, WebhookError, sign_undated};

use super::scheme::{self, Chosen};
use crate::clock;
use crate::failure::Failure;
use crate::input::{self, MAX_CONTENT};
use crate::output::Output;
use crate::report::Report;

pub(super) const HELP: &str = "\
A secret file holds one secret or private key a line; with several, each signs, as during a rotation.

Examples:
  strongroom webhook sign --secret-file secret --id msg_1 body.json > headers.txt
  strongroom webhook sign --scheme stripe --secret-file secret < body.json";

#[derive(Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(super) message: Message,
}

/// A message to be signed.
#[derive(Args)]
pub(super) struct Message {
    /// Whose conventions to follow
    #[arg(long, value_enum, default_value_t = Chosen::Standard)]
    scheme: Chosen,
    /// Holds the signing secret or private key
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The message's id, the same for all attempts to deliver it; made up unless given
    #[arg(long)]
    id: Option<MessageId>,
    /// When the attempt is made, in Unix seconds; now unless given
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<u64>,
    /// The body, byte for byte as it is sent
    body: Option<PathBuf>,
}

/// Headers by name, and the body that they sign.
pub(super) type Attempt = (Vec<(&'static str, String)>, Vec<u8>);

impl Sign {
    pub(super) fn run(&self, output: Output) -> Result<(), Failure> {
        let (headers, _) = self.message.sign()?;
        let report = headers
            .into_iter()
            .fold(Report::new(), |report, (name, value)| {
                report.with(name, value)
            });
        report.print(output)
    }
}

impl Message {
    pub(super) fn sign(&self) -> Result<Attempt, Failure> {
        let id = self.id.clone().map_or_else(new_id, Ok)?;
        if let Some(scheme) = self.scheme.dated() {
            let keys = scheme::sender_keys(scheme, &self.secret_file)?;
            let signer = Signer::new(scheme, keys).map_err(Failure::unusable)?;
            let body = input::bytes(self.body.as_deref(), MAX_CONTENT)?;
            let signed = signer.sign(&id, clock::now_or(self.timestamp), &body);
            return Ok((signed.headers(), body));
        }
        let secrets = scheme::github_secrets(&self.secret_file)?;
        // The header has room for one.
        let [secret] = secrets.as_slice() else {
            return Err(Failure::unusable(format!(
                "{}: github signs with one secret",
                self.secret_file.display()
            )));
        };
        let body = input::bytes(self.body.as_deref(), MAX_CONTENT)?;
        Ok((sign_undated(secret, &id, &body).headers(), body))
    }
}

fn new_id() -> Result<MessageId, Failure> {
    let mut random = [0; 16];
    let filled = getrandom::fill(&mut random);
    filled.map_err(|_| Failure::unusable(WebhookError::RandomnessUnavailable))?;
    let id = format!("msg_{}", hex::encode(random)).parse();
    id.map_err(|error: WebhookError| Failure::unusable(error))
}
