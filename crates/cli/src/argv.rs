//! The command line itself, which every user of the machine can read and shells remember.

use std::ffi::OsString;

use strongroom::apikey::ApiKey;
use strongroom::webhook_sig::{SigningKey, SigningSecret};

use crate::failure::Failure;

/// Refuses secrets as arguments before anything else could repeat them in a message.
pub(crate) fn refuse_secrets(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    for (position, argument) in arguments.enumerate() {
        let argument = argument.to_string_lossy();
        let mut values = argument
            .match_indices('=')
            .filter_map(|(at, _)| argument.get(at + 1..));
        if is_secret(&argument) || values.any(is_secret) {
            return Err(Failure::unusable(format!(
                "argument {} is a secret: give it in a file or on standard input, and replace it, \
                 because shells and process lists keep what was typed",
                position + 1
            )));
        }
    }
    Ok(())
}

fn is_secret(text: &str) -> bool {
    let is_token = text.starts_with("eyJ") && text.split('.').count() == 3;
    let is_webhook_key =
        text.parse::<SigningSecret>().is_ok() || text.parse::<SigningKey>().is_ok();
    is_token || is_webhook_key || text.parse::<ApiKey>().is_ok()
}
