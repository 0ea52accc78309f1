//! What may be written down of a document: every value replaced for good, as channel `audit` has it,
//! whatever the policy lets pass elsewhere.

use std::borrow::Cow;

use serde_json::Number;
use strongroom_pii::{Channel, Redactor as Pass, Restorer, Token};

use crate::error::WireError;
use crate::escape;
use crate::guard::Guard;
use crate::identifier::is_moment;
use crate::names::{Names, naming};
use crate::path::Path;
use crate::redactor::LOGPROBS;
use crate::value::Value;

/// Members that hold JSON in a string.
const JSON_IN_TEXT: &[&str] = &["arguments", "input"];

/// How deep JSON is read that stands in strings of JSON.
const DEEPEST: usize = 3;

/// Goes through a document; unlike what leaves for a provider, nothing in it has to keep a meaning, so
/// that nothing is refused: a name or a number that is personal data becomes a label too.
struct Recorder<'a> {
    pass: Pass<'a>,
    tokens: Option<&'a Restorer>,
}

/// The document's text as an audit log may have it, where that is another than that of `redacted`, which
/// the policy made of it; `original` is the document unless what leaves is fit for that.
pub(crate) fn audit_body(
    guard: &Guard<'_>,
    original: Option<Value>,
    redacted: &Value,
) -> Result<Option<Vec<u8>>, WireError> {
    let mut document = match original {
        Some(document) => document,
        None if leads_back(redacted, "", 0) => redacted.clone(),
        None => return Ok(None),
    };
    Recorder::new(guard).value(&mut document, &Names::default(), 0)?;
    document.encode().map(Some)
}

/// Whether a document that is fit for an audit log leads back to a value after all, as the token of an
/// earlier call does, or escapes, which hide what they spell.
///
/// Text by text, as the recorder goes: a name's end and its value (`"tool_call_id":"..."`) may look like a
/// token together.
fn leads_back(value: &Value, name: &str, depth: usize) -> bool {
    let spells = |text: &str| {
        let token = matches!(Token::labels(text), Cow::Owned(_));
        token || text.contains(r"\u")
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => match json_in(text, name, depth) {
            Some(inner) => leads_back(&inner, "", depth + 1),
            None => spells(text),
        },
        Value::Array(elements) => elements.iter().any(|it| leads_back(it, name, depth)),
        Value::Object(members) => members.iter().any(|(name, value)| {
            respells(name, value) || spells(name) || leads_back(value, name, depth)
        }),
    }
}

/// The JSON that a member of this name holds in its text.
fn json_in(text: &str, name: &str, depth: usize) -> Option<Value> {
    if depth >= DEEPEST || !JSON_IN_TEXT.contains(&name) {
        return None;
    }
    let inner = Value::parse(text.as_bytes()).ok()?;
    matches!(inner, Value::Array(_) | Value::Object(_)).then_some(inner)
}

/// Whether a member spells a text again, piece by piece.
fn respells(name: &str, value: &Value) -> bool {
    LOGPROBS.contains(&name) && matches!(value, Value::Array(_) | Value::Object(_))
}

impl Guard<'_> {
    /// Whether what leaves on these channels may be written down as it is.
    pub(crate) fn is_fit_for_audit(&self, channels: [Channel; 2]) -> bool {
        let mut channels = channels.iter();
        self.tokens.is_none_or(Restorer::is_empty)
            && channels.all(|channel| self.policy.is_fit_for_audit(self.tenant, *channel))
    }
}

/// A text of a document's as an audit log may have it.
pub(crate) fn audit_text(guard: &Guard<'_>, text: &str) -> Result<String, WireError> {
    Recorder::new(guard).text(text, "")
}

impl<'a> Recorder<'a> {
    fn new(guard: &Guard<'a>) -> Self {
        Self {
            pass: Pass::new(guard.policy, guard.tenant, Channel::Audit),
            tokens: guard.tokens,
        }
    }

    fn value(
        &mut self,
        value: &mut Value,
        names: &Names<'_>,
        depth: usize,
    ) -> Result<(), WireError> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) => {
                if let Some(label) = self.number(number, &names.lead)? {
                    *value = Value::String(label);
                }
                Ok(())
            }
            Value::String(text) => {
                *text = match json_in(text, names.inner, depth) {
                    Some(inner) => self.json(inner, depth)?,
                    None if JSON_IN_TEXT.contains(&names.inner) => self.text(text, "")?,
                    None => self.text(text, &names.lead)?,
                };
                Ok(())
            }
            Value::Array(elements) => {
                for element in elements {
                    self.value(element, names, depth)?;
                }
                Ok(())
            }
            Value::Object(members) => {
                for is_named in [false, true] {
                    let naming = naming(members);
                    for (name, value) in members.iter_mut() {
                        if names.within(name).is_named() == is_named {
                            self.member(name, value, &naming, names, depth)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn member(
        &mut self,
        name: &mut String,
        value: &mut Value,
        naming: &str,
        names: &Names<'_>,
        depth: usize,
    ) -> Result<(), WireError> {
        if respells(name, value) {
            *value = Value::Null;
            return Ok(());
        }
        let within = names.within(name);
        let beside = within.beside(naming);
        self.value(value, beside.as_ref().unwrap_or(&within), depth)?;
        // Two names may spell together what neither of them does.
        let together = self.redacted(&within.lead, "")? != within.lead;
        *name = if together {
            "*".to_owned()
        } else {
            self.text(name, "")?
        };
        Ok(())
    }

    fn json(&mut self, mut value: Value, depth: usize) -> Result<String, WireError> {
        self.value(&mut value, &Names::default(), depth + 1)?;
        String::from_utf8(value.encode()?).map_err(|_| WireError::NotJson)
    }

    fn text(&mut self, text: &str, lead: &str) -> Result<String, WireError> {
        let mut text = match self.tokens {
            Some(tokens) => tokens.label(text),
            None => text.to_owned(),
        };
        text = self.redacted(&text, "")?;
        if let Some(decoded) = escape::decoded(&text) {
            let labelled = match self.tokens {
                Some(tokens) => tokens.label(&decoded),
                None => decoded.clone(),
            };
            let hidden = self.redacted(&labelled, "")?;
            let hidden = Token::labels(&hidden);
            if hidden != decoded {
                text = hidden.into_owned();
            }
        }
        if !lead.is_empty() {
            text = self.redacted(&text, lead)?;
        }
        Ok(Token::labels(&text).into_owned())
    }

    /// What stands in the place of a number that is personal data.
    fn number(&mut self, number: &Number, lead: &str) -> Result<Option<String>, WireError> {
        if lead == "created" && is_moment(number) {
            return Ok(None);
        }
        let digits = digits(number);
        for lead in ["", lead] {
            let redacted = self.redacted(&digits, lead)?;
            if redacted != digits {
                return Ok(Some(redacted));
            }
        }
        Ok(None)
    }

    fn redacted(&mut self, text: &str, lead: &str) -> Result<String, WireError> {
        let redaction = if lead.is_empty() {
            self.pass.redact(text)
        } else {
            self.pass.redact_named(lead, text)
        };
        redaction
            .map(|redaction| redaction.text)
            .map_err(|error| WireError::of(&Path::ROOT, error))
    }
}

/// A number's digits in full and without an exponent: 4.111e18 has those of an account as well.
pub(crate) fn digits(number: &Number) -> String {
    match number.as_f64() {
        Some(real) if number.is_f64() => real.to_string(),
        _ => number.to_string(),
    }
}
