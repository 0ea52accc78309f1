//! Chat completion requests.

use std::fmt;

use strongroom_pii::{Channel, Policy};
use strongroom_tenancy::TenantId;

use crate::error::WireError;
use crate::findings::Findings;
use crate::guard::Guard;
use crate::identifier::is_identifier;
use crate::path::Path;
use crate::record::{audit_body, audit_text};
use crate::redactor::{Direction, Redactor};
use crate::value::Value;

/// What a request's texts go through.
const CHANNELS: [Channel; 2] = [Channel::Prompt, Channel::Tool];

/// How many messages one request may hold.
pub const MAX_MESSAGES: usize = 2048;

/// A request to create a chat completion, as it came: nothing in it has met a policy.
///
/// Its fields are those of OpenAI's API reference, "Create chat completion".
///
/// ```
/// use strongroom_llm_wire::ChatRequest;
/// use strongroom_pii::Policy;
/// use strongroom_tenancy::TenantId;
///
/// let body = br#"{"model":"gpt-4o","user":"7","messages":[
///     {"role":"user","content":"My email is john@example.com"}]}"#;
/// let request = ChatRequest::parse(body)?;
/// assert_eq!(request.model(), "gpt-4o");
///
/// let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
/// let redacted = request.redact(&Policy::strict(), &tenant)?;
/// assert_eq!(
///     String::from_utf8(redacted.upstream_body())?,
///     r#"{"model":"gpt-4o","messages":[{"role":"user","content":"My email is [EMAIL]"}]}"#
/// );
/// assert_eq!(redacted.findings().replaced(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChatRequest {
    model: String,
    members: Vec<(String, Value)>,
}

/// A request that met a policy; only [`ChatRequest::redact`] makes one.
pub struct RedactedRequest {
    body: Vec<u8>,
    /// Where it is another.
    audit: Option<Vec<u8>>,
    audit_model: String,
    model: String,
    findings: Findings,
    policy_hash: [u8; 32],
}

/// How a top-level field is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Messages,
    Identifiers,
    Tools,
    Functions,
    Prediction,
    ResponseFormat,
    /// Text modalities alone: a spoken answer cannot be redacted.
    Modalities,
    /// Strings of the prompt, numbers and switches.
    Any,
    /// Names the user to the provider, or has it keep the conversation; left out.
    Dropped,
    Refused,
}

fn rule(field: &str) -> Option<Rule> {
    Some(match field {
        "messages" => Rule::Messages,
        "function_call"
        | "model"
        | "prompt_cache_retention"
        | "reasoning_effort"
        | "service_tier"
        | "tool_choice"
        | "verbosity" => Rule::Identifiers,
        "tools" => Rule::Tools,
        "functions" => Rule::Functions,
        "prediction" => Rule::Prediction,
        "response_format" => Rule::ResponseFormat,
        "modalities" => Rule::Modalities,
        "frequency_penalty"
        | "logit_bias"
        | "logprobs"
        | "max_completion_tokens"
        | "max_tokens"
        | "n"
        | "parallel_tool_calls"
        | "presence_penalty"
        | "seed"
        | "stop"
        | "stream"
        | "stream_options"
        | "temperature"
        | "top_logprobs"
        | "top_p"
        | "web_search_options" => Rule::Any,
        "metadata" | "prompt_cache_key" | "safety_identifier" | "store" | "user" => Rule::Dropped,
        "audio" => Rule::Refused,
        _ => return None,
    })
}

