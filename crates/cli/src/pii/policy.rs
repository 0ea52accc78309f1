//! `policy-check`, and policies as the other verbs read them.

use std::path::Path;

use strongroom::pii::{Policy, PolicyError};

use crate::failure::Failure;
use crate::input::{self, MAX_DOCUMENT};
use crate::output::Output;
use crate::report::Report;

pub(super) const CHECK_HELP: &str = "\
needs_vault says that a rule is reversible: `redact` needs --vault wherever it holds. The same for
needs_linking_key, the operator hmac and --linking-key.

Examples:
  strongroom pii policy-check policy.toml
  strongroom pii policy-check policy.json --json";

pub(super) fn check(file: &Path, output: Output) -> Result<(), Failure> {
    let policy = parse(file)?.map_err(Failure::refused)?;
    Report::valid("policy")
        .with("version", policy.version())
        .with("hash", policy.hash_hex())
        .with("needs_vault", policy.needs_vault())
        .with("needs_linking_key", policy.needs_linking_key())
        .print(output)
}

/// Reads a policy; without a file, the strict one.
pub(super) fn read(file: Option<&Path>) -> Result<Policy, Failure> {
    match file {
        Some(file) => {
            parse(file)?.map_err(|error| Failure::unusable(format!("{}: {error}", file.display())))
        }
        None => Ok(Policy::strict()),
    }
}

/// Whether a rule may refuse a text as a whole: taken to be so unless the document's text shows
/// that it cannot. Without the word, and without an escape that may hide it, no mode is `block`.
pub(super) fn may_block(policy: &Policy) -> bool {
    policy.source().contains("block") || policy.source().contains('\\')
}

fn parse(file: &Path) -> Result<Result<Policy, PolicyError>, Failure> {
    let text = input::text(Some(file), MAX_DOCUMENT)?;
    let is_json = file
        .extension()
        .is_some_and(|extension| extension == "json");
    Ok(if is_json {
        Policy::from_json(&text)
    } else {
        Policy::from_toml(&text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_may_block_is_known() {
        let policy = |class: &str, mode: &str| {
            let document = format!(
                "version = 1\n[[rules]]\ntenant = \"*\"\nclass = \"{class}\"\nchannel = \
                 \"*\"\nmode = \"{mode}\"\n"
            );
            Policy::from_toml(&document).unwrap()
        };
        assert!(!may_block(&Policy::strict()));
        assert!(!may_block(&policy("gov.*", "flag")));
        assert!(may_block(&policy("gov.*", "block")));
        assert!(may_block(&policy("gov.*", "bl\\u006fck")));
    }
}
