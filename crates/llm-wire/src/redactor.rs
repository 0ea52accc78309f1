//! One document's pass through a policy.

use std::collections::BTreeMap;

use serde_json::Number;
use strongroom_pii::{Channel, Redaction, Redactor as Pass};

use crate::error::WireError;
use crate::escape;
use crate::findings::Findings;
use crate::guard::Guard;
use crate::identifier::{is_call, is_identifier, of_call};
use crate::names::{Names, naming};
use crate::path::Path;
use crate::record::digits;
use crate::value::Value;

/// Members that spell the text again, token by token, where no recognizer sees it whole.
pub(crate) const LOGPROBS: &[&str] = &["logprobs", "prompt_logprobs"];

/// Which way the document goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the provider: an identifier that is not one is refused.
    Request,
    /// Back from the provider: an identifier is text like any other.
    Answer,
}

/// Puts every string of a document through a policy, and counts what it finds.
pub(crate) struct Redactor<'a> {
    guard: Guard<'a>,
    /// One for each channel that the document meets: what a policy says is looked up once.
    passes: BTreeMap<Channel, Pass<'a>>,
    pub(crate) direction: Direction,
    /// Whether this is JSON in a text, in which a number may become a label.
    in_text: bool,
    pub(crate) findings: Findings,
}

impl<'a> Redactor<'a> {
    pub(crate) fn new(guard: &Guard<'a>, direction: Direction) -> Self {
        Self {
            guard: *guard,
            passes: BTreeMap::new(),
            direction,
            in_text: false,
            findings: Findings::default(),
        }
    }

    /// The channel of what people and models say to each other.
    pub(crate) const fn talk(&self) -> Channel {
        match self.direction {
            Direction::Request => Channel::Prompt,
            Direction::Answer => Channel::Output,
        }
    }

    /// Redacts a text of any content.
    pub(crate) fn text(
        &mut self,
        text: &mut String,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        self.named_text(text, "", channel, path)
    }

    /// Redacts a text that is the value of a member.
    fn named_text(
        &mut self,
        text: &mut String,
        lead: &str,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        let plain = self.redaction(text, channel, path)?;
        let mut found = Findings::of(plain.findings.iter());
        *text = plain.text;

        if let Some(decoded) = escape::decoded(text) {
            let hidden = self.redaction(&decoded, channel, path)?;
            found.add_pass(&Findings::of(hidden.findings.iter()));
            if hidden.text != decoded {
                *text = hidden.text;
            }
        }

        if !lead.is_empty() {
            let named = self.named_redaction(lead, text, channel, path)?;
            found.add_pass(&Findings::of(named.findings.iter()));
            *text = named.text;
        }
        self.findings.add(&found);
        Ok(())
    }

    /// Redacts JSON that is written in a string, as a tool call's arguments are; what is no
    /// array or object is redacted as text. A number becomes a label too: one call in ten of a tool that
    /// takes numbers of eleven digits would be refused otherwise, which by chance are somebody's.
    pub(crate) fn json_text(
        &mut self,
        text: &mut String,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        let mut value = match Value::parse(text.as_bytes()) {
            Ok(value @ (Value::Array(_) | Value::Object(_))) => value,
            Ok(Value::Number(number)) if self.redaction(text, channel, path)?.text == *text => {
                return self.number(&number, "", channel, path);
            }
            _ => return self.text(text, channel, path),
        };
        let outside = std::mem::replace(&mut self.in_text, true);
        let redacted = self.any(&mut value, channel, path);
        self.in_text = outside;
        redacted?;
        // Always written anew, so that what leaves is what was examined.
        *text = String::from_utf8(value.encode()?).map_err(|_| WireError::refused(path))?;
        Ok(())
    }

    /// Redacts every string in a value of unknown shape, and refuses personal data in its names
    /// and numbers.
    pub(crate) fn any(
        &mut self,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        self.under(value, channel, &Names::default(), path)
    }

