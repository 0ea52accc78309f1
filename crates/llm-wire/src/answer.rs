//! Chat completions, the provider's answers.

use std::fmt;

use strongroom_pii::{Channel, Policy};
use strongroom_tenancy::TenantId;

use crate::error::WireError;
use crate::findings::Findings;
use crate::guard::Guard;
use crate::identifier::{is_identifier, is_moment};
use crate::path::Path;
use crate::record::{audit_body, audit_text};
use crate::redactor::{Direction, Redactor};
use crate::value::Value;

/// What an answer's texts go through.
const CHANNELS: [Channel; 2] = [Channel::Output, Channel::Tool];

/// A chat completion as the provider sent it: nothing in it has met a policy.
///
/// Unknown members are taken, and redacted like the known ones.
///
/// ```
/// use strongroom_llm_wire::ChatAnswer;
/// use strongroom_pii::Policy;
/// use strongroom_tenancy::TenantId;
///
/// let body = br#"{"model":"gpt-x","choices":[{"index":0,"finish_reason":"stop","message":
///     {"role":"assistant","content":"Write to jane@example.com."}}],
///     "usage":{"prompt_tokens":9,"completion_tokens":5}}"#;
/// let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
/// let answer = ChatAnswer::parse(body)?.redact(&Policy::strict(), &tenant)?;
/// assert!(String::from_utf8_lossy(answer.body()).contains("Write to [EMAIL]."));
/// assert_eq!((answer.model(), answer.usage()), (Some("gpt-x"), Some((9, 5))));
/// assert_eq!(answer.finish_reasons(), ["stop"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChatAnswer {
    members: Vec<(String, Value)>,
}

/// An answer that met a policy; only [`ChatAnswer::redact`] makes one.
pub struct RedactedAnswer {
    body: Vec<u8>,
    /// Where it is another.
    audit: Option<Vec<u8>>,
    findings: Findings,
    model: Option<String>,
    audit_model: Option<String>,
    usage: Option<(u64, u64)>,
    finish_reasons: Vec<String>,
    policy_hash: [u8; 32],
}

impl ChatAnswer {
    /// Reads an answer's body. Its size is the caller's to cap.
    ///
    /// # Errors
    /// [`WireError`]: the body is not strict JSON, or has no array `choices`.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let root = Path::ROOT;
        let answer = Value::parse(body)?;
        let path = root.member("choices");
        match answer.member("choices") {
            Some(Value::Array(_)) => {}
            Some(_) => return Err(WireError::invalid(&path, "an array of choices")),
            None => return Err(WireError::missing(&path)),
        }
        match answer {
            Value::Object(members) => Ok(Self { members }),
            _ => Err(WireError::invalid(&root, "an object")),
        }
    }

    /// Puts every string of the answer through the policy: tool calls on channel `tool`, all else
    /// on channel `output`. Log probabilities, which spell the text again, become `null`.
    ///
    /// # Errors
    /// [`WireError::Blocked`] where the policy says so; [`WireError::FieldRefused`] for images,
    /// audio and files, and for personal data in names and numbers, save numbers in JSON that is a text (a
    /// call's arguments), which become labels.
    pub fn redact(self, policy: &Policy, tenant: &TenantId) -> Result<RedactedAnswer, WireError> {
        self.redact_with(&Guard::new(policy, tenant))
    }

    /// The same, with what the policy's operators need.
    ///
    /// # Errors
    /// As of [`redact`](Self::redact).
    pub fn redact_with(self, guard: &Guard<'_>) -> Result<RedactedAnswer, WireError> {
        let root = Path::ROOT;
        let mut redactor = Redactor::new(guard, Direction::Answer);
        let mut members = self.members;
        let original = (!guard.is_fit_for_audit(CHANNELS)).then(|| Value::Object(members.clone()));
        for (name, value) in &mut members {
            let path = root.member(name);
            match (name.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    for (index, choice) in choices.iter_mut().enumerate() {
                        redactor.choice(choice, &path.element(index))?;
                    }
                }
                ("created", Value::Number(number)) if is_moment(number) => {}
                (_, value) => {
                    redactor.member(name, value, Channel::Output, &path)?;
                }
            }
        }
        let answer = Value::Object(members);
        let body = answer.encode()?;
        let audit = audit_body(guard, original, &answer)?;
        let model = model(&answer);
        let audit_model = model.as_deref().map(|model| audit_text(guard, model));
        Ok(RedactedAnswer {
            body,
            audit,
            findings: redactor.findings,
            model,
            audit_model: audit_model.transpose()?,
            usage: usage(&answer),
            finish_reasons: finish_reasons(&answer),
            policy_hash: guard.policy.hash(),
        })
    }
}

impl Redactor<'_> {
    fn choice(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        let Value::Object(members) = value else {
            return self.any(value, Channel::Output, path);
        };
        for (name, value) in members {
            let path = path.member(name);
            if name == "message" {
                self.message(value, &path)?;
            } else {
                self.member(name, value, Channel::Output, &path)?;
            }
        }
        Ok(())
    }
}

fn model(answer: &Value) -> Option<String> {
    let model = answer.member("model")?.as_str()?;
    is_identifier(model).then(|| model.to_owned())
}

fn usage(answer: &Value) -> Option<(u64, u64)> {
    let usage = answer.member("usage")?;
    let tokens = |name| usage.member(name).and_then(Value::as_u64);
    tokens("prompt_tokens").zip(tokens("completion_tokens"))
}

fn finish_reasons(answer: &Value) -> Vec<String> {
    let choices = answer.member("choices").and_then(Value::as_array);
    choices
        .unwrap_or_default()
        .iter()
        .filter_map(|choice| choice.member("finish_reason")?.as_str())
        .filter(|reason| is_identifier(reason))
        .map(str::to_owned)
        .collect()
}

impl RedactedAnswer {
    /// The answer for the client, as JSON.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The answer as an audit log may have it: every value is replaced for good, whatever the policy
    /// lets pass to the client, and a token has become its label.
    #[must_use]
    pub fn audit_body(&self) -> &[u8] {
        self.audit.as_deref().unwrap_or(&self.body)
    }

    /// The answer for the client, as JSON, without a copy.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// What the policy found, counted by class.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The model that answered, as the provider names it; none if it names none, or not by an
    /// identifier.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The model's name as an audit log may have it.
    #[must_use]
    pub fn audit_model(&self) -> Option<&str> {
        self.audit_model.as_deref()
    }

    /// The tokens of the prompt and of the completion, as the provider counted them.
    #[must_use]
    pub const fn usage(&self) -> Option<(u64, u64)> {
        self.usage
    }

    /// Why each choice ended, as `stop` or `tool_calls`, in the order of the choices; a reason
    /// that is no identifier is left out.
    #[must_use]
    pub fn finish_reasons(&self) -> &[String] {
        &self.finish_reasons
    }

    /// The hash of the policy that was applied ([`Policy::hash`]).
    #[must_use]
    pub const fn policy_hash(&self) -> [u8; 32] {
        self.policy_hash
    }
}

// The text of a conversation is never part of a log line.

impl fmt::Debug for ChatAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatAnswer").finish_non_exhaustive()
    }
}

impl fmt::Debug for RedactedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactedAnswer")
            .field("bytes", &self.body.len())
            .field("findings", &self.findings)
            .field("model", &self.model)
            .field("usage", &self.usage)
            .field("finish_reasons", &self.finish_reasons)
            .finish_non_exhaustive()
    }
}
