//! `restore`: values in the place of their tokens.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use strongroom::pii::{Destination, RestorePolicy, Restorer};
use strongroom::tenancy::TenantId;

use super::inputs::count;
use super::vault::{self, Seal};
use crate::failure::Failure;
use crate::input::{self, MAX_CONTENT};
use crate::output::{self, Output};
use crate::report::Report;

pub(super) const HELP: &str = "\
The vault is what `redact --vault` wrote; only the tokens in it that are the tenant's are restored.
A token is known whatever a model made of it: another case, spaces between, other brackets. A token
that was made up stays as it is.

A model can be talked into writing a token where somebody else reads it. Inside web addresses no
value is put back unless --urls says so, and with --to tool none at all unless --tools does. How
many were put back, and how many withheld, is told on standard error.

Examples:
  strongroom pii restore --vault vault.jsonl answer.txt
  strongroom pii restore --vault vault.jsonl --keyring keys \\
    --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 --json < answer.txt
  strongroom pii restore --vault vault.jsonl --to tool --tools < arguments.json";

#[derive(Args)]
pub(crate) struct Options {
    /// The file that `redact --vault` wrote
    #[arg(long, value_name = "FILE")]
    vault: PathBuf,
    #[command(flatten)]
    seal: Seal,
    /// Whose tokens; the platform's own unless given
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// Where the text is going
    #[arg(long, value_enum, default_value = "answer")]
    to: To,
    /// Put values into web addresses as well
    #[arg(long)]
    urls: bool,
    /// Put values into the arguments of tools as well
    #[arg(long)]
    tools: bool,
    /// The text
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum To {
    /// To the caller, as text
    Answer,
    /// Into the arguments of a tool
    Tool,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let tenant = options.tenant.unwrap_or(TenantId::PLATFORM);
    let key = options.seal.open(&tenant)?;
    let mut restorer = Restorer::new(RestorePolicy {
        answers: true,
        urls: options.urls,
        tools: options.tools,
    });
    vault::load(&options.vault, &tenant, key.as_ref(), &mut restorer)?;
    let text = input::text(options.file.as_deref(), MAX_CONTENT)?;
    let destination = match options.to {
        To::Answer => Destination::Answer,
        To::Tool => Destination::ToolArguments,
    };
    let restored = restorer.restore(destination, &text);
    if output == Output::Json {
        let counts = restored.restored.iter();
        let counts = counts.map(|(class, number)| (class.id().to_owned(), Value::from(*number)));
        return Report::new()
            .with("restored", counts.collect::<Map<_, _>>())
            .with("withheld", restored.withheld)
            .with("text", restored.text)
            .print(output);
    }
    output::write(restored.text.as_bytes())?;
    let number = restored.restored.values().sum();
    let by_class = restored.restored.iter();
    let by_class: Vec<_> = by_class.map(|(class, n)| format!("{class} {n}")).collect();
    let by_class = if by_class.is_empty() {
        String::new()
    } else {
        format!(" ({})", by_class.join(", "))
    };
    let values = count(number, "value", "values");
    eprintln!(
        "restored {values}{by_class}, withheld {}",
        restored.withheld
    );
    Ok(())
}
