//! Redaction: a policy applied to a text.

use std::fmt;
use std::ops::Range;

use strongroom_tenancy::TenantId;

use crate::{Channel, Class, Confidence, Evidence, Mode, Policy, scan};

/// A text under a policy, and what was found on the way.
#[derive(Clone, PartialEq)]
pub struct Redaction {
    /// The text, with each strict finding replaced by its class's placeholder.
    pub text: String,
    /// What was found, in order of position. Findings below their rule's threshold, and those of
    /// classes that are off, are absent.
    pub findings: Vec<Finding>,
    /// The hash of the policy that was applied.
    pub policy_hash: [u8; 32],
}

/// One thing that was found; never the value itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub class: Class,
    /// Where it was in the text as given: UTF-8 byte offsets, on character boundaries.
    pub range: Range<usize>,
    /// How sure the recogniser was.
    pub confidence: Confidence,
    /// Why.
    pub evidence: Vec<Evidence>,
    /// What was done.
    pub action: Mode,
    /// Which rule decided, counted from 0; `None` when no rule reached the finding.
    pub rule: Option<usize>,
}

/// The policy refuses the text as a whole, because it holds this class on this channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blocked by policy: {class} on channel {channel}")]
pub struct Blocked {
    /// What was found.
    pub class: Class,
    /// Where the text was going.
    pub channel: Channel,
}

impl Policy {
    /// Applies the policy to a text.
    ///
    /// Redacting twice is redacting once: a placeholder is never found again, and taking a value
    /// out never makes its surroundings look like another.
    ///
    /// # Errors
    /// [`Blocked`] when a finding's mode is [`Mode::Block`]; the text must then go nowhere.
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
    /// # Ok::<(), strongroom_pii::Blocked>(())
    /// ```
    pub fn redact(
        &self,
        tenant: &TenantId,
        channel: Channel,
        text: &str,
    ) -> Result<Redaction, Blocked> {
        let mut redacted = String::with_capacity(text.len());
        let mut findings = Vec::new();
        let mut done = 0;
        for found in scan(text) {
            let verdict = self.verdict(tenant, channel, found.class);
            if found.confidence < verdict.min_confidence {
                continue;
            }
            match verdict.mode {
                Mode::Off => continue,
                Mode::FlagOnly => {}
                Mode::Strict => {
                    redacted.push_str(text.get(done..found.range.start).unwrap_or_default());
                    redacted.push_str(found.class.placeholder());
                    done = found.range.end;
                }
                Mode::Block => {
                    return Err(Blocked {
                        class: found.class,
                        channel,
                    });
                }
            }
            findings.push(Finding {
                class: found.class,
                range: found.range,
                confidence: found.confidence,
                evidence: found.evidence,
                action: verdict.mode,
                rule: verdict.rule,
            });
        }
        redacted.push_str(text.get(done..).unwrap_or_default());
        Ok(Redaction {
            text: redacted,
            findings,
            policy_hash: self.hash(),
        })
    }
}

impl fmt::Debug for Redaction {
    /// Without the text: what is flagged or unknown is still in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction")
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}
