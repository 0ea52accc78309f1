//! The tree's hashes: RFC 6962, section 2.1, over SHA-256.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

/// The largest tree that is accepted, in leaves: 2^63 - 1, what a database's signed column holds.
pub const MAX_TREE_SIZE: u64 = (1 << 63) - 1;

/// SHA-256's block, in bytes.
const BLOCK: usize = 64;

/// SHA-256's initial state (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The longest entry that fits into one block, with its prefix and SHA-256's padding.
const SHORT: usize = BLOCK - 1 - 9;

/// The padded message of a node, its children still zero: 65 bytes, or 520 bits (FIPS 180-4,
/// section 5.1.1). Most of what a log hashes is of this one shape.
const NODE: [u8; 2 * BLOCK] = {
    let mut message = [0; 2 * BLOCK];
    message[0] = 0x01;
    message[65] = 0x80;
    message[126] = 0x02;
    message[127] = 0x08;
    message
};

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
        if entry.len() > SHORT {
            let hash = Sha256::new().chain_update([0x00]).chain_update(entry);
            return Self(hash.finalize().into());
        }
        // FIPS 180-4, section 5.1.1: a one-bit, zeros, and the length in bits as the last 8 bytes.
        let mut block = [0; BLOCK];
        if let Some((_, message)) = block.split_first_mut()
            && let Some((content, padding)) = message.split_at_mut_checked(entry.len())
        {
            content.copy_from_slice(entry);
            if let Some(one) = padding.first_mut() {
                *one = 0x80;
            }
            if let Some(bits) = padding.last_chunk_mut() {
                *bits = ((1 + entry.len() as u64) * 8).to_be_bytes();
            }
        }
        let mut state = INITIAL;
        compress256(&mut state, &[block]);
        Self::of_state(&state)
    }

    /// Hashes two children: SHA-256(0x01 || left || right).
    #[must_use]
    pub fn of_node(left: &Self, right: &Self) -> Self {
        let mut message = NODE;
        place_children(&mut message, left, right);
        Self::of_message(&message)
    }

    /// Hashes a node's padded message.
    fn of_message(message: &[u8; 2 * BLOCK]) -> Self {
        let mut state = INITIAL;
        let (blocks, _) = message.as_chunks::<BLOCK>();
        compress256(&mut state, blocks);
        Self::of_state(&state)
    }

    fn of_state(state: &[u32; 8]) -> Self {
        let mut bytes = [0; Self::LEN];
        let (words, _) = bytes.as_chunks_mut::<4>();
        for (to, word) in words.iter_mut().zip(state) {
            *to = word.to_be_bytes();
        }
        Self(bytes)
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

/// Writes the children into a node's message.
fn place_children(message: &mut [u8; 2 * BLOCK], left: &Hash, right: &Hash) {
    if let Some((_, rest)) = message.split_first_mut()
        && let Some((to_left, rest)) = rest.split_first_chunk_mut()
        && let Some((to_right, _)) = rest.split_first_chunk_mut()
    {
        *to_left = left.0;
        *to_right = right.0;
    }
}

/// How many messages are written before the first of them is hashed.
const LANES: usize = 8;

/// Hashes neighbours two by two and appends their parents; a last one alone has none yet.
///
/// The prefix puts the children athwart the words that SHA-256 loads, so a message that has only
/// just been written stalls it. Several are written ahead, which takes a fifth of the time off.
pub(crate) fn append_parents(nodes: &[Hash], parents: &mut Vec<Hash>) {
    let (pairs, _) = nodes.as_chunks::<2>();
    if let [[left, right]] = pairs {
        parents.push(Hash::of_node(left, right));
        return;
    }
    parents.reserve(pairs.len());
    let mut messages = [NODE; LANES];
    for pairs in pairs.chunks(LANES) {
        for (message, [left, right]) in messages.iter_mut().zip(pairs) {
            place_children(message, left, right);
        }
        let messages = messages.iter().take(pairs.len());
        parents.extend(messages.map(Hash::of_message));
    }
}

/// The root of the tree over these leaf hashes (RFC 6962, section 2.1); [`Hash::EMPTY`] for none.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut nodes = leaves.to_vec();
    let mut above = Vec::new();
    while nodes.len() > 1 {
        append_level(&nodes, &mut above);
        std::mem::swap(&mut nodes, &mut above);
        above.clear();
    }
    nodes.first().copied().unwrap_or(Hash::EMPTY)
}

/// Appends the level above: a last node without a sibling stands for itself there.
pub(crate) fn append_level(nodes: &[Hash], above: &mut Vec<Hash>) {
    append_parents(nodes, above);
    if nodes.len() % 2 == 1 {
        above.extend(nodes.last());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha_256_of_prefix_and_content() {
        let bytes: Vec<u8> = (0_u32..1_100).map(|i| (i * 7) as u8).collect();
        for length in (0..300).chain([511, 512, 513, 574, 575, 576, 1_023, 1_024, 1_100]) {
            let entry = &bytes[..length];
            let expected = Sha256::new().chain_update([0x00]).chain_update(entry);
            let expected: [u8; 32] = expected.finalize().into();
            assert_eq!(Hash::of_leaf(entry).0, expected, "{length} bytes");
        }
        let nodes: Vec<Hash> = bytes.as_chunks::<32>().0.iter().map(|b| Hash(*b)).collect();
        for count in 0..=nodes.len() {
            let mut parents = Vec::new();
            append_parents(&nodes[..count], &mut parents);
            let (pairs, _) = nodes[..count].as_chunks::<2>();
            assert!(
                parents
                    .iter()
                    .copied()
                    .eq(pairs.iter().map(|[l, r]| Hash::of_node(l, r)))
            );
        }
        for pair in bytes.as_chunks::<64>().0 {
            let (left, right) = pair.split_at(32);
            let expected = Sha256::new().chain_update([0x01]).chain_update(pair);
            let expected: [u8; 32] = expected.finalize().into();
            let (left, right) = (left.try_into().unwrap(), right.try_into().unwrap());
            assert_eq!(Hash::of_node(&left, &right).0, expected);
        }
    }

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
