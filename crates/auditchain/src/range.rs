//! Range proofs: every entry from one index to another, with none left out.

use crate::merkle::MAX_TREE_SIZE;
use crate::proof::{Nodes, inclusion, perfect_subtrees};
use crate::{Frontier, Hash, InclusionProof, ProofError};

/// That certain leaves, and no others, stand from one index to another in a tree of a size.
///
/// Ending at the tree's size and beginning at the size of an older tree, it is the whole of what
/// was appended between the two: [`Self::verify_between`].
///
/// ```
/// use strongroom_auditchain::{Hash, Tree};
///
/// let mut tree = Tree::new();
/// let leaves: Vec<Hash> = (0..100_u32).map(|i| Hash::of_leaf(&i.to_be_bytes())).collect();
/// tree.extend(&leaves);
/// let proof = tree.prove_range(60, 100, 100)?;
/// let (old, new) = (tree.root_at(60)?, tree.root());
/// proof.verify_between(&old, &new, leaves[60..].iter().copied())?;
/// # Ok::<(), strongroom_auditchain::ProofError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeProof {
    /// The index of the first leaf.
    pub from: u64,
    /// The index after the last leaf.
    pub to: u64,
    /// The tree's size in leaves.
    pub size: u64,
    /// What is left of the range: the roots of the perfect subtrees of the first `from` leaves,
    /// largest first.
    pub left: Vec<Hash>,
    /// What is right of it: the siblings on the way from the last leaf to the root that lie right
    /// of the way, the lowest first.
    pub right: Vec<Hash>,
}

impl RangeProof {
    /// Checks that these are the leaves of the range in the tree with this root, all of them.
    ///
    /// # Errors
    /// [`ProofError`] if anything does not fit; one leaf more or less is a
    /// [`ProofError::WrongLength`], and so is a missing or an extra hash.
    pub fn verify(
        &self,
        leaves: impl IntoIterator<Item = Hash>,
        root: &Hash,
    ) -> Result<(), ProofError> {
        // The numbers first, so that no leaf is asked for in vain.
        let (mut frontier, right) = self.checked()?;
        let mut leaves = leaves.into_iter();
        for _ in self.from..self.to - 1 {
            frontier.push(leaves.next().ok_or(ProofError::WrongLength)?);
        }
        let last = leaves.next().ok_or(ProofError::WrongLength)?;
        if leaves.next().is_some() {
            return Err(ProofError::WrongLength);
        }
        // What is left of the last leaf is known now; what is right of it is the proof's.
        let (mut left, mut right) = (frontier.parts().iter().rev(), right.iter());
        let sides = sides(self.to - 1, self.size);
        let hashes = sides.filter_map(|is_left| if is_left { left.next() } else { right.next() });
        let path = InclusionProof {
            index: self.to - 1,
            size: self.size,
            hashes: hashes.copied().collect(),
        };
        path.verify(&last, root)
    }

    /// Checks that these leaves, and no others, were appended between an older tree and a newer.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`ProofError::SizeMismatch`] unless the range ends with the tree,
    /// [`ProofError::RootMismatch`] unless it begins with the older one.
    pub fn verify_between(
        &self,
        old_root: &Hash,
        new_root: &Hash,
        leaves: impl IntoIterator<Item = Hash>,
    ) -> Result<(), ProofError> {
        if self.to != self.size {
            return Err(ProofError::SizeMismatch);
        }
        let (older, _) = self.checked()?;
        if older.root() != *old_root {
            return Err(ProofError::RootMismatch);
        }
        self.verify(leaves, new_root)
    }

    /// The frontier before the range and the hashes right of it, if they are as many as they are
    /// to be.
    fn checked(&self) -> Result<(Frontier, &[Hash]), ProofError> {
        if self.size > MAX_TREE_SIZE {
            return Err(ProofError::SizeTooLarge);
        }
        if self.from >= self.to || self.to > self.size {
            return Err(ProofError::IndexOutOfRange);
        }
        let needed = sides(self.to - 1, self.size).filter(|is_left| !is_left);
        if self.right.len() != needed.count() {
            return Err(ProofError::WrongLength);
        }
        let frontier = Frontier::from_parts(self.from, &self.left);
        Ok((frontier.map_err(|_| ProofError::WrongLength)?, &self.right))
    }
}

/// For each sibling on the way from a leaf to the root, whether it is on the left.
fn sides(index: u64, size: u64) -> impl Iterator<Item = bool> {
    let last = size - 1;
    let levels =
        (0..u64::BITS - last.leading_zeros()).map(move |level| (index >> level, last >> level));
    // A last node with no sibling to its right goes up alone.
    let paired = levels.filter(|(node, last)| node & 1 == 1 || node < last);
    paired.map(|(node, _)| node & 1 == 1)
}

/// Proves the leaves from `from` to `to` in the tree of `size`, of which the nodes are there.
pub(crate) fn range<N: Nodes>(
    nodes: &mut N,
    from: u64,
    to: u64,
    size: u64,
) -> Result<RangeProof, N::Error> {
    if from >= to || to > size {
        return Err(ProofError::IndexOutOfRange.into());
    }
    let path = inclusion(nodes, to - 1, size)?.hashes;
    let right = path.into_iter().zip(sides(to - 1, size));
    Ok(RangeProof {
        from,
        to,
        size,
        left: perfect_subtrees(nodes, from)?,
        right: right
            .filter_map(|(hash, is_left)| (!is_left).then_some(hash))
            .collect(),
    })
}
