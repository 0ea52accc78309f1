//! `strongroom`: seal, redact, sign, issue, mint, prove and verify from a shell.

#![forbid(unsafe_code)]

mod apikey;
mod argv;
mod audit;
mod clock;
mod envelope;
mod evidence;
mod failure;
mod input;
mod output;
mod pii;
mod progress;
mod report;
mod rls;
mod token;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Security primitives for multi-tenant platforms, from a shell
#[derive(Parser)]
#[command(version, after_help = HELP)]
struct CommandLine {
    /// Print one JSON object for each result, on one line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    noun: Noun,
}

const HELP: &str = "\
Exit status:
  0  done, or what was checked holds
  1  what was checked does not hold, or was refused
  2  wrong usage, or input that cannot be read

Secrets come from files or standard input, never from the command line. Files that hold secrets
are created readable by their owner alone, and never written over an existing file. Where FILE is
optional, and for '-', standard input is read.

Examples:
  strongroom audit verify --receipt receipt.txt --batch-key \"$(cat batch.vkey)\"
  strongroom pii redact < prompt.txt
  strongroom webhook verify --secret-file secret --headers headers.txt body.json";

#[derive(Subcommand)]
enum Noun {
    /// Keep audit logs in files; verify logs, receipts, proofs and checkpoints offline
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Find personal data in texts, take it out, put it back
    #[command(subcommand)]
    Pii(pii::Verb),
    /// Issue, inspect and hash API keys
    #[command(subcommand)]
    Apikey(apikey::Verb),
    /// Sign and verify webhooks by Standard Webhooks
    #[command(subcommand)]
    Webhook(webhook::Verb),
    /// Mint and verify access tokens that carry a tenant
    #[command(subcommand)]
    Token(token::Verb),
    /// Seal and open records under a tenant's key
    #[command(subcommand)]
    Envelope(envelope::Verb),
    /// Print the SQL of row-level security by a verified tenant claim
    #[command(subcommand)]
    Rls(rls::Verb),
}

fn main() -> ExitCode {
    if let Err(failure) = argv::refuse_secrets(std::env::args_os().skip(1)) {
        return failure.show(Output::Text);
    }
    let line = CommandLine::parse();
    let output = Output::new(line.json);
    let done = match line.noun {
        Noun::Audit(verb) => audit::run(verb, output),
        Noun::Pii(verb) => pii::run(verb, output),
        Noun::Apikey(verb) => apikey::run(verb, output),
        Noun::Webhook(verb) => webhook::run(verb, output),
        Noun::Token(verb) => token::run(verb, output),
        Noun::Envelope(verb) => envelope::run(verb, output),
        Noun::Rls(verb) => rls::run(verb, output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.show(output),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    /// Help is where a command is learnt: no noun goes without an example.
    #[test]
    fn every_verb_shows_an_example() {
        for noun in CommandLine::command().get_subcommands() {
            for verb in noun.get_subcommands() {
                let help = verb.get_after_help().map(ToString::to_string);
                let line = format!("strongroom {} {}", noun.get_name(), verb.get_name());
                assert!(help.unwrap_or_default().contains(&line), "{line}");
            }
        }
    }
}
