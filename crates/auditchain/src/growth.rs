//! Growth: what a batch adds to a tree, of which the proof of each of its entries is read.

use crate::merkle::append_level;
use crate::{Frontier, Hash, InclusionProof};

/// The nodes at a tree's right edge after a batch: level by level, those of its entries and what
/// they have to their left in a pair.
///
/// Two hashes an entry, whatever the proofs of all would take; a proof is copied out of it for
/// whoever wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    old: u64,
    size: u64,
    levels: Vec<Level>,
    /// All levels, one after the other, the leaves' first.
    nodes: Vec<Hash>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level {
    /// The position of its first node among all of the level.
    start: u64,
    /// Where its nodes begin.
    first: usize,
}

impl Growth {
    pub(crate) fn new(before: &Frontier, leaves: &[Hash]) -> Self {
        let size = leaves.iter().fold(before.size(), |size, _| size + 1);
        let depth = usize::try_from(u64::BITS - size.leading_zeros()).unwrap_or_default();
        let (mut old, mut older) = (before.size(), before.parts().iter().rev());
        let mut levels = Vec::with_capacity(depth + 1);
        let mut nodes = Vec::with_capacity(2 * (leaves.len() + depth + 1));
        let mut fresh = leaves.to_vec();
        let mut above = Vec::with_capacity(leaves.len() / 2 + 2);
        while !fresh.is_empty() {
            let first = nodes.len();
            // A level begins with the frontier's node if a new one needs it as its left sibling.
            let left = if old & 1 == 1 { older.next() } else { None };
            nodes.extend(left);
            nodes.append(&mut fresh);
            let start = old - u64::from(left.is_some());
            levels.push(Level { start, first });
            let level = nodes.get(first..).unwrap_or_default();
            if start == 0 && level.len() == 1 {
                break;
            }
            append_level(level, &mut above);
            std::mem::swap(&mut fresh, &mut above);
            old >>= 1;
        }
        Self {
            old: before.size(),
            size,
            levels,
            nodes,
        }
    }

    /// The tree's size after the batch.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The grown tree's root; none if nothing was added.
    #[cfg(feature = "std")]
    pub(crate) fn root(&self) -> Option<Hash> {
        self.nodes.last().copied()
    }

    /// The inclusion of one of the batch's entries in the grown tree; none of any other.
    pub(crate) fn prove(&self, index: u64) -> Option<InclusionProof> {
        if !(self.old..self.size).contains(&index) {
            return None;
        }
        let mut position = index;
        let mut hashes = Vec::with_capacity(self.levels.len());
        for level in 0..self.levels.len() {
            hashes.extend(self.node(level, position ^ 1));
            position >>= 1;
        }
        Some(InclusionProof {
            index,
            size: self.size,
            hashes,
        })
    }

    /// The roots of the grown tree's perfect subtrees, largest first; none if nothing was added.
    pub(crate) fn parts(&self) -> Vec<Hash> {
        let mut parts = Vec::with_capacity(self.size.count_ones() as usize);
        let mut complete = self.size;
        // The last complete node of a level is a perfect subtree of its own if it has no sibling
        // to its right: if the level's count of complete nodes is odd.
        for level in 0..self.levels.len() {
            if complete & 1 == 1 {
                parts.extend(self.node(level, complete - 1));
            }
            complete >>= 1;
        }
        parts.reverse();
        parts
    }

    fn node(&self, level: usize, position: u64) -> Option<Hash> {
        let Level { start, first } = *self.levels.get(level)?;
        let end = self.levels.get(level + 1);
        let end = end.map_or(self.nodes.len(), |above| above.first);
        let offset = usize::try_from(position.checked_sub(start)?).ok()?;
        self.nodes.get(first..end)?.get(offset).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_entries_of_the_batch_are_proved() {
        let leaves: Vec<Hash> = (0..40_u8).map(|i| Hash::of_leaf(&[i])).collect();
        for old in 0..20 {
            let (before, _) = Frontier::new().append_batch(&leaves[..old]);
            for new in old..40 {
                let (grown, growth) = before.grow(&leaves[old..new]);
                for (index, leaf) in leaves.iter().enumerate() {
                    let proof = growth.prove(index as u64);
                    assert_eq!(proof.is_some(), (old..new).contains(&index));
                    if let Some(proof) = proof {
                        proof.verify(leaf, &grown.root()).unwrap();
                        assert_eq!(growth.root(), Some(grown.root()));
                    }
                }
            }
        }
    }
}
