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
    /// A tree of this shape takes another number of hashes, or the proof another number of leaves.
    #[error("proof: too many or too few hashes or leaves")]
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
/// Hashes the whole tree, O(size); [`crate::Frontier::append_batch`] proves new entries for less,
/// [`crate::Tree`] and [`crate::TileTree`] any entry.
///
/// # Errors
/// [`ProofError::SizeMismatch`] with fewer than `size` leaves,
/// [`ProofError::IndexOutOfRange`] for an index outside the tree.
pub fn prove_inclusion(
    leaves: &[Hash],
    index: u64,
    size: u64,
) -> Result<InclusionProof, ProofError> {
    inclusion(&mut Leaves(prefix(leaves, size)?), index, size)
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
    consistency(&mut Leaves(prefix(leaves, new)?), old, new)
}

/// Where the roots of a tree's perfect subtrees are: in memory, in tiles, or to be made of leaves.
///
/// Each proof is made in one place, from whatever holds the nodes.
pub(crate) trait Nodes {
    type Error: From<ProofError>;

    /// The root over the leaves from `index << level` to `(index + 1) << level`, all of them there.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The roots of the perfect subtrees of the first `size` leaves, largest first.
pub(crate) fn perfect_subtrees<N: Nodes>(nodes: &mut N, size: u64) -> Result<Vec<Hash>, N::Error> {
    let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
    // The subtree at a one-bit ends where the bits from there up end.
    levels
        .map(|level| nodes.node(level, (size >> level) - 1))
        .collect()
}

/// The root over the first `size` leaves.
pub(crate) fn root_over<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 {
        return Ok(Hash::EMPTY);
    }
    subtree(nodes, 0, size)
}

/// Proves the leaf at `index` in the tree of `size`, of which the nodes are there.
pub(crate) fn inclusion<N: Nodes>(
    nodes: &mut N,
    index: u64,
    size: u64,
) -> Result<InclusionProof, N::Error> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange.into());
    }
    let mut hashes = Vec::with_capacity(path_capacity(size));
    siblings(nodes, (0, index), size, &mut hashes)?;
    Ok(InclusionProof {
        index,
        size,
        hashes,
    })
}

/// Proves that the tree of `new` begins with that of `old`, of which the nodes are there.
pub(crate) fn consistency<N: Nodes>(
    nodes: &mut N,
    old: u64,
    new: u64,
) -> Result<ConsistencyProof, N::Error> {
    if old > new {
        return Err(ProofError::SizeMismatch.into());
    }
    let mut hashes = Vec::new();
    if old != 0 && old != new {
        // RFC 9162, section 2.1.4.1: the last perfect subtree of the older tree, unless it is the
        // whole of it, and from there as for an entry.
        let level = old.trailing_zeros();
        let last = (old >> level) - 1;
        if last != 0 {
            hashes.push(nodes.node(level, last)?);
        }
        siblings(nodes, (level, last), new, &mut hashes)?;
    }
    Ok(ConsistencyProof { old, new, hashes })
}

/// Room for the hashes of a path, so that none is moved while it is made.
fn path_capacity(size: u64) -> usize {
    usize::try_from(u64::BITS - size.leading_zeros()).unwrap_or_default()
}

/// The siblings on the way from a node to the root of the tree of `size`, where there are any.
fn siblings<N: Nodes>(
    nodes: &mut N,
    (mut level, mut position): (u32, u64),
    size: u64,
    hashes: &mut Vec<Hash>,
) -> Result<(), N::Error> {
    let mut last = (size - 1) >> level;
    while last > 0 {
        let sibling = position ^ 1;
        if sibling < last {
            hashes.push(nodes.node(level, sibling)?);
        } else if sibling == last {
            // The right edge, which need not be a perfect subtree.
            hashes.push(subtree(nodes, sibling << level, size)?);
        }
        level += 1;
        position >>= 1;
        last >>= 1;
    }
    Ok(())
}

/// The root over the leaves from `start` to `end`, at least one, where a subtree as large as they
/// may begin at `start`.
fn subtree<N: Nodes>(nodes: &mut N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let mut rest = end - start;
    let mut right: Option<Hash> = None;
    loop {
        let level = rest.trailing_zeros();
        let left = nodes.node(level, ((start + rest) >> level) - 1)?;
        let joined = right.map_or(left, |right| Hash::of_node(&left, &right));
        rest &= rest - 1;
        if rest == 0 {
            return Ok(joined);
        }
        right = Some(joined);
    }
}

/// Leaves alone: each node is hashed anew.
pub(crate) struct Leaves<'a>(pub(crate) &'a [Hash]);

impl Nodes for Leaves<'_> {
    type Error = ProofError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ProofError> {
        let place = |at: u64| usize::try_from(at << level).ok();
        let below = place(index).zip(place(index + 1));
        let below = below.and_then(|(start, end)| self.0.get(start..end));
        below.map(root).ok_or(ProofError::SizeMismatch)
    }
}

fn prefix(leaves: &[Hash], size: u64) -> Result<&[Hash], ProofError> {
    usize::try_from(size)
        .ok()
        .and_then(|size| leaves.get(..size))
        .ok_or(ProofError::SizeMismatch)
}
