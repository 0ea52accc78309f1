//! JSON (RFC 8259): strings are decoded, redacted and encoded; a number that is a value of a class
//! becomes a string.

use std::ops::Range;

use super::{StructureError, Writer, is_named_member, is_naming_member, line_of};
use crate::{Redaction, Redactor};

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 128;

/// How long a value may be that names another, in bytes.
const MAX_NAMING: usize = 64;

/// An object or array that is not closed yet.
struct Open {
    byte: u8,
    /// The name of the member that it is the value of.
    name: String,
    /// What a member of the object, or of the object around the array, says that names another's value.
    naming: String,
}

impl Open {
    /// What stands beside the value of a member.
    fn beside(&self, name: &str) -> Option<String> {
        let is_named = !self.naming.is_empty() && is_named_member(name);
        is_named.then(|| format!("{} {name}", self.naming))
    }
}

impl Redactor<'_> {
    /// Redacts a JSON text: each string and number, with the name of its member beside it. White
    /// space, order and every value in which nothing is found stay as they are.
    ///
    /// # Errors
    /// [`StructureError`]: the text is no JSON, or is nested more than 128 deep, or a value is
    /// refused. The text must then go nowhere.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Policy, Redactor};
    /// use strongroom_tenancy::TenantId;
    ///
    /// let policy = Policy::strict();
    /// let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Tool);
    /// let redaction = redactor.redact_json(r#"{"ssn": 123456789, "to": "ann\u0040example.com"}"#)?;
    /// assert_eq!(redaction.text, r#"{"ssn": "[US_SSN]", "to": "[EMAIL]"}"#);
    /// # Ok::<(), strongroom_pii::StructureError>(())
    /// ```
    pub fn redact_json(&mut self, text: &str) -> Result<Redaction, StructureError> {
        let malformed = |line, reason| StructureError::Malformed {
            format: "json",
            line,
            reason,
        };
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|error| malformed(error.line().max(1), "not a JSON document"))?;
        let mut writer = Writer::new(self, text);
        let mut open: Vec<Open> = Vec::new();
        let mut name = String::new();
        let mut at = 0;
        let bytes = text.as_bytes();
        while let Some(byte) = bytes.get(at).copied() {
            match byte {
                b'{' | b'[' => {
                    if open.len() >= MAX_DEPTH {
                        return Err(malformed(line_of(text, at), "nested too deep"));
                    }
                    let around = open.last().filter(|_| byte == b'[');
                    let naming = around.map(|around| around.naming.clone());
                    open.push(Open {
                        byte,
                        name: name.clone(),
                        naming: naming.unwrap_or_default(),
                    });
                    at += 1;
                }
                b'}' | b']' => {
                    name = open.pop().map(|closed| closed.name).unwrap_or_default();
                    at += 1;
                }
                b',' => {
                    // In an array each element has the array's name.
                    name = open
                        .last()
                        .filter(|around| around.byte == b'[')
                        .map(|around| around.name.clone())
                        .unwrap_or_default();
                    at += 1;
                }
                b'"' => {
                    let end = string_end(bytes, at);
                    let is_name = open.last().is_some_and(|around| around.byte == b'{')
                        && is_before_colon(bytes, end);
                    let (value, map) = decoded(text, at + 1..end - 1);
                    let place = |offset: usize| map.original(offset);
                    let named = open.last().and_then(|around| around.beside(&name));
                    let beside = match is_name {
                        true => "",
                        false => named.as_deref().unwrap_or(&name),
                    };
                    let redacted = writer.value(beside, at..end, &value, &place, &|new, out| {
                        quoted(new, out)
                    })?;
                    if is_name {
                        name = value;
                    } else if is_naming_member(&name)
                        && redacted.len() <= MAX_NAMING
                        && let Some(around) = open.last_mut().filter(|it| it.byte == b'{')
                    {
                        around.naming = redacted;
                    }
                    at = end;
                }
                b'-' | b'0'..=b'9' => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let end = at
                        + rest
                            .iter()
                            .take_while(|b| {
                                matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                            })
                            .count();
                    let number = text.get(at..end).unwrap_or_default();
                    let named = open.last().and_then(|around| around.beside(&name));
                    writer.value(
                        named.as_deref().unwrap_or(&name),
                        at..end,
                        number,
                        &|offset| at + offset,
                        &|new, out| quoted(new, out),
                    )?;
                    at = end;
                }
                _ => at += 1,
            }
        }
        Ok(writer.finish())
    }
}

/// Where the string that begins at a quotation mark ends, behind its other one.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_before_colon(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .find(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
        == Some(&b':')
}

/// Where the bytes of a decoded string stood.
struct Map {
    start: usize,
    /// After each escape: the offset in the decoded string, and in the text.
    escapes: Vec<(usize, usize)>,
}

impl Map {
    fn original(&self, offset: usize) -> usize {
        let after = self
            .escapes
            .partition_point(|(decoded, _)| *decoded <= offset);
        match after.checked_sub(1).and_then(|last| self.escapes.get(last)) {
            Some((decoded, original)) => original + (offset - decoded),
            None => self.start + offset,
        }
    }
}

/// Decodes the inside of a string that is known to be well-formed.
fn decoded(text: &str, inside: Range<usize>) -> (String, Map) {
    let mut map = Map {
        start: inside.start,
        escapes: Vec::new(),
    };
    let raw = text.get(inside.clone()).unwrap_or_default();
    if !raw.contains('\\') {
        return (raw.to_owned(), map);
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(escape) = rest.find('\\') {
        value.push_str(rest.get(..escape).unwrap_or_default());
        let from = rest.get(escape..).unwrap_or_default();
        let (c, width) = unescaped(from);
        value.push(c);
        rest = from.get(width..).unwrap_or_default();
        map.escapes.push((value.len(), inside.end - rest.len()));
    }
    value.push_str(rest);
    (value, map)
}

/// The character of the escape that a text begins with, and how wide the escape is.
fn unescaped(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        text.get(at..at + 4)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
    };
    match text.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{C}', 2),
        Some(b'u') => match unit(2) {
            Some(high @ 0xD800..=0xDBFF) => {
                let low = unit(8).filter(|low| (0xDC00..=0xDFFF).contains(low));
                let c = low.and_then(|low| {
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
                });
                c.map_or(('\u{FFFD}', 6), |c| (c, 12))
            }
            Some(code) => (char::from_u32(code).unwrap_or('\u{FFFD}'), 6),
            None => ('\u{FFFD}', 2),
        },
        Some(other) if other.is_ascii() => (char::from(*other), 2),
        _ => ('\\', 1),
    }
}

/// Writes a JSON string.
fn quoted(value: &str, out: &mut String) {
    // A string is always JSON.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}
