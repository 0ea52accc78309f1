//! Why a body was not taken.

use strongroom_pii::{Class, RedactError};

use crate::path::Path;

/// Why a request or an answer was refused.
///
/// It names the place, never the value. Names of members are the sender's text as well: one that
/// is not a plain identifier is written `*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The body is not one JSON document in UTF-8 (RFC 8259).
    #[error("the body is not valid JSON")]
    NotJson,
    /// Arrays and objects are nested more than [`MAX_DEPTH`](crate::MAX_DEPTH) deep.
    #[error("{0}: nested too deep")]
    TooDeep(String),
    /// An object has two members of one name, of which two readers may take different ones.
    #[error("{0}: the member appears twice")]
    DuplicateMember(String),
    /// A member that must be there is absent.
    #[error("{0}: required")]
    Missing(String),
    /// A value is not of the form that the API asks for.
    #[error("{}: expected {expected}", if field.is_empty() { "the body" } else { field })]
    Invalid {
        /// The place.
        field: String,
        /// What would have been taken.
        expected: &'static str,
    },
    /// A top-level member that the API does not document, which nothing here knows how to guard.
    #[error("{0}: unknown field")]
    UnknownField(String),
    /// The value could carry personal data past the policy: an image, a recording or a file, or
    /// personal data as a name, an identifier or a number, where no label can replace it.
    #[error("{0}: cannot be redacted, so it is refused")]
    FieldRefused(String),
    /// `stream: true`.
    #[error("stream: streamed answers are not supported")]
    StreamUnsupported,
    /// The policy blocks the class that was found.
    #[error("{field}: the policy blocks {}", class.id())]
    Blocked {
        /// The place.
        field: String,
        /// The class that was found.
        class: Class,
    },
    /// What the policy asks for could not be done: the text goes nowhere.
    #[error("{field}: not redacted: {reason}")]
    NotRedacted {
        /// The place.
        field: String,
        /// Why.
        reason: RedactError,
    },
}

impl WireError {
    /// The place, as `messages[3].content[0].image_url`; `None` when it is the body as a whole.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        let field = match self {
            Self::NotJson => return None,
            Self::StreamUnsupported => "stream",
            Self::TooDeep(field)
            | Self::DuplicateMember(field)
            | Self::Missing(field)
            | Self::Invalid { field, .. }
            | Self::UnknownField(field)
            | Self::FieldRefused(field)
            | Self::Blocked { field, .. }
            | Self::NotRedacted { field, .. } => field,
        };
        (!field.is_empty()).then_some(field)
    }

    /// A stable slug for machines, as `unknown_field`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson => "invalid_json",
            Self::TooDeep(_) => "json_too_deep",
            Self::DuplicateMember(_) => "duplicate_member",
            Self::Missing(_) => "missing_field",
            Self::Invalid { .. } => "invalid_field",
            Self::UnknownField(_) => "unknown_field",
            Self::FieldRefused(_) => "field_refused",
            Self::StreamUnsupported => "stream_unsupported",
            Self::Blocked { .. } => "pii_blocked",
            Self::NotRedacted { .. } => "not_redacted",
        }
    }

    pub(crate) fn missing(path: &Path<'_>) -> Self {
        Self::Missing(path.to_string())
    }

    pub(crate) fn invalid(path: &Path<'_>, expected: &'static str) -> Self {
        Self::Invalid {
            field: path.to_string(),
            expected,
        }
    }

    pub(crate) fn refused(path: &Path<'_>) -> Self {
        Self::FieldRefused(path.to_string())
    }

    pub(crate) fn of(path: &Path<'_>, error: RedactError) -> Self {
        let field = path.to_string();
        match error {
            RedactError::Blocked(blocked) => Self::Blocked {
                field,
                class: blocked.class,
            },
            reason => Self::NotRedacted { field, reason },
        }
    }
}