    fn under(
        &mut self,
        value: &mut Value,
        channel: Channel,
        names: &Names<'_>,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) if self.in_text => {
                let mut text = digits(number);
                self.named_text(&mut text, &names.lead, channel, path)?;
                if text != digits(number) {
                    *value = Value::String(text);
                }
                Ok(())
            }
            Value::Number(number) => self.number(number, &names.lead, channel, path),
            Value::String(text) => self.named_text(text, &names.lead, channel, path),
            Value::Array(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    self.under(element, channel, names, &path.element(index))?;
                }
                Ok(())
            }
            Value::Object(members) => {
                // What names another value is redacted before that is read with it.
                for is_named in [false, true] {
                    let naming = naming(members);
                    for (name, value) in members.iter_mut() {
                        let within = names.within(name);
                        if within.is_named() != is_named {
                            continue;
                        }
                        let path = path.member(name);
                        self.named_member(name, value, channel, (&within, &naming), &path)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Redacts a member of unknown meaning, which nothing is around.
    pub(crate) fn member(
        &mut self,
        name: &str,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        let names = Names::default().within(name);
        self.named_member(name, value, channel, (&names, ""), path)
    }

    /// The same with the names around it, and what another member says that it is.
    fn named_member(
        &mut self,
        name: &str,
        value: &mut Value,
        channel: Channel,
        (names, naming): (&Names<'_>, &str),
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        if matches!(channel, Channel::Output) && LOGPROBS.contains(&name) {
            *value = Value::Null;
            return Ok(());
        }
        self.unreplaceable(name, channel, path)?;
        // Two names may spell together what neither of them does.
        if names.lead != name && self.redaction(&names.lead, channel, path)?.text != names.lead {
            return Err(WireError::refused(path));
        }
        let beside = names.beside(naming);
        self.under(value, channel, beside.as_ref().unwrap_or(names), path)
    }

    /// Takes a value in which every string is an identifier.
    pub(crate) fn identifiers(
        &mut self,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        match value {
            Value::String(text) => self.identifier(text, channel, path),
            Value::Array(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    self.identifiers(element, channel, &path.element(index))?;
                }
                Ok(())
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let path = path.member(name);
                    self.unreplaceable(name, channel, &path)?;
                    self.identifiers(value, channel, &path)?;
                }
                Ok(())
            }
            other => self.any(other, channel, path),
        }
    }

    /// Takes an identifier, which no label can replace: another would be meant.
    fn identifier(
        &mut self,
        text: &mut String,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        let sound =
            is_identifier(text) && (is_call(text) || self.keeps(of_call(text), channel, path)?);
        match self.direction {
            _ if sound => Ok(()),
            Direction::Request => Err(WireError::refused(path)),
            Direction::Answer => self.text(text, channel, path),
        }
    }

    /// Takes a value out of a closed set, which needs no policy; absent is `null`.
    pub(crate) fn one_of(
        &mut self,
        value: &mut Value,
        set: &[&str],
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        match value {
            Value::Null => Ok(()),
            Value::String(text) if set.contains(&text.as_str()) => Ok(()),
            _ if self.direction == Direction::Request => Err(WireError::refused(path)),
            other => self.any(other, channel, path),
        }
    }

    /// Refuses a number whose digits are personal data: no label can stand in its place.
    fn number(
        &mut self,
        number: &Number,
        lead: &str,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        let digits = digits(number);
        if lead.is_empty() {
            return self.unreplaceable(&digits, channel, path);
        }
        let named = self.named_redaction(lead, &digits, channel, path)?;
        if named.text != digits {
            return Err(WireError::refused(path));
        }
        self.unreplaceable(&digits, channel, path)
    }

    /// Refuses a text that the policy would change, where a label would break the document.
    pub(crate) fn unreplaceable(
        &mut self,
        text: &str,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        if self.keeps(text, channel, path)? {
            Ok(())
        } else {
            Err(WireError::refused(path))
        }
    }

    /// Whether the policy leaves a text as it is.
    fn keeps(&mut self, text: &str, channel: Channel, path: &Path<'_>) -> Result<bool, WireError> {
        let redaction = self.redaction(text, channel, path)?;
        let kept = redaction.text == text;
        if kept {
            self.findings.add(&Findings::of(redaction.findings.iter()));
        }
        Ok(kept)
    }

    fn redaction(
        &mut self,
        text: &str,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<Redaction, WireError> {
        let redaction = self.pass(channel).redact(text);
        redaction.map_err(|error| WireError::of(path, error))
    }

    fn named_redaction(
        &mut self,
        lead: &str,
        text: &str,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<Redaction, WireError> {
        let redaction = self.pass(channel).redact_named(lead, text);
        redaction.map_err(|error| WireError::of(path, error))
    }

    fn pass(&mut self, channel: Channel) -> &mut Pass<'a> {
        let guard = self.guard;
        let pass = self.passes.entry(channel);
        pass.or_insert_with(|| {
            let mut pass = Pass::new(guard.policy, guard.tenant, channel);
            if let Some(vault) = guard.vault {
                pass = pass.with_vault(vault);
            }
            if let Some(key) = guard.linking_key {
                pass = pass.with_linking_key(key);
            }
            pass
        })
    }
}

#[cfg(test)]
mod tests {
    use strongroom_pii::Policy;
    use strongroom_tenancy::TenantId;

    use super::*;

    #[test]
    fn an_identifier_by_chance_like_an_account_is_kept_if_a_uuid() {
        let (policy, tenant) = (Policy::strict(), TenantId::PLATFORM);
        let guard = Guard::new(&policy, &tenant);
        let mut redactor = Redactor::new(&guard, Direction::Request);
        let mut take =
            |text: &str| redactor.identifier(&mut text.to_owned(), Channel::Tool, &Path::ROOT);
        // Its last two groups are a Belgian account number by form and checksum.
        assert!(take("58fb3a69-b6f8-4f8a-be96-d461604d5d15").is_ok());
        assert!(take("call_58fb3a69-b6f8-4f8a-be96-d461604d5d15").is_ok());
        assert!(take("be96-d461604d5d15").is_err());
        assert!(take("call_4111111111111111").is_err());
        // 64 random bits, which pass a card's check.
        assert!(take("function-call-4365280677782887607").is_ok());
        assert!(take("call_4365280677782887607").is_ok());
        assert!(take("call_-8231168139794583938").is_ok());
        assert!(take("4365280677782887607").is_err());
    }
}
