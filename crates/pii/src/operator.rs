//! What stands in the place of a value.

use std::fmt;

use crate::Class;

/// What a value is replaced by, in the modes that replace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operator {
    /// The class's label: `[EMAIL]`. Says nothing else, not even whether two values are the same.
    #[default]
    Label,
    /// The label and a number, the same for the same value: `[EMAIL_1]`. Numbers hold within one
    /// [`Redactor`](crate::Redactor): a request, a conversation.
    Number,
    /// The label and 70 random bits, the same for the same value within one
    /// [`Redactor`](crate::Redactor): `[EMAIL_K7Q2M4XR9TZB3C]`. In reversible mode the vault keeps
    /// the value; in strict mode nobody does.
    Token,
    /// All but the last letters and digits: `[CREDIT_CARD ****1111]`.
    Mask {
        /// How many letters and digits stay, 1 to 4.
        keep: u8,
    },
    /// The label and a keyed code, the same for the same value wherever the key is the same:
    /// `[EMAIL#9F86D081884C7D65]`. Whoever has two texts can link them.
    Hmac,
}

impl Operator {
    /// The operator's name, as it stands in a policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Number => "number",
            Self::Token => "token",
            Self::Mask { .. } => "mask",
            Self::Hmac => "hmac",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The most letters and digits that a mask may leave.
pub(crate) const MOST_KEPT: u8 = 4;

/// A masked value. What has no bound shows nothing, and no value shows more than a quarter of
/// itself.
pub(crate) fn masked(class: &Class, value: &str, keep: u8) -> String {
    let alnum: Vec<char> = value.chars().filter(|c| c.is_alphanumeric()).collect();
    let keep = usize::from(keep.min(MOST_KEPT)).min(alnum.len() / 4);
    let shown: String = alnum.iter().skip(alnum.len() - keep).collect();
    format!("[{} ****{shown}]", class.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_the_end_and_never_more_than_a_quarter() {
        for (value, keep, expected) in [
            ("4111 1111 1111 1111", 4, "[CREDIT_CARD ****1111]"),
            ("4111 1111 1111 1111", 2, "[CREDIT_CARD ****11]"),
            ("12345678", 4, "[CREDIT_CARD ****78]"),
            ("123", 4, "[CREDIT_CARD ****]"),
            ("4111111111111111", 200, "[CREDIT_CARD ****1111]"),
        ] {
            assert_eq!(masked(&Class::Card, value, keep), expected);
        }
    }
}
