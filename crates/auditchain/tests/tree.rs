//! The tree against rs_merkle, and against whoever alters a proof.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleTree};
use strongroom_auditchain::{
    ConsistencyProof, Frontier, Hash, InclusionProof, ProofError, prove_consistency,
    prove_inclusion, root,
};

/// rs_merkle with RFC 6962's two prefixes, which its own SHA-256 lacks.
#[derive(Clone)]
struct Rfc6962;

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

fn leaves(count: usize) -> Vec<Hash> {
    (0..count)
        .map(|i| Hash::of_leaf(&i.to_be_bytes()))
        .collect()
}

#[test]
fn roots_and_proofs_are_those_of_rs_merkle() {
    let all = leaves(300);
    let raw: Vec<[u8; 32]> = all.iter().map(|hash| *hash.as_bytes()).collect();
    let mut frontier = Frontier::new();
    for size in 1..=all.len() {
        frontier.push(all[size - 1]);
        let oracle = MerkleTree::<Rfc6962>::from_leaves(&raw[..size]);
        let expected = Hash::from_bytes(oracle.root().unwrap());
        assert_eq!(frontier.root(), expected, "size {size}");
        let (_, proofs) = Frontier::new().append_batch(&all[..size]);
        for (index, proof) in proofs.iter().enumerate() {
            let hashes = oracle.proof(&[index]).proof_hashes().to_vec();
            let hashes: Vec<Hash> = hashes.into_iter().map(Hash::from_bytes).collect();
            assert_eq!(proof.hashes, hashes, "entry {index} of {size}");
            assert_eq!(proof.verify(&all[index], &expected), Ok(()));
        }
    }
}

