//! `policy-check`, and policies as the other verbs read them.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use strongroom::pii::{Channel, Class, Mode, Policy, PolicyError};
use strongroom::tenancy::TenantId;

use super::finding::rounded;
use super::selector::{Selector, chosen};
use crate::failure::Failure;
use crate::input::{self, MAX_DOCUMENT};
use crate::output::{self, Output};
use crate::report::Report;

pub(super) const CHECK_HELP: &str = "\
needs_vault says that a rule is reversible: `redact` needs --vault wherever it holds. The same for
needs_linking_key, the operator hmac and --linking-key. restores says where a server puts values back.

With --explain a line for each class and channel follows: what is done, what stands in a value's place, from
which confidence on, and by which rule of the document, counted from 0.

Examples:
  strongroom pii policy-check policy.toml
  strongroom pii policy-check policy.json --json
  strongroom pii policy-check policy.toml --explain --class 'gov.*' --channel prompt
  strongroom pii policy-check policy.toml --explain --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002";

#[derive(Args)]
pub(crate) struct Check {
    /// The policy: JSON if it is named so, else TOML
    file: PathBuf,
    /// Say what is decided for each class on each channel, and by which rule
    #[arg(long)]
    explain: bool,
    /// For this tenant; the platform unless given
    #[arg(long, value_name = "UUID", requires = "explain")]
    tenant: Option<TenantId>,
    /// On this channel alone
    #[arg(long, requires = "explain")]
    channel: Option<Channel>,
    /// Of these classes alone: an id, a group such as gov.*, a label or an alias; may be repeated
    #[arg(long = "class", value_name = "SELECTOR", value_parser = Selector::parse, requires = "explain")]
    classes: Vec<Selector>,
}

pub(super) fn check(options: &Check, output: Output) -> Result<(), Failure> {
    let policy = parse(&options.file)?.map_err(Failure::refused)?;
    let places = policy.restore().map(|restore| {
        let places = [
            ("answers", restore.answers),
            ("urls", restore.urls),
            ("tools", restore.tools),
        ];
        let told = places.into_iter().filter(|(_, is)| *is);
        told.map(|(name, _)| name).collect::<Vec<_>>().join(",")
    });
    Report::valid("policy")
        .with("version", policy.version())
        .with("hash", policy.hash_hex())
        .with("needs_vault", policy.needs_vault())
        .with("needs_linking_key", policy.needs_linking_key())
        .with("restores", places.unwrap_or_default())
        .print(output)?;
    if options.explain {
        output::write(explained(options, &policy, output).as_bytes())?;
    }
    Ok(())
}

/// What is decided for each class, those of the document's own included.
fn explained(options: &Check, policy: &Policy, output: Output) -> String {
    let tenant = options.tenant.unwrap_or(TenantId::PLATFORM);
    let mut classes = chosen(&options.classes);
    if options.classes.is_empty() {
        let custom = policy.detector().custom_classes();
        classes.extend(custom.cloned().map(Class::Custom));
    }
    let mut lines = String::new();
    for class in &classes {
        for channel in Channel::ALL {
            if options.channel.is_some_and(|only| only != channel) {
                continue;
            }
            let decision = policy.decision(&tenant, channel, class);
            let replaces = matches!(decision.mode, Mode::Strict | Mode::Reversible);
            let operator = replaces.then(|| decision.operator.as_str());
            let (mode, from) = (decision.mode.as_str(), decision.min_confidence);
            if output == Output::Json {
                let line = json!({
                    "class": class.id(), "channel": channel.as_str(), "mode": mode,
                    "operator": operator, "min_confidence": rounded(from), "rule": decision.rule,
                });
                lines.push_str(&format!("{line}\n"));
            } else {
                let rule = decision.rule.map(|rule| format!("rule {rule}"));
                let rule = rule.unwrap_or_else(|| "no rule".to_owned());
                let operator = operator.unwrap_or("-");
                let line = format!("{class}\t{channel}\t{mode}\t{operator}\t{from}\t{rule}\n");
                lines.push_str(&line);
            }
        }
    }
    lines
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
