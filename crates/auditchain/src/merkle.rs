//! The tree's hashes: RFC 6962, section 2.1, over SHA-256.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::Frontier;

/// The largest tree that is accepted, in leaves: 2^63 - 1, what a database's signed column holds.
pub const MAX_TREE_SIZE: u64 = (1 << 63) - 1;

/// One SHA-256 hash of the tree: of a leaf, of a node or of the whole; written in standard base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// The text is not the padded standard base64 of 32 bytes, or the bytes are not 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hash: expected 32 bytes, as padded standard base64 in text")]
pub struct HashError;

impl Hash {
    /// A hash's length in bytes.
    pub const LEN: usize = 32;

    /// The root of the empty tree: SHA-256 of nothing (RFC 6962, section 2.1).
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// Takes 32 bytes that already are a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Hashes an entry: SHA-256(0x00 || entry).
    ///
    /// The prefix keeps an entry from ever passing for a node.
    #[must_use]
    pub fn of_leaf(entry: &[u8]) -> Self {
        let hash = Sha256::new().chain_update([0x00]).chain_update(entry);
        Self(hash.finalize().into())
    }

    /// Hashes two children: SHA-256(0x01 || left || right).
    #[must_use]
    pub fn of_node(left: &Self, right: &Self) -> Self {
        let hash = Sha256::new()
            .chain_update([0x01])
            .chain_update(left.0)
            .chain_update(right.0);
        Self(hash.finalize().into())
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self).map_err(|_| HashError)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The length first, so that a long text is refused before it is decoded.
        if text.len() != 44 {
            return Err(HashError);
        }
        let bytes = STANDARD.decode(text).map_err(|_| HashError)?;
        Self::try_from(bytes.as_slice())
    }
}

/// The root of the tree over these leaf hashes (RFC 6962, section 2.1); [`Hash::EMPTY`] for none.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(Hash::EMPTY.0, <[u8; 32]>::from(Sha256::digest(b"")));
        assert_eq!(root(&[]), Hash::EMPTY);
        assert_eq!(
            Hash::EMPTY.to_string(),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn rejections() {
        for (name, text) in [
            ("empty", ""),
            ("31 bytes", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA=="),
            ("33 bytes", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFVV"),
            ("no padding", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"),
            (
                "trailing bits",
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            ),
            (
                "url alphabet",
                "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            ),
            ("line feed", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n"),
        ] {
            assert_eq!(text.parse::<Hash>(), Err(HashError), "{name}");
        }
    }

    #[test]
    fn a_leaf_never_passes_for_a_node() {
        let (left, right) = (Hash::of_leaf(b"l"), Hash::of_leaf(b"r"));
        let joined = [left.0, right.0].concat();
        assert_ne!(Hash::of_node(&left, &right), Hash::of_leaf(&joined));
    }
}
