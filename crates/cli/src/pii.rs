//! `strongroom pii`: personal data, found and taken out.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use strongroom::pii::{Channel, Class, Confidence, Evidence, Policy, PolicyError, scan};
use strongroom::tenancy::TenantId;

use crate::failure::Failure;
use crate::input::{self, MAX_CONTENT, MAX_DOCUMENT};
use crate::output::{self, Output};
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Put labels in the place of personal data
    #[command(after_help = REDACT_HELP)]
    Redact(Redact),
    /// List where personal data is, without repeating it
    #[command(after_help = SCAN_HELP)]
    Scan {
        /// The text
        file: Option<PathBuf>,
    },
    /// List the classes that are recognised
    #[command(after_help = "Examples:\n  strongroom pii classes")]
    Classes,
    /// Check a policy, and print its version and hash
    #[command(after_help = "Examples:\n  strongroom pii policy-check policy.toml")]
    PolicyCheck {
        /// The policy: JSON if it is named so, else TOML
        file: PathBuf,
    },
}

const REDACT_HELP: &str = "\
Without --policy everything that is found is replaced. A text that the policy blocks is refused:
exit status 1, and nothing is printed of it.

Examples:
  strongroom pii redact prompt.txt
  strongroom pii redact --policy policy.toml --channel webhook < body.txt
  strongroom pii redact --json < prompt.txt";

const SCAN_HELP: &str = "\
Ranges are byte offsets into the UTF-8 text.

Examples:
  strongroom pii scan notes.txt
  strongroom pii scan --json < notes.txt";

#[derive(Args)]
pub(crate) struct Redact {
    /// The text
    file: Option<PathBuf>,
    /// The policy: JSON if it is named so, else TOML
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where the text is going: prompt, output, tool, log, audit, webhook or export
    #[arg(long, default_value = "prompt")]
    channel: Channel,
    /// The tenant whose rules hold; the platform itself unless given
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Redact(options) => redact(&options, output),
        Verb::Scan { file } => list(file.as_deref(), output),
        Verb::Classes => classes(output),
        Verb::PolicyCheck { file } => {
            let policy = read_policy(&file)?.map_err(Failure::refused)?;
            Report::valid("policy")
                .with("version", policy.version())
                .with("hash", policy.hash_hex())
                .print(output)
        }
    }
}

fn redact(options: &Redact, output: Output) -> Result<(), Failure> {
    let policy = match &options.policy {
        Some(path) => read_policy(path)?.map_err(Failure::unusable)?,
        None => Policy::strict(),
    };
    let text = input::text(options.file.as_deref(), MAX_CONTENT)?;
    let tenant = options.tenant.unwrap_or(TenantId::PLATFORM);
    let redaction = policy
        .redact(&tenant, options.channel, &text)
        .map_err(Failure::refused)?;
    if output == Output::Text {
        return output::write(redaction.text.as_bytes());
    }
    let findings = redaction.findings.iter().map(|finding| {
        json!({
            "class": finding.class.id(),
            "start": finding.range.start,
            "end": finding.range.end,
            "confidence": rounded(finding.confidence),
            "action": finding.action.as_str(),
            "rule": finding.rule,
        })
    });
    Report::new()
        .with("findings", findings.collect::<Vec<_>>())
        .with("policy_hash", hex::encode(redaction.policy_hash))
        .with("text", redaction.text.clone())
        .print(output)
}

fn list(file: Option<&Path>, output: Output) -> Result<(), Failure> {
    let text = input::text(file, MAX_CONTENT)?;
    let mut lines = String::new();
    for found in scan(&text) {
        let (start, end) = (found.range.start, found.range.end);
        let evidence: Vec<_> = found.evidence.iter().copied().map(evidence_name).collect();
        if output == Output::Json {
            let line = json!({
                "class": found.class.id(),
                "start": start,
                "end": end,
                "confidence": rounded(found.confidence),
                "evidence": evidence,
            });
            lines.push_str(&format!("{line}\n"));
        } else {
            let (class, evidence) = (found.class.id(), evidence.join(","));
            let confidence = found.confidence;
            lines.push_str(&format!(
                "{start}..{end}\t{class}\t{confidence}\t{evidence}\n"
            ));
        }
    }
    output::write(lines.as_bytes())
}

fn classes(output: Output) -> Result<(), Failure> {
    let mut lines = String::new();
    for class in Class::ALL {
        let (id, placeholder) = (class.id(), class.placeholder());
        if output == Output::Json {
            lines.push_str(&format!(
                "{}\n",
                json!({"class": id, "placeholder": placeholder})
            ));
        } else {
            lines.push_str(&format!("{id}\t{placeholder}\n"));
        }
    }
    output::write(lines.as_bytes())
}

fn read_policy(path: &Path) -> Result<Result<Policy, PolicyError>, Failure> {
    let text = input::text(Some(path), MAX_DOCUMENT)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    Ok(if is_json {
        Policy::from_json(&text)
    } else {
        Policy::from_toml(&text)
    })
}

/// The number as it is printed, without the digits that a 32-bit float has by accident.
fn rounded(confidence: Confidence) -> Value {
    json!((f64::from(confidence.get()) * 100.0).round() / 100.0)
}

const fn evidence_name(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Shape => "shape",
        Evidence::Checksum => "checksum",
        Evidence::Numbering => "numbering",
        Evidence::Context => "context",
        Evidence::NegativeContext => "negative-context",
        _ => "other",
    }
}
