//! `strongroom pii`: personal data, found, taken out and put back.

mod classes;
mod detector;
mod eval;
mod finding;
mod format;
mod in_order;
mod inputs;
mod lines;
mod pass;
mod pieces;
mod policy;
mod rate;
mod redact;
mod replacement;
mod restore;
mod scan;
mod selector;
mod vault;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Put labels or tokens in the place of personal data
    #[command(after_help = redact::HELP)]
    Redact(Box<redact::Options>),
    /// List where personal data is, without repeating it
    #[command(after_help = scan::HELP)]
    Scan(scan::Options),
    /// Put values back in the place of their tokens
    #[command(after_help = restore::HELP)]
    Restore(restore::Options),
    /// List the classes that are recognised
    #[command(after_help = classes::HELP)]
    Classes(classes::Options),
    /// Check a policy, and print its version, its hash and what it needs
    #[command(after_help = policy::CHECK_HELP)]
    PolicyCheck(policy::Check),
    /// Measure what is found against a corpus that says what is there
    #[command(after_help = eval::HELP)]
    Eval(eval::Options),
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Redact(options) => redact::run(&options, output),
        Verb::Scan(options) => scan::run(&options, output),
        Verb::Restore(options) => restore::run(&options, output),
        Verb::Classes(options) => classes::run(&options, output),
        Verb::PolicyCheck(options) => policy::check(&options, output),
        Verb::Eval(options) => eval::run(&options, output),
    }
}
