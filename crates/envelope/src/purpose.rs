//! What a wrapped key is for.

use std::fmt;

use crate::dek::DekId;
use crate::key_ref::KeyRef;

/// What a wrapped key is for: part of what its wrap is bound to.
///
/// Whoever can write to where wraps are stored cannot pass one off as another: a wrap from a record,
/// whose key somebody may have seen, does not unwrap as a key-encryption key, and a row's does not
/// unwrap in another row.
///
/// Its text is what a [`Kms`](crate::Kms) binds (`docs/spec/envelope.md`, "Wraps"):
///
/// ```
/// use strongroom_envelope::{KeyRef, Purpose};
///
/// let name: KeyRef = "user:17".parse()?;
/// assert_eq!(Purpose::Record.to_string(), "record");
/// assert_eq!(Purpose::Kek { name, version: 3 }.to_string(), "kek:3:user:17");
/// # Ok::<(), strongroom_envelope::KeyRefError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The key of a record that carries this wrap.
    Record,
    /// A data-encryption key that is kept beside its records, under this id.
    Dek(DekId),
    /// A version of a key-encryption key.
    Kek {
        /// The key's name.
        name: KeyRef,
        /// Its version, from 1.
        version: u32,
    },
    /// A tenant's key for look-up tags.
    Lookup,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("record"),
            Self::Dek(id) => write!(f, "dek:{id}"),
            Self::Kek { name, version } => write!(f, "kek:{version}:{}", name.as_str()),
            Self::Lookup => f.write_str("look-up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_purposes_have_one_text() {
        let ids = [DekId::from_bytes([1; 16]), DekId::from_bytes([2; 16])];
        let names: [KeyRef; 3] = ["a", "1:a", "2:a"].map(|name| name.parse().unwrap());
        let mut all = vec![Purpose::Record, Purpose::Lookup];
        all.extend(ids.map(Purpose::Dek));
        for name in &names {
            all.extend([1, 2, 11].map(|version| Purpose::Kek {
                name: name.clone(),
                version,
            }));
        }
        let mut texts: Vec<_> = all.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), all.len());
        assert_eq!(all[2].to_string(), format!("dek:{}", "01".repeat(16)));
    }
}
