//! The policy: which mode holds for a tenant, a class and a channel.

use std::fmt;

use sha2::{Digest, Sha256};
use strongroom_tenancy::TenantId;

use crate::document::{Document, PolicyFault, Rule};
use crate::{Channel, Class, Confidence, Mode};

/// Which mode holds for each tenant, class and channel, above which confidence.
///
/// A policy is read from a document and never changes; its hash is that of the document's text,
/// so that an audit event can name the very policy that was applied. The most specific rule
/// decides: a rule for one tenant beats a rule for all, then one class beats a group beats all,
/// then one channel beats all. Among equals the stricter mode decides, then the lower threshold.
/// Where no rule reaches, the mode is strict at 0.5. The format is `docs/spec/pii-policy.md`.
///
/// ```
/// use strongroom_pii::{Channel, Policy};
/// use strongroom_tenancy::TenantId;
///
/// let policy = Policy::from_toml(r#"
/// version = 7
/// [[rules]]
/// tenant = "*"
/// class = "gov.*"
/// channel = "prompt"
/// mode = "block"
/// "#)?;
/// let prompt = |text| policy.redact(&TenantId::PLATFORM, Channel::Prompt, text);
/// assert_eq!(prompt("write to ann@example.com")?.text, "write to [EMAIL]");
/// assert!(prompt("my SSN is 123-45-6789").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Policy {
    version: u64,
    rules: Vec<Rule>,
    source: String,
    hash: [u8; 32],
}

/// Where and why a policy document is refused; it never repeats a value of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy, line {line}: {reason}")]
pub struct PolicyError {
    /// The line of the document, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: PolicyFault,
}

/// What a policy says about one class in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) mode: Mode,
    pub(crate) min_confidence: Confidence,
    pub(crate) rule: Option<usize>,
}

/// The document of [`Policy::strict`]: no rules.
const STRICT_DOCUMENT: &str = "version = 1\n";

impl Policy {
    /// The policy without rules: everything strict, for every tenant and channel, from 0.5.
    #[must_use]
    pub fn strict() -> Self {
        Self::new(1, Vec::new(), STRICT_DOCUMENT)
    }

    /// Reads a policy written as TOML.
    ///
    /// # Errors
    /// [`PolicyError`] with the line and the reason; unknown members are refused.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let document: Document = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            PolicyError {
                line: line_of(text, start),
                reason: PolicyFault::from_message(error.message()),
            }
        })?;
        Ok(Self::new(document.version, document.rules, text))
    }

    /// Reads a policy written as JSON.
    ///
    /// # Errors
    /// [`PolicyError`] with the line and the reason; unknown and repeated members are refused.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        let document: Document = serde_json::from_str(text).map_err(|error| PolicyError {
            line: error.line().max(1),
            reason: PolicyFault::from_message(&error.to_string()),
        })?;
        Ok(Self::new(document.version, document.rules, text))
    }

    /// The document's `version`, which its author raises with each change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// SHA-256 of the document's text, byte for byte as it was given.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// [`hash`](Self::hash) in lower-case hexadecimal.
    #[must_use]
    pub fn hash_hex(&self) -> String {
        hex::encode(self.hash)
    }

    /// The document's text, as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What the policy says about a class.
    pub(crate) fn verdict(&self, tenant: &TenantId, channel: Channel, class: Class) -> Verdict {
        let applying = self.rules.iter().enumerate().filter(|(_, rule)| {
            rule.tenant.is_none_or(|only| only == *tenant)
                && rule.class.covers(class)
                && reaches(rule.channel, channel)
        });
        // The first of equals, so that the rule that is reported does not depend on iteration.
        let best = applying.min_by_key(|(_, rule)| {
            let narrow = (
                rule.tenant.is_some(),
                rule.class.specificity(),
                rule.channel.is_some(),
            );
            (std::cmp::Reverse((narrow, rule.mode)), rule.min_confidence)
        });
        match best {
            Some((index, rule)) => Verdict {
                mode: rule.mode,
                min_confidence: rule.min_confidence,
                rule: Some(index),
            },
            None => Verdict {
                mode: Mode::Strict,
                min_confidence: Confidence::DEFAULT_THRESHOLD,
                rule: None,
            },
        }
    }

    fn new(version: u64, rules: Vec<Rule>, source: &str) -> Self {
        Self {
            version,
            rules,
            source: source.to_owned(),
            hash: Sha256::digest(source.as_bytes()).into(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::strict()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy(version {}, {})", self.version, self.hash_hex())
    }
}

/// Whether a rule for `rule` (`None`: all) holds on `channel`. What is written down for others to
/// read, logs and audit events, is reached only by rules that name it.
fn reaches(rule: Option<Channel>, channel: Channel) -> bool {
    match rule {
        Some(only) => only == channel,
        None => !matches!(channel, Channel::Log | Channel::Audit),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + memchr::memchr_iter(b'\n', before).count()
}
