//! The frontier: all that a log must remember of its tree to grow it.

use std::fmt;

use crate::growth::Growth;
use crate::merkle::MAX_TREE_SIZE;
use crate::{Hash, InclusionProof};

/// The roots of a tree's perfect subtrees, largest first: one for each one-bit of its size.
///
/// At most 63 hashes whatever the tree's size, and enough to append, to compute the root and to
/// prove the inclusion of what is appended.
///
/// ```
/// use strongroom_auditchain::{Frontier, Hash};
///
/// let mut frontier = Frontier::new();
/// frontier.push(Hash::of_leaf(b"first"));
/// // What a database keeps between two appends: the size and the bytes.
/// let stored = (frontier.size(), frontier.to_bytes());
/// let again = Frontier::from_bytes(stored.0, &stored.1)?;
/// let (grown, proofs) = again.append_batch(&[Hash::of_leaf(b"second")]);
/// proofs[0].verify(&Hash::of_leaf(b"second"), &grown.root())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    parts: Vec<Hash>,
}

/// Why a size and hashes are not a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The size is above [`MAX_TREE_SIZE`].
    #[error("frontier: the tree size is above 2^63 - 1")]
    SizeTooLarge,
    /// The number of hashes is not the number of one-bits in the size.
    #[error("frontier: a tree of this size has another number of perfect subtrees")]
    WrongCount,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            parts: Vec::new(),
        }
    }

    /// Takes a tree's size and the roots of its perfect subtrees, largest first.
    ///
    /// # Errors
    /// [`FrontierError`] when the two do not belong together. Whether the hashes are the right
    /// ones only a checkpoint can tell.
    pub fn from_parts(size: u64, parts: &[Hash]) -> Result<Self, FrontierError> {
        if size > MAX_TREE_SIZE {
            return Err(FrontierError::SizeTooLarge);
        }
        if u64::try_from(parts.len()) != Ok(u64::from(size.count_ones())) {
            return Err(FrontierError::WrongCount);
        }
        Ok(Self {
            size,
            parts: parts.to_vec(),
        })
    }

    /// Reads what [`Self::to_bytes`] wrote for a tree of this size.
    ///
    /// # Errors
    /// [`FrontierError`] when the bytes are not one hash for each one-bit of the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, FrontierError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
        if !rest.is_empty() || hashes.len() > 64 {
            return Err(FrontierError::WrongCount);
        }
        let parts: Vec<Hash> = hashes.iter().copied().map(Hash::from_bytes).collect();
        Self::from_parts(size, &parts)
    }

    /// The hashes, concatenated, largest subtree first: at most 2,016 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.parts.iter();
        hashes.flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// The tree's size in leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn parts(&self) -> &[Hash] {
        &self.parts
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut carry = leaf;
        let mut full = self.size;
        while full & 1 == 1 {
            let Some(left) = self.parts.pop() else { break };
            carry = Hash::of_node(&left, &carry);
            full >>= 1;
        }
        self.parts.push(carry);
        // A frontier starts at 2^63 - 1 at most, and nobody pushes 2^63 times.
        self.size += 1;
    }

    /// Appends a perfect subtree of 2^`height` leaves; none if the tree's size is no multiple of
    /// that.
    #[cfg(feature = "std")]
    pub(crate) fn push_subtree(&mut self, height: u32, root: Hash) -> Option<()> {
        let leaves = 1_u64.checked_shl(height)?;
        if !self.size.is_multiple_of(leaves) {
            return None;
        }
        let size = self.size.checked_add(leaves)?;
        let mut carry = root;
        let mut full = self.size.checked_shr(height).unwrap_or_default();
        while full & 1 == 1 {
            let left = self.parts.pop()?;
            carry = Hash::of_node(&left, &carry);
            full >>= 1;
        }
        self.parts.push(carry);
        self.size = size;
        Some(())
    }

    /// The tree's root hash.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut parts = self.parts.iter().rev();
        let Some(last) = parts.next() else {
            return Hash::EMPTY;
        };
        parts.fold(*last, |right, left| Hash::of_node(left, &right))
    }

    /// Appends several leaf hashes, and proves the inclusion of each in the grown tree.
    ///
    /// Needs nothing of the older entries: whatever lies left of a new leaf is in the frontier.
    #[must_use]
    pub fn append_batch(&self, leaves: &[Hash]) -> (Self, Vec<InclusionProof>) {
        let (grown, growth) = self.grow(leaves);
        let new = self.size..grown.size;
        (grown, new.filter_map(|index| growth.prove(index)).collect())
    }

    /// Appends several leaf hashes; answers what is proved of each of them later.
    pub(crate) fn grow(&self, leaves: &[Hash]) -> (Self, Growth) {
        let growth = Growth::new(self, leaves);
        if leaves.is_empty() {
            return (self.clone(), growth);
        }
        let (size, parts) = (growth.size(), growth.parts());
        (Self { size, parts }, growth)
    }
}

impl fmt::Debug for Frontier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frontier(size {}, root {})", self.size, self.root())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        let hash = Hash::EMPTY;
        let wrong = Err(FrontierError::WrongCount);
        assert_eq!(Frontier::from_parts(0, &[hash]), wrong);
        assert_eq!(Frontier::from_parts(3, &[hash]), wrong);
        assert_eq!(Frontier::from_parts(4, &[hash; 2]), wrong);
        assert_eq!(Frontier::from_bytes(1, &[0; 31]), wrong);
        assert_eq!(Frontier::from_bytes(1, &[0; 33]), wrong);
        assert_eq!(Frontier::from_bytes(1, &[0; 32 * 100]), wrong);
        let large = Err(FrontierError::SizeTooLarge);
        assert_eq!(Frontier::from_parts(1 << 63, &[hash]), large);
        assert_eq!(Frontier::from_parts(u64::MAX, &[hash; 64]), large);
    }

    #[test]
    fn the_largest_frontier_still_grows() {
        let frontier = Frontier::from_parts(MAX_TREE_SIZE, &[Hash::EMPTY; 63]).unwrap();
        let (grown, proofs) = frontier.append_batch(&[Hash::EMPTY; 3]);
        assert_eq!(grown.size(), (1 << 63) + 2);
        assert_eq!(proofs.len(), 3);
        let mut pushed = frontier.clone();
        for _ in 0..3 {
            pushed.push(Hash::EMPTY);
        }
        assert_eq!(grown, pushed);
        assert_eq!(frontier.append_batch(&[]), (frontier.clone(), Vec::new()));
    }
}
