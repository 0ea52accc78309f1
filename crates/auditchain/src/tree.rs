//! The whole tree in memory, for whoever proves anything about any entry without a disk.

use crate::merkle::append_parents;
use crate::proof::{Nodes, consistency, inclusion, perfect_subtrees, root_over};
use crate::range::range;
use crate::{ConsistencyProof, Frontier, Hash, InclusionProof, ProofError, RangeProof};

/// The hashes of one piece of a level: 32 KiB.
const PIECE: usize = 1024;

/// A whole tree in memory: every leaf hash and every complete node above them.
///
/// 64 bytes an entry, and at most 32 KiB of spare room a level. Any proof takes O(log n) look-ups
/// and hashes; a [`Frontier`] is all that is needed to append, [`crate::TileTree`] proves from
/// files.
///
/// ```
/// use strongroom_auditchain::{Hash, Tree};
///
/// let mut tree = Tree::new();
/// let leaves: Vec<Hash> = (0..1000_u32).map(|i| Hash::of_leaf(&i.to_be_bytes())).collect();
/// tree.extend(&leaves);
/// tree.prove_inclusion(7, 500)?.verify(&leaves[7], &tree.root_at(500)?)?;
/// tree.prove_consistency(500, 1000)?.verify(&tree.root_at(500)?, &tree.root())?;
/// # Ok::<(), strongroom_auditchain::ProofError>(())
/// ```
#[derive(Clone, Default)]
pub struct Tree {
    size: u64,
    /// The complete nodes of each level, the leaves' first.
    levels: Vec<Level>,
}

impl Tree {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            levels: Vec::new(),
        }
    }

    /// The tree's size in leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut carry = leaf;
        let mut position = self.size;
        for level in &mut self.levels {
            let left = level.push(carry);
            if position & 1 == 0 {
                self.size += 1;
                return;
            }
            carry = left.map_or(carry, |left| Hash::of_node(&left, &carry));
            position >>= 1;
        }
        let mut level = Level::default();
        level.push(carry);
        self.levels.push(level);
        self.size += 1;
    }

    /// Appends several leaf hashes, in order; for less than one by one.
    pub fn extend(&mut self, leaves: &[Hash]) {
        for leaves in leaves.chunks(PIECE) {
            self.extend_piece(leaves);
        }
    }

    /// Appends as many leaf hashes as stay in the processor's nearest memory, level by level.
    fn extend_piece(&mut self, leaves: &[Hash]) {
        let (mut nodes, mut parents) = (leaves.to_vec(), Vec::new());
        let mut level = 0;
        while !nodes.is_empty() {
            if level == self.levels.len() {
                self.levels.push(Level::default());
            }
            let Some(below) = self.levels.get_mut(level) else {
                return;
            };
            // A last node that had no sibling yet finds it in the first of the new ones.
            if let Some(left) = below.unpaired() {
                nodes.insert(0, left);
                below.extend(nodes.get(1..).unwrap_or_default());
            } else {
                below.extend(&nodes);
            }
            append_parents(&nodes, &mut parents);
            std::mem::swap(&mut nodes, &mut parents);
            parents.clear();
            level += 1;
        }
        self.size += leaves.len() as u64;
    }

    /// The leaf hash at an index.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels.first()?.get(index)
    }

    /// The tree's root hash; [`Hash::EMPTY`] for the empty tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        // Of its own size every node is there.
        self.root_at(self.size).unwrap_or(Hash::EMPTY)
    }

    /// The root hash that the tree had at a size.
    ///
    /// # Errors
    /// [`ProofError::SizeMismatch`] above the tree's size.
    pub fn root_at(&self, size: u64) -> Result<Hash, ProofError> {
        root_over(&mut self.at(size)?, size)
    }

    /// The frontier that the tree had at a size.
    ///
    /// # Errors
    /// [`ProofError::SizeMismatch`] above the tree's size.
    pub fn frontier_at(&self, size: u64) -> Result<Frontier, ProofError> {
        let parts = perfect_subtrees(&mut self.at(size)?, size)?;
        Frontier::from_parts(size, &parts).map_err(|_| ProofError::SizeTooLarge)
    }

    /// Proves that the leaf at `index` is in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::SizeMismatch`] above the tree's size, [`ProofError::IndexOutOfRange`] for an
    /// index outside the tree of that size.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ProofError> {
        inclusion(&mut self.at(size)?, index, size)
    }

    /// Proves that the tree of the first `new` leaves begins with that of the first `old`.
    ///
    /// # Errors
    /// [`ProofError::SizeMismatch`] when `new` is above the tree's size, or `old` above `new`.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, ProofError> {
        consistency(&mut self.at(new)?, old, new)
    }

    /// Proves which leaves stand from `from` to `to` in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::SizeMismatch`] above the tree's size, [`ProofError::IndexOutOfRange`] for an
    /// empty range and one that ends outside the tree of that size.
    pub fn prove_range(&self, from: u64, to: u64, size: u64) -> Result<RangeProof, ProofError> {
        range(&mut self.at(size)?, from, to, size)
    }

    /// The tree, if it has reached a size.
    fn at(&self, size: u64) -> Result<&Self, ProofError> {
        if size > self.size {
            return Err(ProofError::SizeMismatch);
        }
        Ok(self)
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree(size {}, root {})", self.size, self.root())
    }
}

