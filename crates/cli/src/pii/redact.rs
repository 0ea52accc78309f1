//! `redact`: something else in the place of personal data.

mod files;
mod single;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use strongroom::pii::{Channel, Finding, LinkingKey, Policy, RedactError, Redactor};
use strongroom::tenancy::TenantId;
use zeroize::Zeroizing;

use super::finding;
use super::format::Format;
use super::inputs::Inputs;
use super::pass::PassError;
use super::policy;
use super::vault::{FileVault, Seal};
use crate::envelope::threads;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

pub(super) const HELP: &str = "\
Without --policy everything that is found is replaced by its label. A text that the policy blocks
is refused: exit status 1, and nothing is printed of it.

One text goes to standard output; plain text and JSON Lines while they are read, so that it can be
a log that grows: what may still become part of a value is held back until it is known. A policy
that may block has a text read to its end first.

Several files, or directories, are redacted where they are with --in-place, or into a new directory
with --output; each file is a text of its own, and appears only once it is whole. Of a directory
every file is taken that is UTF-8 text, but for hidden entries; links are not followed. Other files
are left alone, and counted on standard error.

A reversible rule needs --vault, a file to which the tokens and their values are added, and with
which `restore` puts them back. Without --keyring it holds the originals IN THE CLEAR, readable by
its owner alone: guard it as you would guard the text. With --keyring each value in it is sealed
under the tenant's key. The operator hmac needs --linking-key, a file of 64 hexadecimal digits,
such as `openssl rand -hex 32` makes.

Examples:
  strongroom pii redact prompt.txt
  tail -f app.log | strongroom pii redact
  tail -f app.jsonl | strongroom pii redact --format jsonl
  strongroom pii redact --policy policy.toml --channel webhook --format json < body.json
  strongroom pii redact --policy policy.toml --vault vault.jsonl prompt.txt
  strongroom pii redact --policy policy.toml --vault vault.jsonl --keyring keys \\
    --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 prompt.txt
  strongroom pii redact --output shared exports
  strongroom pii redact --in-place fixtures/*.csv";

#[derive(Args)]
pub(crate) struct Options {
    /// The texts: files, directories, or `-` for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How they are written
    #[arg(long, value_enum, default_value = "auto")]
    format: Format,
    /// The policy: JSON if it is named so, else TOML
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where the text is going: prompt, output, tool, log, audit, webhook or export
    #[arg(long, default_value = "prompt")]
    channel: Channel,
    /// The tenant whose rules hold; the platform itself unless given
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// Write over the files
    #[arg(long, conflicts_with = "output")]
    in_place: bool,
    /// Write into this directory, under the same names
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Redact so many files at once; `auto`, or 0, is one for each core
    #[arg(long, value_name = "N", default_value = "auto", value_parser = threads::number)]
    threads: NonZeroUsize,
    /// Add to this file what each token of a reversible rule stands for
    #[arg(long, value_name = "FILE")]
    vault: Option<PathBuf>,
    #[command(flatten)]
    seal: Seal,
    /// The key of the operator hmac
    #[arg(long, value_name = "FILE")]
    linking_key: Option<PathBuf>,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let tenant = options.tenant.unwrap_or(TenantId::PLATFORM);
    let key = options.seal.open(&tenant)?;
    let open = |path: &PathBuf| FileVault::open(path, key);
    let means = Means {
        policy: policy::read(options.policy.as_deref())?,
        tenant,
        channel: options.channel,
        linking: options
            .linking_key
            .as_deref()
            .map(linking_key)
            .transpose()?,
        // Last: it makes a file.
        vault: options.vault.as_ref().map(open).transpose()?,
    };
    let inputs = Inputs::of(&options.paths);
    if options.in_place || options.output.is_some() {
        return files::run(options, &means, &inputs, output);
    }
    if let Some(reason) = inputs.unreadable.first() {
        return Err(Failure::unusable(reason));
    }
    match inputs.list.as_slice() {
        [input] if inputs.is_single => single::run(options.format, &means, input, output),
        _ => Err(Failure::unusable(
            "several files, or a directory: give --in-place or --output",
        )),
    }
}

/// All that a text is redacted with.
struct Means<'k> {
    policy: Policy,
    tenant: TenantId,
    channel: Channel,
    linking: Option<LinkingKey>,
    vault: Option<FileVault<'k>>,
}

impl Means<'_> {
    fn redactor(&self) -> Redactor<'_> {
        let mut redactor = Redactor::new(&self.policy, &self.tenant, self.channel);
        if let Some(vault) = &self.vault {
            redactor = redactor.with_vault(vault);
        }
        if let Some(key) = &self.linking {
            redactor = redactor.with_linking_key(key);
        }
        redactor
    }

    /// Keeps what was taken out, before what was put in its place goes anywhere.
    fn settle(&self) -> Result<(), PassError> {
        let settled = self.vault.as_ref().map(FileVault::settle);
        settled.unwrap_or(Ok(())).map_err(PassError::Write)
    }

    /// What is wrong, and what to do about it.
    fn reason(&self, error: &PassError) -> String {
        match (error, &self.vault) {
            (PassError::Refused(RedactError::NoVault), _) => {
                format!("{}: give --vault", error.reason())
            }
            (PassError::Refused(RedactError::NoLinkingKey), _) => {
                format!("{}: give --linking-key", error.reason())
            }
            (PassError::Refused(RedactError::Vault(_)), Some(vault)) => vault.reason(),
            _ => error.reason(),
        }
    }
}

fn linking_key(path: &Path) -> Result<LinkingKey, Failure> {
    let text = input::secret(Some(path))?;
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.as_bytes(), &mut *bytes).map_err(|_| {
        Failure::unusable(format!(
            "{}: expected 64 hexadecimal digits",
            path.display()
        ))
    })?;
    Ok(LinkingKey::new(*bytes))
}

/// The findings for a program, with what was done about each.
fn told(findings: &[Finding]) -> Value {
    let told = findings.iter().map(|found| {
        let mut value = finding::to_json(found);
        if let Some(members) = value.as_object_mut() {
            members.insert("action".to_owned(), found.action.as_str().into());
            let operator = found.operator.map(|operator| operator.as_str());
            members.insert("operator".to_owned(), json!(operator));
            members.insert("rule".to_owned(), json!(found.rule));
        }
        value
    });
    told.collect()
}
