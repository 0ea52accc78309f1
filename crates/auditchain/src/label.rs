//! The short names that stand in entries and signed texts, each with its one alphabet.

use std::fmt;
use std::str::FromStr;

use crate::alphabet::{PLAIN, SLUG, is_of};

/// Why a text is not the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// Not an [`Origin`].
    #[error("origin: expected 1 to 255 bytes without space, plus or control character")]
    Origin,
    /// An [`Origin`] that begins as one of this family's own signed texts does.
    #[error("origin: strongroom.dev/audit- is reserved")]
    ReservedOrigin,
    /// Not an [`EventKind`].
    #[error("event kind: expected 1 to 64 characters of a-z 0-9 _ .")]
    EventKind,
    /// Not a [`Field`].
    #[error("field: expected 1 to 32 characters of a-z 0-9 _ .")]
    Field,
    /// Not a [`Slug`].
    #[error("slug: expected 1 to 64 characters of a-z 0-9 _ . -")]
    Slug,
}

macro_rules! label {
    ($(#[$doc:meta])+ $name:ident, $accepts:expr) => {
        $(#[$doc])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let accepts: fn(&str) -> Result<(), LabelError> = $accepts;
                accepts(text).map(|()| Self(text.into()))
            }
        }
    };
}

label! {
    /// A log's identity: a URL without scheme, such as `audit.example.com/t/5f0c`; 1 to 255 bytes
    /// without a Unicode space, `+` or a control character.
    ///
    /// One log has one origin for ever: it is the first line of every checkpoint, and the name of
    /// the key that signs them.
    ///
    /// # Security
    /// Texts that begin with `strongroom.dev/audit-` are refused. A batch note has a checkpoint's
    /// shape and may be signed by the same key; were its label an origin, the one would pass for
    /// the other.
    Origin, |text| {
        if !is_key_name(text) {
            Err(LabelError::Origin)
        } else if text.starts_with("strongroom.dev/audit-") {
            Err(LabelError::ReservedOrigin)
        } else {
            Ok(())
        }
    }
}

label! {
    /// What happened, such as `chat.completed`: 1 to 64 characters of `a-z 0-9 _ .`.
    EventKind, |text| within(text, PLAIN, 64).ok_or(LabelError::EventKind)
}

label! {
    /// The name of a committed field, such as `prompt`: 1 to 32 characters of `a-z 0-9 _ .`.
    Field, |text| within(text, PLAIN, 32).ok_or(LabelError::Field)
}

label! {
    /// Why something was refused or failed, such as `rate-limited`: 1 to 64 characters of
    /// `a-z 0-9 _ . -`.
    Slug, |text| within(text, SLUG, 64).ok_or(LabelError::Slug)
}

/// Whether a text can name a key in a signed note (C2SP signed-note, "Format").
pub(crate) fn is_key_name(text: &str) -> bool {
    let safe = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    !text.is_empty() && text.len() <= 255 && text.chars().all(safe)
}

fn within(text: &str, alphabet: u8, longest: usize) -> Option<()> {
    is_of(text.as_bytes(), alphabet, longest).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_rejections() {
        let long = "x".repeat(256);
        for (name, text) in [
            ("empty", ""),
            ("space", "a b"),
            ("no-break space", "a\u{a0}b"),
            ("line feed", "a\n"),
            ("delete", "a\u{7f}"),
            ("plus", "a+b"),
            ("too long", long.as_str()),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(LabelError::Origin), "{name}");
        }
        assert_eq!(
            "strongroom.dev/audit-batch/v1".parse::<Origin>(),
            Err(LabelError::ReservedOrigin)
        );
        assert!("audit.example.com/t/acme".parse::<Origin>().is_ok());
    }

    #[test]
    fn label_rejections() {
        for text in ["", "Chat", "chat completed", "chät", "chat\n"] {
            assert_eq!(text.parse::<EventKind>(), Err(LabelError::EventKind));
            assert_eq!(text.parse::<Field>(), Err(LabelError::Field));
            assert_eq!(text.parse::<Slug>(), Err(LabelError::Slug));
        }
        assert!("x".repeat(65).parse::<EventKind>().is_err());
        assert!("x".repeat(33).parse::<Field>().is_err());
        assert!("x".repeat(65).parse::<Slug>().is_err());
        assert!("rate-limited".parse::<EventKind>().is_err());
        assert!("rate-limited".parse::<Slug>().is_ok());
    }
}
