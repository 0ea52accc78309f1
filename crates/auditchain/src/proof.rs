//! Inclusion and consistency proofs: RFC 9162, sections 2.1.3 and 2.1.4 (the shapes are RFC 6962's).

use crate::Hash;
use crate::merkle::{MAX_TREE_SIZE, root};

/// That an entry stands at an index of a tree of a size: the sibling hashes from leaf to root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's index, from 0.
    pub index: u64,
    /// The tree's size in leaves.
    pub size: u64,
    /// The sibling hashes, the leaf's first.
    pub hashes: Vec<Hash>,
}

/// That a tree of `new` leaves begins with the tree of `old` leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The older tree's size.
    pub old: u64,
    /// The newer tree's size.
    pub new: u64,
    /// The hashes, in the order of RFC 6962, section 2.1.2.
    pub hashes: Vec<Hash>,
}

/// Why a proof cannot be made, or does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A size is above [`MAX_TREE_SIZE`].
    #[error("proof: the tree size is above 2^63 - 1")]
    SizeTooLarge,
    /// The index is not below the tree's size.
    #[error("proof: the index is outside the tree")]
    IndexOutOfRange,
    /// The older tree is larger than the newer, or the leaves do not reach to the size.
    #[error("proof: the sizes contradict each other")]
    SizeMismatch,
    /// A tree of this shape takes another number of hashes.
    #[error("proof: too many or too few hashes")]
    WrongLength,
    /// The computed root is not the expected one.
    #[error("proof: the root does not match")]
    RootMismatch,
}

impl InclusionProof {
    /// Checks that the leaf stands at the index of the tree with this root.
    ///
    /// # Errors
    /// [`ProofError`] if anything does not fit; a proof with a missing or an extra hash never
    /// holds.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), ProofError> {
        if self.size > MAX_TREE_SIZE {
            return Err(ProofError::SizeTooLarge);
        }
        if self.index >= self.size {
            return Err(ProofError::IndexOutOfRange);
        }
        // RFC 9162, section 2.1.3.2.
        let (mut node, mut last) = (self.index, self.size - 1);
        let mut computed = *leaf;
        for sibling in &self.hashes {
            if last == 0 {
                return Err(ProofError::WrongLength);
            }
            if node & 1 == 1 || node == last {
                computed = Hash::of_node(sibling, &computed);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                computed = Hash::of_node(&computed, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(ProofError::WrongLength);
        }
        if computed != *root {
            return Err(ProofError::RootMismatch);
        }
        Ok(())
    }
}

impl ConsistencyProof {
    /// Checks that the newer tree begins with the older one.
    ///
    /// Every tree begins with the empty one: from size 0 the proof is empty, and all that is
    /// checked is that the older root is [`Hash::EMPTY`].
    ///
    /// # Errors
    /// [`ProofError`] if anything does not fit; a proof with a missing or an extra hash never
    /// holds.
    pub fn verify(&self, old_root: &Hash, new_root: &Hash) -> Result<(), ProofError> {
        if self.new > MAX_TREE_SIZE {
            return Err(ProofError::SizeTooLarge);
        }
        if self.old > self.new {
            return Err(ProofError::SizeMismatch);
        }
        if self.old == 0 || self.old == self.new {
            if !self.hashes.is_empty() {
                return Err(ProofError::WrongLength);
            }
            let same = self.old != self.new || old_root == new_root;
            let empty = self.old != 0 || *old_root == Hash::EMPTY;
            return if same && empty {
                Ok(())
            } else {
                Err(ProofError::RootMismatch)
            };
        }
        // RFC 9162, section 2.1.4.2: a perfect older tree is its own first hash.
        let mut hashes = self.hashes.iter();
        let first = if self.old.is_power_of_two() {
            old_root
        } else {
            hashes.next().ok_or(ProofError::WrongLength)?
        };
        let (mut node, mut last) = (self.old - 1, self.new - 1);
        while node & 1 == 1 {
            node >>= 1;
            last >>= 1;
        }
        let (mut computed_old, mut computed_new) = (*first, *first);
        for sibling in hashes {
            if last == 0 {
                return Err(ProofError::WrongLength);
            }
            if node & 1 == 1 || node == last {
                computed_old = Hash::of_node(sibling, &computed_old);
                computed_new = Hash::of_node(sibling, &computed_new);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                computed_new = Hash::of_node(&computed_new, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(ProofError::WrongLength);
        }
        if computed_old != *old_root || computed_new != *new_root {
            return Err(ProofError::RootMismatch);
        }
        Ok(())
    }
}

/// Proves that the leaf at `index` is in the tree over the first `size` leaves.
///
/// Hashes the whole tree, O(size); [`crate::Frontier::append_batch`] proves new entries for less.
///
/// # Errors
/// [`ProofError::SizeMismatch`] with fewer than `size` leaves,
/// [`ProofError::IndexOutOfRange`] for an index outside the tree.
pub fn prove_inclusion(
    leaves: &[Hash],
    index: u64,
    size: u64,
) -> Result<InclusionProof, ProofError> {
    let mut tree = prefix(leaves, size)?;
    let mut rest = usize::try_from(index).map_err(|_| ProofError::IndexOutOfRange)?;
    if rest >= tree.len() {
        return Err(ProofError::IndexOutOfRange);
    }
    let mut hashes = Vec::new();
    // RFC 6962, section 2.1.1, from the root down.
    while tree.len() > 1 {
        let (left, right) = halves(tree);
        if rest < left.len() {
            hashes.push(root(right));
            tree = left;
        } else {
            hashes.push(root(left));
            rest -= left.len();
            tree = right;
        }
    }
    hashes.reverse();
    Ok(InclusionProof {
        index,
        size,
        hashes,
    })
}

/// Proves that the tree over the first `new` leaves begins with that over the first `old`.
///
/// Hashes the whole tree, O(new).
///
/// # Errors
/// [`ProofError::SizeMismatch`] with fewer than `new` leaves, or when `old` is above `new`.
pub fn prove_consistency(
    leaves: &[Hash],
    old: u64,
    new: u64,
) -> Result<ConsistencyProof, ProofError> {
    let mut tree = prefix(leaves, new)?;
    let mut rest = prefix(tree, old)?.len();
    let mut hashes = Vec::new();
    // RFC 6962, section 2.1.2, from the root down; the older root itself is never part of it.
    let mut is_old_root = true;
    while rest != 0 {
        if rest == tree.len() {
            if !is_old_root {
                hashes.push(root(tree));
            }
            break;
        }
        let (left, right) = halves(tree);
        if rest <= left.len() {
            hashes.push(root(right));
            tree = left;
        } else {
            hashes.push(root(left));
            rest -= left.len();
            tree = right;
            is_old_root = false;
        }
    }
    hashes.reverse();
    Ok(ConsistencyProof { old, new, hashes })
}

fn prefix(leaves: &[Hash], size: u64) -> Result<&[Hash], ProofError> {
    usize::try_from(size)
        .ok()
        .and_then(|size| leaves.get(..size))
        .ok_or(ProofError::SizeMismatch)
}

/// Splits a tree of more than one leaf at the largest power of two below its size.
fn halves(tree: &[Hash]) -> (&[Hash], &[Hash]) {
    let split = tree.len().next_power_of_two() / 2;
    tree.split_at(split)
}