impl Nodes for &Tree {
    type Error = ProofError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ProofError> {
        let level = usize::try_from(level).ok();
        let level = level.and_then(|level| self.levels.get(level));
        let node = level.and_then(|level| level.get(index));
        node.ok_or(ProofError::SizeMismatch)
    }
}

/// The complete nodes of a level, in pieces: a level that grows neither moves nor doubles.
#[derive(Clone, Default)]
struct Level {
    full: Vec<Box<[Hash; PIECE]>>,
    last: Vec<Hash>,
}

impl Level {
    /// Appends a node, and gives the one before it.
    fn push(&mut self, node: Hash) -> Option<Hash> {
        // A piece is even: the left sibling of its last node is in it too.
        let left = self.last.last().copied();
        self.last.push(node);
        self.close_piece();
        left
    }

    fn extend(&mut self, mut nodes: &[Hash]) {
        while !nodes.is_empty() {
            let room = PIECE - self.last.len();
            let (fitting, rest) = nodes.split_at(room.min(nodes.len()));
            self.last.extend_from_slice(fitting);
            self.close_piece();
            nodes = rest;
        }
    }

    fn close_piece(&mut self) {
        if self.last.len() == PIECE {
            // The next is likely to be filled too: it is made whole at once, and never moves.
            let next = Vec::with_capacity(PIECE);
            let piece = std::mem::replace(&mut self.last, next).into_boxed_slice();
            match piece.try_into() {
                Ok(piece) => self.full.push(piece),
                Err(piece) => self.last = Vec::from(piece),
            }
        }
    }

    /// The last node, if its sibling is still to come.
    fn unpaired(&self) -> Option<Hash> {
        // A piece is even: the node before the first of a piece has its sibling.
        let last = self.last.last().copied();
        last.filter(|_| self.last.len() % 2 == 1)
    }

    fn get(&self, index: u64) -> Option<Hash> {
        let index = usize::try_from(index).ok()?;
        let (piece, within) = (index / PIECE, index % PIECE);
        match self.full.get(piece) {
            Some(piece) => piece.get(within).copied(),
            None if piece == self.full.len() => self.last.get(within).copied(),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_66_bytes_at_most() {
        let mut tree = Tree::new();
        for size in [100_000, 262_143, 262_145, 400_000_usize] {
            let grown = size - usize::try_from(tree.size()).unwrap();
            tree.extend(&vec![Hash::EMPTY; grown]);
            let held = tree.levels.iter().map(|level| {
                let pieces = level.full.len() * (PIECE * Hash::LEN + 8);
                pieces + level.last.capacity() * Hash::LEN
            });
            let held: usize = held.sum();
            assert!(held <= 66 * size, "{held} bytes at {size}");
        }
    }
}
