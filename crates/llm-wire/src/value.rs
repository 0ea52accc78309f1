//! JSON, read strictly: no duplicate members, no deep nesting, the order of members kept.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

use crate::error::WireError;
use crate::path::Path;

/// How deep arrays and objects may be nested; the document's own object is the first level.
pub const MAX_DEPTH: usize = 32;

/// A JSON value (RFC 8259, section 3) whose objects have no two members of one name.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Value {
    /// Reads one document, and nothing after it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let mut fault = None;
        let seed = Strict {
            path: Path::ROOT,
            room: MAX_DEPTH,
            fault: &mut fault,
        };
        let read = seed.deserialize(&mut reader);
        let ended = read.and_then(|value| reader.end().map(|()| value));
        ended.map_err(|_| fault.unwrap_or(WireError::NotJson))
    }

    /// The document as JSON text, without spaces.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::NotJson)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The member of that name, of an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find_map(|(key, value)| (key == name).then_some(value)),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Reads one value at a place; the first fault that is not one of syntax is left in `fault`,
/// since an error of the reader carries only text.
struct Strict<'a> {
    path: Path<'a>,
    room: usize,
    fault: &'a mut Option<WireError>,
}

impl Strict<'_> {
    fn enter<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        self.room.checked_sub(1).ok_or_else(|| {
            *self.fault = Some(WireError::TooDeep(self.path.to_string()));
            E::custom("nested too deep")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Value, A::Error> {
        let room = self.enter()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(Strict {
            path: self.path.element(elements.len()),
            room,
            fault: &mut *self.fault,
        })? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let room = self.enter()?;
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = self.path.member(&name);
            if !seen.insert(name.clone()) {
                *self.fault = Some(WireError::DuplicateMember(path.to_string()));
                return Err(A::Error::custom("duplicate member"));
            }
            let value = map.next_value_seed(Strict {
                path,
                room,
                fault: &mut *self.fault,
            })?;
            members.push((name, value));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> WireError {
        match Value::parse(text.as_bytes()) {
            Ok(_) => panic!("{text} was read"),
            Err(error) => error,
        }
    }

    fn rewritten(text: &str) -> String {
        let value = Value::parse(text.as_bytes()).unwrap();
        String::from_utf8(value.encode().unwrap()).unwrap()
    }

    #[test]
    fn refuses_what_is_not_one_document() {
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "'a'",
            "NaN",
            "01",
            "1e999",
            "\u{feff}{}",
            "\"\u{0}\"",
            "\"\\ud800\"",
            "\"\\u00g0\"",
            "// c\n{}",
        ] {
            assert_eq!(error(text), WireError::NotJson, "{text}");
        }
        assert!(Value::parse(b"\"\xff\"").is_err());
        assert!(Value::parse(b"{\"\xff\":1}").is_err());
    }

    #[test]
    fn refuses_a_member_twice_at_any_depth() {
        for (text, field) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"x":[{},{"b":{"c":1,"d":2,"c":3}}]}"#, "x[1].b.c"),
        ] {
            assert_eq!(error(text), WireError::DuplicateMember(field.to_owned()));
        }
    }

    #[test]
    fn nests_to_the_limit_and_no_deeper() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH + 1)).code(), "json_too_deep");
        assert_eq!(error(&"[".repeat(1_000_000)).code(), "json_too_deep");
        assert_eq!(error(&"{\"a\":".repeat(1_000_000)).code(), "json_too_deep");
    }

    #[test]
    fn keeps_order_and_numbers() {
        for text in [
            r#"{"z":1,"a":[true,null,-1,0.1,18446744073709551615],"m":{"":""}}"#,
            r#""\u0001\n\"\\""#,
            "0.30000000000000004",
            "-9223372036854775808",
        ] {
            assert_eq!(rewritten(text), text);
        }
        assert_eq!(rewritten(r#""j\u0040x \ud83d\ude00""#), "\"j@x \u{1f600}\"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in any_json()) {
            let value = Value::parse(text.as_bytes()).unwrap();
            let again = Value::parse(&value.encode().unwrap()).unwrap();
            prop_assert!(value == again);
            // The same document to a reader of somebody else's.
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            let ours: serde_json::Value =
                serde_json::from_slice(&value.encode().unwrap()).unwrap();
            prop_assert_eq!(theirs, ours);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Value::parse(&bytes);
        }
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|members| {
                    serde_json::Value::Object(members.into_iter().collect())
                }),
            ]
        })
        .prop_map(|value| value.to_string())
    }
}
