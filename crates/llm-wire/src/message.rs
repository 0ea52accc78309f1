//! Chat messages, as requests and answers share them.

use strongroom_pii::Channel;

use crate::error::WireError;
use crate::path::Path;
use crate::redactor::{Direction, Redactor};
use crate::value::Value;

const ROLES: &[&str] = &[
    "assistant",
    "developer",
    "function",
    "system",
    "tool",
    "user",
];

/// The types of content parts that are text.
const TEXT_PARTS: &[&str] = &["refusal", "text", "thinking"];

const CALL_TYPES: &[&str] = &["custom", "function"];

/// Members that hold, or point to, what no text scanner reads.
const MEDIA: &[&str] = &[
    "audio",
    "file",
    "image",
    "image_url",
    "images",
    "input_audio",
    "input_file",
    "input_image",
    "video",
    "video_url",
];

impl Redactor<'_> {
    pub(crate) fn messages(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        let Value::Array(messages) = value else {
            return Err(WireError::invalid(path, "an array of messages"));
        };
        for (index, message) in messages.iter_mut().enumerate() {
            self.message(message, &path.element(index))?;
        }
        Ok(())
    }

    pub(crate) fn message(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        let role = value.member("role").and_then(Value::as_str);
        if self.direction == Direction::Request && role.is_none() {
            return Err(WireError::invalid(path, "an object with a role"));
        }
        // What a tool returns is as much a tool's as what it is called with.
        let channel = match role {
            Some("function" | "tool") => Channel::Tool,
            _ => self.talk(),
        };
        let Value::Object(members) = value else {
            return self.any(value, channel, path);
        };
        for (name, value) in members {
            let path = path.member(name);
            match name.as_str() {
                "role" => self.one_of(value, ROLES, channel, &path)?,
                "content" => self.content(value, channel, &path)?,
                "tool_call_id" => self.identifiers(value, channel, &path)?,
                "tool_calls" => self.tool_calls(value, &path)?,
                "function_call" => self.call(value, &path)?,
                _ => self.other(name, value, channel, &path)?,
            }
        }
        Ok(())
    }

    /// Takes a message's content: text, or an array of parts, each of which is text.
    pub(crate) fn content(
        &mut self,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        match value {
            Value::Null => Ok(()),
            Value::String(text) => self.text(text, channel, path),
            Value::Array(parts) => {
                for (index, part) in parts.iter_mut().enumerate() {
                    self.part(part, channel, &path.element(index))?;
                }
                Ok(())
            }
            _ if self.direction == Direction::Request => {
                Err(WireError::invalid(path, "a string or an array of parts"))
            }
            other => self.any(other, channel, path),
        }
    }

    fn part(
        &mut self,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        if self.direction == Direction::Request {
            match value.member("type").and_then(Value::as_str) {
                Some(kind) if TEXT_PARTS.contains(&kind) => {}
                // An image part keeps its image in a member that is named as the type is.
                Some(kind) => return Err(WireError::refused(&path.member(kind))),
                None => return Err(WireError::invalid(path, "an object with a type")),
            }
        }
        let Value::Object(members) = value else {
            return self.any(value, channel, path);
        };
        for (name, value) in members {
            let path = path.member(name);
            match (name.as_str(), value) {
                ("type", value) => self.any(value, channel, &path)?,
                ("text" | "refusal", Value::String(text)) => self.text(text, channel, &path)?,
                (_, value) => self.other(name, value, channel, &path)?,
            }
        }
        Ok(())
    }

    /// Takes a member that has no rule of its own.
    pub(crate) fn other(
        &mut self,
        name: &str,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        if MEDIA.contains(&name) && *value != Value::Null {
            return Err(WireError::refused(path));
        }
        self.member(name, value, channel, path)
    }

    fn tool_calls(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        let Value::Array(calls) = value else {
            return self.any(value, Channel::Tool, path);
        };
        for (index, call) in calls.iter_mut().enumerate() {
            let path = path.element(index);
            let Value::Object(members) = call else {
                self.any(call, Channel::Tool, &path)?;
                continue;
            };
            for (name, value) in members {
                let path = path.member(name);
                match name.as_str() {
                    "id" => self.identifiers(value, Channel::Tool, &path)?,
                    "type" => self.one_of(value, CALL_TYPES, Channel::Tool, &path)?,
                    "function" | "custom" => self.call(value, &path)?,
                    _ => self.other(name, value, Channel::Tool, &path)?,
                }
            }
        }
        Ok(())
    }

    /// Takes the call itself: the tool's name, and its arguments or input.
    fn call(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        let Value::Object(members) = value else {
            return self.any(value, Channel::Tool, path);
        };
        for (name, value) in members {
            let path = path.member(name);
            match (name.as_str(), value) {
                ("name", value) => self.identifiers(value, Channel::Tool, &path)?,
                ("arguments" | "input", Value::String(text)) => {
                    self.json_text(text, Channel::Tool, &path)?;
                }
                ("arguments" | "input", value) => {
                    self.any(value, Channel::Tool, &path)?;
                }
                (_, value) => self.other(name, value, Channel::Tool, &path)?,
            }
        }
        Ok(())
    }

    /// Takes `tools`: each a function or a custom tool, with its description and its schema.
    pub(crate) fn tools(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), WireError> {
        let Value::Array(tools) = value else {
            return Err(WireError::invalid(path, "an array of tools"));
        };
        for (index, tool) in tools.iter_mut().enumerate() {
            let path = path.element(index);
            let Value::Object(members) = tool else {
                return Err(WireError::invalid(&path, "an object"));
            };
            for (name, value) in members {
                let path = path.member(name);
                match name.as_str() {
                    "type" => self.one_of(value, CALL_TYPES, Channel::Tool, &path)?,
                    "function" | "custom" => self.definition(value, Channel::Tool, &path)?,
                    _ => self.other(name, value, Channel::Tool, &path)?,
                }
            }
        }
        Ok(())
    }

    /// Takes a definition: an object with a name, and with texts and a schema beside it.
    pub(crate) fn definition(
        &mut self,
        value: &mut Value,
        channel: Channel,
        path: &Path<'_>,
    ) -> Result<(), WireError> {
        let Value::Object(members) = value else {
            return self.any(value, channel, path);
        };
        for (name, value) in members {
            let path = path.member(name);
            if name == "name" {
                self.identifiers(value, channel, &path)?;
            } else {
                self.member(name, value, channel, &path)?;
            }
        }
        Ok(())
    }
}
