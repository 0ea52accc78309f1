//! One document's pass through a policy.

use std::collections::BTreeMap;

use serde_json::Number;
use strongroom_pii::{Channel, Redaction, Redactor as Pass};

use crate::error::WireError;
use crate::escape;
use crate::findings::Findings;
use crate::guard::Guard;
use crate::path::Path;
use crate::record::digits;
use crate::value::Value;

/// Members that spell the text again, token by token, where no recognizer sees it whole.
pub(crate) const LOGPROBS: &[&str] = &["logprobs", "prompt_logprobs"];

/// How long a name may be that is read along with its value: each value under it is read with it,
/// so that a long one would make the work grow with its length times their number.
const MAX_NAME: usize = 64;

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
    pub(crate) findings: Findings,
}

/// The names of the two innermost members around a value: what makes nine digits a social
/// security number is often the member's name.
///
/// Made once for each member, however many values stand in the array under it.
#[derive(Default)]
pub(crate) struct Names<'a> {
    pub(crate) inner: &'a str,
    /// Both as words before the value; empty when there are none.
    pub(crate) lead: String,
}

impl<'a> Names<'a> {
    pub(crate) fn within(&self, name: &'a str) -> Self {
        let inner = if name.len() > MAX_NAME { "" } else { name };
        Self {
            inner,
            lead: lead(self.inner, inner),
        }
    }
}

/// Names as words: `ssnNumber` and `ssn_number` both as `ssn number`.
fn lead(outer: &str, inner: &str) -> String {
    let mut words = String::with_capacity(outer.len() + inner.len() + 8);
    for name in [outer, inner] {
        words.push(' ');
        let mut lower = false;
        for c in name.chars() {
            if lower && c.is_uppercase() {
                words.push(' ');
            }
            lower = c.is_lowercase();
            words.push(if c.is_alphanumeric() { c } else { ' ' });
        }
    }
    match words.trim() {
        "" => String::new(),
        words => words.to_owned(),
    }
}

impl<'a> Redactor<'a> {
    pub(crate) fn new(guard: &Guard<'a>, direction: Direction) -> Self {
        Self {
            guard: *guard,
            passes: BTreeMap::new(),
            direction,
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

        if !lead.is_empty() && !is_uuid(text) {
            let named = self.named_redaction(lead, text, channel, path)?;
            found.add_pass(&Findings::of(named.findings.iter()));
            *text = named.text;
        }
        self.findings.add(&found);
        Ok(())
    }

    /// Redacts JSON that is written in a string, as a tool call's arguments are; what is no
    /// array or object is redacted as text.
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
        self.any(&mut value, channel, Names::default(), path)?;
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
        names: Names<'_>,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        self.under(value, channel, &names, path)
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
            Value::Number(number) => self.number(number, &names.lead, channel, path),
            Value::String(text) => self.named_text(text, &names.lead, channel, path),
            Value::Array(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    self.under(element, channel, names, &path.element(index))?;
                }
                Ok(())
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.member(name, value, channel, names.within(name), &path.member(name))?;
                }
                Ok(())
            }
        }
    }

    /// Redacts a member of unknown meaning.
    pub(crate) fn member(
        &mut self,
        name: &str,
        value: &mut Value,
        channel: Channel,
        names: Names<'_>,
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
        self.any(value, channel, names, path)
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
            other => self.any(other, channel, Names::default(), path),
        }
    }

    /// Takes an identifier, which no label can replace: another would be meant.
    fn identifier(
        &mut self,
        text: &mut String,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        // The `call` of a tool call's id says nothing of telephones.
        let id = text.strip_prefix("call_").unwrap_or(text);
        let sound = is_identifier(text) && (is_uuid(id) || self.keeps(id, channel, path)?);
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
            other => self.any(other, channel, Names::default(), path),
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

/// Whether a text is of the shape of a model's, tool's or call's name.
pub(crate) fn is_identifier(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b))
}

/// Whether a text is a UUID (RFC 9562, section 4): one in some thousands has the digits of a
/// telephone number or an account by chance.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            14 => matches!(b, b'1'..=b'8'),
            19 => matches!(b, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whether a number is a moment in Unix seconds, as an answer's `created` is, from 2001 to 2100: by chance
/// one in two hundred is also somebody's insurance number, and the answer would be refused.
pub(crate) fn is_moment(number: &Number) -> bool {
    let seconds = number.as_u64();
    seconds.is_some_and(|seconds| (1_000_000_000..4_102_444_800).contains(&seconds))
}

#[cfg(test)]
mod tests {
    use strongroom_pii::Policy;
    use strongroom_tenancy::TenantId;

    use super::*;

    #[test]
    fn names_are_read_as_words() {
        let names = Names::default().within("patient");
        assert_eq!(names.lead, "patient");
        assert_eq!(names.within("ssnNumber").lead, "patient ssn Number");
        assert_eq!(names.within("ssn_number").lead, "patient ssn number");
        assert_eq!(names.within("").lead, "patient");
        assert_eq!(names.within(&"n".repeat(MAX_NAME + 1)).lead, "patient");
        assert_eq!(Names::default().lead, "");
    }

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
    }

    #[test]
    fn an_identifier_has_no_other_character() {
        for text in ["gpt-4o", "ft:gpt-4o:org::id", "meta/llama_3.1", "x"] {
            assert!(is_identifier(text), "{text}");
        }
        for text in ["", "a b", "a@b", "[EMAIL]", "é", "a\n", &"x".repeat(257)] {
            assert!(!is_identifier(text), "{text}");
        }
    }

    #[test]
    fn a_uuid_has_one_form() {
        assert!(is_uuid("0190b2a4-8c7e-7d3a-9f00-0242ac120002"));
        for text in [
            "0190b2a48c7e7d3a9f000242ac120002",
            "0190b2a4-8c7e-7d3a-9f00-0242ac12000",
            "0190b2a4-8c7e-0d3a-9f00-0242ac120002",
            "0190b2a4-8c7e-7d3a-cf00-0242ac120002",
            "0190b2a4-8c7e-7d3a-9f00-0242ac12000g",
            "4111-1111-1111-1111",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
