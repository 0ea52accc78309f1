//! A command's result: named values, as lines or as one JSON object.

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::output::{self, Output};

/// Named values, in the order in which they are told.
#[derive(Default)]
pub(crate) struct Report(Vec<(&'static str, Value)>);

impl Report {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The report of a check that held.
    pub(crate) fn valid(what: &str) -> Self {
        Self::new().with("valid", true).with("kind", what)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn with_text(self, name: &'static str, value: impl ToString) -> Self {
        self.with(name, value.to_string())
    }

    /// Prints it: a line `name: value` each, or one object.
    pub(crate) fn print(self, to: Output) -> Result<(), Failure> {
        let text = match to {
            Output::Json => format!("{}\n", self.into_value()),
            Output::Text => self.lines(),
        };
        output::write(text.as_bytes())
    }

    fn into_value(self) -> Value {
        let members = self.0.into_iter();
        Value::Object(
            members
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>(),
        )
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            match value {
                Value::Null => {}
                Value::String(value) => text.push_str(&format!("{name}: {value}\n")),
                Value::Array(values) => {
                    for value in values {
                        text.push_str(&format!("{name}: {}\n", plain(value)));
                    }
                }
                value => text.push_str(&format!("{name}: {value}\n")),
            }
        }
        text
    }
}

/// A value on one line of text: an object as its members' values.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let parts = members
                .iter()
                .map(|(name, value)| format!("{name}={}", plain(value)));
            parts.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
