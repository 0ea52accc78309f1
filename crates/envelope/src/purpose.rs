//! What a wrapped key is for.

use std::fmt;

use crate::dek::DekId;
use crate::key_ref::KeyRef;

/// What a wrapped key is for: part of what its wrap is bound to.
///
/// Whoever can write to where wraps are stored cannot pass one off as another: a wrap from a record,
/// whose key somebody may have seen, does not unwrap as a key-encryption key, and a row's does not
/// unwrap in another row. It does not say which record: a data-encryption key may seal many, and who
/// knows one can forge any record of its tenant, with the wrap that it came with.
///
/// Its text is what a [`Kms`](crate::Kms) binds (`docs/spec/envelope.md`, "Wraps"):
///
/// ```
/// use strongroom_envelope::{KeyRef, Purpose};
///
/// let name: KeyRef = "user:17".parse()?;
/// assert_eq!(Purpose::Record.to_string(), "record");
/// let kek = Purpose::Kek { name, version: 3, created_at: 1_790_000_000 };
/// assert_eq!(kek.to_string(), "kek:3:1790000000:user:17");
/// # Ok::<(), strongroom_envelope::KeyRefError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
        /// When it was made, in Unix seconds.
        created_at: u64,
    },
    /// A tenant's key for look-up tags, which is kept under this id.
    Lookup(DekId),
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("record"),
            Self::Dek(id) => write!(f, "dek:{id}"),
            Self::Kek {
                name,
                version,
                created_at,
            } => write!(f, "kek:{version}:{created_at}:{}", name.as_str()),
            Self::Lookup(id) => write!(f, "look-up:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_purposes_have_one_text() {
        let ids = [1, 2].map(|byte| DekId::from_bytes([byte; 16]));
        let mut all = vec![Purpose::Record];
        all.extend(ids.map(Purpose::Dek));
        all.extend(ids.map(Purpose::Lookup));
        for name in ["a", "1:a", "2:a", "1:1:a"] {
            let name: KeyRef = name.parse().unwrap();
            for (version, created_at) in [(1, 1), (1, 2), (2, 1), (1, 11), (11, 1)] {
                all.push(Purpose::Kek {
                    name: name.clone(),
                    version,
                    created_at,
                });
            }
        }
        let mut texts: Vec<_> = all.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), all.len());
        assert_eq!(all[1].to_string(), format!("dek:{}", "01".repeat(16)));
    }
}
