//! The policy: which mode holds for a tenant, a class and a channel.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use strongroom_tenancy::TenantId;

use crate::document::{Document, PolicyFault, Rule};
use crate::{
    Channel, Class, Confidence, Detector, Mode, Operator, RedactError, Redaction, Redactor,
    RestorePolicy,
};

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
    /// With the classes of the user's own, when the document has any.
    detector: Option<Arc<Detector>>,
    restore: Option<RestorePolicy>,
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

/// What a policy says about one class, for one tenant and channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done with a value.
    pub mode: Mode,
    /// What stands in its place, where the mode replaces it.
    pub operator: Operator,
    /// From which confidence on.
    pub min_confidence: Confidence,
    /// The rule that says so, from 0 in the document's order; none where no rule reaches.
    pub rule: Option<usize>,
}

impl Decision {
    /// From which log-odds on a class counts, in tenths. What is off is still what it is, so that
    /// nothing else is found in it.
    pub(crate) fn floor(&self) -> i16 {
        let threshold = match self.mode {
            Mode::Off => Confidence::DEFAULT_THRESHOLD,
            _ => self.min_confidence,
        };
        threshold.log_odds()
    }
}

impl Default for Decision {
    /// What holds where no rule reaches.
    fn default() -> Self {
        Self {
            mode: Mode::Strict,
            min_confidence: Confidence::DEFAULT_THRESHOLD,
            operator: Operator::Label,
            rule: None,
        }
    }
}

/// The document of [`Policy::strict`]: no rules.
const STRICT_DOCUMENT: &str = "version = 1\n";

impl Policy {
    /// The policy without rules: everything strict, for every tenant and channel, from 0.5.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            version: 1,
            rules: Vec::new(),
            detector: None,
            restore: None,
            source: STRICT_DOCUMENT.to_owned(),
            hash: Sha256::digest(STRICT_DOCUMENT).into(),
        }
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
        Self::new(document, text)
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
        Self::new(document, text)
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

    /// Whether a text of a tenant may be refused on a channel: whoever sends it on piece by piece must
    /// then wait for its end.
    #[must_use]
    pub fn may_block(&self, tenant: &TenantId, channel: Channel) -> bool {
        let mut classes = self.detector().classes();
        classes.any(|class| self.decision(tenant, channel, &class).mode == Mode::Block)
    }

    /// Whether a rule is reversible: a redactor without a vault refuses what it finds by it.
    #[must_use]
    pub fn needs_vault(&self) -> bool {
        self.rules.iter().any(|rule| rule.mode == Mode::Reversible)
    }

    /// Whether a rule has the operator `hmac`: a redactor without a linking key refuses what it
    /// finds by it.
    #[must_use]
    pub fn needs_linking_key(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.operator == Operator::Hmac)
    }

    /// Where values are put back into answers; `None` where none are, as without a table `restore` in
    /// the document.
    #[must_use]
    pub const fn restore(&self) -> Option<RestorePolicy> {
        self.restore
    }

    /// Whether what a tenant's text has become on a channel may stand in an audit log as well: every
    /// value that `audit` would replace is replaced, and for good.
    ///
    /// Where it is not, the text has to go through channel `audit` by itself before it is written down.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Policy};
    /// use strongroom_tenancy::TenantId;
    ///
    /// let strict = Policy::strict();
    /// assert!(strict.is_fit_for_audit(&TenantId::PLATFORM, Channel::Prompt));
    /// let flags = Policy::from_toml(r#"
    /// version = 1
    /// [[rules]]
    /// tenant = "*"
    /// class = "contact.email"
    /// channel = "prompt"
    /// mode = "flag"
    /// "#)?;
    /// assert!(!flags.is_fit_for_audit(&TenantId::PLATFORM, Channel::Prompt));
    /// assert!(flags.is_fit_for_audit(&TenantId::PLATFORM, Channel::Output));
    /// # Ok::<(), strongroom_pii::PolicyError>(())
    /// ```
    #[must_use]
    pub fn is_fit_for_audit(&self, tenant: &TenantId, channel: Channel) -> bool {
        let mut classes = self.detector().classes();
        classes.all(|class| {
            let here = self.decision(tenant, channel, &class);
            let audit = self.decision(tenant, Channel::Audit, &class);
            let is_final = match here.mode {
                Mode::Block => true,
                Mode::Strict => matches!(here.operator, Operator::Label | Operator::Number),
                Mode::Off | Mode::FlagOnly | Mode::Reversible => false,
            };
            is_final && here.min_confidence <= audit.min_confidence
        })
    }

    /// The document's text, as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Applies the policy to one text: [`Redactor`] with neither vault nor linking key.
    ///
    /// A placeholder is never found again, words that counted stay, and what stands beside a value is
    /// looked at again as a second pass would see it, so that redacting twice is redacting once.
    ///
    /// # Errors
    /// [`RedactError`]; the text must then go nowhere.
    ///
    /// # Security
    /// What no recogniser knows passes. Text must be decoded first: JSON escapes, percent signs
    /// and base64 hide what they encode.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Policy};
    /// use strongroom_tenancy::TenantId;
    ///
    /// let text = "My email is john@example.com and SSN is 123-45-6789";
    /// let redaction = Policy::strict().redact(&TenantId::PLATFORM, Channel::Prompt, text)?;
    /// assert_eq!(redaction.text, "My email is [EMAIL] and SSN is [US_SSN]");
    /// assert_eq!(redaction.findings.len(), 2);
    /// # Ok::<(), strongroom_pii::RedactError>(())
    /// ```
    pub fn redact(
        &self,
        tenant: &TenantId,
        channel: Channel,
        text: &str,
    ) -> Result<Redaction, RedactError> {
        Redactor::new(self, tenant, channel).redact(text)
    }

    /// What finds values under the policy: the built-in classes, and those of its document.
    #[must_use]
    pub fn detector(&self) -> &Detector {
        self.detector
            .as_deref()
            .unwrap_or_else(|| Detector::standard())
    }

    /// What the policy says about a class, and by which rule.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Class, Mode, Policy};
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
    /// let decision = |class| policy.decision(&TenantId::PLATFORM, Channel::Prompt, class);
    /// assert_eq!((decision(&Class::UsSsn).mode, decision(&Class::UsSsn).rule), (Mode::Block, Some(0)));
    /// assert_eq!((decision(&Class::Email).mode, decision(&Class::Email).rule), (Mode::Strict, None));
    /// # Ok::<(), strongroom_pii::PolicyError>(())
    /// ```
    #[must_use]
    pub fn decision(&self, tenant: &TenantId, channel: Channel, class: &Class) -> Decision {
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
            Some((index, rule)) => Decision {
                mode: rule.mode,
                min_confidence: rule.min_confidence,
                operator: rule.operator,
                rule: Some(index),
            },
            None => Decision::default(),
        }
    }

    fn new(document: Document, source: &str) -> Result<Self, PolicyError> {
        let at = |fault: PolicyFault, name: &str| PolicyError {
            line: line_of(source, source.find(name).unwrap_or(0)),
            reason: fault,
        };
        let detector = document
            .detector()
            .map_err(|(fault, name)| at(fault, &name))?;
        Ok(Self {
            version: document.version,
            rules: document.rules,
            detector: detector.map(Arc::new),
            restore: document.restore.policy(),
            source: source.to_owned(),
            hash: Sha256::digest(source.as_bytes()).into(),
        })
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
