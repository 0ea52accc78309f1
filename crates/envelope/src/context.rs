//! The encryption context: what a sealed record is about, authenticated and not stored.

use std::collections::BTreeMap;

use crate::derive;
use crate::hash::sha256;

/// The most pairs that a context holds.
pub const MAX_CONTEXT_PAIRS: usize = 16;

/// The longest key or value of a context, in bytes.
pub const MAX_CONTEXT_TEXT: usize = 256;

/// Key and value pairs that a record is sealed for, and without which it does not open.
///
/// They are not in the sealed bytes: whoever opens a record must know what it should be. Put in
/// what must not be exchanged for something else of the same tenant: a purpose, a row's id.
///
/// ```
/// use strongroom_envelope::EncryptionContext;
///
/// let context = EncryptionContext::new([("purpose", "provider-credential"), ("name", "x")])?;
/// assert_eq!(context.iter().next(), Some(("name", "x")));
/// # Ok::<(), strongroom_envelope::ContextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionContext {
    pairs: BTreeMap<String, String>,
    hash: [u8; 32],
}

/// Why pairs are not a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// More than [`MAX_CONTEXT_PAIRS`] pairs.
    #[error("encryption context: more than 16 pairs")]
    TooManyPairs,
    /// A key is empty or longer than [`MAX_CONTEXT_TEXT`] bytes.
    #[error("encryption context: a key must be 1 to 256 bytes long")]
    KeyLength,
    /// A value is longer than [`MAX_CONTEXT_TEXT`] bytes.
    #[error("encryption context: a value is longer than 256 bytes")]
    ValueTooLong,
    /// A key stands twice.
    #[error("encryption context: a key stands twice")]
    DuplicateKey,
}

impl EncryptionContext {
    /// Takes the pairs, in any order.
    ///
    /// # Errors
    /// [`ContextError`] for too many pairs, a key or value of the wrong length, a key twice.
    pub fn new<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ContextError> {
        let mut taken = BTreeMap::new();
        for (key, value) in pairs {
            let (key, value) = (key.into(), value.into());
            if taken.len() == MAX_CONTEXT_PAIRS {
                return Err(ContextError::TooManyPairs);
            }
            if key.is_empty() || key.len() > MAX_CONTEXT_TEXT {
                return Err(ContextError::KeyLength);
            }
            if value.len() > MAX_CONTEXT_TEXT {
                return Err(ContextError::ValueTooLong);
            }
            if taken.insert(key, value).is_some() {
                return Err(ContextError::DuplicateKey);
            }
        }
        Ok(Self {
            hash: hash(&taken),
            pairs: taken,
        })
    }

    /// The pairs, in the byte order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The context's hash, made once: sealing many records of one context does it no more.
    pub(crate) const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// The hash of a context (`docs/spec/envelope.md`, "Context").
fn hash(pairs: &BTreeMap<String, String>) -> [u8; 32] {
    let texts = pairs
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let mut message = Vec::new();
    for field in std::iter::once(derive::CONTEXT).chain(texts) {
        message.extend_from_slice(&derive::length(field.as_bytes()));
        message.extend_from_slice(field.as_bytes());
    }
    sha256([message.as_slice()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        let long = "x".repeat(MAX_CONTEXT_TEXT + 1);
        for (name, pairs, expected) in [
            ("empty key", vec![("", "v")], ContextError::KeyLength),
            (
                "long key",
                vec![(long.as_str(), "v")],
                ContextError::KeyLength,
            ),
            (
                "long value",
                vec![("k", long.as_str())],
                ContextError::ValueTooLong,
            ),
            (
                "key twice",
                vec![("k", "v"), ("k", "v")],
                ContextError::DuplicateKey,
            ),
        ] {
            assert_eq!(EncryptionContext::new(pairs), Err(expected), "{name}");
        }
        let many = |count: usize| EncryptionContext::new((0..count).map(|n| (n.to_string(), "v")));
        assert!(many(MAX_CONTEXT_PAIRS).is_ok());
        assert_eq!(many(MAX_CONTEXT_PAIRS + 1), Err(ContextError::TooManyPairs));
    }

    #[test]
    fn order_does_not_matter_and_boundaries_do() {
        let hash = |pairs: &[(&str, &str)]| {
            *EncryptionContext::new(pairs.iter().copied())
                .unwrap()
                .hash()
        };
        assert_eq!(
            hash(&[("a", "1"), ("b", "2")]),
            hash(&[("b", "2"), ("a", "1")])
        );
        let different = [
            hash(&[]),
            hash(&[("a", "")]),
            hash(&[("a", "b")]),
            hash(&[("ab", "")]),
            hash(&[("a", "b"), ("c", "d")]),
            hash(&[("a", "bcd")]),
        ];
        for (position, one) in different.iter().enumerate() {
            assert!(!different[..position].contains(one));
        }
    }
}
