//! Multiproofs: many entries of one tree proved together, by rs_merkle behind a strict wrapper.

use rs_merkle::{Hasher, MerkleProof, MerkleTree};

use crate::merkle::MAX_TREE_SIZE;
use crate::{Hash, ProofError};

/// The most leaves of one multiproof: rs_merkle's time grows with their square.
pub const MAX_MULTIPROOF_LEAVES: usize = 1024;

/// That certain leaves stand at certain indices of a tree of a size, with no hash twice.
///
/// # Security
/// Says nothing about what is between the indices; [`crate::RangeProof`] does.
///
/// ```
/// use strongroom_auditchain::{Hash, Multiproof, root};
///
/// let leaves: Vec<Hash> = (0..100_u32).map(|i| Hash::of_leaf(&i.to_be_bytes())).collect();
/// let proof = Multiproof::prove(&leaves, &[3, 4, 77], 100)?;
/// proof.verify(&[leaves[3], leaves[4], leaves[77]], &root(&leaves))?;
/// # Ok::<(), strongroom_auditchain::MultiproofError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiproof {
    /// The leaves' indices, each above the one before it.
    pub indices: Vec<u64>,
    /// The tree's size in leaves.
    pub size: u64,
    /// The hashes of the nodes that do not follow from the leaves, level by level from the leaves'
    /// up, each level from left to right.
    pub hashes: Vec<Hash>,
}

/// Why a multiproof cannot be made, or does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiproofError {
    /// No leaf.
    #[error("multiproof: of no leaf")]
    NoIndex,
    /// More than [`MAX_MULTIPROOF_LEAVES`] leaves.
    #[error("multiproof: of more than 1024 leaves")]
    TooManyIndices,
    /// An index is not above the one before it.
    #[error("multiproof: the indices are not strictly ascending")]
    NotAscending,
    /// Sizes, hashes or the root do not fit.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Multiproof {
    /// Proves that the leaves at the indices are in the tree over the first `size` leaves.
    ///
    /// Hashes the whole tree, O(size), and holds some 300 bytes a leaf meanwhile: rs_merkle takes
    /// leaves and nothing else.
    ///
    /// # Errors
    /// [`MultiproofError`] for indices that are none, too many, not strictly ascending or outside
    /// the tree, [`ProofError::SizeMismatch`] with fewer than `size` leaves.
    pub fn prove(all: &[Hash], indices: &[u64], size: u64) -> Result<Self, MultiproofError> {
        let places = checked(indices, size)?;
        let leaves = usize::try_from(size).ok();
        let leaves = leaves.and_then(|size| all.get(..size));
        let leaves = bytes_of(leaves.ok_or(ProofError::SizeMismatch)?);
        let proof = MerkleTree::<Rfc6962>::from_leaves(&leaves).proof(&places);
        let hashes = proof.proof_hashes().iter().copied().map(Hash::from_bytes);
        Ok(Self {
            indices: indices.to_vec(),
            size,
            hashes: hashes.collect(),
        })
    }

    /// Checks that the leaves, in the order of their indices, are in the tree with this root.
    ///
    /// # Errors
    /// [`MultiproofError`] if anything does not fit; a proof with a missing or an extra hash or
    /// leaf never holds.
    ///
    /// # Security
    /// What rs_merkle alone lets pass is refused before it is asked: an index that stands twice
    /// (it takes any leaf for the second), and hashes left over.
    pub fn verify(&self, leaves: &[Hash], root: &Hash) -> Result<(), MultiproofError> {
        let places = checked(&self.indices, self.size)?;
        let size = usize::try_from(self.size).map_err(|_| ProofError::SizeTooLarge)?;
        let is_exact = self.hashes.len() == needed(&self.indices, self.size);
        if leaves.len() != places.len() || !is_exact {
            return Err(ProofError::WrongLength.into());
        }
        let proof = MerkleProof::<Rfc6962>::new(bytes_of(&self.hashes));
        if !proof.verify(*root.as_bytes(), &places, &bytes_of(leaves), size) {
            return Err(ProofError::RootMismatch.into());
        }
        Ok(())
    }
}

/// The indices as rs_merkle takes them, if they are fit to be proved.
fn checked(indices: &[u64], size: u64) -> Result<Vec<usize>, MultiproofError> {
    if size > MAX_TREE_SIZE {
        return Err(ProofError::SizeTooLarge.into());
    }
    if indices.len() > MAX_MULTIPROOF_LEAVES {
        return Err(MultiproofError::TooManyIndices);
    }
    if !indices.is_sorted_by(|earlier, later| earlier < later) {
        return Err(MultiproofError::NotAscending);
    }
    let last = indices.last().ok_or(MultiproofError::NoIndex)?;
    if *last >= size {
        return Err(ProofError::IndexOutOfRange.into());
    }
    let places = indices.iter().copied().map(usize::try_from);
    let places: Result<_, _> = places.collect();
    Ok(places.map_err(|_| ProofError::IndexOutOfRange)?)
}

/// How many hashes prove these leaves, ascending and within the tree of this size.
fn needed(indices: &[u64], size: u64) -> usize {
    let mut nodes = indices.to_vec();
    let mut last = size - 1;
    let mut count = 0;
    while last > 0 {
        let pairs = nodes.chunk_by(|left, right| left ^ 1 == *right);
        // Of a pair both are known; a node alone lacks its sibling, unless it is the last.
        let alone = pairs.filter(|pair| matches!(pair, [node] if node ^ 1 <= last));
        count += alone.count();
        nodes.iter_mut().for_each(|node| *node >>= 1);
        nodes.dedup();
        last >>= 1;
    }
    count
}

fn bytes_of(hashes: &[Hash]) -> Vec<[u8; Hash::LEN]> {
    hashes.iter().map(|hash| *hash.as_bytes()).collect()
}

/// RFC 6962's hashing for rs_merkle, whose own tells no leaf from a node.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; Hash::LEN];

    fn hash(data: &[u8]) -> Self::Hash {
        *Hash::of_leaf(data).as_bytes()
    }

    fn concat_and_hash(left: &Self::Hash, right: Option<&Self::Hash>) -> Self::Hash {
        right.map_or(*left, |right| {
            *Hash::of_node(&Hash::from_bytes(*left), &Hash::from_bytes(*right)).as_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_hashes_are_needed_as_rs_merkle_makes() {
        let leaves: Vec<Hash> = (0..13_u8).map(|i| Hash::of_leaf(&[i])).collect();
        for size in 1..=leaves.len() {
            for chosen in 1_u32..1 << size {
                let indices: Vec<u64> = (0..size as u64).filter(|i| chosen >> i & 1 == 1).collect();
                let proof = Multiproof::prove(&leaves, &indices, size as u64).unwrap();
                let count = needed(&indices, size as u64);
                assert_eq!(proof.hashes.len(), count, "{indices:?} of {size}");
            }
        }
    }
}
