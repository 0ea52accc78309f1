//! JSON as tokens may use it: no member twice, bounded nesting, whole numbers only.
//!
//! RFC 8259, section 4, leaves duplicate names to the implementation; two readers that choose
//! differently see two different tokens under one signature, so here they are refused.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// How deep lists and objects may nest below the outermost object.
pub(crate) const MAX_DEPTH: usize = 8;

pub(crate) type Object<'a> = BTreeMap<Cow<'a, str>, Json<'a>>;

/// One JSON value; numbers that are not unsigned integers keep no value, as no claim takes one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    Integer(u64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    Malformed,
    Duplicate,
    /// One value, and more behind it.
    Trailing,
}

impl Json<'_> {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads one object that is the whole input.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Object<'_>, JsonError> {
    let duplicate = Cell::new(false);
    let seed = Strict {
        depth: 0,
        duplicate: &duplicate,
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match seed.deserialize(&mut reader) {
        Ok(Json::Object(_)) if reader.end().is_err() => Err(JsonError::Trailing),
        Ok(Json::Object(object)) => Ok(object),
        Err(_) if duplicate.get() => Err(JsonError::Duplicate),
        _ => Err(JsonError::Malformed),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    duplicate: &'a Cell<bool>,
}

impl Strict<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth > MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(member) = members.next_element_seed(inner)? {
            list.push(member);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut object = Object::new();
        while let Some(Name(name)) = members.next_key()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                self.duplicate.set(true);
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Json::Object(object))
    }
}

/// A member's name, not copied where no escape stands in it.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(Naming)
    }
}

struct Naming;

impl<'de> Visitor<'de> for Naming {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rejections() {
        for (name, text, expected) in [
            ("empty", "", JsonError::Malformed),
            ("not an object", "[]", JsonError::Malformed),
            ("trailing bytes", "{} {}", JsonError::Trailing),
            ("trailing comma", r#"{"a":1,}"#, JsonError::Malformed),
            ("byte order mark", "\u{feff}{}", JsonError::Malformed),
            ("lone surrogate", r#"{"a":"\ud800"}"#, JsonError::Malformed),
            ("comment", "{/**/}", JsonError::Malformed),
            ("twice", r#"{"a":1,"a":1}"#, JsonError::Duplicate),
            (
                "twice, escaped",
                r#"{"a":1,"\u0061":2}"#,
                JsonError::Duplicate,
            ),
            (
                "twice, inside",
                r#"{"b":[{"a":1,"a":2}]}"#,
                JsonError::Duplicate,
            ),
        ] {
            assert_eq!(parse_object(text.as_bytes()), Err(expected), "{name}");
        }
        assert_eq!(parse_object(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| {
            format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes()
        };
        assert!(parse_object(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            parse_object(&nested(MAX_DEPTH + 1)),
            Err(JsonError::Malformed)
        );
        assert_eq!(parse_object(&nested(100_000)), Err(JsonError::Malformed));
    }

    #[test]
    fn only_unsigned_integers_are_numbers() {
        for text in [
            "-1",
            "-0",
            "1.0",
            "1e3",
            "18446744073709551616",
            "true",
            "null",
        ] {
            let text = format!("{{\"a\":{text}}}");
            let object = parse_object(text.as_bytes()).unwrap();
            assert_eq!(object.get("a"), Some(&Json::Other), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_object(&bytes);
        }

        #[test]
        fn agrees_with_serde_json_where_it_accepts(text in r#"[\{\}\[\]":,a-c01 ]{0,24}"#) {
            if parse_object(text.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
