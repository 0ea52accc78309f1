//! What the names around a value say of it.

use strongroom_pii::{is_named_member, is_naming_member};

use crate::value::Value;

/// How long a name may be that is read along with its value: each value under it is read with it,
/// so that a long one would make the work grow with its length times their number.
const MAX_NAME: usize = 64;

/// Members of a JSON Schema that bound a value and are none (draft 2020-12, validation, sections 6.2 to
/// 6.5): what is around them says what they bound.
const BOUNDS: &[&str] = &[
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
];

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
        let outer = if BOUNDS.contains(&inner) {
            ""
        } else {
            self.inner
        };
        Self {
            inner,
            lead: lead(outer, inner),
        }
    }

    /// Whether another member may say what the value is: `{"name": "password", "value": ...}`.
    pub(crate) fn is_named(&self) -> bool {
        is_named_member(self.inner)
    }

    /// The same beside what another member says.
    pub(crate) fn beside(&self, naming: &str) -> Option<Self> {
        let is_named = !naming.is_empty() && self.is_named();
        is_named.then(|| Self {
            inner: self.inner,
            lead: lead(naming, self.inner),
        })
    }
}

/// What the member of an object says that names another one's value; empty when there is none.
pub(crate) fn naming(members: &[(String, Value)]) -> String {
    let mut names = members.iter().filter_map(|(name, value)| {
        let text = value.as_str().filter(|text| text.len() <= MAX_NAME)?;
        is_naming_member(name).then_some(text)
    });
    names.next().unwrap_or_default().to_owned()
}

/// Names as they are written, `ssnNumber` and `password_2`, other marks as spaces.
fn lead(outer: &str, inner: &str) -> String {
    let mut words = String::with_capacity(outer.len() + inner.len() + 1);
    for name in [outer, inner] {
        words.push(' ');
        let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        words.extend(name.chars().map(|c| if is_of_name(c) { c } else { ' ' }));
    }
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let names = Names::default().within("patient");
        assert_eq!(names.lead, "patient");
        assert_eq!(names.within("ssnNumber").lead, "patient ssnNumber");
        assert_eq!(names.within("password_2").lead, "patient password_2");
        assert_eq!(names.within("ssn (US)").lead, "patient ssn  US");
        assert_eq!(names.within("maximum").lead, "maximum");
        assert_eq!(names.within("").lead, "patient");
        assert_eq!(names.within(&"n".repeat(MAX_NAME + 1)).lead, "patient");
        assert_eq!(Names::default().lead, "");
    }

    #[test]
    fn a_member_names_another() {
        let member = |name: &str, value: &str| (name.to_owned(), Value::String(value.to_owned()));
        let naming = naming(&[member("value", "x"), member("Name", "password")]);
        let names = Names::default().within("field");
        let beside = |name| names.within(name).beside(&naming).map(|names| names.lead);
        assert_eq!(beside("value").as_deref(), Some("password value"));
        assert_eq!(beside("Values").as_deref(), Some("password Values"));
        assert_eq!(beside("note"), None);
        assert_eq!(
            names.within("value").beside("").map(|names| names.lead),
            None
        );
        assert_eq!(
            super::naming(&[member("name", &"n".repeat(MAX_NAME + 1))]),
            ""
        );
    }
}