impl ChatRequest {
    /// Reads a request's body. Its size is the caller's to cap.
    ///
    /// # Errors
    /// [`WireError`] naming the field: the body is not strict JSON, has a field that the API does
    /// not document, asks for a stream, or lacks a model or messages.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let root = Path::ROOT;
        let Value::Object(members) = Value::parse(body)? else {
            return Err(WireError::invalid(&root, "an object"));
        };
        for (name, _) in &members {
            if rule(name).is_none() {
                return Err(WireError::UnknownField(root.member(name).to_string()));
            }
        }
        let field = |name: &str| members.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        match field("stream") {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Bool(true)) => return Err(WireError::StreamUnsupported),
            Some(_) => return Err(WireError::invalid(&root.member("stream"), "true or false")),
        }
        let path = root.member("messages");
        let messages = field("messages").ok_or_else(|| WireError::missing(&path))?;
        match messages.as_array().map(<[Value]>::len) {
            Some(1..=MAX_MESSAGES) => {}
            _ => return Err(WireError::invalid(&path, "an array of 1 to 2048 messages")),
        }
        let path = root.member("model");
        let model = field("model").ok_or_else(|| WireError::missing(&path))?;
        let model = model
            .as_str()
            .filter(|model| is_identifier(model))
            .ok_or_else(|| WireError::invalid(&path, "1 to 256 characters of a model's name"))?
            .to_owned();
        Ok(Self { model, members })
    }

    /// The model's name, as the client asked for it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Puts every string of the request through the policy: on channel `tool` what a tool is
    /// called with, returns and is described by, on channel `prompt` all else.
    ///
    /// # Errors
    /// [`WireError::Blocked`] where the policy says so; [`WireError::FieldRefused`] for images,
    /// audio and files, and for personal data in names, identifiers and numbers, save numbers in JSON that
    /// is a text (a call's arguments), which become labels;
    /// [`WireError::Invalid`] for a message that has no role or whose content is of no known form.
    pub fn redact(self, policy: &Policy, tenant: &TenantId) -> Result<RedactedRequest, WireError> {
        self.redact_with(&Guard::new(policy, tenant))
    }

    /// The same, with what the policy's operators need.
    ///
    /// # Errors
    /// As of [`redact`](Self::redact).
    pub fn redact_with(self, guard: &Guard<'_>) -> Result<RedactedRequest, WireError> {
        let root = Path::ROOT;
        let mut redactor = Redactor::new(guard, Direction::Request);
        let mut members = self.members;
        members.retain(|(name, _)| rule(name) != Some(Rule::Dropped));
        let original = (!guard.is_fit_for_audit(CHANNELS)).then(|| Value::Object(members.clone()));
        for (name, value) in &mut members {
            let path = root.member(name);
            let Some(rule) = rule(name) else {
                return Err(WireError::UnknownField(path.to_string()));
            };
            redactor.field(rule, value, &path)?;
        }
        let redacted = Value::Object(members);
        Ok(RedactedRequest {
            body: redacted.encode()?,
            audit: audit_body(guard, original, &redacted)?,
            audit_model: audit_text(guard, &self.model)?,
            model: self.model,
            findings: redactor.findings,
            policy_hash: guard.policy.hash(),
        })
    }
}

impl Redactor<'_> {
    fn field(&mut self, rule: Rule, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        if *value == Value::Null {
            return Ok(());
        }
        match rule {
            Rule::Messages => self.messages(value, path),
            Rule::Identifiers => self.identifiers(value, Channel::Prompt, path),
            Rule::Tools => self.tools(value, path),
            Rule::Functions => {
                let Value::Array(functions) = value else {
                    return Err(WireError::invalid(path, "an array of functions"));
                };
                for (index, function) in functions.iter_mut().enumerate() {
                    self.definition(function, Channel::Tool, &path.element(index))?;
                }
                Ok(())
            }
            Rule::Prediction => {
                let Value::Object(members) = value else {
                    return Err(WireError::invalid(path, "an object"));
                };
                for (name, value) in members {
                    let path = path.member(name);
                    match name.as_str() {
                        "type" => self.one_of(value, &["content"], Channel::Prompt, &path)?,
                        "content" => self.content(value, Channel::Prompt, &path)?,
                        _ => self.other(name, value, Channel::Prompt, &path)?,
                    }
                }
                Ok(())
            }
            Rule::ResponseFormat => {
                let Value::Object(members) = value else {
                    return Err(WireError::invalid(path, "an object"));
                };
                for (name, value) in members {
                    let path = path.member(name);
                    match name.as_str() {
                        "type" => self.identifiers(value, Channel::Prompt, &path)?,
                        "json_schema" => self.definition(value, Channel::Prompt, &path)?,
                        _ => self.other(name, value, Channel::Prompt, &path)?,
                    }
                }
                Ok(())
            }
            Rule::Modalities => match value {
                Value::Array(elements) => {
                    for (index, element) in elements.iter_mut().enumerate() {
                        let path = path.element(index);
                        self.one_of(element, &["text"], Channel::Prompt, &path)?;
                    }
                    Ok(())
                }
                _ => Err(WireError::refused(path)),
            },
            Rule::Any => self.any(value, Channel::Prompt, path),
            Rule::Dropped => Ok(()),
            Rule::Refused => Err(WireError::refused(path)),
        }
    }
}

impl RedactedRequest {
    /// The request for the provider, as JSON: `user`, `metadata`, `store`, `safety_identifier`
    /// and `prompt_cache_key`, which tell it who asks or have it keep the conversation, are left
    /// out.
    #[must_use]
    pub fn upstream_body(&self) -> Vec<u8> {
        self.body.clone()
    }

    /// The request as an audit log may have it: every value is replaced for good, whatever the policy
    /// lets pass to the provider, and a token has become its label.
    #[must_use]
    pub fn audit_body(&self) -> &[u8] {
        self.audit.as_deref().unwrap_or(&self.body)
    }

    /// The model's name, as the client asked for it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The model's name as an audit log may have it.
    #[must_use]
    pub fn audit_model(&self) -> &str {
        &self.audit_model
    }

    /// What the policy found, counted by class.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The hash of the policy that was applied ([`Policy::hash`]).
    #[must_use]
    pub const fn policy_hash(&self) -> [u8; 32] {
        self.policy_hash
    }
}

// The text of a conversation is never part of a log line.

impl fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for RedactedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactedRequest")
            .field("model", &self.model)
            .field("bytes", &self.body.len())
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}
