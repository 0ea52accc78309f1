//! Where in a document a value stands, for errors.

use std::fmt;

/// The place of a value, as links on the stack from the innermost outwards.
///
/// Written as `messages[3].content[0].image_url`.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Member(&'a str),
    Element(usize),
}

impl<'a> Path<'a> {
    pub(crate) const ROOT: Self = Self {
        parent: None,
        segment: Segment::Root,
    };

    pub(crate) fn member(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Member(name),
        }
    }

    pub(crate) fn element(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Element(index),
        }
    }

    fn is_root(&self) -> bool {
        matches!(self.segment, Segment::Root)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Element(index) => write!(f, "[{index}]"),
            Segment::Member(name) => {
                if self.parent.is_some_and(|parent| !parent.is_root()) {
                    f.write_str(".")?;
                }
                f.write_str(if is_printable(name) { name } else { "*" })
            }
        }
    }
}

/// Whether a member's name may stand in an error: a name is the sender's text, so that one which
/// could hold an address or a number is never repeated.
fn is_printable(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().filter(u8::is_ascii_digit).count() <= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_the_sdks_write_it() {
        let root = Path::ROOT;
        let messages = root.member("messages");
        let third = messages.element(3);
        let content = third.member("content");
        let part = content.element(0);
        assert_eq!(
            part.member("image_url").to_string(),
            "messages[3].content[0].image_url"
        );
        assert_eq!(root.element(1).to_string(), "[1]");
    }

    #[test]
    fn a_name_that_could_hold_personal_data_is_not_repeated() {
        let root = Path::ROOT;
        for name in [
            "a@b.example",
            "123-45-6789",
            "p4111111111111111",
            "DE89370400440532013000",
            "10.0.0.1",
            "Ünal",
            "",
        ] {
            assert_eq!(root.member(name).to_string(), "*", "{name}");
        }
    }
}
