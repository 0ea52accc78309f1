//! Answers in which values stand in the place of their tokens.

use std::collections::BTreeMap;
use std::fmt;

use strongroom_pii::{Class, Destination, Restorer};

use crate::answer::RedactedAnswer;
use crate::error::WireError;
use crate::value::Value;

/// How deep JSON is read that stands in strings of JSON.
const DEEPEST: usize = 3;

/// An answer for the caller whose values they are, and for nobody else: it is never written down.
pub struct RestoredAnswer {
    body: Vec<u8>,
    restored: BTreeMap<Class, usize>,
    withheld: usize,
}

impl RedactedAnswer {
    /// Puts values back where the restorer's policy lets them stand: in the texts of messages, and
    /// in what tools are called with. A string of JSON stays one, whatever a value is made of; a text
    /// that begins like JSON and is none gets no values.
    ///
    /// # Errors
    /// Never: what was written is read again.
    pub fn restore(&self, restorer: &Restorer) -> Result<RestoredAnswer, WireError> {
        let mut answer = Value::parse(self.body())?;
        let mut putting = Putting {
            restorer,
            restored: BTreeMap::new(),
            withheld: 0,
        };
        for choice in elements(member(&mut answer, "choices")) {
            if let Some(message) = member(choice, "message") {
                putting.message(message);
            }
        }
        Ok(RestoredAnswer {
            body: answer.encode()?,
            restored: putting.restored,
            withheld: putting.withheld,
        })
    }
}

struct Putting<'r> {
    restorer: &'r Restorer,
    restored: BTreeMap<Class, usize>,
    withheld: usize,
}

impl Putting<'_> {
    fn message(&mut self, message: &mut Value) {
        for name in ["content", "refusal"] {
            self.content(member(message, name));
        }
        for call in elements(member(message, "tool_calls")) {
            for (name, arguments) in [("function", "arguments"), ("custom", "input")] {
                let called = member(call, name).and_then(|it| member(it, arguments));
                self.text(called, Destination::ToolArguments);
            }
        }
        let called = member(message, "function_call").and_then(|it| member(it, "arguments"));
        self.text(called, Destination::ToolArguments);
    }

    fn content(&mut self, content: Option<&mut Value>) {
        match content {
            Some(Value::Array(parts)) => {
                for part in parts {
                    for name in ["text", "refusal"] {
                        self.text(member(part, name), Destination::Answer);
                    }
                }
            }
            text => self.text(text, Destination::Answer),
        }
    }

    fn text(&mut self, text: Option<&mut Value>, to: Destination) {
        if let Some(Value::String(text)) = text {
            *text = self.put(text, to, 0);
        }
    }

    fn put(&mut self, text: &str, to: Destination, depth: usize) -> String {
        if !begins_like_json(text) {
            return self.plain(text, to);
        }
        if depth < DEEPEST && Value::parse(text.as_bytes()).is_ok() {
            return self.json(text, to, depth);
        }
        // What is nearly JSON, somebody may read as JSON: a value's quotation mark would end a string.
        let held = self.restorer.restore(to, text);
        let found: usize = held.restored.values().sum();
        self.withheld += held.withheld + found;
        text.to_owned()
    }

    fn plain(&mut self, text: &str, to: Destination) -> String {
        let restored = self.restorer.restore(to, text);
        for (class, count) in restored.restored {
            *self.restored.entry(class).or_default() += count;
        }
        self.withheld += restored.withheld;
        restored.text
    }

    /// Puts values into the strings of a JSON text, and leaves all else of it as the model wrote it:
    /// its names, white space and numbers.
    fn json(&mut self, text: &str, to: Destination, depth: usize) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('"') {
            let (before, string) = rest.split_at(start);
            out.push_str(before);
            let end = string_end(string);
            let (string, after) = string.split_at(end);
            let is_name = after.trim_start().starts_with(':');
            let read = serde_json::from_str::<String>(string);
            let put = read.ok().filter(|_| !is_name).and_then(|value| {
                let before = self.count();
                let put = self.put(&value, to, depth + 1);
                (self.count() > before).then(|| Value::String(put).encode().ok())?
            });
            match put.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(new) => out.push_str(&new),
                None => out.push_str(string),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn count(&self) -> usize {
        self.restored.values().sum()
    }
}

/// Whether a text begins as an object or an array does. A token has its label behind its bracket.
fn begins_like_json(text: &str) -> bool {
    let text = text.trim_start();
    let mut rest = text.chars().skip(1).skip_while(|c| c.is_whitespace());
    match text.chars().next() {
        Some('{') => true,
        Some('[') => rest
            .next()
            .is_some_and(|c| c.is_ascii_digit() || "\"{[]-".contains(c)),
        _ => false,
    }
}

/// Where a string of JSON ends that begins a text, with its quotation marks.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (offset, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return offset + 1,
            _ => {}
        }
    }
    text.len()
}

fn member<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let Value::Object(members) = value else {
        return None;
    };
    let mut members = members.iter_mut();
    members.find_map(|(key, value)| (key == name).then_some(value))
}

fn elements(value: Option<&mut Value>) -> &mut [Value] {
    match value {
        Some(Value::Array(elements)) => elements,
        _ => &mut [],
    }
}

impl RestoredAnswer {
    /// The answer for the caller, as JSON.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// How many tokens of each class were put back.
    #[must_use]
    pub const fn restored(&self) -> &BTreeMap<Class, usize> {
        &self.restored
    }

    /// How many tokens stayed, because the policy does not let their values stand there.
    #[must_use]
    pub const fn withheld(&self) -> usize {
        self.withheld
    }
}

impl fmt::Debug for RestoredAnswer {
    /// Without the text: it holds values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoredAnswer")
            .field("bytes", &self.body.len())
            .field("restored", &self.restored)
            .field("withheld", &self.withheld)
            .finish_non_exhaustive()
    }
}