#[test]
fn every_consistency_proof_of_a_small_tree_holds() {
    let all = leaves(40);
    for new in 0..=all.len() {
        for old in 0..=new {
            let proof = prove_consistency(&all, old as u64, new as u64).unwrap();
            let (old_root, new_root) = (root(&all[..old]), root(&all[..new]));
            assert_eq!(proof.verify(&old_root, &new_root), Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn what_cannot_be_proved() {
    let all = leaves(5);
    let out = Err(ProofError::IndexOutOfRange);
    assert_eq!(prove_inclusion(&all, 5, 5), out);
    assert_eq!(prove_inclusion(&all, 0, 0), out);
    assert_eq!(prove_inclusion(&all, u64::MAX, 5), out);
    let sizes = Err(ProofError::SizeMismatch);
    assert_eq!(prove_inclusion(&all, 0, 6), sizes);
    assert_eq!(prove_inclusion(&all, 0, u64::MAX), sizes);
    let sizes = Err(ProofError::SizeMismatch);
    assert_eq!(prove_consistency(&all, 3, 2), sizes);
    assert_eq!(prove_consistency(&all, 1, 6), sizes);
}

#[test]
fn the_same_root_at_another_size_is_refused() {
    // A size that asks for more hashes, fewer, or the same number in another order.
    let all = leaves(7);
    let top = root(&all);
    for index in 0..7 {
        let proof = prove_inclusion(&all, index, 7).unwrap();
        for size in (0..20).filter(|size| *size != 7) {
            let other = InclusionProof {
                size,
                ..proof.clone()
            };
            let shape = prove_inclusion(&leaves(20), index, size).map(|proof| proof.hashes.len());
            // Where the way from leaf to root is the same, the size cannot be told from it: that
            // is what the signed checkpoint is for.
            if other.verify(&all[index as usize], &top).is_ok() {
                assert_eq!(shape, Ok(proof.hashes.len()), "entry {index}, size {size}");
            }
        }
    }
}

#[test]
fn sizes_that_no_tree_has_are_refused_by_name() {
    let hash = Hash::EMPTY;
    let large = Err(ProofError::SizeTooLarge);
    for size in [1 << 63, u64::MAX] {
        let hashes = vec![hash; 63];
        let proof = InclusionProof {
            index: 0,
            size,
            hashes: hashes.clone(),
        };
        assert_eq!(proof.verify(&hash, &hash), large);
        let proof = ConsistencyProof {
            old: 1,
            new: size,
            hashes,
        };
        assert_eq!(proof.verify(&hash, &hash), large);
    }
    let proof = InclusionProof {
        index: 0,
        size: 0,
        hashes: Vec::new(),
    };
    assert_eq!(proof.verify(&hash, &hash), Err(ProofError::IndexOutOfRange));
    let proof = InclusionProof {
        index: 1,
        size: 1,
        hashes: Vec::new(),
    };
    assert_eq!(proof.verify(&hash, &hash), Err(ProofError::IndexOutOfRange));
    let proof = ConsistencyProof {
        old: 2,
        new: 1,
        hashes: Vec::new(),
    };
    assert_eq!(proof.verify(&hash, &hash), Err(ProofError::SizeMismatch));
}

#[test]
fn a_hash_above_the_root_is_refused_even_with_the_root_that_it_gives() {
    let all = leaves(4);
    let above = Hash::of_leaf(b"above");
    let mut proof = prove_inclusion(&all, 2, 4).unwrap();
    proof.hashes.push(above);
    let forged = Hash::of_node(&above, &root(&all));
    assert_eq!(proof.verify(&all[2], &forged), Err(ProofError::WrongLength));
    let mut proof = prove_consistency(&all, 3, 4).unwrap();
    proof.hashes.push(above);
    let forged_old = Hash::of_node(&above, &root(&all[..3]));
    assert_eq!(
        proof.verify(&forged_old, &forged),
        Err(ProofError::WrongLength)
    );
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

proptest! {
    #[test]
    fn a_batch_proves_each_new_entry(old in 0_usize..200, more in 0_usize..80) {
        let all = leaves(old + more);
        let mut pushed = Frontier::new();
        all[..old].iter().for_each(|leaf| pushed.push(*leaf));
        let (grown, proofs) = pushed.append_batch(&all[old..]);
        all[old..].iter().for_each(|leaf| pushed.push(*leaf));
        prop_assert_eq!(&grown, &pushed);
        prop_assert_eq!(grown.root(), root(&all));
        prop_assert_eq!(proofs.len(), more);
        for (offset, proof) in proofs.iter().enumerate() {
            let expected = prove_inclusion(&all, (old + offset) as u64, all.len() as u64);
            prop_assert_eq!(Ok(proof), expected.as_ref());
        }
    }

    #[test]
    fn a_frontier_round_trips(size in 0_usize..500) {
        let mut frontier = Frontier::new();
        leaves(size).into_iter().for_each(|leaf| frontier.push(leaf));
        let bytes = frontier.to_bytes();
        prop_assert_eq!(Frontier::from_bytes(frontier.size(), &bytes), Ok(frontier.clone()));
        prop_assert_eq!(Frontier::from_parts(frontier.size(), frontier.parts()), Ok(frontier));
    }

    #[test]
    fn an_altered_inclusion_proof_fails(
        size in 1_usize..200, at: prop::sample::Index, bit in 0_usize..256, which: prop::sample::Index,
    ) {
        let all = leaves(size);
        let index = at.index(size);
        let top = root(&all);
        let proof = prove_inclusion(&all, index as u64, size as u64).unwrap();
        prop_assert_eq!(proof.verify(&all[index], &top), Ok(()));
        let fails = |proof: &InclusionProof| proof.verify(&all[index], &top).is_err();
        prop_assert!(proof.verify(&flipped(all[index], bit), &top).is_err());
        prop_assert!(proof.verify(&all[index], &flipped(top, bit)).is_err());
        for other in (0..size as u64).filter(|other| *other != proof.index) {
            let moved = InclusionProof { index: other, ..proof.clone() };
            prop_assert!(fails(&moved));
        }
        let mut extra = proof.clone();
        extra.hashes.push(top);
        prop_assert!(fails(&extra));
        let mut extra = proof.clone();
        extra.hashes.insert(0, all[index]);
        prop_assert!(fails(&extra));
        if !proof.hashes.is_empty() {
            let which = which.index(proof.hashes.len());
            let mut less = proof.clone();
            less.hashes.remove(which);
            prop_assert!(fails(&less));
            let mut altered = proof.clone();
            altered.hashes[which] = flipped(altered.hashes[which], bit);
            prop_assert!(fails(&altered));
        }
        for size in [0, proof.index, proof.size * 2, 1 << 63, u64::MAX] {
            let other = InclusionProof { size, ..proof.clone() };
            prop_assert!(fails(&other));
        }
    }

    #[test]
    fn an_altered_consistency_proof_fails(
        old in 1_usize..100, more in 1_usize..100, bit in 0_usize..256, which: prop::sample::Index,
    ) {
        let all = leaves(old + more);
        let (old_root, new_root) = (root(&all[..old]), root(&all));
        let proof = prove_consistency(&all, old as u64, all.len() as u64).unwrap();
        prop_assert_eq!(proof.verify(&old_root, &new_root), Ok(()));
        let fails = |proof: &ConsistencyProof| proof.verify(&old_root, &new_root).is_err();
        prop_assert!(proof.verify(&flipped(old_root, bit), &new_root).is_err());
        prop_assert!(proof.verify(&old_root, &flipped(new_root, bit)).is_err());
        let mut extra = proof.clone();
        extra.hashes.push(new_root);
        prop_assert!(fails(&extra));
        let which = which.index(proof.hashes.len());
        let mut less = proof.clone();
        less.hashes.remove(which);
        prop_assert!(fails(&less));
        let mut altered = proof.clone();
        altered.hashes[which] = flipped(altered.hashes[which], bit);
        prop_assert!(fails(&altered));
        for new in [0, proof.old - 1, proof.old, 1 << 63, u64::MAX] {
            let other = ConsistencyProof { new, ..proof.clone() };
            prop_assert!(fails(&other));
        }
    }

    #[test]
    fn proofs_never_panic(
        index: u64, size: u64, old: u64, new: u64, count in 0_usize..70,
    ) {
        let hashes = leaves(count);
        let leaf = Hash::EMPTY;
        let _ = InclusionProof { index, size, hashes: hashes.clone() }.verify(&leaf, &leaf);
        let _ = ConsistencyProof { old, new, hashes }.verify(&leaf, &leaf);
    }
}
