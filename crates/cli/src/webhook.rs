//! `strongroom webhook`: one message, signed, sent or verified.

mod keygen;
mod scheme;
mod send;
mod sign;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a signing secret, or a pair of keys
    #[command(after_help = keygen::HELP)]
    Keygen(keygen::Keygen),
    /// Print the headers that sign a body
    #[command(after_help = sign::HELP)]
    Sign(sign::Sign),
    /// Verify a received message
    #[command(after_help = verify::HELP)]
    Verify(verify::Verify),
    /// Send a signed message, once
    #[command(after_help = send::HELP)]
    Send(send::Send),
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Keygen(options) => options.run(output),
        Verb::Sign(options) => options.run(output),
        Verb::Verify(options) => options.run(output),
        Verb::Send(options) => options.run(output),
    }
}
