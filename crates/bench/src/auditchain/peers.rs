//! The peers' trees, each as fast as it goes.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use rs_merkle::{Hasher, MerkleTree};
use sha2::Sha256;
use strongroom_auditchain::Hash;

/// ct-merkle's tree. It keeps its items; it is given references, which are the least to keep.
pub type CtMerkle = MemoryBackedTree<Sha256, &'static [u8]>;

/// rs_merkle's tree.
pub type RsMerkle = MerkleTree<Rfc6962>;

/// RFC 6962's hashes, which rs_merkle's own SHA-256 is not; ours, for they are faster than what
/// sha2 offers to whoever hashes a whole message.
#[derive(Clone)]
pub struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        *Hash::of_leaf(data).as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| {
            *Hash::of_node(&Hash::from_bytes(*left), &Hash::from_bytes(*right)).as_bytes()
        })
    }
}

/// A tree of rs_merkle over so many hashes, built at once.
pub fn rs_merkle(mut leaves: Vec<[u8; 32]>) -> RsMerkle {
    let mut tree = RsMerkle::new();
    tree.append(&mut leaves);
    tree.commit();
    tree
}
