//! `keygen`: what a sender signs with.

use std::path::PathBuf;

use clap::Args;
use strongroom::webhook_sig::{SigningKey, SigningSecret};

use crate::failure::Failure;
use crate::output::{self, Output};
use crate::report::Report;

pub(super) const HELP: &str = "\
A secret is shared with the receiver. With --asymmetric the file keeps the sender's private key, and
the receiver's public key is printed.

Examples:
  strongroom webhook keygen --out secret
  strongroom webhook keygen > secret
  strongroom webhook keygen --asymmetric --out private > public";

#[derive(Args)]
pub(crate) struct Keygen {
    /// Make an Ed25519 pair (whsk_, whpk_) and not a shared secret (whsec_)
    #[arg(long, requires = "out")]
    asymmetric: bool,
    /// Write it to this new file, readable by its owner alone, and not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Keygen {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let (text, public) = if self.asymmetric {
            let key = SigningKey::generate().map_err(Failure::unusable)?;
            (key.expose_text(), Some(key.verifying_key()))
        } else {
            let secret = SigningSecret::generate().map_err(Failure::unusable)?;
            (secret.expose_text(), None)
        };
        match self.out {
            Some(path) => output::create_private(&path, format!("{}\n", *text).as_bytes())?,
            None if output == Output::Json => {
                return Report::new().with("secret", text.as_str()).print(output);
            }
            None => return output::write(format!("{}\n", *text).as_bytes()),
        }
        match public {
            Some(public) if output == Output::Json => {
                Report::new().with_text("public", public).print(output)
            }
            Some(public) => output::write(format!("{public}\n").as_bytes()),
            None => Ok(()),
        }
    }
}
