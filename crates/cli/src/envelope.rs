//! `strongroom envelope`: records sealed under a tenant's keys, in a directory of keyrings.

mod front;
mod inspect;
mod keyring;
mod keys;
pub(crate) mod new_file;
mod open;
mod record;
mod rewrap;
mod seal;
mod shred;
mod sink;
mod source;
pub(crate) mod threads;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a key, and the tenant's keyring if it has none
    #[command(after_help = keyring::NEW_HELP)]
    KeyringNew(keyring::Key),
    /// Give a key a new version, which seals from now on; the older ones only open
    #[command(after_help = keyring::ROTATE_HELP)]
    KeyringRotate(keyring::Key),
    /// Seal a record of any length
    #[command(after_help = seal::HELP)]
    Seal(seal::Options),
    /// Open a sealed record
    #[command(after_help = open::HELP)]
    Open(open::Options),
    /// Bring a record under a key's new version, or under other keys, without touching its body
    #[command(after_help = rewrap::HELP)]
    Rewrap(rewrap::Options),
    /// Show how a record is sealed and under which keys, without opening it
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::Options),
    /// Destroy a key, and with it all that is sealed under it alone
    #[command(after_help = shred::HELP)]
    Shred(shred::Options),
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::KeyringNew(key) => keyring::create(&key, output),
        Verb::KeyringRotate(key) => keyring::rotate(&key, output),
        Verb::Seal(options) => seal::run(&options, output),
        Verb::Open(options) => open::run(&options, output),
        Verb::Rewrap(options) => rewrap::run(&options, output),
        Verb::Inspect(options) => inspect::run(&options, output),
        Verb::Shred(options) => shred::run(&options, output),
    }
}
