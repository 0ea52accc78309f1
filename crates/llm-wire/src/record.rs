//! What may be written down of a document: every value replaced for good, as channel `audit` has it,
//! whatever the policy lets pass elsewhere.

use std::borrow::Cow;

use serde_json::Number;
use strongroom_pii::{Channel, Redactor as Pass, Restorer, Token};

use crate::error::WireError;
use crate::escape;
use crate::guard::Guard;
use crate::path::Path;
use crate::redactor::{LOGPROBS, Names, is_uuid};
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
        None if leads_back(redacted, "") => redacted.clone(),
        None => return Ok(None),
    };
    Recorder::new(guard).value(&mut document, &Names::default(), 0)?;
    document.encode().map(Some)
}

/// Whether a document that is fit for an audit log may hold a token of an earlier call, or escapes, which
/// hide what they spell. Text by text: a name's end and its value (`"tool_call_id":"..."`) may spell
/// together what is no token.
fn leads_back(value: &Value, name: &str) -> bool {
    let spells = |text: &str| {
        let token = matches!(Token::labels(text), Cow::Owned(_));
        token || text.contains(r"\u")
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => {
            spells(text) || (JSON_IN_TEXT.contains(&name) && text.contains('\\'))
        }
        Value::Array(elements) => elements.iter().any(|element| leads_back(element, name)),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| spells(name) || leads_back(value, name)),
    }
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
                *text = if JSON_IN_TEXT.contains(&names.inner) {
                    self.json(text, depth)?
                } else {
                    self.text(text, &names.lead)?
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
                for (name, value) in members {
                    self.member(name, value, names, depth)?;
                }
                Ok(())
            }
        }
    }

    fn member(
        &mut self,
        name: &mut String,
        value: &mut Value,
        names: &Names<'_>,
        depth: usize,
    ) -> Result<(), WireError> {
        let spells = matches!(value, Value::Array(_) | Value::Object(_));
        if spells && LOGPROBS.contains(&name.as_str()) {
            *value = Value::Null;
            return Ok(());
        }
        let within = names.within(name);
        self.value(value, &within, depth)?;
        // Two names may spell together what neither of them does.
        let together = self.redacted(&within.lead, "")? != within.lead;
        *name = if together {
            "*".to_owned()
        } else {
            self.text(name, "")?
        };
        Ok(())
    }

    fn json(&mut self, text: &str, depth: usize) -> Result<String, WireError> {
        match Value::parse(text.as_bytes()) {
            Ok(mut value @ (Value::Array(_) | Value::Object(_))) if depth < DEEPEST => {
                self.value(&mut value, &Names::default(), depth + 1)?;
                let json = value.encode()?;
                String::from_utf8(json).map_err(|_| WireError::NotJson)
            }
            _ => self.text(text, ""),
        }
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
        if !lead.is_empty() && !is_uuid(&text) {
            text = self.redacted(&text, lead)?;
        }
        Ok(Token::labels(&text).into_owned())
    }

    /// What stands in the place of a number that is personal data.
    fn number(&mut self, number: &Number, lead: &str) -> Result<Option<String>, WireError> {
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
