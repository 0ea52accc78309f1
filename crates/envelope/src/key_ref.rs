//! The name of a wrapping key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const MAX: usize = 128;

/// Names a key within a tenant's KMS: 1 to 128 characters of `A-Z a-z 0-9 . _ - : /`.
///
/// The name is stored in clear in every record that the key wraps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRef(Arc<str>);

/// The text is empty, longer than 128 characters, or has one outside the safe set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key reference: expected 1 to 128 characters of A-Z a-z 0-9 . _ - : /")]
pub struct KeyRefError;

impl KeyRef {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the bytes are a name, and if so the name.
    pub(crate) fn check(bytes: &[u8]) -> Option<&str> {
        let safe = |b: &u8| b.is_ascii_alphanumeric() || b"._-:/".contains(b);
        if bytes.is_empty() || bytes.len() > MAX || !bytes.iter().all(safe) {
            return None;
        }
        std::str::from_utf8(bytes).ok()
    }
}

impl FromStr for KeyRef {
    type Err = KeyRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = Self::check(text.as_bytes()).ok_or(KeyRefError)?;
        Ok(Self(name.into()))
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        for bad in ["", "a b", "a\n", "é", "a\"", "a\0", &"x".repeat(MAX + 1)] {
            assert_eq!(bad.parse::<KeyRef>(), Err(KeyRefError), "{bad:?}");
        }
        for good in ["a", "tenant-root", "kms:eu/root_1.2", &"x".repeat(MAX)] {
            assert_eq!(good.parse::<KeyRef>().unwrap().to_string(), good);
        }
    }
}
